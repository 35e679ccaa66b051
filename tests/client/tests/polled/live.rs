//! Against the conformance hub.

use std::sync::{Arc, Mutex, OnceLock};
use std::thread::ThreadId;
use std::time::Duration;

use client_tests::{ConformanceClient, ConformanceHubProxy, Sample};
use futures_util::StreamExt;
use hub_client::{Connection, WhileReconnecting, callbacks};
use hub_core::{Args, CallError, Codec, HubError, Result};

use crate::{Client, Log, Site};

#[test]
fn everything_runs_where_it_is_drained_in_the_order_in_which_it_came() {
    let site = Site::new();
    for codec in [Codec::Json, Codec::MessagePack] {
        let mut client = Client::connect(Connection::builder(site.at("/hub")).protocol(codec));
        assert_eq!(client.lines(1), ["connected"]);
        client.hub.on("Message", |log: &mut Log, text: String, _from: String| log.add(format!("notice {text}")));
        for number in 0..200 {
            // The hub calls back before it answers.
            client.hub.invoke(
                "SendToCaller",
                (number.to_string(),),
                move |log: &mut Log, done: Result<(), CallError>| {
                    log.add(format!("{number} {done:?}"));
                },
            );
        }
        let mut expected = vec!["connected".to_owned()];
        expected.extend((0..200).flat_map(|number| [format!("notice {number}"), format!("{number} Ok(())")]));
        assert_eq!(client.lines(401), expected);
        let here = std::thread::current().id();
        assert!(client.log.threads.iter().all(|thread| *thread == here));
        client.hub.stop();
    }
}

#[test]
fn each_call_has_one_result() {
    let site = Site::new();
    let mut client = Client::connect(Connection::builder(site.at("/hub")));
    // No connection yet (P-CLI-08).
    assert!(matches!(client.hub.send("Nothing", ()), Err(CallError::Refused(_))));
    client.hub.invoke("Nothing", (), |log: &mut Log, early: Result<(), _>| log.add(early.unwrap_err().to_string()));
    assert_eq!(client.lines(2)[..2].iter().filter(|line| line.contains("not active")).count(), 1);
    client.hub.invoke("Add", (1, 2), |log: &mut Log, sum: Result<i32, _>| log.add(format!("{sum:?}")));
    client.hub.invoke("Add", (1, 2), |log: &mut Log, no_text: Result<String, _>| {
        log.add(format!("{}", matches!(no_text, Err(CallError::Decode(_)))));
    });
    client.hub.invoke("FailPublic", ("told",), |log: &mut Log, failed: Result<(), _>| {
        log.add(failed.unwrap_err().to_string());
    });
    let failed = "An unexpected error occurred invoking 'FailPublic' on the server. HubException: told";
    assert_eq!(client.lines(5)[2..], ["Ok(3)", "true", failed]);
}

#[test]
fn calls_may_wait_for_the_first_connection() {
    let site = Site::new();
    let builder = Connection::builder(site.at("/hub")).while_reconnecting(WhileReconnecting::Wait);
    let mut client = Client::connect(builder);
    client.hub.send("SendToCaller", ("early",)).unwrap();
    client.hub.on("Message", |log: &mut Log, text: String, _from: String| log.add(text));
    assert_eq!(client.lines(2), ["connected", "early"]);
}

#[test]
fn handlers_and_results_may_call() {
    let site = Site::new();
    let mut client = Client::connect(Connection::builder(site.at("/hub")));
    let calls = client.hub.calls();
    client.hub.on("Message", move |log: &mut Log, text: String, _from: String| {
        log.add(text.clone());
        let again = calls.clone();
        calls.invoke("Echo", (text,), move |log: &mut Log, echo: Result<String, _>| {
            log.add(format!("echo {}", echo.unwrap()));
            again.invoke("Add", (1, 1), |log: &mut Log, sum: Result<i32, _>| log.add(sum.unwrap().to_string()));
        });
    });
    client.lines(1);
    client.hub.send("SendToCaller", ("a",)).unwrap();
    assert_eq!(client.lines(4)[1..], ["a", "echo a", "2"]);
}

#[test]
fn contracts_work_as_they_do_elsewhere() {
    let site = Site::new();
    let mut client = Client::connect(Connection::builder(site.at("/hub")));
    client.lines(1);
    client.hub.on("Receive", |log: &mut Log, text: String| log.add(text));
    client.hub.on("Object", |log: &mut Log, sample: Sample| log.add(sample.name));
    let proxy = ConformanceHubProxy::new(client.hub.connection().clone());
    client.hub.post(proxy.broadcast("to all")).unwrap();
    let sample = Sample { name: "a sample".to_owned(), value: 1, ratio: 0.5, tags: Vec::new(), child: None };
    client.hub.post(proxy.send_object(&sample)).unwrap();
    assert_eq!(client.lines(3)[1..], ["to all", "a sample"]);
    // A call is no notice: whoever posts it is told.
    assert!(matches!(client.hub.post(proxy.nothing()), Err(CallError::Refused(_))));

    let hub = proxy.clone();
    // One after the other, with a timer in between.
    let sums = async move {
        let three = hub.add(1, 2).await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
        hub.add(three, 4).await
    };
    client.hub.spawn(sums, |log, sum| log.add(format!("{sum:?}")));
    assert_eq!(client.lines(4)[3], "Ok(7)");
    client.hub.for_each(proxy.counter(100, 0).map(Result::unwrap), |log, item| log.add(item.to_string()));
    let items: Vec<_> = (0..100).map(|item| item.to_string()).collect();
    assert_eq!(client.lines(104)[4..], items);
}

