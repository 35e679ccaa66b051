//! Processes that connect, send something, and end.

use std::time::Duration;

use hub_core::backplane::Emitter;
use hub_core::{CallError, Codec};
use redis_backplane::{RedisBackplane, RedisOptions, WhileDown};
use redis_for_tests::{RedisServer, Relay};

use crate::listener::Listener;
use crate::station::{ListenerClientProxy, Node, To, down, guard, next_number, options, through, up};

type Said = Emitter<ListenerClientProxy>;

/// One to each target that the listener is in: what was sent, or failed.
async fn emit(emitter: &Said, listener: &Listener) -> Vec<Result<u64, CallError>> {
    let [all, group, user, one] =
        [To::All, To::group("lobby"), To::user("ann"), listener.itself()].map(|to| to.to_string());
    let mut sent = Vec::new();
    for _ in 0..3 {
        let number = next_number();
        sent.push(emitter.all().said("cron", &all, number, "").await.map(|()| number));
        let number = next_number();
        sent.push(emitter.group("lobby").said("cron", &group, number, "").await.map(|()| number));
        let number = next_number();
        sent.push(emitter.user("ann").said("cron", &user, number, "").await.map(|()| number));
        let number = next_number();
        sent.push(emitter.connection(listener.id.as_str()).said("cron", &one, number, "").await.map(|()| number));
    }
    sent
}

#[tokio::test]
async fn a_process_that_sends_and_ends_waits_for_a_slow_connection() {
    let Some(redis) = RedisServer::start() else { return };
    let node = Node::start(options(&redis.url())).await;
    let mut ann = Listener::connect(node.address, "ann", &["lobby"], Codec::Json).await;
    for flushes in [true, false] {
        let relay = Relay::to(redis.address()).await.unwrap();
        relay.stall();
        let opening = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            relay.open();
        };
        let patient = RedisOptions { connect_timeout: Duration::from_secs(20), ..through(&relay) };
        let working = async {
            let backplane = guard("it connects", RedisBackplane::connect(patient)).await.unwrap();
            let sent = emit(&Said::new(&backplane, "Station"), &ann).await;
            if flushes {
                guard("all is confirmed", backplane.flush()).await.unwrap();
                assert_eq!(backplane.counters().published, sent.len() as u64);
            }
            sent
        };
        let (sent, ()) = tokio::join!(working, opening);
        for number in sent {
            ann.hear(number.unwrap()).await;
        }
    }
}

#[tokio::test]
async fn a_process_that_does_not_get_through_is_told_or_waits() {
    let Some(redis) = RedisServer::start() else { return };
    let node = Node::start(options(&redis.url())).await;
    let mut ann = Listener::connect(node.address, "ann", &["lobby"], Codec::MessagePack).await;
    for while_down in [WhileDown::Fail, WhileDown::Wait] {
        let relay = Relay::to(redis.address()).await.unwrap();
        relay.stall();
        let impatient = RedisOptions { connect_timeout: Duration::from_millis(200), while_down, ..through(&relay) };
        let backplane = guard("it returns", RedisBackplane::connect(impatient)).await.unwrap();
        let why = down(&backplane).await;
        assert!(why.contains("connect_timeout"), "{why}");
        let sent = guard("all is decided", emit(&Said::new(&backplane, "Station"), &ann)).await;
        let failed = sent.iter().filter(|sent| sent.is_err()).count();
        // Those to a connection ask how many nodes listen, and never wait.
        assert_eq!(failed, if while_down == WhileDown::Fail { sent.len() } else { sent.len() / 4 });
        relay.close();
        relay.open();
        guard("all is confirmed", backplane.flush()).await.unwrap();
        for number in sent.into_iter().flatten() {
            ann.hear(number).await;
        }
        up(&backplane).await;
        let sent = emit(&Said::new(&backplane, "Station"), &ann).await;
        guard("all is confirmed", backplane.flush()).await.unwrap();
        for number in sent {
            ann.hear(number.unwrap()).await;
        }
    }
}

#[tokio::test]
async fn lists_are_reached_once_each() {
    let Some(redis) = RedisServer::start() else { return };
    let (a, b) = (Node::start(options(&redis.url())).await, Node::start(options(&redis.url())).await);
    let mut ann = Listener::connect(a.address, "ann", &["red"], Codec::Json).await;
    let mut bob = Listener::connect(b.address, "bob", &["blue"], Codec::MessagePack).await;
    let mut eve = Listener::connect(b.address, "eve", &["blue", "green"], Codec::Json).await;
    let backplane = RedisBackplane::connect(options(&redis.url())).await.unwrap();
    let emitter = Said::new(&backplane, "Station");
    let (ids, all) = ([&*ann.id, &*bob.id, &*ann.id].map(str::to_owned), To::All.to_string());
    let mut sent = Vec::new();
    for _ in 0..3 {
        for list in
            [emitter.users(["ann", "bob", "ann"]), emitter.connections(ids.clone()), emitter.groups(["red", "none"])]
        {
            let number = next_number();
            list.said("cron", &all, number, "").await.unwrap();
            sent.push(number);
        }
    }
    emitter.groups(["red", "blue"]).said("cron", &all, next_number(), "").await.unwrap();
    let last = next_number();
    emitter.all().said("end", &all, last, "").await.unwrap();
    for listener in [&mut ann, &mut bob, &mut eve] {
        listener.hear(last).await;
    }
    // What comes twice or to the wrong one is noticed by who hears it.
    for number in sent.chunks(3) {
        assert_eq!([0, 1, 2].map(|list| ann.has_heard(number[list])), [true, true, true]);
        assert_eq!([0, 1, 2].map(|list| bob.has_heard(number[list])), [true, true, false]);
        assert_eq!([0, 1, 2].map(|list| eve.has_heard(number[list])), [false, false, false]);
    }
}
