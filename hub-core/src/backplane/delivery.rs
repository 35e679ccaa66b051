//! What nodes say to each other, and to whom.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use crate::codec::{Codec, Payload};
use crate::message::{ConnectionId, GroupName, Outcome, Target, UserId};

/// Of whom a delivery is to reach the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Everyone.
    All,
    /// The members of a group.
    Group(GroupName),
    /// The connections of a user.
    User(UserId),
    /// The node itself.
    Node(NodeId),
    /// A connection that lives elsewhere than on the node that made its id.
    Connection(ConnectionId),
}

/// The id of a node: 48 random bits, with which the ids of its connections begin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId([u8; Self::BYTES]);

impl NodeId {
    /// The length of an id.
    pub const BYTES: usize = 6;
    /// The length of its text.
    const CHARACTERS: usize = 8;

    /// The id of these bytes.
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub fn bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// The node that made this connection's id, or `None` if no node of ours can have made it.
    pub fn of(connection: &ConnectionId) -> Option<Self> {
        let mut bytes = [0; Self::BYTES];
        let text = connection.as_str().as_bytes();
        // No shorter than 128 bits (P-NEG-10).
        if text.len() < 22 {
            return None;
        }
        URL_SAFE_NO_PAD.decode_slice(&text[..Self::CHARACTERS], &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What one node hands to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A message for all connections of the topic, but these.
    Notice {
        /// The message.
        message: Framed,
        /// Whom it is not for.
        except: Vec<ConnectionId>,
    },
    /// A message for these connections, to the topic of a node or of a connection.
    Direct {
        /// The message.
        message: Framed,
        /// Whom it is for.
        to: Vec<ConnectionId>,
    },
    /// Something to be done about a connection, to the topic of a node or of a connection.
    Request {
        /// What the reply will carry. No two requests of a node have the same.
        id: u64,
        /// To whose topic the reply goes.
        from: NodeId,
        /// Which connection.
        connection: ConnectionId,
        /// What.
        request: Request,
    },
    /// The reply to a request, to the topic of the node that made it.
    Reply {
        /// The id of the request.
        id: u64,
        /// The reply.
        reply: Reply,
    },
}

/// What one node asks another to do about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Add it to a group. Replied by [`Reply::Done`].
    Join(GroupName),
    /// Take it out of a group. Replied by [`Reply::Done`].
    Leave(GroupName),
    /// End it. Replied by [`Reply::Done`].
    Abort,
    /// Ask the client. Replied by [`Reply::Answer`] when it has answered, which may take for ever.
    Ask {
        /// The method.
        target: Target,
        /// Its arguments, in the order of [`Codec::ALL`].
        arguments: [Payload; 2],
    },
    /// Whether the request of this id, to ask the client, still waits. Replied by [`Reply::Done`] if it does.
    IsWaiting(u64),
    /// Nobody waits for the answer to the request of this id any more. Not replied to.
    Forget(u64),
}

/// How a request went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done,
    /// There is no such connection, or no such request.
    Unknown,
    /// The client's answer.
    Answer(Outcome),
    /// The connection ended before the client answered.
    Disconnected,
}

/// A message with its framing, in each protocol in which the sender could write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    /// In JSON.
    pub json: Option<Bytes>,
    /// In MessagePack.
    pub messagepack: Option<Bytes>,
}

impl Framed {
    /// The message in this protocol.
    pub fn of(&self, codec: Codec) -> Option<&Bytes> {
        match codec {
            Codec::Json => self.json.as_ref(),
            Codec::MessagePack => self.messagepack.as_ref(),
        }
    }
}
