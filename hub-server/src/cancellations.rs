//! The calls of one connection that their callers want no more of, and who waits to hear of it.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use hub_core::session::CallKey;
use tokio::sync::Notify;

use crate::lock;

/// Empty for most connections. It holds a call as long as the call runs cancelled, or somebody waits for that.
#[derive(Debug, Default)]
pub(crate) struct Cancellations(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// The connection has ended, and every call is cancelled with it.
    over: bool,
    calls: HashMap<CallKey, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    call: Arc<Watched>,
    watchers: usize,
}

#[derive(Debug, Default)]
struct Watched {
    cancelled: AtomicBool,
    on_cancelled: Notify,
}

impl Watched {
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

impl Cancellations {
    /// Remembered until the call is forgotten: who asks later is told too.
    pub(crate) fn cancel(&self, call: CallKey) {
        let watched = {
            let mut table = lock(&self.0);
            if table.over {
                return;
            }
            let watched = Arc::clone(&table.calls.entry(call).or_default().call);
            // Under the lock: else somebody who waits no more takes the call out of the table in between.
            watched.cancelled.store(true, Ordering::Release);
            watched
        };
        watched.on_cancelled.notify_waiters();
    }

    /// The call is over.
    pub(crate) fn forget(&self, call: CallKey) {
        let mut table = lock(&self.0);
        table.calls.remove(&call);
        table.shrink();
    }

    /// The connection is over.
    pub(crate) fn cancel_all(&self) {
        let calls = {
            let mut table = lock(&self.0);
            table.over = true;
            std::mem::take(&mut table.calls)
        };
        for entry in calls.values() {
            entry.call.cancelled.store(true, Ordering::Release);
            entry.call.on_cancelled.notify_waiters();
        }
    }

    pub(crate) fn is_cancelled(&self, call: CallKey) -> bool {
        let table = lock(&self.0);
        table.over || table.calls.get(&call).is_some_and(|entry| entry.call.is_cancelled())
    }

    /// Waits until the call is cancelled, or the connection ends.
    pub(crate) async fn cancelled(&self, call: CallKey) {
        let Some(watch) = self.watch(call) else { return };
        let mut told = pin!(watch.watched.on_cancelled.notified());
        // In this order, so that a cancellation in between is not missed.
        told.as_mut().enable();
        if !watch.watched.is_cancelled() {
            told.await;
        }
    }

    fn watch(&self, call: CallKey) -> Option<Watch<'_>> {
        let mut table = lock(&self.0);
        if table.over {
            return None;
        }
        let entry = table.calls.entry(call).or_default();
        entry.watchers += 1;
        Some(Watch { of: self, call, watched: Arc::clone(&entry.call) })
    }
}

impl Table {
    /// What many calls took is not kept for a connection that may be idle from now on.
    fn shrink(&mut self) {
        if self.calls.is_empty() {
            self.calls = HashMap::new();
        }
    }
}

/// Somebody who waits.
struct Watch<'a> {
    of: &'a Cancellations,
    call: CallKey,
    watched: Arc<Watched>,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut table = lock(&self.of.0);
        // Else the call is forgotten already.
        if let Some(entry) = table.calls.get_mut(&self.call).filter(|entry| Arc::ptr_eq(&entry.call, &self.watched)) {
            entry.watchers -= 1;
            if entry.watchers == 0 && !self.watched.is_cancelled() {
                table.calls.remove(&self.call);
                table.shrink();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use futures_util::FutureExt;
    use hub_core::session::{Output, Session, SessionOptions};
    use hub_core::{Codec, TransferFormat};

    use super::*;

    /// The keys of two calls.
    fn keys() -> [CallKey; 2] {
        let now = std::time::Instant::now();
        let options = SessionOptions { parallel_calls: 2, ..SessionOptions::default() };
        let mut session = Session::server(Arc::new(options), TransferFormat::Text, now);
        let handshake = format!("{{\"protocol\":\"{}\",\"version\":1}}\u{1e}", Codec::Json.name());
        let call = "{\"type\":1,\"target\":\"a\",\"arguments\":[]}\u{1e}";
        session.handle_bytes(now, format!("{handshake}{call}{call}").into());
        let mut next = move || {
            loop {
                match session.poll_output(now) {
                    Some(Output::Call(call)) => return call.key,
                    Some(_) => {}
                    None => panic!("there are two calls"),
                }
            }
        };
        [next(), next()]
    }

    fn size(cancellations: &Cancellations) -> usize {
        lock(&cancellations.0).calls.len()
    }

    #[test]
    fn a_call_is_held_as_long_as_somebody_waits_or_it_runs_cancelled() {
        let (cancellations, [one, two]) = (Cancellations::default(), keys());
        let cx = &mut Context::from_waker(Waker::noop());
        let (mut first, mut second) = (Box::pin(cancellations.cancelled(one)), Box::pin(cancellations.cancelled(one)));
        assert_eq!(size(&cancellations), 0, "before it is waited for");
        assert_eq!((first.poll_unpin(cx), second.poll_unpin(cx)), (Poll::Pending, Poll::Pending));
        drop(first);
        assert_eq!(size(&cancellations), 1);
        drop(second);
        assert_eq!(size(&cancellations), 0);

        let mut waits = Box::pin(cancellations.cancelled(one));
        assert_eq!(waits.poll_unpin(cx), Poll::Pending);
        cancellations.cancel(one);
        assert!(cancellations.is_cancelled(one) && !cancellations.is_cancelled(two));
        cancellations.forget(one);
        // It is told all the same.
        assert_eq!(waits.poll_unpin(cx), Poll::Ready(()));
        drop(waits);
        assert_eq!(size(&cancellations), 0);

        cancellations.cancel(two);
        assert_eq!(cancellations.cancelled(two).now_or_never(), Some(()), "who asks later is told too");
        assert_eq!(size(&cancellations), 1);
        cancellations.forget(two);
        assert_eq!(size(&cancellations), 0);
    }

    #[test]
    fn the_end_of_the_connection_cancels_all() {
        let (cancellations, [one, two]) = (Cancellations::default(), keys());
        let mut waits = Box::pin(cancellations.cancelled(one));
        assert_eq!(waits.poll_unpin(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        cancellations.cancel_all();
        assert_eq!(waits.now_or_never(), Some(()));
        assert_eq!(cancellations.cancelled(two).now_or_never(), Some(()));
        assert!(cancellations.is_cancelled(two));
        cancellations.cancel(two);
        assert_eq!(size(&cancellations), 0);
    }
}
