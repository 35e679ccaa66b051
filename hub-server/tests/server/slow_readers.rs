//! Clients that read more slowly than they are written to: others never wait for them (P-LT-15).

use std::ops::Range;
use std::time::Duration;

use futures_util::StreamExt;
use hub_core::backplane::InProcess;
use hub_core::{Remote, Result, Untyped};
use hub_server::{Context, DisconnectReason, Hub, HubHandle, HubOptions, HubRoute, SendOrder, SlowReader, hub};
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

    #[method]
    async fn history(&self, lines: usize, size: usize) -> Result<usize> {
        let text = "x".repeat(size);
        for number in 0..lines {
            self.cx.caller().send("Line", (number, &text)).await?;
        }
        Ok(lines)
    }

    #[method]
    async fn in_group(&self, lines: usize, size: usize) -> Result<usize> {
        let text = "x".repeat(size);
        for number in 0..lines {
            self.cx.group("crowd").send("Line", (number, &text)).await?;
        }
        Ok(lines)
    }

    /// The same in a task beside the connection.
    #[method]
    async fn later(&self, lines: usize, size: usize) -> Result<usize> {
        let caller = self.cx.handle().connection(self.cx.connection_id().clone());
        tokio::spawn(async move {
            let text = "x".repeat(size);
            for number in 0..lines {
                caller.send("Line", (number, &text)).await.unwrap();
            }
        });
        Ok(lines)
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
        slow_reader_after: Duration::from_millis(20),
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

/// Sends numbered messages of this size to everybody.
async fn send(hub: &HubHandle<Crowd>, numbers: Range<usize>, size: usize) {
    let text = "x".repeat(size);
    for number in numbers {
        hub.all().send("News", (number, &text)).await.unwrap();
    }
}

/// After this a socket that takes nothing has taken nothing for long enough.
const SLOW_AFTER: Duration = Duration::from_secs(1);

async fn until_slow() {
    tokio::time::sleep(SLOW_AFTER + Duration::from_millis(100)).await;
}

/// Twice what the task of a connection takes out at once.
fn forty(slow_reader: SlowReader) -> HubOptions {
    HubOptions { outbox_messages: 40, slow_reader, slow_reader_after: SLOW_AFTER, ..HubOptions::default() }
}

#[tokio::test]
async fn the_newest_messages_are_dropped() {
    let (server, hub, mut events) = crowd(forty(SlowReader::DropNewest)).await;
    let mut client = server.connect_small().await;
    // More than the bound, at once: nothing of it is lost. What comes when the client is slow by now, is.
    send(&hub, 0..100, 4000).await;
    until_slow().await;
    send(&hub, 100..300, 4000).await;
    assert_eq!(numbers(&mut client).await, Vec::from_iter(0..100));
    send(&hub, 300..301, 1).await;
    assert_eq!(numbers(&mut client).await, [300]);
    events.assert_none();
}

#[tokio::test]
async fn the_oldest_messages_are_dropped() {
    let (server, hub, mut events) = crowd(forty(SlowReader::DropOldest)).await;
    let mut client = server.connect_small().await;
    send(&hub, 0..100, 4000).await;
    until_slow().await;
    send(&hub, 100..300, 4000).await;
    let received = numbers(&mut client).await;
    assert!((40..90).contains(&received.len()), "{received:?}");
    assert!(received.starts_with(&[0, 1]) && received.ends_with(&[297, 298, 299]), "{received:?}");
    send(&hub, 300..301, 1).await;
    assert_eq!(numbers(&mut client).await, [300]);
    events.assert_none();
}

#[tokio::test]
async fn the_newest_message_is_kept_though_older_ones_are_on_their_way() {
    let options = HubOptions { outbox_messages: 2, ..forty(SlowReader::DropOldest) };
    let (server, hub, _events) = crowd(options).await;
    let mut client = server.connect_small().await;
    // The connection has taken more than the bound allows.
    send(&hub, 0..100, 16 * 1024).await;
    until_slow().await;
    send(&hub, 100..500, 16 * 1024).await;
    let received = numbers(&mut client).await;
    assert!(received.len() < 50 && received.ends_with(&[499]), "{received:?}");
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes() {
    for slow_reader in [SlowReader::DropNewest, SlowReader::DropOldest] {
        let options = HubOptions { outbox_messages: 4096, outbox_bytes: 16 * 1024, ..forty(slow_reader) };
        let (server, hub, _events) = crowd(options).await;
        let mut client = server.connect_small().await;
        send(&hub, 0..1, 1024 * 1024).await;
        until_slow().await;
        send(&hub, 1..200, 1000).await;
        let received = numbers(&mut client).await;
        match slow_reader {
            // A megabyte is more than enough.
            SlowReader::DropNewest => assert_eq!(received, [0]),
            _ => assert_eq!(received, [0, 199]),
        }
    }
}

#[tokio::test]
async fn bursts_reach_all_who_read() {
    // Larger than the outbox in bytes, in messages, and in both by far.
    for (lines, size) in [(20, 100_000), (5_000, 100), (200, 10_000), (600, 30_000)] {
        let (server, hub, mut events) = crowd(HubOptions::default()).await;
        let mut readers = Vec::new();
        for _ in 0..10 {
            let mut client = server.connect().await;
            assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
            readers.push(tokio::spawn(async move {
                for number in 0..lines {
                    assert_eq!(client.next().await["arguments"][0], number, "of {lines} of {size} bytes");
                }
            }));
        }
        send(&hub, 0..lines, size).await;
        for reader in readers {
            reader.await.unwrap();
        }
        eventually("the end", async || hub.connection_count() == 0).await;
        for _ in 0..10 {
            // By then the test has dropped them.
            assert!([DisconnectReason::Lost, DisconnectReason::ClosedByClient].contains(&events.next().await));
        }
    }
}

#[tokio::test]
async fn bursts_of_a_method_reach_its_caller_and_its_answer_comes_last() {
    for method in ["History", "Later", "InGroup"] {
        for (lines, size) in [(20, 100_000), (5_000, 100), (600, 30_000)] {
            let (server, _hub, _events) = crowd(HubOptions::default()).await;
            let mut client = server.connect().await;
            client.begin("1", method, (lines, size)).await;
            let mut answered = None;
            for number in 0..lines {
                let mut message = client.next().await;
                if message == result("1", lines) {
                    answered = Some(number);
                    message = client.next().await;
                }
                assert_eq!(message["arguments"][0], number, "{method} of {lines} lines of {size} bytes");
            }
            match answered {
                None => assert_eq!(client.next().await, result("1", lines)),
                Some(_) => assert_eq!(method, "Later", "an answer overtook what was sent before"),
            }
        }
    }
}

#[tokio::test]
async fn bursts_of_another_node_reach_all_who_read() {
    for send_order in [SendOrder::AcrossNodes, SendOrder::LocalFirst] {
        let backplane = InProcess::new();
        let node = async || {
            let (sender, events) = events();
            let route = HubRoute::new(move |cx| Crowd { cx, events: sender.clone() }).backplane(backplane.clone());
            let options = HubOptions { send_order, ..HubOptions::default() };
            let (server, hub) = Server::with_small_buffers(route.options(options).unwrap()).await;
            (server, hub, events)
        };
        let ((near, hub, _near_events), (far, _far_hub, _far_events)) = (node().await, node().await);
        let mut readers = Vec::new();
        for server in [&near, &far] {
            let mut client = server.connect().await;
            assert_eq!(client.call("Echo", (1,)).await, Ok(json!(1)));
            readers.push(tokio::spawn(async move {
                for number in 0..3000 {
                    assert_eq!(client.next().await["arguments"][0], number);
                }
            }));
        }
        send(&hub, 0..3000, 10_000).await;
        for reader in readers {
            reader.await.unwrap();
        }
    }
}

#[tokio::test]
async fn who_takes_nothing_is_slow_at_once_when_the_hub_holds_too_much() {
    let never = Duration::from_secs(3600);
    let timeout = Duration::from_secs(1);
    let options = HubOptions { slow_reader_after: never, transport_send_timeout: timeout, ..HubOptions::default() };
    for options in [
        // In one outbox, and in all of them.
        HubOptions { outbox_burst_bytes: 2 * 1024 * 1024, ..options.clone() },
        HubOptions { outbox_total_bytes: 2 * 1024 * 1024, ..options },
    ] {
        let (server, hub, mut events) = crowd(options).await;
        let _never_reads = server.connect_small().await;
        send(&hub, 0..50, 100_000).await;
        assert_eq!(events.next().await, DisconnectReason::SlowReader);
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
    let timeout = SLOW_AFTER * 2;
    let options = HubOptions { transport_send_timeout: timeout, ..forty(SlowReader::Disconnect) };
    let (server, hub, mut events) = crowd(options).await;
    let _never_reads = server.connect_small().await;
    send(&hub, 0..30, 70 * 1024).await;
    until_slow().await;
    send(&hub, 30..31, 1).await;
    assert_eq!(events.next().await, DisconnectReason::SlowReader);
    eventually("it to be gone", async || hub.connection_count() == 0).await;
}
