//! A redis-server that does not outlive us.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::wait_until;

/// Starts a server, says its process id, and kills it when the pipe to us is closed.
const KEEPER: &str = r#"redis-server "$@" >/dev/null 2>&1 & pid=$!; echo $pid; read _; kill -9 $pid; wait $pid"#;

/// A running server with its keeper.
#[derive(Debug)]
pub(crate) struct Process {
    keeper: Child,
    /// Closing it ends the server.
    pipe: Option<ChildStdin>,
    id: u32,
}

impl Process {
    /// Starts a server that logs into this directory. `None` if it has ended by itself: the port may be taken.
    pub(crate) fn start(directory: &Path, arguments: &[String]) -> Option<Self> {
        let log = directory.join("log");
        let _ = std::fs::remove_file(&log);
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .args(arguments)
            .arg("--logfile")
            .arg(&log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let pipe = keeper.stdin.take();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().expect("it is piped")).read_line(&mut line).expect("the process id");
        let process = Self { keeper, pipe, id: line.trim().parse().expect("the process id") };
        let mut ready = false;
        wait_until("redis-server is ready", || {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            ready = log.contains("Ready to accept connections") || log.contains("Sentinel ID is");
            ready || !process.signal("0")
        });
        ready.then_some(process)
    }

    /// Whether the signal could be sent.
    pub(crate) fn signal(&self, signal: &str) -> bool {
        let kill = format!("kill -{signal} {}", self.id);
        Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().expect("sh").success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.keeper.wait();
    }
}
