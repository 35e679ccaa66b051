//! Sizes and intervals (sections 6 and 21).

use std::time::Duration;

use futures_util::StreamExt;
use hub_core::{Result, Untyped};
use hub_server::{Hub, HubOptions, HubRoute, hub};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{CLOSED_WITH_ERROR, Server, close, invocation, within};

struct Scale;

impl Hub for Scale {
    type Client = Untyped;
}

#[hub]
impl Scale {
    #[method]
    async fn weigh(&self, text: &str) -> Result<usize> {
        Ok(text.len())
    }
}

async fn scale(options: HubOptions) -> Server {
    Server::of(HubRoute::new(|_| Scale).options(options).unwrap()).await.0
}

/// A call that is this long on the wire.
fn call_of(size: usize) -> (String, usize) {
    let frame = |text: &str| format!("{}\x1e", invocation("call", "Weigh", [text]));
    let length = size - frame("").len();
    (frame(&"x".repeat(length)), length)
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_passes() {
    // P-LIM-01, P-LIM-30, P-WS-11
    let server = scale(HubOptions {
        maximum_receive_message_size: Some(1000),
        enable_detailed_errors: true,
        ..HubOptions::default()
    })
    .await;
    let mut client = server.connect().await;
    let (fits, length) = call_of(1000);
    client.send_text(&fits.repeat(5)).await;
    for _ in 0..5 {
        assert_eq!(client.next().await["result"], length);
    }
    client.send_text(&call_of(1001).0).await;
    let why = "The maximum message size of 1000B was exceeded. The message size can be configured in AddHubOptions.";
    let text = format!("{CLOSED_WITH_ERROR} InvalidDataException: {why}");
    assert_eq!(client.rest().await, (vec![close(Some(&text), true)], Some(1000)));
}

#[tokio::test]
async fn details_are_private_by_default() {
    let server = scale(HubOptions { maximum_receive_message_size: Some(1000), ..HubOptions::default() }).await;
    let mut client = server.connect().await;
    client.send_text(&call_of(1001).0).await;
    assert_eq!(client.rest().await, (vec![close(Some(CLOSED_WITH_ERROR), true)], Some(1000)));
}

#[tokio::test]
async fn no_limit() {
    let server = scale(HubOptions { maximum_receive_message_size: None, ..HubOptions::default() }).await;
    let mut client = server.connect().await;
    let (call, length) = call_of(6 << 20);
    client.send_text(&call).await;
    assert_eq!(client.next().await["result"], length);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_or_is_too_long() {
    // P-HS-11, P-HS-12, P-HS-14
    let server = scale(HubOptions {
        handshake_timeout: Duration::from_millis(20),
        maximum_receive_message_size: Some(64),
        ..HubOptions::default()
    })
    .await;
    let canceled = json!({ "error": "Handshake was canceled." });
    let mut silent = server.open("/hub").await;
    assert_eq!(silent.rest().await, (vec![canceled.clone()], Some(1000)));
    let mut partial = server.open("/hub").await;
    partial.send_text("{\"protocol\":").await;
    assert_eq!(partial.rest().await, (vec![canceled.clone()], Some(1000)));
    let mut long = server.open("/hub").await;
    long.send_text(&"{".repeat(65)).await;
    assert_eq!(long.rest().await, (vec![canceled], Some(1000)));
}

#[tokio::test]
async fn pings_come_at_intervals_after_the_handshake() {
    // P-PING-01, P-PING-03
    let interval = Duration::from_millis(10);
    let server = scale(HubOptions { keep_alive_interval: interval, ..HubOptions::default() }).await;
    let mut waits = server.open("/hub").await;
    let began = tokio::time::Instant::now();
    server.connect().await.wait_for_pings(5).await;
    assert!(began.elapsed() >= interval * 5);
    assert_eq!(waits.pings, 0);
    // The first that it reads is the answer to the handshake.
    waits.handshake().await;
    assert_eq!(waits.pings, 0);
}

#[tokio::test]
async fn pings_of_the_transport_are_answered_and_are_no_messages() {
    // P-WS-10
    let server = scale(HubOptions::default()).await;
    let mut client = server.connect().await;
    client.try_send(Message::Ping("still there?".into())).await.unwrap();
    let answer = within("a pong", client.socket.next()).await.unwrap().unwrap();
    assert_eq!(answer, Message::Pong("still there?".into()));
    assert_eq!(client.call("Weigh", ("abc",)).await, Ok(json!(3)));
}

#[tokio::test]
async fn only_a_client_that_pings_is_timed_out() {
    // P-PING-04, P-PING-07, P-CLS-03
    let timeout = Duration::from_millis(40);
    let server = scale(HubOptions { client_timeout_interval: timeout, ..HubOptions::default() }).await;
    let mut never_pings = server.connect().await;
    let mut pings_once = server.connect().await;
    let began = tokio::time::Instant::now();
    pings_once.send(&json!({ "type": 6 })).await;
    assert_eq!(pings_once.rest().await, (vec![close(Some(CLOSED_WITH_ERROR), true)], Some(1000)));
    assert!(began.elapsed() >= timeout);
    assert_eq!(never_pings.call("Weigh", ("abc",)).await, Ok(json!(3)));
}

#[test]
fn each_option_is_checked() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let (short, long) = (Duration::ZERO, DAY + Duration::from_millis(1));
    type Set<T> = fn(&mut HubOptions, T);
    let sizes: [(&str, Set<usize>, usize, usize, &str); 8] = [
        ("maximum_receive_message_size", |o, n| o.maximum_receive_message_size = Some(n), 64, (1 << 31) - 1, "bytes"),
        ("stream_buffer_capacity", |o, n| o.stream_buffer_capacity = n, 1, 1_000_000, "items"),
        (
            "maximum_parallel_invocations_per_client",
            |o, n| o.maximum_parallel_invocations_per_client = n,
            1,
            65_536,
            "calls",
        ),
        ("maximum_open_calls_per_client", |o, n| o.maximum_open_calls_per_client = n, 1, 1_000_000, "calls"),
        ("outbox_messages", |o, n| o.outbox_messages = n, 1, 10_000_000, "messages"),
        ("outbox_bytes", |o, n| o.outbox_bytes = n, 1024, (1 << 31) - 1, "bytes"),
        ("outbox_burst_bytes", |o, n| o.outbox_burst_bytes = n, 1024, (1 << 31) - 1, "bytes"),
        ("client_bytes", |o, n| o.client_bytes = n, 1024, (1 << 31) - 1, "bytes"),
    ];
    for (name, set, least, most, unit) in sizes {
        for (value, is_valid) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
            let mut options = HubOptions::default();
            set(&mut options, value);
            let text = format!("{name} is {value}, which is outside of its range: {least} to {most} {unit}");
            check(name, &options, is_valid, &text);
        }
    }
    let times: [(&str, Set<Duration>, &str); 7] = [
        ("handshake_timeout", |o, t| o.handshake_timeout = t, "1ms"),
        ("keep_alive_interval", |o, t| o.keep_alive_interval = t, "1ms"),
        ("client_timeout_interval", |o, t| o.client_timeout_interval = t, "1ms"),
        ("transport_send_timeout", |o, t| o.transport_send_timeout = t, "1ms"),
        ("web_socket_close_timeout", |o, t| o.web_socket_close_timeout = t, "1ms"),
        ("slow_reader_after", |o, t| o.slow_reader_after = t, "1ms"),
        ("disconnect_timeout", |o, t| o.disconnect_timeout = t, "1s"),
    ];
    for (name, set, least) in times {
        for (value, is_valid) in [(short, false), (Duration::from_secs(1), true), (DAY, true), (long, false)] {
            let mut options = HubOptions::default();
            set(&mut options, value);
            let text = format!("{name} is {value:?}, which is outside of its range: {least} to 86400s");
            check(name, &options, is_valid, &text);
        }
    }
    for (value, is_valid) in [(-1, false), (0, true), (1, true), (2, false)] {
        let options = HubOptions { minimum_protocol_version: value, ..HubOptions::default() };
        let text = format!("minimum_protocol_version is {value}, which is outside of its range: 0 to 1");
        check("minimum_protocol_version", &options, is_valid, &text);
    }
    let options = HubOptions { supported_protocols: Vec::new(), ..HubOptions::default() };
    let text = "supported_protocols is empty, which is outside of its range: at least one of json, messagepack";
    check("supported_protocols", &options, false, text);
    let options = HubOptions { outbox_total_bytes: 1023, ..HubOptions::default() };
    let text = format!("outbox_total_bytes is 1023, which is outside of its range: 1024 to {} bytes", usize::MAX);
    check("outbox_total_bytes", &options, false, &text);
    let options = HubOptions { maximum_receive_message_size: None, ..HubOptions::default() };
    check("maximum_receive_message_size", &options, true, "");
}

/// A hub takes valid options, and refuses others with a text that says it all.
fn check(name: &str, options: &HubOptions, is_valid: bool, text: &str) {
    match HubRoute::new(|_| Scale).options(options.clone()) {
        Ok(_) => assert!(is_valid, "{text}"),
        Err(invalid) => {
            assert!(!is_valid, "{invalid}");
            assert_eq!((invalid.name(), invalid.to_string()), (name, text.to_owned()));
        }
    }
}
