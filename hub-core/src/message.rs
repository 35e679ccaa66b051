//! The messages of the hub protocol (protocol.md section 1), whatever they are written in.

use std::fmt;

use smol_str::{SmolStr, ToSmolStr};

use crate::args::Args;
use crate::codec::Payload;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(SmolStr);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: AsRef<str>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(SmolStr::new(text))
            }
        }

        impl From<&$name> for $name {
            fn from(name: &$name) -> Self {
                name.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// What tells one call of a connection from another: any non-empty text that the caller chose (P-GEN-02).
    InvocationId;
    /// The public id of a connection, by which others may address it. Not the connection token, which is secret
    /// (P-NEG-10).
    ConnectionId;
    /// The name of a method, as it goes over the wire.
    Target;
    /// The name of a group, whose case matters (P-LT-07).
    GroupName;
    /// The id of a user, whose case matters (P-LT-07).
    UserId;
}

impl InvocationId {
    /// The id of the call, or stream, of this number (P-INV-16).
    pub fn numbered(number: u64) -> Self {
        Self(number.to_smolstr())
    }
}

/// Text pairs that travel with a message (P-GEN-03).
pub type Headers = Vec<(String, String)>;

/// One message of a hub protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Type 1: calls a method.
    Invocation(Invocation),
    /// Type 2: one item of a stream.
    StreamItem {
        /// The stream: the id of the call that asked for it, or an upload's.
        id: InvocationId,
        /// The item.
        item: Payload,
    },
    /// Type 3: ends a call or a stream.
    ///
    /// Some clients, of Go for one, answer a call that they have no handler for by a Completion whose id is empty text.
    /// The reference ends the connection then (P-JSON-05, P-MP-03); here it is a Completion that nobody waits for. An id
    /// that is missing stays malformed.
    Completion {
        /// The call, or the upload.
        id: InvocationId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Type 4: calls a streaming method. It has an id always.
    StreamInvocation(Invocation),
    /// Type 5: the caller wants no more of this.
    CancelInvocation {
        /// The call.
        id: InvocationId,
    },
    /// Type 6: the sender is alive.
    Ping,
    /// Type 7: the connection ends.
    Close {
        /// Why, if by an error.
        error: Option<String>,
        /// Whether the client may connect again by itself.
        allow_reconnect: bool,
    },
    /// Type 8: what was received, under stateful reconnect.
    Ack {
        /// The highest number that was processed.
        sequence_id: i64,
    },
    /// Type 9: what comes next, under stateful reconnect.
    Sequence {
        /// The number of the first message that follows.
        sequence_id: i64,
    },
}

/// The parts of an Invocation or StreamInvocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Text pairs beside the call, such as a trace context.
    pub headers: Headers,
    /// What the answer will carry; `None` when no answer is wanted.
    pub id: Option<InvocationId>,
    /// The method.
    pub target: Target,
    /// Its arguments, undecoded.
    pub arguments: Args,
    /// The ids of the streams that the caller sends along, in the order of the parameters.
    pub streams: Vec<InvocationId>,
}

/// How a call or stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a result, which may be null.
    Value(Payload),
    /// Well, without a result: the end of a stream (P-STR-08).
    Void,
    /// With an error, for people to read.
    Error(String),
}
