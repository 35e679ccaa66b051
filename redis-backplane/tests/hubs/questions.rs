//! Client results across nodes while something breaks.

use std::time::{Duration, Instant};

use hub_core::Codec;
use redis_backplane::{RedisBackplane, RedisOptions};
use redis_for_tests::{RedisServer, Relay};
use tokio::runtime::Runtime;

use crate::listener::{Listener, all_reach_all};
use crate::station::{BACKPLANE_TIMEOUT, Node, guard, options, through};

#[tokio::test]
async fn a_question_outlasts_an_outage_before_its_answer() {
    let Some(mut redis) = RedisServer::start() else { return };
    let url = redis.url();
    // Nobody is asked whether the question waits before Redis is back.
    let patience = Duration::from_secs(30);
    let (a, b) = (Node::start_with(options(&url), patience).await, Node::start_with(options(&url), patience).await);
    let ann = Listener::connect(a.address, "ann", &[], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &[], Codec::MessagePack).await;
    bob.answers(false);
    let id = bob.id.clone();
    let asking = ann.connection.invoke::<u32>("Ask", (&id, 21));
    let breaking = async {
        assert_eq!(bob.is_asked().await, 21);
        redis.kill();
        a.down().await;
        b.down().await;
        redis.restart();
        a.up().await;
        b.up().await;
        bob.answers(true);
    };
    let (answer, ()) = tokio::join!(guard("an answer", asking), breaking);
    assert_eq!(answer.unwrap(), 42);
}

#[tokio::test]
async fn an_answer_that_redis_did_not_carry_is_an_error_in_time() {
    let Some(mut redis) = RedisServer::start() else { return };
    // It is not kept until Redis is back, which would be soon enough.
    let impatient = RedisOptions { fail_after: Duration::ZERO, ..options(&redis.url()) };
    let (a, b) = (Node::start(impatient.clone()).await, Node::start(impatient).await);
    let mut ann = Listener::connect(a.address, "ann", &[], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &[], Codec::MessagePack).await;
    bob.answers(false);
    let far = a.hub.connection(&*bob.id);
    let asking = far.twice(21);
    let breaking = async {
        bob.is_asked().await;
        redis.kill();
        a.down().await;
        b.down().await;
        let lost = Instant::now();
        bob.answers(true);
        // It has answered, for what comes behind it has been answered too.
        assert_eq!(bob.connection.invoke::<u32>("Ask", (&bob.id, 1)).await.unwrap(), 2);
        redis.restart();
        a.up().await;
        b.up().await;
        lost
    };
    let (answer, lost) = tokio::join!(guard("an error", asking), breaking);
    assert!(answer.is_err(), "{answer:?}");
    assert!(lost.elapsed() < 5 * BACKPLANE_TIMEOUT, "{:?}", lost.elapsed());
    while bob.try_asked() {}
    all_reach_all(&[&a, &b], &mut [&mut ann, &mut bob]).await;
}

/// A node with a client that answers nothing, in a runtime of its own, which can be ended like a process.
fn doomed(options: RedisOptions) -> (Runtime, RedisBackplane, Listener) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (node, listener) = runtime.block_on(async {
        let node = Node::start(options).await;
        let listener = Listener::connect(node.address, "eve", &[], Codec::Json).await;
        listener.answers(false);
        (node, listener)
    });
    let backplane = node.backplane.clone();
    // It goes with its runtime, without a goodbye.
    std::mem::forget(node);
    (runtime, backplane, listener)
}

#[test]
fn a_node_that_dies_with_a_question_is_noticed() {
    let Some(redis) = RedisServer::start() else { return };
    let (dying, _backplane, mut eve) = doomed(options(&redis.url()));
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let a = Node::start(options(&redis.url())).await;
        let ann = Listener::connect(a.address, "ann", &[], Codec::MessagePack).await;
        let id = eve.id.clone();
        let asking = ann.connection.invoke::<u32>("Ask", (&id, 1));
        let killing = async {
            eve.is_asked().await;
            dying.shutdown_background();
            Instant::now()
        };
        let (answer, died) = tokio::join!(guard("an error", asking), killing);
        let error = answer.unwrap_err().to_string();
        assert!(error.contains("disconnected"), "{error}");
        // Noticed when it is asked whether the question waits.
        assert!(died.elapsed() < 2 * BACKPLANE_TIMEOUT, "{:?}", died.elapsed());
        // Its clients come to this one.
        let back = Listener::connect(a.address, "eve", &[], Codec::Json).await;
        assert_eq!(ann.connection.invoke::<u32>("Ask", (&back.id, 4)).await.unwrap(), 8);
    });
}

#[test]
fn a_node_that_vanishes_with_a_question_is_noticed() {
    // No connection is closed, so that Redis believes it to listen.
    let Some(redis) = RedisServer::start() else { return };
    let runtime = Runtime::new().unwrap();
    let relay = runtime.block_on(Relay::to(redis.address())).unwrap();
    let (dying, _backplane, mut eve) = doomed(through(&relay));
    runtime.block_on(async {
        let a = Node::start(options(&redis.url())).await;
        let ann = Listener::connect(a.address, "ann", &[], Codec::MessagePack).await;
        let id = eve.id.clone();
        let asking = ann.connection.invoke::<u32>("Ask", (&id, 1));
        let vanishing = async {
            eve.is_asked().await;
            relay.stall();
            dying.shutdown_background();
            Instant::now()
        };
        let (answer, vanished) = tokio::join!(guard("an error", asking), vanishing);
        let error = answer.unwrap_err().to_string();
        assert!(error.contains("did not reply within"), "{error}");
        assert!(vanished.elapsed() < 5 * BACKPLANE_TIMEOUT, "{:?}", vanished.elapsed());
    });
}
