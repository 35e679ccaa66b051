//! What a transport is: bytes in, bytes out, close.

mod frames;
mod masked;
mod upgrade;
pub(crate) mod web_socket;

use std::fmt;

use bytes::Bytes;
use hub_core::ProtocolError;

/// What came in.
#[derive(Debug)]
pub(crate) enum Received {
    Bytes(Bytes),
    /// The connection is over: how it ended, for people to read.
    End(String),
    /// The server broke the rules of the transport.
    Failed(ProtocolError),
}

/// The connection is lost: why.
#[derive(Debug)]
pub(crate) struct Lost(pub(crate) String);

impl Lost {
    fn new(why: impl fmt::Display) -> Self {
        Self(format!("The connection was lost: {why}"))
    }
}
