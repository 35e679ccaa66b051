//! Stopping (P-CLS-13, P-CLS-14): calls that run are finished, clients are told to come back elsewhere.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt, stream};
use hub_core::{Remote, Result, Untyped};
use hub_server::{Context, DisconnectReason, Hub, HubHandle, HubOptions, HubRoute, hub};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{Events, NONE, Server, close, events, eventually, item, result, within};

/// A deadline that is not reached.
const LONG: Duration = Duration::from_secs(1000);

/// One that is.
const SHORT: Duration = Duration::from_millis(20);

struct Shop {
    _cx: Context<Self>,
    gate: Arc<Notify>,
    events: UnboundedSender<String>,
}

impl Hub for Shop {
    type Client = Untyped;

    async fn disconnected(&self, reason: &DisconnectReason) {
        let _ = self.events.send(format!("{reason:?}"));
    }
}

#[hub]
impl Shop {
    #[method]
    async fn pay(&self, amount: u32) -> Result<u32> {
        let _ = self.events.send("paying".to_owned());
        self.gate.notified().await;
        Ok(amount)
    }

    #[method]
    fn clock(&self) -> impl Stream<Item = Result<u32>> {
        stream::once(async { Ok(1) }).chain(stream::pending())
    }

    #[method]
    fn flood(&self) -> impl Stream<Item = Result<u32>> {
        stream::repeat(7).map(Ok)
    }
}

struct Test {
    server: Server,
    hub: HubHandle<Shop>,
    gate: Arc<Notify>,
    events: Events<String>,
}

async fn shop() -> Test {
    let (sender, events) = events();
    let gate = Arc::new(Notify::new());
    let of_hub = Arc::clone(&gate);
    let route = HubRoute::new(move |cx| Shop { _cx: cx, gate: Arc::clone(&of_hub), events: sender.clone() });
    let options = HubOptions { maximum_parallel_invocations_per_client: 2, ..HubOptions::default() };
    let (server, hub) = Server::of(route.options(options).unwrap()).await;
    Test { server, hub, gate, events }
}

impl Test {
    /// Begins to stop, and waits until that has begun.
    async fn begin(&self, deadline: Duration) -> tokio::task::JoinHandle<()> {
        let hub = self.hub.clone();
        let stopping = tokio::spawn(async move { hub.shutdown(deadline).await });
        eventually("new connections to be refused", async || self.server.dial("/hub", &[]).await == 503).await;
        stopping
    }
}

#[tokio::test]
async fn running_calls_are_answered_and_no_new_ones_begin() {
    let mut test = shop().await;
    let (mut idle, mut pays) = (test.server.connect().await, test.server.connect().await);
    pays.begin("1", "Pay", (5,)).await;
    assert_eq!(test.events.next().await, "paying");
    let stopping = test.begin(LONG).await;
    assert_eq!(idle.rest().await, (vec![close(None, true)], Some(1000)));
    assert_eq!(test.events.next().await, "Shutdown");
    assert_eq!(test.server.request("POST", "/hub/negotiate", &[]).await.status, 503);

    let text = "Failed to invoke 'Pay' due to an error on the server. HubException: The server is shutting down.";
    assert_eq!(pays.call("Pay", (6,)).await, Err(text.to_owned()));
    assert!(!stopping.is_finished());
    test.gate.notify_one();
    assert_eq!(pays.rest().await, (vec![result("1", 5), close(None, true)], Some(1000)));
    within("the shutdown", stopping).await.unwrap();
    assert_eq!(test.hub.connection_count(), 0);
}

#[tokio::test]
async fn calls_that_do_not_end_are_left_at_the_deadline() {
    let mut test = shop().await;
    let mut client = test.server.connect().await;
    client.begin("1", "Pay", (5,)).await;
    assert_eq!(test.events.next().await, "paying");
    within("the shutdown", test.hub.shutdown(SHORT)).await;
    assert_eq!(client.rest().await, (vec![close(None, true)], Some(1000)));
    assert_eq!(test.events.next().await, "Shutdown");
}

