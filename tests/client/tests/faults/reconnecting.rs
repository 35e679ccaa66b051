//! Connections that come back.

use std::time::Duration;

use client_tests::{Fake, Socket, deadline};
use futures_util::{StreamExt, future::join};
use hub_client::{Builder, ConnectError, Connection, Ended, Event, Reconnect, State, WhileReconnecting};
use hub_core::CallError;

fn at_once(attempts: usize) -> Reconnect {
    Reconnect::after(vec![Duration::ZERO; attempts])
}

async fn open(fake: &Fake, builder: Builder) -> (Connection, Socket) {
    let (connected, socket) = join(builder.connect(), negotiate_and_open(fake, "first")).await;
    (connected.unwrap(), socket)
}

async fn negotiate_and_open(fake: &Fake, id: &str) -> Socket {
    let body = format!(
        r#"{{"negotiateVersion":1,"connectionId":"{id}","connectionToken":"t-{id}",
        "availableTransports":[{{"transport":"WebSockets","transferFormats":["Text"]}}]}}"#
    );
    fake.answer("200 OK", "", &body).await;
    fake.open().await
}

#[tokio::test]
async fn a_lost_connection_comes_back_with_a_new_id() {
    // P-CLI-04, P-CLI-07
    let fake = Fake::new().await;
    let (told, mut said) = tokio::sync::mpsc::unbounded_channel();
    let builder = Connection::builder(fake.at("/hub")).reconnect(at_once(3)).on("Said", move |text: String| {
        let _ = told.send(text);
        async {}
    });
    let (connection, mut socket) = open(&fake, builder).await;
    assert_eq!(connection.id().unwrap().as_str(), "first");
    let mut events = connection.events();
    let server = async {
        assert!(socket.receive().await.contains("\"invocationId\":\"1\""));
        socket.cut();
        // The first attempt fails, the second succeeds.
        fake.answer("503 Service Unavailable", "", "").await;
        negotiate_and_open(&fake, "second").await
    };
    let (called, mut socket) = deadline("the reconnect", join(connection.invoke::<u32>("Any", ()), server)).await;
    let Some(Event::Reconnecting(cause)) = events.next().await else { panic!("it was lost") };
    assert_eq!(called, Err(CallError::Closed(cause.to_string())));
    assert_eq!(events.next().await, Some(Event::Reconnected(Some("second".into()))));
    assert_eq!(connection.id().unwrap().as_str(), "second");
    // Handlers stay, and calls go on under new ids.
    socket.send("{\"type\":1,\"target\":\"Said\",\"arguments\":[\"again\"]}\u{1e}").await;
    assert_eq!(said.recv().await.as_deref(), Some("again"));
    let server = async {
        assert!(socket.receive().await.contains("\"invocationId\":\"2\""));
        socket.send("{\"type\":3,\"invocationId\":\"2\",\"result\":9}\u{1e}").await;
    };
    assert_eq!(join(connection.invoke::<u32>("Any", ()), server).await.0, Ok(9));
}

#[tokio::test]
async fn a_server_that_throws_it_out_again_and_again_is_not_hammered_at() {
    let fake = Fake::new().await;
    let pause = Duration::from_millis(200);
    let builder = Connection::builder(fake.at("/hub")).reconnect(Reconnect::after([Duration::ZERO, pause]));
    let (connection, mut socket) = open(&fake, builder).await;
    let mut events = connection.events();
    let close = "{\"type\":7,\"allowReconnect\":true}\u{1e}";
    // The first loss is tried again at once, the others are not, and none of them is the last.
    for least in [Duration::ZERO, pause, pause, pause] {
        let lost = std::time::Instant::now();
        socket.send(close).await;
        assert!(matches!(deadline("the loss", events.next()).await, Some(Event::Reconnecting(_))));
        // One attempt fails on the way.
        fake.answer("503 Service Unavailable", "", "").await;
        assert!(lost.elapsed() >= least);
        socket = negotiate_and_open(&fake, "next").await;
        assert!(matches!(deadline("the connection", events.next()).await, Some(Event::Reconnected(_))));
    }
}

