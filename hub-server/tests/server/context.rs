//! What a call knows: items, the request, the end of its connection.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use hub_core::{Remote, Result, Untyped};
use hub_server::{Context, Hub, HubRoute, hub};
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{Events, NONE, Server, close, events, notice};

struct Desk {
    cx: Context<Self>,
    events: UnboundedSender<&'static str>,
}

#[derive(Default)]
struct Visits(AtomicU32);

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Hub for Desk {
    type Client = Untyped;

    async fn disconnected(&self, _: &hub_server::DisconnectReason) {
        let _ = self.events.send("left");
    }
}

#[hub]
impl Desk {
    #[method]
    async fn visit(&self) -> Result<u32> {
        Ok(self.cx.item::<Visits>().0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    #[method]
    async fn note(&self, text: String) -> Result<String> {
        let notes = self.cx.item::<Notes>();
        let mut notes = notes.0.lock().unwrap();
        notes.push(text);
        Ok(notes.concat())
    }

    #[method]
    async fn request(&self, name: &str) -> Result<(Option<String>, Option<String>)> {
        let request = self.cx.request();
        Ok((request.query(name), request.header(name).map(str::to_owned)))
    }

    #[method]
    async fn transport(&self) -> Result<&'static str> {
        Ok(self.cx.transport())
    }

    #[method]
    async fn wait_for_the_end(&self) {
        let _ = self.events.send("waiting");
        self.cx.disconnected().await;
        let _ = self.events.send("ended");
        // Now it returns at once.
        self.cx.disconnected().await;
    }

    #[method]
    async fn abort(&self, messages: u32) -> Result<&'static str> {
        for number in 0..messages {
            self.cx.caller().send("Last", (number,)).await?;
        }
        self.cx.abort();
        self.cx.caller().send("TooLate", ()).await?;
        Ok("done")
    }
}

async fn desk() -> (Server, Events<&'static str>) {
    let (sender, events) = events();
    let (server, _) = Server::of(HubRoute::new(move |cx| Desk { cx, events: sender.clone() })).await;
    (server, events)
}

#[tokio::test]
async fn items_belong_to_a_connection() {
    let (server, _events) = desk().await;
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    assert_eq!(ann.call("Visit", NONE).await, Ok(json!(1)));
    assert_eq!(ann.call("Visit", NONE).await, Ok(json!(2)));
    assert_eq!(bob.call("Visit", NONE).await, Ok(json!(1)));
    assert_eq!(ann.call("Note", ("a",)).await, Ok(json!("a")), "one a type");
    assert_eq!(ann.call("Note", ("b",)).await, Ok(json!("ab")));
    assert_eq!(ann.call("Visit", NONE).await, Ok(json!(3)));
}

#[tokio::test]
async fn the_request_is_kept() {
    let (server, _events) = desk().await;
    let headers = [("x-page", "lobby")];
    let mut client = server.try_open("/hub?X-Page=a%20b&x-page=second", &headers).await.unwrap();
    client.handshake().await;
    // Names have no case.
    let expected = json!(["a b", "lobby"]);
    assert_eq!(client.call("Request", ("x-page",)).await, Ok(expected.clone()));
    assert_eq!(client.call("Request", ("X-PAGE",)).await, Ok(expected));
    assert_eq!(client.call("Request", ("other",)).await, Ok(json!([null, null])));
    assert_eq!(client.call("Transport", NONE).await, Ok(json!("WebSockets")));
}

#[tokio::test]
async fn a_call_is_told_of_the_end_of_its_connection() {
    for with_close_frame in [true, false] {
        let (server, mut events) = desk().await;
        let mut client = server.connect().await;
        client.notify("WaitForTheEnd", NONE).await;
        assert_eq!(events.next().await, "waiting");
        events.assert_none();
        if with_close_frame {
            client.close().await;
        } else {
            client.cut();
        }
        let mut seen = [events.next().await, events.next().await];
        seen.sort_unstable();
        assert_eq!(seen, ["ended", "left"]);
    }
}

#[tokio::test]
async fn a_call_is_told_of_the_end_though_others_wait_behind_it() {
    let (server, mut events) = desk().await;
    let mut client = server.connect().await;
    client.notify("WaitForTheEnd", NONE).await;
    client.notify("Visit", NONE).await;
    client.notify("WaitForTheEnd", NONE).await;
    assert_eq!(events.next().await, "waiting");
    client.cut();
    let mut seen = [events.next().await, events.next().await, events.next().await, events.next().await];
    seen.sort_unstable();
    assert_eq!(seen, ["ended", "ended", "left", "waiting"], "what was accepted is done");
}

#[tokio::test]
async fn abort_lets_out_what_was_sent_before() {
    // P-CLS-02, P-CLS-03, P-WS-04
    let (server, mut events) = desk().await;
    let mut client = server.connect().await;
    client.begin("1", "Abort", (300,)).await;
    let (messages, code) = client.rest().await;
    let expected: Vec<_> = (0..300).map(|number| notice("Last", [number])).chain([close(None, false)]).collect();
    let (last, sent) = messages.split_last().unwrap();
    assert_eq!((sent.get(..300), last, code), (expected.get(..300), &expected[300], Some(1000)));
    assert_eq!(events.next().await, "left");
}

#[tokio::test]
async fn abort_by_one_ends_nobody_else() {
    let (server, _events) = desk().await;
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    ann.notify("Abort", (0,)).await;
    assert_eq!(ann.rest().await.1, Some(1000));
    assert_eq!(bob.call("Visit", NONE).await, Ok(json!(1)));
}
