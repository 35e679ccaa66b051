//! One drain: what has come, in its order, on the thread that asks.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::stream;
use futures_util::{FutureExt, StreamExt};
use hub_core::Args;
use hub_core::dispatch::BoxFuture;

use super::arrivals::Arrived;
use super::calls::Then;
use super::handler::StateHandler;
use super::{Event, Polled};
use crate::handlers::{Answer, Question, settle};

/// How many results and items of streams one drain takes: a stream may be filled faster than it is drained.
const MOST_RESULTS: usize = 1024;

/// The handlers of a notice, at work.
pub(super) type Running = BoxFuture<()>;

/// What one drain may still take: what comes meanwhile is for the next.
struct Left {
    /// Up to which notice.
    notices: u64,
    arrived: usize,
    results: usize,
}

enum Step {
    /// A handler ran.
    Ran,
    /// Something else happened, and there may be more.
    Moved,
    Nothing,
}

impl<S> Polled<S> {
    pub(super) fn drain_until(&mut self, state: &mut S, deadline: Option<Instant>) -> usize {
        let runtime = self.calls.runtime().clone();
        let _inside = runtime.enter();
        self.arrivals.bell.reset();
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        let mut left =
            Left { notices: self.arrivals.notices.pushed(), arrived: self.arrivals.len(), results: MOST_RESULTS };
        let mut ran = 0;
        loop {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                // There may be more.
                self.arrivals.bell.ring();
                return ran;
            }
            match self.step(state, &mut cx, &mut left) {
                Step::Ran => ran += 1,
                Step::Moved => {}
                Step::Nothing => return ran,
            }
        }
    }

    /// Does what comes next: first what an earlier step has made ready.
    fn step(&mut self, state: &mut S, cx: &mut Context<'_>, left: &mut Left) -> Step {
        if let Some(step) = self.step_tasks(state, cx, left) {
            return step;
        }
        if let Some(running) = &mut self.running {
            if running.poll_unpin(cx).is_ready() {
                self.running = None;
                return Step::Ran;
            }
            // The notices behind it wait for it; it may wait for one of these.
            return self.step_arrived(state, left, u64::MAX).unwrap_or(Step::Nothing);
        }
        // A notice is taken before it is asked what came before it: what is not there by then came later.
        if self.notice.is_none()
            && self.begun < left.notices
            && let Poll::Ready(notice) = self.arrivals.notices.poll_take(cx)
        {
            self.notice = notice;
        }
        if let Some(step) = self.step_arrived(state, left, self.begun) {
            return step;
        }
        match self.notice.take() {
            Some((target, arguments)) => {
                self.begun += 1;
                self.begin(state, &target, arguments)
            }
            None => {
                // The next one rings the bell, and one that came meanwhile does so now.
                if let Poll::Ready(notice @ Some(_)) = self.arrivals.notices.poll_take(cx) {
                    self.notice = notice;
                    self.arrivals.bell.ring();
                }
                Step::Nothing
            }
        }
    }

    fn step_tasks(&mut self, state: &mut S, cx: &mut Context<'_>, left: &mut Left) -> Option<Step> {
        self.tasks.extend(self.calls.take_started());
        if self.tasks.is_empty() {
            return None;
        }
        if left.results == 0 {
            self.arrivals.bell.ring();
            return None;
        }
        let Poll::Ready(Some(then)) = self.tasks.poll_next_unpin(cx) else { return None };
        left.results -= 1;
        then(state);
        Some(Step::Ran)
    }

    fn step_arrived(&mut self, state: &mut S, left: &mut Left, notices: u64) -> Option<Step> {
        if left.arrived == 0 {
            return None;
        }
        let arrived = self.arrivals.take(notices)?;
        left.arrived -= 1;
        Some(match arrived {
            Arrived::Event(event) => self.tell(state, &event),
            Arrived::Question(question) => self.answer(state, question),
            Arrived::Answer(waits, result) => {
                // Whoever waits for it goes on with the next step, if there still is somebody.
                let _ = waits.send(result);
                Step::Moved
            }
        })
    }

    fn begin(&mut self, state: &mut S, target: &str, arguments: Args) -> Step {
        if let Some(handlers) = self.on.get_mut(target) {
            for handler in handlers {
                // What goes wrong is logged; nobody waits for it.
                let _ = run(handler, state, target, &arguments);
            }
            return Step::Ran;
        }
        let (handlers, target) = (Arc::clone(&self.handlers), target.to_owned());
        self.running = Some(Box::pin(async move { handlers.handle(&target, &arguments).await }));
        Step::Moved
    }

    fn answer(&mut self, state: &mut S, question: Question) -> Step {
        if let Some(handlers) = self.on.get_mut(&*question.target) {
            let mut answer = Answer::default();
            for handler in handlers {
                answer.add(run(handler, state, &question.target, &question.arguments));
            }
            question.answer(answer.outcome());
            return Step::Ran;
        }
        // It waits for nobody, and nobody for it (P-CR-09).
        let handlers = Arc::clone(&self.handlers);
        let task = async move {
            let outcome = handlers.answer(&question.target, &question.arguments).await;
            question.answer(outcome);
            let then: Then<S> = Box::new(|_| ());
            then
        };
        self.tasks.push(stream::once(task).boxed_local());
        Step::Moved
    }

    fn tell(&mut self, state: &mut S, event: &Event) -> Step {
        for handler in &mut self.on_event {
            handler(state, event);
        }
        if self.on_event.is_empty() { Step::Moved } else { Step::Ran }
    }
}

fn run<S>(
    handler: &mut StateHandler<S>,
    state: &mut S,
    target: &str,
    arguments: &Args,
) -> Result<Option<hub_core::Payload>, String> {
    settle(target, handler(state, arguments))
}
