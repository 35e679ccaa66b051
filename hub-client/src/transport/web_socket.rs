//! WebSocket (protocol.md section 17): the upgrade, and the transport.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Request, header};
use hub_core::{ProtocolError, TransferFormat};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, error};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{Lost, Received};
use crate::dial::{Dialer, Socket};
use crate::error::ConnectError;
use crate::url::Url;

/// What is read at once.
const READ_BUFFER: usize = 16 * 1024;

/// How much may wait to be flushed before more is taken.
const WRITE_LIMIT: usize = 64 * 1024;

/// How large one WebSocket message may be at least: many hub messages may share one, so the limit of those does not apply
/// to it (P-WS-11). Room for it is made when its length is announced, true or not.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

pub(crate) struct WebSocket {
    stream: WebSocketStream<Box<dyn Socket>>,
    /// Bytes in the write buffer.
    buffered: usize,
}

impl WebSocket {
    /// Dials, and asks for the upgrade. No subprotocol and no extension is offered (P-WS-02, P-WS-12). `receive_limit` is the
    /// largest hub message that is accepted.
    pub(crate) async fn connect(
        dialer: &Dialer,
        url: &Url,
        headers: HeaderMap,
        receive_limit: usize,
    ) -> Result<Self, ConnectError> {
        let socket = dialer.dial(url).await?;
        let mut request = Request::new(());
        let failed =
            |why: String| ConnectError::Upgrade { status: None, text: format!("No WebSocket at {url}: {why}") };
        *request.uri_mut() =
            url.with_scheme("ws").parse().map_err(|error: http::uri::InvalidUri| failed(error.to_string()))?;
        *request.headers_mut() = headers;
        let key = HeaderValue::try_from(generate_key()).map_err(|error| failed(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
        let max_message = Some(receive_limit.max(MAX_MESSAGE));
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            // Nothing is written before the flush, so that all that is ready leaves in one write.
            .write_buffer_size(2 * WRITE_LIMIT)
            .max_write_buffer_size(usize::MAX)
            .max_message_size(max_message)
            .max_frame_size(max_message);
        match client_async_with_config(request, socket, Some(config)).await {
            Ok((stream, _)) => Ok(Self { stream, buffered: 0 }),
            Err(Error::Http(response)) => {
                let status = response.status();
                let text = format!("The server did not accept a WebSocket: the answer is {status}.");
                Err(ConnectError::Upgrade { status: Some(status.as_u16()), text })
            }
            Err(error) => Err(failed(error.to_string())),
        }
    }

    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                // Whatever the opcode (P-WS-03).
                Some(Ok(Message::Text(text))) => Received::Bytes(text.into()),
                Some(Ok(Message::Binary(bytes))) => Received::Bytes(bytes),
                // Answered by the stream itself; neither resets a hub timer (P-WS-10).
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(frame))) => Received::End(closed(frame.as_ref())),
                None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => Received::End(closed(None)),
                Some(Err(Error::Protocol(error::ProtocolError::ResetWithoutClosingHandshake))) => {
                    Received::End(Lost::new("the server ended it without a word.").0)
                }
                Some(Err(Error::Io(error))) => Received::End(Lost::new(error).0),
                Some(Err(error)) => Received::Failed(ProtocolError::Transport(error.to_string())),
            });
        }
    }

    /// Whether [`send`](Self::send) may be called: not too much waits to be flushed.
    pub(crate) fn has_room(&self) -> bool {
        self.buffered < WRITE_LIMIT
    }

    /// Takes whole hub messages, to leave with the next flush.
    pub(crate) fn send(&mut self, messages: Bytes, format: TransferFormat) -> Result<(), Lost> {
        let opcode = match format {
            TransferFormat::Text => Data::Text,
            TransferFormat::Binary => Data::Binary,
        };
        self.buffered += messages.len() + 1;
        let frame = Frame::message(messages, OpCode::Data(opcode), true);
        Pin::new(&mut self.stream).start_send(Message::Frame(frame)).map_err(Lost::new)
    }

    /// Ready when everything that was sent is with the operating system.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        if self.buffered > 0 {
            ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(Lost::new)?;
            self.buffered = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Says goodbye.
    pub(crate) async fn close(&mut self) {
        // Always 1000 (P-WS-09). It fails when the server has said goodbye first, or is gone.
        let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let _ = self.stream.send(Message::Close(Some(normal))).await;
    }

    /// Waits until the server has said goodbye too: a socket that is dropped earlier may take what was sent with it.
    pub(crate) async fn wait_closed(&mut self) {
        while let Some(Ok(message)) = self.stream.next().await {
            if message.is_close() {
                // Nothing comes behind it (RFC 6455, section 5.5.1).
                return;
            }
        }
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
