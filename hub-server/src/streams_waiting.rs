//! The streams of one connection that wait for room in its outbox.

use std::collections::{HashMap, VecDeque};
use std::task::Waker;

use hub_core::session::CallKey;

/// Woken in the order in which they came, as many as there is room for: a thousand that are woken for each message, to
/// find that there is no room for them, cost a thousand times as much.
#[derive(Debug, Default)]
pub(crate) struct StreamsWaiting {
    order: VecDeque<CallKey>,
    wakers: HashMap<CallKey, Waker>,
}

impl StreamsWaiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(crate) fn wait(&mut self, stream: CallKey, waker: &Waker) {
        match self.wakers.get_mut(&stream) {
            Some(known) => known.clone_from(waker),
            None => {
                self.order.push_back(stream);
                self.wakers.insert(stream, waker.clone());
            }
        }
    }

    /// Takes those whose turn it is.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Waker> {
        let turns = self.order.drain(..count.min(self.order.len()));
        let wakers = turns.filter_map(|stream| self.wakers.remove(&stream)).collect();
        if self.order.is_empty() {
            *self = Self::default();
        }
        wakers
    }
}
