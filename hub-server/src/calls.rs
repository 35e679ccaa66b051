//! The calls in flight of one connection, polled by the connection's own task.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hub_core::dispatch::{BoxFuture, Kind};
use hub_core::message::Target;
use hub_core::session::CallKey;
use hub_core::{HubError, Payload};

use crate::dispatcher::panic_message;
use crate::uploads::{NotWanted, UploadSender};

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With its result, null for a stream.
    Returned(Payload),
    Failed(HubError),
    Panicked(String),
    /// By its caller.
    Cancelled,
}

/// A call that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) key: CallKey,
    pub(crate) target: Target,
    pub(crate) kind: Kind,
    pub(crate) ended: Ended,
}

/// A call that goes on. Once it is cancelled it has no future any more.
pub(crate) struct Running {
    key: CallKey,
    target: Target,
    kind: Kind,
    future: Option<BoxFuture<Result<Payload, HubError>>>,
    waker: Option<Waker>,
}

impl Running {
    fn cancel(&mut self) {
        self.drop_future();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// What the method holds goes with it. A panic there ends nothing else.
    fn drop_future(&mut self) {
        let future = self.future.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
}

impl Future for Running {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let ended = match &mut self.future {
            None => Ended::Cancelled,
            Some(future) => match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(Poll::Pending) => {
                    if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                        self.waker = Some(cx.waker().clone());
                    }
                    return Poll::Pending;
                }
                Ok(Poll::Ready(Ok(result))) => Ended::Returned(result),
                Ok(Poll::Ready(Err(error))) => Ended::Failed(error),
                Err(panic) => Ended::Panicked(panic_message(&*panic)),
            },
        };
        // What it holds goes before its answer.
        self.drop_future();
        Poll::Ready(Finished { key: self.key, target: self.target.clone(), kind: self.kind, ended })
    }
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
    uploads: HashMap<CallKey, Vec<Option<UploadSender>>>,
    stalled: Option<Stalled>,
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.running.as_ref().is_none_or(|running| running.is_empty())
    }

    /// Runs a call as far as it goes. Most are over at once and never wait here.
    pub(crate) fn begin(
        &mut self,
        cx: &mut Context<'_>,
        key: CallKey,
        target: Target,
        kind: Kind,
        future: BoxFuture<Result<Payload, HubError>>,
        uploads: Vec<UploadSender>,
    ) -> Option<Finished> {
        let mut running = Running { key, target, kind, future: Some(future), waker: None };
        match Pin::new(&mut running).poll(cx) {
            Poll::Ready(finished) => Some(finished),
            Poll::Pending => {
                if !uploads.is_empty() {
                    self.uploads.insert(key, uploads.into_iter().map(Some).collect());
                }
                self.running.get_or_insert_default().push(running);
                None
            }
        }
    }

    pub(crate) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Option<Finished> {
        // Most calls are over before they get here, and asking an empty set is not free.
        let running = self.running.as_mut().filter(|running| !running.is_empty())?;
        match running.poll_next_unpin(cx) {
            Poll::Ready(Some(finished)) => {
                self.uploads.remove(&finished.key);
                Some(finished)
            }
            _ => None,
        }
    }

    /// Drops what a call does; it ends as cancelled.
    pub(crate) fn cancel(&mut self, key: CallKey) {
        for running in self.each().filter(|running| running.key == key) {
            running.cancel();
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
        let Some(place) = self.uploads.get_mut(&call).and_then(|uploads| uploads.get_mut(upload)) else { return };
        let Some(sender) = place else { return };
        match sender.poll_place(cx, &item) {
            Poll::Ready(Ok(())) => sender.send(&item),
            Poll::Ready(Err(NotWanted)) => *place = None,
            Poll::Pending => self.stalled = Some(Stalled { call, upload, item }),
        }
    }

    pub(crate) fn end_upload(&mut self, call: CallKey, upload: usize, error: Option<String>) {
        let place = self.uploads.get_mut(&call).and_then(|uploads| uploads.get_mut(upload));
        if let Some(sender) = place.and_then(Option::take) {
            sender.finish(error);
        }
    }

    /// The connection is over: streams are dropped, uploads fail, plain calls go on (P-STR-06, P-UP-10).
    pub(crate) fn connection_ended(&mut self) {
        self.stalled = None;
        for running in self.each().filter(|running| running.kind == Kind::Stream) {
            running.cancel();
        }
        for sender in self.uploads.drain().flat_map(|(_, senders)| senders).flatten() {
            sender.finish(Some("The underlying connection was closed.".to_owned()));
        }
    }

    /// Waits for the calls that go on without their connection.
    pub(crate) async fn drain(&mut self) {
        if let Some(running) = &mut self.running {
            while running.next().await.is_some() {}
        }
    }

    fn each(&mut self) -> impl Iterator<Item = &mut Running> {
        self.running.iter_mut().flat_map(|running| running.iter_mut())
    }
}
