//! One server.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::Process;
use crate::tls::Authority;
use crate::{available, wait_until};

/// A `redis-server` of our own, until it is dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
    /// How redis-cli gets in.
    cli: Vec<String>,
    tls: bool,
    /// Certificates, which have to be there before the port is known.
    files: Option<PathBuf>,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts one; `None` where there is no redis-server.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts one with more arguments, such as `["--maxmemory", "1mb"]`. With `--requirepass` the password is used by
    /// [`command`](Self::command), too.
    pub fn start_with(arguments: &[&str]) -> Option<Self> {
        available().then(|| Self::running(arguments, |port| vec!["--port".to_owned(), port.to_string()], false))
    }

    /// Starts one that speaks TLS only, with a certificate of this authority for `localhost` and `127.0.0.1`.
    pub fn start_tls(authority: &Authority) -> Option<Self> {
        if !available() {
            return None;
        }
        let files = new_directory();
        authority.write(&files);
        let file = |name: &str| files.join(name).display().to_string();
        let arguments = [
            ["--tls-cert-file", &file("certificate.pem")],
            ["--tls-key-file", &file("key.pem")],
            ["--tls-ca-cert-file", &file("authority.pem")],
            ["--tls-auth-clients", "no"],
        ];
        let ports = |port: u16| ["--port", "0", "--tls-port", &port.to_string()].map(str::to_owned).to_vec();
        let mut server = Self::running(&arguments.concat(), ports, true);
        server.cli.extend(["--tls", "--insecure"].map(str::to_owned));
        server.files = Some(files);
        Some(server)
    }

    pub(crate) fn running(arguments: &[&str], listen: impl Fn(u16) -> Vec<String>, tls: bool) -> Self {
        let mut cli = Vec::new();
        if let Some(place) = arguments.iter().position(|argument| *argument == "--requirepass") {
            cli.extend(["-a".to_owned(), arguments[place + 1].to_owned(), "--no-auth-warning".to_owned()]);
        }
        let all = |port: u16, directory: &Path| {
            let mut all = listen(port);
            all.extend(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"].map(str::to_owned));
            all.push(directory.display().to_string());
            all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
            all
        };
        let mut server = Self::starting(all);
        (server.cli, server.tls) = (cli, tls);
        server
    }

    /// Tries ports: one may be taken by somebody else in the meantime.
    pub(crate) fn starting(arguments: impl Fn(u16, &Path) -> Vec<String>) -> Self {
        for _ in 0..20 {
            let (port, directory) = (free_port(), new_directory());
            let arguments = arguments(port, &directory);
            if let Some(process) = Process::start(&directory, &arguments) {
                return Self {
                    port,
                    directory,
                    arguments,
                    cli: Vec::new(),
                    tls: false,
                    files: None,
                    process: Some(process),
                };
            }
            let _ = std::fs::remove_dir_all(directory);
        }
        panic!("redis-server ends as soon as it is started");
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:port`, or `rediss://`.
    pub fn url(&self) -> String {
        format!("redis{}://{}", if self.tls { "s" } else { "" }, self.address())
    }

    /// Ends it at once, as a crash would. All its data is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Whether it has been started, and not killed since.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Starts it again where it was, without any data.
    pub fn restart(&mut self) {
        self.process = None;
        wait_until("the port is free again", || {
            self.process = Process::start(&self.directory, &self.arguments);
            self.process.is_some()
        });
    }

    /// Stops it without closing anything: it is silent, as behind a cut cable.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it runs");
        assert!(process.signal(signal), "it runs");
    }

    /// Runs a command by redis-cli and gives what that prints.
    pub fn command(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(&self.cli)
            .args(command)
            .output()
            .expect("redis-cli");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.process = None;
        for directory in self.files.iter().chain([&self.directory]) {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

/// A port that was free a moment ago, with that of a Cluster's bus, 10,000 above it.
fn free_port() -> u16 {
    loop {
        let port =
            TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a port").port();
        if let Some(bus) = port.checked_add(10_000)
            && TcpListener::bind(("127.0.0.1", bus)).is_ok()
        {
            return port;
        }
    }
}

/// An empty directory of our own.
pub(crate) fn new_directory() -> PathBuf {
    static LAST: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("redis-for-tests-{}-{number}", std::process::id()));
        match std::fs::create_dir(&directory) {
            Ok(()) => return directory,
            // Of an earlier process with our number.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => panic!("{}: {error}", Path::display(&directory)),
        }
    }
}
