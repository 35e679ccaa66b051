//! The end of a connection, behind everything that came before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client_tests::{Fake, Server, Socket, deadline};
use futures_util::{StreamExt, future::join};
use hub_client::{Builder, Connection, Ended, Event, Reconnect, State};
use hub_core::Args;
use tokio::sync::{Notify, Semaphore};
use tokio_tungstenite::tungstenite::Message;

const NOTICE: &str = "{\"type\":1,\"target\":\"Said\",\"arguments\":[]}\u{1e}";

async fn open(fake: &Fake, builder: Builder) -> (Connection, Socket) {
    let (connected, socket) = join(builder.skip_negotiation().connect(), fake.open()).await;
    (connected.expect("the handshake is answered"), socket)
}

/// A builder whose handler counts, but takes its time.
fn counting(fake: &Fake) -> (Builder, Arc<AtomicUsize>) {
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let builder = Connection::builder(fake.at("/hub")).on("Said", move || {
        let count = Arc::clone(&count);
        async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (builder, handled)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_are_handled_before_the_end_is_told() {
    for ending in ["", "{\"type\":7}\u{1e}", "}{\u{1e}", "cut"] {
        for _ in 0..20 {
            let fake = Fake::new().await;
            let (builder, handled) = counting(&fake);
            let (connection, mut socket) = open(&fake, builder).await;
            let mut events = connection.events();
            socket.send(&NOTICE.repeat(25)).await;
            socket.send(&format!("{}{}", NOTICE.repeat(25), ending.trim_end_matches("cut"))).await;
            if ending == "cut" {
                socket.cut();
            } else if ending.is_empty() {
                futures_util::SinkExt::send(&mut socket.stream, Message::Close(None)).await.unwrap();
            }
            let event = deadline("the event", events.next()).await;
            assert_eq!(handled.load(Ordering::SeqCst), 50, "{ending}: {event:?}");
            assert_eq!(event, Some(Event::Closed(deadline("the end", connection.closed()).await)));
            assert_eq!(events.next().await, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_with_real_hubs() {
    for server in [Some(Server::ours().await), Server::reference().await].into_iter().flatten() {
        for _ in 0..20 {
            let handled = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&handled);
            let builder = Connection::builder(server.at("/hub")).on("Message", move |_: Args| {
                count.fetch_add(1, Ordering::SeqCst);
                async {}
            });
            let connection = builder.connect().await.unwrap();
            for _ in 0..50 {
                connection.send("SendToCaller", ("x",)).await.unwrap();
            }
            // It is over before there is an answer.
            connection.invoke::<()>("Abort", ()).await.unwrap_err();
            deadline("the end", connection.closed()).await;
            assert_eq!(handled.load(Ordering::SeqCst), 50, "{}", server.is_reference);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_is_told_behind_the_notices_but_seen_at_once() {
    let fake = Fake::new().await;
    let (entered, goes_on) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let (enter, wait) = (Arc::clone(&entered), Arc::clone(&goes_on));
    let builder = Connection::builder(fake.at("/hub")).reconnect(Reconnect::after([Duration::ZERO]));
    let builder = builder.on("Said", move || {
        let (enter, wait) = (Arc::clone(&enter), Arc::clone(&wait));
        async move {
            enter.notify_one();
            wait.acquire().await.unwrap().forget();
        }
    });
    let (connection, mut socket) = open(&fake, builder).await;
    let (mut events, mut state) = (connection.events(), connection.state());
    socket.send(&NOTICE.repeat(2)).await;
    deadline("the handler", entered.notified()).await;
    socket.cut();
    state.wait_for(|state| *state == State::Reconnecting).await.unwrap();
    let _socket = fake.open().await;
    state.wait_for(|state| *state == State::Connected).await.unwrap();
    assert!(futures_util::FutureExt::now_or_never(events.next()).is_none());
    goes_on.add_permits(2);
    assert!(matches!(deadline("the loss", events.next()).await, Some(Event::Reconnecting(Ended::Lost(_)))));
    assert_eq!(deadline("the reconnect", events.next()).await, Some(Event::Reconnected(None)));
}

#[tokio::test]
async fn a_handler_that_takes_for_ever_does_not_hold_up_the_end() {
    let fake = Fake::new().await;
    let builder = Connection::builder(fake.at("/hub")).close_timeout(Duration::from_millis(50));
    let (connection, mut socket) = open(&fake, builder.on("Said", std::future::pending::<()>)).await;
    socket.send(NOTICE).await;
    socket.send("{\"type\":7}\u{1e}").await;
    let ended = deadline("the end", connection.closed()).await;
    assert_eq!(ended, Ended::ByServer { error: None, allow_reconnect: false });
}

#[tokio::test]
async fn a_handler_may_stop_its_connection_and_wait_for_the_end() {
    let fake = Fake::new().await;
    let (told, mut ends) = tokio::sync::mpsc::unbounded_channel();
    // Waiting for itself would take an hour.
    let builder = Connection::builder(fake.at("/hub")).close_timeout(Duration::from_secs(3600));
    let (connection, mut socket) = open(&fake, builder).await;
    let own = connection.clone();
    connection
        .on("Said", move || {
            let (own, told) = (own.clone(), told.clone());
            async move {
                own.stop().await;
                told.send(own.closed().await).unwrap();
            }
        })
        .keep();
    socket.send(NOTICE).await;
    let goodbye = async {
        assert_eq!(socket.receive().await, "{\"type\":7}\u{1e}");
        assert_eq!(socket.receive().await, "closed 1000");
        assert_eq!(socket.receive().await, "ended");
    };
    deadline("the goodbye", goodbye).await;
    assert_eq!(deadline("the handler", ends.recv()).await, Some(Ended::Stopped));
    assert_eq!(deadline("the end", connection.closed()).await, Ended::Stopped);
}
