//! Streams from clients (section 10).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use hub_core::{Result, Untyped, Upload};
use hub_server::{Context, Hub, HubOptions, HubRoute, hub};
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{Client, Events, Server, error, events, item, result, unexpected, void};

struct Sink {
    cx: Context<Self>,
    echoes: Arc<AtomicUsize>,
    gate: Arc<Notify>,
    events: UnboundedSender<String>,
}

impl Sink {
    fn tell(&self, event: impl Into<String>) {
        let _ = self.events.send(event.into());
    }
}

impl Hub for Sink {
    type Client = Untyped;
}

#[hub]
impl Sink {
    #[method]
    async fn echo(&self, number: u32) -> Result<u32> {
        self.echoes.fetch_add(1, Ordering::SeqCst);
        Ok(number)
    }

    /// Takes nothing until the gate is open, then all.
    #[method]
    async fn sum(&self, mut items: Upload<u32>) -> Result<u32> {
        self.tell("begun");
        self.gate.notified().await;
        let mut sum = 0;
        while let Some(item) = items.next().await {
            sum += item?;
        }
        Ok(sum)
    }

    /// Tells of each item, and of the end.
    #[method]
    async fn report(&self, mut items: Upload<u32>) {
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => self.tell(item.to_string()),
                Err(error) => self.tell(error.to_string()),
            }
        }
        self.tell("end");
    }

    /// Takes nothing until its connection is gone.
    #[method]
    async fn ignore(&self, items: Upload<u32>) {
        self.tell("begun");
        self.cx.disconnected().await;
        let rest: Vec<_> = items.collect().await;
        self.tell(format!("{} left", rest.iter().filter(|item| item.is_ok()).count()));
        self.tell(rest.into_iter().find_map(Result::err).map_or_else(String::new, |error| error.to_string()));
    }

    #[method]
    async fn first(&self, mut items: Upload<u32>) -> Result<u32> {
        items.next().await.unwrap_or(Ok(0))
    }
}

struct Test {
    server: Server,
    echoes: Arc<AtomicUsize>,
    gate: Arc<Notify>,
    events: Events<String>,
}

async fn sink(stream_buffer_capacity: usize) -> Test {
    let (sender, events) = events();
    let (echoes, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, notify) = (Arc::clone(&echoes), Arc::clone(&gate));
    let route = HubRoute::new(move |cx| Sink {
        cx,
        echoes: Arc::clone(&counter),
        gate: Arc::clone(&notify),
        events: sender.clone(),
    });
    let options = HubOptions { stream_buffer_capacity, ..HubOptions::default() };
    let (server, _) = Server::of(route.options(options).unwrap()).await;
    Test { server, echoes, gate, events }
}

/// Begins call `call` with upload `up`, and uploads 1 to `count`.
async fn upload(client: &mut Client, target: &str, count: u32) {
    let call = json!({"type": 1, "invocationId": "call", "target": target, "arguments": [], "streamIds": ["up"]});
    client.send(&call).await;
    for number in 1..=count {
        client.send(&item("up", number)).await;
    }
}

#[tokio::test]
async fn a_full_upload_stops_all_that_comes_behind_it() {
    // P-UP-07
    let mut test = sink(3).await;
    let mut client = test.server.connect().await;
    upload(&mut client, "Sum", 4).await;
    client.begin("echo", "Echo", (1,)).await;
    client.send(&item("up", 5)).await;
    client.send(&void("up")).await;
    assert_eq!(test.events.next().await, "begun");
    let mut other = test.server.connect().await;
    for number in 1..=50 {
        assert_eq!(other.call("Echo", (number,)).await, Ok(json!(number)));
    }
    assert_eq!(test.echoes.load(Ordering::SeqCst), 50, "none of them from the client that waits");
    test.gate.notify_one();
    let mut answers = [client.next().await, client.next().await];
    answers.sort_by_key(|answer| answer["invocationId"].to_string());
    assert_eq!(answers, [result("call", 15), result("echo", 1)]);
}

#[tokio::test]
async fn an_upload_with_room_stops_nothing() {
    let mut test = sink(3).await;
    let mut client = test.server.connect().await;
    upload(&mut client, "Sum", 3).await;
    assert_eq!(test.events.next().await, "begun");
    // P-INV-21: it takes no slot either.
    assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
    client.send(&void("up")).await;
    test.gate.notify_one();
    assert_eq!(client.next().await, result("call", 6));
}

#[tokio::test]
async fn an_open_upload_fails_with_its_connection() {
    // P-UP-10
    for with_close_frame in [true, false] {
        let mut test = sink(10).await;
        let mut client = test.server.connect().await;
        upload(&mut client, "Report", 2).await;
        if with_close_frame {
            client.socket.close(None).await.unwrap();
        }
        client.cut();
        for event in ["1", "2", "The underlying connection was closed.", "end"] {
            assert_eq!(test.events.next().await, event);
        }
    }
}

#[tokio::test]
async fn a_full_upload_ends_with_its_connection() {
    let mut test = sink(3).await;
    let mut client = test.server.connect().await;
    upload(&mut client, "Ignore", 5).await;
    client.send(&void("up")).await;
    assert_eq!(test.events.next().await, "begun");
    client.cut();
    for event in ["5 left", ""] {
        assert_eq!(test.events.next().await, event, "what was accepted is delivered");
    }
}

#[tokio::test]
async fn uploads_end_with_their_call() {
    // P-UP-05, P-UP-09: more than there is room for, to a call that is over.
    let test = sink(1).await;
    let mut client = test.server.connect().await;
    upload(&mut client, "First", 50).await;
    client.send(&void("up")).await;
    assert_eq!(client.next().await, result("call", 1));
    assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
}

#[tokio::test]
async fn a_bad_item_and_the_clients_error_reach_the_method() {
    // P-UP-06, P-UP-08
    let mut test = sink(10).await;
    let mut client = test.server.connect().await;
    upload(&mut client, "Report", 1).await;
    client.send(&item("up", "two")).await;
    client.send(&error("up", "out of numbers")).await;
    assert_eq!(test.events.next().await, "1");
    assert_eq!(test.events.next().await, "Failed to bind Stream message.");
    while test.events.next().await != "end" {}
    assert_eq!(client.next().await, result("call", ()));

    upload(&mut client, "First", 0).await;
    client.send(&error("up", "out of numbers")).await;
    let text = format!("{} HubException: out of numbers", unexpected("First"));
    assert_eq!(client.next().await, error("call", &text));
}

#[tokio::test]
async fn a_stream_id_in_use_is_refused() {
    // P-UP-11
    let mut test = sink(10).await;
    let mut client = test.server.connect().await;
    upload(&mut client, "Sum", 1).await;
    assert_eq!(test.events.next().await, "begun");
    client
        .send(&json!({
            "type": 1, "invocationId": "again", "target": "Sum", "arguments": [], "streamIds": ["up"],
        }))
        .await;
    let refused = |target| format!("{} HubException: Stream ID 'up' is already in use.", unexpected(target));
    assert_eq!(client.next().await, error("again", &refused("Sum")));
    // What else is wrong comes first.
    client
        .send(&json!({
            "type": 1, "invocationId": "two", "target": "Sum", "arguments": [], "streamIds": ["up", "other"],
        }))
        .await;
    let count = format!("{} HubException: Client sent 2 stream(s), Hub method expects 1.", unexpected("Sum"));
    assert_eq!(client.next().await, error("two", &count));
    client.send(&item("up", 2)).await;
    client.send(&void("up")).await;
    test.gate.notify_one();
    assert_eq!(client.next().await, result("call", 3));
}
