//! A conformance hub in a process of its own.

use std::time::Duration;

use program::Program;
use redis_for_tests::RedisServer;

pub(crate) struct Node {
    program: Program,
    address: String,
}

impl Node {
    /// Starts one, and waits until it listens.
    pub(crate) fn start(redis: Option<&RedisServer>) -> Self {
        let redis = redis.map(RedisServer::address);
        let mut arguments = vec!["--quiet", "--urls", "http://127.0.0.1:0"];
        if let Some(redis) = &redis {
            arguments.extend(["--redis", redis]);
        }
        let mut program = Program::start(env!("CARGO_BIN_EXE_conformance-hub"), &arguments);
        let line = program.expect("listening on http://");
        let address = line.rsplit('/').next().unwrap_or_default().to_owned();
        Self { program, address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The CPU time that it has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        program::cpu(self.program.id())
    }
}
