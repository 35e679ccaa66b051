//! Clients that read more slowly than they are written to: others never wait for them (P-LT-15).

use std::time::Duration;

use futures_util::StreamExt;
use hub_core::{Remote, Result, Untyped};
use hub_server::{Context, DisconnectReason, Hub, HubHandle, HubOptions, HubRoute, SlowReader, hub};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::{CLOSED_WITH_ERROR, Client, Events, Server, close, events, eventually, result, within};

struct Crowd {
    cx: Context<Self>,
    events: UnboundedSender<DisconnectReason>,
}

impl Hub for Crowd {
    type Client = Untyped;

    async fn connected(&self) -> Result<()> {
        self.cx.join("crowd").await
    }

    async fn disconnected(&self, reason: &DisconnectReason) {
        let _ = self.events.send(reason.clone());
    }
}

#[hub]
impl Crowd {
    #[method]
    async fn echo(&self, number: u32) -> Result<u32> {
        Ok(number)
    }
}

async fn crowd(options: HubOptions) -> (Server, HubHandle<Crowd>, Events<DisconnectReason>) {
    let (sender, events) = events();
    let route = HubRoute::new(move |cx| Crowd { cx, events: sender.clone() });
    let (server, hub) = Server::with_small_buffers(route.options(options).unwrap()).await;
    (server, hub, events)
}

/// The numbers of the messages that wait for a client, which is still connected.
async fn numbers(client: &mut Client) -> Vec<usize> {
    client.begin("last", "Echo", (1,)).await;
    let mut numbers = Vec::new();
    loop {
        let message = client.next().await;
        if message == result("last", 1) {
            assert!(numbers.is_sorted());
            return numbers;
        }
        numbers.push(message["arguments"][0].as_u64().unwrap().try_into().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stops_reading_delays_none_of_a_thousand() {
    const OTHERS: usize = 999;
    const ROUNDS: usize = 40;
    // Both ends of each connection are here.
    rlimit::increase_nofile_limit(8192).unwrap();
    let (server, hub, mut events) = crowd(HubOptions {
        outbox_bytes: 16 * 1024,
        transport_send_timeout: Duration::from_secs(60),
        ..HubOptions::default()
    })
    .await;
    let mut slow = server.connect_small().await;
    let (sender, mut received) = unbounded_channel();
    for _ in 0..OTHERS {
        let mut client = server.connect().await;
        let received = sender.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let frame = client.socket.next().await.unwrap().unwrap();
                assert!(frame.to_text().unwrap().contains(&format!("\"arguments\":[{round},")));
                received.send(()).unwrap();
            }
            // Open to the end of the test.
            client.try_next().await;
        });
    }
    eventually("all hooks", async || hub.connection_count() == OTHERS + 1).await;

    let text = "x".repeat(4000);
    for round in 0..ROUNDS {
        hub.group("crowd").send("News", (round, &text)).await.unwrap();
        for _ in 0..OTHERS {
            within("everybody to have the message", received.recv()).await.unwrap();
        }
    }

    let (messages, code) = slow.rest().await;
    let (last, news) = messages.split_last().unwrap();
    assert_eq!((last, code), (&close(Some(CLOSED_WITH_ERROR), true), Some(1000)));
    assert!(news.len() < ROUNDS, "{} messages", news.len());
    for (number, message) in news.iter().enumerate() {
        assert_eq!(message["arguments"][0], number);
    }
    assert_eq!(events.next().await, DisconnectReason::SlowReader);
    eventually("it to be gone", async || hub.connection_count() == OTHERS).await;
    events.assert_none();
}

#[tokio::test]
async fn the_newest_messages_are_dropped() {
    let options = HubOptions { outbox_messages: 20, slow_reader: SlowReader::DropNewest, ..HubOptions::default() };
    let (server, hub, mut events) = crowd(options).await;
    let mut client = server.connect_small().await;
    let text = "x".repeat(4000);
    for number in 0..300 {
        hub.all().send("News", (number, &text)).await.unwrap();
        tokio::task::yield_now().await;
    }
    let received = numbers(&mut client).await;
    assert!((20..150).contains(&received.len()), "{received:?}");
    assert!(received.starts_with(&[0, 1, 2, 3, 4]) && !received.contains(&299), "{received:?}");
    hub.all().send("News", (300,)).await.unwrap();
    assert_eq!(numbers(&mut client).await, [300]);
    events.assert_none();
}

