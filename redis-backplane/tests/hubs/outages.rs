//! Redis is gone, silent, out of memory, or not there yet.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hub_core::{CallError, Codec};
use redis_backplane::{RedisOptions, WhileDown};
use redis_for_tests::{RedisServer, Relay};

use crate::listener::{Listener, all_reach_all};
use crate::station::{BACKPLANE_TIMEOUT, Node, To, guard, options, through};

/// Two nodes on one Redis.
async fn two(redis: &RedisServer) -> (Node, Node) {
    let url = redis.url();
    let nodes = (Node::start(options(&url)).await, Node::start(options(&url)).await);
    nodes.0.up().await;
    nodes.1.up().await;
    nodes
}

/// What goes on at a node while others are out of reach: all targets, for clients that were there and that come.
async fn serves_its_own(node: &Node, listeners: &mut [&mut Listener], user: &str) {
    for listener in &mut *listeners {
        for to in [To::All, To::group("lobby"), To::user(user)] {
            let number = node.send_locally(&to).await;
            listener.hear(number).await;
        }
        // Nobody else has it, so this is no failure.
        let number = node.send(&listener.itself()).await;
        listener.hear(number).await;
        // By a method of the hub, which learns that others do not have it.
        let (number, said) = listener.say("lobby").await;
        assert!(said.unwrap_err().to_string().contains("the link to Redis is down"));
        listener.hear(number).await;
        let answer = listener.connection.invoke::<u32>("Ask", (&listener.id, 4)).await.unwrap();
        assert_eq!(answer, 8);
    }
}

/// What is asked about a client of another node fails, soon, and says why.
async fn cannot_reach(node: &Node, far: &Listener) {
    let started = Instant::now();
    let id = far.id.as_str();
    let asked = node.hub.connection(id).twice(1).await.unwrap_err();
    assert!(matches!(asked, CallError::Unreachable(_)), "{asked:?}");
    let (_, sent) = node.try_send(&far.itself(), "").await;
    let errors = [
        asked.to_string(),
        sent.unwrap_err().to_string(),
        node.hub.add_to_group(id, "g").await.unwrap_err().to_string(),
        node.hub.remove_from_group(id, "lobby").await.unwrap_err().to_string(),
        node.hub.abort_connection(id).await.unwrap_err().to_string(),
    ];
    for error in errors {
        assert!(error.contains("other nodes could not be reached: the link to Redis is down"), "{error}");
    }
    assert!(started.elapsed() < BACKPLANE_TIMEOUT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn nodes_serve_their_own_while_redis_is_gone_and_each_other_when_it_is_back() {
    let Some(mut redis) = RedisServer::start() else { return };
    let (a, b) = two(&redis).await;
    let mut ann = Listener::connect(a.address, "ann", &["lobby"], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &["lobby"], Codec::MessagePack).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;

    redis.kill();
    a.down().await;
    b.down().await;
    serves_its_own(&a, &mut [&mut ann], "ann").await;
    serves_its_own(&b, &mut [&mut bob], "bob").await;
    cannot_reach(&a, &bob).await;
    cannot_reach(&b, &ann).await;
    let mut ann_again = Listener::connect(a.address, "ann", &["lobby", "new"], Codec::MessagePack).await;
    let mut carl = Listener::connect(b.address, "carl", &["lobby", "new"], Codec::Json).await;
    serves_its_own(&a, &mut [&mut ann, &mut ann_again], "ann").await;
    serves_its_own(&b, &mut [&mut carl], "carl").await;
    // Groups change as well.
    carl.join("newer").await;
    let number = b.send_locally(&To::group("newer")).await;
    carl.hear(number).await;
    let gone = Listener::connect(b.address, "gone", &["gone"], Codec::Json).await;
    gone.connection.stop().await;
    guard("it is gone", async {
        while b.hub.connection_count() > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;

    redis.restart();
    a.up().await;
    b.up().await;
    let listening = redis.command(&["PUBSUB", "CHANNELS", "hubs:Station:group:*"]);
    let mut listening: Vec<&str> = listening.lines().collect();
    listening.sort_unstable();
    assert_eq!(listening, ["lobby", "new", "newer"].map(|group| format!("hubs:Station:group:{group}")));
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut ann_again, &mut bob, &mut carl]).await;
    guard("it is acknowledged", a.hub.add_to_group(&*carl.id, "late")).await.unwrap();
    carl.was_added("late");
    let number = a.send(&To::group("late")).await;
    carl.hear(number).await;
    assert_eq!((a.backplane.counters().links, b.backplane.counters().links), (2, 2));
    assert_eq!((a.backplane.counters().lost_out, b.backplane.counters().lost_out), (0, 0));
}

#[tokio::test]
async fn sends_may_wait_until_redis_is_back() {
    let Some(mut redis) = RedisServer::start() else { return };
    // Through a relay, so that the receiver is back before the sender: nobody keeps what it does not hear.
    let relay = Relay::to(redis.address()).await.unwrap();
    let a = Node::start(RedisOptions { while_down: WhileDown::Wait, ..through(&relay) }).await;
    let b = Node::start(options(&redis.url())).await;
    let mut ann = Listener::connect(a.address, "ann", &["lobby"], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &["lobby"], Codec::MessagePack).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;

    redis.kill();
    relay.close();
    a.down().await;
    b.down().await;
    let mut sent = Vec::new();
    for to in [To::All, To::group("lobby"), To::user("bob")].iter().cycle().take(300) {
        sent.push(a.send(to).await);
    }
    // Its own have heard it at once.
    ann.hear(sent[298 - 1]).await;
    // How many nodes hear it is asked for, so it cannot wait.
    let (_, failed) = a.try_send(&bob.itself(), "").await;
    assert!(matches!(failed, Err(CallError::Unreachable(_))), "{failed:?}");
    redis.restart();
    b.up().await;
    assert!(!bob.has_heard(sent[0]));
    relay.open();
    a.up().await;
    for number in sent {
        bob.hear(number).await;
    }
    assert_eq!((a.backplane.counters().lost_out, b.backplane.counters().lost_in), (0, 0));
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
}

#[tokio::test]
async fn what_is_sent_while_redis_restarts_waits_and_reaches_all() {
    let Some(mut redis) = RedisServer::start() else { return };
    // Others have two seconds to be back, and need much less.
    let patient = RedisOptions {
        fail_after: Duration::from_secs(60),
        longest_retry: Duration::from_secs(2),
        ..options(&redis.url())
    };
    let (a, b) = (Node::start(patient.clone()).await, Node::start(patient).await);
    let mut ann = Listener::connect(a.address, "ann", &["lobby"], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &["lobby"], Codec::MessagePack).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
    redis.kill();
    let lobby = To::group("lobby");
    let sending = join_all((0..40).map(|number| if number % 2 == 0 { &a } else { &b }.try_send(&lobby, "")));
    let restarting = async {
        // It is gone, and not the link alone.
        for node in [&a, &b] {
            let mut link = node.backplane.link();
            let gone = link.wait_for(|link| link.to_string().contains("could not connect"));
            guard("Redis is missed", gone).await.unwrap();
        }
        redis.restart();
    };
    let (sent, ()) = tokio::join!(sending, restarting);
    for (number, sent) in sent {
        sent.unwrap();
        ann.hear(number).await;
        bob.hear(number).await;
    }
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
    assert_eq!((a.backplane.counters().lost_in, b.backplane.counters().lost_in), (0, 0));
}

#[tokio::test]
async fn a_silent_redis_is_noticed_and_nothing_comes_twice_or_out_of_order() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = two(&redis).await;
    let mut ann = Listener::connect(a.address, "ann", &["lobby"], Codec::MessagePack).await;
    let mut bob = Listener::connect(b.address, "bob", &["lobby"], Codec::Json).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
    for _ in 0..2 {
        redis.pause();
        let paused = Instant::now();
        // Into the silence, before anybody has noticed.
        for to in [To::All, To::group("lobby"), To::user("bob"), To::user("ann")].iter().cycle().take(40) {
            let (number, _) = a.try_send(to, "").await;
            if *to != To::user("bob") {
                ann.hear(number).await;
            }
            let _ = b.try_send(to, "").await;
        }
        // Sends to each other's connections wait for Redis: they fail when its silence is noticed.
        let (to_bob, to_ann) = (bob.itself(), ann.itself());
        let ((_, from_a), (_, from_b)) = tokio::join!(a.try_send(&to_bob, ""), b.try_send(&to_ann, ""));
        assert!(from_a.is_err() && from_b.is_err());
        let why = a.down().await;
        assert!(why.contains("did not answer within the response timeout"), "{why}");
        b.down().await;
        // The interval and the timeout are 1.2 s together; the rest is for a busy machine.
        assert!(paused.elapsed() < Duration::from_secs(6), "{:?}", paused.elapsed());
        serves_its_own(&a, &mut [&mut ann], "ann").await;
        serves_its_own(&b, &mut [&mut bob], "bob").await;
        let mut late = Listener::connect(a.address, "late", &["lobby"], Codec::Json).await;
        serves_its_own(&a, &mut [&mut late], "late").await;
        redis.resume();
        a.up().await;
        b.up().await;
        all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob, &mut late]).await;
        drop(late);
    }
}

