//! The heads of requests: what they must have, and how large they may be.

use hub_core::Untyped;
use hub_server::{Context, Hub, HubOptions, HubRoute, hub};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Server, within};

struct Echo {
    cx: Context<Self>,
}

impl Hub for Echo {
    type Client = Untyped;
}

#[hub]
impl Echo {
    #[method]
    async fn header(&self, name: &str) -> hub_core::Result<Option<usize>> {
        Ok(self.cx.request().header(name).map(str::len))
    }
}

/// The status of the answer to this head, byte for byte.
async fn status(server: &Server, head: &str) -> u16 {
    let exchange = async {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        socket.read_exact(&mut start).await.unwrap();
        std::str::from_utf8(&start[9..]).unwrap().parse().unwrap()
    };
    within("an answer", exchange).await
}

#[tokio::test]
async fn one_host() {
    // RFC 9112, 3.2
    let (server, _) = Server::of(HubRoute::new(|cx| Echo { cx })).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    for (hosts, is_good) in [
        ("Host: a\r\n", true),
        ("Host: a:5000\r\n", true),
        ("Host: [::1]:5000\r\n", true),
        ("Host:\r\n", true),
        ("", false),
        ("Host: a\r\nHost: a\r\n", false),
        ("Host: a b\r\n", false),
        ("Host: user@a\r\n", false),
    ] {
        let open = status(&server, &format!("GET /hub HTTP/1.1\r\n{hosts}{upgrade}\r\n")).await;
        let negotiate = format!("POST /hub/negotiate HTTP/1.1\r\n{hosts}Content-Length: 0\r\n\r\n");
        let expected = if is_good { (101, 200) } else { (400, 400) };
        assert_eq!((open, status(&server, &negotiate).await), expected, "{hosts:?}");
    }
    assert_eq!(status(&server, "POST /hub/negotiate HTTP/1.0\r\nContent-Length: 0\r\n\r\n").await, 200);
}

#[tokio::test]
async fn a_head_within_its_bound() {
    let options = HubOptions { maximum_request_head_size: 4096, ..HubOptions::default() };
    let (server, _) = Server::of(HubRoute::new(|cx| Echo { cx }).options(options).unwrap()).await;
    let (good, large) = ("x".repeat(3000), "x".repeat(4096));
    let mut client = server.try_open("/hub", &[("x-large", &good)]).await.unwrap();
    client.handshake().await;
    assert_eq!(client.call("Header", ("x-large",)).await, Ok(json!(3000)));
    assert_eq!(server.dial("/hub", &[("x-large", &large)]).await, 431);
    assert_eq!(server.request("POST", "/hub/negotiate", &[("x-large", &large)]).await.status, 431);
    assert_eq!(server.dial("/hub", &[("x-one", &good), ("x-two", &good)]).await, 431, "all together");
    assert_eq!(server.request("GET", &format!("/hub?x={large}"), &[]).await.status, 414);
}
