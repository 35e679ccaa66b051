//! Streams to clients (section 9).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{Stream, StreamExt, stream};
use hub_core::{Remote, Result, Untyped};
use hub_server::{Context, Hub, HubOptions, HubRoute, hub};
use serde::Serialize;
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{Events, NONE, Server, error, events, item, notice, result, stream_invocation, void};

struct Source {
    cx: Context<Self>,
    made: Arc<AtomicUsize>,
    gate: Arc<Notify>,
    events: UnboundedSender<&'static str>,
}

impl Hub for Source {
    type Client = Untyped;
}

/// Says when it is dropped.
struct Guard(UnboundedSender<&'static str>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// A number, unless it is three.
struct NotThree(u32);

impl Serialize for NotThree {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 3 {
            return Err(serde::ser::Error::custom("three"));
        }
        serializer.serialize_u32(self.0)
    }
}

#[hub]
impl Source {
    #[method]
    async fn echo(&self, number: u32) -> Result<u32> {
        Ok(number)
    }

    /// Items of `size` bytes that are there at once.
    #[method]
    fn pour(&self, count: usize, size: usize) -> impl Stream<Item = Result<String>> {
        let made = Arc::clone(&self.made);
        let guard = Guard(self.events.clone());
        stream::iter(0..count).map(move |number| {
            let _ = &guard;
            made.fetch_add(1, Ordering::SeqCst);
            Ok(format!("{number:0size$}"))
        })
    }

    #[method]
    fn never(&self) -> impl Stream<Item = Result<u32>> {
        let guard = Guard(self.events.clone());
        let _ = self.events.send("begun");
        stream::pending().map(move |item| {
            let _ = &guard;
            item
        })
    }

    #[method]
    fn not_three(&self) -> impl Stream<Item = Result<NotThree>> {
        stream::iter(1..10).map(|number| Ok(NotThree(number)))
    }

    #[method]
    fn panic_at_three(&self) -> impl Stream<Item = Result<u32>> {
        stream::iter(1..10).map(|number| {
            assert!(number != 3, "three");
            Ok(number)
        })
    }

    /// Answers, and tells its caller something before, once the gate is open.
    #[method]
    async fn tell_after_gate(&self) -> Result<u32> {
        let _ = self.events.send("begun");
        self.gate.notified().await;
        self.cx.caller().send("Told", ()).await?;
        let _ = self.events.send("told");
        Ok(1)
    }
}

struct Test {
    server: Server,
    made: Arc<AtomicUsize>,
    gate: Arc<Notify>,
    events: Events<&'static str>,
}

async fn source(options: HubOptions) -> Test {
    let (sender, events) = events();
    let (made, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, notify) = (Arc::clone(&made), Arc::clone(&gate));
    let route = HubRoute::new(move |cx| Source {
        cx,
        made: Arc::clone(&counter),
        gate: Arc::clone(&notify),
        events: sender.clone(),
    });
    let (server, _) = Server::with_small_buffers(route.options(options).unwrap()).await;
    Test { server, made, gate, events }
}

impl Test {
    /// Waits until another client's calls find the source at rest.
    async fn settle(&self) -> usize {
        let mut other = self.server.connect().await;
        loop {
            let before = self.made.load(Ordering::SeqCst);
            for number in 0..20 {
                assert_eq!(other.call("Echo", (number,)).await, Ok(json!(number)));
            }
            if before > 0 && before == self.made.load(Ordering::SeqCst) {
                return before;
            }
        }
    }
}

#[tokio::test]
async fn a_source_waits_for_its_reader() {
    // P-STR-09, P-STR-03, P-STR-08
    const COUNT: usize = 1000;
    const SIZE: usize = 8 * 1024;
    let test = source(HubOptions::default()).await;
    let mut client = test.server.connect_small().await;
    client.begin_stream("1", "Pour", (COUNT, SIZE)).await;
    let made = test.settle().await;
    assert!(made < 100, "{made} items for a client that reads nothing");
    for number in 0..COUNT {
        assert_eq!(client.next().await, item("1", format!("{number:0SIZE$}")));
    }
    assert_eq!(client.next().await, void("1"));
    assert_eq!(test.made.load(Ordering::SeqCst), COUNT);
    assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
}

#[tokio::test]
async fn many_small_items_wait_too() {
    let test = source(HubOptions::default()).await;
    let mut client = test.server.connect_small().await;
    client.begin_stream("1", "Pour", (20_000, 1)).await;
    let made = test.settle().await;
    assert!(made < 10_000, "{made} items for a client that reads nothing");
    let mut received = 0;
    while client.next().await != void("1") {
        received += 1;
    }
    assert_eq!(received, 20_000);
}

