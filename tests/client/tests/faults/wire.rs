//! Servers that cut, garble and forget.

use client_tests::{Fake, Socket, deadline};
use futures_util::{SinkExt, StreamExt, future::join};
use hub_client::{Builder, ConnectError, Connection, Ended};
use hub_core::{CallError, Codec, ProtocolError};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

async fn open_with(fake: &Fake, builder: Builder) -> (Connection, Socket) {
    let (connected, socket) = join(builder.skip_negotiation().connect(), fake.open()).await;
    (connected.expect("the handshake is answered"), socket)
}

async fn open() -> (Connection, Socket) {
    let fake = Fake::new().await;
    open_with(&fake, Connection::builder(fake.at("/hub"))).await
}

#[tokio::test]
async fn handshakes_that_fail() {
    for (answer, text) in [
        ("{\"error\":\"not today\"}\u{1e}", "Unable to complete handshake with the server due to an error: not today"),
        ("{\"type\":6}\u{1e}", "The server broke the protocol: Expected a handshake response from the server."),
        ("nonsense\u{1e}", "The server broke the protocol: Error reading JSON."),
    ] {
        let fake = Fake::new().await;
        let server = async {
            let mut socket = fake.upgrade().await;
            socket.receive().await;
            socket.send(answer).await;
            assert_eq!(socket.receive().await, "closed 1000");
        };
        let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
        let (connected, ()) = join(builder.connect(), server).await;
        assert_eq!(connected.unwrap_err().to_string(), text);
    }
    let fake = Fake::new().await;
    let server = async {
        let mut socket = fake.upgrade().await;
        socket.receive().await;
        socket.cut();
    };
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
    let (connected, ()) = join(builder.connect(), server).await;
    let error = connected.unwrap_err();
    assert!(matches!(error, ConnectError::Ended(Ended::Lost(_))), "{error:?}");
    assert_eq!(error.to_string(), "The server disconnected before sending a handshake response");
}

#[tokio::test]
async fn a_message_longer_than_the_window_comes_in_pieces() {
    let (connection, mut socket) = open().await;
    let text = "x".repeat(300_000);
    let answer = format!("{{\"type\":3,\"invocationId\":\"1\",\"result\":\"{text}\"}}\u{1e}");
    let server = async {
        socket.receive().await;
        for piece in answer.as_bytes().chunks(10_000) {
            socket.stream.send(Message::binary(piece.to_vec())).await.unwrap();
        }
    };
    let (called, ()) = deadline("the call", join(connection.invoke::<String>("Long", ()), server)).await;
    assert_eq!(called.unwrap(), text);
}

#[tokio::test]
async fn garbage_ends_the_connection() {
    for (garbage, expected) in [
        ("}{\u{1e}", "The server broke the protocol: Error reading JSON."),
        ("{\"type\":3}\u{1e}", "The server broke the protocol: Missing required property 'invocationId'."),
        ("\u{1e}\u{1e}", "The server broke the protocol: Error reading JSON."),
    ] {
        let (connection, mut socket) = open().await;
        let server = async {
            socket.receive().await;
            socket.send(garbage).await;
            // No Close message from a client (P-CLS-10).
            assert_eq!(socket.receive().await, "closed 1000");
        };
        let (called, ()) = join(connection.invoke::<u32>("Any", ()), server).await;
        assert_eq!(called, Err(CallError::Closed(expected.to_owned())));
        assert!(matches!(connection.closed().await, Ended::Protocol(_)));
    }
}

#[tokio::test]
async fn a_message_above_the_limit_ends_the_connection() {
    // P-CLI-09, P-LIM-30
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub")).receive_limit(100);
    let (connection, mut socket) = open_with(&fake, builder).await;
    socket.send(&"x".repeat(101)).await;
    let ended = connection.closed().await;
    assert_eq!(ended, Ended::Protocol(ProtocolError::TooLarge(100)));
    assert!(ended.to_string().contains("more than 100 bytes, the receive_limit"), "{ended}");
}

#[tokio::test]
async fn messages_that_mean_nothing_do_no_harm() {
    // P-GEN-05, P-INV-17, P-CAN-03, P-SR-25
    let (connection, mut socket) = open().await;
    let server = async {
        let call = socket.receive().await;
        assert_eq!(call, "{\"type\":1,\"invocationId\":\"1\",\"target\":\"Any\",\"arguments\":[]}\u{1e}");
        for nothing in [
            "{\"type\":99}",
            "{\"type\":3,\"invocationId\":\"nobody\",\"result\":1}",
            "{\"type\":2,\"invocationId\":\"nobody\",\"item\":1}",
            "{\"type\":5,\"invocationId\":\"nobody\"}",
            "{\"type\":8,\"sequenceId\":1}",
            "{\"type\":9,\"sequenceId\":1}",
            "{\"type\":4,\"invocationId\":\"1\",\"target\":\"Stream\",\"arguments\":[]}",
            "{\"type\":1,\"target\":\"Nobody\",\"arguments\":[]}",
        ] {
            socket.send(&format!("{nothing}\u{1e}")).await;
        }
        // P-CR-07: with an id there is an answer, also while a call is under way.
        socket.send("{\"type\":1,\"invocationId\":\"s1\",\"target\":\"Nobody\",\"arguments\":[]}\u{1e}").await;
        let answer = socket.receive().await;
        let expected = "{\"type\":3,\"invocationId\":\"s1\",\"error\":\"Client didn't provide a result.\"}\u{1e}";
        assert_eq!(answer, expected);
        socket.send("{\"type\":3,\"invocationId\":\"1\"}\u{1e}").await;
    };
    let (called, ()) = join(connection.invoke::<()>("Any", ()), server).await;
    // P-INV-12: the void form.
    assert_eq!(called, Ok(()));
}

