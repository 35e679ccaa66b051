//! What Redis refuses, or is not what it was taken for, while the link is up or before.

use std::time::Duration;

use hub_core::backplane::Topic;
use redis_backplane::{ConnectError, RedisBackplane, RedisOptions};
use redis_for_tests::{RedisCluster, RedisSentinel, RedisServer};

use crate::common::{Node, connected, down, group, guard, notice, options, until, up};

/// What becomes of one publication.
async fn publish(node: &Node, topic: &Topic, text: &str) -> Result<(), String> {
    let delivery = notice(text);
    let published = guard("an answer", node.attachment.publish_in_turn(topic, &delivery)).await;
    published.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_permission_that_is_withdrawn_takes_the_link_down_with_its_reason() {
    let Some(redis) = RedisServer::start() else { return };
    let rules = "reset on >secret ~* &* -@all +publish +subscribe +unsubscribe +ping +hello +get +set";
    let rules: Vec<&str> = ["ACL", "SETUSER", "hub"].into_iter().chain(rules.split(' ')).collect();
    assert_eq!(redis.command(&rules), "OK");
    let a = connected(options(&format!("redis://hub:secret@{}", redis.address()))).await;
    let b = connected(options(&redis.url())).await;
    let mut sender = Node::listening(&a, "Chat", &[Topic::All]).await;
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    assert_eq!(publish(&sender, &Topic::All, "before").await, Ok(()));
    redis.command(&["ACL", "SETUSER", "hub", "-publish"]);
    let error = publish(&sender, &Topic::All, "refused").await.unwrap_err();
    assert!(error.contains("NOPERM") && error.contains("'publish'"), "{error}");
    let why = down(&a).await;
    assert!(why.contains("NOPERM") && why.contains("To do: ") && why.contains("+publish"), "{why}");
    let error = publish(&sender, &Topic::All, "refused again").await.unwrap_err();
    assert!(error.contains("the link to Redis is down") && error.contains("NOPERM"), "{error}");
    assert!(!error.contains("To do"), "who sends is not who administers: {error}");
    redis.command(&["ACL", "SETUSER", "hub", "+publish"]);
    up(&a).await;
    assert_eq!(publish(&sender, &Topic::All, "after").await, Ok(()));
    assert_eq!((receiver.text().await, receiver.text().await), ("before".to_owned(), "after".to_owned()));
    // Its own had all of it.
    for text in ["before", "refused", "refused again", "after"] {
        assert_eq!(sender.text().await, text);
    }
}

#[tokio::test]
async fn a_channel_that_is_refused_fails_what_is_for_it_and_nothing_else() {
    let Some(redis) = RedisServer::start() else { return };
    let rules = "reset on >secret ~* resetchannels &hubs::* &hubs:Chat:* +@all";
    let rules: Vec<&str> = ["ACL", "SETUSER", "hub"].into_iter().chain(rules.split(' ')).collect();
    assert_eq!(redis.command(&rules), "OK");
    let a = connected(options(&format!("redis://hub:secret@{}", redis.address()))).await;
    let b = connected(options(&redis.url())).await;
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    let (chat, game) = (Node::new(&a, "Chat"), Node::new(&a, "Game"));
    for number in 0..20 {
        let error = publish(&game, &Topic::All, "refused").await.unwrap_err();
        assert!(error.contains("Redis refused: NOPERM"), "{error}");
        chat.send(&Topic::All, &number.to_string()).await;
        assert_eq!(receiver.text().await, number.to_string());
    }
    assert_eq!((a.counters().links, a.counters().lost_out), (1, 20));
}

#[tokio::test]
async fn a_redis_without_set_has_a_link_and_no_secret() {
    // Redis repeats in its error what it was given.
    let Some(redis) = RedisServer::start_with(&["--rename-command", "SET", "WRITE"]) else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    let sender = Node::new(&a, "Chat");
    for node in [&sender, &receiver] {
        node.attachment.propose_secret([0xff; 32]);
    }
    for number in 0..50 {
        sender.send(&Topic::All, &number.to_string()).await;
        assert_eq!(receiver.text().await, number.to_string());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((a.counters().links, b.counters().links), (1, 1));
    // Another program may put one there.
    redis.command(&["WRITE", "hubs:Chat:secret", &"01".repeat(32)]);
    assert_eq!(receiver.secret().await, [1; 32]);
}

#[tokio::test]
async fn a_server_that_refuses_hello_is_spoken_to_in_resp2() {
    let more = ["--rename-command", "HELLO", "", "--requirepass", "right"];
    let Some(mut redis) = RedisServer::start_with(&more) else { return };
    assert!(redis.command(&["HELLO"]).contains("unknown command"));
    let url = |credentials: &str| format!("redis://{credentials}@{}/3", redis.address());
    let refused = guard("connect returns", RedisBackplane::connect(options(&url(":wrong")))).await;
    assert!(matches!(&refused, Err(ConnectError::Refused(why)) if why.contains("WRONGPASS")), "{refused:?}");
    let (a, b) = (connected(options(&url(":right"))).await, connected(options(&url("default:right"))).await);
    let topics = [Topic::All, group("lobby"), group("\r\n*3\r\n")];
    let mut receiver = Node::listening(&b, "Chat", &topics).await;
    let mut sender = Node::listening(&a, "Chat", &topics).await;
    receiver.attachment.propose_secret([5; 32]);
    assert_eq!(receiver.secret().await, [5; 32]);
    for _ in 0..2 {
        let texts = ["", "*3\r\n", &"x".repeat(100_000), "end"];
        for topic in &topics {
            for text in texts {
                assert_eq!(publish(&sender, topic, text).await, Ok(()));
                assert_eq!(receiver.next().await, (topic.clone(), text.to_owned()));
                assert_eq!(sender.next().await, (topic.clone(), text.to_owned()));
            }
        }
        // Pings, changes of subscriptions, and what they are answered with.
        let heard = guard("a number", sender.attachment.publish_counted(&group("other"), &notice("x"))).await;
        assert_eq!(heard, Ok(0));
        for number in 0..30 {
            let other = group(&format!("other {number}"));
            receiver.subscribe(&other).await;
            receiver.attachment.unsubscribe(&other);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(a.counters().links, b.counters().links);
        redis.restart();
        until("both links are made again", || a.counters().links > 1 && b.counters().links > 1).await;
        up(&a).await;
        up(&b).await;
    }
    assert_eq!(a.counters().unreadable + b.counters().unreadable, 0);
}

#[tokio::test]
async fn one_address_of_a_cluster_leads_to_all_of_it() {
    let Some(cluster) = RedisCluster::start(0) else { return };
    let plain = |node: usize| options(&cluster.nodes[node].url());
    let (a, b) = (connected(plain(0)).await, connected(plain(1)).await);
    let c = connected(options(&cluster.url())).await;
    let groups: Vec<Topic> = (0..30).map(|number| group(&format!("room {number}"))).collect();
    let (mut near, mut far) = (Node::listening(&b, "Chat", &groups).await, Node::listening(&c, "Chat", &groups).await);
    let sender = Node::new(&a, "Chat");
    for topic in &groups {
        assert_eq!(publish(&sender, topic, "hello").await, Ok(()));
        assert_eq!((near.next().await.0, far.next().await.0), (topic.clone(), topic.clone()));
    }
    near.attachment.propose_secret([4; 32]);
    assert_eq!(near.secret().await, [4; 32]);
    assert_eq!(a.counters().links, 1);
    let numbered = RedisBackplane::connect(RedisOptions { database: 1, ..plain(0) }).await;
    assert!(numbered.is_err() || !numbered.unwrap().link().borrow().is_up(), "a Cluster has no databases");
}

#[tokio::test]
async fn a_sentinel_is_not_taken_for_a_server() {
    let Some(set) = RedisSentinel::start() else { return };
    let refused = guard("connect returns", RedisBackplane::connect(options(&set.sentinel.url()))).await;
    assert!(matches!(&refused, Err(ConnectError::Refused(why)) if why.contains("redis+sentinel://")), "{refused:?}");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_port_without_tls_is_said_to_be_one() {
    let Some(redis) = RedisServer::start() else { return };
    for _ in 0..5 {
        let secure = options(&redis.url().replace("redis://", "rediss://"));
        // What TLS begins with is random: Redis answers it, ends the connection, or waits for more.
        let why = match guard("connect returns", RedisBackplane::connect(secure)).await {
            Err(error) => error.to_string(),
            Ok(backplane) => down(&backplane).await,
        };
        assert!(why.contains("TLS") && why.contains("`redis`"), "{why}");
    }
}

#[tokio::test]
async fn a_message_that_redis_would_cut_everybody_off_for_is_refused() {
    let limit = ["--client-output-buffer-limit", "pubsub 1mb 0 0"];
    let Some(redis) = RedisServer::start_with(&limit) else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    let mut sender = Node::listening(&a, "Chat", &[Topic::All]).await;
    let (fits, too_large) = ("x".repeat(900_000), "x".repeat(1_100_000));
    assert_eq!(publish(&sender, &Topic::All, &fits).await, Ok(()));
    let error = publish(&sender, &Topic::All, &too_large).await.unwrap_err();
    assert!(error.contains("Redis lets 1048576 through: its client-output-buffer-limit pubsub"), "{error}");
    assert_eq!(publish(&sender, &Topic::All, "end").await, Ok(()));
    assert_eq!((receiver.text().await.len(), receiver.text().await), (900_000, "end".to_owned()));
    // Its own have it.
    assert_eq!((sender.text().await.len(), sender.text().await.len()), (900_000, 1_100_000));
    assert_eq!((a.counters().links, b.counters().links), (1, 1));
    // By option, for who may not ask Redis.
    let c = connected(RedisOptions { largest_message: Some(5000), ..options(&redis.url()) }).await;
    let error = publish(&Node::new(&c, "Chat"), &Topic::All, &"x".repeat(5000)).await.unwrap_err();
    assert!(error.contains("`largest_message`"), "{error}");
}
