//! Questions to clients (section 12).

use std::sync::Arc;

use hub_core::{Answers, CallError, HubError, Result, Untyped};
use hub_server::{Context, Hub, HubHandle, HubOptions, HubRoute, hub};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{CLOSED_WITH_ERROR, Client, Events, NONE, Server, close, error, events, result, void};

struct Quiz {
    cx: Context<Self>,
    gate: Arc<Notify>,
    events: UnboundedSender<Result<u32, CallError>>,
}

impl Hub for Quiz {
    type Client = Untyped;
}

/// For the caller to read, whatever it is.
fn told<T>(answer: Result<T, CallError>) -> Result<T> {
    answer.map_err(|error| HubError::public(error.to_string()))
}

#[hub]
impl Quiz {
    #[method]
    async fn id(&self) -> Result<String> {
        Ok(self.cx.connection_id().to_string())
    }

    #[method]
    async fn ask(&self, id: String) -> Result<u32> {
        let answer = self.cx.connection(id).invoke("Number", ()).await;
        let _ = self.events.send(answer.clone());
        told(answer)
    }

    #[method]
    async fn ask_me(&self) -> Result<Option<u32>> {
        told(self.cx.caller().invoke("Number", ()).await)
    }

    #[method]
    async fn ask_me_for_nothing(&self) -> Result<()> {
        told(self.cx.caller().invoke("Number", ()).await)
    }

    #[method]
    async fn ask_twice(&self) -> Result<(u32, u32)> {
        let caller = self.cx.caller();
        let (one, other) = tokio::join!(caller.invoke("One", ()), caller.invoke("Other", ()));
        Ok((told(one)?, told(other)?))
    }

    #[method]
    async fn ask_until_gate(&self) -> Result<&'static str> {
        let caller = self.cx.caller();
        tokio::select! {
            answer = caller.invoke::<_, u32>("Number", ()) => told(answer.map(|_| "answered")),
            () = self.gate.notified() => Ok("given up"),
        }
    }

    #[method]
    async fn echo(&self, number: u32) -> Result<u32> {
        Ok(number)
    }
}

struct Test {
    server: Server,
    hub: HubHandle<Quiz>,
    gate: Arc<Notify>,
    events: Events<Result<u32, CallError>>,
}

async fn quiz(options: HubOptions) -> Test {
    let (sender, events) = events();
    let gate = Arc::new(Notify::new());
    let of_hub = Arc::clone(&gate);
    let route = HubRoute::new(move |cx| Quiz { cx, gate: Arc::clone(&of_hub), events: sender.clone() });
    let (server, hub) = Server::of(route.options(options).unwrap()).await;
    Test { server, hub, gate, events }
}

/// Waits for a question, and gives its id.
async fn question(client: &mut Client, target: &str) -> String {
    let question = client.next().await;
    assert_eq!((&question["type"], &question["target"]), (&json!(1), &json!(target)), "{question}");
    question["invocationId"].as_str().unwrap().to_owned()
}

