//! Ctrl-C, and its like: the connection is closed as it should be, then the program ends.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::failure::Failure;

/// How long the end may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The numbers of the signals.
const SIGINT: u8 = 2;
#[cfg(unix)]
const SIGTERM: u8 = 15;

/// Tells that the program is to end.
pub(crate) struct Interrupt(watch::Receiver<Option<u8>>);

impl Interrupt {
    /// Takes signals from now on.
    pub(crate) fn listen() -> Self {
        let (tell, told) = watch::channel(None);
        tokio::spawn(async move {
            let signal = signal().await;
            tell.send_replace(Some(signal));
            // Whoever is asked twice, or hangs in a write that nobody reads, ends at once.
            let _ = timeout(PATIENCE, self::signal()).await;
            std::process::exit(i32::from(128 + signal));
        });
        Self(told)
    }

    /// What is done, unless it is interrupted.
    pub(crate) async fn or<T>(&self, done: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mut told = self.0.clone();
        let interrupted = async {
            match told.wait_for(Option::is_some).await {
                Ok(signal) => Failure::Interrupted(signal.unwrap_or(SIGINT)),
                // Nobody listens for signals any more.
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            failure = interrupted => Err(failure),
            done = done => done,
        }
    }
}

/// Waits for a signal to end.
async fn signal() -> u8 {
    let interrupted = async {
        // Where there are no signals there are none to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        SIGINT
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix;

        let terminated = async {
            match unix::signal(unix::SignalKind::terminate()) {
                Ok(mut signals) => _ = signals.recv().await,
                Err(_) => std::future::pending().await,
            }
            SIGTERM
        };
        tokio::select! {
            signal = interrupted => signal,
            signal = terminated => signal,
        }
    }
    #[cfg(not(unix))]
    interrupted.await
}
