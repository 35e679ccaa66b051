//! How the nodes of a hub reach each other's connections.
//!
//! A *node* is one hub in one process. A hub hands its backplane what is meant for connections elsewhere, and is given
//! what other nodes send to the topics that it subscribes to:
//!
//! | topic | who subscribes |
//! | --- | --- |
//! | [`Topic::All`] | every node |
//! | [`Topic::Group`] | nodes with a member |
//! | [`Topic::User`] | nodes with a connection of the user |
//! | [`Topic::Node`] | the one node: for connections whose id it made, for requests, for replies |
//! | [`Topic::Connection`] | the node where a connection lives whose id another node made |
//!
//! A connection's id says which node made it ([`NodeId::of`]), so a send to a connection is one delivery to one node.
//! Where a client was negotiated by one node and connected to another, the first sends on what it gets for the
//! connection, and if it is gone (nobody listens to its topic any more), the sender uses the connection's own topic.
//!
//! # What a backplane guarantees
//!
//! Every implementation keeps these, and passes the suite in `hub_core::conformance` (feature `conformance`), whose docs
//! show how to run it:
//!
//! 1. **Order.** What one node publishes to one topic, in the order of the calls, is delivered in that order to each
//!    node, whatever the sizes, and across a lost and regained link too. There is no order between topics.
//! 2. **At most once.** A delivery may be lost, and is never given twice. It may be lost while the link of the receiver is
//!    down, or that of the sender for longer than it keeps what it sends, and in the moments before a dead link is
//!    noticed; at no other time. What is lost is counted and logged.
//! 3. **Subscriptions hold.** When the future of [`Attachment::subscribe`] is done, what is published from then on
//!    arrives, unless the link is down. Subscriptions come back with the link, by themselves.
//! 4. **No echo.** A node is never given what it [published](Attachment::publish) itself: it has served its own
//!    connections before. What it [published in turn](Attachment::publish_in_turn) it is given once, in its turn.
//! 5. **Nobody waits for a broken link.** [`Attachment::publish`] fails, or takes over within what it may keep, and
//!    [`Attachment::subscribe`] returns: what is local goes on. Who waits for an answer may have to wait for a link that is
//!    mended at once, for a time that the implementation documents; the own inbox does not.
//! 6. **Hubs do not mix.** A delivery reaches nodes of the hub of the same name only.
//! 7. **One order for all.** What several nodes publish to one topic *in turn* is given to all nodes in one and the same
//!    order, the senders' own inboxes included. When [`Attachment::publish_in_turn`] is done without an error, whatever
//!    anybody publishes from then on comes behind it, at each node. While the link of a node is down, or the medium silent
//!    for longer than its own connections are to wait, that node's own inbox is given its own out of turn.
//! 8. **A pause loses nothing.** Where the medium stands still for a while, shorter than a time that the implementation
//!    documents, all that is published arrives when it goes on, and nothing fails.
//!
//! [`InProcess`] is the backplane of several hubs in one process. The crate `redis-backplane` has the one on Redis.

mod delivery;
mod emitter;
mod in_process;
mod recipients;
mod to_connections;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::delivery::{Delivery, Framed, NodeId, Reply, Request, Topic};
pub use self::emitter::{Emitter, Target};
pub use self::in_process::InProcess;
pub use self::recipients::Recipients;
pub use self::to_connections::{publish_to_connection, publish_to_connections};
use crate::error::CallError;

/// A way between nodes. See the [module](self) for what it guarantees.
pub trait Backplane: fmt::Debug + Send + Sync {
    /// Attaches a node: the hub of this name in this process. It is subscribed to nothing at first. Two hubs of one name
    /// on one backplane are two nodes.
    ///
    /// What it subscribes to is given to `inbox`, until the attachment is dropped: the inbox is let go then.
    fn attach(&self, hub: &str, inbox: Arc<dyn Inbox>) -> Arc<dyn Attachment>;
}

/// Where a node is given what other nodes send it.
pub trait Inbox: Send + Sync {
    /// Takes a delivery. Called for one topic and sender at a time, in order. It must neither block nor wait for a
    /// publication of its own node: others wait behind it.
    fn deliver(&self, topic: &Topic, delivery: Delivery);

    /// A secret that all nodes of the hub have in common, known from now on: whatever one of them signs, the others can
    /// verify. It may change when whoever keeps it loses it.
    fn shared_secret(&self, secret: [u8; 32]) {
        let _ = secret;
    }
}

/// A node's hold on its backplane.
#[async_trait]
pub trait Attachment: fmt::Debug + Send + Sync {
    /// The id of this node, which no other node has ever had.
    fn node(&self) -> NodeId;

    /// Proposes the secret that all nodes of the hub shall have in common. Which one it becomes, the inbox is told:
    /// the one that was proposed first, by whichever node.
    fn propose_secret(&self, secret: [u8; 32]);

    /// Hands a delivery over for all other nodes that subscribe to the topic. It is done when the delivery has its place
    /// in the order, not when it has arrived. It arrives though the attachment be dropped then.
    ///
    /// # Errors
    /// When the link is down and the delivery cannot be kept, or too many wait already. Nothing is sent then.
    async fn publish(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable>;

    /// Publishes to all nodes that subscribe to the topic, this one too: all are given it at the same place in the order of
    /// the topic. It is done when the medium has taken it and this node's own inbox, if it subscribes, was given it. When
    /// it is dropped before, what has its place in the order goes its way.
    ///
    /// The own inbox is given it in any case, and soon while the caller waits: out of turn where the link is down or silent.
    ///
    /// # Errors
    /// When the link is down and the delivery cannot be kept, too many wait already, or the medium refuses it. The own
    /// inbox has it then. Where the link was lost in the middle of it, others may have it, too.
    async fn publish_in_turn(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable>;

    /// Hands a delivery over, and waits until it is known how many nodes were subscribed to the topic. For topics to
    /// which the sender itself does not subscribe.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), and when the link is lost before the number is known: some may have it then.
    async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Unreachable>;

    /// Subscribes to a topic, once more if it is subscribed to already: counted from the call on, and in force when the
    /// future is done. While the link is down it is done at once.
    fn subscribe(&self, topic: &Topic) -> Subscribed;

    /// Takes one subscription to the topic back. With the last, deliveries to it stop soon.
    fn unsubscribe(&self, topic: &Topic);
}

/// Done when a subscription is in force. Dropping it takes nothing back.
pub type Subscribed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Other nodes could not be reached: why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable(String);

impl Unreachable {
    /// Says why, for people to read.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "other nodes could not be reached: {}", self.0)
    }
}

impl std::error::Error for Unreachable {}

impl From<Unreachable> for CallError {
    fn from(error: Unreachable) -> Self {
        Self::Unreachable(error.to_string())
    }
}