#[tokio::test]
async fn it_gives_up_when_the_delays_are_used_up() {
    // P-CLI-05
    let fake = Fake::new().await;
    let (connection, socket) = open(&fake, Connection::builder(fake.at("/hub")).reconnect(at_once(2))).await;
    let mut events = connection.events();
    socket.cut();
    for _ in 0..2 {
        fake.answer("500 Internal Server Error", "", "").await;
    }
    let ended = deadline("the end", connection.closed()).await;
    let Ended::GaveUp { attempts: 2, .. } = &ended else { panic!("{ended:?}") };
    assert!(ended.to_string().starts_with("Reconnect retries have been exhausted after 2 failed attempts and "));
    assert!(matches!(events.next().await, Some(Event::Reconnecting(_))));
    assert_eq!(events.next().await, Some(Event::Closed(ended)));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_close_message_decides() {
    // P-CLS-08
    let fake = Fake::new().await;
    let (connection, mut socket) = open(&fake, Connection::builder(fake.at("/hub")).reconnect(at_once(2))).await;
    let mut events = connection.events();
    socket.send("{\"type\":7,\"allowReconnect\":true}\u{1e}").await;
    let mut socket = negotiate_and_open(&fake, "second").await;
    assert!(matches!(events.next().await, Some(Event::Reconnecting(_))));
    assert!(matches!(events.next().await, Some(Event::Reconnected(_))));
    socket.send("{\"type\":7}\u{1e}").await;
    let ended = Ended::ByServer { error: None, allow_reconnect: false };
    // No delay at the first question: straight to the end (P-CLI-04).
    assert_eq!(events.next().await, Some(Event::Closed(ended.clone())));
    assert_eq!(connection.closed().await, ended);
}

#[tokio::test]
async fn without_a_policy_there_is_one_life() {
    // P-CLI-02
    let fake = Fake::new().await;
    let (connection, mut socket) = open(&fake, Connection::builder(fake.at("/hub"))).await;
    socket.send("{\"type\":7,\"allowReconnect\":true}\u{1e}").await;
    assert_eq!(connection.closed().await, Ended::ByServer { error: None, allow_reconnect: true });
}

#[tokio::test]
async fn calls_meanwhile_are_refused_or_wait() {
    for waits in [false, true] {
        let fake = Fake::new().await;
        let calls = if waits { WhileReconnecting::Wait } else { WhileReconnecting::Refuse };
        let builder = Connection::builder(fake.at("/hub")).reconnect(at_once(1)).while_reconnecting(calls);
        let (connection, socket) = open(&fake, builder).await;
        let mut state = connection.state();
        socket.cut();
        state.wait_for(|state| *state == State::Reconnecting).await.unwrap();
        let call = connection.invoke::<u32>("Any", ());
        if !waits {
            // P-CLI-08
            let refused = "The 'Any' method cannot be called if the connection is not active".to_owned();
            assert_eq!(call.await, Err(CallError::Refused(refused)));
            continue;
        }
        // One that is dropped while it waits is never sent.
        let dropped = tokio::time::timeout(Duration::from_millis(5), connection.invoke::<u32>("Dropped", ())).await;
        assert!(dropped.is_err());
        let server = async {
            let mut socket = negotiate_and_open(&fake, "second").await;
            let call = socket.receive().await;
            assert!(call.contains("\"target\":\"Any\"") && !call.contains("Dropped"), "{call}");
            socket.send("{\"type\":3,\"invocationId\":\"2\",\"result\":1}\u{1e}").await;
            socket
        };
        let (called, _socket) = deadline("the call", join(call, server)).await;
        assert_eq!(called, Ok(1));
    }
}

#[tokio::test]
async fn sends_meanwhile_succeed_with_the_connection_and_fail_without_it() {
    for comes_back in [true, false] {
        let fake = Fake::new().await;
        let builder = Connection::builder(fake.at("/hub")).reconnect(at_once(1));
        let (connection, socket) = open(&fake, builder.while_reconnecting(WhileReconnecting::Wait)).await;
        let mut state = connection.state();
        socket.cut();
        state.wait_for(|state| *state == State::Reconnecting).await.unwrap();
        let sends = join(connection.send("First", ()), connection.send("Second", ()));
        let server = async {
            if !comes_back {
                fake.answer("500 Internal Server Error", "", "").await;
                return;
            }
            let mut socket = negotiate_and_open(&fake, "second").await;
            let mut received = String::new();
            while !received.contains("Second") {
                received += &socket.receive().await;
            }
            assert!(received.find("First") < received.find("Second"), "{received}");
        };
        let (sent, ()) = deadline("the sends", join(sends, server)).await;
        let refused = |name| {
            Err(CallError::Refused(format!("The '{name}' method cannot be called if the connection is not active")))
        };
        let expected = if comes_back { (Ok(()), Ok(())) } else { (refused("First"), refused("Second")) };
        assert_eq!(sent, expected);
    }
}

#[tokio::test]
async fn stopping_ends_the_attempts() {
    // P-CLI-06
    let fake = Fake::new().await;
    let policy = Reconnect::after([Duration::from_secs(3600)]);
    let builder = Connection::builder(fake.at("/hub")).reconnect(policy).while_reconnecting(WhileReconnecting::Wait);
    let (connection, socket) = open(&fake, builder).await;
    let mut state = connection.state();
    socket.cut();
    state.wait_for(|state| *state == State::Reconnecting).await.unwrap();
    let (called, ()) = join(connection.invoke::<u32>("Any", ()), connection.stop()).await;
    assert!(matches!(called, Err(CallError::Refused(_))), "{called:?}");
    assert_eq!(connection.closed().await, Ended::Stopped);
}

#[tokio::test]
async fn a_provider_of_tokens_that_panics_fails_the_attempt() {
    let fake = Fake::new().await;
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let provide = move || {
        let first = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        async move {
            assert!(first, "it panics when it is asked again");
            Ok::<_, std::io::Error>("token")
        }
    };
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation().reconnect(at_once(2));
    let (connected, socket) = join(builder.access_token_provider(provide).connect(), fake.open()).await;
    let connection = connected.unwrap();
    socket.cut();
    let ended = deadline("the end", connection.closed()).await;
    let Ended::GaveUp { attempts: 2, last, .. } = ended else { panic!("{ended:?}") };
    assert_eq!(*last, ConnectError::Token("its provider panicked".to_owned()));
}
