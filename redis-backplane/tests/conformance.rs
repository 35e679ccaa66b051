//! The suite of `hub_core::conformance` over Redis.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hub_core::backplane::Backplane;
use hub_core::conformance::{self, Cluster};
use redis_backplane::{RedisBackplane, RedisOptions};
use redis_for_tests::{RedisCluster, RedisServer, Relay};

/// Processes that reach one Redis, each by connections of its own.
struct Processes {
    url: String,
    cut: Cut,
}

/// How their links are cut.
enum Cut {
    /// Redis is killed, and forgets everything.
    Kill(Mutex<RedisServer>),
    /// Nothing gets through, and Redis lives.
    Close(Relay),
    /// They stay.
    Never,
}

impl Cluster for Processes {
    const CAN_CUT: bool = true;

    async fn connect(&self) -> Arc<dyn Backplane> {
        let options = RedisOptions {
            ping_interval: Duration::from_millis(200),
            fail_after: Duration::from_millis(200),
            longest_retry: Duration::from_millis(200),
            ..RedisOptions::from_url(&self.url).unwrap()
        };
        Arc::new(RedisBackplane::connect(options).await.unwrap())
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    const CAN_PAUSE: bool = true;

    async fn pause(&self) {
        match &self.cut {
            Cut::Kill(server) => server.lock().unwrap().pause(),
            Cut::Close(relay) => relay.stall(),
            Cut::Never => {}
        }
    }

    async fn resume(&self) {
        match &self.cut {
            Cut::Kill(server) => server.lock().unwrap().resume(),
            Cut::Close(relay) => relay.open(),
            Cut::Never => {}
        }
    }

    async fn cut(&self) {
        match &self.cut {
            Cut::Kill(server) => server.lock().unwrap().kill(),
            Cut::Close(relay) => relay.close(),
            Cut::Never => {}
        }
    }

    async fn restore(&self) {
        match &self.cut {
            Cut::Kill(server) => {
                let mut server = server.lock().unwrap();
                if !server.is_running() {
                    server.restart();
                }
            }
            Cut::Close(relay) => relay.open(),
            Cut::Never => {}
        }
    }
}

/// The same, where nothing can be cut.
struct Whole(Processes);

impl Cluster for Whole {
    async fn connect(&self) -> Arc<dyn Backplane> {
        self.0.connect().await
    }

    async fn sleep(&self, time: Duration) {
        self.0.sleep(time).await;
    }
}

#[tokio::test]
async fn conforms_over_a_redis_that_is_killed() {
    let Some(server) = RedisServer::start() else { return };
    let url = server.url();
    let report = conformance::run(&Processes { url, cut: Cut::Kill(Mutex::new(server)) }).await.unwrap();
    assert!(report.left_out.is_empty(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms_over_a_redis_that_is_out_of_reach() {
    let Some(server) = RedisServer::start() else { return };
    let relay = Relay::to(server.address()).await.unwrap();
    let url = format!("redis://{}", relay.address());
    conformance::run(&Processes { url, cut: Cut::Close(relay) }).await.unwrap();
}

#[tokio::test]
async fn conforms_over_a_cluster() {
    let Some(cluster) = RedisCluster::start(0) else { return };
    conformance::run(&Whole(Processes { url: cluster.url(), cut: Cut::Never })).await.unwrap();
}
