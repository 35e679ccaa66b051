//! What a transport is: bytes in, bytes out, close.

mod frames_in;
mod frames_out;
pub(crate) mod socket;
mod utf8;
pub(crate) mod web_socket;

use std::task::{Context, Poll};

use bytes::Bytes;
use hub_core::TransferFormat;

/// What came in.
#[derive(Debug)]
pub(crate) enum Received {
    /// Bytes as they came, cut anywhere, 16 KiB at most. Empty when only what belongs to the transport itself came, which
    /// is work for the driver's budget too.
    Bytes(Bytes),
    /// The client ended the connection in the transport's own way, or is gone.
    End { closed: bool },
    /// The client broke the rules of the transport, which says so when it closes.
    Failed(String),
}

/// The connection to a client is lost.
#[derive(Debug)]
pub(crate) struct Lost;

pub(crate) trait Transport: Send + Unpin + 'static {
    /// What the transport can carry (P-HS-10).
    const FORMAT: TransferFormat;

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received>;

    /// Whether [`send`](Self::send) may be called: not too much waits to be flushed.
    fn has_room(&self) -> bool;

    /// Takes whole hub messages (P-FRM-05), to leave with the next flush.
    fn send(&mut self, messages: Bytes, format: TransferFormat) -> Result<(), Lost>;

    /// Ready when everything that was sent is with the operating system.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>>;

    /// How many bytes the operating system has taken so far: whether it takes any tells a slow client from one that is gone.
    fn taken(&self) -> u64;

    /// Says goodbye, and waits until the client has too.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}
