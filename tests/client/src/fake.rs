//! A server that does as it is told, right or wrong.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

use crate::deadline;

/// Listens, and leaves everything else to the test.
pub struct Fake {
    listener: TcpListener,
    address: SocketAddr,
}

impl Fake {
    /// Listens on a port that the system chooses.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, address }
    }

    /// Its address, with a path.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next connection.
    pub async fn accept(&self) -> TcpStream {
        deadline("a connection", self.listener.accept()).await.expect("it is whole").0
    }

    /// Takes one HTTP request, answers it, and gives the request's head.
    pub async fn answer(&self, status: &str, headers: &str, body: &str) -> String {
        let mut socket = self.accept().await;
        let request = deadline("a request", read_head(&mut socket)).await;
        let length = body.len();
        let response =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}");
        // The client may have read enough.
        let _ = socket.write_all(response.as_bytes()).await;
        request
    }

    /// Takes one WebSocket.
    pub async fn upgrade(&self) -> Socket {
        self.upgrade_with("").await
    }

    /// Takes one WebSocket, and answers with these headers beside those that are needed.
    #[expect(clippy::result_large_err, reason = "it is the library's type")]
    async fn upgrade_with(&self, headers: &str) -> Socket {
        let socket = self.accept().await;
        let add = |_: &Request, mut response: Response| {
            for (name, value) in headers.lines().filter_map(|line| line.split_once(": ")) {
                let name = HeaderName::try_from(name).expect("it is a name");
                response.headers_mut().append(name, HeaderValue::try_from(value).expect("it is a value"));
            }
            Ok(response)
        };
        let upgraded = deadline("an upgrade", tokio_tungstenite::accept_hdr_async(socket, add)).await;
        Socket { stream: upgraded.expect("it asks for a WebSocket"), rest: None }
    }

    /// Takes one WebSocket, and answers its handshake.
    pub async fn open(&self) -> Socket {
        self.open_with("").await
    }

    /// The same, with these headers in the answer.
    pub async fn open_with(&self, headers: &str) -> Socket {
        let mut socket = self.upgrade_with(headers).await;
        let request = socket.receive().await;
        assert!(request.starts_with("{\"protocol\":"), "{request}");
        socket.send("{}\u{1e}").await;
        // The ping that arms the timeout (P-HS-19); calls may come with it (P-FRM-07).
        let first = socket.receive().await;
        let rest = first.strip_prefix("{\"type\":6}\u{1e}").unwrap_or_else(|| panic!("no ping in {first}"));
        socket.rest = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
        socket
    }
}

/// The head of an HTTP request.
pub(crate) async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("the request is whole"));
    }
    String::from_utf8(head).expect("it is text")
}

/// The server's end of a WebSocket.
pub struct Socket {
    /// The WebSocket.
    pub stream: WebSocketStream<TcpStream>,
    /// What came together with the first ping.
    rest: Option<String>,
}

impl Socket {
    /// The next text or binary message, as text. What is closed gives `closed`.
    pub async fn receive(&mut self) -> String {
        if let Some(rest) = self.rest.take() {
            return rest;
        }
        loop {
            let message = deadline("a message", self.stream.next()).await;
            match message {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Binary(bytes))) => return String::from_utf8_lossy(&bytes).into_owned(),
                Some(Ok(Message::Close(frame))) => {
                    return format!("closed {}", frame.map_or(1005, |frame| u16::from(frame.code)));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return format!("failed: {error}"),
                None => return "ended".to_owned(),
            }
        }
    }

    /// Sends a text message.
    pub async fn send(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("the client is there");
    }

    /// Drops the socket without a word.
    pub fn cut(self) {
        drop(self.stream);
    }
}
