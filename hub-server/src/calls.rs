//! The calls in flight of one connection, polled by the connection's own task.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, Abortable, Aborted};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use hub_core::dispatch::{BoxFuture, Kind};
use hub_core::message::Target;
use hub_core::session::CallKey;
use hub_core::{HubError, Payload};

use crate::dispatcher::panic_message;
use crate::peer::Peer;
use crate::uploads::{NotWanted, UploadSender};

/// A method that has begun.
pub(crate) struct Work {
    pub(crate) future: BoxFuture<Returned>,
    /// The name of the method, however its caller writes it.
    pub(crate) method: &'static str,
    /// Whether it may be dropped where it waits (P-CX-10).
    pub(crate) droppable: bool,
}

type Returned = Result<Payload, HubError>;

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With its result, null for a stream.
    Returned(Payload),
    Failed(HubError),
    Panicked(String),
    /// Where it waited, for nobody wants it any more.
    Dropped,
}

/// A call that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) key: CallKey,
    pub(crate) target: Target,
    pub(crate) method: &'static str,
    pub(crate) kind: Kind,
    pub(crate) ended: Ended,
    /// Whether its caller had cancelled it.
    pub(crate) cancelled: bool,
}

/// A call that goes on. Once it is dropped it has no future any more.
struct Running {
    key: CallKey,
    target: Target,
    method: &'static str,
    kind: Kind,
    future: Option<Abortable<BoxFuture<Returned>>>,
}

impl Future for Running {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let ended = match &mut self.future {
            None => Ended::Dropped,
            Some(future) => match contained(|| future.poll_unpin(cx)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Ok(returned))) => returned.into(),
                Ok(Poll::Ready(Err(Aborted))) => Ended::Dropped,
                Err(panicked) => panicked,
            },
        };
        // What it holds goes before its answer.
        drop_contained(self.future.take());
        let (key, target, method, kind) = (self.key, self.target.clone(), self.method, self.kind);
        Poll::Ready(Finished { key, target, method, kind, ended, cancelled: false })
    }
}

impl From<Returned> for Ended {
    fn from(returned: Returned) -> Self {
        returned.map_or_else(Self::Failed, Self::Returned)
    }
}

/// A panic of the application ends nothing but its call.
fn contained<T>(run: impl FnOnce() -> T) -> Result<T, Ended> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| Ended::Panicked(panic_message(&*panic)))
}

fn drop_contained<T>(value: T) {
    let _ = contained(|| drop(value));
}

/// What the connection has of a call that goes on.
struct Open {
    uploads: Vec<Option<UploadSender>>,
    /// Drops it, if it may be dropped.
    abort: Option<AbortHandle>,
    /// Once it is cancelled: whose call it is.
    cancelled: Option<Arc<Peer>>,
}

/// An item that its upload has no place for: everything from this client waits (P-UP-07).
struct Stalled {
    call: CallKey,
    upload: usize,
    item: Payload,
}

