//! The endpoints whose options differ: small messages, and short times.

use std::time::Duration;

use futures_util::StreamExt;
use hub_client::{Ended, Event, Reconnect};
use hub_core::{CallError, Codec};

use crate::support::Site;

/// What the hub says when it ends a connection for a reason that it keeps to itself.
const CLOSED: &str = "The server closed the connection with the following error: Connection closed with an error.";

fn closed_with_an_error() -> Ended {
    Ended::ByServer { error: Some("Connection closed with an error.".to_owned()), allow_reconnect: true }
}

pub(crate) async fn a_message_above_the_limit_of_the_hub(site: &Site<'_>) {
    // P-LIM-01: the limit is 1,024 bytes, with the separator or the length prefix.
    let around = match site.codec {
        Codec::Json => r#"{"type":1,"invocationId":"1","target":"Echo","arguments":[""]}"#.len() + 1,
        // Of the array: its length, type, headers, id, target, arguments, streams; before it two bytes of its length.
        Codec::MessagePack => 2 + 1 + 1 + 1 + 2 + 5 + (1 + 3) + 1,
    };
    let builder = site.builder("/hub-small").reconnect(Reconnect::after([Duration::ZERO; 3]));
    let client = site.connect(builder).await;
    let mut events = client.connection.events();
    let most = "x".repeat(1024 - around);
    assert_eq!(client.hub.echo(&most).await, Ok(most.clone()));
    assert_eq!(client.hub.echo(&format!("{most}x")).await, Err(CallError::Closed(CLOSED.to_owned())));
    // P-CLS-08: it may come back, and does.
    assert_eq!(events.next().await, Some(Event::Reconnecting(closed_with_an_error())));
    assert!(matches!(events.next().await, Some(Event::Reconnected(Some(_)))));
    assert_eq!(client.hub.echo("small").await.as_deref(), Ok("small"));
    // What the hub sends is not bounded by it.
    let words = "ab ".repeat(300);
    let words: Vec<_> = client.hub.words(&words).collect().await;
    assert!(words.len() >= 300, "{words:?}");

    let client = site.client_at("/hub-small").await;
    assert_eq!(client.hub.echo(&"x".repeat(2000)).await, Err(CallError::Closed(CLOSED.to_owned())));
    assert_eq!(client.connection.closed().await, closed_with_an_error());
}

pub(crate) async fn pings_keep_a_connection_that_is_watched_closely(site: &Site<'_>) {
    // P-PING-07, P-PING-11: the hub pings every second, and ends what is silent for three.
    let second = Duration::from_secs(1);
    let builder = || site.builder("/hub-fast").server_timeout(3 * second);
    let lively = site.connect(builder().keep_alive_interval(second)).await;
    let silent = site.connect(builder().keep_alive_interval(60 * second)).await;
    let (slept, ended) = tokio::join!(lively.hub.sleep(4500), silent.connection.closed());
    assert_eq!(ended, closed_with_an_error());
    assert_eq!(slept, Ok(4500));
    assert_eq!(lively.hub.add(1, 2).await, Ok(3));
}
