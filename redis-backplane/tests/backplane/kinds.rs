//! Clusters and Sentinels.

use hub_core::backplane::Topic;
use redis_backplane::{ConnectError, RedisBackplane, RedisOptions, RedisServers};
use redis_for_tests::{RedisCluster, RedisSentinel, Relay};

use crate::common::{Node, connected, group, guard, notice, options, until, up};

fn groups() -> Vec<Topic> {
    (0..60).map(|number| group(&format!("room {number}"))).collect()
}

#[tokio::test]
async fn a_cluster_spreads_channels_over_its_primaries() {
    let Some(cluster) = RedisCluster::start(0) else { return };
    // From different seeds.
    let a = connected(options(&format!("redis+cluster://{}", cluster.nodes[0].address()))).await;
    let b = connected(options(&cluster.url())).await;
    let groups = groups();
    let mut receiver = Node::listening(&b, "Chat", &groups).await;
    let sender = Node::new(&a, "Chat");
    for node in &cluster.nodes {
        let channels = node.command(&["PUBSUB", "SHARDCHANNELS", "*"]).lines().count();
        assert!(channels > 5, "{channels} of {} are at one of three", groups.len());
    }
    for number in 0..10 {
        for topic in &groups {
            sender.send(topic, &number.to_string()).await;
        }
    }
    let mut next = vec![0; groups.len()];
    for _ in 0..10 * groups.len() {
        let (topic, text) = receiver.next().await;
        let place = groups.iter().position(|known| *known == topic).unwrap();
        assert_eq!(text, next[place].to_string(), "of {topic:?}");
        next[place] += 1;
    }
    assert_eq!(guard("a number", sender.attachment.publish_counted(&groups[7], &notice("x"))).await, Ok(1));
    receiver.attachment.propose_secret([4; 32]);
    assert_eq!(receiver.secret().await, [4; 32]);
}

#[tokio::test]
async fn a_cluster_that_fails_over_is_used_again() {
    let Some(mut cluster) = RedisCluster::start(1) else { return };
    let (a, b) = (connected(options(&cluster.url())).await, connected(options(&cluster.url())).await);
    let groups = groups();
    let mut receiver = Node::listening(&b, "Chat", &groups).await;
    let sender = Node::new(&a, "Chat");
    cluster.nodes[0].kill();
    crate::common::down(&a).await;
    crate::common::down(&b).await;
    up(&a).await;
    up(&b).await;
    for topic in &groups {
        sender.send(topic, "after").await;
        assert_eq!(receiver.next().await, (topic.clone(), "after".to_owned()));
    }
    // The old primary comes back as a replica, which is no news.
    cluster.nodes[0].restart();
    cluster.wait_until_ready();
    // A failover that is asked for: nothing breaks, the slots move.
    let links = a.counters().links;
    let replica = cluster.nodes[3..]
        .iter()
        .find(|node| node.command(&["ROLE"]).starts_with("slave"))
        .or_else(|| cluster.nodes[..1].iter().find(|node| node.command(&["ROLE"]).starts_with("slave")));
    let replica = replica.expect("a replica");
    until("the failover is possible", || replica.command(&["CLUSTER", "FAILOVER"]) == "OK").await;
    until("the link is made anew", || a.counters().links > links && b.counters().links > links).await;
    up(&a).await;
    up(&b).await;
    for topic in &groups {
        sender.send(topic, "moved").await;
        assert_eq!(receiver.next().await, (topic.clone(), "moved".to_owned()));
    }
}

#[tokio::test]
async fn slots_that_move_are_followed() {
    let Some(cluster) = RedisCluster::start(0) else { return };
    // No ping: Redis tells the subscriber, and the publisher is sent elsewhere.
    let rare = RedisOptions { ping_interval: std::time::Duration::from_secs(3600), ..options(&cluster.url()) };
    let (a, b) = (connected(rare.clone()).await, connected(rare).await);
    let topic = group("moves");
    let mut receiver = Node::listening(&b, "Chat", std::slice::from_ref(&topic)).await;
    let sender = Node::new(&a, "Chat");
    let slot = cluster.nodes[0].command(&["CLUSTER", "KEYSLOT", "hubs:Chat:group:moves"]);
    let owns = |node: &redis_for_tests::RedisServer| {
        node.command(&["PUBSUB", "SHARDCHANNELS", "*"]).contains("hubs:Chat:group:moves")
    };
    let target = cluster.nodes.iter().find(|node| !owns(node)).unwrap().command(&["CLUSTER", "MYID"]);
    for node in &cluster.nodes {
        assert_eq!(node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &target]), "OK");
    }
    until("the receiver's link is made anew", || b.counters().links > 1).await;
    up(&b).await;
    // The sender has not been told: its first is refused, so that it learns it, and published again where it belongs.
    let counted = guard("an answer", sender.attachment.publish_counted(&topic, &notice("first"))).await;
    assert_eq!(counted, Ok(1));
    assert_eq!(receiver.text().await, "first");
    until("the sender's link is made anew", || a.counters().links > 1).await;
    up(&a).await;
    sender.send(&topic, "found").await;
    assert_eq!(receiver.text().await, "found");
    assert_eq!(a.counters().lost_out, 0);
}

#[tokio::test]
async fn sentinels_lead_to_the_primary_and_to_the_next_one() {
    let Some(mut set) = RedisSentinel::start() else { return };
    let (a, b) = (connected(options(&set.url())).await, connected(options(&set.url())).await);
    let mut receiver = Node::listening(&b, "Chat", &[Topic::All]).await;
    let sender = Node::new(&a, "Chat");
    sender.send(&Topic::All, "before").await;
    assert_eq!(receiver.text().await, "before");
    assert!(set.primary.command(&["PUBSUB", "CHANNELS"]).contains("hubs:Chat:all"));
    set.primary.kill();
    crate::common::down(&a).await;
    crate::common::down(&b).await;
    up(&a).await;
    up(&b).await;
    assert!(set.replica.command(&["PUBSUB", "CHANNELS"]).contains("hubs:Chat:all"));
    sender.send(&Topic::All, "after").await;
    assert_eq!(receiver.text().await, "after");

    let unknown = RedisServers::Sentinel {
        sentinels: vec![set.sentinel.address()],
        primary: "another".to_owned(),
        user: None,
        password: None,
    };
    let refused = RedisBackplane::connect(RedisOptions { servers: unknown, ..options(&set.url()) }).await;
    match refused {
        Err(ConnectError::Refused(why)) => assert!(why.contains("knows no primary \"another\""), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_sentinel_or_node_that_is_silent_does_not_hide_the_others() {
    let Some(set) = RedisSentinel::start() else { return };
    let silent = Relay::to(set.sentinel.address()).await.unwrap();
    silent.stall();
    let servers = RedisServers::Sentinel {
        sentinels: vec![silent.address(), set.sentinel.address()],
        primary: "mymaster".to_owned(),
        user: None,
        password: None,
    };
    connected(RedisOptions { servers, ..options(&set.url()) }).await;

    let Some(cluster) = RedisCluster::start(0) else { return };
    let servers = RedisServers::Cluster(vec![silent.address(), cluster.nodes[1].address()]);
    connected(RedisOptions { servers, ..options(&cluster.url()) }).await;
}
