//! What several nodes cost: CPU time of each node, and work of Redis, for each message and each delivery.
//!
//!     cargo bench --package conformance-hub
//!
//! Needs redis-server and Linux. Each figure is taken several times, all kinds of nodes in turn, on fresh processes;
//! medians are printed. With a number behind `--`, so many rounds are made.

mod node;
mod swarm;

use std::time::{Duration, Instant};

use redis_for_tests::RedisServer;

use crate::node::Node;
use crate::swarm::{Sender, Swarm};

/// How many rounds are made, unless said otherwise.
const ROUNDS: usize = 5;

/// How many connections listen, and how many of them are in a group.
const LISTENERS: usize = 1000;
const IN_A_GROUP: usize = 10;

/// What is sent in a measurement, and how many messages may be on their way.
const BROADCASTS: usize = 600;
const BROADCASTS_AT_ONCE: usize = 4;
const GROUP_SENDS: usize = 20_000;
const GROUP_SENDS_AT_ONCE: usize = 16;

/// The quiet sender: so many broadcasts, one every 20 ms.
const PACED: usize = 300;
const PACE: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let rounds = match &words[..] {
        [] => ROUNDS,
        [rounds] => rounds.parse().expect("usage: nodes [ROUNDS]"),
        _ => panic!("usage: nodes [ROUNDS]"),
    };
    let Some(redis) = RedisServer::start() else {
        println!("left out: there is no redis-server");
        return;
    };
    println!(
        "| listeners of the sender's node | alone | with Redis | ratio | deliveries a second, alone and with Redis |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    for case in [Case::Everyone, Case::Groups] {
        let mut figures = Vec::new();
        for _ in 0..rounds {
            let alone = local(case, None).await;
            let with = local(case, Some(&redis)).await;
            figures.push([
                alone.sender_cpu,
                with.sender_cpu,
                with.sender_cpu / alone.sender_cpu,
                alone.rate,
                with.rate,
            ]);
        }
        let [alone, with, ratio, rate, rate_with] = medians(&figures);
        println!("| {case}, a delivery | {alone:.2} us | {with:.2} us | {ratio:.2} | {rate:.0}, {rate_with:.0} |");
    }

    println!(
        "\n| listeners of another node | sender's node, a message | far node, a message | far node, a delivery | deliveries a second |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    let cases: [(Case, Option<Duration>); 4] =
        [(Case::Everyone, None), (Case::Everyone, Some(PACE)), (Case::Groups, None), (Case::EmptyGroups, None)];
    let mut work = Vec::new();
    for (case, pace) in cases {
        let mut figures = Vec::new();
        for _ in 0..rounds {
            let far = far(case, pace, &redis).await;
            work.push((case, pace, far.commands, far.reads));
            figures.push([far.sender_cpu, far.far_cpu, far.far_cpu / case.deliveries() as f64, far.rate]);
        }
        let [sender, message, delivery, rate] = medians(&figures);
        let pace = if pace.is_some() { ", 50 a second" } else { "" };
        if case == Case::EmptyGroups {
            println!("| {case}{pace} | {sender:.2} us | {message:.2} us | – | – |");
        } else {
            println!("| {case}{pace} | {sender:.2} us | {message:.2} us | {delivery:.2} us | {rate:.0} |");
        }
    }

    println!("\n| Redis, a message | commands | reads |\n| --- | ---: | ---: |");
    for (case, pace) in cases {
        let figures: Vec<[f64; 2]> = work
            .iter()
            .filter(|figure| (figure.0, figure.1) == (case, pace))
            .map(|figure| [figure.2, figure.3])
            .collect();
        let [commands, reads] = medians(&figures);
        let pace = if pace.is_some() { ", 50 a second" } else { "" };
        println!("| {case}{pace} | {commands:.2} | {reads:.2} |");
    }
}

/// To whom is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Everyone,
    /// To each group in turn.
    Groups,
    /// To groups without a member on the far node.
    EmptyGroups,
}

impl Case {
    /// How many get a message.
    fn deliveries(self) -> usize {
        match self {
            Self::Everyone => LISTENERS,
            Self::Groups => IN_A_GROUP,
            Self::EmptyGroups => 0,
        }
    }

    /// How many messages are sent, of which how many may be on their way.
    fn messages(self) -> (usize, usize) {
        match self {
            Self::Everyone => (BROADCASTS, BROADCASTS_AT_ONCE),
            Self::Groups | Self::EmptyGroups => (GROUP_SENDS, GROUP_SENDS_AT_ONCE),
        }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everyone => write!(f, "to all {LISTENERS}"),
            Self::Groups => write!(f, "to groups of {IN_A_GROUP}"),
            Self::EmptyGroups => f.write_str("to groups with no member there"),
        }
    }
}