/// Typed callbacks. They note their thread.
#[derive(Clone, Default)]
struct Typed {
    told: Arc<Mutex<Vec<(String, ThreadId)>>>,
    connection: Arc<OnceLock<Connection>>,
}

impl Typed {
    fn tell(&self, what: String) {
        self.told.lock().unwrap().push((what, std::thread::current().id()));
    }
}

#[callbacks]
impl ConformanceClient for Typed {
    /// Waits for the hub.
    async fn message(&self, text: &str, _from: &str) {
        self.tell(format!("begin {text}"));
        let connection = self.connection.get().unwrap().clone();
        let echo: String = connection.invoke("Echo", (text,)).await.unwrap();
        self.tell(format!("end {echo}"));
    }

    async fn ask(&self, prompt: &str) -> Result<String> {
        // It waits twice, and not for the hub.
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
        self.tell(format!("asked {prompt}"));
        if prompt == "panic" { panic!("on purpose") } else { Ok(format!("{prompt}!")) }
    }

    async fn receive(&self, _: &str) {}
    async fn object(&self, _: &Sample) {}
    async fn stream_canceled(&self) {}

    async fn wait_canceled(&self) {}
    async fn connected(&self, _: &str) {}
    async fn gone(&self, _: &str, _: Option<String>) {}
}

#[test]
fn typed_callbacks_may_wait_and_do_so_where_it_is_drained() {
    let site = Site::new();
    let typed = Typed::default();
    let mut client = Client::connect(Connection::builder(site.at("/hub")).callbacks(typed.clone()));
    typed.connection.set(client.hub.connection().clone()).unwrap();
    client.lines(1);
    for number in 0..20 {
        client.hub.send("SendToCaller", (number.to_string(),)).unwrap();
    }
    for prompt in ["well", "panic"] {
        client.hub.invoke("AskCaller", (prompt,), |log: &mut Log, answer: Result<String, _>| {
            log.add(answer.unwrap_or_else(|error| error.to_string()));
        });
    }
    let head = "An unexpected error occurred invoking 'AskCaller' on the server. HubException: ";
    let panicked = format!("{head}An unexpected error occurred invoking 'Ask' on the client.");
    assert_eq!(client.lines(3)[1..], ["well!".to_owned(), panicked]);
    // The last notices may still wait for their echo.
    while typed.told.lock().unwrap().len() < 42 {
        client.ring();
        client.hub.drain(&mut client.log);
    }
    let told = typed.told.lock().unwrap();
    let here = std::thread::current().id();
    assert!(told.iter().all(|(_, thread)| *thread == here));
    // Notices wait for each other; questions for nobody.
    let notices: Vec<_> =
        told.iter().map(|(what, _)| what).filter(|what| !what.starts_with("asked")).cloned().collect();
    let expected: Vec<_> = (0..20).flat_map(|number| [format!("begin {number}"), format!("end {number}")]).collect();
    assert_eq!(notices, expected);
}

#[test]
fn a_question_is_answered_by_the_next_drain() {
    let site = Site::new();
    let mut client = Client::connect(Connection::builder(site.at("/hub")));
    // One of the arguments as they came, which answers nothing, beside one that does.
    client
        .hub
        .on("Ask", |_: &mut Log, arguments: Args| assert_eq!(arguments.read::<(String,)>().unwrap().0.len() % 2, 0));
    client.hub.on("Ask", |log: &mut Log, prompt: String| {
        log.add(format!("asked {prompt}"));
        if prompt == "no" { Err(HubError::public("I will not")) } else { Ok(prompt + "!") }
    });
    client.lines(1);
    for (prompt, lines) in [("well", 3), ("no", 5)] {
        client.hub.invoke("AskCaller", (prompt,), |log: &mut Log, answer: Result<String, _>| {
            log.add(answer.unwrap_or_else(|error| error.to_string()));
        });
        client.lines(lines);
    }
    let refused = "An unexpected error occurred invoking 'AskCaller' on the server. HubException: I will not";
    assert_eq!(client.log.lines[1..], ["asked well", "well!", "asked no", refused]);
}

#[test]
fn a_budget_leaves_the_rest_to_the_next_drain() {
    let site = Site::new();
    let mut client = Client::connect(Connection::builder(site.at("/hub")));
    client.hub.on("Message", |log: &mut Log, text: String, _from: String| log.add(text));
    client.ring();
    assert_eq!(client.hub.drain_for(&mut client.log, Duration::ZERO), 0);
    assert!(client.log.lines.is_empty());
    // The rest rings again.
    client.ring();
    assert_eq!(client.hub.drain_for(&mut client.log, Duration::from_secs(60)), 1);
    assert_eq!(client.log.lines, ["connected"]);
}
