//! The rooms in Redis do what the rooms in memory do. Left out where there is no redis-server.

#[path = "../../chat/tests/rooms/cases.rs"]
mod cases;

use std::sync::Arc;
use std::time::Duration;

use chat::Rooms;
use redis_for_tests::RedisServer;
use scale_out::Node;

const LEASE: Duration = Duration::from_secs(60);

/// New rooms for the cases, and what has to live as long.
async fn new_rooms() -> Option<(Arc<dyn Rooms>, RedisServer)> {
    let redis = RedisServer::start()?;
    let (node, _) = Node::new(&redis.url(), "chat", LEASE).unwrap();
    Some((Arc::new(node), redis))
}
