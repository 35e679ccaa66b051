//! What a session tells its driver.

use super::in_flight::{CallKey, Wants};
use crate::args::Args;
use crate::codec::{Codec, Payload};
use crate::error::ProtocolError;
use crate::handshake::HandshakeError;
use crate::message::{Headers, InvocationId, Outcome, Target};

/// What a session asks its driver to do, in the order in which the messages came.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// The handshake succeeded: the connection speaks this protocol.
    Opened(Codec),
    /// The peer calls a method. Every call is ended by [`Session::answer`](super::Session::answer), also one that wants no answer.
    Call(IncomingCall),
    /// The peer wants no more of a call, which is still to be answered (P-CAN-02).
    Cancelled(CallKey),
    /// An item of an upload (P-UP-02).
    UploadItem {
        /// The call that the upload belongs to.
        call: CallKey,
        /// Which of its uploads, from 0.
        upload: usize,
        /// The item.
        item: Payload,
    },
    /// The end of an upload.
    UploadEnd {
        /// The call that the upload belongs to.
        call: CallKey,
        /// Which of its uploads, from 0.
        upload: usize,
        /// The text of the error with which the peer ended it.
        error: Option<String>,
    },
    /// An item of a stream that was asked for here.
    Item {
        /// The call.
        id: InvocationId,
        /// The item.
        item: Payload,
    },
    /// The end of a call that was made here. Each call has one, unless the session ends before.
    Answered {
        /// The call.
        id: InvocationId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A Completion that answers nothing here: late, or meant for somebody else (P-CR-03, P-CR-12).
    UnknownCompletion(InvocationId),
    /// A message that the session dealt with by itself, such as a ping. Every message that is taken has one output, so
    /// that the driver can count how much it works off at a time.
    Settled,
    /// Something that does no harm and nothing: for the log (P-INV-17, P-UP-05, P-CAN-03).
    Ignored(Ignored),
    /// The session is over. It is the last output; what is left to write is written, then the transport ends.
    Closed(Ending),
}

/// A call of the peer's.
#[derive(Debug)]
pub struct IncomingCall {
    /// Names the call until it is answered.
    pub key: CallKey,
    /// The method.
    pub target: Target,
    /// The arguments, undecoded.
    pub arguments: Args,
    /// What the peer waits for.
    pub wants: Wants,
    /// How many streams the peer sends along.
    pub uploads: usize,
    /// The id of one of them, if it is that of another stream from the peer that is open, or comes twice in this call. Such
    /// a call has no streams and must not run (P-UP-11); what else is wrong with it comes first (P-INV-11).
    pub reused: Option<InvocationId>,
    /// Text pairs beside the call.
    pub headers: Headers,
}

/// A message that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// An item or end of a stream that is unknown, or known no more.
    StreamItem(InvocationId),
    /// The cancellation of a call that is unknown, or over.
    Cancellation(InvocationId),
    /// A call that names an upload which is open already (P-UP-11).
    UploadReused(InvocationId),
    /// A stream invocation to a client, which cannot stream to its server.
    StreamInvocation(Target),
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The server refused the handshake, in the session of the server.
    HandshakeFailed(HandshakeError),
    /// The server refused the handshake, in the session of the client.
    HandshakeRefused(String),
    /// The peer closed the connection by a message.
    PeerClosed {
        /// With this error.
        error: Option<String>,
        /// And lets the client connect again by itself (P-CLS-08).
        allow_reconnect: bool,
    },
    /// The transport ended without a Close message.
    TransportEnded,
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// The peer was silent for too long (P-PING-07, P-PING-10).
    TimedOut,
}
