//! The server under test, started for one test and ended with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

pub(crate) struct Server {
    process: Child,
    /// Host and port.
    pub(crate) address: String,
}

impl Server {
    /// Starts this package's server, or what the variable `HUB_SERVER` says, relative to the project's root.
    pub(crate) fn start() -> Self {
        let command = std::env::var("HUB_SERVER").ok();
        let command = command.as_deref().or(option_env!("CARGO_BIN_EXE_conformance-hub"));
        let mut words = command.expect("HUB_SERVER is set or this package has a server").split_whitespace();
        let mut process = Command::new(words.next().expect("HUB_SERVER names a program"))
            .args(words)
            .args(["--urls", "http://127.0.0.1:0"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");

        let mut lines = BufReader::new(process.stdout.take().expect("a piped output")).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.strip_prefix("listening on http://")?.to_owned()));
        // A server whose output nobody reads would block in the end.
        thread::spawn(move || lines.for_each(drop));
        let server = Self { process, address: address.unwrap_or_default() };
        assert!(!server.address.is_empty(), "the server ended before it listened");
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either it is gone already or it goes now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
