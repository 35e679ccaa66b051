//! A Cluster of several servers.

use std::process::Command;

use crate::server::RedisServer;
use crate::{available, wait_until};

/// A Redis Cluster of three primaries, with or without a replica of each.
#[derive(Debug)]
pub struct RedisCluster {
    /// The servers: the primaries first, as long as nothing fails over.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts three primaries, each with so many replicas; `None` where there is no redis-server. Takes some seconds.
    pub fn start(replicas: usize) -> Option<Self> {
        if !available() {
            return None;
        }
        let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        let listen = |port: u16| vec!["--port".to_owned(), port.to_string()];
        let nodes: Vec<RedisServer> =
            (0..3 * (1 + replicas)).map(|_| RedisServer::running(&arguments, listen, false)).collect();
        let cluster = Self { nodes };
        let output = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(cluster.addresses())
            .args(["--cluster-replicas", &replicas.to_string(), "--cluster-yes"])
            .output()
            .expect("redis-cli");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        cluster.wait_until_ready();
        Some(cluster)
    }

    /// Waits until all nodes say that all slots are served, and each replica has its copy, so that it may take over.
    pub fn wait_until_ready(&self) {
        let ready = |node: &RedisServer| {
            let replication = node.command(&["INFO", "replication"]);
            node.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
                && (replication.contains("role:master") || replication.contains("master_link_status:up"))
        };
        wait_until("the Cluster is ready", || self.nodes.iter().all(ready));
    }

    /// The addresses of all nodes.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::address).collect()
    }

    /// `redis+cluster://..` with all nodes.
    pub fn url(&self) -> String {
        format!("redis+cluster://{}", self.addresses().join(","))
    }
}
