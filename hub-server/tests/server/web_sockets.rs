//! WebSocket messages as a stream (P-WS-11), and what lies below a WebSocket.

use axum::Router;
use futures_util::{SinkExt, StreamExt};
use hub_core::{Result, Untyped};
use hub_server::{Context, Hub, HubRoute, hub};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::{CLOSED_WITH_ERROR, Server, close, invocation, within};

struct Echo {
    #[allow(dead_code)]
    cx: Context<Self>,
}

impl Hub for Echo {
    type Client = Untyped;
}

#[hub]
impl Echo {
    #[method]
    async fn echo(&self, text: String) -> Result<String> {
        Ok(text)
    }
}

fn route() -> HubRoute<Echo> {
    HubRoute::new(|cx| Echo { cx })
}

fn fragment(kind: Data, text: &str, is_last: bool) -> Message {
    Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(kind), is_last))
}

const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\x1e";

#[tokio::test]
async fn a_message_is_as_long_as_the_client_likes() {
    // 300 calls of 20 kB that the client packed together: 6 MB.
    let (server, _hub) = Server::of(route()).await;
    let client = server.connect().await;
    let (mut sink, mut stream) = client.socket.split();
    let text = "x".repeat(20_000);
    let calls: String = (0..300).map(|id| format!("{}\x1e", invocation(&id.to_string(), "Echo", [&text]))).collect();
    let receiving = async {
        let mut answers = 0;
        while answers < 300 {
            let message = within("an answer", stream.next()).await.unwrap().unwrap().into_text().unwrap();
            answers += message.matches("\"type\":3").count();
            assert!(!message.contains("\"error\""), "{message}");
        }
    };
    let (sent, ()) = tokio::join!(sink.send(Message::text(calls)), receiving);
    sent.unwrap();
}

#[tokio::test]
async fn what_has_come_of_a_message_is_served_before_the_rest() {
    let (server, _hub) = Server::of(route()).await;
    let mut client = server.connect().await;
    let calls = ["1", "2", "3"].map(|id| format!("{}\x1e", invocation(id, "Echo", [id])));
    // Cut within the second call; then a frame, and a message, that end with nothing.
    let (half, rest) = calls[1].split_at(20);
    client.try_send(fragment(Data::Binary, &format!("{}{half}", calls[0]), false)).await.unwrap();
    assert_eq!(client.next().await["result"], "1");
    client.try_send(Message::Ping("between".into())).await.unwrap();
    client.try_send(fragment(Data::Continue, rest, false)).await.unwrap();
    assert_eq!(client.next().await["result"], "2");
    client.try_send(fragment(Data::Continue, "", true)).await.unwrap();
    client.send_text(&calls[2]).await;
    assert_eq!(client.next().await["result"], "3");
}

#[tokio::test]
async fn the_limit_is_that_of_a_hub_message() {
    let (server, _hub) = Server::of(route()).await;
    let mut client = server.connect().await;
    // A message that never ends: what is too much of it ends the connection, as a hub does that (P-LIM-30, P-WS-04).
    client.try_send(fragment(Data::Text, "{\"type\":6}\x1e", false)).await.unwrap();
    for _ in 0..5 {
        client.try_send(fragment(Data::Continue, &" ".repeat(10_000), false)).await.unwrap();
    }
    assert_eq!(client.rest().await, (vec![close(Some(CLOSED_WITH_ERROR), true)], Some(1000)));
}

/// A masked text frame; the key leaves the text as it is.
fn frame(text: &str) -> Vec<u8> {
    assert!(text.len() < 126);
    [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat()
}

const UPGRADE: &str = "GET /hub HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn what_comes_right_behind_the_upgrade_is_not_lost() {
    let (server, _hub) = Server::of(route()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // More than is taken in at once, in one write with the request.
    let call = frame(&format!("{}\x1e", invocation("1", "Echo", ["hi"])));
    let all = [UPGRADE.as_bytes(), &frame(HANDSHAKE), &call.repeat(1000)].concat();
    let (mut reader, mut writer) = stream.split();
    let receiving = async {
        let mut answers = Vec::new();
        while answers.windows(4).filter(|part| part == b"\"hi\"").count() < 1000 {
            assert_ne!(within("answers", reader.read_buf(&mut answers)).await.unwrap(), 0);
        }
    };
    let (sent, ()) = tokio::join!(writer.write_all(&all), receiving);
    sent.unwrap();
}

#[tokio::test]
async fn other_sockets_than_tcp() {
    let (router, _hub) = route().build();
    let service = TowerToHyperService::new(Router::new().nest("/hub", router));
    let (server, mut client) = duplex(1000);
    tokio::spawn(async move {
        let server = TokioIo::new(server);
        auto::Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(server, service).await.unwrap();
    });
    let call = frame(&format!("{}\x1e", invocation("1", "Echo", ["hi"])));
    client.write_all(&[UPGRADE.as_bytes(), &frame(HANDSHAKE), &call].concat()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x1e") || !answer.windows(4).any(|part| part == b"\"hi\"") {
        assert_ne!(within("an answer", client.read_buf(&mut answer)).await.unwrap(), 0);
    }
    client.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
    let mut rest = Vec::new();
    within("the end", client.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, [0x88, 0]);
}
