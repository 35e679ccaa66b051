//! What happens while the way to Redis, or Redis itself, is broken.

use std::time::Duration;

use hub_core::backplane::Topic;
use redis_backplane::{RedisBackplane, RedisOptions, WhileDown};
use redis_for_tests::{RedisServer, Relay};

use crate::common::{Node, connected, down, group, guard, notice, options, until, up};

/// After whatever happened: all subscriptions are in force again, and deliveries come in order.
async fn works(sender: &Node, receiver: &mut Node, topics: &[Topic]) {
    for topic in topics {
        for number in 0..20 {
            sender.send(topic, &format!("again {number}")).await;
        }
        for number in 0..20 {
            assert_eq!(receiver.next().await, (topic.clone(), format!("again {number}")));
        }
    }
}

#[tokio::test]
async fn a_redis_that_is_killed_and_restarted_is_used_again() {
    let Some(mut redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let topics = [Topic::All, group("lobby")];
    let sender = Node::new(&a, "Chat");
    let mut receiver = Node::listening(&b, "Chat", &topics).await;
    for _ in 0..3 {
        redis.kill();
        let why = down(&a).await;
        assert!(why.contains("closed the connection") || why.contains("could not connect"), "{why}");
        down(&b).await;
        // By default, publications fail when that has lasted a little.
        let lost = notice("lost");
        let publishing = sender.attachment.publish_in_turn(&Topic::All, &lost);
        let refused = guard("an error", publishing).await.unwrap_err();
        assert!(refused.to_string().contains("the link to Redis is down"), "{refused}");
        let refused = guard("an error", sender.attachment.publish(&Topic::All, &notice("lost"))).await.unwrap_err();
        assert!(refused.to_string().contains("the link to Redis is down"), "{refused}");
        // Nobody waits for a subscription.
        receiver.subscribe(&group("while down")).await;
        redis.restart();
        up(&a).await;
        up(&b).await;
        works(&sender, &mut receiver, &topics).await;
        works(&sender, &mut receiver, &[group("while down")]).await;
    }
}

#[tokio::test]
async fn a_redis_that_falls_silent_is_noticed_and_used_again_when_it_speaks() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let sender = Node::new(&a, "Chat");
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    redis.pause();
    let subscribing = receiver.attachment.subscribe(&group("silent"));
    let why = down(&a).await;
    assert!(why.contains("did not answer within the response timeout"), "{why}");
    down(&b).await;
    guard("the subscription waits no longer", subscribing).await;
    redis.resume();
    up(&a).await;
    up(&b).await;
    works(&sender, &mut receiver, &[Topic::All, group("silent")]).await;
}

#[tokio::test]
async fn a_connection_that_is_cut_or_stalled_is_made_again() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let far = connected(options(&format!("redis://{}", relay.address()))).await;
    let near = connected(options(&redis.url())).await;
    let sender = Node::new(&near, "Chat");
    let mut receiver = Node::listening(&far, "Chat", &[Topic::All]).await;
    for stall in [false, true, false] {
        if stall {
            relay.stall();
        } else {
            relay.close();
        }
        down(&far).await;
        assert!(near.link().borrow().is_up());
        relay.open();
        up(&far).await;
        works(&sender, &mut receiver, &[Topic::All]).await;
    }
}

