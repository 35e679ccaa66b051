//! The servers that the client is tested against.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A conformance hub that runs as long as this lives.
pub struct Server {
    /// Its address, without a path.
    pub url: String,
    /// Whether it is ASP.NET Core itself: tests ask where we differ on purpose.
    pub is_reference: bool,
    command: String,
    child: Child,
    /// Kept open: a server whose output nobody takes would end.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts the hub of this project: the command in `HUB_SERVER`, or what was built beside the tests.
    pub async fn ours() -> Self {
        let command = std::env::var("HUB_SERVER").unwrap_or_else(|_| format!("{} --quiet", built().display()));
        Self::start(command, false).await
    }

    /// Starts the same hub on ASP.NET Core, if it is there.
    pub async fn reference() -> Option<Self> {
        let command = root().join("../shared/reference-server/run");
        if !command.exists() {
            println!("left out: the tests against ASP.NET Core, for {} is not there", command.display());
            return None;
        }
        Some(Self::start(command.display().to_string(), true).await)
    }

    /// Starts a hub by its command.
    async fn start(command: String, is_reference: bool) -> Self {
        let (url, child, lines) = launch(&command, "http://127.0.0.1:0").await;
        Self { url, is_reference, command, child, _lines: lines }
    }

    /// The address of an endpoint.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Ends it at once.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// Starts it again, after it was killed, at the same address.
    pub async fn start_again(&mut self) {
        (self.url, self.child, self._lines) = launch(&self.command, &self.url).await;
    }
}

/// Runs a hub until it listens.
async fn launch(command: &str, urls: &str) -> (String, Child, Lines<BufReader<ChildStdout>>) {
    let mut words = command.split_whitespace();
    let program = words.next().expect("HUB_SERVER holds a command");
    let mut child = Command::new(program)
        .args(words)
        .args(["--urls", urls])
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error} (build it: cargo build --package conformance-hub)"));
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let url = deadline("the server to listen", async {
        loop {
            let line = lines.next_line().await.expect("its output is text").expect("it listens before it ends");
            if let Some(url) = line.strip_prefix("listening on ") {
                return url.trim().to_owned();
            }
        }
    });
    (url.await, child, lines)
}

/// Waits for something that must happen, and says what did not.
pub async fn deadline<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(20), event).await {
        Ok(value) => value,
        Err(_) => panic!("waited for {what}, in vain"),
    }
}

/// The project's root.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().expect("the package is there");
    here.join("../..").canonicalize().expect("so is the project")
}

/// Tests are built into `deps`, beside which programs lie.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("the test is a file");
    let directory = test.parent().and_then(Path::parent).expect("it is below the build directory");
    directory.join("conformance-hub")
}