async fn id(client: &mut Client) -> String {
    client.call("Id", NONE).await.unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn two_questions_at_once() {
    // P-CR-13: answered in one frame, the second first.
    let test = quiz(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    client.begin("1", "AskTwice", NONE).await;
    let (one, other) = (question(&mut client, "One").await, question(&mut client, "Other").await);
    assert_ne!(one, other);
    // P-CR-02: a client's own counter can never be one of these.
    assert!(one.parse::<u64>().is_err() && other.parse::<u64>().is_err());
    client.send_text(&format!("{}\x1e{}\x1e", result(&other, 2), result(&one, 1))).await;
    assert_eq!(client.next().await, result("1", (1, 2)));
}

#[tokio::test]
async fn an_answer_by_another_ends_that_one() {
    // P-CR-03
    let mut test = quiz(HubOptions { enable_detailed_errors: true, ..HubOptions::default() }).await;
    let [mut asker, mut asked, mut forger] =
        [test.server.connect().await, test.server.connect().await, test.server.connect().await];
    let forger_id = id(&mut forger).await;
    let asked_id = id(&mut asked).await;
    asker.begin("1", "Ask", (asked_id,)).await;
    let question = question(&mut asked, "Number").await;
    forger.send(&result(&question, 666)).await;
    let why = format!("Connection ID '{forger_id}' is not valid for invocation ID '{question}'.");
    let text = format!("{CLOSED_WITH_ERROR} InvalidOperationException: {why}");
    assert_eq!(forger.rest().await, (vec![close(Some(&text), true)], Some(1000)));
    asked.send(&result(&question, 42)).await;
    assert_eq!(asker.next().await, result("1", 42));
    assert_eq!(test.events.next().await, Ok(42));
}

#[tokio::test]
async fn the_asked_one_leaves() {
    // P-CR-06
    let mut test = quiz(HubOptions::default()).await;
    let (mut asker, mut asked) = (test.server.connect().await, test.server.connect().await);
    let asked_id = id(&mut asked).await;
    asker.begin("1", "Ask", (&asked_id,)).await;
    question(&mut asked, "Number").await;
    asked.cut();
    let why = format!("Connection '{asked_id}' disconnected.");
    assert_eq!(test.events.next().await, Err(CallError::Closed(why.clone())));
    assert_eq!(asker.next().await["error"].as_str().unwrap().rsplit("HubException: ").next(), Some(&*why));

    let answer = asker.call("Ask", ("nobody",)).await;
    assert!(answer.unwrap_err().ends_with("HubException: Connection 'nobody' does not exist."));
    let refused = CallError::Refused("Connection 'nobody' does not exist.".to_owned());
    assert_eq!(test.events.next().await, Err(refused));
}

#[tokio::test]
async fn the_asker_leaves() {
    // The call goes on, and takes the answer.
    let mut test = quiz(HubOptions::default()).await;
    let (mut asker, mut asked) = (test.server.connect().await, test.server.connect().await);
    let asked_id = id(&mut asked).await;
    asker.begin("1", "Ask", (asked_id,)).await;
    let question = question(&mut asked, "Number").await;
    asker.close().await;
    asked.send(&result(&question, 7)).await;
    assert_eq!(test.events.next().await, Ok(7));
}

#[tokio::test]
async fn other_calls_run_while_one_asks() {
    // P-CR-10: with one slot, that of the call that asks.
    let test = quiz(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    client.begin("1", "AskMe", NONE).await;
    let question = question(&mut client, "Number").await;
    assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
    client.send(&result(&question, 5)).await;
    assert_eq!(client.next().await, result("1", 5));
}

#[tokio::test]
async fn answers_of_all_kinds() {
    // P-CR-04, P-CR-05
    let test = quiz(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    type Answer = fn(&str) -> Value;
    let answers: [(&str, Answer, Result<Value, &str>); 8] = [
        ("AskMe", |id| result(id, 3), Ok(json!(3))),
        ("AskMe", |id| result(id, ()), Ok(Value::Null)),
        // No result is no null, and an error without a text is one.
        ("AskMe", |id| void(id), Err("HubException: Client didn't provide a result.")),
        ("AskMe", |id| error(id, ""), Err("HubException: ")),
        ("AskMe", |id| error(id, "I forgot"), Err("HubException: I forgot")),
        ("AskMe", |id| result(id, "three"), Err("HubException: Error trying to deserialize result to u32.")),
        ("AskMeForNothing", |id| void(id), Ok(Value::Null)),
        ("AskMeForNothing", |id| result(id, ()), Ok(Value::Null)),
    ];
    for (method, answer, expected) in answers {
        client.begin("1", method, NONE).await;
        let question = question(&mut client, "Number").await;
        client.send(&answer(&question)).await;
        let answered = client.next().await;
        match expected {
            Ok(value) => assert_eq!(answered, result("1", value)),
            Err(text) => assert!(answered["error"].as_str().unwrap().contains(text), "{answered}"),
        }
    }
}

#[tokio::test]
async fn late_and_second_answers_are_ignored() {
    // P-CR-12
    let test = quiz(HubOptions::default()).await;
    let mut client = test.server.connect().await;
    client.begin("1", "AskUntilGate", NONE).await;
    let late = question(&mut client, "Number").await;
    test.gate.notify_one();
    assert_eq!(client.next().await, result("1", "given up"));
    client.send(&result(&late, 1)).await;

    client.begin("2", "AskUntilGate", NONE).await;
    let twice = question(&mut client, "Number").await;
    client.send_text(&format!("{}\x1e{}\x1e", result(&twice, 1), result(&twice, 2))).await;
    assert_eq!(client.next().await, result("2", "answered"));
    client.send(&result("never asked", 1)).await;
    assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
    assert_eq!(test.hub.connection_count(), 1);
}
