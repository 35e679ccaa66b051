//! Why connections end: what the hub is told, and what the client (section 13).

use std::time::{Duration, SystemTime};

use hub_core::{Identity, ProtocolError, Untyped};
use hub_server::{Context, DisconnectReason, Hub, HubHandle, HubOptions, HubRoute, hub};
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use crate::support::{CLOSED_WITH_ERROR, Events, NONE, Server, close, events, eventually};

struct Exit {
    cx: Context<Self>,
    events: UnboundedSender<DisconnectReason>,
}

impl Hub for Exit {
    type Client = Untyped;

    async fn disconnected(&self, reason: &DisconnectReason) {
        let _ = self.events.send(reason.clone());
    }
}

#[hub]
impl Exit {
    #[method]
    async fn abort(&self) {
        self.cx.abort();
    }
}

struct Test {
    server: Server,
    hub: HubHandle<Exit>,
    events: Events<DisconnectReason>,
}

async fn exit() -> Test {
    exit_with(HubOptions::default()).await
}

async fn exit_with(options: HubOptions) -> Test {
    let (sender, events) = events();
    let soon = || async { Ok(Identity::anonymous().expiring_at(SystemTime::now() + Duration::from_millis(250))) };
    let route = HubRoute::new(move |cx| Exit { cx, events: sender.clone() }).identify(move |_| soon());
    let (server, hub) = Server::of(route.options(options).unwrap()).await;
    Test { server, hub, events }
}

impl Test {
    /// The one reason that the hub was told, after which nothing more happens.
    async fn reason(&mut self) -> DisconnectReason {
        let reason = self.events.next().await;
        eventually("the end", async || self.hub.connection_count() == 0).await;
        self.events.assert_none();
        reason
    }
}

#[tokio::test]
async fn closed_by_a_message() {
    // P-CLS-06, P-CLS-07
    let mut test = exit().await;
    let mut client = test.server.connect().await;
    client.send(&close(None, false)).await;
    assert_eq!(client.rest().await, (vec![close(None, false)], Some(1000)));
    let reason = test.reason().await;
    assert_eq!((reason.error(), reason), (None, DisconnectReason::ClosedByClient));
}

#[tokio::test]
async fn closed_by_a_message_with_an_error() {
    let mut test = exit().await;
    let mut client = test.server.connect().await;
    client.send(&close(Some("out of memory"), false)).await;
    assert_eq!(client.rest().await, (vec![close(None, false)], Some(1000)));
    let reason = test.reason().await;
    let text = "out of memory".to_owned();
    assert_eq!((reason.error(), reason), (Some(text.clone()), DisconnectReason::ClientError(text)));
}

#[tokio::test]
async fn closed_by_a_close_frame_of_any_code() {
    // P-WS-06, P-WS-09
    let going_away = CloseFrame { code: CloseCode::Away, reason: "bye".into() };
    for frame in [None, Some(going_away)] {
        let mut test = exit().await;
        let mut client = test.server.connect().await;
        client.try_send(Message::Close(frame)).await.unwrap();
        assert_eq!(client.rest().await.0, [] as [serde_json::Value; 0]);
        assert_eq!(test.reason().await, DisconnectReason::ClosedByClient);
    }
}

#[tokio::test]
async fn lost() {
    let mut test = exit().await;
    test.server.connect().await.cut();
    let reason = test.reason().await;
    assert_eq!((reason.error(), reason), (None, DisconnectReason::Lost));
}

#[tokio::test]
async fn aborted() {
    let mut test = exit().await;
    let mut client = test.server.connect().await;
    client.notify("Abort", NONE).await;
    assert_eq!(client.rest().await, (vec![close(None, false)], Some(1000)));
    let reason = test.reason().await;
    assert_eq!((reason.error(), reason), (None, DisconnectReason::Aborted));
}