/// CPU times are in microseconds for each delivery (local) or message (far).
struct Local {
    sender_cpu: f64,
    rate: f64,
}

/// All listeners are on the sender's node.
async fn local(case: Case, redis: Option<&RedisServer>) -> Local {
    let node = Node::start(redis);
    let swarm = Swarm::connect(&node, LISTENERS, (case == Case::Groups).then_some(IN_A_GROUP)).await;
    let mut sender = Sender::connect(&node).await;
    let (messages, at_once) = case.messages();
    run(case, &mut sender, &swarm, messages / 3, at_once, None).await;
    let (cpu, begun) = (node.cpu(), Instant::now());
    run(case, &mut sender, &swarm, messages, at_once, None).await;
    let deliveries = (messages * case.deliveries()) as f64;
    Local {
        sender_cpu: (node.cpu() - cpu).as_secs_f64() * 1e6 / deliveries,
        rate: deliveries / begun.elapsed().as_secs_f64(),
    }
}

struct Far {
    sender_cpu: f64,
    far_cpu: f64,
    rate: f64,
    commands: f64,
    reads: f64,
}

/// All listeners are on another node than the sender.
async fn far(case: Case, pace: Option<Duration>, redis: &RedisServer) -> Far {
    let [near, far] = [Node::start(Some(redis)), Node::start(Some(redis))];
    let in_a_group = (case != Case::Everyone).then_some(IN_A_GROUP);
    let swarm = Swarm::connect(&far, LISTENERS, in_a_group).await;
    let mut sender = Sender::connect(&near).await;
    let (messages, at_once) = if pace.is_some() { (PACED, 1) } else { case.messages() };
    run(case, &mut sender, &swarm, messages / 3, at_once, pace).await;
    let before = (near.cpu(), far.cpu(), Work::of(redis), Instant::now());
    run(case, &mut sender, &swarm, messages, at_once, pace).await;
    let elapsed = before.3.elapsed();
    let work = Work::of(redis);
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / messages as f64;
    Far {
        sender_cpu: each(near.cpu() - before.0),
        far_cpu: each(far.cpu() - before.1),
        rate: (messages * case.deliveries()) as f64 / elapsed.as_secs_f64(),
        commands: (work.commands - before.2.commands) / messages as f64,
        reads: (work.reads - before.2.reads) / messages as f64,
    }
}

/// Sends, and waits until everything has arrived.
async fn run(case: Case, sender: &mut Sender, swarm: &Swarm, messages: usize, at_once: usize, pace: Option<Duration>) {
    let groups = LISTENERS / IN_A_GROUP;
    let before = swarm.received();
    let mut clock = tokio::time::interval(pace.unwrap_or(Duration::from_secs(1)));
    for number in 0..messages {
        if pace.is_some() {
            clock.tick().await;
        }
        match case {
            Case::Everyone => sender.broadcast().await,
            Case::Groups => sender.send_to_group(&swarm::group(number % groups)).await,
            Case::EmptyGroups => sender.send_to_group(&format!("empty-{}", number % groups)).await,
        }
        if case == Case::EmptyGroups {
            // Nothing arrives: now and then an answer shows how far the node is.
            if number % at_once == 0 {
                sender.synchronize().await;
            }
        } else {
            swarm.wait_for(before + (number + 1).saturating_sub(at_once - 1) * case.deliveries()).await;
        }
    }
    swarm.wait_for(before + messages * case.deliveries()).await;
    sender.synchronize().await;
}

/// What Redis has done so far.
struct Work {
    /// Publications.
    commands: f64,
    /// Reads from its connections.
    reads: f64,
}

impl Work {
    fn of(redis: &RedisServer) -> Self {
        let number = |text: &str, name: &str, end: char| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
            line.split(end).next().and_then(|number| number.trim().parse().ok()).unwrap_or(0.0)
        };
        Self {
            commands: number(&redis.command(&["info", "commandstats"]), "cmdstat_publish:calls=", ','),
            reads: number(&redis.command(&["info", "stats"]), "total_reads_processed:", '\n'),
        }
    }
}

fn medians<const N: usize>(figures: &[[f64; N]]) -> [f64; N] {
    std::array::from_fn(|at| {
        let mut column: Vec<f64> = figures.iter().map(|row| row[at]).collect();
        column.sort_by(f64::total_cmp);
        column[column.len() / 2]
    })
}
