//! WebSocket (protocol.md section 17): the transport.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::HeaderMap;
use hub_core::{ProtocolError, TransferFormat};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::{CloseCode, Data};

use super::frames::{Frames, Piece};
use super::masked::Outgoing;
use super::upgrade::{Upgraded, upgrade};
use super::{Lost, Received};
use crate::dial::{Dialer, Socket};
use crate::error::ConnectError;
use crate::url::Url;

/// What is read at once, while it is not known that more comes.
const READ_BUFFER: usize = 16 * 1024;

/// What is read at once of a long frame.
pub(crate) const LARGEST_READ: usize = 64 * 1024;

/// With less room than this in the buffer there is a new one. Small messages that wait to be taken so share one.
const LEAST_ROOM: usize = 1024;

/// How much may wait to be flushed before more is taken.
const WRITE_LIMIT: usize = 64 * 1024;

pub(crate) struct WebSocket {
    socket: Box<dyn Socket>,
    frames: Frames,
    out: Outgoing,
    /// Something was written since the last flush.
    unflushed: bool,
    /// What our close frame says: what the server's said, or what is wrong.
    code: CloseCode,
    /// Our close frame is under way.
    is_closing: bool,
    /// Nothing more comes.
    has_ended: bool,
}

impl WebSocket {
    /// Dials, and asks for the upgrade. Gives the headers of the answer, too.
    pub(crate) async fn connect(
        dialer: &Dialer,
        url: &Url,
        headers: HeaderMap,
    ) -> Result<(Self, HeaderMap), ConnectError> {
        let Upgraded { socket, read, headers } = upgrade(dialer, url, headers).await?;
        Ok((Self::new(socket, BytesMut::from(read)), headers))
    }

    /// On a socket that was upgraded, of which so much was read already.
    pub(crate) fn new(socket: Box<dyn Socket>, read: BytesMut) -> Self {
        Self {
            socket,
            frames: Frames::new(read),
            out: Outgoing::default(),
            unflushed: false,
            // P-WS-09
            code: CloseCode::Normal,
            is_closing: false,
            has_ended: false,
        }
    }

    /// The next bytes of messages, whatever the opcode (P-WS-03) and wherever they are cut. Pings are answered on the way;
    /// neither resets a hub timer (P-WS-10).
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        if self.has_ended {
            return Poll::Ready(Received::End(closed(None)));
        }
        loop {
            let end = match self.frames.next() {
                Ok(Some(Piece::Data(bytes))) => return Poll::Ready(Received::Bytes(bytes)),
                Ok(Some(Piece::Ping(_))) if self.is_closing => continue,
                Ok(Some(Piece::Ping(payload))) => match self.out.pong(payload) {
                    Ok(()) => continue,
                    Err(Lost(why)) => Received::End(why),
                },
                Ok(Some(Piece::Close(frame))) => {
                    self.code = frame.as_ref().map_or(CloseCode::Normal, |frame| frame.code);
                    Received::End(closed(frame.as_ref()))
                }
                Err(violation) => {
                    self.code = violation.code;
                    Received::Failed(ProtocolError::Transport(format!("it sent {}.", violation.why)))
                }
                Ok(None) => match self.poll_read(cx) {
                    Poll::Ready(Ok(0)) => Received::End(Lost::new("the server ended it without a word.").0),
                    Poll::Ready(Ok(_)) => continue,
                    Poll::Ready(Err(error)) => Received::End(Lost::new(error).0),
                    Poll::Pending => {
                        if self.out.has_pong() {
                            // Whoever writes next learns of a failure.
                            let _ = self.poll_flush(cx);
                        }
                        return Poll::Pending;
                    }
                },
            };
            self.has_ended = true;
            return Poll::Ready(end);
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let missing = usize::try_from(self.frames.missing()).unwrap_or(usize::MAX);
        let buffer = &mut self.frames.buffer;
        if buffer.capacity() - buffer.len() < LEAST_ROOM {
            buffer.reserve(missing.clamp(READ_BUFFER, LARGEST_READ));
        }
        pin!(self.socket.read_buf(buffer)).poll(cx)
    }

    /// Whether [`send`](Self::send) may be called: not too much waits to be flushed.
    pub(crate) fn has_room(&self) -> bool {
        self.out.len() < WRITE_LIMIT
    }

    /// Takes whole hub messages, to leave with the next flush.
    pub(crate) fn send(&mut self, messages: &[u8], format: TransferFormat) -> Result<(), Lost> {
        if self.is_closing {
            return Err(Lost::new("it is closing."));
        }
        let kind = match format {
            TransferFormat::Text => Data::Text,
            TransferFormat::Binary => Data::Binary,
        };
        self.out.message(kind, messages)
    }

    /// Ready when everything that was sent is with the operating system.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        while self.out.len() > 0 {
            self.unflushed = true;
            let written = Pin::new(&mut self.socket).poll_write(cx, self.out.bytes());
            let written = ready!(written).map_err(Lost::new)?;
            if written == 0 {
                return Poll::Ready(Err(Lost::new(io::Error::from(io::ErrorKind::WriteZero))));
            }
            self.out.written(written)?;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.socket).poll_flush(cx)).map_err(Lost::new)?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Says goodbye.
    pub(crate) async fn close(&mut self) {
        if !self.is_closing {
            self.is_closing = true;
            if self.out.close(self.code).is_err() {
                return;
            }
        }
        // It fails when the server is gone.
        let _ = std::future::poll_fn(|cx| self.poll_flush(cx)).await;
    }

    /// Waits until the server has said goodbye too: a socket that is dropped earlier may take what was sent with it.
    pub(crate) async fn wait_closed(&mut self) {
        // What comes before is nobody's any more. Nothing comes behind it (RFC 6455, section 5.5.1).
        while let Received::Bytes(_) = std::future::poll_fn(|cx| self.poll_receive(cx)).await {}
    }
}

/// P-WS-07
fn closed(frame: Option<&CloseFrame>) -> String {
    match frame {
        Some(CloseFrame { code: CloseCode::Normal, .. }) => "The server closed the WebSocket.".to_owned(),
        None => "WebSocket closed with status code: 1005 (no reason given).".to_owned(),
        Some(CloseFrame { code, reason }) => {
            let reason = if reason.is_empty() { "no reason given" } else { reason.as_str() };
            format!("WebSocket closed with status code: {} ({reason}).", u16::from(*code))
        }
    }
}