#[tokio::test]
async fn an_answer_waits_behind_what_was_sent_before_it() {
    // P-LT-16, for a client that does not read just then.
    let mut test = source(HubOptions::default()).await;
    let mut client = test.server.connect_small().await;
    client.begin("call", "TellAfterGate", NONE).await;
    assert_eq!(test.events.next().await, "begun");
    client.begin_stream("stream", "Pour", (200, 8 * 1024)).await;
    test.settle().await;
    test.gate.notify_one();
    assert_eq!(test.events.next().await, "told");
    test.settle().await;
    let (mut items, mut others) = (0, Vec::new());
    while items < 200 || others.len() < 3 {
        let message = client.next().await;
        if message["type"] == 2 {
            items += 1;
        } else {
            others.push(message);
        }
    }
    let place = |message| others.iter().position(|other| *other == message).unwrap();
    assert!(place(notice("Told", NONE)) < place(result("call", 1)), "{others:?}");
    place(void("stream"));
}

#[tokio::test]
async fn a_source_is_dropped_with_the_connection() {
    // P-STR-06
    for (target, arguments) in [("Never", json!([])), ("Pour", json!([usize::MAX >> 12, 8 * 1024]))] {
        let mut test = source(HubOptions::default()).await;
        let mut client = test.server.connect_small().await;
        client.begin_stream("1", target, arguments).await;
        if target == "Never" {
            assert_eq!(test.events.next().await, "begun");
        } else {
            test.settle().await;
        }
        client.cut();
        assert_eq!(test.events.next().await, "dropped");
    }
}

#[tokio::test]
async fn a_source_without_end_is_dropped_once_its_reader_is_gone() {
    // In one frame, so that all was accepted before the connection is lost.
    let mut test = source(HubOptions::default()).await;
    let mut client = test.server.connect_small().await;
    let call = notice("TellAfterGate", NONE);
    let pour = stream_invocation("1", "Pour", (usize::MAX >> 12, 8 * 1024));
    client.send_text(&format!("{call}\x1e{pour}\x1e{call}\x1e")).await;
    assert_eq!(test.events.next().await, "begun");
    test.settle().await;
    client.cut();
    assert_eq!(test.events.next().await, "dropped", "though calls go on");
    test.gate.notify_one();
    assert_eq!(test.events.next().await, "told");
    assert_eq!(test.events.next().await, "begun", "the call that waited");
    test.gate.notify_one();
    assert_eq!(test.events.next().await, "told");
}

#[tokio::test]
async fn a_cancelled_stream_ends_without_an_error() {
    // P-CAN-02, P-INV-15
    let mut test = source(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    client.begin_stream("1", "Never", NONE).await;
    assert_eq!(test.events.next().await, "begun");
    client.begin_stream("1", "Never", NONE).await;
    assert_eq!(client.next().await, error("1", "Invocation ID '1' is already in use."));
    client.cancel("1").await;
    assert_eq!(test.events.next().await, "dropped");
    assert_eq!(client.next().await, void("1"), "P-DIV-04");
}

#[tokio::test]
async fn a_stream_that_fails_delivers_what_came_before() {
    // P-STR-03, P-ERR-04
    let test = source(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    for target in ["NotThree", "PanicAtThree"] {
        client.begin_stream("1", target, NONE).await;
        assert_eq!(client.next().await, item("1", 1));
        assert_eq!(client.next().await, item("1", 2));
        assert_eq!(client.next().await, error("1", "An error occurred on the server while streaming results."));
    }
    assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
}

#[tokio::test]
async fn open_calls_are_limited() {
    let options = HubOptions { maximum_open_calls_per_client: 2, ..HubOptions::default() };
    let test = source(options).await;
    let mut client = test.server.connect().await;
    client.begin_stream("1", "Never", NONE).await;
    client.begin_stream("2", "Never", NONE).await;
    let most = "HubException: The connection has 2 calls open, which is the most that are allowed.";
    let refused = |target| format!("Failed to invoke '{target}' due to an error on the server. {most}");
    client.begin_stream("3", "Never", NONE).await;
    assert_eq!(client.next().await, error("3", &refused("Never")));
    assert_eq!(client.call("Echo", (1,)).await, Err(refused("Echo")));
    assert_eq!(test.server.connect().await.call("Echo", (1,)).await, Ok(json!(1)), "others have their own");
    client.cancel("1").await;
    assert_eq!(client.next().await, void("1"));
    assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
}
