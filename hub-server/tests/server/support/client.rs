//! A client that knows nothing but WebSockets and JSON.

use std::collections::VecDeque;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{cancel, invocation, notice, stream_invocation, within};

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    received: VecDeque<Value>,
    pub(crate) pings: usize,
    close_code: Option<u16>,
}

impl Client {
    pub(super) async fn open(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
        receive_buffer: Option<u32>,
    ) -> Result<Self, u16> {
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let tcp = TcpSocket::new_v4().unwrap();
        if let Some(size) = receive_buffer {
            tcp.set_recv_buffer_size(size).unwrap();
        }
        let opening = async {
            let stream = tcp.connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            client_async(request, stream).await
        };
        match within("a WebSocket", opening).await {
            Ok((socket, _)) => Ok(Self { socket, received: VecDeque::new(), pings: 0, close_code: None }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn handshake(&mut self) {
        self.send_text("{\"protocol\":\"json\",\"version\":1}\x1e").await;
        assert_eq!(self.next().await, json!({}));
    }

    // Sending.

    /// Sends a text frame as it is.
    pub(crate) async fn send_text(&mut self, text: &str) {
        self.try_send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, message: Message) -> Result<(), Error> {
        within("room to send", self.socket.send(message)).await
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_text(&format!("{message}\x1e")).await;
    }

    /// Sends a call and does not wait for its answer.
    pub(crate) async fn begin(&mut self, id: &str, target: &str, arguments: impl Serialize) {
        self.send(&invocation(id, target, arguments)).await;
    }

    pub(crate) async fn begin_stream(&mut self, id: &str, target: &str, arguments: impl Serialize) {
        self.send(&stream_invocation(id, target, arguments)).await;
    }

    pub(crate) async fn notify(&mut self, target: &str, arguments: impl Serialize) {
        self.send(&notice(target, arguments)).await;
    }

    pub(crate) async fn cancel(&mut self, id: &str) {
        self.send(&cancel(id)).await;
    }

    /// A call, and the next message, which must be its answer.
    pub(crate) async fn call(&mut self, target: &str, arguments: impl Serialize) -> Result<Value, String> {
        self.begin("call", target, arguments).await;
        let mut answer = self.next().await;
        assert_eq!((&answer["type"], &answer["invocationId"]), (&json!(3), &json!("call")), "{answer}");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["result"].take()),
        }
    }

    // Receiving.

    /// The next message that is not a ping.
    pub(crate) async fn next(&mut self) -> Value {
        self.try_next().await.expect("the connection is open")
    }

    /// The next message that is not a ping, or nothing at the end of the connection.
    pub(crate) async fn try_next(&mut self) -> Option<Value> {
        loop {
            if let Some(message) = self.received.pop_front() {
                if message != json!({ "type": 6 }) {
                    return Some(message);
                }
                self.pings += 1;
            } else if !self.receive().await {
                return None;
            }
        }
    }

    /// All messages until the end of the connection, and the code of the close frame.
    pub(crate) async fn rest(&mut self) -> (Vec<Value>, Option<u16>) {
        let mut messages = Vec::new();
        while let Some(message) = self.try_next().await {
            messages.push(message);
        }
        (messages, self.close_code)
    }

    /// Waits for a number of pings.
    pub(crate) async fn wait_for_pings(&mut self, count: usize) {
        while self.pings < count {
            match self.received.pop_front() {
                Some(message) => {
                    assert_eq!(message, json!({ "type": 6 }));
                    self.pings += 1;
                }
                None => assert!(self.receive().await, "the connection is open"),
            }
        }
    }

    /// Takes one frame in. False at the end.
    async fn receive(&mut self) -> bool {
        match within("a message", self.socket.next()).await {
            Some(Ok(Message::Text(text))) => {
                let whole = text.strip_suffix('\x1e').expect("whole messages only (P-FRM-05)");
                self.received.extend(whole.split('\x1e').map(|text| serde_json::from_str::<Value>(text).unwrap()));
                true
            }
            Some(Ok(Message::Close(frame))) => {
                self.close_code = frame.map(|frame| frame.code.into());
                true
            }
            Some(Ok(_)) => true,
            Some(Err(_)) | None => false,
        }
    }

    // Ending.

    /// Closes the WebSocket by a close frame, and waits for the server's.
    pub(crate) async fn close(mut self) {
        within("a close frame", self.socket.close(None)).await.unwrap();
        self.rest().await;
    }

    /// Cuts the connection without a close frame.
    pub(crate) fn cut(self) {
        drop(self);
    }
}
