//! What came for the thread that drains, from the thread that drives the connection.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use hub_core::{CallError, Payload};
use tokio::sync::oneshot;

use crate::handlers::{NoticeInbox, Question};
use crate::lock;
use crate::state::Event;

/// What comes beside notices. They have an inbox of their own, whose room decides whether the driver reads on.
pub(crate) enum Arrived {
    Event(Event),
    Question(Question),
    /// The result of a call, for whoever waits for it.
    Answer(oneshot::Sender<Result<Payload, CallError>>, Result<Payload, CallError>),
}

/// Everything that came, in its order: each entry with the number of notices that came before it.
pub(crate) struct Arrivals {
    pub(crate) notices: Arc<NoticeInbox>,
    pub(crate) bell: Arc<Bell>,
    /// `None` once nobody drains any more.
    queue: Mutex<Option<VecDeque<(u64, Arrived)>>>,
}

impl Arrivals {
    pub(crate) fn new(notices: Arc<NoticeInbox>) -> Self {
        Self { notices, bell: Arc::default(), queue: Mutex::new(Some(VecDeque::new())) }
    }

    pub(crate) fn push(&self, arrived: Arrived) {
        let notices = self.notices.pushed();
        if let Some(queue) = &mut *lock(&self.queue) {
            queue.push_back((notices, arrived));
        }
        self.bell.ring();
    }

    /// How many wait, notices aside.
    pub(crate) fn len(&self) -> usize {
        lock(&self.queue).as_ref().map_or(0, VecDeque::len)
    }

    /// The next one, unless more notices than these came before it.
    pub(crate) fn take(&self, notices: u64) -> Option<Arrived> {
        let mut queue = lock(&self.queue);
        let queue = queue.as_mut()?;
        if queue.front()?.0 > notices {
            return None;
        }
        queue.pop_front().map(|(_, arrived)| arrived)
    }

    /// Nobody drains any more: whoever waits for an answer learns that there is none.
    pub(crate) fn close(&self) {
        let rest = lock(&self.queue).take();
        drop(rest);
    }
}

/// Tells an application that there is something to drain: once, until it drains.
#[derive(Default)]
pub(crate) struct Bell {
    rung: AtomicBool,
    on_ring: Mutex<Option<OnRing>>,
}

type OnRing = Arc<dyn Fn() + Send + Sync>;

impl Bell {
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            self.tell();
        }
    }

    /// What comes from here on rings again.
    pub(crate) fn reset(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }

    pub(crate) fn on_ring(&self, tell: OnRing) {
        *lock(&self.on_ring) = Some(tell);
        if self.rung.load(Ordering::SeqCst) {
            self.tell();
        }
    }

    fn tell(&self) {
        let on_ring = lock(&self.on_ring).clone();
        if let Some(tell) = on_ring {
            // It runs on the thread that drives the connection, which goes on whatever the application does.
            let _ = catch_unwind(AssertUnwindSafe(|| tell()));
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
