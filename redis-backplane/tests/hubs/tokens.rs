//! Without sticky sessions: negotiated with one node, connected to another.

use std::net::SocketAddr;

use hub_core::Codec;
use redis_for_tests::RedisServer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::listener::{Listener, all_reach_all};
use crate::station::{Node, guard, options};

/// A load balancer that sends each connection to another node: a client negotiates with `first`, and opens its WebSocket
/// at `second`.
async fn balancer(first: SocketAddr, second: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for node in [first, second].into_iter().cycle() {
            let (mut client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut node = TcpStream::connect(node).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut node).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_token_is_good_on_another_node_while_redis_is_gone() {
    let Some(mut redis) = RedisServer::start() else { return };
    let (a, b) = (Node::start(options(&redis.url())).await, Node::start(options(&redis.url())).await);
    let balancer = balancer(a.address, b.address).await;
    let mut before = Listener::connect(balancer, "before", &["lobby"], Codec::Json).await;
    assert_eq!((a.hub.connection_count(), b.hub.connection_count()), (0, 1));
    redis.kill();
    a.down().await;
    b.down().await;
    let mut during = Listener::connect(balancer, "during", &["lobby"], Codec::MessagePack).await;
    assert_eq!((a.hub.connection_count(), b.hub.connection_count()), (0, 2));
    for listener in [&mut before, &mut during] {
        let number = b.send(&listener.itself()).await;
        listener.hear(number).await;
    }
    // The secret that Redis has lost is there again with the link.
    redis.restart();
    a.up().await;
    b.up().await;
    let mut after = Listener::connect(balancer, "after", &["lobby"], Codec::Json).await;
    all_reach_all(&[&a, &b], &mut [&mut before, &mut during, &mut after]).await;
}

#[tokio::test]
async fn a_client_that_moved_is_reached_when_the_node_that_made_its_id_is_gone_in_an_outage() {
    let Some(mut redis) = RedisServer::start() else { return };
    let (a, b) = (Node::start(options(&redis.url())).await, Node::start(options(&redis.url())).await);
    let c = Node::start(options(&redis.url())).await;
    let mut moved = Listener::connect(balancer(a.address, b.address).await, "ann", &["lobby"], Codec::Json).await;
    let mut other = Listener::connect(c.address, "carl", &["lobby"], Codec::MessagePack).await;
    all_reach_all(&[&a, &b, &c], &mut [&mut moved, &mut other]).await;
    redis.kill();
    for node in [&a, &b, &c] {
        node.down().await;
    }
    drop(a);
    redis.restart();
    b.up().await;
    c.up().await;
    all_reach_all(&[&b, &c], &mut [&mut moved, &mut other]).await;
    guard("it is acknowledged", c.hub.add_to_group(&*moved.id, "late")).await.unwrap();
    moved.was_added("late");
    all_reach_all(&[&b, &c], &mut [&mut moved, &mut other]).await;
}

#[tokio::test]
async fn a_redis_without_memory_keeps_tokens_to_their_nodes_until_there_is_some() {
    let Some(redis) = RedisServer::start_with(&["--maxmemory", "1"]) else { return };
    let (a, b) = (Node::start(options(&redis.url())).await, Node::start(options(&redis.url())).await);
    let balancer = balancer(a.address, b.address).await;
    // Sticky, they are served.
    let mut ann = Listener::connect(a.address, "ann", &[], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &[], Codec::Json).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
    let refused = hub_client::Connection::builder(format!("http://{balancer}/hub")).no_proxy().connect().await;
    assert!(refused.unwrap_err().to_string().contains("404"));
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    let connected = async {
        while hub_client::Connection::builder(format!("http://{balancer}/hub")).no_proxy().connect().await.is_err() {}
    };
    guard("the nodes have a secret in common", connected).await;
    let mut moved = Listener::connect(balancer, "carl", &[], Codec::MessagePack).await;
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob, &mut moved]).await;
}
