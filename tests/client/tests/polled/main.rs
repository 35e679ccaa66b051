//! Connections that the application drains, from plain functions without a runtime.

mod faults;
mod live;

use std::ops::{Deref, DerefMut};
use std::sync::mpsc::{Receiver, channel};
use std::thread::ThreadId;
use std::time::Duration;

use client_tests::Server;
use hub_client::{Builder, Event, Polled};
use tokio::runtime::Runtime;

/// What happened, and on which thread.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    threads: Vec<ThreadId>,
}

impl Log {
    fn add(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
        self.threads.push(std::thread::current().id());
    }
}

/// A connection under test, its log, and the bell that says when to drain.
struct Client {
    hub: Polled<Log>,
    log: Log,
    bell: Receiver<()>,
}

impl Client {
    fn connect(builder: Builder) -> Self {
        let mut hub = builder.connect_polled().expect("the options are in range");
        let (rings, bell) = channel();
        hub.wake_with(move || _ = rings.send(()));
        hub.on_event(|log: &mut Log, event| {
            log.add(match event {
                Event::Connected(_) => "connected".to_owned(),
                Event::Reconnecting(_) => "reconnecting".to_owned(),
                Event::Reconnected(_) => "reconnected".to_owned(),
                Event::Closed(cause) => format!("closed: {cause}"),
            });
        });
        Self { hub, log: Log::default(), bell }
    }

    /// Drains at each ring until there are so many lines.
    fn lines(&mut self, count: usize) -> &[String] {
        while self.log.lines.len() < count {
            self.ring();
            self.hub.drain(&mut self.log);
        }
        &self.log.lines
    }

    /// Waits until there is something to drain.
    fn ring(&self) {
        let seen = &self.log.lines;
        self.bell.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("nothing comes behind {seen:?}"));
    }
}

/// A hub in a process of its own, and the runtime that the test itself uses.
struct Site {
    server: Server,
    _runtime: Runtime,
}

impl Site {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        Self { server: runtime.block_on(Server::ours()), _runtime: runtime }
    }
}

impl Deref for Site {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
