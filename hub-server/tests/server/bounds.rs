//! What one client can make the server hold, and for how long it can hold up others.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::{Stream, StreamExt, stream};
use hub_core::{CallError, Remote, Result, Untyped, Upload};
use hub_server::{Context, DisconnectReason, Hub, HubHandle, HubOptions, HubRoute, hub};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{Client, Events, NONE, Server, events, eventually, item, notice, result, void, within};

struct Inn {
    cx: Context<Self>,
    gate: Arc<Notify>,
    taken: Arc<AtomicUsize>,
    events: UnboundedSender<String>,
}

impl Hub for Inn {
    type Client = Untyped;

    async fn connected(&self) -> Result<()> {
        self.cx.join("guests").await
    }

    async fn disconnected(&self, _: &DisconnectReason) {
        let _ = self.events.send("left".to_owned());
    }
}

#[hub]
impl Inn {
    #[method]
    async fn tell(&self, what: String) {
        let _ = self.events.send(what);
    }

    #[method]
    async fn take(&self) {
        self.taken.fetch_add(1, Ordering::SeqCst);
    }

    #[method]
    async fn wait(&self, _load: Value) {
        let _ = self.events.send("waiting".to_owned());
        self.gate.notified().await;
    }

    /// Takes an item for each opening of the gate.
    #[method]
    async fn sip(&self, mut items: Upload<String>) {
        loop {
            self.gate.notified().await;
            if items.next().await.is_none() {
                return;
            }
            self.taken.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Tells when it is dropped.
    #[method]
    fn tick(&self) -> impl Stream<Item = Result<u8>> {
        struct Tells(UnboundedSender<String>);
        impl Drop for Tells {
            fn drop(&mut self) {
                let _ = self.0.send("dropped".to_owned());
            }
        }
        let tells = Tells(self.events.clone());
        stream::pending().inspect(move |_| {
            let _ = &tells;
        })
    }

    #[method]
    fn count(&self, to: usize) -> impl Stream<Item = Result<usize>> {
        stream::iter(0..to).map(Ok)
    }
}

struct Test {
    server: Server,
    hub: HubHandle<Inn>,
    gate: Arc<Notify>,
    taken: Arc<AtomicUsize>,
    events: Events<String>,
}

async fn inn(options: HubOptions) -> Test {
    let (sender, events) = events();
    let (gate, taken) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (of_hub, counter) = (Arc::clone(&gate), Arc::clone(&taken));
    let route = HubRoute::new(move |cx| Inn {
        cx,
        gate: Arc::clone(&of_hub),
        taken: Arc::clone(&counter),
        events: sender.clone(),
    });
    let (server, hub) = Server::of(route.options(options).unwrap()).await;
    Test { server, hub, gate, taken, events }
}

#[tokio::test]
async fn others_have_their_turn_beside_a_flood_in_one_message() {
    // One thread for everybody: it is the server that gives way.
    let test = inn(HubOptions::default()).await;
    let taken = Arc::clone(&test.taken);
    let most = Arc::new(AtomicUsize::new(0));
    let in_a_row = Arc::clone(&most);
    let others = tokio::spawn(poll_fn::<(), _>(move |cx| {
        in_a_row.fetch_max(taken.swap(0, Ordering::SeqCst), Ordering::SeqCst);
        // Behind those who are ready by now.
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    let mut client = test.server.connect().await;
    let call = format!("{}\x1e", notice("Take", NONE));
    client.send_text(&call.repeat(20_000)).await;
    client.begin("last", "Take", NONE).await;
    assert_eq!(client.next().await, result("last", ()));
    others.abort();
    let most = most.load(Ordering::SeqCst);
    assert!((1..=64).contains(&most), "{most} calls in a row");
}

#[tokio::test]
async fn arguments_of_open_calls_are_bounded_in_bytes() {
    let options = HubOptions { maximum_parallel_invocations_per_client: 100, ..HubOptions::default() };
    let mut test = inn(HubOptions { client_bytes: 64 * 1024, ..options }).await;
    let mut client = test.server.connect().await;
    let load = "x".repeat(12_000);
    for id in ["1", "2"] {
        client.begin(id, "Wait", (&load,)).await;
        assert_eq!(test.events.next().await, "waiting");
    }
    let text = "Failed to invoke 'Wait' due to an error on the server. HubException: With this call those that the \
                connection has open exceed 32768 bytes, which is the most that are allowed.";
    assert_eq!(client.call("Wait", (&load,)).await, Err(text.to_owned()));
    test.gate.notify_waiters();
    assert_eq!(client.next().await["result"], Value::Null);
    assert_eq!(client.next().await["result"], Value::Null);
    client.begin("3", "Wait", (&load,)).await;
    assert_eq!(test.events.next().await, "waiting", "what has ended does not count");
}

/// A call of this name with an upload.
async fn begin_upload(client: &mut Client, upload: &str) {
    let call = json!({"type": 1, "invocationId": upload, "target": "Sip", "arguments": [], "streamIds": [upload]});
    client.send(&call).await;
}

#[tokio::test]
async fn items_that_wait_in_uploads_are_bounded_in_bytes() {
    let mut test = inn(HubOptions { client_bytes: 40_000, ..HubOptions::default() }).await;
    let mut client = test.server.connect().await;
    let load = "x".repeat(3_000);
    for upload in ["a", "b"] {
        begin_upload(&mut client, upload).await;
    }
    // Three of them fit into a quarter, in both uploads together; more than ten would fit into each by number.
    for upload in ["a", "b", "a", "b"] {
        client.send(&item(upload, &load)).await;
    }
    client.notify("Tell", ["behind"]).await;
    let mut other = test.server.connect().await;
    for _ in 0..20 {
        other.notify("Tell", ["other"]).await;
        assert_eq!(test.events.next().await, "other", "the client waits");
    }
    // A place is enough, whichever upload has it.
    test.gate.notify_one();
    assert_eq!(test.events.next().await, "behind");
    assert_eq!(test.taken.load(Ordering::SeqCst), 1);
    for upload in ["a", "b"] {
        client.send(&void(upload)).await;
    }
    for _ in 0..8 {
        test.gate.notify_waiters();
        tokio::task::yield_now().await;
    }
    eventually("the items to be taken", async || {
        test.gate.notify_waiters();
        test.taken.load(Ordering::SeqCst) == 4
    })
    .await;
}

#[tokio::test]
async fn a_single_item_larger_than_the_bound_passes() {
    let test = inn(HubOptions { client_bytes: 1024, ..HubOptions::default() }).await;
    let mut client = test.server.connect().await;
    begin_upload(&mut client, "a").await;
    for number in 1..=3 {
        client.send(&item("a", "x".repeat(3_000))).await;
        test.gate.notify_one();
        eventually("the item to be taken", async || test.taken.load(Ordering::SeqCst) == number).await;
    }
}

#[tokio::test]
async fn who_left_is_no_member_while_its_calls_go_on() {
    for with_close_frame in [true, false] {
        let mut test = inn(HubOptions::default()).await;
        let mut leaves = test.server.connect().await;
        leaves.begin_stream("1", "Tick", NONE).await;
        leaves.notify("Wait", (0,)).await;
        assert_eq!(test.events.next().await, "waiting");
        // It waits for the first.
        leaves.notify("Tell", ["behind"]).await;
        if with_close_frame {
            leaves.close().await;
        } else {
            leaves.cut();
        }
        eventually("it to be gone", async || test.hub.connection_count() == 0).await;
        assert_eq!(test.events.next().await, "dropped", "nobody reads it");
        test.events.assert_none();
        // What was accepted is done.
        test.gate.notify_one();
        assert_eq!(test.events.next().await, "behind");
        assert_eq!(test.events.next().await, "left");
    }
}

#[tokio::test]
async fn many_streams_of_one_client_all_come_to_their_end() {
    // More than have room at a time: those that wait for it have it one after the other.
    const STREAMS: usize = 300;
    let test = inn(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    for stream in 0..STREAMS {
        client.begin_stream(&stream.to_string(), "Count", (50,)).await;
    }
    let (mut next, mut ended) = (vec![0; STREAMS], 0);
    while ended < STREAMS {
        let message = client.next().await;
        let stream: usize = message["invocationId"].as_str().unwrap().parse().unwrap();
        if message["type"] == 2 {
            assert_eq!(message["item"], next[stream]);
            next[stream] += 1;
        } else {
            assert_eq!((message, next[stream]), (void(&stream.to_string()), 50));
            ended += 1;
        }
    }
}

/// Asks the hub for something while it is written.
struct Curious(HubHandle<Inn>);

impl Serialize for Curious {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.connection_count() as u64)
    }
}

#[tokio::test]
async fn a_message_that_one_protocol_cannot_say_is_sent_to_nobody() {
    // Keys of an object are texts in JSON, and anything in MessagePack.
    let points = HashMap::from([((1, 2), 3)]);
    let test = inn(HubOptions::default()).await;
    let mut messagepack = test.server.open("/hub").await;
    messagepack.send_text("{\"protocol\":\"messagepack\",\"version\":1}\x1e").await;
    let mut frame = async |what: &str| {
        let frame = within("a frame", messagepack.socket.next()).await.unwrap().unwrap().into_data();
        assert!(String::from_utf8_lossy(&frame).contains(what), "{frame:?}");
    };
    frame("{}\x1e").await;
    test.hub.all().send("Alone", (&points,)).await.unwrap();
    frame("Alone").await;
    let mut json = test.server.connect().await;
    for target in [test.hub.all(), test.hub.group("guests")] {
        let sent = target.send("Lost", (&points,)).await;
        assert!(matches!(sent, Err(CallError::Encode(_))), "{sent:?}");
    }
    test.hub.all().send("Both", ()).await.unwrap();
    frame("Both").await;
    assert_eq!(json.next().await, notice("Both", NONE));
}

#[tokio::test]
async fn what_an_application_writes_may_ask_the_hub() {
    // Under a lock it would wait for itself.
    let test = inn(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    client.begin("1", "Tell", ["it"]).await;
    assert_eq!(client.next().await, result("1", ()));
    test.hub.all().send("Count", (Curious(test.hub.clone()),)).await.unwrap();
    assert_eq!(client.next().await, notice("Count", [1]));
    test.hub.group("guests").send("Count", (Curious(test.hub.clone()),)).await.unwrap();
    assert_eq!(client.next().await, notice("Count", [1]));
}
