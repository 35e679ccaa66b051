//! How calls run: one after the other, contained, to their end (section 7).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hub_core::{Remote, Result, Untyped};
use hub_server::{Context, Hub, HubOptions, HubRoute, hub};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Barrier, Notify};

use crate::support::{Events, NONE, Server, events, notice, result, unexpected};

/// What the hubs of a test share.
struct Shared {
    gate: Notify,
    three: Barrier,
    running: AtomicUsize,
    most: AtomicUsize,
    events: UnboundedSender<String>,
}

struct Work {
    cx: Context<Self>,
    shared: Arc<Shared>,
}

impl Work {
    fn new(cx: Context<Self>, shared: Arc<Shared>) -> Self {
        assert!(cx.request().query("panic").is_none(), "no hub for this client");
        Self { cx, shared }
    }

    fn tell(&self, event: impl Into<String>) {
        let _ = self.shared.events.send(event.into());
    }
}

impl Hub for Work {
    type Client = Untyped;
}

struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it has a cycle"))
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
impl Work {
    #[method]
    async fn echo(&self, number: u32) -> Result<u32> {
        self.tell(format!("echo {number}"));
        Ok(number)
    }

    #[method]
    async fn panic(&self, late: bool) {
        if late {
            tokio::task::yield_now().await;
        }
        panic!("a secret");
    }

    #[method]
    async fn tell_then_answer(&self, wait: bool) -> Result<u32> {
        for number in 0..3 {
            self.cx.caller().send("Step", (number,)).await?;
            if wait {
                tokio::task::yield_now().await;
            }
        }
        Ok(3)
    }

    #[method]
    async fn step(&self) {
        let running = self.shared.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.shared.most.fetch_max(running, Ordering::SeqCst);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.shared.running.fetch_sub(1, Ordering::SeqCst);
    }

    #[method]
    async fn meet_two_others(&self) {
        self.step().await;
        self.shared.three.wait().await;
    }

    #[method]
    async fn wait_for_gate(&self, number: u32) -> Result<u32> {
        let _guard = Guard(self.shared.events.clone());
        self.tell(format!("waiting {number}"));
        self.shared.gate.notified().await;
        self.tell(format!("through {number}"));
        Ok(number)
    }

    #[method]
    #[cancellable]
    async fn panic_when_dropped(&self) {
        struct Panics;

        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("a secret");
            }
        }

        let _panics = Panics;
        self.tell("begun");
        self.shared.gate.notified().await;
    }

    #[method]
    async fn unwritable(&self) -> Result<Unwritable> {
        Ok(Unwritable)
    }
}

struct Test {
    server: Server,
    shared: Arc<Shared>,
    events: Events<String>,
}

async fn work(options: HubOptions) -> Test {
    let (sender, events) = events();
    let shared = Arc::new(Shared {
        gate: Notify::new(),
        three: Barrier::new(3),
        running: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        events: sender,
    });
    let of_hub = Arc::clone(&shared);
    let route = HubRoute::new(move |cx| Work::new(cx, Arc::clone(&of_hub))).options(options).unwrap();
    Test { server: Server::of(route).await.0, shared, events }
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    // P-INV-13, P-ERR-01: the text stays here, whatever the detail.
    for enable_detailed_errors in [false, true] {
        let test = work(HubOptions { enable_detailed_errors, ..HubOptions::default() }).await;
        let mut client = test.server.connect().await;
        assert_eq!(client.call("Panic", (false,)).await, Err(unexpected("Panic")));
        assert_eq!(client.call("panic", (true,)).await, Err(unexpected("panic")));
        client.notify("Panic", (true,)).await;
        assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
    }
}

#[tokio::test]
async fn a_panic_where_a_call_is_dropped_is_contained() {
    let mut test = work(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    client.begin("1", "PanicWhenDropped", NONE).await;
    assert_eq!(test.events.next().await, "begun");
    client.cancel("1").await;
    assert_eq!(client.next().await["invocationId"], "1");
    assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
    // At the end of the method too.
    test.shared.gate.notify_one();
    assert_eq!(client.call("PanicWhenDropped", NONE).await, Err(unexpected("PanicWhenDropped")));
    assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
}

#[tokio::test]
async fn a_panic_where_the_hub_is_made_is_contained() {
    let test = work(HubOptions::default()).await;
    // The first hub of a connection is that of the connected hook.
    let mut client = test.server.connect_to("/hub?panic").await;
    assert_eq!(client.rest().await.1, Some(1000));
    assert_eq!(test.server.connect().await.call("Echo", (1,)).await, Ok(json!(1)));
}

#[tokio::test]
async fn what_a_call_sends_to_its_caller_comes_before_its_answer() {
    // P-LT-16
    let test = work(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    for wait in [false, true] {
        client.begin("1", "TellThenAnswer", (wait,)).await;
        for number in 0..3 {
            assert_eq!(client.next().await, notice("Step", [number]));
        }
        assert_eq!(client.next().await, result("1", 3));
    }
}

#[tokio::test]
async fn one_call_at_a_time_and_answers_in_order() {
    // P-INV-20, P-INV-22
    let test = work(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    for number in 0..20 {
        client.begin(&number.to_string(), "Step", NONE).await;
    }
    for number in 0..20 {
        assert_eq!(client.next().await, result(&number.to_string(), ()));
    }
    assert_eq!(test.shared.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn several_calls_at_a_time_by_option() {
    let options = HubOptions { maximum_parallel_invocations_per_client: 3, ..HubOptions::default() };
    let test = work(options).await;
    let mut client = test.server.connect().await;
    for number in 0..9 {
        client.begin(&number.to_string(), "MeetTwoOthers", NONE).await;
    }
    for _ in 0..9 {
        assert_eq!(client.next().await["type"], 3);
    }
    assert_eq!(test.shared.most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_long_call_stops_nobody_else() {
    let mut test = work(HubOptions::default()).await;
    let (mut ann, mut bob) = (test.server.connect().await, test.server.connect().await);
    ann.begin("1", "WaitForGate", (1,)).await;
    assert_eq!(test.events.next().await, "waiting 1");
    assert_eq!(bob.call("Echo", (2,)).await, Ok(json!(2)));
    test.shared.gate.notify_one();
    assert_eq!(ann.next().await, result("1", 1));
}

#[tokio::test]
async fn what_was_accepted_is_done() {
    for with_close_frame in [true, false] {
        let mut test = work(HubOptions::default()).await;
        let mut client = test.server.connect().await;
        client.notify("WaitForGate", (0,)).await;
        for number in 1..50 {
            client.notify("Echo", (number,)).await;
        }
        assert_eq!(test.events.next().await, "waiting 0");
        if with_close_frame {
            client.socket.close(None).await.unwrap();
        }
        client.cut();
        test.shared.gate.notify_one();
        assert_eq!(test.events.next().await, "through 0");
        assert_eq!(test.events.next().await, "dropped");
        for number in 1..50 {
            assert_eq!(test.events.next().await, format!("echo {number}"));
        }
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_written_is_an_error() {
    // P-INV-14, P-DIV-03
    let test = work(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    assert_eq!(client.call("Unwritable", NONE).await, Err(unexpected("Unwritable")));
    assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));

    let test = work(HubOptions { enable_detailed_errors: true, ..HubOptions::default() }).await;
    let text = test.server.connect().await.call("Unwritable", NONE).await.unwrap_err();
    assert!(text.starts_with(&unexpected("Unwritable")) && text.contains("it has a cycle"), "{text}");
}
