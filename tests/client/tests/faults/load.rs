//! A server that sends faster than its items are read.

use std::sync::atomic::{AtomicUsize, Ordering};

use client_tests::{Fake, deadline};
use futures_util::{StreamExt, future::join};
use hub_client::Connection;

/// The stream is 100 MB, of which what lies between the two ends must not hold more than this: the sockets' buffers, and
/// what the client keeps itself.
const IN_BETWEEN: usize = 50_000_000;

const ITEMS: usize = 200_000;

/// The size of an item, in bytes.
const SIZE: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_slows_the_server_down() {
    // P-STR-10
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub")).skip_negotiation();
    let (connected, mut socket) = join(builder.connect(), fake.open()).await;
    let connection = connected.unwrap();
    let mut items = connection.stream::<(usize, String)>("Texts", ());
    assert!(socket.receive().await.contains("Texts"));
    let sent = AtomicUsize::new(0);
    let server = async {
        let text = "x".repeat(SIZE);
        for number in 0..ITEMS {
            let item = format!("{{\"type\":2,\"invocationId\":\"1\",\"item\":[{number},\"{text}\"]}}\u{1e}");
            socket.send(&item).await;
            sent.store(number + 1, Ordering::Relaxed);
        }
        socket.send("{\"type\":3,\"invocationId\":\"1\"}\u{1e}").await;
    };
    let reader = async {
        let mut most = 0;
        for number in 0..ITEMS {
            if number % 20_000 == 0 {
                // The server runs as far ahead as it is let: until it makes no more progress.
                let mut before = usize::MAX;
                while before != sent.load(Ordering::Relaxed) {
                    before = sent.load(Ordering::Relaxed);
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                most = most.max(before - number);
            }
            let (read, text) = items.next().await.expect("there are more").expect("it is an item");
            assert_eq!((read, text.len()), (number, SIZE));
        }
        assert_eq!(items.next().await, None);
        most
    };
    let (most, ()) = deadline("the stream", join(reader, server)).await;
    assert!(most * SIZE < IN_BETWEEN, "the server was {most} items ahead");
    assert!(most > 0, "it was never ahead, so that nothing was tried");
}