#[tokio::test]
async fn the_oldest_messages_are_dropped() {
    let options = HubOptions { outbox_messages: 20, slow_reader: SlowReader::DropOldest, ..HubOptions::default() };
    let (server, hub, mut events) = crowd(options).await;
    let mut client = server.connect_small().await;
    let text = "x".repeat(4000);
    for number in 0..300 {
        hub.all().send("News", (number, &text)).await.unwrap();
        tokio::task::yield_now().await;
    }
    let received = numbers(&mut client).await;
    assert!((20..150).contains(&received.len()), "{received:?}");
    assert!(received.starts_with(&[0, 1]) && received.ends_with(&[297, 298, 299]), "{received:?}");
    hub.all().send("News", (300,)).await.unwrap();
    assert_eq!(numbers(&mut client).await, [300]);
    events.assert_none();
}

#[tokio::test]
async fn the_newest_message_is_kept_though_older_ones_are_on_their_way() {
    let options = HubOptions { outbox_messages: 20, slow_reader: SlowReader::DropOldest, ..HubOptions::default() };
    let (server, hub, _events) = crowd(options).await;
    let mut client = server.connect_small().await;
    let text = "x".repeat(16 * 1024);
    // All at once, so that the connection has its hands full with them before it notices that nobody reads.
    for burst in 0..5 {
        for number in 0..100 {
            hub.all().send("News", (100 * burst + number, &text)).await.unwrap();
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    let received = numbers(&mut client).await;
    assert!(received.len() < 150 && received.ends_with(&[499]), "{received:?}");
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes() {
    for slow_reader in [SlowReader::DropNewest, SlowReader::DropOldest] {
        let options = HubOptions { outbox_bytes: 16 * 1024, slow_reader, ..HubOptions::default() };
        let (server, hub, _events) = crowd(options).await;
        let mut client = server.connect().await;
        // Without a pause, so that all of it has to wait.
        let (small, large) = ("x", "x".repeat(4000));
        for number in 0..200 {
            hub.all().send("News", (number, small)).await.unwrap();
        }
        for number in 200..300 {
            hub.all().send("News", (number, &large)).await.unwrap();
        }
        let received = numbers(&mut client).await;
        let large = received.iter().filter(|&&number| number >= 200).count();
        assert!(large <= 4, "{large} of 4 kB in 16 kB");
        match slow_reader {
            SlowReader::DropNewest => assert!(received.starts_with(&[0, 1, 2]) && !received.contains(&299)),
            _ => assert_eq!(received, [296, 297, 298, 299]),
        }
    }
}

#[tokio::test]
async fn a_write_that_does_not_end_ends_the_connection() {
    // P-PING-14
    let options = HubOptions { transport_send_timeout: Duration::from_secs(1), ..HubOptions::default() };
    let (server, hub, mut events) = crowd(options).await;
    let mut never_reads = server.connect_small().await;
    let mut reads = server.connect().await;
    // Larger than the outbox is: alone it may pass.
    let text = "x".repeat(1100 * 1024);
    hub.all().send("News", (1, &text)).await.unwrap();
    assert_eq!(reads.next().await["arguments"][1].as_str().unwrap().len(), text.len());
    assert_eq!(events.next().await, DisconnectReason::SendTimedOut);
    assert_eq!(reads.call("Echo", (1,)).await, Ok(json!(1)));
    assert_ne!(never_reads.try_next().await, Some(json!({})), "the beginning of a message, and the end");
}

#[tokio::test]
async fn one_that_is_disconnected_for_its_slowness_is_gone_after_the_send_timeout() {
    let options =
        HubOptions { outbox_messages: 10, transport_send_timeout: Duration::from_secs(1), ..HubOptions::default() };
    let (server, hub, mut events) = crowd(options).await;
    let _never_reads = server.connect_small().await;
    let text = "x".repeat(70 * 1024);
    // The first is under way, and blocked, before more come.
    hub.all().send("News", (0, &text)).await.unwrap();
    tokio::task::yield_now().await;
    for number in 1..12 {
        hub.all().send("News", (number,)).await.unwrap();
    }
    assert_eq!(events.next().await, DisconnectReason::SlowReader);
    eventually("it to be gone", async || hub.connection_count() == 0).await;
}
