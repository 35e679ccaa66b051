//! Servers that never answer a call, and callers who do not wait for ever.

use std::time::Duration;

use client_tests::{ConformanceHubProxy, Fake, Socket, deadline};
use futures_util::{StreamExt, future::join, stream};
use hub_client::{Connection, Reconnect, State, WhileReconnecting};
use hub_core::{CallError, Upload};
use tokio::time::timeout;

/// As long as the caller cares to wait.
const PATIENCE: Duration = Duration::from_millis(20);

async fn open() -> (Connection, Socket) {
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
    let (connected, socket) = join(builder.connect(), fake.open()).await;
    (connected.unwrap(), socket)
}

#[tokio::test]
async fn a_call_that_is_never_answered_may_be_given_up() {
    let (connection, mut socket) = open().await;
    assert!(timeout(PATIENCE, connection.invoke::<u32>("Never", ())).await.is_err());
    assert!(socket.receive().await.contains("Never"));
    let server = async {
        // P-DIV-06: the hub is told. Its answer comes late, and is nobody's (P-INV-17).
        let next = socket.receive().await;
        assert!(next.starts_with("{\"type\":5,\"invocationId\":\"1\"}\u{1e}") && next.contains("\"Next\""), "{next}");
        socket.send("{\"type\":3,\"invocationId\":\"1\",\"result\":1}\u{1e}").await;
        socket.send("{\"type\":3,\"invocationId\":\"2\",\"result\":2}\u{1e}").await;
    };
    assert_eq!(join(connection.invoke::<u32>("Next", ()), server).await.0, Ok(2));
}

#[tokio::test]
async fn a_handle_with_a_deadline_gives_up_by_itself() {
    let (connection, mut socket) = open().await;
    let hurried = connection.with_deadline(PATIENCE);
    assert_eq!(hurried.invoke::<u32>("Never", ()).await, Err(CallError::TimedOut));
    assert_eq!(ConformanceHubProxy::new(hurried.clone()).add(1, 2).await, Err(CallError::TimedOut));
    assert!(socket.receive().await.contains("Never"));
    let add = socket.receive().await;
    assert!(add.starts_with("{\"type\":5,\"invocationId\":\"1\"}\u{1e}") && add.contains("\"Add\""), "{add}");
    let server = async {
        let next = socket.receive().await;
        assert!(next.starts_with("{\"type\":5,\"invocationId\":\"2\"}\u{1e}") && next.contains("\"Next\""), "{next}");
        tokio::time::sleep(2 * PATIENCE).await;
        socket.send("{\"type\":3,\"invocationId\":\"3\",\"result\":3}\u{1e}").await;
    };
    // Other handles wait on, and late answers are nobody's (P-INV-17).
    assert_eq!(join(connection.invoke::<u32>("Next", ()), server).await.0, Ok(3));
}

#[tokio::test]
async fn a_deadline_includes_the_wait_for_a_connection() {
    let fake = Fake::new().await;
    let never = Reconnect::after([Duration::from_secs(3600)]);
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation().reconnect(never);
    let builder = builder.while_reconnecting(WhileReconnecting::Wait);
    let (connected, socket) = join(builder.connect(), fake.open()).await;
    let connection = connected.unwrap();
    let mut state = connection.state();
    socket.cut();
    state.wait_for(|state| *state == State::Reconnecting).await.unwrap();
    let hurried = connection.with_deadline(PATIENCE);
    assert_eq!(hurried.invoke::<u32>("Any", ()).await, Err(CallError::TimedOut));
}

#[tokio::test]
async fn a_stream_that_never_goes_on_is_cancelled() {
    // P-CAN-01
    let (connection, mut socket) = open().await;
    let mut items = connection.stream::<u32>("Numbers", ());
    assert!(socket.receive().await.contains("Numbers"));
    socket.send("{\"type\":2,\"invocationId\":\"1\",\"item\":7}\u{1e}").await;
    assert_eq!(items.next().await, Some(Ok(7)));
    assert!(timeout(PATIENCE, items.next()).await.is_err());
    drop(items);
    assert_eq!(socket.receive().await, "{\"type\":5,\"invocationId\":\"1\"}\u{1e}");
}

#[tokio::test]
async fn the_uploads_of_a_call_that_is_given_up_end() {
    // P-UP-02, P-CAN-01: the end of its upload is what the method learns.
    let (connection, mut socket) = open().await;
    let endless = Upload::new(stream::pending::<u32>());
    assert!(timeout(PATIENCE, connection.invoke::<u32>("Sum", (endless,))).await.is_err());
    assert!(socket.receive().await.contains("\"Sum\""));
    let end = "{\"type\":3,\"invocationId\":\"1\",\"error\":\"Stream canceled by client.\"}\u{1e}";
    assert_eq!(socket.receive().await, end);
}

#[tokio::test]
async fn a_send_is_never_cancelled() {
    // P-CX-09: it has no id.
    let (connection, mut socket) = open().await;
    connection.send("First", ()).await.unwrap();
    connection.with_deadline(PATIENCE).send("Second", ()).await.unwrap();
    let sends = async {
        let mut received = String::new();
        while !received.contains("Last") {
            received += &socket.receive().await;
        }
        received
    };
    tokio::time::sleep(2 * PATIENCE).await;
    connection.send("Last", ()).await.unwrap();
    let received = deadline("the sends", sends).await;
    let sent = |name| format!("{{\"type\":1,\"target\":\"{name}\",\"arguments\":[]}}\u{1e}");
    assert_eq!(received, ["First", "Second", "Last"].map(sent).concat());
}
