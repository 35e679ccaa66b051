//! Calls that their callers want no more of (P-CX).

use std::sync::Arc;

use futures_util::StreamExt;
use hub_core::{Answers, HubError, Remote, Result, Untyped, Upload};
use hub_server::{Context, Hub, HubOptions, HubRoute, hub};
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{Client, Events, NONE, Server, cancel, error, events, invocation, item, result, unexpected};

struct Shop {
    cx: Context<Self>,
    gate: Arc<Notify>,
    events: UnboundedSender<String>,
}

impl Hub for Shop {
    type Client = Untyped;
}

impl Shop {
    fn tell(&self, event: &str) {
        let _ = self.events.send(event.to_owned());
    }

    fn guard(&self) -> Guard {
        Guard(self.events.clone())
    }
}

/// Says when it is dropped.
struct Guard(UnboundedSender<String>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send("dropped".to_owned());
    }
}

#[hub]
impl Shop {
    #[method]
    async fn echo(&self, number: u32) -> Result<u32> {
        Ok(number)
    }

    /// Did not ask to be cancelled.
    #[method]
    async fn order(&self) -> Result<&'static str> {
        self.tell("ordering");
        self.gate.notified().await;
        self.tell("ordered");
        Ok("ordered")
    }

    #[method]
    #[cancellable]
    async fn search(&self) -> Result<&'static str> {
        let _guard = self.guard();
        self.tell("searching");
        self.gate.notified().await;
        Ok("found")
    }

    #[method]
    #[cancellable]
    async fn search_in(&self, mut words: Upload<String>) -> Result<u32> {
        let _guard = self.guard();
        let mut count = 0;
        while let Some(word) = words.next().await {
            self.tell(&word?);
            count += 1;
        }
        Ok(count)
    }

    #[method]
    #[cancellable]
    async fn ask(&self) -> Result<u32> {
        let _guard = self.guard();
        Ok(self.cx.caller().invoke("Number", ()).await?)
    }

    /// Watches for it.
    #[method]
    async fn watch(&self, how: &str) -> Result<&'static str> {
        self.tell(if self.cx.is_cancelled() { "cancelled before" } else { "watching" });
        self.cx.cancelled().await;
        assert!(self.cx.is_cancelled());
        self.tell("cancelled");
        // For whoever asks again.
        self.cx.cancelled().await;
        self.cx.caller().send("Stopping", ()).await?;
        match how {
            "fail" => Err(HubError::private("stopped")),
            "refuse" => Err(HubError::public("stopped")),
            _ => Ok("stopped"),
        }
    }

    /// Ends, and leaves somebody behind who watches.
    #[method]
    async fn leave_behind(&self) {
        let (cx, events) = (self.cx.clone(), self.events.clone());
        tokio::spawn(async move {
            let _ = events.send("left behind".to_owned());
            cx.cancelled().await;
            let _ = events.send("over".to_owned());
        });
    }
}

struct Test {
    server: Server,
    gate: Arc<Notify>,
    events: Events<String>,
}

async fn shop(options: HubOptions) -> Test {
    let (sender, events) = events();
    let gate = Arc::new(Notify::new());
    let of_hub = Arc::clone(&gate);
    let route = HubRoute::new(move |cx| Shop { cx, gate: Arc::clone(&of_hub), events: sender.clone() });
    let (server, _) = Server::of(route.options(options).unwrap()).await;
    Test { server, gate, events }
}

