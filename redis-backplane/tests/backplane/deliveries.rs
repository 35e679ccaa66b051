//! What goes from node to node while all is well.

use hub_core::backplane::{Delivery, NodeId, Reply, Request, Topic, publish_to_connection};
use redis_for_tests::RedisServer;

use crate::common::{Node, connected, group, guard, notice, options, until};

#[tokio::test]
async fn what_is_published_arrives_in_order_at_every_other_node() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let sender = Node::listening(&a, "Chat", &[Topic::All]).await;
    let mut here = Node::listening(&a, "Chat", &[Topic::All]).await;
    let mut there = Node::listening(&b, "Chat", &[Topic::All]).await;
    for number in 0..5000 {
        sender.send(&Topic::All, &number.to_string()).await;
    }
    for number in 0..5000 {
        assert_eq!(there.text().await, number.to_string());
        assert_eq!(here.text().await, number.to_string());
    }
    guard("all is confirmed", a.flush()).await.unwrap();
    assert_eq!(a.counters().published, 5000);
    let counters = b.counters();
    assert_eq!((counters.received, counters.lost_in, counters.lost_out), (5000, 0, 0));
}

#[tokio::test]
async fn a_node_hears_no_echo() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let mut node = Node::listening(&a, "Chat", &[Topic::All]).await;
    let mut other = Node::listening(&b, "Chat", &[Topic::All]).await;
    node.send(&Topic::All, "mine").await;
    assert_eq!(other.text().await, "mine");
    // Behind its own in the same channel.
    other.send(&Topic::All, "theirs").await;
    assert_eq!(node.text().await, "theirs");
    assert_eq!(node.now(), None);
}

#[tokio::test]
async fn hubs_prefixes_and_kinds_do_not_mix() {
    let Some(redis) = RedisServer::start() else { return };
    let a = connected(options(&redis.url())).await;
    let b = connected(redis_backplane::RedisOptions { prefix: "other".to_owned(), ..options(&redis.url()) }).await;
    let id = NodeId::new([7; 6]);
    let topics = [
        Topic::All,
        group("all"),
        group("x:all"),
        group(""),
        Topic::User("all".into()),
        Topic::Connection("all".into()),
        Topic::Node(id),
        group(&id.to_string()),
        group("odd \r\n\0*?[a]{b}\u{1f600}"),
        group(&"long".repeat(10_000)),
    ];
    let mut wrong_prefix = Node::listening(&b, "Chat", &topics).await;
    let mut wrong_hub = Node::listening(&a, "Chat:group", &topics).await;
    let mut right = Node::listening(&a, "Chat", &topics).await;
    let sender = Node::new(&a, "Chat");
    for (number, topic) in topics.iter().enumerate() {
        sender.send(topic, &number.to_string()).await;
        assert_eq!(right.next().await, (topic.clone(), number.to_string()));
    }
    // Behind all that in their channels.
    Node::new(&a, "Chat:group").send(&Topic::All, "end").await;
    Node::new(&b, "Chat").send(&Topic::All, "end").await;
    assert_eq!(wrong_hub.text().await, "end");
    assert_eq!(wrong_prefix.text().await, "end");
    assert_eq!(right.now(), None);
}

#[tokio::test]
async fn subscriptions_are_counted() {
    let Some(redis) = RedisServer::start() else { return };
    let backplane = connected(options(&redis.url())).await;
    let mut node = Node::new(&backplane, "Chat");
    let sender = Node::new(&backplane, "Chat");
    let lobby = group("lobby");
    node.subscribe(&lobby).await;
    node.subscribe(&lobby).await;
    node.attachment.unsubscribe(&lobby);
    sender.send(&lobby, "still").await;
    assert_eq!(node.text().await, "still");
    node.attachment.unsubscribe(&lobby);
    // One too many takes nothing from later ones.
    node.attachment.unsubscribe(&lobby);
    // Soon, not at once.
    until("Redis has heard of it", || redis.command(&["PUBSUB", "NUMSUB", "hubs:Chat:group:lobby"]).ends_with('0'))
        .await;
    sender.send(&lobby, "gone").await;
    guard("it is gone", backplane.flush()).await.unwrap();
    node.subscribe(&lobby).await;
    sender.send(&lobby, "back").await;
    assert_eq!(node.text().await, "back");
}

