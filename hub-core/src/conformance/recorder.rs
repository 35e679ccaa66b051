//! An inbox that keeps what it is given.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;

use super::bench::greeting;
use crate::backplane::{Delivery, Inbox, Topic};

type Then = Box<dyn Fn(&Topic, &Delivery) + Send + Sync>;

/// An inbox that keeps what it is given.
#[derive(Default)]
pub(super) struct Recorder {
    kept: Mutex<Kept>,
    then: OnceLock<Then>,
}

#[derive(Default)]
pub(super) struct Kept {
    /// All but greetings.
    pub(super) heard: Vec<(Topic, Delivery)>,
    pub(super) greetings: HashSet<Bytes>,
    pub(super) secrets: Vec<[u8; 32]>,
    waiting: Vec<Waker>,
}

impl Recorder {
    /// From now on also does this with each delivery.
    pub(super) fn then(&self, then: impl Fn(&Topic, &Delivery) + Send + Sync + 'static) {
        let _ = self.then.set(Box::new(then));
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Done when what is kept shows it.
    pub(super) async fn until<T>(&self, mut shows: impl FnMut(&Kept) -> Option<T>) -> T {
        poll_fn(|cx| {
            let mut kept = self.kept();
            if let Some(value) = shows(&kept) {
                return Poll::Ready(value);
            }
            if !kept.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                kept.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn keep(&self, keep: impl FnOnce(&mut Kept)) {
        let waiting = {
            let mut kept = self.kept();
            keep(&mut kept);
            std::mem::take(&mut kept.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Inbox for Recorder {
    fn deliver(&self, topic: &Topic, delivery: Delivery) {
        if let Some(text) = greeting(&delivery) {
            let text = text.clone();
            self.keep(|kept| _ = kept.greetings.insert(text));
            return;
        }
        self.keep(|kept| kept.heard.push((topic.clone(), delivery.clone())));
        if let Some(then) = self.then.get() {
            then(topic, &delivery);
        }
    }

    fn shared_secret(&self, secret: [u8; 32]) {
        self.keep(|kept| kept.secrets.push(secret));
    }
}
