//! Who calls, and what they may (section 20).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::{Stream, stream};
use http::request::Parts;
use hub_core::{Caller, Identity, Result, Untyped};
use hub_server::{Context, Hub, HubOptions, HubRoute, Origins, Refusal, hub};
use serde_json::json;

use crate::support::{NONE, Server, close, error};

struct Vault {
    cx: Context<Self>,
}

impl Hub for Vault {
    type Client = Untyped;
}

fn is_admin(caller: &Caller<'_>) -> bool {
    caller.has_role("admin")
}

fn is_known(caller: &Caller<'_>) -> bool {
    caller.user_id().is_some() && !caller.connection_id.is_empty()
}

#[hub]
impl Vault {
    #[method]
    async fn who(&self) -> Result<(Option<String>, Option<String>, bool)> {
        let identity = self.cx.identity();
        let user = self.cx.user_id().map(str::to_owned);
        Ok((user, identity.claim("tenant").map(str::to_owned), identity.has_role("admin")))
    }

    #[method]
    #[authorize(is_known)]
    async fn look(&self) -> Result<&'static str> {
        Ok("gold")
    }

    #[method]
    #[authorize(is_known)]
    #[authorize(is_admin)]
    async fn take(&self, bars: u32) -> Result<u32> {
        Ok(bars)
    }

    #[method]
    #[authorize(is_admin)]
    fn watch(&self) -> impl Stream<Item = Result<u32>> {
        stream::iter([Ok(1)])
    }
}

/// The header `x-user` says who asks.
async fn identify(parts: Parts) -> Result<Identity, Refusal> {
    tokio::task::yield_now().await;
    let user = parts.headers.get("x-user").and_then(|user| user.to_str().ok());
    match user {
        None => Ok(Identity::anonymous()),
        Some("nobody") => Err(Refusal::unauthorized("nobody is known")),
        Some("mallory") => Err(Refusal::forbidden("mallory may not")),
        Some("root") => Ok(Identity::user("root").with_role("admin").with_claim("tenant", "north")),
        Some(user) => Ok(Identity::user(user).with_claim("tenant", "south")),
    }
}

fn vault() -> HubRoute<Vault> {
    HubRoute::new(|cx| Vault { cx }).identify(identify)
}

#[tokio::test]
async fn refusals_come_before_anything_else() {
    // P-AUTH-01
    let (server, _) = Server::of(vault()).await;
    for (user, status) in [("nobody", 401), ("mallory", 403)] {
        let headers = [("x-user", user)];
        let answer = server.request("POST", "/hub/negotiate", &headers).await;
        assert_eq!((answer.status, &*answer.body), (status, ""), "the reason stays here");
        assert_eq!(server.dial("/hub", &headers).await, status);
        assert_eq!(server.dial("/hub?id=nonsense", &headers).await, status);
        assert_eq!(server.request("GET", "/hub", &headers).await.status, status);
        assert_eq!(server.request("DELETE", "/hub?id=nonsense", &headers).await.status, status);
    }
}

#[tokio::test]
async fn the_context_knows_the_caller() {
    let (server, _) = Server::of(vault()).await;
    for (headers, expected) in [
        (&[("x-user", "root")][..], json!(["root", "north", true])),
        (&[("x-user", "ann")], json!(["ann", "south", false])),
        (&[], json!([null, null, false])),
    ] {
        let mut client = server.try_open("/hub", headers).await.unwrap();
        client.handshake().await;
        assert_eq!(client.call("Who", NONE).await, Ok(expected));
    }
}

