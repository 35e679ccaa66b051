//! Messages and control frames to bytes that leave together, as far as the socket takes them (RFC 6455, 5).

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::AsyncWrite;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// How much is taken in before it is flushed.
const ROOM: usize = 16 * 1024;

/// The longest frame: longer messages leave in fragments, so that a pong need not wait for their end.
const FRAGMENT: usize = 64 * 1024;

/// Up to here a payload is copied, so that it leaves in one piece with what is beside it; a longer one is written from
/// where it is.
const COPIED: usize = 4 * 1024;

/// As long as less waits, each ping is answered. Else the latest alone, which RFC 6455 allows (5.5.3).
const ROOM_FOR_PONGS: usize = 4 * 1024;

/// How many pieces one write takes.
const SLICES: usize = 16;

/// What waits to be written. It keeps no memory when that is nothing.
#[derive(Debug, Default)]
pub(super) struct FramesOut {
    /// Headers and short payloads together, and long payloads shared with whoever else is sent them.
    queue: VecDeque<Bytes>,
    /// Headers and short payloads behind those.
    tail: BytesMut,
    /// The length of both.
    len: usize,
    /// What of a long message has no frame yet.
    rest: Bytes,
    /// The answer to the latest ping, while there is no room for it.
    pong: Option<Box<[u8]>>,
    /// Whether the socket has to be flushed.
    unflushed: bool,
    /// How many bytes the socket has taken so far.
    taken: u64,
    /// The socket takes one piece at a time, so all is copied together.
    one_piece: bool,
}

impl FramesOut {
    pub(super) fn new(socket: &impl AsyncWrite) -> Self {
        Self { one_piece: !socket.is_write_vectored(), ..Self::default() }
    }

    /// Whether another message may be added: a whole one of any length.
    pub(super) fn has_room(&self) -> bool {
        self.rest.is_empty() && self.len < ROOM
    }

    pub(super) fn message(&mut self, kind: Data, mut message: Bytes) {
        self.rest = message.split_off(message.len().min(FRAGMENT));
        self.frame(OpCode::Data(kind), message, self.rest.is_empty());
    }

    pub(super) fn pong(&mut self, payload: &[u8]) {
        if self.len < ROOM_FOR_PONGS {
            self.pong = None;
            self.frame(OpCode::Control(Control::Pong), Bytes::copy_from_slice(payload), true);
        } else {
            self.pong = Some(payload.into());
        }
    }

    /// Nothing is written after this: what of a long message has no frame yet is given up.
    pub(super) fn close(&mut self, code: Option<u16>) {
        self.rest = Bytes::new();
        self.pong = None;
        let payload = code.map(|code| Bytes::copy_from_slice(&code.to_be_bytes())).unwrap_or_default();
        self.frame(OpCode::Control(Control::Close), payload, true);
    }

    fn frame(&mut self, opcode: OpCode, payload: Bytes, is_final: bool) {
        let header = FrameHeader { opcode, is_final, ..FrameHeader::default() };
        let is_copied = self.one_piece || payload.len() <= COPIED;
        let length = payload.len() as u64;
        let header_len = header.len(length);
        self.tail.reserve(header_len + if is_copied { payload.len() } else { 0 });
        // It fails with its writer, and memory never does.
        let _ = header.format(length, &mut (&mut self.tail).writer());
        self.len += header_len + payload.len();
        self.unflushed = true;
        if is_copied {
            self.tail.extend_from_slice(&payload);
        } else {
            self.queue.push_back(self.tail.split().freeze());
            self.queue.push_back(payload);
        }
    }

    /// Ready when everything is written and flushed.
    pub(super) fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unflushed {
            while self.len > 0 {
                match ready!(self.poll_write(socket, cx))? {
                    0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                    written => self.advance(written),
                }
            }
            if let Some(pong) = self.pong.take() {
                self.pong(&pong);
            } else if !self.rest.is_empty() {
                let rest = std::mem::take(&mut self.rest);
                self.message(Data::Continue, rest);
            } else {
                // Nothing is kept while the connection is idle.
                (self.queue, self.tail) = Default::default();
                ready!(Pin::new(&mut *socket).poll_flush(cx))?;
                self.unflushed = false;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write<S: AsyncWrite + Unpin>(&self, socket: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.queue.is_empty() {
            return Pin::new(socket).poll_write(cx, &self.tail);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let waiting = self.queue.iter().map(|bytes| &bytes[..]).chain([&self.tail[..]]);
        for (slice, bytes) in slices.iter_mut().zip(waiting) {
            *slice = IoSlice::new(bytes);
        }
        Pin::new(socket).poll_write_vectored(cx, &slices[..SLICES.min(self.queue.len() + 1)])
    }

    fn advance(&mut self, mut written: usize) {
        self.len = self.len.saturating_sub(written);
        self.taken += written as u64;
        while let Some(first) = self.queue.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.queue.pop_front();
        }
        self.tail.advance(written.min(self.tail.len()));
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The memory it keeps, in bytes, but for messages that it shares.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let pong = self.pong.as_ref().map_or(0, |pong| pong.len());
        self.tail.capacity() + pong + self.queue.capacity() * size_of::<Bytes>()
    }

    /// Whether the socket takes one piece at a time.
    #[cfg(test)]
    pub(super) fn one_piece(&mut self, one_piece: bool) {
        self.one_piece = one_piece;
    }
}
