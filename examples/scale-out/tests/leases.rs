//! What becomes of people when their node, or Redis, does not do its part. Left out where there is no redis-server.

use std::time::{Duration, Instant};

use chat::Rooms;
use hub_core::ConnectionId;
use redis_for_tests::RedisServer;
use scale_out::{Change, Node};
use tokio::sync::mpsc::UnboundedReceiver;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn node(redis: &RedisServer, lease: Duration) -> (Node, UnboundedReceiver<Change>) {
    Node::new(&redis.url(), "chat", lease).unwrap()
}

/// Connects, and comes into the room.
async fn enter(node: &Node, name: &str, key: &str) -> ConnectionId {
    let id = ConnectionId::from(format!("connection of {name}"));
    node.open(&id).await.unwrap();
    node.enter(&id, name, key).await.unwrap();
    node.join(&id, "tea").await.unwrap();
    id
}

/// Somebody came or left, and who is there now.
fn seen(changes: &mut UnboundedReceiver<Change>) -> Option<(String, Vec<String>)> {
    let (what, change) = match changes.try_recv().ok()? {
        Change::Came(change) => ("came to", change),
        Change::Left(change) => ("left", change),
    };
    Some((format!("{} {what} {}", change.presence.name, change.room), change.presence.online))
}

/// As [`seen`] gives it.
fn change(what: &str, online: &[&str]) -> Option<(String, Vec<String>)> {
    Some((what.to_owned(), online.iter().copied().map(str::to_owned).collect()))
}

async fn online(node: &Node, id: &ConnectionId) -> Vec<String> {
    node.presence(id, "tea").await.unwrap().online
}

/// Renews the lease of a node until that has removed somebody.
async fn renew_until_somebody_left(
    node: &Node,
    changes: &mut UnboundedReceiver<Change>,
) -> Option<(String, Vec<String>)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        node.renew().await.unwrap();
        if let Some(change) = seen(changes) {
            return Some(change);
        }
        assert!(Instant::now() < deadline, "nobody was removed");
    }
}

#[tokio::test]
async fn who_lost_the_lease_is_removed_and_comes_back_with_the_next_call() {
    let Some(redis) = RedisServer::start() else { return };
    let ((idle, mut of_idle), (busy, mut of_busy)) = (node(&redis, SHORT), node(&redis, LONG));
    let ann = enter(&idle, "Ann", "").await;
    let bob = enter(&busy, "Bob", "").await;
    busy.say(&bob, "tea", "anybody?").await.unwrap();

    assert_eq!(renew_until_somebody_left(&busy, &mut of_busy).await, change("Ann left tea", &["Bob"]));
    assert_eq!(online(&busy, &bob).await, ["Bob"]);

    assert_eq!(idle.history(&ann, "tea", 1).await.unwrap()[0].text, "anybody?");
    assert_eq!(seen(&mut of_idle), change("Ann came to tea", &["Ann", "Bob"]));
    assert_eq!(online(&busy, &bob).await, ["Ann", "Bob"]);
    assert!(seen(&mut of_busy).is_none(), "each change is announced once");
}

#[tokio::test]
async fn who_is_back_too_late_finds_the_nickname_taken() {
    let Some(redis) = RedisServer::start() else { return };
    let ((idle, mut of_idle), (busy, mut of_busy)) = (node(&redis, SHORT), node(&redis, LONG));
    let old = enter(&idle, "Ann", "secret").await;
    enter(&busy, "Bob", "").await;
    renew_until_somebody_left(&busy, &mut of_busy).await;
    let new = ConnectionId::from("new");
    busy.open(&new).await.unwrap();
    busy.enter(&new, "Ann", "secret").await.unwrap();

    let refused = idle.say(&old, "tea", "back").await.unwrap_err();
    assert_eq!(refused.to_string(), "Choose a nickname first.");
    assert!(seen(&mut of_idle).is_none());
    busy.join(&new, "tea").await.unwrap();
    assert_eq!(online(&busy, &new).await, ["Ann", "Bob"]);
    assert_eq!(idle.close(&old).await.unwrap(), [], "it takes nothing along");
}

#[tokio::test]
async fn an_empty_redis_hears_again_who_is_there() {
    let Some(mut redis) = RedisServer::start() else { return };
    let ((here, mut of_here), (there, mut of_there)) = (node(&redis, LONG), node(&redis, LONG));
    let (ann, bob) = (enter(&here, "Ann", "").await, enter(&there, "Bob", "").await);
    redis.kill();
    let refused = here.say(&ann, "tea", "hello?").await.unwrap_err();
    assert!(refused.is_public());
    assert_eq!(refused.to_string(), "The rooms cannot be reached at the moment.");
    assert!(here.renew().await.is_err());
    redis.restart();

    // By a call, or without any.
    here.say(&ann, "tea", "hello").await.unwrap();
    assert_eq!(seen(&mut of_here), change("Ann came to tea", &["Ann"]));
    // Its connection to Redis is one of those that broke.
    let deadline = Instant::now() + PATIENCE;
    while there.renew().await.is_err() {
        assert!(Instant::now() < deadline);
    }
    there.settle(false).await.unwrap();
    assert_eq!(seen(&mut of_there), change("Bob came to tea", &["Ann", "Bob"]));
    assert_eq!(there.history(&bob, "tea", 9).await.unwrap().len(), 1);
    there.settle(true).await.unwrap();
    assert_eq!(
        seen(&mut of_there),
        change("Bob came to tea", &["Ann", "Bob"]),
        "said again, for it may have been missed"
    );
    assert_eq!(seen(&mut of_there), None);
    let taken = ConnectionId::from("other");
    there.open(&taken).await.unwrap();
    assert!(there.enter(&taken, "ann", "").await.is_err(), "the nickname is kept as well");
}

#[tokio::test]
async fn a_silent_redis_holds_nobody_up_and_what_ended_meanwhile_is_gone_afterwards() {
    let Some(redis) = RedisServer::start() else { return };
    let ((here, mut of_here), (there, _of_there)) = (node(&redis, LONG), node(&redis, LONG));
    let (ann, bob) = (enter(&here, "Ann", "").await, enter(&there, "Bob", "").await);
    let cleo = enter(&here, "Cleo", "").await;
    redis.pause();
    let (left, joined) = tokio::join!(here.close(&ann), here.join(&cleo, "cake"));
    assert!(left.is_err() && joined.is_err());
    redis.resume();

    let deadline = Instant::now() + PATIENCE;
    while here.settle(false).await.is_err() {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(online(&there, &bob).await, ["Bob", "Cleo"]);
    let refused = here.presence(&cleo, "cake").await.unwrap_err();
    assert_eq!(refused.to_string(), "You are not in the room cake.", "she was told so");
    assert!(here.enter(&ann, "Ann", "").await.is_err(), "the connection has ended");
    let all: Vec<_> = std::iter::from_fn(|| seen(&mut of_here)).collect();
    assert!(all.iter().all(|(what, _)| what != "Ann came to tea"), "{all:?}");
    assert!(all.contains(&change("Ann left tea", &["Bob", "Cleo"]).unwrap()), "the others hear of it: {all:?}");
}
