//! Servers that cut, garble and forget.

use client_tests::{Fake, Socket, deadline};
use futures_util::{SinkExt, StreamExt, future::join};
use hub_client::{Builder, ConnectError, Connection, Ended};
use hub_core::{CallError, Codec, ProtocolError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
async fn lengths_cost_nothing_but_what_comes_counts() {
    // P-CLI-09: the head of a frame (RFC 6455, section 5.2) may say what it wants.
    for length in [u64::MAX >> 1, 1 << 32, 1 << 25] {
        let fake = Fake::new().await;
        let builder = Connection::builder(fake.at("/hub")).receive_limit(100_000);
        let (connection, mut socket) = open_with(&fake, builder).await;
        let head = [&[0x82, 127][..], &length.to_be_bytes(), b"{\"type\":6}\x1e"].concat();
        let raw = socket.stream.get_mut();
        raw.write_all(&head).await.unwrap();
        // The client may end it before everything is written.
        let flood = async { while raw.write_all(&[b'x'; 10_000]).await.is_ok() {} };
        let (ended, ()) = deadline("the end", join(connection.closed(), flood)).await;
        assert_eq!(ended, Ended::Protocol(ProtocolError::TooLarge(100_000)), "{length}");
    }
}

#[tokio::test]
async fn a_handshake_response_is_small_whatever_holds_it() {
    // One frame that says it is of 2 GiB, many small ones, and one message in endless fragments.
    let small = [&[0x81, 126][..], &60_000_u16.to_be_bytes(), &[b' '; 60_000]].concat();
    for (first, rest) in [
        (&b"\x81\x7f\0\0\0\0\x7f\xff\xff\xff"[..], &[b' '; 65_536][..]),
        (b"", &small),
        (b"\x01\0", &[&[0, 126][..], &60_000_u16.to_be_bytes(), &[b' '; 60_000]].concat()),
    ] {
        let fake = Fake::new().await;
        let server = async {
            let mut socket = fake.upgrade().await;
            socket.receive().await;
            let raw = socket.stream.get_mut();
            raw.write_all(first).await.unwrap();
            while raw.write_all(rest).await.is_ok() {}
        };
        let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
        let (connected, ()) = deadline("the refusal", join(builder.connect(), server)).await;
        let error = connected.unwrap_err();
        assert_eq!(error, ConnectError::Ended(Ended::Protocol(ProtocolError::TooLarge(32 * 1024))));
        assert_eq!(error.to_string(), "The server's handshake response has more than 32768 bytes.");
    }
}

#[tokio::test]
async fn messages_may_come_together_with_the_handshake_response() {
    // P-HS-05: together they may be as long as they want.
    let fake = Fake::new().await;
    let (told, mut said) = tokio::sync::mpsc::unbounded_channel();
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation().on("Said", move |text: String| {
        told.send(text.len()).unwrap();
        async {}
    });
    let server = async {
        let mut socket = fake.upgrade().await;
        socket.receive().await;
        let notice = format!("{{\"type\":1,\"target\":\"Said\",\"arguments\":[\"{}\"]}}\u{1e}", "x".repeat(300_000));
        socket.send(&format!("{{}}\u{1e}{}", notice.repeat(3))).await;
        socket
    };
    let (connected, _socket) = deadline("the connection", join(builder.connect(), server)).await;
    let _connection = connected.unwrap();
    for _ in 0..3 {
        assert_eq!(deadline("a notice", said.recv()).await, Some(300_000));
    }
}

#[tokio::test]
async fn a_web_socket_message_may_be_longer_than_any_hub_message() {
    // P-WS-11, and a fragment is worked off before the rest comes.
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub")).receive_limit(1000);
    let (connection, mut socket) = open_with(&fake, builder).await;
    let mut items = connection.stream::<u32>("Numbers", ());
    socket.receive().await;
    let raw = socket.stream.get_mut();
    let item = |number| format!("{{\"type\":2,\"invocationId\":\"1\",\"item\":{number}}}\u{1e}");
    raw.write_all(&[0x01, 126, 0, 0]).await.unwrap();
    for number in 10_000..11_000 {
        let text = item(number);
        // Cut in the middle of a hub message.
        let (head, tail) = text.as_bytes().split_at(7);
        let mut frames = vec![0x00, head.len() as u8];
        frames.extend_from_slice(head);
        frames.extend([0x00, tail.len() as u8]);
        frames.extend_from_slice(tail);
        raw.write_all(&frames).await.unwrap();
        assert_eq!(deadline("an item", items.next()).await, Some(Ok(number)));
    }
}

#[tokio::test]
async fn violations_are_answered_with_their_code() {
    // RFC 6455, section 7.4.1
    for (bytes, closed, why) in [
        (&b"\x81\x81\0\0\0\0a"[..], "closed 1002", "it sent a masked frame."),
        (b"\xc1\x01a", "closed 1002", "it sent a reserved bit, though no extension was agreed on."),
        (b"\x81\x02\xc3\x28", "closed 1007", "it sent a text that is not UTF-8."),
        (b"\x88\x02\x03\xed", "closed 1002", "it sent a close code that is not for the wire."),
    ] {
        let (connection, mut socket) = open().await;
        socket.stream.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(socket.receive().await, closed);
        let ended = deadline("the end", connection.closed()).await;
        assert_eq!(ended, Ended::Protocol(ProtocolError::Transport(why.to_owned())));
        assert_eq!(ended.to_string(), format!("The server broke the protocol: {why}"));
    }
    // The server's own code comes back to it.
    let (connection, mut socket) = open().await;
    socket.stream.get_mut().write_all(b"\x88\x02\x03\xf3").await.unwrap();
    assert_eq!(socket.receive().await, "closed 1011");
    deadline("the end", connection.closed()).await;
}

#[tokio::test]
async fn pings_are_answered_the_last_of_many() {
    let (connection, mut socket) = open().await;
    let (mut reader, mut writer) = tokio::io::split(socket.stream.get_mut());
    // A megabyte of them, and nobody reads the answers.
    let mut pings = Vec::new();
    for number in 0..8_000_u32 {
        pings.extend([0x89, 125]);
        pings.extend(number.to_be_bytes());
        pings.extend([0; 121]);
    }
    let last = [&[0x89, 4][..], b"last"].concat();
    writer.write_all(&pings).await.unwrap();
    writer.write_all(&last).await.unwrap();
    let mut pongs = 0;
    let answers = async {
        loop {
            let mut head = [0; 6];
            reader.read_exact(&mut head).await.unwrap();
            assert_eq!((head[0], head[1] & 0x80), (0x8a, 0x80));
            let mut payload = vec![0; usize::from(head[1] & 0x7f)];
            reader.read_exact(&mut payload).await.unwrap();
            payload.iter_mut().zip(head[2..].iter().cycle()).for_each(|(byte, key)| *byte ^= key);
            pongs += 1;
            if payload == b"last" {
                return;
            }
        }
    };
    deadline("the answer to the last", answers).await;
    assert!(pongs <= 8_001, "{pongs}");
    drop(connection);
}