#[derive(Default)]
pub(crate) struct Calls {
    /// Made with the first call that has to wait: the set is not small, and idle connections are many.
    running: Option<Box<FuturesUnordered<Running>>>,
    /// One for each that runs.
    open: HashMap<CallKey, Open>,
    stalled: Option<Stalled>,
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Runs a call as far as it goes. Most are over at once and never wait here.
    pub(crate) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        key: CallKey,
        target: Target,
        kind: Kind,
        work: Work,
        uploads: Vec<UploadSender>,
    ) -> Option<Finished> {
        let Work { mut future, method, droppable } = work;
        let ended = match contained(|| future.as_mut().poll(cx)) {
            Ok(Poll::Pending) => {
                let (abort, aborted) = AbortHandle::new_pair();
                let future = Some(Abortable::new(future, aborted));
                self.running.get_or_insert_default().push(Running { key, target, method, kind, future });
                let uploads = uploads.into_iter().map(Some).collect();
                self.open.insert(key, Open { uploads, abort: droppable.then_some(abort), cancelled: None });
                return None;
            }
            Ok(Poll::Ready(returned)) => returned.into(),
            Err(panicked) => panicked,
        };
        drop_contained(future);
        Some(Finished { key, target, method, kind, ended, cancelled: false })
    }

    pub(crate) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Option<Finished> {
        // Most calls are over before they get here, and asking an empty set is not free.
        let running = self.running.as_mut().filter(|running| !running.is_empty())?;
        match running.poll_next_unpin(cx) {
            Poll::Ready(Some(finished)) => Some(self.close(finished)),
            _ => None,
        }
    }

    fn close(&mut self, mut finished: Finished) -> Finished {
        if let Some(peer) = self.open.remove(&finished.key).and_then(|open| open.cancelled) {
            finished.cancelled = true;
            peer.cancellations().forget(finished.key);
        }
        if self.open.is_empty() && self.open.capacity() > 64 {
            // Not kept for a connection that may be idle from now on.
            self.open = HashMap::new();
        }
        finished
    }

    /// Tells a call that its caller wants no more of it, and drops it if it may be dropped (P-CX-02).
    pub(crate) fn cancel(&mut self, peer: &Arc<Peer>, key: CallKey) {
        let Some(open) = self.open.get_mut(&key) else { return };
        open.cancelled = Some(Arc::clone(peer));
        peer.cancellations().cancel(key);
        if let Some(abort) = &open.abort {
            abort.abort();
        }
    }

    /// Whether everything from the client waits for a place in an upload. Hands the item over when there is one.
    pub(crate) fn poll_stalled(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(Stalled { call, upload, item }) = self.stalled.take() {
            self.upload_item(cx, call, upload, item);
        }
        self.stalled.is_some()
    }

    pub(crate) fn upload_item(&mut self, cx: &mut Context<'_>, call: CallKey, upload: usize, item: Payload) {
        let Some(place) = self.open.get_mut(&call).and_then(|open| open.uploads.get_mut(upload)) else { return };
        let Some(sender) = place else { return };
        match sender.poll_place(cx, &item) {
            Poll::Ready(Ok(())) => sender.send(&item),
            Poll::Ready(Err(NotWanted)) => *place = None,
            Poll::Pending => self.stalled = Some(Stalled { call, upload, item }),
        }
    }

    pub(crate) fn end_upload(&mut self, call: CallKey, upload: usize, error: Option<String>) {
        let place = self.open.get_mut(&call).and_then(|open| open.uploads.get_mut(upload));
        if let Some(sender) = place.and_then(Option::take) {
            sender.finish(error);
        }
    }

    /// Nobody reads any more: streams and what else may be dropped is, other calls go on (P-STR-06).
    pub(crate) fn drop_unwanted(&mut self) {
        for abort in self.open.values().filter_map(|open| open.abort.as_ref()) {
            abort.abort();
        }
        for running in self.running.iter_mut().flat_map(|running| running.iter_mut()) {
            // Now, and not when it is polled next: what it holds goes before the hook runs.
            if running.future.as_ref().is_some_and(Abortable::is_aborted) {
                drop_contained(running.future.take());
            }
        }
    }

    /// The connection is over: uploads fail, with what nobody wants any more (P-UP-10).
    pub(crate) fn connection_ended(&mut self) {
        self.stalled = None;
        for sender in self.open.values_mut().flat_map(|open| open.uploads.drain(..)).flatten() {
            sender.finish(Some("The underlying connection was closed.".to_owned()));
        }
        self.drop_unwanted();
    }

    /// Waits for the calls that go on without their connection, and hands over how each ended.
    pub(crate) async fn drain(&mut self, mut ended: impl FnMut(Finished)) {
        if let Some(running) = &mut self.running {
            while let Some(finished) = running.next().await {
                ended(finished);
            }
        }
    }
}
