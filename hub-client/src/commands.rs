//! What the handles and the handlers want of the driver.

use std::sync::Arc;

use hub_core::message::{Invocation, Outcome};
use hub_core::session::CallKey;
use hub_core::{CallError, InvocationId, OutgoingUpload, Payload};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::handlers::Share;
use crate::inbox::Inbox;
use crate::polled::{Arrivals, Arrived};

pub(crate) enum Command {
    /// Send this call.
    Call(Outgoing),
    /// Nobody waits for this call any more.
    Cancel(InvocationId),
    /// A handler has answered a question of the hub.
    Answer {
        /// On which of the connections that followed each other: the keys of an earlier one mean nothing.
        epoch: u64,
        key: CallKey,
        outcome: Outcome,
        share: Share,
    },
    /// Say when all that was asked before is written.
    Flush(oneshot::Sender<()>),
    /// Close the connection.
    Stop,
}

/// A call that is ready to be sent.
pub(crate) struct Outgoing {
    pub(crate) invocation: Invocation,
    pub(crate) waiting: Waiting,
    pub(crate) uploads: Vec<(InvocationId, OutgoingUpload)>,
    /// Its place in the send queue, free again when the driver takes it. Streams are called without waiting for one.
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

/// Items of a stream; an error is the last of them.
pub(crate) type ItemInbox = Inbox<Result<Payload, CallError>>;

/// Who waits for what a call gives.
pub(crate) enum Waiting {
    Nobody,
    /// For the connection that the call, which wants no answer, is to be sent on.
    ToBeSent(oneshot::Sender<Result<(), CallError>>),
    ForAnswer(oneshot::Sender<Result<Payload, CallError>>),
    /// For an answer that comes when the application drains, in its turn among everything else.
    ForTurn(Box<Turn>),
    ForItems(Arc<ItemInbox>),
}

/// Where an answer goes that has to wait for its turn.
pub(crate) struct Turn {
    pub(crate) answer: oneshot::Sender<Result<Payload, CallError>>,
    pub(crate) arrivals: Arc<Arrivals>,
}

impl Turn {
    pub(crate) fn answer(self, result: Result<Payload, CallError>) {
        self.arrivals.push(Arrived::Answer(self.answer, result));
    }
}

impl Waiting {
    /// Whether exactly one answer comes.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::ForAnswer(_) | Self::ForTurn(_))
    }

    /// Whether the one who called is gone.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::ToBeSent(sent) => sent.is_closed(),
            Self::ForAnswer(answer) => answer.is_closed(),
            Self::ForTurn(turn) => turn.answer.is_closed(),
            Self::Nobody | Self::ForItems(_) => false,
        }
    }

    /// Ends the wait with an error.
    pub(crate) fn fail(self, error: CallError) {
        match self {
            Self::Nobody => {}
            // Whoever asked may have gone.
            Self::ToBeSent(sent) => _ = sent.send(Err(error)),
            Self::ForAnswer(answer) => _ = answer.send(Err(error)),
            Self::ForTurn(turn) => turn.answer(Err(error)),
            Self::ForItems(items) => {
                items.push(Err(error), 0, 0);
                items.end();
            }
        }
    }
}

/// Why a call is not sent (P-CLI-08).
pub(crate) fn not_connected(target: &str) -> CallError {
    CallError::Refused(format!("The '{target}' method cannot be called if the connection is not active"))
}
