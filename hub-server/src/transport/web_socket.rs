//! WebSocket (protocol.md section 17): the transport.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hub_core::TransferFormat;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use super::frames_in::{FramesIn, Piece, Violation};
use super::frames_out::FramesOut;
use super::socket::Socket;
use super::{Lost, Received, Transport};

/// How much is read at once, in bytes, into the stack. What is handed up is copied from there, so a part of it that is kept
/// holds no more than this.
const READ: usize = 16 * 1024;

/// A normal end (RFC 6455, 7.4.1).
const NORMAL: u16 = 1000;

/// The server's end of a WebSocket.
///
/// A message is handed up as it comes, within a frame too, so its length has no limit (P-WS-11): the hub's own messages
/// in it have theirs. Nothing is kept of it, and an idle connection keeps no buffer.
#[derive(Debug)]
pub(crate) struct WebSocket<S = Socket> {
    socket: S,
    frames_in: FramesIn,
    frames_out: FramesOut,
    /// Why nothing more is received.
    ended: Option<Ended>,
    /// Woken when there is something to read, and the same as a waker.
    readable: Arc<Readable>,
    on_readable: Waker,
}

#[derive(Debug, Clone, Copy)]
enum Ended {
    /// By the client's close frame and its code.
    Closed(Option<u16>),
    Violated(Violation),
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(crate) fn new(socket: S) -> Self {
        let readable = Arc::new(Readable { woken: AtomicBool::new(true), task: AtomicWaker::new() });
        let on_readable = Arc::clone(&readable).into();
        let frames_out = FramesOut::new(&socket);
        Self { socket, frames_in: FramesIn::default(), frames_out, ended: None, readable, on_readable }
    }

    /// Takes the next piece of a message off the input, and sees to all else. `None` when the input is used up, or
    /// nothing counts any more.
    fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<Piece<'a>> {
        while self.ended.is_none() {
            match self.frames_in.next(input) {
                // Neither resets a hub timer (P-WS-10).
                Ok(Some(Piece::Ping(payload))) => self.frames_out.pong(&payload),
                Ok(Some(Piece::Pong)) => {}
                Ok(Some(Piece::Close(code))) => self.ended = Some(Ended::Closed(code)),
                Ok(piece) => return piece,
                Err(violation) => self.ended = Some(Ended::Violated(violation)),
            }
        }
        None
    }

    /// What of the input is of messages, put together.
    fn take(&mut self, mut input: &mut [u8]) -> Bytes {
        let mut data = Vec::new();
        while let Some(piece) = self.next(&mut input) {
            if let Piece::Data(part) = piece {
                if data.is_empty() {
                    // Exact for a single frame.
                    data.reserve_exact(part.len() + input.len());
                }
                data.extend_from_slice(part);
            }
        }
        if data.len() < data.capacity() / 2 {
            data.shrink_to_fit();
        }
        data.into()
    }

    /// Reads on until the client's close frame, or to the end of the connection where that counts no more.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [MaybeUninit::uninit(); READ];
        loop {
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
            let mut input = buffer.filled_mut();
            while self.ended.is_none() {
                match self.frames_in.next(&mut input) {
                    Ok(Some(Piece::Close(_))) | Err(_) => return Poll::Ready(()),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                }
            }
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.socket).poll_shutdown(cx).map(drop)
    }

    /// What is received once nothing more is.
    fn end(&self) -> Option<Received> {
        Some(match self.ended? {
            // With whatever code (P-WS-06, P-WS-09).
            Ended::Closed(_) => Received::End { closed: true },
            Ended::Violated(violation) => Received::Failed(violation.why.to_owned()),
        })
    }
}

/// Tells a wake-up by the socket from all others of the task: most are for something to be written, and reading in vain
/// costs a tenth of a delivery.
#[derive(Debug)]
struct Readable {
    woken: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Readable {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for WebSocket<S> {
    const FORMAT: TransferFormat = TransferFormat::Binary;

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        if let Some(end) = self.end() {
            return Poll::Ready(end);
        }
        self.readable.task.register(cx.waker());
        if !self.readable.woken.swap(false, Ordering::Acquire) {
            return Poll::Pending;
        }
        let mut space = [MaybeUninit::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        let mut cx = Context::from_waker(&self.on_readable);
        let read = ready!(Pin::new(&mut self.socket).poll_read(&mut cx, &mut buffer));
        // There may be more.
        self.readable.woken.store(true, Ordering::Relaxed);
        if read.is_err() || buffer.filled().is_empty() {
            return Poll::Ready(Received::End { closed: false });
        }
        let data = self.take(buffer.filled_mut());
        let end = if data.is_empty() { self.end() } else { None };
        Poll::Ready(end.unwrap_or(Received::Bytes(data)))
    }

    fn has_room(&self) -> bool {
        self.frames_out.has_room()
    }

    fn send(&mut self, messages: Bytes, format: TransferFormat) -> Result<(), Lost> {
        let kind = match format {
            TransferFormat::Text => Data::Text,
            TransferFormat::Binary => Data::Binary,
        };
        self.frames_out.message(kind, messages);
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.frames_out.poll_flush(&mut self.socket, cx).map_err(|_| Lost)
    }

    fn taken(&self) -> u64 {
        self.frames_out.taken()
    }

    async fn close(&mut self) {
        self.frames_out.close(match self.ended {
            // Never without a code: clients take that for an error (P-WS-04, P-WS-07).
            None => Some(NORMAL),
            Some(Ended::Closed(code)) => code,
            Some(Ended::Violated(violation)) => Some(violation.code),
        });
        if poll_fn(|cx| self.frames_out.poll_flush(&mut self.socket, cx)).await.is_err() {
            return;
        }
        if let Some(Ended::Violated(_)) = self.ended {
            // The connection fails at this end first (7.1.7). Closed over bytes that nobody has read, the socket would be
            // reset, and the client might never see why.
            poll_fn(|cx| self.poll_shutdown(cx)).await;
        }
        if !matches!(self.ended, Some(Ended::Closed(_))) {
            poll_fn(|cx| self.poll_drain(cx)).await;
        }
        poll_fn(|cx| self.poll_shutdown(cx)).await;
    }
}

#[cfg(test)]
mod autobahn;
#[cfg(test)]
mod tests;
