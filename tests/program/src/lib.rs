//! Programs under test: started, talked to line by line, measured, and ended.

mod measure;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

pub use self::measure::{cpu, median};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that runs as long as this lives.
pub struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it has printed and was looked at, for the message of a test that fails.
    seen: Vec<String>,
}

impl Program {
    /// Starts a program, such as that of the package under test: `env!("CARGO_BIN_EXE_name")`.
    pub fn start(path: impl AsRef<Path>, arguments: &[&str]) -> Self {
        let path = path.as_ref();
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            // Both ends may be gone: the program's with an error, the test's when it has seen enough.
            let _ = output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line));
        });
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self { name, input: child.stdin.take(), child, lines, seen: Vec::new() }
    }

    /// Starts the program of another package, which lies beside that of the package under test.
    pub fn start_other(package: &str, arguments: &[&str]) -> Self {
        let test = std::env::current_exe().expect("the test is a file");
        // Tests are built into `deps`, beside which programs lie.
        let directory = test.parent().and_then(Path::parent).expect("it is below the build directory");
        let path = directory.join(package).with_extension(std::env::consts::EXE_EXTENSION);
        assert!(path.exists(), "{} is not built: cargo build --package {package}", path.display());
        Self::start(path, arguments)
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types a line.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{} takes no input: {error}", self.name));
    }

    /// Waits for a line that contains this, past all others, and gives it.
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(why) => {
                    let why = if why == RecvTimeoutError::Timeout { "in time" } else { "before its end" };
                    panic!("{} printed no `{text}` {why}, but:\n{}", self.name, self.seen.join("\n"));
                }
            }
        }
    }

    /// Everything it printed that was looked at.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Ends its input, waits until it ends by itself, and looks at everything that it printed.
    pub fn end(&mut self) -> ExitStatus {
        self.input.take();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                // Its output ends with it.
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().expect("it was started"),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{} does not end. It printed:\n{}", self.name, self.seen.join("\n"))
                }
            }
        }
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
