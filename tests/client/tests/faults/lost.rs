//! Connections that are lost, one way or another.

use std::time::Duration;

use client_tests::{Fake, Server, deadline};
use futures_util::{FutureExt, SinkExt, StreamExt, future::join};
use hub_client::{Connection, Ended, State};
use hub_core::CallError;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

#[tokio::test]
async fn calls_and_streams_fail_with_the_cause() {
    // P-CLS-12
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
    let (connection, mut socket) = join(builder.connect(), fake.open()).await;
    let connection = connection.unwrap();
    let mut items = connection.stream::<u32>("Numbers", ());
    assert!(socket.receive().await.contains("Numbers"));
    socket.send("{\"type\":2,\"invocationId\":\"1\",\"item\":1}\u{1e}").await;
    assert_eq!(items.next().await, Some(Ok(1)));
    let server = async {
        assert!(socket.receive().await.contains("Any"));
        socket.cut();
    };
    let (called, ()) = deadline("the call", join(connection.invoke::<u32>("Any", ()), server)).await;
    let Ended::Lost(why) = connection.closed().await else { panic!("it was lost") };
    assert!(why.starts_with("The connection was lost: "), "{why}");
    assert_eq!(called, Err(CallError::Closed(why.clone())));
    assert_eq!(items.next().await, Some(Err(CallError::Closed(why))));
    assert_eq!(items.next().await, None);
}

#[tokio::test]
async fn flush_waits_for_the_socket_and_fails_with_it() {
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation().send_buffer(64 << 20);
    let (connection, mut socket) = join(builder.connect(), fake.open()).await;
    let connection = connection.unwrap();
    deadline("nothing to be written", connection.flush()).await.unwrap();

    // More than the system takes while nobody reads.
    let text = "x".repeat(8 << 20);
    let say = async || {
        for _ in 0..4 {
            connection.send("Say", (&text,)).await.unwrap();
        }
    };
    say().await;
    let mut flushed = Box::pin(connection.flush());
    let reading = async {
        // However often the driver has its turn.
        for _ in 0..100 {
            assert_eq!((&mut flushed).now_or_never(), None);
            tokio::task::yield_now().await;
        }
        for _ in 0..4 {
            assert!(socket.receive().await.contains(&text));
        }
    };
    deadline("the text", reading).await;
    deadline("the end of the flush", flushed).await.unwrap();

    say().await;
    let lost = async {
        tokio::task::yield_now().await;
        socket.cut();
    };
    let (flushed, ()) = deadline("the loss", join(connection.flush(), lost)).await;
    let cause = "The connection ended before everything was sent.".to_owned();
    assert_eq!(flushed, Err(CallError::Closed(cause.clone())));
    connection.closed().await;
    assert_eq!(connection.flush().await, Err(CallError::Closed(cause)));
}

#[tokio::test]
async fn stop_cancels_what_is_waited_for() {
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
    let (connection, mut socket) = join(builder.connect(), fake.open()).await;
    let connection = connection.unwrap();
    let mut items = connection.stream::<u32>("Numbers", ());
    let stop = async {
        let calls = socket.receive().await;
        assert!(calls.contains("Numbers") && calls.contains("Never"), "{calls}");
        let goodbye = async {
            assert_eq!(socket.receive().await, "{\"type\":7}\u{1e}");
            assert_eq!(socket.receive().await, "closed 1000");
            // Reading on is what answers it.
            assert_eq!(socket.receive().await, "ended");
        };
        join(connection.stop(), goodbye).await;
    };
    let (called, ()) = deadline("the end", join(connection.invoke::<u32>("Never", ()), stop)).await;
    assert_eq!(called, Err(CallError::Cancelled));
    assert_eq!(items.next().await, Some(Err(CallError::Cancelled)));
    assert_eq!(connection.closed().await, Ended::Stopped);
}

#[tokio::test]
async fn stop_waits_for_the_goodbye_but_not_for_ever() {
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
    let (connection, mut socket) = join(builder.connect(), fake.open()).await;
    let connection = connection.unwrap();
    connection.send("Say", ("bye",)).await.unwrap();
    let mut stopping = Box::pin(connection.stop());
    for _ in 0..100 {
        assert_eq!((&mut stopping).now_or_never(), None);
        tokio::task::yield_now().await;
    }
    let last = socket.receive().await;
    assert!(last.contains("bye") && last.ends_with("{\"type\":7}\u{1e}"), "{last}");
    assert_eq!(socket.receive().await, "closed 1000");
    // Reading on is what answers it.
    assert_eq!(socket.receive().await, "ended");
    deadline("the end", stopping).await;

    let builder = Connection::builder(fake.at("/hub")).skip_negotiation().close_timeout(Duration::from_millis(50));
    let (connection, _socket) = join(builder.connect(), fake.open()).await;
    deadline("the end without an answer", connection.unwrap().stop()).await;
}

