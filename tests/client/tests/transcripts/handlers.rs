//! What the programs that were recorded registered for the hub to call, and what was called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hub_client::{Builder, Connection, Registered};
use hub_core::HubError;
use rmpv::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use transcripts::Ended;

/// The handlers of notices: by name, and how many arguments they take.
const NOTICES: [(&str, usize); 5] =
    [("Message", 2), ("Receive", 1), ("Object", 1), ("Connected", 1), ("StreamCanceled", 0)];

/// A call of the hub: the method, and its arguments.
pub(crate) type Called = (String, Vec<Value>);

type Answer = Result<Value, HubError>;

pub(crate) struct Handlers {
    told: UnboundedSender<Called>,
    notices: UnboundedReceiver<Called>,
    /// The questions that are answered when the recorded client answered them.
    answers: Arc<Mutex<HashMap<String, oneshot::Receiver<Answer>>>>,
    due: HashMap<String, (oneshot::Sender<Answer>, Answer)>,
    /// What answers questions at the moment.
    asked: Option<(Asked, Registered)>,
}

/// How the recorded program took a question.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Answered,
    /// By a handler that returns nothing.
    Plain,
    /// By a handler of another type of argument.
    Misread,
}

impl Handlers {
    pub(crate) fn new() -> Self {
        let (told, notices) = unbounded_channel();
        Self { told, notices, answers: Arc::default(), due: HashMap::new(), asked: None }
    }

    /// Whether a notice reaches a handler: the name is exact (P-INV-24), and the arguments are as many (P-INV-25).
    pub(crate) fn takes(target: &str, arguments: &[Value]) -> bool {
        NOTICES.contains(&(target, arguments.len()))
    }

    pub(crate) fn register(&self, mut builder: Builder) -> Builder {
        for (name, count) in NOTICES {
            let told = self.told.clone();
            let tell = move |arguments: Vec<Value>| {
                let _ = told.send((name.to_owned(), arguments));
                async {}
            };
            builder = match count {
                0 => builder.on(name, move || tell(Vec::new())),
                1 => builder.on(name, move |a: Value| tell(vec![a])),
                _ => builder.on(name, move |a: Value, b: Value| tell(vec![a, b])),
            };
        }
        builder
    }

    /// The next notice.
    pub(crate) async fn next(&mut self) -> Option<Called> {
        self.notices.recv().await
    }

    /// What came besides.
    pub(crate) fn surplus(&mut self) -> Option<Called> {
        self.notices.try_recv().ok()
    }

    /// Has the next question answered as the recorded program did.
    pub(crate) fn expect(&mut self, connection: &Connection, prompt: &str, answer: &Ended) {
        let (kind, outcome) = match answer {
            Ended::Value(value) => (Some(Asked::Answered), Ok(value.clone())),
            Ended::Void => (Some(Asked::Answered), Ok(Value::Nil)),
            Ended::Error(text) => match text.as_str() {
                "Client didn't provide a result." => (Some(Asked::Plain), Ok(Value::Nil)),
                // Nobody was asked at all, or somebody who expects something else.
                "Client failed to parse argument(s)." if prompt == "no handler" => (None, Ok(Value::Nil)),
                "Client failed to parse argument(s)." => (Some(Asked::Misread), Ok(Value::Nil)),
                _ => (Some(Asked::Answered), Err(HubError::public(text.clone()))),
            },
        };
        if kind == Some(Asked::Answered) {
            let (send, receive) = oneshot::channel();
            self.answers.lock().unwrap().insert(prompt.to_owned(), receive);
            self.due.insert(prompt.to_owned(), (send, outcome));
        }
        if self.asked.as_ref().map(|(kind, _)| *kind) != kind {
            self.asked = kind.map(|kind| (kind, self.ask(connection, kind)));
        }
    }

    fn ask(&self, connection: &Connection, kind: Asked) -> Registered {
        let answers = Arc::clone(&self.answers);
        let told = self.told.clone();
        match kind {
            Asked::Plain => connection.on("Ask", move |prompt: Value| {
                let _ = told.send(("Ask".to_owned(), vec![prompt]));
                async {}
            }),
            Asked::Misread => connection.on("Ask", |_: i32| async { Ok::<i32, HubError>(0) }),
            Asked::Answered => connection.on("Ask", move |prompt: Option<String>| {
                let answer = answers.lock().unwrap().remove(&prompt.unwrap_or_default());
                async move { answer.expect("it is asked once").await.expect("it is answered") }
            }),
        }
    }

    /// The recorded program answered now.
    pub(crate) fn answer(&mut self, prompt: &str) {
        if let Some((handler, outcome)) = self.due.remove(prompt) {
            let _ = handler.send(outcome);
        }
    }
}