#[tokio::test]
async fn streams_end_at_the_deadline() {
    let test = shop().await;
    let mut waits = test.server.connect().await;
    waits.begin_stream("1", "Clock", NONE).await;
    assert_eq!(waits.next().await, item("1", 1));
    let mut floods = test.server.connect().await;
    floods.begin_stream("1", "Flood", NONE).await;
    assert_eq!(floods.next().await, item("1", 7));
    let (flood, wait, ()) = tokio::join!(
        within("the end of the flood", floods.rest()),
        waits.rest(),
        within("the shutdown", test.hub.shutdown(SHORT)),
    );
    assert_eq!(wait, (vec![close(None, true)], Some(1000)));
    assert_eq!((flood.0.last(), flood.1), (Some(&close(None, true)), Some(1000)));
    assert_eq!(test.hub.connection_count(), 0);
}

#[tokio::test]
async fn a_cancelled_stream_lets_its_connection_go() {
    let test = shop().await;
    let mut client = test.server.connect().await;
    client.begin_stream("1", "Clock", NONE).await;
    assert_eq!(client.next().await, item("1", 1));
    let stopping = test.begin(LONG).await;
    client.cancel("1").await;
    let (messages, code) = client.rest().await;
    assert_eq!((messages.last(), code), (Some(&close(None, true)), Some(1000)));
    within("the shutdown", stopping).await.unwrap();
}

#[tokio::test]
async fn connections_in_their_handshake() {
    let test = shop().await;
    let mut client = test.server.open("/hub").await;
    let mut gone = test.server.open("/hub").await;
    // A frame that is too early, and refused: the connection is served.
    gone.send_text("{}\x1e").await;
    assert!(gone.next().await["error"].is_string());
    let stopping = test.begin(LONG).await;
    client.send_text("{\"protocol\":\"json\",\"version\":1}\x1e").await;
    let (messages, code) = client.rest().await;
    assert_eq!((messages.last(), code), (Some(&close(None, true)), Some(1000)));
    drop(gone);
    within("the shutdown", stopping).await.unwrap();
}

#[tokio::test]
async fn connections_without_a_handshake_are_not_waited_for() {
    let test = shop().await;
    let _silent = test.server.open("/hub").await;
    assert!(test.hub.shutdown(LONG).now_or_never().is_some());
}

#[tokio::test]
async fn without_connections_it_is_done_at_once() {
    let test = shop().await;
    assert!(test.hub.shutdown(LONG).now_or_never().is_some());
    assert!(test.hub.shutdown(LONG).now_or_never().is_some(), "and once more");
    assert_eq!(test.server.dial("/hub", &[]).await, 503);
}

#[tokio::test]
async fn one_that_is_deaf_does_not_make_it_last() {
    let (sender, _events) = events();
    let route = HubRoute::new(move |cx| Shop { _cx: cx, gate: Arc::default(), events: sender.clone() });
    let options = HubOptions { transport_send_timeout: LONG, web_socket_close_timeout: LONG, ..HubOptions::default() };
    let (server, hub) = Server::with_small_buffers(route.options(options).unwrap()).await;
    // One takes nothing more, and the other does not answer the end of its WebSocket.
    let _full = server.connect_small().await;
    let _silent = server.connect().await;
    hub.all().send("News", ("x".repeat(1024 * 1024),)).await.unwrap();
    within("the shutdown", hub.shutdown(LONG)).await;
    assert_eq!(hub.connection_count(), 0);
}

#[tokio::test]
async fn many_idle_connections_go_at_once() {
    let mut test = shop().await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(test.server.connect().await);
    }
    let (hub, other) = (test.hub.clone(), test.hub.clone());
    let both = async { tokio::join!(hub.shutdown(LONG), other.shutdown(LONG)) };
    let ends = futures_util::future::join_all(clients.iter_mut().map(|client| client.rest()));
    let (ends, _) = tokio::join!(ends, within("the shutdown", both));
    for end in ends {
        assert_eq!(end, (vec![close(None, true)], Some(1000)));
        assert_eq!(test.events.next().await, "Shutdown");
    }
    assert_eq!(test.hub.connection_count(), 0);
}