#[tokio::test]
async fn a_close_message_says_why() {
    // P-CLS-08, P-CLS-09
    for (close, expected) in [
        (r#"{"type":7}"#, "The server closed the connection."),
        (r#"{"type":7,"error":""}"#, "The server closed the connection with the following error: (it has no text)"),
        (
            r#"{"type":7,"error":"enough","allowReconnect":true}"#,
            "The server closed the connection with the following error: enough",
        ),
    ] {
        let fake = Fake::new().await;
        let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
        let (connection, mut socket) = join(builder.connect(), fake.open()).await;
        let connection = connection.unwrap();
        let server = async {
            socket.receive().await;
            // An answer that comes before the end counts.
            socket.send(&format!("{{\"type\":3,\"invocationId\":\"1\",\"result\":1}}\u{1e}{close}\u{1e}")).await;
            socket.stream.send(Message::Close(None)).await.unwrap();
        };
        let (called, ()) = join(connection.invoke::<u32>("One", ()), server).await;
        assert_eq!(called, Ok(1));
        assert_eq!(connection.closed().await.to_string(), expected);
    }
}

#[tokio::test]
async fn close_codes_are_told() {
    // P-WS-07
    for (code, expected) in [
        (Some(1000), "The server closed the WebSocket."),
        (Some(1011), "WebSocket closed with status code: 1011 (broken)."),
        (None, "WebSocket closed with status code: 1005 (no reason given)."),
    ] {
        let fake = Fake::new().await;
        let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
        let (connection, mut socket) = join(builder.connect(), fake.open()).await;
        let frame = code.map(|code: u16| CloseFrame { code: code.into(), reason: "broken".into() });
        socket.stream.send(Message::Close(frame)).await.unwrap();
        assert_eq!(connection.unwrap().closed().await, Ended::Lost(expected.to_owned()));
    }
}

#[tokio::test]
async fn a_silent_server_times_out_and_pings_go_on_until_then() {
    // P-PING-10, P-PING-11
    let fake = Fake::new().await;
    let timeout = Duration::from_millis(300);
    let builder = Connection::builder(fake.at("/hub"))
        .skip_negotiation()
        .keep_alive_interval(Duration::from_millis(20))
        .server_timeout(timeout);
    let (connection, mut socket) = join(builder.connect(), fake.open()).await;
    let connection = connection.unwrap();
    let server = async {
        let mut pings = 0;
        loop {
            match socket.receive().await.as_str() {
                "{\"type\":6}\u{1e}" => pings += 1,
                // On a timeout the close frame comes alone (P-CLS-10).
                "closed 1000" => return pings,
                other => assert!(other.contains("Any"), "{other}"),
            }
        }
    };
    let (called, pings) = deadline("the timeout", join(connection.invoke::<u32>("Any", ()), server)).await;
    assert!(pings >= 2, "{pings}");
    assert_eq!(connection.closed().await, Ended::TimedOut(timeout));
    let text = "Server timeout (300ms) elapsed without receiving a message from the server.".to_owned();
    assert_eq!(called, Err(CallError::Closed(text)));
    assert_eq!(*connection.state().borrow(), State::Disconnected);
}

#[tokio::test]
async fn a_server_that_does_not_read_is_left_when_it_is_silent() {
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub"))
        .skip_negotiation()
        .server_timeout(Duration::from_millis(300))
        .close_timeout(Duration::from_millis(100))
        .send_buffer(64 * 1024);
    let (connection, _socket) = join(builder.connect(), fake.open()).await;
    let connection = connection.unwrap();
    let text = "x".repeat(100_000);
    // The send queue is bounded: whoever sends waits, until there is no connection any more.
    let flood = async {
        loop {
            if let Err(error) = connection.send("Text", (&text,)).await {
                return error;
            }
        }
    };
    assert!(matches!(deadline("the flood", flood).await, CallError::Refused(_)));
    assert_eq!(deadline("the end", connection.closed()).await, Ended::TimedOut(Duration::from_millis(300)));
}

#[tokio::test]
async fn an_unread_stream_does_not_stop_pings() {
    // P-STR-10
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub"))
        .skip_negotiation()
        .keep_alive_interval(Duration::from_millis(20))
        .stream_buffer(4);
    let (connection, mut socket) = join(builder.connect(), fake.open()).await;
    let connection = connection.unwrap();
    let mut items = connection.stream::<u64>("Numbers", ());
    assert!(socket.receive().await.contains("Numbers"));
    for number in 0..5000 {
        socket.send(&format!("{{\"type\":2,\"invocationId\":\"1\",\"item\":{number}}}\u{1e}")).await;
    }
    socket.send("{\"type\":3,\"invocationId\":\"1\"}\u{1e}").await;
    for _ in 0..3 {
        assert_eq!(socket.receive().await, "{\"type\":6}\u{1e}");
    }
    for number in 0..5000 {
        assert_eq!(items.next().await, Some(Ok(number)));
    }
    assert_eq!(items.next().await, None);
}

#[tokio::test]
async fn a_server_that_is_killed() {
    let mut server = Server::ours().await;
    let connection = Connection::builder(server.at("/hub")).connect().await.unwrap();
    let mut items = connection.stream::<u32>("Infinite", (1,));
    assert_eq!(items.next().await, Some(Ok(0)));
    server.kill().await;
    let ended = deadline("the end", connection.closed()).await;
    assert!(matches!(ended, Ended::Lost(_)), "{ended:?}");
    while let Some(item) = items.next().await {
        assert!(item.is_ok() || item == Err(CallError::Closed(ended.to_string())));
    }
}

#[test]
fn a_connection_whose_runtime_is_gone_has_ended() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (servers, drives, waits) = (runtime(), runtime(), runtime());
    let fake = servers.block_on(Fake::new());
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
    let opened = servers.spawn(async move { (fake.open().await, fake) });
    let connection = drives.block_on(builder.connect()).unwrap();
    let _server = servers.block_on(opened).unwrap();
    let mut items = connection.stream::<u32>("Numbers", ());
    drop(drives);
    waits.block_on(deadline("the end", async {
        let ended = connection.closed().await;
        assert!(matches!(ended, Ended::Lost(_)), "{ended:?}");
        assert!(matches!(items.next().await, Some(Err(CallError::Closed(_) | CallError::Refused(_)))));
        assert_eq!(items.next().await, None);
        assert!(matches!(connection.invoke::<u32>("Any", ()).await, Err(CallError::Refused(_))));
        connection.stop().await;
    }));
}
