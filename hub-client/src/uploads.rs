//! The streams that go to the hub with calls, polled by the driver while the socket takes what they give.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use hub_core::session::Session;
use hub_core::{Codec, InvocationId, OutgoingUpload};

struct Upload {
    id: InvocationId,
    /// The call that it belongs to, if that is answered.
    call: Option<InvocationId>,
    items: OutgoingUpload,
}

#[derive(Default)]
pub(crate) struct Uploads(Vec<Upload>);

impl Uploads {
    pub(crate) fn insert(&mut self, call: Option<&InvocationId>, uploads: Vec<(InvocationId, OutgoingUpload)>) {
        let uploads = uploads.into_iter().map(|(id, items)| Upload { id, call: call.cloned(), items });
        self.0.extend(uploads);
    }

    /// Sends what is ready, one item of each stream, so that they take turns. Gives whether there was any.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, codec: Codec, session: &mut Session) -> bool {
        let mut progress = false;
        self.0.retain_mut(|upload| {
            // A stream of the application's that panics ends itself, not the connection.
            let polled = catch_unwind(AssertUnwindSafe(|| upload.items.poll_next(codec, cx)));
            let end = match polled {
                Ok(Poll::Pending) => return true,
                Ok(Poll::Ready(Some(Ok(item)))) => {
                    progress = true;
                    session.upload_item(&upload.id, item);
                    return true;
                }
                Ok(Poll::Ready(None)) => None,
                // P-UP-02
                Ok(Poll::Ready(Some(Err(error)))) => Some(format!("Stream errored by client: '{error}'")),
                Err(_) => Some("Stream errored by client: 'it panicked'".to_owned()),
            };
            progress = true;
            session.upload_end(&upload.id, end);
            false
        });
        progress
    }

    /// The call is over, and the hub takes no more of its streams (P-UP-14).
    pub(crate) fn stop(&mut self, call: &InvocationId) {
        self.0.retain(|upload| upload.call.as_ref() != Some(call));
    }

    /// Nobody waits for the call any more: its streams end (P-UP-02, P-CAN-01). Whether there were any.
    pub(crate) fn cancel(&mut self, call: &InvocationId, session: &mut Session) -> bool {
        let before = self.0.len();
        self.0.retain(|upload| {
            let keep = upload.call.as_ref() != Some(call);
            if !keep {
                session.upload_end(&upload.id, Some("Stream canceled by client.".to_owned()));
            }
            keep
        });
        self.0.len() < before
    }

    /// The connection is lost (P-UP-14).
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
