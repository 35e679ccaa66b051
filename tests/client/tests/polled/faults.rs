//! Against servers that cut, flood and stay away.

use std::time::Duration;

use client_tests::{Fake, Socket, deadline};
use futures_util::FutureExt;
use hub_client::{Builder, Connection, Reconnect, State};
use hub_core::CallError;
use tokio::runtime::Runtime;

use crate::{Client, Log};

fn said(text: &str) -> String {
    format!("{{\"type\":1,\"target\":\"Said\",\"arguments\":[\"{text}\"]}}\u{1e}")
}

/// Starts a client, opens its connection, and drains until it knows.
fn open(runtime: &Runtime, builder: impl FnOnce(String) -> Builder) -> (Client, Fake, Socket) {
    let fake = runtime.block_on(Fake::new());
    let mut client = Client::connect(builder(fake.at("/hub")).skip_negotiation());
    assert_eq!(client.hub.state(), State::Connecting);
    client.hub.on("Said", |log: &mut Log, text: String| log.add(text));
    let socket = runtime.block_on(fake.open());
    assert_eq!(client.lines(1), ["connected"]);
    assert!(client.hub.is_connected());
    (client, fake, socket)
}

#[test]
fn a_reconnect_comes_in_its_turn() {
    // P-CLI-04
    let runtime = Runtime::new().unwrap();
    let at_once = Reconnect::after([Duration::ZERO]);
    let (mut client, fake, mut socket) = open(&runtime, |url| Connection::builder(url).reconnect(at_once));
    client.hub.invoke("Any", (), |log: &mut Log, lost: Result<(), _>| {
        log.add(format!("lost {}", matches!(lost, Err(CallError::Closed(_)))));
    });
    let socket = runtime.block_on(async {
        assert!(socket.receive().await.contains("\"Any\""));
        socket.send(&said("before")).await;
        socket.cut();
        let mut socket = fake.open().await;
        socket.send(&said("behind")).await;
        socket
    });
    let lines = client.lines(6);
    // First of all the state: whoever sees a call fail finds that no other can be made.
    assert_eq!(lines[1..], ["before", "reconnecting", "lost true", "reconnected", "behind"]);
    assert!(client.hub.is_connected());
    drop((fake, socket));
    let lines = client.lines(8);
    assert_eq!(lines[6], "reconnecting");
    assert!(lines[7].starts_with("closed: Reconnect retries have been exhausted after 1 "), "{}", lines[7]);
}

#[test]
fn dropping_it_ends_the_connection() {
    let runtime = Runtime::new().unwrap();
    for stops in [false, true] {
        // Nobody answers the goodbye before it is over.
        let builder = |url: String| Connection::builder(url).close_timeout(Duration::from_millis(100));
        let (client, _fake, mut socket) = open(&runtime, builder);
        client.hub.send("Last", ()).unwrap();
        // What is kept beside it does not keep it open.
        let calls = client.hub.calls();
        if stops {
            client.hub.stop()
        } else {
            drop(client.hub)
        }
        runtime.block_on(async {
            let mut said = String::new();
            while !said.ends_with("closed 1000") {
                said += &socket.receive().await;
            }
            // P-CLS-10
            assert!(said.contains("\"Last\"") && said.contains("{\"type\":7}"), "{said}");
            let ended = deadline("the end", calls.connection().closed()).await;
            assert_eq!(ended, hub_client::Ended::Stopped);
        });
        assert!(matches!(calls.send("Any", ()), Err(CallError::Refused(_))));
    }
}

#[test]
fn a_first_attempt_that_fails_is_the_end() {
    // P-CLI-03
    let runtime = Runtime::new().unwrap();
    let nobody = runtime.block_on(async { Fake::new().await.at("/hub") });
    let mut client = Client::connect(Connection::builder(nobody).reconnect(Reconnect::default()));
    let line = &client.lines(1)[0];
    assert!(line.starts_with("closed: Unable to connect to 127.0.0.1:"), "{line}");
    assert_eq!(client.hub.state(), State::Disconnected);
    let wrong = Connection::builder("ftp://example.org").connect_polled::<()>();
    assert!(matches!(wrong, Err(hub_client::ConnectError::Option(_))));
}

#[test]
fn what_is_not_drained_slows_the_hub_down() {
    let runtime = Runtime::new().unwrap();
    let (mut client, _fake, mut socket) = open(&runtime, Connection::builder);
    const COUNT: usize = 40_000;
    // More than the buffers of the sockets hold.
    let flood = runtime.spawn(async move {
        let padding = "x".repeat(1000);
        for number in 0..COUNT {
            socket.send(&said(&format!("{number} {padding}"))).await;
        }
        socket
    });
    client.ring();
    // The hub cannot get rid of it all, however long it is given.
    std::thread::sleep(Duration::from_millis(300));
    assert!(!flood.is_finished());
    let at_first = client.hub.drain(&mut client.log);
    assert!((1..=1024).contains(&at_first), "{at_first} were kept");
    let lines = client.lines(COUNT + 1);
    for (number, line) in lines[1..].iter().enumerate() {
        assert_eq!(line.split(' ').next(), Some(&*number.to_string()));
    }
    assert!(runtime.block_on(deadline("the flood", flood)).is_ok());
}

#[test]
fn a_full_send_queue_refuses() {
    let runtime = Runtime::new().unwrap();
    let (client, _fake, _socket) = open(&runtime, |url| Connection::builder(url).send_buffer(100_000));
    // The server does not read.
    let text = "x".repeat(50_000);
    let mut sent = 0;
    let error = loop {
        match client.hub.send("Take", (&text,)) {
            Ok(()) => sent += 1,
            // The thread that writes may be behind, with the socket still open.
            Err(error) if sent > 0 => break error,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(error.to_string().starts_with("The send queue is full"), "{error}");
    // Nothing was lost by asking: a call of the same size still waits for its room.
    let waiting = client.hub.connection().send("Take", (&text,));
    assert!(std::pin::pin!(waiting).now_or_never().is_none_or(|sent| sent.is_ok()));
}

#[test]
fn a_bell_that_panics_does_not_end_the_connection() {
    let runtime = Runtime::new().unwrap();
    let (mut client, _fake, mut socket) = open(&runtime, Connection::builder);
    let (rings, bell) = std::sync::mpsc::channel();
    client.bell = bell;
    client.hub.wake_with(move || {
        let _ = rings.send(());
        panic!("whatever comes");
    });
    for count in 2..5 {
        runtime.block_on(socket.send(&said("hello")));
        assert_eq!(client.lines(count).last().unwrap(), "hello");
    }
    assert!(client.hub.is_connected());
}

#[test]
fn deadlines_need_no_runtime_of_the_caller() {
    let runtime = Runtime::new().unwrap();
    let (mut client, _fake, mut socket) = open(&runtime, Connection::builder);
    let hurried = client.hub.connection().with_deadline(Duration::from_millis(20));
    // A notice, a call in drains, and one from any executor.
    client.hub.post(hurried.send("Notice", ())).unwrap();
    let call = hurried.clone();
    let call = async move { call.invoke::<u32>("Never", ()).await };
    client.hub.spawn(call, |log: &mut Log, late| log.add(format!("{late:?}")));
    assert_eq!(client.lines(2)[1], "Err(TimedOut)");
    let late = std::thread::spawn(move || hurried.send("Notice", ()).now_or_never().unwrap());
    assert_eq!(late.join().unwrap(), Ok(()));
    assert!(runtime.block_on(socket.receive()).contains("Notice"));
}