#[tokio::test]
async fn both_requests_of_a_connection_are_identified() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let route = HubRoute::new(|cx| Vault { cx }).identify(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(Identity::anonymous()) }
    });
    let (server, _) = Server::of(route).await;
    let negotiated = server.negotiate("/hub", &[]).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let _client = server.connect_to(&format!("/hub?id={}", negotiated["connectionToken"].as_str().unwrap())).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    async fn panics(server: &Server, headers: &[(&'static str, &str)]) {
        assert_eq!(server.dial("/hub", headers).await, 500);
        for (method, path) in [("POST", "/hub/negotiate"), ("GET", "/hub")] {
            let answer = server.request(method, path, headers).await;
            let found = (answer.status, &*answer.body, answer.header("content-type"));
            assert_eq!(found, (500, "", Some("text/plain")), "{method} {path}");
        }
    }

    fn of(parts: &Parts) -> Identity {
        assert!(!parts.headers.contains_key("x-panic"), "identify panics");
        Identity::anonymous()
    }

    let at_once = HubRoute::new(|cx| Vault { cx }).identify(|parts| std::future::ready(Ok(of(&parts))));
    let later = HubRoute::new(|cx| Vault { cx }).identify(async |parts| {
        tokio::task::yield_now().await;
        Ok(of(&parts))
    });
    for route in [at_once, later] {
        let (server, _) = Server::of(route).await;
        panics(&server, &[("x-panic", "1")]).await;
        assert_eq!(server.dial("/hub", &[]).await, 101, "it goes on");
    }
    let route = HubRoute::new(|cx| Vault { cx }).allowed_origins(Origins::matching(|_| panic!("the predicate panics")));
    let (server, _) = Server::of(route).await;
    panics(&server, &[("origin", "https://app.example")]).await;
}

#[tokio::test]
async fn a_token_is_of_use_to_its_user_only() {
    // P-AUTH-11
    let (server, _) = Server::of(vault()).await;
    let negotiated = server.negotiate("/hub", &[("x-user", "ann")]).await;
    let path = format!("/hub?id={}", negotiated["connectionToken"].as_str().unwrap());
    for headers in [&[("x-user", "bob")][..], &[]] {
        assert_eq!(server.dial(&path, headers).await, 403);
        for method in ["GET", "POST", "DELETE"] {
            let answer = server.request(method, &path, headers).await;
            let changed = "The user associated with this connection changed.";
            assert_eq!(
                (answer.status, &*answer.body, answer.header("content-type")),
                (403, changed, Some("text/plain"))
            );
        }
    }
    // Nothing has changed for whom it belongs to.
    assert_eq!(server.dial(&path, &[("x-user", "ann")]).await, 101);
}

#[tokio::test]
async fn policies_decide_on_each_call() {
    // P-AUTH-08
    let (server, _) = Server::of(vault()).await;
    let refused = |target| Err(format!("Failed to invoke '{target}' because user is unauthorized"));
    let mut anonymous = server.connect().await;
    assert_eq!(anonymous.call("look", NONE).await, refused("look"));
    // Without an id: silence, and the connection stays.
    anonymous.notify("Look", NONE).await;
    assert_eq!(anonymous.call("Take", (1,)).await, refused("Take"));

    let mut ann = server.try_open("/hub", &[("x-user", "ann")]).await.unwrap();
    ann.handshake().await;
    assert_eq!(ann.call("Look", NONE).await, Ok(json!("gold")));
    assert_eq!(ann.call("Take", (1,)).await, refused("Take"));

    let mut root = server.try_open("/hub", &[("x-user", "root")]).await.unwrap();
    root.handshake().await;
    assert_eq!(root.call("Take", (1,)).await, Ok(json!(1)));
}

#[tokio::test]
async fn arguments_are_checked_before_the_caller_and_the_caller_before_the_mode() {
    // P-INV-11
    let (server, _) = Server::of(vault()).await;
    let mut client = server.connect().await;
    let binding = "Failed to invoke 'Take' due to an error on the server.";
    assert_eq!(client.call("Take", ("one",)).await, Err(binding.to_owned()));
    assert_eq!(client.call("Take", (1, 2)).await, Err(binding.to_owned()));

    client.begin_stream("1", "Take", (1,)).await;
    assert_eq!(client.next().await, error("1", "Failed to invoke 'Take' because user is unauthorized"));
    client.begin("2", "Watch", NONE).await;
    assert_eq!(client.next().await, error("2", "Failed to invoke 'Watch' because user is unauthorized"));

    let mut root = server.try_open("/hub", &[("x-user", "root")]).await.unwrap();
    root.handshake().await;
    root.begin("3", "Watch", NONE).await;
    let mode = "The client attempted to invoke the streaming 'Watch' method with a non-streaming invocation.";
    assert_eq!(root.next().await, error("3", mode));
}

#[tokio::test]
async fn an_expired_identity_ends_the_connection_if_asked_for() {
    // P-AUTH-09, P-CLS-03
    let soon = || async { Ok(Identity::user("ann").expiring_at(SystemTime::now() + Duration::from_millis(250))) };
    let options = HubOptions { close_on_authentication_expiration: true, ..HubOptions::default() };
    let route = HubRoute::new(|cx| Vault { cx }).identify(move |_| soon()).options(options).unwrap();
    let (server, _) = Server::of(route).await;
    let mut client = server.connect().await;
    assert_eq!(client.rest().await, (vec![close(None, true)], Some(1000)));

    let past = || async { Ok(Identity::user("ann").expiring_at(SystemTime::UNIX_EPOCH)) };
    let options = HubOptions { close_on_authentication_expiration: true, ..HubOptions::default() };
    let route = HubRoute::new(|cx| Vault { cx }).identify(move |_| past()).options(options).unwrap();
    let (server, _) = Server::of(route).await;
    assert_eq!(server.dial("/hub", &[]).await, 401, "it would be closed at once");
    assert_eq!(server.request("POST", "/hub/negotiate", &[]).await.status, 401);
    let (server, _) = Server::of(HubRoute::new(|cx| Vault { cx }).identify(move |_| past())).await;
    let mut client = server.connect().await;
    assert_eq!(client.call("Look", NONE).await, Ok(json!("gold")), "by default it is of no matter");
}
