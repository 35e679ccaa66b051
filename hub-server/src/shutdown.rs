//! Stopping: no new connections, calls that run are finished, clients are told to come back elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::events;
use crate::hub::HubState;
use crate::outbox::End;

/// Whether a hub stops, and how many connections are left.
#[derive(Debug, Default)]
pub(crate) struct Shutdown {
    begun: AtomicBool,
    /// Connections that have shaken hands and whose driver runs. Those that have not are dropped with the process.
    open: AtomicUsize,
    on_last: Notify,
}

impl Shutdown {
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }
}

/// Counts a connection for as long as it lives.
#[derive(Debug)]
pub(crate) struct Open(Arc<HubState>);

impl Open {
    pub(crate) fn new(hub: &Arc<HubState>) -> Self {
        hub.shutdown.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(hub))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.shutdown.open.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.shutdown.on_last.notify_waiters();
        }
    }
}

pub(crate) async fn run(hub: &HubState, deadline: Duration) {
    let shutdown = &hub.shutdown;
    shutdown.begun.store(true, Ordering::SeqCst);
    events::shutting_down(hub.name(), hub.registry.len());
    end_all(hub, End::Shutdown);
    if tokio::time::timeout(deadline, all_gone(shutdown)).await.is_err() {
        end_all(hub, End::ShutdownNow);
        // What they still have to say leaves at once, or not at all.
        let _ = tokio::time::timeout(LAST_WORDS, all_gone(shutdown)).await;
    }
    events::shut_down(hub.name(), shutdown.open.load(Ordering::SeqCst));
}

/// How long a client that is told of a shutdown may take: to read its Close message, to answer the end of the WebSocket, and
/// for both once the deadline has passed.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(500);

fn end_all(hub: &HubState, end: End) {
    hub.registry.each(|peer| peer.end(end));
}

async fn all_gone(shutdown: &Shutdown) {
    loop {
        let mut told = std::pin::pin!(shutdown.on_last.notified());
        // In this order, so that the last end is not missed.
        told.as_mut().enable();
        if shutdown.open.load(Ordering::SeqCst) == 0 {
            return;
        }
        told.await;
    }
}
