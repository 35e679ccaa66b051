//! The streams that a client sends along with its calls: their items wait here for the methods that read them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::StreamExt;
use futures_util::task::AtomicWaker;
use hub_core::{HubError, IncomingUpload, Payload};

use crate::peer::Peer;

/// How many bytes wait in all uploads of one connection.
#[derive(Debug, Default)]
pub(crate) struct UploadBytes {
    waiting: AtomicUsize,
    /// The connection's task, when an item has no place.
    driver: AtomicWaker,
}

/// What feeds one upload of a running call.
#[derive(Debug)]
pub(crate) struct UploadSender {
    peer: Arc<Peer>,
    items: mpsc::Sender<Result<Waiting, HubError>>,
}

/// The method wants no more items.
#[derive(Debug)]
pub(crate) struct NotWanted;

impl UploadSender {
    /// Ready when there is a place for an item.
    pub(crate) fn poll_place(&mut self, cx: &mut Context<'_>, item: &Payload) -> Poll<Result<(), NotWanted>> {
        if ready!(self.items.poll_ready(cx)).is_err() {
            return Poll::Ready(Err(NotWanted));
        }
        let bytes = self.peer.upload_bytes();
        // In this order, so that no place is missed that becomes free in between.
        bytes.driver.register(cx.waker());
        let waiting = bytes.waiting.load(Ordering::Acquire);
        let has_place = waiting == 0 || waiting + item.bytes().len() <= self.peer.hub().options().client_bytes / 4;
        if has_place { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Hands over an item that there is a place for.
    pub(crate) fn send(&mut self, item: &Payload) {
        // Copied, so that a small item does not keep all that came with it.
        let payload = Payload::new(item.codec(), Bytes::copy_from_slice(item.bytes()));
        self.peer.upload_bytes().waiting.fetch_add(payload.bytes().len(), Ordering::AcqRel);
        // The place is kept for this item.
        let _ = self.items.start_send(Ok(Waiting { peer: Arc::clone(&self.peer), payload }));
    }

    /// Ends the upload, with an error or without.
    pub(crate) fn finish(self, error: Option<String>) {
        if let Some(error) = error {
            // Each sender has a place of its own, so there is room for the error.
            let _ = self.items.clone().try_send(Err(HubError::public(error)));
        }
    }
}

/// An item that counts as long as nobody has taken it.
struct Waiting {
    peer: Arc<Peer>,
    payload: Payload,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let bytes = self.peer.upload_bytes();
        bytes.waiting.fetch_sub(self.payload.bytes().len(), Ordering::AcqRel);
        bytes.driver.wake();
    }
}

/// Both ends of this many uploads.
pub(crate) fn open(peer: &Arc<Peer>, count: usize) -> (Vec<UploadSender>, Vec<IncomingUpload>) {
    let options = peer.hub().options();
    let open = |_| {
        // The channel has one place more than it is asked for.
        let (items, received) = mpsc::channel(options.stream_buffer_capacity - 1);
        let payloads = received.map(|item: Result<Waiting, HubError>| item.map(|waiting| waiting.payload.clone()));
        let detailed_errors = options.enable_detailed_errors;
        let sender = UploadSender { peer: Arc::clone(peer), items };
        (sender, IncomingUpload { payloads: Box::pin(payloads), detailed_errors })
    };
    (0..count).map(open).unzip()
}
