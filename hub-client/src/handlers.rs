//! What the hub calls here: whom, in which order, and how it is answered.

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use hub_core::dispatch::BoxFuture;
use hub_core::message::{Outcome, Target};
use hub_core::session::CallKey;
use hub_core::{Args, ArgsError, HubError, Payload};
use tokio::sync::mpsc::WeakUnboundedSender;

use crate::commands::Command;
use crate::inbox::Inbox;
use crate::{events, lock};

/// A handler at work: its value, if it has one to answer with.
pub(crate) type Running = BoxFuture<Result<Option<Payload>, HubError>>;

/// A handler, typed or not. It fails at once where the arguments do not fit.
pub(crate) type Run = Arc<dyn Fn(Args) -> Result<Running, ArgsError> + Send + Sync>;

/// Notices that were not handled yet.
pub(crate) type NoticeInbox = Inbox<(Target, Args)>;

tokio::task_local! {
    /// Whose notices are being handled by this task.
    static HANDLING: Arc<Handlers>;
}

/// The handlers of a connection, by the name of the method; names are compared exactly (P-INV-24).
#[derive(Default)]
pub(crate) struct Handlers {
    by_name: Mutex<HashMap<String, Vec<(u64, Run)>>>,
    last: AtomicU64,
}

impl Handlers {
    /// Adds a handler behind those that the name has (P-INV-26). Gives the number under which it can be removed.
    pub(crate) fn add(&self, name: &str, run: Run) -> u64 {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        lock(&self.by_name).entry(name.to_owned()).or_default().push((number, run));
        number
    }

    pub(crate) fn remove(&self, name: &str, number: u64) {
        let mut by_name = lock(&self.by_name);
        if let Some(handlers) = by_name.get_mut(name) {
            handlers.retain(|(of, _)| *of != number);
            if handlers.is_empty() {
                by_name.remove(name);
            }
        }
    }

    fn of(&self, name: &str) -> Vec<Run> {
        let by_name = lock(&self.by_name);
        by_name.get(name).map(|handlers| handlers.iter().map(|(_, run)| Arc::clone(run)).collect()).unwrap_or_default()
    }

    /// Handles notices one after the other, until there are no more (P-INV-26).
    pub(crate) async fn serve(self: Arc<Self>, notices: Arc<NoticeInbox>) {
        let handling = async {
            while let Some((target, arguments)) = poll_fn(|cx| notices.poll_take(cx)).await {
                self.handle(&target, &arguments).await;
            }
        };
        HANDLING.scope(Arc::clone(&self), handling).await;
    }

    /// Whether it is one of their own that asks, while it handles a notice.
    pub(crate) fn are_asking(self: &Arc<Self>) -> bool {
        HANDLING.try_with(|handlers| Arc::ptr_eq(handlers, self)).unwrap_or(false)
    }

    /// Handles one notice.
    pub(crate) async fn handle(&self, target: &str, arguments: &Args) {
        let handlers = self.of(target);
        if handlers.is_empty() {
            events::no_handler(target);
        }
        for run in handlers {
            // What goes wrong is logged; nobody waits for it.
            let _ = run_one(&run, target, arguments).await;
        }
    }

    /// Answers a question: there is always an answer, and it is one (P-CR-07).
    pub(crate) async fn answer(&self, target: &str, arguments: &Args) -> Outcome {
        let handlers = self.of(target);
        if handlers.is_empty() {
            events::no_handler(target);
        }
        let mut answer = Answer::default();
        for run in handlers {
            answer.add(run_one(&run, target, arguments).await);
            if answer.0.is_err() {
                break;
            }
        }
        answer.outcome()
    }
}

/// The one answer of all handlers of a name, or the text of an error (P-CR-07).
pub(crate) struct Answer(Result<Option<Payload>, String>);

impl Default for Answer {
    fn default() -> Self {
        Self(Ok(None))
    }
}

impl Answer {
    pub(crate) fn add(&mut self, given: Result<Option<Payload>, String>) {
        match (&self.0, given) {
            (Err(_), _) | (_, Ok(None)) => {}
            (Ok(Some(_)), Ok(Some(_))) => self.0 = Err("Client provided multiple results.".to_owned()),
            (_, given) => self.0 = given,
        }
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self.0 {
            Ok(Some(value)) => Outcome::Value(value),
            Ok(None) => Outcome::Error("Client didn't provide a result.".to_owned()),
            Err(text) => Outcome::Error(text),
        }
    }
}

/// What a handler answers with, or the text of its error.
async fn run_one(run: &Run, target: &str, arguments: &Args) -> Result<Option<Payload>, String> {
    // A handler may panic before its first await, too.
    let running = AssertUnwindSafe(async {
        match run(arguments.clone()) {
            Ok(running) => Ok(running.await),
            Err(error) => Err(error),
        }
    });
    match running.catch_unwind().await {
        Ok(handled) => settle(target, handled),
        Err(_) => {
            events::handler_panicked(target);
            Err(general(target))
        }
    }
}

/// What a handler gave, or the text of its error, which is logged.
pub(crate) fn settle(
    target: &str,
    handled: Result<Result<Option<Payload>, HubError>, ArgsError>,
) -> Result<Option<Payload>, String> {
    match handled {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            events::handler_failed(target, &error);
            // An error is private unless said otherwise, to a hub as well.
            Err(if error.is_public() { error.to_string() } else { general(target) })
        }
        Err(error) => {
            events::bad_arguments(target, &error.to_string(), error.detail());
            Err("Client failed to parse argument(s).".to_owned())
        }
    }
}

fn general(target: &str) -> String {
    format!("An unexpected error occurred invoking '{target}' on the client.")
}

/// How many bytes of questions are not answered yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unanswered(Arc<AtomicUsize>);

impl Unanswered {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// So many more, until what this gives is dropped.
    pub(crate) fn add(&self, bytes: usize) -> Share {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Share { of: self.clone(), bytes }
    }
}

/// What one question holds of them.
#[derive(Debug)]
pub(crate) struct Share {
    of: Unanswered,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A call by the hub that wants an answer.
pub(crate) struct Question {
    /// It goes with the answer, so that the driver looks for room when it is given back.
    pub(crate) share: Share,
    pub(crate) target: Target,
    pub(crate) arguments: Args,
    pub(crate) key: CallKey,
    pub(crate) epoch: u64,
    pub(crate) answer_to: WeakUnboundedSender<Command>,
}

impl Question {
    /// Has it answered beside everything else: its handler may wait for the hub, or for a user (P-CR-09).
    pub(crate) fn spawn(self, handlers: &Arc<Handlers>) {
        let handlers = Arc::clone(handlers);
        tokio::spawn(async move {
            let outcome = handlers.answer(&self.target, &self.arguments).await;
            self.answer(outcome);
        });
    }

    pub(crate) fn answer(self, outcome: Outcome) {
        if let Some(driver) = self.answer_to.upgrade() {
            // The connection may have ended meanwhile.
            let _ = driver.send(Command::Answer { epoch: self.epoch, key: self.key, outcome, share: self.share });
        }
    }
}