#[tokio::test]
async fn streams_that_break_the_rules() {
    let (connection, mut socket) = open().await;
    // P-INV-18
    let server = async {
        socket.receive().await;
        socket.send("{\"type\":2,\"invocationId\":\"1\",\"item\":1}\u{1e}").await;
    };
    let (called, ()) = join(connection.invoke::<u32>("Any", ()), server).await;
    assert_eq!(called, Err(CallError::Remote("Unexpected message type: 2".to_owned())));

    // P-STR-01, and an item of another type, which ends nothing.
    let mut items = connection.stream::<u32>("Numbers", ());
    socket.receive().await;
    socket
        .send(
            "{\"type\":2,\"invocationId\":\"2\",\"item\":\"x\"}\u{1e}\
              {\"type\":2,\"invocationId\":\"2\",\"item\":7}\u{1e}",
        )
        .await;
    socket.send("{\"type\":3,\"invocationId\":\"2\",\"result\":1}\u{1e}").await;
    assert!(matches!(items.next().await, Some(Err(CallError::Decode(_)))));
    assert_eq!(items.next().await, Some(Ok(7)));
    let text = "Server provided a result in a completion response to a streamed invocation.".to_owned();
    assert_eq!(items.next().await, Some(Err(CallError::Decode(text))));
    assert_eq!(items.next().await, None);
}

#[tokio::test]
async fn ids_and_cancellations_on_the_wire() {
    let fake = Fake::new().await;
    let (connection, mut socket) = open_with(&fake, Connection::builder(fake.at("/hub"))).await;
    // P-INV-16, P-UP-01: streams are numbered before their call, and leave the arguments.
    let upload = hub_core::Upload::new(futures_util::stream::pending::<i32>());
    let items = connection.stream::<u32>("Relay", (1, upload));
    let call = socket.receive().await;
    let expected = "{\"type\":4,\"invocationId\":\"2\",\
                    \"target\":\"Relay\",\"arguments\":[1],\"streamIds\":[\"1\"]}\u{1e}";
    assert_eq!(call, expected);
    // P-CAN-01, P-UP-02
    drop(items);
    let ends = "{\"type\":3,\"invocationId\":\"1\",\"error\":\"Stream canceled by client.\"}\u{1e}\
                {\"type\":5,\"invocationId\":\"2\"}\u{1e}";
    assert_eq!(socket.receive().await, ends);
    // P-CLS-10: Close, then the close frame.
    let stopping = join(connection.stop(), async {
        assert_eq!(socket.receive().await, "{\"type\":7}\u{1e}");
        assert_eq!(socket.receive().await, "closed 1000");
        assert_eq!(socket.receive().await, "ended");
    });
    deadline("the end", stopping).await;
    assert_eq!(connection.protocol(), Codec::Json);
}

#[tokio::test]
async fn without_handles_the_connection_ends() {
    let (connection, mut socket) = open().await;
    let other = connection.clone();
    drop(connection);
    other.send("Still", ()).await.unwrap();
    assert!(socket.receive().await.contains("Still"));
    drop(other);
    assert_eq!(socket.receive().await, "{\"type\":7}\u{1e}");
    assert_eq!(socket.receive().await, "closed 1000");
}

#[tokio::test]
async fn lengths_that_no_memory_holds_are_refused() {
    // With a limit for hub messages and without one.
    for (limit, length) in [(None, u64::MAX >> 1), (None, 1 << 32), (Some(1000), 1 << 25)] {
        let fake = Fake::new().await;
        let builder = Connection::builder(fake.at("/hub"));
        let builder = if let Some(limit) = limit { builder.receive_limit(limit) } else { builder };
        let (connection, mut socket) = open_with(&fake, builder).await;
        // The head of a frame (RFC 6455, section 5.2).
        let head = [&[0x82, 127][..], &length.to_be_bytes()].concat();
        socket.stream.get_mut().write_all(&head).await.unwrap();
        let ended = deadline("the end", connection.closed()).await;
        assert!(matches!(ended, Ended::Protocol(ProtocolError::Transport(_))), "{length}: {ended:?}");
    }
}
