//! The backplane of hubs on Redis: several nodes serve one hub, and reach each other's connections.
//!
//! ```no_run
//! use hub_core::backplane::Emitter;
//! use hub_core::contract;
//! use redis_backplane::RedisBackplane;
//!
//! #[contract]
//! pub trait ChatClient {
//!     async fn said(&self, from: &str, text: &str);
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let backplane = RedisBackplane::connect("redis://localhost:6379").await?;
//!
//! // A process with hubs gives each a handle: `HubRoute::new(..).backplane(backplane.clone())`.
//!
//! // One without sends to the clients of a hub like this.
//! let chat = Emitter::<ChatClientProxy>::new(&backplane, "Chat");
//! chat.group("lobby").said("the house", "closing in five minutes").await?;
//! backplane.flush().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Redis has to be version 6 or newer, 7 or newer as a Cluster; an older one, or a proxy that refuses HELLO, is spoken to in
//! RESP2. It may be one server, a primary with Sentinels, or a
//! Cluster, over TCP or TLS: see [`RedisOptions`] and its [`from_url`](RedisOptions::from_url). Nothing is stored but a
//! key of 32 bytes for each hub.
//!
//! # How it works
//!
//! Each process has two connections, one that publishes and one that is subscribed (to each primary of a Cluster). What a
//! node publishes goes to the channel of its topic, by `PUBLISH`, or `SPUBLISH` in a Cluster:
//!
//! | channel | who subscribes | carries |
//! | --- | --- | --- |
//! | `{prefix}:{hub}:all` | every node | messages for everyone |
//! | `{prefix}:{hub}:group:{name}` | nodes with a member | messages for the group |
//! | `{prefix}:{hub}:user:{id}` | nodes with a connection of the user | messages for the user |
//! | `{prefix}:{hub}:node:{id}` | the one node | messages for its connections, requests, replies |
//! | `{prefix}:{hub}:connection:{id}` | the node where a connection lives that another negotiated | messages for it |
//! | `{prefix}::probe:{number}` | nobody for long | nothing: whether we may publish and subscribe is tried here |
//!
//! What a node publishes in turn to a channel that it listens to, Redis sends back to it, among what other nodes publish: at
//! that place its own inbox is given it, without the bytes being read again. So all nodes have one order a channel.
//!
//! The key `{prefix}:{hub}:secret` has the secret by which nodes verify each other's connection tokens, in hexadecimal. It is
//! set by the node that is first. With each ping one of a process's hubs is looked after: those that know the secret set it
//! again when Redis has lost it.
//! **Who can read that key can forge connection tokens**, and who can publish on the channels can send anything to any
//! client: let nobody else in.
//!
//! Redis's pub/sub knows no databases: two systems on one Redis need different [prefixes](RedisOptions::prefix). All nodes
//! of a hub need the same. What an access list has to allow is in the project's `docs/scale-out.md`.
//!
//! A message has a format of this crate's own, which begins with a version, the id of the sender, and a number; it is not
//! that of ASP.NET Core's backplane. Nodes refuse messages of a version that they do not know, count and log them.
//!
//! # What can be lost, and how you know
//!
//! Pub/sub keeps nothing: what is published while the link of a receiver is down does not reach it.
//! - The state of the link is a value to watch ([`RedisBackplane::link`]), and each change is logged. A closed connection
//!   is noticed at once, a machine or a cable that is gone within 5 s (TCP keep-alive), a silent Redis within the response
//!   timeout where something is published, else within the ping interval more: 10 s and 25 s by default. A slow one is not
//!   silent: as long as something comes, the link is up. A silence that is shorter loses nothing.
//! - A publication that is to be confirmed waits for Redis; when the link is down, for [`RedisOptions::fail_after`]; then
//!   it fails, or is [kept](WhileDown). One that was accepted is sent, by the next link if need be.
//! - One that was written and not confirmed when the link broke is published again by the next link, before all others, in
//!   the old order and with its old number, by which it is recognised where it has arrived. Where it is not confirmed in
//!   time, it is counted as lost ([`Counters::lost_out`]): it may have arrived. One that breaks the link five times is lost.
//! - Where only the connection that publishes is cut, it alone is made again: what listens misses nothing.
//! - Messages are numbered by sender and channel, so a receiver notices gaps, counts what it missed
//!   ([`Counters::lost_in`]), and logs it once a second. What it missed of a sender that it had never heard is not known
//!   to it, nor what came last before a silence. It follows the 512 senders of a channel that it heard last, and of up to
//!   as many more.
//! - The link comes back by itself, at first within 50 ms, later within 300 ms, and counts as up when all subscriptions are
//!   in force again.
//! - Where Redis refuses a publication, its sender is told why. Where it refuses all, the link is down with that reason.
//!
//! In a Cluster the link is as good as its worst part: while one primary is out of reach, all of it is down.
//!
//! # Memory
//!
//! Publications wait in a buffer of [`RedisOptions::publish_buffer`] bytes. Besides, at most 8 writes of 512 messages, or
//! 256 KiB and one message, are on their way, of 2 MiB and one such write together; they are kept until they are
//! confirmed. When the buffer is full, publishers wait. What waits for its turn at the own inbox is kept for
//! [`RedisOptions::turn_timeout`] at most, or until it is confirmed where its sender waits no more. Deliveries are not buffered here: a
//! connection is read no further while a delivery is handed over. A node that does not keep up is cut off by Redis
//! (`client-output-buffer-limit pubsub`), which shows as a lost link and as a gap. The numbers of the 16,384 channels that
//! were published to last are kept, and of up to as many more.
//!
//! # Features
//!
//! | feature | default | what |
//! | --- | --- | --- |
//! | `tls` | yes | `rediss`, by rustls with the system's certificates and those of [`RedisTls`] |
//!
//! # Layout
//!
//! For those who read the code, in this order:
//! 1. `options.rs` and `url.rs`: where Redis is, and every limit;
//! 2. `backplane.rs`: the handle, and what nodes hold; `node.rs`: a hub in this process, as others see it;
//! 3. `channels.rs`: all names; `wire.rs`: a delivery to bytes and back; `numbers.rs`: by which losses are noticed;
//! 4. `publication.rs` and `outbox.rs`: on the way to the link; `turns.rs`: on the way to the own inbox; `channel.rs`: who
//!    listens; `subscriptions.rs`: what Redis is to be told of that; `lane.rs`: all of it, with the link it belongs to;
//! 5. `driver.rs`: the task that dials a link, runs it, and dials the next; `outage.rs`: when; `publishing.rs`: from the outbox
//!    to the link;
//! 6. `receiver.rs`: from the link to the nodes;
//! 7. `link/mod.rs`: what is asked of a link; `link/server.rs`, `link/sentinel.rs` and `link/cluster.rs`: who answers, over
//!    `link/connection.rs`, `link/socket.rs`, `link/paced.rs` and `link/resp2.rs`;
//! 8. `state.rs`: the state of the link, and the counters; `events.rs`: every log line.

mod backplane;
mod channel;
mod channels;
mod driver;
mod error;
mod events;
mod lane;
mod link;
mod node;
mod numbers;
mod options;
mod outage;
mod outbox;
mod publication;
mod publishing;
mod receiver;
mod secret;
mod state;
mod subscriptions;
mod turns;
mod url;
mod wire;

pub use self::backplane::RedisBackplane;
pub use self::error::ConnectError;
pub use self::options::{RedisIdentity, RedisOptions, RedisServers, RedisTls, WhileDown};
pub use self::state::{Counters, LinkState};
pub use hub_core::InvalidOption;

/// Locks what no panic can leave half done.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