#[tokio::test]
async fn a_method_that_did_not_ask_runs_to_its_end() {
    // P-CX-10, P-DIV-06
    let mut test = shop(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    client.begin("1", "Order", NONE).await;
    assert_eq!(test.events.next().await, "ordering");
    client.cancel("1").await;
    client.begin("2", "Echo", (2,)).await;
    test.gate.notify_one();
    assert_eq!(test.events.next().await, "ordered");
    // As if nothing had been sent (P-CX-02), and the next call waits for it (P-INV-20).
    assert_eq!(client.next().await, result("1", "ordered"));
    assert_eq!(client.next().await, result("2", 2));
}

#[tokio::test]
async fn a_cancellable_method_is_dropped() {
    // P-CX-03, P-CX-04
    for detailed in [false, true] {
        let mut test = shop(HubOptions { enable_detailed_errors: detailed, ..HubOptions::default() }).await;
        let mut client = test.server.connect().await;
        let detail = if detailed { " TaskCanceledException: A task was canceled." } else { "" };
        for _ in 0..2 {
            client.begin("1", "Search", NONE).await;
            assert_eq!(test.events.next().await, "searching");
            client.cancel("unknown").await;
            client.send_text(&format!("{0}\x1e{0}\x1e", cancel("1"))).await;
            assert_eq!(test.events.next().await, "dropped");
            assert_eq!(client.next().await, error("1", &format!("{}{detail}", unexpected("Search"))));
            // One that comes too late.
            client.cancel("1").await;
            assert_eq!(client.call("Echo", (2,)).await, Ok(json!(2)), "its place is free");
        }
        client.begin("1", "Search", NONE).await;
        assert_eq!(test.events.next().await, "searching");
        test.gate.notify_one();
        assert_eq!(client.next().await, result("1", "found"));
    }
}

#[tokio::test]
async fn a_method_that_watches_decides_itself() {
    // P-CX-02, P-CX-03
    let mut test = shop(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    let answers = [
        ("answer", result("1", "stopped")),
        ("fail", error("1", &unexpected("Watch"))),
        ("refuse", error("1", &format!("{} HubException: stopped", unexpected("Watch")))),
    ];
    for (how, answer) in answers {
        client.begin("1", "Watch", (how,)).await;
        assert_eq!(test.events.next().await, "watching");
        client.cancel("1").await;
        assert_eq!(test.events.next().await, "cancelled");
        // What it sent before it ended comes first.
        assert_eq!(client.next().await["target"], "Stopping");
        assert_eq!(client.next().await, answer);
    }
}

#[tokio::test]
async fn a_call_and_its_cancellation_may_come_together() {
    // P-CX-05
    let mut test = shop(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    let before = cancel("2");
    let (watch, search) = (invocation("1", "Watch", ("answer",)), invocation("2", "Search", NONE));
    let (one, two) = (cancel("1"), cancel("2"));
    client.send_text(&format!("{before}\x1e{watch}\x1e{search}\x1e{one}\x1e{two}\x1e")).await;
    // The second call waits for the first, and what cancels either waits behind it.
    assert_eq!(test.events.next().await, "watching");
    let mut other = test.server.connect().await;
    assert_eq!(other.call("Echo", (1,)).await, Ok(json!(1)));
    test.events.assert_none();

    let mut test = shop(HubOptions { maximum_parallel_invocations_per_client: 2, ..HubOptions::default() }).await;
    let mut client = test.server.connect().await;
    client.send_text(&format!("{before}\x1e{watch}\x1e{search}\x1e{one}\x1e{two}\x1e")).await;
    let mut events = Vec::new();
    for _ in 0..4 {
        events.push(test.events.next().await);
    }
    events.sort();
    assert_eq!(events, ["cancelled", "dropped", "searching", "watching"]);
    let mut answers = [client.next().await, client.next().await, client.next().await];
    answers.sort_by_key(|answer| answer["invocationId"].to_string());
    assert_eq!(answers[0]["invocationId"], "1");
    assert_eq!(answers[1..], [error("2", &unexpected("Search")), answers[2].clone()]);
}

#[tokio::test]
async fn the_end_of_the_connection_cancels_what_asked() {
    for with_close_frame in [true, false] {
        let mut test = shop(HubOptions { maximum_parallel_invocations_per_client: 3, ..HubOptions::default() }).await;
        let mut client = test.server.connect().await;
        for (method, event) in [("Order", "ordering"), ("Search", "searching")] {
            client.begin(method, method, NONE).await;
            assert_eq!(test.events.next().await, event);
        }
        client.begin("Watch", "Watch", ("answer",)).await;
        assert_eq!(test.events.next().await, "watching");
        if with_close_frame {
            client.close().await;
        } else {
            client.cut();
        }
        let mut told = [test.events.next().await, test.events.next().await];
        told.sort();
        assert_eq!(told, ["cancelled", "dropped"]);
        test.gate.notify_one();
        assert_eq!(test.events.next().await, "ordered");
    }
}

#[tokio::test]
async fn the_client_that_was_asked_is_told_nothing() {
    // P-CX-08: type 5 is never sent by the server.
    let mut test = shop(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    client.begin("1", "Ask", NONE).await;
    let question = client.next().await;
    assert_eq!(question["target"], "Number");
    client.cancel("1").await;
    assert_eq!(test.events.next().await, "dropped");
    assert_eq!(client.next().await, error("1", &unexpected("Ask")));
    // Its late answer is ignored.
    client.send(&result(question["invocationId"].as_str().unwrap(), 4)).await;
    assert_eq!(client.call("Echo", (2,)).await, Ok(json!(2)));
}

#[tokio::test]
async fn uploads_end_with_the_method() {
    // P-CX-06, P-UP-09
    let mut test = shop(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    let mut call = invocation("1", "SearchIn", NONE);
    call["streamIds"] = json!(["words"]);
    client.send(&call).await;
    client.send(&item("words", "one")).await;
    assert_eq!(test.events.next().await, "one");
    // The id of an upload is not that of a call.
    client.cancel("words").await;
    client.send(&item("words", "two")).await;
    assert_eq!(test.events.next().await, "two");
    client.cancel("1").await;
    assert_eq!(test.events.next().await, "dropped");
    assert_eq!(client.next().await, error("1", &unexpected("SearchIn")));
    client.send(&item("words", "three")).await;
    assert_eq!(client.call("Echo", (2,)).await, Ok(json!(2)));
}

#[tokio::test]
async fn who_outlives_its_call_watches_the_connection() {
    let mut test = shop(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    client.begin("1", "LeaveBehind", NONE).await;
    assert_eq!(client.next().await, result("1", json!(null)));
    assert_eq!(test.events.next().await, "left behind");
    // It is no longer there to be cancelled, and the next of this id is another call.
    client.cancel("1").await;
    cancelled_while_watching(&mut client, &mut test.events).await;
    test.events.assert_none();
    client.cut();
    assert_eq!(test.events.next().await, "over");
}

async fn cancelled_while_watching(client: &mut Client, events: &mut Events<String>) {
    client.begin("1", "Watch", ("answer",)).await;
    assert_eq!(events.next().await, "watching");
    client.cancel("1").await;
    assert_eq!(events.next().await, "cancelled");
    assert_eq!(client.next().await["target"], "Stopping");
    assert_eq!(client.next().await, result("1", "stopped"));
}
