//! One order for the clients of all nodes, and what it costs to do without.

use std::time::Duration;

use futures_util::future::join_all;
use hub_core::{CallError, Codec};
use hub_server::SendOrder;
use redis_backplane::RedisOptions;
use redis_for_tests::{RedisServer, Relay};

use crate::listener::Listener;
use crate::station::{BACKPLANE_TIMEOUT, Node, To, guard, options, through};

/// Clients of both nodes, in the group.
async fn members(a: &Node, b: &Node) -> Vec<Listener> {
    let mut members = Vec::new();
    for (node, codec) in [(a, Codec::Json), (a, Codec::MessagePack), (b, Codec::Json), (b, Codec::MessagePack)] {
        members.push(Listener::connect(node.address, "ann", &["lobby"], codec).await);
    }
    members
}

/// A machine that stands still for a while changes nothing.
fn patient(options: RedisOptions) -> RedisOptions {
    let long = Duration::from_secs(3600);
    RedisOptions { turn_timeout: long, response_timeout: long, fail_after: Duration::from_secs(10), ..options }
}

#[tokio::test]
async fn what_is_sent_when_a_call_is_answered_comes_behind_it_on_all_nodes() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (Node::start(patient(options(&redis.url()))).await, Node::start(patient(options(&redis.url()))).await);
    let mut members = members(&a, &b).await;
    let (first, second) = (
        Listener::connect(a.address, "carl", &[], Codec::Json).await,
        Listener::connect(b.address, "dora", &[], Codec::Json).await,
    );
    let mut said = Vec::new();
    for round in 0..300 {
        for caller in if round % 2 == 0 { [&first, &second] } else { [&second, &first] } {
            let (number, answered) = caller.say("lobby").await;
            answered.unwrap();
            said.push(number);
        }
    }
    for member in &mut members {
        member.hear(said[said.len() - 1]).await;
        assert_eq!(member.in_order(), said);
    }
}

#[tokio::test]
async fn what_is_sent_at_the_same_time_comes_in_one_order_to_all() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (Node::start(patient(options(&redis.url()))).await, Node::start(patient(options(&redis.url()))).await);
    let mut members = members(&a, &b).await;
    let lobby = To::group("lobby");
    for _ in 0..20 {
        let sending = (0..40).map(|number| if number % 2 == 0 { &a } else { &b }.try_send(&lobby, ""));
        assert!(join_all(sending).await.iter().all(|(_, sent)| sent.is_ok()));
    }
    let mut orders = Vec::new();
    for member in &mut members {
        member.hear_in_all(800).await;
        orders.push(member.in_order());
    }
    assert!(orders.iter().all(|order| *order == orders[0]));
}

#[tokio::test]
async fn a_hub_that_does_not_need_it_serves_its_own_at_once() {
    let Some(redis) = RedisServer::start() else { return };
    let relay = Relay::to(redis.address()).await.unwrap();
    let local = Node::start_in_order(patient(through(&relay)), BACKPLANE_TIMEOUT, SendOrder::LocalFirst).await;
    let strict = Node::start(patient(through(&relay))).await;
    let mut near = Listener::connect(local.address, "ann", &["lobby"], Codec::Json).await;
    let mut far = Listener::connect(strict.address, "bob", &["lobby"], Codec::Json).await;
    relay.stall();
    // Redis stands still, and neither the call nor its node's clients wait for it.
    let mut said = Vec::new();
    for _ in 0..20 {
        let (number, answered) = near.say("lobby").await;
        answered.unwrap();
        near.hear(number).await;
        said.push(number);
    }
    let lobby = To::group("lobby");
    let sending = strict.try_send(&lobby, "");
    let opening = async {
        assert_eq!(far.count(), 0);
        relay.open();
    };
    let ((number, sent), ()): ((u64, Result<(), CallError>), ()) =
        guard("it is sent", async { tokio::join!(sending, opening) }).await;
    sent.unwrap();
    for number in said.into_iter().chain([number]) {
        far.hear(number).await;
    }
    near.hear(number).await;
}
