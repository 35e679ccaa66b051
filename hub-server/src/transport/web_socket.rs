//! WebSocket (protocol.md section 17): the upgrade, and the transport.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hub_core::TransferFormat;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, frame::Frame};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};

use super::{Lost, Received, Transport};

/// The buffer that each connection reads into. It is the largest part of an idle connection's memory.
const READ_BUFFER: usize = 4 * 1024;

/// How much is written at once. The write buffer grows to this and never shrinks, so longer messages leave in fragments.
const WRITE_CHUNK: usize = 16 * 1024;

/// How large one WebSocket message may be: many hub messages may share one, so the limit of those does not apply to it
/// (P-WS-11). It is held in memory until its end has come.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// Whether the client asks for a WebSocket.
pub(crate) fn is_upgrade(parts: &Parts) -> bool {
    parts.method == Method::GET
        && has_token(&parts.headers, header::CONNECTION, "upgrade")
        && has_token(&parts.headers, header::UPGRADE, "websocket")
}

/// The answer that turns the connection into a WebSocket, or why it cannot become one (RFC 6455, 4.2).
pub(crate) fn accept<B: Default>(headers: &HeaderMap) -> Result<Response<B>, &'static str> {
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err("Sec-WebSocket-Version must be 13");
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or("Sec-WebSocket-Key is missing")?;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(|_| "Sec-WebSocket-Key is bad")?;
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
}

pub(crate) struct WebSocket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    /// Woken when there is something to read, and the same as a waker.
    readable: Arc<Readable>,
    on_readable: Waker,
    /// What of a long message has not been sent yet.
    rest: Bytes,
    /// Bytes in the write buffer.
    buffered: usize,
}

impl WebSocket {
    /// `receive_limit` is the largest hub message that is accepted.
    pub(crate) async fn new(upgraded: Upgraded, receive_limit: usize) -> Self {
        let max_message = Some(receive_limit.saturating_add(1024).max(MAX_MESSAGE));
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            // Nothing is written before the flush, so that all that is ready leaves in one write.
            .write_buffer_size(2 * WRITE_CHUNK)
            .max_write_buffer_size(usize::MAX)
            .max_message_size(max_message)
            .max_frame_size(max_message);
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let readable = Arc::new(Readable { woken: AtomicBool::new(true), task: AtomicWaker::new() });
        let on_readable = Arc::clone(&readable).into();
        Self { stream, readable, on_readable, rest: Bytes::new(), buffered: 0 }
    }

    /// Buffers as much of a message as one write takes.
    fn send_fragment(&mut self, mut message: Bytes, opcode: Data) -> Result<(), Lost> {
        self.rest = message.split_off(message.len().min(WRITE_CHUNK));
        // Never zero while a frame waits, be it an empty one.
        self.buffered += message.len() + 1;
        let frame = Frame::message(message, OpCode::Data(opcode), self.rest.is_empty());
        Pin::new(&mut self.stream).start_send(Message::Frame(frame)).map_err(|_| Lost)
    }
}

/// Tells a wake-up by the socket from all others of the task: most are for something to be written, and reading in vain
/// costs a tenth of a delivery.
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

impl Transport for WebSocket {
    const FORMAT: TransferFormat = TransferFormat::Binary;

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        self.readable.task.register(cx.waker());
        if !self.readable.woken.swap(false, Ordering::Acquire) {
            return Poll::Pending;
        }
        let mut cx = Context::from_waker(&self.on_readable);
        loop {
            let Poll::Ready(received) = Pin::new(&mut self.stream).poll_next(&mut cx) else { return Poll::Pending };
            // There may be more.
            self.readable.woken.store(true, Ordering::Relaxed);
            return Poll::Ready(match received {
                Some(Ok(Message::Text(text))) => Received::Bytes(text.into()),
                Some(Ok(Message::Binary(bytes))) => Received::Bytes(bytes),
                // Answered by the stream itself; neither resets a hub timer (P-WS-10).
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                // With whatever code (P-WS-06, P-WS-09).
                Some(Ok(Message::Close(_))) | None => Received::End { closed: true },
                Some(Err(Error::Capacity(_))) => Received::TooLarge,
                Some(Err(Error::Io(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                    Received::End { closed: false }
                }
                Some(Err(error)) => Received::Failed(error.to_string()),
            });
        }
    }

    fn has_room(&self) -> bool {
        self.rest.is_empty() && self.buffered < WRITE_CHUNK
    }

    fn send(&mut self, messages: Bytes, format: TransferFormat) -> Result<(), Lost> {
        let opcode = match format {
            TransferFormat::Text => Data::Text,
            TransferFormat::Binary => Data::Binary,
        };
        self.send_fragment(messages, opcode)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        while self.buffered > 0 {
            ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(|_| Lost)?;
            self.buffered = 0;
            if !self.rest.is_empty() {
                let rest = std::mem::take(&mut self.rest);
                self.send_fragment(rest, Data::Continue)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    async fn close(&mut self) {
        // Always 1000: clients take a close without a code for an error (P-WS-04, P-WS-07).
        let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // It fails when the client has said goodbye first: reading on is what sends the answer to that.
        let _ = self.stream.send(Message::Close(Some(normal))).await;
        while let Some(Ok(_)) = self.stream.next().await {}
    }
}
