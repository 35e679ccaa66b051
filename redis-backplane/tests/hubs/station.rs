//! Nodes: a hub each, with a server and a backplane of its own.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::request::Parts;
use hub_core::{CallError, HubError, Identity, Result, contract};
use hub_server::{Context, Hub, HubHandle, HubOptions, HubRoute, SendOrder, hub};
use redis_backplane::{LinkState, RedisBackplane, RedisOptions};
use redis_for_tests::Relay;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a guard waits before it says that nothing came.
const GUARD: Duration = Duration::from_secs(30);

/// How long another node may take in these tests.
pub(crate) const BACKPLANE_TIMEOUT: Duration = Duration::from_secs(2);

#[contract]
pub(crate) trait ListenerClient {
    /// `from` and `to` tell the order that a number belongs to.
    async fn said(&self, from: &str, to: &str, number: u64, text: &str);
    async fn twice(&self, number: u32) -> Result<u32>;
}

pub(crate) struct Station {
    cx: Context<Self>,
}

impl Hub for Station {
    type Client = ListenerClientProxy;
}

#[hub]
impl Station {
    #[method]
    async fn join(&self, group: &str) -> Result<()> {
        self.cx.join(group).await
    }

    /// Says it to the group, as methods of hubs do.
    #[method]
    async fn say(&self, group: &str, number: u64) -> Result<()> {
        let from = format!("client {}", self.cx.connection_id());
        let sent = self.cx.group(group).said(&from, &To::group(group).to_string(), number, "").await;
        sent.map_err(|error| HubError::public(error.to_string()))
    }

    #[method]
    async fn ask(&self, id: &str, number: u32) -> Result<u32> {
        let answer = self.cx.connection(id).twice(number).await;
        answer.map_err(|error| HubError::public(error.to_string()))
    }
}

/// Whom something is said to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum To {
    All,
    Group(String),
    User(String),
    Connection(String),
}

impl To {
    pub(crate) fn group(name: &str) -> Self {
        Self::Group(name.to_owned())
    }

    pub(crate) fn user(id: &str) -> Self {
        Self::User(id.to_owned())
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::User(id) => write!(f, "user {id}"),
            Self::Connection(id) => write!(f, "connection {id}"),
        }
    }
}

/// A number that nothing else has in these tests. They ascend.
pub(crate) fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// A node, until it is dropped.
pub(crate) struct Node {
    name: String,
    pub(crate) backplane: RedisBackplane,
    pub(crate) hub: HubHandle<Station>,
    pub(crate) address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Node {
    /// Starts one, whatever the state of its link.
    pub(crate) async fn start(options: RedisOptions) -> Self {
        Self::start_with(options, BACKPLANE_TIMEOUT).await
    }

    pub(crate) async fn start_with(options: RedisOptions, backplane_timeout: Duration) -> Self {
        Self::start_in_order(options, backplane_timeout, SendOrder::default()).await
    }

    pub(crate) async fn start_in_order(
        options: RedisOptions,
        backplane_timeout: Duration,
        send_order: SendOrder,
    ) -> Self {
        let backplane = guard("connect returns", RedisBackplane::connect(options)).await.unwrap();
        let options = HubOptions { backplane_timeout, send_order, ..HubOptions::default() };
        let route = HubRoute::new(|cx| Station { cx }).options(options).unwrap().backplane(backplane.clone());
        let (router, hub) = route.identify(identify).build::<()>();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::new().nest("/hub", router);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { name: format!("node {address}"), backplane, hub, address, server }
    }

    /// Sends a number to somebody, and gives it with what became of it.
    pub(crate) async fn try_send(&self, to: &To, text: &str) -> (u64, Result<(), CallError>) {
        let (number, label) = (next_number(), to.to_string());
        let sending = async {
            match to {
                To::All => self.hub.all().said(&self.name, &label, number, text).await,
                To::Group(name) => self.hub.group(name).said(&self.name, &label, number, text).await,
                To::User(id) => self.hub.user(id).said(&self.name, &label, number, text).await,
                To::Connection(id) => self.hub.connection(id.as_str()).said(&self.name, &label, number, text).await,
            }
        };
        (number, guard("the send is done", sending).await)
    }

    pub(crate) async fn send(&self, to: &To) -> u64 {
        let (number, sent) = self.try_send(to, "").await;
        sent.unwrap();
        number
    }

    /// Sends what only this node's clients get, for others are out of reach.
    pub(crate) async fn send_locally(&self, to: &To) -> u64 {
        let (number, sent) = self.try_send(to, "").await;
        let error = sent.unwrap_err();
        assert!(matches!(error, CallError::Unreachable(_)), "{error:?}");
        assert!(error.to_string().contains("the link to Redis is down"), "{error}");
        number
    }

    pub(crate) async fn up(&self) {
        up(&self.backplane).await;
    }

    pub(crate) async fn down(&self) -> String {
        down(&self.backplane).await
    }
}

async fn identify(parts: Parts) -> Result<Identity, hub_server::Refusal> {
    let user = parts.headers.get("x-user").and_then(|user| user.to_str().ok());
    Ok(user.map_or_else(Identity::anonymous, Identity::user))
}

/// Options of a server, with intervals for tests.
pub(crate) fn options(url: &str) -> RedisOptions {
    RedisOptions {
        ping_interval: Duration::from_millis(200),
        response_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(2),
        longest_retry: Duration::from_millis(200),
        fail_after: Duration::from_millis(200),
        ..RedisOptions::from_url(url).unwrap()
    }
}

/// The same through a relay.
pub(crate) fn through(relay: &Relay) -> RedisOptions {
    options(&format!("redis://{}", relay.address()))
}

pub(crate) async fn up(backplane: &RedisBackplane) {
    let mut link = backplane.link();
    guard("the link is up", link.wait_for(LinkState::is_up)).await.unwrap();
}

/// Waits for the link to be down, and gives why it is.
pub(crate) async fn down(backplane: &RedisBackplane) -> String {
    let mut link = backplane.link();
    match &*guard("the link is down", link.wait_for(|link| !link.is_up())).await.unwrap() {
        LinkState::Down { why, .. } => why.clone(),
        LinkState::Up => unreachable!(),
    }
}

#[track_caller]
pub(crate) fn guard<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(GUARD, future).await {
            Ok(value) => value,
            Err(_) => panic!("waited for {GUARD:?} at {place}: {what}"),
        }
    }
}
