//! One WebSocket of a replay: what the recording says the server sent, and what it sends now.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rmpv::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{WebSocketStream, client_async};
use transcripts::{Kind, Lane, Names, Protocol, Sent, Step, invocation_id};

/// Nothing waits this long unless the server fails the test.
const DEADLINE: Duration = Duration::from_secs(15);

pub(crate) struct Connection {
    socket: WebSocketStream<TcpStream>,
    protocol: Protocol,
    client: Sent,
    recorded: Sent,
    live: Sent,
    /// The code of the server's close frame, 0 for an end without one.
    closed: Option<u16>,
}

impl Connection {
    pub(crate) async fn open(
        address: &str,
        path: &str,
        headers: &[(String, String)],
        protocol: Protocol,
    ) -> Result<Self, String> {
        let mut request = format!("ws://{address}{path}").into_client_request().map_err(|error| error.to_string())?;
        // The headers of the upgrade itself are tungstenite's.
        let own = |name: &str| matches!(name, "Host" | "Connection" | "Upgrade") || name.starts_with("Sec-WebSocket");
        for (name, value) in headers.iter().filter(|(name, _)| !own(name)) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            request.headers_mut().insert(name, HeaderValue::from_str(value).map_err(|error| error.to_string())?);
        }
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let (socket, _) = client_async(request, stream).await.map_err(|error| format!("no WebSocket: {error}"))?;
        let [client, recorded, live] = [(); 3].map(|()| Sent::new(protocol));
        Ok(Self { socket, protocol, client, recorded, live, closed: None })
    }

    /// Sends what the client sent, in the frames it used.
    pub(crate) async fn send(&mut self, step: &Step, names: &Names) -> Result<(), String> {
        let recorded = step.bytes();
        self.client.feed(&recorded)?;
        let data = match (step.head.opcode, &step.kind) {
            (Some(0), _) => Data::Continue,
            (_, Kind::WsText) => Data::Text,
            _ => Data::Binary,
        };
        let bytes = names.fill_bytes(self.protocol, &recorded);
        let frame = Frame::message(bytes, OpCode::Data(data), step.head.fin.unwrap_or(true));
        let sent = self.socket.send(Message::Frame(frame)).await;
        // A client may still talk while the server is closing.
        if self.closed.is_some() {
            return Ok(());
        }
        sent.map_err(|error| format!("sending failed: {error}"))
    }

    /// Waits for what the recording has the server send next, and compares.
    pub(crate) async fn expect(&mut self, bytes: &[u8], names: &mut Names) -> Result<(), String> {
        for (lane, at) in self.recorded.feed(bytes)? {
            if !self.is_due(&lane) {
                continue;
            }
            while self.live.count(&lane) <= at {
                if self.closed.is_some() {
                    return Err(format!("the connection ended before {}", self.recorded.lanes[&lane][at]));
                }
                let waiting = timeout(DEADLINE, self.advance());
                waiting.await.map_err(|_| format!("waited in vain for {}", self.recorded.lanes[&lane][at]))??;
            }
            self.compare(&lane, at, names)?;
        }
        Ok(())
    }

    /// Whether the server must send a message of this kind, rather than may.
    fn is_due(&self, lane: &Lane) -> bool {
        // How far a server gets behind a client's Close or cancellation is a matter of timing.
        !self.client.has(&Lane::Close) && !self.is_cancelled(lane)
    }

    fn is_cancelled(&self, lane: &Lane) -> bool {
        matches!(lane, Lane::Items(id) if self.client.cancelled().contains(id.as_str()))
    }

    fn compare(&self, lane: &Lane, at: usize, names: &mut Names) -> Result<(), String> {
        let (recorded, live) = (&in_the_words_of_11(&self.recorded.lanes[lane][at]), &self.live.lanes[lane][at]);
        // A server chooses the ids of its questions freely.
        if let (Lane::Calls, Some(recorded), Some(live)) = (lane, invocation_id(recorded), invocation_id(live)) {
            names.bind(recorded, live)?;
        }
        // The recorded server, a pre-release of 10, named the argument; no release does (P-INV-05).
        if recorded.to_string().replace("binding argument 1.", "binding arguments.") == live.to_string() {
            return Ok(());
        }
        names.unify(recorded, live).map_err(|why| format!("{why}\n  recorded: {recorded}\n  live: {live}"))
    }

    /// The server closed the WebSocket, if not in answer to the client.
    pub(crate) async fn expect_close(&mut self, code: u16) -> Result<(), String> {
        if self.client.has(&Lane::Close) {
            return Ok(());
        }
        self.read_to_end().await?;
        if self.closed != Some(code) {
            return Err(format!("expected a close frame {code}, got {:?}", self.closed));
        }
        Ok(())
    }

    /// Closes as the client did; the server has to end the connection then.
    pub(crate) async fn close(&mut self, code: u16) -> Result<(), String> {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        // Where the server closed first, tungstenite has answered already.
        let _ = self.socket.close(Some(frame)).await;
        self.read_to_end().await
    }

    async fn read_to_end(&mut self) -> Result<(), String> {
        while self.closed.is_none() {
            timeout(DEADLINE, self.advance()).await.map_err(|_| "waited in vain for the connection to end")??;
        }
        Ok(())
    }

    /// Reads one WebSocket message.
    async fn advance(&mut self) -> Result<(), String> {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => self.live.feed(text.as_bytes()).map(drop),
            Some(Ok(Message::Binary(bytes))) => self.live.feed(&bytes).map(drop),
            Some(Ok(Message::Close(frame))) => {
                self.closed = Some(frame.map_or(0, |frame| frame.code.into()));
                Ok(())
            }
            Some(Ok(_)) => Ok(()),
            None | Some(Err(_)) => {
                self.closed.get_or_insert(0);
                Ok(())
            }
        }
    }

    /// Looks for messages that the recording does not have, and compares streams that nobody waited for to the end.
    pub(crate) fn finish(&self, names: &mut Names) -> Result<(), String> {
        for (lane, live) in &self.live.lanes {
            let recorded = self.recorded.count(lane);
            match lane {
                Lane::Items(id) => {
                    (0..recorded.min(live.len())).try_for_each(|at| self.compare(lane, at, names))?;
                    let ended = self.recorded.has(&Lane::Completion(id.clone()));
                    if !ended || self.is_cancelled(lane) {
                        continue;
                    }
                }
                Lane::Close if self.client.has(&Lane::Close) => continue,
                _ => {}
            }
            if let Some(surplus) = live.get(recorded) {
                return Err(format!("the recording has no {surplus}"));
            }
        }
        Ok(())
    }
}

/// Over MessagePack the recordings are of a pre-release of version 10, which named the argument that did not bind (P-INV-05).
fn in_the_words_of_11(message: &Value) -> Value {
    const OF_10: &str = "Error binding argument ";
    match message {
        Value::Array(items) => Value::Array(items.iter().map(in_the_words_of_11).collect()),
        Value::String(text) => match text.as_str().and_then(|text| text.split_once(OF_10)) {
            Some((before, after)) => {
                let after = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
                Value::from(format!("{before}Error binding arguments{after}"))
            }
            None => message.clone(),
        },
        _ => message.clone(),
    }
}