#[tokio::test]
async fn timed_out() {
    // P-PING-07
    let client_timeout_interval = Duration::from_millis(20);
    let mut test = exit_with(HubOptions { client_timeout_interval, ..HubOptions::default() }).await;
    let mut client = test.server.connect().await;
    client.send(&json!({ "type": 6 })).await;
    assert_eq!(client.rest().await, (vec![close(Some(CLOSED_WITH_ERROR), true)], Some(1000)));
    let reason = test.reason().await;
    let text = "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.";
    assert_eq!((reason.error().as_deref(), reason), (Some(text), DisconnectReason::TimedOut));
}

#[tokio::test]
async fn broken_protocols() {
    // P-GEN-06, P-CLS-03
    for (text, error) in [
        ("{}\x1e", ProtocolError::Missing("type")),
        ("{\"type\":3}\x1e", ProtocolError::Missing("invocationId")),
        ("{\"type\":\"1\"}\x1e", ProtocolError::WrongType { name: "type", expected: "Number" }),
        (&"x".repeat(100_000), ProtocolError::TooLarge(32 * 1024)),
    ] {
        let mut test = exit_with(HubOptions { enable_detailed_errors: true, ..HubOptions::default() }).await;
        let mut client = test.server.connect().await;
        client.send_text(text).await;
        let told = format!("{CLOSED_WITH_ERROR} InvalidDataException: {error}");
        assert_eq!(client.rest().await, (vec![close(Some(&told), true)], Some(1000)));
        let reason = test.reason().await;
        assert_eq!((reason.error(), reason), (Some(error.to_string()), DisconnectReason::Protocol(error)));
    }
}

#[tokio::test]
async fn the_end_in_the_middle_of_a_message() {
    // P-FRM-06
    let mut test = exit().await;
    let mut client = test.server.connect().await;
    client.send_text("{\"type\":6").await;
    client.close().await;
    assert_eq!(test.reason().await, DisconnectReason::Protocol(ProtocolError::Truncated));
}

#[tokio::test]
async fn a_broken_transport() {
    // P-WS-06: no Close message, and the code that RFC 6455 wants (7.4.1).
    for (payload, opcode, code) in [
        (&[0xff, 0xfe][..], OpCode::Data(Data::Text), 1007),
        (b"", OpCode::Data(Data::Continue), 1002),
        (b"", OpCode::Control(Control::Reserved(11)), 1002),
        (&[0; 126], OpCode::Control(Control::Ping), 1002),
    ] {
        for greets in [true, false] {
            let mut test = exit().await;
            let mut client = test.server.open("/hub").await;
            if greets {
                client.handshake().await;
            }
            let header = FrameHeader { opcode, ..FrameHeader::default() };
            client.try_send(Message::Frame(Frame::from_payload(header, payload.to_vec().into()))).await.unwrap();
            assert_eq!(client.rest().await, (vec![], Some(code)), "{opcode}");
            if greets {
                let reason = test.reason().await;
                assert!(matches!(&reason, DisconnectReason::Protocol(ProtocolError::Transport(_))), "{reason:?}");
                assert!(reason.error().is_some());
            }
        }
    }
}

#[tokio::test]
async fn expired() {
    let options = HubOptions { close_on_authentication_expiration: true, ..HubOptions::default() };
    let mut test = exit_with(options).await;
    let mut client = test.server.connect().await;
    assert_eq!(client.rest().await, (vec![close(None, true)], Some(1000)));
    let reason = test.reason().await;
    assert_eq!((reason.error(), reason), (None, DisconnectReason::AuthenticationExpired));
}

#[tokio::test]
async fn shut_down() {
    let mut test = exit().await;
    let mut client = test.server.connect().await;
    let (rest, ()) = tokio::join!(client.rest(), test.hub.shutdown(Duration::from_secs(20)));
    assert_eq!(rest, (vec![close(None, true)], Some(1000)));
    let reason = test.reason().await;
    assert_eq!((reason.error(), reason), (None, DisconnectReason::Shutdown));
}
