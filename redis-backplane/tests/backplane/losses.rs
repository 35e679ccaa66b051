//! What becomes of publications when the link breaks or the buffer is full.

use std::time::Duration;

use hub_core::backplane::Topic;
use redis_backplane::{RedisOptions, WhileDown};
use redis_for_tests::{RedisServer, Relay};

use crate::common::{Node, connected, down, guard, notice, options, up};

#[tokio::test]
async fn publications_may_wait_for_the_link() {
    let Some(mut redis) = RedisServer::start() else { return };
    let a = connected(RedisOptions { while_down: WhileDown::Wait, ..options(&redis.url()) }).await;
    let b = connected(options(&redis.url())).await;
    let sender = Node::new(&a, "Chat");
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    redis.kill();
    down(&a).await;
    down(&b).await;
    for number in 0..100 {
        sender.send(&Topic::All, &number.to_string()).await;
    }
    // Its number cannot be known.
    let error = sender.attachment.publish_counted(&Topic::All, &notice("counted")).await.unwrap_err();
    assert!(error.to_string().contains("the link to Redis is down"), "{error}");
    // The receiver first: nobody keeps what it does not hear.
    let relay = Relay::to(redis.address()).await.unwrap();
    drop(relay);
    redis.restart();
    up(&a).await;
    up(&b).await;
    guard("all is settled", a.flush()).await.unwrap();
    sender.send(&Topic::All, "end").await;
    let mut last = 0;
    let mut received = 0;
    loop {
        let text = receiver.text().await;
        if text == "end" {
            break;
        }
        received += 1;
        let number = text.parse().unwrap();
        assert!(number >= last);
        last = number;
    }
    let counters = a.counters();
    assert_eq!((counters.published, counters.lost_out), (101, 0));
    // Those that went out before the receiver was back are known to it, if it had heard of the sender.
    assert!(received <= 100);
}

#[tokio::test]
async fn what_waits_for_the_link_is_bounded() {
    let Some(mut redis) = RedisServer::start() else { return };
    let small = RedisOptions { while_down: WhileDown::Wait, publish_buffer: 10_000, ..options(&redis.url()) };
    let backplane = connected(small).await;
    let sender = Node::new(&backplane, "Chat");
    redis.kill();
    down(&backplane).await;
    let mut accepted = 0;
    let error = loop {
        match guard("an answer", sender.attachment.publish(&Topic::All, &notice(&"x".repeat(800)))).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(accepted, 10);
    assert!(error.to_string().contains("the publish buffer is full"), "{error}");
    redis.restart();
    up(&backplane).await;
    guard("all is settled", backplane.flush()).await.unwrap();
    assert_eq!(backplane.counters().published, 10);
}

#[tokio::test]
async fn a_full_buffer_holds_publishers_back_in_their_order() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let small = RedisOptions {
        publish_buffer: 1024,
        response_timeout: Duration::from_secs(10),
        ..options(&format!("redis://{}", relay.address()))
    };
    let a = connected(small).await;
    let b = connected(options(&redis.url())).await;
    let sender = Node::new(&a, "Chat");
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    relay.stall();
    let long = "x".repeat(50_000);
    // Polled in this order, and all at once.
    let texts: Vec<String> = (0..200).map(|number| format!("{number} {long}")).collect();
    let sending = futures_util::future::join_all(texts.iter().map(|text| sender.send(&Topic::All, text)));
    let opening = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        relay.open();
    };
    tokio::join!(sending, opening);
    for number in 0..200 {
        assert!(receiver.text().await.starts_with(&format!("{number} ")));
    }
}

#[tokio::test]
async fn a_publisher_that_waits_for_room_is_told_when_there_is_none() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let small = RedisOptions { publish_buffer: 1024, ..options(&format!("redis://{}", relay.address())) };
    let backplane = connected(small).await;
    let sender = Node::new(&backplane, "Chat");
    relay.stall();
    let long = notice(&"x".repeat(300_000));
    let sending = (0..100).map(|_| sender.attachment.publish(&Topic::All, &long));
    let outcomes = guard("all are answered", futures_util::future::join_all(sending)).await;
    let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(accepted > 0 && accepted < 100, "{accepted}");
    // Those that failed are not sent later; the others are, or are counted.
    relay.open();
    up(&backplane).await;
    let _ = guard("all is settled", backplane.flush()).await;
    let counters = backplane.counters();
    assert_eq!(counters.published + counters.lost_out, accepted as u64, "{counters:?}");
}