#[tokio::test]
async fn the_last_unsubscription_never_overtakes_a_first_subscription() {
    let Some(redis) = RedisServer::start() else { return };
    let backplane = connected(options(&redis.url())).await;
    let mut node = Node::new(&backplane, "Chat");
    let sender = Node::new(&backplane, "Chat");
    let lobby = group("lobby");
    for round in 0..500 {
        let subscribed = node.attachment.subscribe(&lobby);
        if round % 3 == 0 {
            node.attachment.unsubscribe(&lobby);
            node.attachment.subscribe(&lobby).await;
        } else {
            subscribed.await;
        }
        sender.send(&lobby, &round.to_string()).await;
        assert_eq!(node.text().await, round.to_string());
        node.attachment.unsubscribe(&lobby);
    }
}

#[tokio::test]
async fn publications_are_counted_where_asked_for() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let sender = Node::new(&a, "Chat");
    let topic = group("counted");
    let count =
        async |node: &Node| guard("a number", node.attachment.publish_counted(&topic, &notice("x"))).await.unwrap();
    assert_eq!(count(&sender).await, 0);
    let far = Node::listening(&b, "Chat", std::slice::from_ref(&topic)).await;
    assert_eq!(count(&sender).await, 1);
    // Two nodes behind one connection to Redis are two.
    let near = [Node::new(&a, "Chat"), Node::new(&a, "Chat")];
    for node in &near {
        node.subscribe(&topic).await;
    }
    assert_eq!(count(&sender).await, 3);
    drop(near);
    drop(far);
    // Dropping a node unsubscribes it, soon.
    guard("nobody is left", async { while count(&sender).await > 0 {} }).await;
}

#[tokio::test]
async fn a_connection_is_found_at_its_node_or_at_its_own_topic() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let asker = Node::listening(&a, "Chat", &[]).await;
    let mut owner = Node::new(&b, "Chat");
    let id = owner.attachment.node();
    owner.subscribe(&Topic::Node(id)).await;
    let connection = format!("{id}AAAAAAAAAAAAAAAA").as_str().into();
    let request =
        Delivery::Request { id: 1, from: asker.attachment.node(), connection, request: Request::Join("lobby".into()) };
    let Delivery::Request { connection, .. } = &request else { unreachable!() };
    assert_eq!(publish_to_connection(&*asker.attachment, connection, &request).await, Ok(1));
    assert_eq!(owner.delivery().await, request);
    let mut elsewhere = Node::listening(&a, "Chat", &[Topic::Connection(connection.clone())]).await;
    drop(owner);
    let reply = Delivery::Reply { id: 1, reply: Reply::Unknown };
    guard("its node is gone", async {
        while publish_to_connection(&*asker.attachment, connection, &reply).await != Ok(1)
            || elsewhere.attachment.node() == id
        {}
    })
    .await;
    assert_eq!(elsewhere.delivery().await, reply);
}

#[tokio::test]
async fn an_emitter_reaches_clients_and_flush_says_when() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (connected(options(&redis.url())).await, connected(options(&redis.url())).await);
    let mut node = Node::listening(&b, "Chat", &[group("lobby")]).await;
    let emitter = hub_core::backplane::Emitter::<hub_core::Untyped>::new(&a, "Chat");
    use hub_core::Remote;
    emitter.group("lobby").send("Said", ("the house", "closed")).await.unwrap();
    guard("it is confirmed", a.flush()).await.unwrap();
    assert!(node.text().await.starts_with(r#"{"type":1,"target":"Said","arguments":["the house","closed"]"#));
}

#[tokio::test]
async fn what_was_accepted_is_sent_when_the_last_handle_is_dropped() {
    let Some(redis) = RedisServer::start() else { return };
    let b = connected(options(&redis.url())).await;
    let mut node = Node::listening(&b, "Chat", &[Topic::All]).await;
    let a = connected(options(&redis.url())).await;
    let sender = Node::new(&a, "Chat");
    drop(a);
    for number in 0..1000 {
        sender.send(&Topic::All, &number.to_string()).await;
    }
    drop(sender);
    for number in 0..1000 {
        assert_eq!(node.text().await, number.to_string());
    }
    // One pair of connections is left, and redis-cli's own.
    until("its connections are closed", || redis.command(&["CLIENT", "LIST"]).lines().count() == 3).await;
}
