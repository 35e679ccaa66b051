//! What the log shows, and how often.

use std::io;
use std::sync::{Arc, Mutex};

use hub_core::{HubError, Result, Untyped};
use hub_server::{Context, Hub, HubOptions, HubRoute, hub};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{NONE, Server, eventually};

const TEXT: &str = "no \"room\"\r\n2026-01-01T00:00:00Z ERROR it is all lost \u{1b}[2J";
const SHOWN: &str = r#"no "room"\r\n2026-01-01T00:00:00Z ERROR it is all lost \u{1b}[2J"#;

struct Failing(#[expect(dead_code)] Context<Self>);

impl Hub for Failing {
    type Client = Untyped;
}

#[hub]
impl Failing {
    #[method]
    async fn fail(&self, text: String) -> Result<()> {
        Err(HubError::private(text))
    }

    #[method]
    async fn fail_too(&self) -> Result<()> {
        Err(io::Error::other("the disk\nis full").into())
    }

    #[method]
    async fn panic(&self, text: String) {
        panic!("{text}");
    }
}

/// The log of this thread, line by line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn of_this_thread() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }

    /// Waits for so many lines with this text, and gives them.
    async fn lines_with(&self, text: &str, count: usize) -> Vec<String> {
        let with = || self.lines().into_iter().filter(|line| line.contains(text)).collect::<Vec<_>>();
        eventually(text, async || with().len() >= count).await;
        with()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn failing(name: &str) -> Server {
    Server::of(HubRoute::new(Failing).name(name).options(HubOptions::default()).unwrap()).await.0
}

#[tokio::test]
async fn what_fails_again_and_again_is_counted() {
    let (log, _guard) = Log::of_this_thread();
    let server = failing("counted").await;
    let (mut ann, mut bob) = (server.connect().await, server.connect().await);
    for _ in 0..50 {
        ann.call("Fail", (TEXT,)).await.unwrap_err();
        // However it is written, it is the same method.
        bob.call("fAIL", (TEXT,)).await.unwrap_err();
    }
    ann.call("FailToo", NONE).await.unwrap_err();

    let failed = log.lines_with("the method failed hub", 2).await;
    assert!(failed[0].contains("ERROR") && failed[0].contains("method=\"Fail\""), "{failed:?}");
    assert!(failed[0].ends_with(&format!("error=HubError: {SHOWN}")), "{failed:?}");
    assert!(failed[1].ends_with("method=\"FailToo\" error=Error: the disk\\nis full"), "{failed:?}");
    // Should the machine be busy, there may be more than one second.
    let mut hidden = 0;
    eventually("the others are counted", async || {
        let again = log.lines_with("the method failed again", 0).await;
        hidden = again.iter().map(|line| line.rsplit_once("times=").unwrap().1.parse::<usize>().unwrap()).sum();
        hidden + log.lines_with("method=\"Fail\" error", 0).await.len() == 100
    })
    .await;
    assert!(hidden >= 90, "{hidden} of 100");
    // After that it is shown again.
    ann.call("Fail", ("later",)).await.unwrap_err();
    log.lines_with("error=HubError: later", 1).await;
}

#[tokio::test]
async fn a_panic_is_one_line() {
    let (log, _guard) = Log::of_this_thread();
    let mut client = failing("panics").await.connect().await;
    let long = format!("{TEXT}{}", "x".repeat(5000));
    client.call("Panic", (&long,)).await.unwrap_err();
    let lines = log.lines_with("the method panicked", 1).await;
    assert!(lines[0].contains(&format!("panic={SHOWN}xxx")) && lines[0].ends_with("xx.."), "{lines:?}");
    assert!(lines[0].len() < 1500, "{}", lines[0].len());
    assert_eq!(log.lines().len(), 1);
}
