//! Says which rule it is that never ends.

use std::io::{Write, stderr};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// After how long it says so. No rule that holds takes as long.
const LONG: Duration = Duration::from_secs(60);

/// Watches from a thread of its own: what blocks the suite's thread, a lock taken twice, stops its timers too.
pub(super) struct Watch(Sender<&'static str>);

impl Watch {
    pub(super) fn begin() -> Self {
        let (sender, rules) = channel();
        let watch = move || {
            let mut checked = None;
            loop {
                match rules.recv_timeout(LONG) {
                    Ok(rule) => checked = Some(rule),
                    Err(RecvTimeoutError::Timeout) => {
                        if let Some(rule) = checked.take() {
                            // Not by `eprintln`, which the test harness keeps until the test ends.
                            let _ = writeln!(
                                stderr(),
                                "conformance: checking {rule} takes over {LONG:?}. If it never ends, the backplane blocks \
                                 the thread that calls it."
                            );
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        // Where there are no threads, nobody watches.
        let _ = thread::Builder::new().name("conformance watch".to_owned()).spawn(watch);
        Self(sender)
    }

    pub(super) fn checks(&self, rule: &'static str) {
        let _ = self.0.send(rule);
    }
}