#[tokio::test]
async fn a_node_ends_in_peace_while_redis_is_gone_or_silent() {
    let Some(mut redis) = RedisServer::start() else { return };
    for silent in [true, false] {
        let (a, b) = two(&redis).await;
        let ann = Listener::connect(a.address, "ann", &["lobby"], Codec::Json).await;
        if silent {
            redis.pause();
        } else {
            redis.kill();
        }
        let started = Instant::now();
        guard("it ends", a.hub.shutdown(Duration::from_secs(20))).await;
        guard("its client is told", ann.connection.closed()).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        drop((a, b));
        if silent {
            redis.resume();
        }
    }
}

#[tokio::test]
async fn nodes_that_start_without_redis_find_each_other_when_it_comes() {
    let Some(mut redis) = RedisServer::start() else { return };
    redis.kill();
    let (a, b) = tokio::join!(Node::start(options(&redis.url())), Node::start(options(&redis.url())));
    let mut ann = Listener::connect(a.address, "ann", &["lobby", "a"], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &["lobby", "b"], Codec::MessagePack).await;
    serves_its_own(&a, &mut [&mut ann], "ann").await;
    serves_its_own(&b, &mut [&mut bob], "bob").await;
    redis.restart();
    a.up().await;
    b.up().await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
}

#[tokio::test]
async fn a_redis_without_memory_still_delivers() {
    let Some(redis) = RedisServer::start_with(&["--maxmemory", "1"]) else { return };
    assert!(redis.command(&["SET", "x", "y"]).contains("OOM"));
    let (a, b) = two(&redis).await;
    let mut ann = Listener::connect(a.address, "ann", &["lobby"], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &["lobby"], Codec::MessagePack).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
}