#[tokio::test]
async fn order_holds_across_links_while_the_way_is_cut_again_and_again() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let through = |while_down| RedisOptions { while_down, ..options(&format!("redis://{}", relay.address())) };
    let a = connected(through(WhileDown::Wait)).await;
    let b = connected(through(WhileDown::Wait)).await;
    let sender = Node::new(&a, "Chat");
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    // From here on it knows the sender, and what it misses of it.
    sender.send(&Topic::All, "0").await;
    assert_eq!(receiver.text().await, "0");
    let sending = async {
        for number in 1..3000_u64 {
            sender.send(&Topic::All, &number.to_string()).await;
            if number % 50 == 0 {
                // Lost or not: what counts is that the link is used.
                let _ = a.flush().await;
            }
            if number % 300 == 20 {
                relay.cut();
            }
        }
        // Until one arrives behind all.
        guard("the end", async {
            loop {
                up(&a).await;
                up(&b).await;
                sender.send(&Topic::All, "end").await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    };
    let receiving = async {
        let mut last = Some(0);
        let mut count = 1;
        loop {
            let text = receiver.text().await;
            if text == "end" {
                break count;
            }
            let number = text.parse::<u64>().ok();
            assert!(number > last, "{number:?} came behind {last:?}");
            last = number;
            count += 1;
        }
    };
    let received = tokio::select! {
        () = sending => unreachable!(),
        received = receiving => received,
    };
    let counters = b.counters();
    // What did not arrive is what the gaps say; nothing vanished silently.
    assert!(received + counters.lost_in >= 3000, "{received} arrived, {counters:?}");
    assert!(counters.received <= 3000 + 400);
}

#[tokio::test]
async fn a_slow_way_delays_and_loses_nothing() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let slow = RedisOptions { response_timeout: Duration::from_secs(10), ..options(&redis.url()) };
    let far = RedisOptions::from_url(&format!("redis://{}", relay.address())).unwrap();
    let far = connected(RedisOptions { servers: far.servers, ..slow }).await;
    let near = connected(options(&redis.url())).await;
    let sender = Node::new(&near, "Chat");
    let mut receiver = Node::listening(&far, "Chat", &[Topic::All]).await;
    relay.slow(20_000);
    let long = "x".repeat(1000);
    for number in 0..200 {
        sender.send(&Topic::All, &format!("{number} {long}")).await;
    }
    for number in 0..200 {
        assert!(receiver.text().await.starts_with(&format!("{number} ")));
    }
    assert_eq!(far.counters().lost_in, 0);
    assert!(far.link().borrow().is_up());
}

#[tokio::test]
async fn a_redis_that_comes_later_is_waited_for() {
    let Some(mut redis) = RedisServer::start() else { return };
    redis.kill();
    let backplane = guard("connect returns", RedisBackplane::connect(options(&redis.url()))).await.unwrap();
    let why = down(&backplane).await;
    assert!(why.contains("could not connect to 127.0.0.1"), "{why}");
    let mut receiver = Node::new(&backplane, "Chat");
    receiver.subscribe(&Topic::All).await;
    redis.restart();
    up(&backplane).await;
    let sender = Node::new(&backplane, "Chat");
    works(&sender, &mut receiver, &[Topic::All]).await;
}

#[tokio::test]
async fn a_silent_redis_at_the_start_holds_connect_up_for_its_timeout_only() {
    let Some(redis) = RedisServer::start() else { return };
    redis.pause();
    let backplane = guard("connect returns", RedisBackplane::connect(options(&redis.url()))).await.unwrap();
    let why = down(&backplane).await;
    assert!(why.contains("connect_timeout"), "{why}");
    redis.resume();
    up(&backplane).await;
}

#[tokio::test]
async fn a_subscriber_that_redis_cuts_off_for_reading_too_slowly_comes_back() {
    let limit = ["--client-output-buffer-limit", "pubsub 100kb 0 0"];
    let Some(redis) = RedisServer::start_with(&limit) else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let patient =
        RedisOptions { response_timeout: Duration::from_secs(60), ..options(&format!("redis://{}", relay.address())) };
    let far = connected(patient).await;
    let near = connected(options(&redis.url())).await;
    let sender = Node::new(&near, "Chat");
    let mut receiver = Node::listening(&far, "Chat", &[Topic::All]).await;
    sender.send(&Topic::All, "first").await;
    assert_eq!(receiver.text().await, "first");
    relay.slow(1000);
    // More than the buffers of the system between Redis and the relay.
    let mut link = far.link();
    let long = "x".repeat(100_000);
    let mut sent = 0_u64;
    guard("Redis cuts it off", async {
        while link.borrow_and_update().is_up() && sent < 500 {
            sender.send(&Topic::All, &long).await;
            near.flush().await.unwrap();
            sent += 1;
            if redis.command(&["INFO", "stats"]).contains("client_output_buffer_limit_disconnections:1") {
                break;
            }
        }
    })
    .await;
    relay.open();
    guard("the link is lost", link.wait_for(|link| !link.is_up())).await.unwrap();
    up(&far).await;
    sender.send(&Topic::All, "last").await;
    let mut received = 0;
    while receiver.text().await != "last" {
        received += 1;
    }
    let lost = far.counters().lost_in;
    assert!(lost > 0, "{received} of {sent} arrived");
    assert_eq!(received + lost, sent);
}

#[tokio::test]
async fn a_redis_that_refuses_pings_is_there() {
    // A replica without its primary is one; so is a server that cannot save.
    let orphan = ["--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "no"];
    let Some(redis) = RedisServer::start_with(&orphan) else { return };
    assert!(redis.command(&["PING"]).contains("MASTERDOWN"));
    let backplane = connected(options(&redis.url())).await;
    let sender = Node::new(&backplane, "Chat");
    let mut receiver = Node::listening(&backplane, "Chat", &[Topic::All]).await;
    let refused = || {
        let statistics = redis.command(&["INFO", "commandstats"]);
        let pings = statistics.lines().find(|line| line.starts_with("cmdstat_ping:"));
        let rejected = pings.and_then(|pings| pings.split("rejected_calls=").nth(1)?.split(',').next()?.parse().ok());
        rejected.unwrap_or(0)
    };
    until("some pings were refused", || refused() > 10).await;
    works(&sender, &mut receiver, &[Topic::All]).await;
    assert_eq!(backplane.counters().links, 1);
}

#[tokio::test]
async fn a_redis_that_is_busy_with_a_script_is_down_until_the_script_ends() {
    let Some(redis) = RedisServer::start_with(&["--busy-reply-threshold", "50"]) else { return };
    let redis = std::sync::Arc::new(redis);
    let patient = RedisOptions { response_timeout: Duration::from_secs(10), ..options(&redis.url()) };
    let backplane = connected(patient).await;
    let mut receiver = Node::listening(&backplane, "Chat", &[Topic::All]).await;
    let sender = Node::new(&backplane, "Chat");
    let busy = std::sync::Arc::clone(&redis);
    let script = tokio::task::spawn_blocking(move || busy.command(&["EVAL", "while true do end", "0"]));
    let why = down(&backplane).await;
    assert!(why.contains("busy"), "{why}");
    until("the script is killed", || redis.command(&["SCRIPT", "KILL"]) == "OK").await;
    guard("the script ends", script).await.unwrap();
    up(&backplane).await;
    works(&sender, &mut receiver, &[Topic::All]).await;
    assert_eq!(backplane.counters().lost_out, 0);
}

#[tokio::test]
async fn a_redis_that_is_made_a_replica_is_dialled_again() {
    // Its name may lead to the new primary by now. Nothing tells its clients.
    let Some(redis) = RedisServer::start() else { return };
    let backplane = connected(options(&redis.url())).await;
    let mut node = Node::listening(&backplane, "Chat", &[Topic::All]).await;
    node.attachment.propose_secret([1; 32]);
    assert_eq!(node.secret().await, [1; 32]);
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let why = down(&backplane).await;
    assert!(why.contains("is not the primary any more"), "{why}");
    // It is the same, and as good as there is.
    up(&backplane).await;
    let sender = Node::new(&backplane, "Chat");
    works(&sender, &mut node, &[Topic::All]).await;
    redis.command(&["REPLICAOF", "NO", "ONE"]);
    until("the secret is kept", || redis.command(&["EXISTS", "hubs:Chat:secret"]) == "1").await;
    assert_eq!(backplane.counters().links, 2);
}

#[tokio::test]
async fn a_redis_out_of_memory_still_delivers() {
    let Some(redis) = RedisServer::start_with(&["--maxmemory", "1"]) else { return };
    assert!(redis.command(&["SET", "x", "y"]).contains("OOM"));
    let backplane = connected(options(&redis.url())).await;
    let mut receiver = Node::listening(&backplane, "Chat", &[Topic::All]).await;
    let sender = Node::new(&backplane, "Chat");
    works(&sender, &mut receiver, &[Topic::All]).await;
    // A secret cannot be kept, until there is memory.
    receiver.attachment.propose_secret([1; 32]);
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(receiver.secret().await, [1; 32]);
}
