//! A primary, its replica, and a Sentinel that watches both.

use crate::server::RedisServer;
use crate::{available, wait_until};

/// A primary called `mymaster`, with a replica, and a Sentinel that fails over after half a second of silence.
#[derive(Debug)]
pub struct RedisSentinel {
    /// The first primary.
    pub primary: RedisServer,
    /// Its replica.
    pub replica: RedisServer,
    /// The Sentinel.
    pub sentinel: RedisServer,
}

impl RedisSentinel {
    /// Starts them; `None` where there is no redis-server.
    pub fn start() -> Option<Self> {
        if !available() {
            return None;
        }
        let primary = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"])?;
        let port = primary.port().to_string();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port])?;
        wait_until("the replica has its copy", || {
            replica.command(&["INFO", "replication"]).contains("master_link_status:up")
        });
        // A Sentinel takes its options from a file, which it writes to.
        let sentinel = RedisServer::starting(|own_port, directory| {
            let file = directory.join("sentinel.conf");
            let lines = format!(
                "port {own_port}\n\
                 bind 127.0.0.1\n\
                 dir {}\n\
                 sentinel monitor mymaster 127.0.0.1 {port} 1\n\
                 sentinel down-after-milliseconds mymaster 500\n\
                 sentinel failover-timeout mymaster 2000\n",
                directory.display()
            );
            std::fs::write(&file, lines).expect("a file");
            vec![file.display().to_string(), "--sentinel".to_owned()]
        });
        wait_until("the Sentinel knows the replica", || {
            !sentinel.command(&["SENTINEL", "REPLICAS", "mymaster"]).is_empty()
        });
        Some(Self { primary, replica, sentinel })
    }

    /// `redis+sentinel://../mymaster`.
    pub fn url(&self) -> String {
        format!("redis+sentinel://{}/mymaster", self.sentinel.address())
    }
}
