//! A server that sends faster than its items are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client_tests::{Fake, deadline};
use futures_util::{FutureExt, SinkExt, StreamExt, future::join};
use hub_client::Connection;
use hub_core::HubError;
use tokio::sync::Semaphore;

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
                    tokio::time::sleep(Duration::from_millis(20)).await;
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

/// Sends `count` messages of this `size`, each with something `before` it, of which the client must not take all while
/// nothing is handled: `begun` handlers begin, and the server has to wait. Then it goes on.
async fn is_held_up(target: &str, id: &str, size: usize, before: &str, count: usize, begun: usize) {
    let fake = Fake::new().await;
    let (taken, goes_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (take, wait) = (Arc::clone(&taken), Arc::clone(&goes_on));
    let handle = move |_: String| {
        let (take, wait) = (Arc::clone(&take), Arc::clone(&wait));
        async move {
            take.fetch_add(1, Ordering::SeqCst);
            wait.acquire().await.unwrap().forget();
        }
    };
    let answer = handle.clone();
    // No timer helps a reader that was forgotten.
    let hour = Duration::from_secs(3600);
    let builder = Connection::builder(fake.at("/hub")).keep_alive_interval(hour).server_timeout(2 * hour);
    let builder = builder.skip_negotiation().on("Tell", handle).on("Ask", move |text| {
        let done = answer(text);
        async move {
            done.await;
            Ok::<_, HubError>(())
        }
    });
    let (connected, mut socket) = join(builder.connect(), fake.open()).await;
    let connection = connected.unwrap();
    // Somebody waits for an answer, for whom the client reads on as long as it can.
    let mut call = Box::pin(connection.invoke::<u32>("Never", ()));
    assert_eq!((&mut call).now_or_never(), None);
    assert!(socket.receive().await.contains("Never"));
    let text = "x".repeat(size);
    let (mut writing, mut reading) = socket.stream.split();
    let mut server = Box::pin(async {
        for batch in (0..count).collect::<Vec<_>>().chunks(1 + 100_000 / (size + before.len())) {
            let messages = batch.iter().map(|number| {
                let id = if id.is_empty() { String::new() } else { format!("\"invocationId\":\"{id}{number}\",") };
                format!("{before}{{\"type\":1,{id}\"target\":\"{target}\",\"arguments\":[\"{text}\"]}}\u{1e}")
            });
            writing.send(messages.collect::<String>().into()).await.unwrap();
        }
    });
    // The sockets hold a part of it.
    while taken.load(Ordering::SeqCst) < begun {
        assert_eq!((&mut server).now_or_never(), None);
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        assert_eq!((&mut server).now_or_never(), None, "it takes whatever comes");
        tokio::task::yield_now().await;
    }
    assert!(taken.load(Ordering::SeqCst) <= begun + 1);
    goes_on.add_permits(count);
    let others = async {
        while taken.load(Ordering::SeqCst) < begun + 10 {
            tokio::task::yield_now().await;
        }
    };
    let answers = async { while reading.next().await.is_some() {} };
    let served = async { join(server, answers).await };
    tokio::select! {
        () = deadline("the others", others) => {}
        _ = served => panic!("it went away"),
    }
}

#[tokio::test]
async fn questions_that_are_not_answered_are_held_up_by_their_bytes() {
    is_held_up("Ask", "q", 1 << 19, "", 64, 32).await;
}

#[tokio::test]
async fn notices_that_are_next_to_nothing_count_too() {
    is_held_up("Tell", "", 1, "", 600_000, 1).await;
}

#[tokio::test]
async fn a_small_notice_does_not_keep_what_it_came_with() {
    // A message of an unknown type is ignored (P-GEN-05), but it was read together with the notice.
    let ignored = format!("{{\"type\":99,\"padding\":\"{}\"}}\u{1e}", "x".repeat(60_000));
    is_held_up("Tell", "", 1, &ignored, 600, 1).await;
}