#[tokio::test]
async fn what_was_sent_and_not_confirmed_is_published_again_and_arrives_once() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let patient =
        RedisOptions { fail_after: Duration::from_secs(30), ..options(&format!("redis://{}", relay.address())) };
    let a = connected(patient).await;
    let b = connected(options(&redis.url())).await;
    let sender = Node::new(&a, "Chat");
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    sender.send(&Topic::All, "first").await;
    assert_eq!(receiver.text().await, "first");
    // What is written does not arrive; or it does, and the answer does not.
    for arrives in [false, true] {
        if arrives {
            relay.stall_from_server();
        } else {
            relay.stall_to_server();
        }
        for number in 0..10 {
            sender.send(&Topic::All, &number.to_string()).await;
        }
        let counted = notice("counted");
        let counting = sender.attachment.publish_counted(&Topic::All, &counted);
        let breaking = async {
            if arrives {
                for number in 0..10 {
                    assert_eq!(receiver.text().await, number.to_string());
                }
                assert_eq!(receiver.text().await, "counted");
            }
            relay.close();
            down(&a).await;
            relay.open();
            up(&a).await;
        };
        let (counted, ()) = guard("it is counted", async { tokio::join!(counting, breaking) }).await;
        assert_eq!(counted, Ok(1));
        sender.send(&Topic::All, "last").await;
        if !arrives {
            for number in 0..10 {
                assert_eq!(receiver.text().await, number.to_string());
            }
            assert_eq!(receiver.text().await, "counted");
        }
        assert_eq!(receiver.text().await, "last", "nothing comes twice");
    }
    assert!(guard("nothing is left", a.flush()).await.is_ok());
    assert_eq!((a.counters().lost_out, b.counters().lost_in), (0, 0));
}

#[tokio::test]
async fn a_cut_of_what_publishes_fails_nothing_and_what_listens_misses_nothing() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let mut one = Node::listening(&a, "Chat", &[Topic::All]).await;
    let mut other = Node::listening(&b, "Chat", &[Topic::All]).await;
    let (from_one, from_other) = (notice("one"), notice("other"));
    for round in 0..400 {
        if round % 100 == 50 {
            redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
        let publishing = async {
            tokio::join!(
                one.attachment.publish_in_turn(&Topic::All, &from_one),
                other.attachment.publish_in_turn(&Topic::All, &from_other),
                one.attachment.publish_counted(&Topic::All, &from_one),
            )
        };
        let published = guard("all are published", publishing).await;
        assert_eq!(published, (Ok(()), Ok(()), Ok(2)), "in round {round}");
        // Each has had its own two, and what the other published; in one order but for what was only counted.
        let heard = (one.texts(2).await, other.texts(3).await);
        assert_eq!(heard.0.iter().filter(|text| *text == "one").count(), 1, "{heard:?}");
        assert_eq!(heard.1.iter().filter(|text| *text == "one").count(), 2, "{heard:?}");
    }
    assert_eq!((one.now(), other.now()), (None, None));
    let counters = (a.counters(), b.counters());
    assert_eq!((counters.0.links, counters.1.links), (1, 1), "what listens is still the first");
    assert_eq!((counters.0.lost_out, counters.0.lost_in, counters.1.lost_out, counters.1.lost_in), (0, 0, 0, 0));
}

#[tokio::test]
async fn what_was_under_way_when_the_link_does_not_come_back_fails_and_is_counted() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let a = connected(options(&format!("redis://{}", relay.address()))).await;
    let b = connected(options(&redis.url())).await;
    let sender = Node::new(&a, "Chat");
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    sender.send(&Topic::All, "first").await;
    assert_eq!(receiver.text().await, "first");
    relay.stall();
    let delivery = notice("lost");
    let sending = (0..10).map(|_| sender.attachment.publish_in_turn(&Topic::All, &delivery));
    let breaking = async {
        relay.close();
        down(&a).await;
    };
    let (failed, ()) =
        guard("all fail", async { tokio::join!(futures_util::future::join_all(sending), breaking) }).await;
    assert!(failed.iter().all(Result::is_err), "{failed:?}");
    relay.open();
    up(&a).await;
    sender.send(&Topic::All, "last").await;
    assert_eq!(receiver.text().await, "last");
    // The receiver knows what it did not get.
    assert_eq!((a.counters().lost_out, b.counters().lost_in), (10, 10));
}

#[tokio::test]
async fn messages_of_other_versions_and_strangers_are_refused_and_counted() {
    let Some(redis) = RedisServer::start() else { return };
    let backplane = connected(options(&redis.url())).await;
    let mut receiver = Node::listening(&backplane, "Chat", &[Topic::All]).await;
    for garbage in ["", "hello", "\u{2}aaaaaaaaaaaaaaaaaaaaaaaaaaa", "\u{1}aaaaaaaaaaaaaaaaaa\u{9}"] {
        redis.command(&["PUBLISH", "hubs:Chat:all", garbage]);
    }
    let sender = Node::new(&backplane, "Chat");
    sender.send(&Topic::All, "well").await;
    assert_eq!(receiver.text().await, "well");
    let counters = backplane.counters();
    assert_eq!((counters.unreadable, counters.received, counters.lost_in), (4, 1, 0));
}
