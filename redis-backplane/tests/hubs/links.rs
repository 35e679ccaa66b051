//! The way from one node to Redis is cut, silent, slow, or open in one direction only.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hub_core::{CallError, Codec};
use redis_backplane::{RedisOptions, WhileDown};
use redis_for_tests::{RedisServer, Relay};

use crate::listener::{Listener, all_reach_all};
use crate::station::{BACKPLANE_TIMEOUT, Node, To, guard, options, through};

#[tokio::test]
async fn a_node_that_is_cut_off_serves_its_own_and_comes_back() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let (a, b) = (Node::start(through(&relay)).await, Node::start(options(&redis.url())).await);
    let mut ann = Listener::connect(a.address, "ann", &["lobby"], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &["lobby"], Codec::MessagePack).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;

    for _ in 0..3 {
        let missed_before = a.backplane.counters().lost_in;
        relay.close();
        a.down().await;
        assert!(b.backplane.link().borrow().is_up());
        for to in [To::All, To::group("lobby"), To::user("ann")] {
            let number = a.send_locally(&to).await;
            ann.hear(number).await;
        }
        // The other one's link is up, so it cannot know who misses what.
        for to in [To::All, To::group("lobby")].iter().cycle().take(6) {
            let number = b.send(to).await;
            bob.hear(number).await;
        }
        let mut late = Listener::connect(a.address, "late", &["lobby", "late"], Codec::MessagePack).await;
        relay.open();
        a.up().await;
        all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob, &mut late]).await;
        // It learns what it missed.
        assert_eq!(a.backplane.counters().lost_in - missed_before, 6);
        drop(late);
    }
}

#[tokio::test]
async fn order_holds_while_the_ways_are_cut_again_and_again() {
    let Some(redis) = RedisServer::start() else { return };
    let relays = (Relay::to(redis.address()).await.unwrap(), Relay::to(redis.address()).await.unwrap());
    let wait = |relay| RedisOptions { while_down: WhileDown::Wait, ..through(relay) };
    let (a, b) = (Node::start(wait(&relays.0)).await, Node::start(wait(&relays.1)).await);
    let mut ann = Listener::connect(a.address, "ann", &["lobby"], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &["lobby"], Codec::MessagePack).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
    let before = (a.backplane.counters(), b.backplane.counters());
    let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
    for round in 0..1500 {
        for to in [To::All, To::group("lobby")] {
            from_a.push(a.send(&to).await);
            from_b.push(b.send(&to).await);
        }
        match round % 300 {
            100 => relays.0.cut(),
            200 => relays.1.cut(),
            // So that something is under way at each cut, and some of it arrives.
            _ if round % 20 == 0 => {
                let _ = tokio::join!(a.backplane.flush(), b.backplane.flush());
            }
            _ => {}
        }
    }
    // Whoever hears, hears in order and once: that is checked with each. Its own hear all.
    ann.hear(from_a[from_a.len() - 1]).await;
    bob.hear(from_b[from_b.len() - 1]).await;
    a.up().await;
    b.up().await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
    let after = (a.backplane.counters(), b.backplane.counters());
    assert!(after.0.links > before.0.links && after.1.links > before.1.links, "{after:?}");
    for (listener, own, far, lost) in [
        (&mut ann, &from_a, &from_b, after.0.lost_in - before.0.lost_in),
        (&mut bob, &from_b, &from_a, after.1.lost_in - before.1.lost_in),
    ] {
        assert!(own.iter().all(|number| listener.has_heard(*number)));
        // What it has not heard is what the gaps say.
        let missed = far.iter().filter(|number| !listener.has_heard(**number)).count();
        assert_eq!(missed as u64, lost);
        assert!(missed < far.len() / 2, "{missed} of {}", far.len());
    }
}

#[tokio::test]
async fn a_change_for_a_client_of_a_node_that_is_cut_off_is_not_said_to_be_done() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let (a, b) = (Node::start(through(&relay)).await, Node::start(options(&redis.url())).await);
    let mut ann = Listener::connect(a.address, "ann", &[], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &[], Codec::Json).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
    relay.close();
    a.down().await;
    let nobody_listens = async || redis.command(&["PUBSUB", "NUMSUB", "hubs:Station:all"]).trim().ends_with("\n1");
    guard("Redis knows", async {
        while !nobody_listens().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for failed in [
        b.hub.add_to_group(&*ann.id, "g").await,
        b.hub.remove_from_group(&*ann.id, "g").await,
        b.hub.abort_connection(&*ann.id).await,
    ] {
        let error = failed.unwrap_err().to_string();
        assert!(error.contains("nobody listens for connection"), "{error}");
    }
    assert!(b.hub.connection(&*ann.id).twice(1).await.is_err());
    // P-LT-08: of these it is known that they are nowhere.
    b.hub.add_to_group("nobody", "g").await.unwrap();
    relay.open();
    a.up().await;
    guard("it is acknowledged", b.hub.add_to_group(&*ann.id, "g")).await.unwrap();
    ann.was_added("g");
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
}

#[tokio::test]
async fn a_change_is_acknowledged_in_time_or_fails_however_slow_redis_is() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    // Redis may take its time, so the link stays up.
    let patient = RedisOptions { response_timeout: Duration::from_secs(60), ..through(&relay) };
    let (a, b) = (Node::start(patient).await, Node::start(options(&redis.url())).await);
    let mut ann = Listener::connect(a.address, "ann", &[], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &[], Codec::Json).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
    relay.stall();
    let started = Instant::now();
    let error = guard("it fails", a.hub.add_to_group(&*bob.id, "g")).await.unwrap_err().to_string();
    assert!(error.contains(&format!("did not reply within {BACKPLANE_TIMEOUT:?}")), "{error}");
    assert!(started.elapsed() < 2 * BACKPLANE_TIMEOUT, "{:?}", started.elapsed());
    let started = Instant::now();
    let error = guard("it fails", a.hub.connection(&*bob.id).twice(2)).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable(_)), "{error}");
    assert!(started.elapsed() < 5 * BACKPLANE_TIMEOUT, "{:?}", started.elapsed());
    relay.open();
    guard("it is acknowledged", a.hub.add_to_group(&*bob.id, "g")).await.unwrap();
    bob.was_added("g");
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
}

