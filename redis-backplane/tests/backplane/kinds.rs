//! Clusters and Sentinels.

use hub_core::backplane::Topic;
use redis_backplane::{ConnectError, RedisBackplane, RedisOptions, RedisServers};
use redis_for_tests::{RedisCluster, RedisSentinel};

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
