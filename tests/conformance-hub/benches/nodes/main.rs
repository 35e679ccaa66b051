//! What several nodes cost: CPU time of each node, and work of Redis, for each message and each delivery.
//!
//!     cargo bench --package conformance-hub
//!
//! Needs redis-server and Linux. Each figure is taken several times, all kinds of nodes in turn, on fresh processes;
//! medians are printed. With a number behind `--`, so many rounds are made.

mod node;
mod swarm;

use std::time::{Duration, Instant};

use program::median;
use redis_for_tests::RedisServer;

use crate::node::Node;
use crate::swarm::{Sender, Swarm};

/// How many rounds are made, unless said otherwise.
const ROUNDS: usize = 5;

/// How many connections listen, and how many of them are in a group.
const LISTENERS: usize = 1000;
const IN_A_GROUP: usize = 10;

/// A quiet sender sends every so often.
const PACE: Duration = Duration::from_millis(20);

/// What is measured with the listeners on the sender's node, and with them on another.
const LOCAL: [Case; 3] = [
    Case { to: To::Everyone, messages: 600, at_once: 4, pace: None },
    Case { to: To::Groups, messages: 20_000, at_once: 16, pace: None },
    Case { to: To::Groups, messages: 6_000, at_once: 1, pace: None },
];
const FAR: [Case; 5] = [
    Case { to: To::Everyone, messages: 600, at_once: 4, pace: None },
    Case { to: To::Everyone, messages: 300, at_once: 1, pace: Some(PACE) },
    Case { to: To::Groups, messages: 20_000, at_once: 16, pace: None },
    Case { to: To::Groups, messages: 6_000, at_once: 1, pace: None },
    Case { to: To::EmptyGroups, messages: 20_000, at_once: 16, pace: None },
];

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
    println!("| listeners of the sender's node | alone | with Redis | ratio | a second, alone | with Redis |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for case in LOCAL {
        let mut figures = Vec::new();
        for _ in 0..rounds {
            let [alone, with] = [local(case, None).await, local(case, Some(&redis)).await];
            figures.push([alone.0, with.0, with.0 / alone.0, alone.1, with.1]);
        }
        let [alone, with, ratio, rate, rate_with] = medians(&figures);
        println!("| {case} | {alone:.2} us | {with:.2} us | {ratio:.2} | {rate:.0} | {rate_with:.0} |");
    }
    println!("\n| listeners of another node | sender's node | far node | far node, a delivery | deliveries a second |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let mut work = Vec::new();
    for case in FAR {
        let mut figures = Vec::new();
        for _ in 0..rounds {
            figures.push(far(case, &redis).await);
        }
        let [sender, far, rate, commands, reads] = medians(&figures);
        let (delivery, rate) = match case.to.deliveries() {
            0 => ("–".to_owned(), "–".to_owned()),
            deliveries => (format!("{:.2} us", far / deliveries as f64), format!("{rate:.0}")),
        };
        println!("| {case} | {sender:.1} us | {far:.1} us | {delivery} | {rate} |");
        work.push(format!("| {case} | {commands:.2} | {reads:.2} |"));
    }
    println!("\n| Redis, a message | commands | reads |\n| --- | ---: | ---: |\n{}", work.join("\n"));
}

/// What is sent.
#[derive(Clone, Copy)]
struct Case {
    to: To,
    messages: usize,
    /// So many leave in one write, and the next ones when all of these have arrived.
    at_once: usize,
    /// Unless they leave by the clock.
    pace: Option<Duration>,
}

#[derive(Clone, Copy)]
enum To {
    Everyone,
    /// To each group in turn.
    Groups,
    /// To groups without a member on the far node.
    EmptyGroups,
}

impl To {
    /// How many get a message.
    fn deliveries(self) -> usize {
        match self {
            Self::Everyone => LISTENERS,
            Self::Groups => IN_A_GROUP,
            Self::EmptyGroups => 0,
        }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.to {
            To::Everyone => write!(f, "all {LISTENERS}, ")?,
            To::Groups => write!(f, "groups of {IN_A_GROUP}, ")?,
            To::EmptyGroups => f.write_str("groups without a member there, ")?,
        }
        match self.pace {
            Some(pace) => write!(f, "{} a second", 1000 / pace.as_millis()),
            None => write!(f, "{} at once", self.at_once),
        }
    }
}

/// With all listeners on the sender's node: microseconds of CPU for a delivery, and deliveries a second.
async fn local(case: Case, redis: Option<&RedisServer>) -> (f64, f64) {
    let node = Node::start(redis);
    let swarm = Swarm::connect(&node, LISTENERS, case.in_a_group()).await;
    let mut sender = Sender::connect(&node).await;
    case.run(&mut sender, &swarm, case.messages / 3).await;
    let (cpu, begun) = (node.cpu(), Instant::now());
    case.run(&mut sender, &swarm, case.messages).await;
    let deliveries = (case.messages * case.to.deliveries()) as f64;
    ((node.cpu() - cpu).as_secs_f64() * 1e6 / deliveries, deliveries / begun.elapsed().as_secs_f64())
}

/// With all listeners on another node: microseconds of CPU of the sender's node and of the other for a message,
/// deliveries a second, and commands to and reads of Redis for a message.
async fn far(case: Case, redis: &RedisServer) -> [f64; 5] {
    let [near, far] = [Node::start(Some(redis)), Node::start(Some(redis))];
    let swarm = Swarm::connect(&far, LISTENERS, case.in_a_group()).await;
    let mut sender = Sender::connect(&near).await;
    case.run(&mut sender, &swarm, case.messages / 3).await;
    let (before, cpu, begun) = (Work::of(redis), [near.cpu(), far.cpu()], Instant::now());
    case.run(&mut sender, &swarm, case.messages).await;
    let elapsed = begun.elapsed().as_secs_f64();
    let cpu = [near.cpu() - cpu[0], far.cpu() - cpu[1]];
    let after = Work::of(redis);
    let messages = case.messages as f64;
    let [near, far] = cpu.map(|spent| spent.as_secs_f64() * 1e6 / messages);
    let rate = messages * case.to.deliveries() as f64 / elapsed;
    [near, far, rate, (after.commands - before.commands) / messages, (after.reads - before.reads) / messages]
}

impl Case {
    fn in_a_group(self) -> Option<usize> {
        (!matches!(self.to, To::Everyone)).then_some(IN_A_GROUP)
    }

    /// Sends so many, and waits until they have arrived.
    async fn run(self, sender: &mut Sender, swarm: &Swarm, messages: usize) {
        let mut awaited = swarm.received();
        let mut clock = self.pace.map(tokio::time::interval);
        let groups = LISTENERS / IN_A_GROUP;
        for number in 1..=messages {
            match self.to {
                To::Everyone => sender.broadcast().await,
                To::Groups => sender.send_to_group(&swarm::group(number % groups)).await,
                To::EmptyGroups => sender.send_to_group(&format!("empty-{}", number % groups)).await,
            }
            awaited += self.to.deliveries();
            if number % self.at_once == 0 || number == messages {
                match self.to {
                    To::EmptyGroups => sender.synchronize().await,
                    To::Everyone | To::Groups => sender.flush().await,
                }
                swarm.wait_for(awaited).await;
                if let Some(clock) = &mut clock {
                    clock.tick().await;
                }
            }
        }
        sender.synchronize().await;
    }
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
    std::array::from_fn(|at| median(figures.iter().map(|row| row[at]).collect()))
}