#[tokio::test]
async fn a_slow_way_delays_others_only_and_loses_nothing() {
    let Some(redis) = RedisServer::start() else { return };
    let relays = (Relay::to(redis.address()).await.unwrap(), Relay::to(redis.address()).await.unwrap());
    // The link is as impatient as ever: slow is not silent. Its own are not to wait for their turn.
    let impatient = |relay| RedisOptions { turn_timeout: Duration::from_millis(10), ..through(relay) };
    let (a, b) = (Node::start(impatient(&relays.0)).await, Node::start(impatient(&relays.1)).await);
    let mut ann = Listener::connect(a.address, "ann", &["lobby"], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &["lobby"], Codec::MessagePack).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
    let before = (a.backplane.counters(), b.backplane.counters());

    // 2,000 messages of some 800 bytes: more than four seconds of what gets through.
    relays.0.slow(40_000);
    relays.1.slow(40_000);
    let text = "x".repeat(300);
    let targets = [To::All, To::group("lobby")];
    let (heard_before, far_before) = (ann.count(), bob.count());
    let sending = join_all(targets.iter().cycle().take(2000).map(|to| a.try_send(to, &text)));
    let near = async {
        ann.hear_in_all(heard_before + 2000).await;
        assert!(bob.count() < far_before + 2000, "it is not slow");
    };
    let (sent, ()) = tokio::join!(sending, near);
    let sent: Vec<u64> = sent.into_iter().map(|(number, outcome)| outcome.map(|()| number).unwrap()).collect();
    // Meanwhile a client comes, and joins.
    let joining = Instant::now();
    let mut late = Listener::connect(b.address, "late", &["late"], Codec::Json).await;
    let joined = joining.elapsed();
    for number in sent {
        bob.hear(number).await;
    }
    let after = (a.backplane.counters(), b.backplane.counters());
    assert_eq!((after.0.lost_out, after.1.lost_in), (before.0.lost_out, before.1.lost_in));
    assert_eq!((after.0.links, after.1.links), (1, 1), "the link was given up, {joined:?} for the join");
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob, &mut late]).await;
}

#[tokio::test]
async fn two_nodes_cut_off_from_each_other_go_on_and_find_each_other_again() {
    let Some(redis) = RedisServer::start() else { return };
    let relays = (Relay::to(redis.address()).await.unwrap(), Relay::to(redis.address()).await.unwrap());
    let (a, b) = (Node::start(through(&relays.0)).await, Node::start(through(&relays.1)).await);
    let mut ann = Listener::connect(a.address, "ann", &["lobby"], Codec::MessagePack).await;
    let mut bob = Listener::connect(b.address, "bob", &["lobby"], Codec::MessagePack).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
    let breaks: [fn(&Relay); 4] = [Relay::close, Relay::stall, Relay::stall_to_server, Relay::stall_from_server];
    for (way, breaks) in breaks.into_iter().enumerate() {
        breaks(&relays.0);
        if way < 2 {
            breaks(&relays.1);
        }
        // Asked before anybody has noticed, or after.
        let started = Instant::now();
        let question = guard("the question fails", a.hub.connection(&*bob.id).twice(1)).await;
        assert!(question.is_err(), "{question:?}");
        let change = guard("the change fails", a.hub.add_to_group(&*bob.id, "never")).await;
        assert!(change.is_err(), "{change:?}");
        assert!(started.elapsed() < 5 * BACKPLANE_TIMEOUT, "{:?}", started.elapsed());
        a.down().await;
        for to in [To::All, To::group("lobby"), To::user("ann")] {
            let number = a.send_locally(&to).await;
            ann.hear(number).await;
        }
        if way < 2 {
            b.down().await;
        }
        for to in [To::All, To::group("lobby")] {
            let (number, sent) = b.try_send(&to, "").await;
            assert_eq!(sent.is_ok(), way >= 2);
            bob.hear(number).await;
        }
        relays.0.open();
        relays.1.open();
        a.up().await;
        b.up().await;
        // What was held back on the way may have come by now: it was accepted once.
        let _ = guard("it is acknowledged", b.hub.remove_from_group(&*bob.id, "never")).await;
        all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
        while bob.try_asked() {}
    }
}
