//! The server of a replay: it takes what our client sends, and sends what the recorded server sent.

use std::collections::HashMap;

use client_tests::deadline;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use transcripts::{Kind, Lane, Names, Protocol, Sent, Step};

/// The server's ends of the connections, by their recorded numbers.
pub(crate) struct Server {
    /// None once nobody is served any more.
    listener: Option<TcpListener>,
    pub(crate) port: u16,
    /// Requests that wait for their answers.
    requests: HashMap<u32, (TcpStream, String)>,
    pub(crate) sockets: HashMap<u32, Socket>,
}

impl Server {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let port = listener.local_addr().expect("it is bound").port();
        Self { listener: Some(listener), port, requests: HashMap::new(), sockets: HashMap::new() }
    }

    /// Takes the next request, and compares it with the recorded one.
    pub(crate) async fn request(&mut self, step: &Step, names: &mut Names) -> Result<(), String> {
        let listener = self.listener.as_ref().ok_or("nobody listens")?;
        let what = format!("the request {} {}", step.head.method, step.head.path);
        let (mut socket, _) = deadline(&what, listener.accept()).await.map_err(|error| error.to_string())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(deadline(&what, socket.read_u8()).await.map_err(|error| format!("{what}: {error}"))?);
        }
        let head = String::from_utf8(head).map_err(|error| error.to_string())?;
        let expected = format!("{} {} HTTP/1.1", step.head.method, names.fill(&step.head.path));
        let mut lines = head.lines();
        if lines.next() != Some(expected.as_str()) {
            return Err(format!("expected {expected}, got {head}"));
        }
        let live = |name: &str| {
            let pair =
                head.lines().filter_map(|line| line.split_once(": ")).find(|(of, _)| of.eq_ignore_ascii_case(name));
            pair.map(|(_, value)| value)
        };
        // Who the client is, and what the upgrade itself needs, differs.
        let own = |name: &str, value: &str| {
            matches!(name, "Connection" | "Upgrade") || name.starts_with("Sec-WebSocket") || value.contains(".NET")
        };
        for (name, value) in step.head.headers.iter().filter(|(name, value)| !own(name, value)) {
            let live = live(name).ok_or(format!("no {name} in {head}"))?;
            let [value, live] = [value.as_str(), live].map(|value| value.trim_start_matches("Bearer ").into());
            names.unify(&value, &live).map_err(|why| format!("{name}: {why}"))?;
        }
        self.requests.insert(step.conn, (socket, head));
        Ok(())
    }

    /// Answers the request as recorded.
    pub(crate) async fn respond(&mut self, step: &Step, protocol: Protocol, names: &Names) -> Result<(), String> {
        let (mut socket, head) = self.requests.remove(&step.conn).ok_or("nothing to answer")?;
        let body = names.fill(step.text());
        let mut answer = format!("HTTP/1.1 {} {}\r\n", step.head.status, step.head.reason);
        if step.head.status != 101 {
            answer += &format!("Content-Length: {}\r\n", body.len());
        }
        for (name, value) in &step.head.headers {
            let value = match name.as_str() {
                "Content-Length" | "Transfer-Encoding" => continue,
                "Sec-WebSocket-Accept" => {
                    let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
                    let key = pairs.find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"));
                    derive_accept_key(key.ok_or("no key")?.1.as_bytes())
                }
                _ => names.fill(value),
            };
            answer += &format!("{name}: {value}\r\n");
        }
        answer += &format!("\r\n{body}");
        socket.write_all(answer.as_bytes()).await.map_err(|error| error.to_string())?;
        if step.head.status == 101 {
            let stream = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
            self.sockets.insert(step.conn, Socket::new(stream, protocol));
        }
        Ok(())
    }

    /// Cuts a connection, and serves nobody else if nobody else comes.
    pub(crate) fn cut(&mut self, conn: u32, was_last: bool) {
        if was_last {
            self.listener = None;
        }
        self.sockets.remove(&conn);
    }

    pub(crate) fn socket(&mut self, conn: u32) -> Result<&mut Socket, String> {
        self.sockets.get_mut(&conn).ok_or(format!("connection {conn} is no WebSocket"))
    }
}

/// The server's end of a WebSocket, and what came in on it.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// What the recorded client sent so far.
    pub(crate) recorded: Sent,
    /// What our client has sent.
    pub(crate) live: Sent,
    pongs: Vec<Bytes>,
    /// The server has said goodbye.
    closing: bool,
    /// The code of our client's close frame, 0 for an end without one.
    closed: Option<u16>,
}

impl Socket {
    fn new(stream: WebSocketStream<TcpStream>, protocol: Protocol) -> Self {
        let [recorded, live] = [(); 2].map(|()| Sent::new(protocol));
        Self { stream, recorded, live, pongs: Vec::new(), closing: false, closed: None }
    }

    /// Sends a frame as the recorded server did.
    pub(crate) async fn send(&mut self, step: &Step, bytes: Vec<u8>) -> Result<(), String> {
        let message = match (step.head.opcode, &step.kind) {
            (_, Kind::WsPing) => Message::Ping(bytes.into()),
            (_, Kind::WsClose) => {
                self.closing = true;
                Message::Close(step.head.code.map(|code| CloseFrame { code: code.into(), reason: "".into() }))
            }
            (opcode, kind) => {
                let data = match kind {
                    _ if opcode == Some(0) => Data::Continue,
                    Kind::WsText => Data::Text,
                    _ => Data::Binary,
                };
                Message::Frame(Frame::message(bytes, OpCode::Data(data), step.head.fin.unwrap_or(true)))
            }
        };
        let sent = self.stream.send(message).await;
        // Who has said goodbye does not wait for the answer.
        if self.closed.is_some() || self.live.has(&Lane::Close) {
            return Ok(());
        }
        sent.map_err(|error| format!("sending failed: {error}"))
    }

    /// Reads until this is so.
    pub(crate) async fn read_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), String> {
        deadline(what, async {
            while !is_so(self) {
                if self.closed.is_some() {
                    return Err(format!("the connection ended before {what}"));
                }
                self.advance().await?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn expect_pong(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.read_until("the pong", |socket| socket.pongs.iter().any(|pong| pong == bytes)).await
    }

    /// Our client closes the WebSocket, too.
    pub(crate) async fn expect_close(&mut self, code: Option<u16>) -> Result<(), String> {
        self.read_until("the close frame", |socket| socket.closed.is_some()).await?;
        // Who answers a close frame sends back its code (RFC 6455, 5.5.1).
        if self.closing || self.closed == code { Ok(()) } else { Err(format!("the close frame is {:?}", self.closed)) }
    }

    /// Reads one WebSocket message.
    async fn advance(&mut self) -> Result<(), String> {
        match self.stream.next().await {
            Some(Ok(Message::Text(text))) => self.live.feed(text.as_bytes()).map(drop)?,
            Some(Ok(Message::Binary(bytes))) => self.live.feed(&bytes).map(drop)?,
            Some(Ok(Message::Pong(bytes))) => self.pongs.push(bytes),
            Some(Ok(Message::Close(frame))) => {
                self.closed = Some(frame.map_or(0, |frame| frame.code.into()));
                // Its answer is not written before.
                let _ = self.stream.flush().await;
            }
            Some(Ok(_)) => {}
            None | Some(Err(_)) => self.closed = self.closed.or(Some(0)),
        }
        Ok(())
    }
}
