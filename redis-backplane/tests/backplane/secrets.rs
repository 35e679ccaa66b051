//! The secret that the nodes of a hub have in common.

use redis_for_tests::RedisServer;

use crate::common::{Node, connected, down, options, until, up};

#[tokio::test]
async fn the_first_secret_proposed_is_everybodys() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let mut first = Node::new(&a, "Chat");
    first.attachment.propose_secret([1; 32]);
    assert_eq!(first.secret().await, [1; 32]);
    let mut second = Node::new(&b, "Chat");
    second.attachment.propose_secret([2; 32]);
    assert_eq!(second.secret().await, [1; 32]);
    // Another hub has its own.
    let mut other = Node::new(&b, "Other");
    other.attachment.propose_secret([3; 32]);
    assert_eq!(other.secret().await, [3; 32]);
}

#[tokio::test]
async fn nodes_give_a_redis_that_lost_it_the_secret_back() {
    let Some(mut redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let (mut first, mut second) = (Node::new(&a, "Chat"), Node::new(&b, "Chat"));
    first.attachment.propose_secret([1; 32]);
    assert_eq!(first.secret().await, [1; 32]);
    second.attachment.propose_secret([2; 32]);
    assert_eq!(second.secret().await, [1; 32]);
    redis.kill();
    down(&a).await;
    down(&b).await;
    redis.restart();
    up(&b).await;
    // Whoever is first back, it is the one that all know.
    let mut third = Node::new(&b, "Chat");
    third.attachment.propose_secret([3; 32]);
    assert_eq!(third.secret().await, [1; 32]);
}

#[tokio::test]
async fn a_secret_proposed_while_redis_is_away_is_told_when_it_is_back() {
    let Some(mut redis) = RedisServer::start() else { return };
    let backplane = connected(options(&redis.url())).await;
    redis.kill();
    down(&backplane).await;
    let mut node = Node::new(&backplane, "Chat");
    node.attachment.propose_secret([9; 32]);
    redis.restart();
    assert_eq!(node.secret().await, [9; 32]);
}

#[tokio::test]
async fn a_secret_that_redis_loses_while_the_link_is_up_is_given_back() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let mut first = Node::new(&a, "Chat");
    first.attachment.propose_secret([1; 32]);
    assert_eq!(first.secret().await, [1; 32]);
    // As a cache does that evicts keys.
    redis.command(&["FLUSHALL"]);
    until("it is there again", || redis.command(&["EXISTS", "hubs:Chat:secret"]) == "1").await;
    let mut second = Node::new(&b, "Chat");
    second.attachment.propose_secret([2; 32]);
    assert_eq!(second.secret().await, [1; 32]);
    // A node that was faster than that: all come to its secret.
    redis.command(&["SET", "hubs:Chat:secret", &"3".repeat(32)]);
    assert_eq!(first.secret().await, [b'3'; 32]);
    assert_eq!(second.secret().await, [b'3'; 32]);
    assert_eq!((a.counters().links, b.counters().links), (1, 1));
}

#[tokio::test]
async fn an_idle_link_asks_little_however_many_hubs_there_are() {
    let Some(redis) = RedisServer::start() else { return };
    let backplane = connected(options(&redis.url())).await;
    let mut nodes: Vec<Node> = (0..6).map(|number| Node::new(&backplane, &format!("Hub{number}"))).collect();
    for (number, node) in (0..).zip(&mut nodes) {
        node.attachment.propose_secret([number; 32]);
        assert_eq!(node.secret().await, [number; 32]);
    }
    assert_eq!(redis.command(&["CONFIG", "RESETSTAT"]), "OK");
    let calls = || {
        let statistics = redis.command(&["INFO", "commandstats"]);
        ["ping", "get", "set"].map(|command| -> usize {
            let calls = statistics.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
            calls.and_then(|calls| calls.split(',').next()?.parse().ok()).unwrap_or_default()
        })
    };
    until("it was pinged", || calls()[0] >= 30).await;
    // One question on each connection, each time. What was asked at the beginning may still be among them.
    let [pings, gets, sets] = calls();
    assert!(gets >= 10 && sets >= 10 && gets + sets <= pings + 15, "{pings} pings, {gets} and {sets} of secrets");
    // Where one was lost, all are looked after.
    redis.command(&["FLUSHALL"]);
    until("all are there again", || redis.command(&["DBSIZE"]) == "6").await;
}
