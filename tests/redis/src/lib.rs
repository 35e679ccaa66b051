//! Starts real Redis servers for tests, and breaks them and the way to them.
//!
//! ```no_run
//! use redis_for_tests::{RedisServer, Relay};
//!
//! # async fn test() -> std::io::Result<()> {
//! let Some(mut redis) = RedisServer::start() else { return Ok(()) };
//! println!("{}", redis.url());
//! redis.kill();
//! redis.restart();
//! redis.pause();
//! redis.resume();
//! let relay = Relay::to(redis.address()).await?;
//! println!("redis://{}", relay.address());
//! relay.cut();
//! # Ok(())
//! # }
//! ```
//!
//! `redis-server` and `redis-cli` have to be in the `PATH`. Where they are not, `start` prints that the test is left out
//! and gives `None`. All else that goes wrong panics, as tests do.
//!
//! Servers listen on 127.0.0.1 only, at a port that the system chose, keep nothing on disk beside their log, and die with
//! the value, and with the test's process however that ends: each is watched by a shell that reads from a pipe of ours.

mod cluster;
mod process;
mod relay;
mod sentinel;
mod server;
mod tls;

pub use self::cluster::RedisCluster;
pub use self::relay::Relay;
pub use self::sentinel::RedisSentinel;
pub use self::server::RedisServer;
pub use self::tls::Authority;

use std::process::Command;
use std::time::{Duration, Instant};

/// Whether the programs are there. Says so if they are not.
fn available() -> bool {
    let missing = ["redis-server", "redis-cli"]
        .into_iter()
        .find(|program| Command::new(program).arg("--version").output().is_err());
    if let Some(program) = missing {
        println!("left out: there is no {program} in the PATH (Debian: apt-get install redis-server)");
    }
    missing.is_none()
}

/// What a test waits for something before it fails. A Sentinel that finds the machine slow does nothing for 30 s.
const GUARD: Duration = Duration::from_secs(90);

/// Waits until something is so.
#[track_caller]
fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < GUARD, "waited for {GUARD:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
