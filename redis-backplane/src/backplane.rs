//! The handle, and what nodes hold.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use hub_core::backplane::{Attachment, Backplane, Delivery, Inbox, NodeId, Subscribed, Topic, Unreachable};
use tokio::sync::{oneshot, watch};

use crate::error::ConnectError;
use crate::link::Dialler;
use crate::node::Node;
use crate::options::RedisOptions;
use crate::outbox::Publication;
use crate::shared::Shared;
use crate::state::{Counters, LinkState};
use crate::{channels, driver, wire};

/// The backplane on Redis: a handle to one pair of connections, or one pair to each primary of a Cluster.
///
/// Clones are handles to the same; the hubs of a process share one. When the last handle and the last attachment are
/// dropped, what was accepted is sent still, and the connections are closed.
#[derive(Clone)]
pub struct RedisBackplane(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    /// Dropped with the handle, which ends the driver.
    _open: watch::Sender<bool>,
}

impl RedisBackplane {
    /// Connects to the Redis of a URL ([`RedisOptions::from_url`]) or of options. Has to be called in a Tokio runtime,
    /// in which the backplane lives.
    ///
    /// Where Redis is not there (refused, silent, still loading, a Cluster without a primary for some slot), this
    /// returns nevertheless, after [`RedisOptions::connect_timeout`] at most: the link is down, which is logged, and is
    /// tried for ever. What is subscribed to meanwhile comes into force with the link.
    ///
    /// # Errors
    /// When an option is outside of its range, and when Redis is there and refuses what somebody has to change: wrong or
    /// missing credentials, missing permissions, a database that does not exist, a certificate that is not trusted, a
    /// version that is too old, a primary that the Sentinels do not know. Later, the same keeps the link down with that
    /// reason in [`LinkState`].
    pub async fn connect<O>(options: O) -> Result<Self, ConnectError>
    where
        O: TryInto<RedisOptions>,
        ConnectError: From<O::Error>,
    {
        let options = options.try_into()?;
        options.validate()?;
        let dialler = Dialler::new(&options)?;
        let shared = Arc::new(Shared::new(options));
        let (open, closed) = watch::channel(false);
        let (first, attempted) = oneshot::channel();
        tokio::spawn(driver::run(Arc::clone(&shared), dialler, first, closed));
        let backplane = Self(Arc::new(Handle { shared, _open: open }));
        match attempted.await {
            Ok(Err(refused)) => Err(refused),
            // Without an outcome the runtime is ending.
            Ok(Ok(())) | Err(_) => Ok(backplane),
        }
    }

    /// The state of the link, to be read or waited for.
    pub fn link(&self) -> watch::Receiver<LinkState> {
        self.0.shared.link.subscribe()
    }

    /// What went through, and what was lost, since it was connected.
    pub fn counters(&self) -> Counters {
        self.0.shared.counting.read()
    }

    /// Waits until all that was accepted so far is confirmed by Redis or lost. For programs that publish and end: a
    /// publication is accepted before it is sent.
    ///
    /// With [`WhileDown::Wait`](crate::WhileDown::Wait) it waits for the link as long as that is down.
    ///
    /// # Errors
    /// When something was lost while it waited.
    pub async fn flush(&self) -> Result<(), Unreachable> {
        let before = self.counters().lost_out;
        self.0.shared.outbox.settled().await;
        match self.counters().lost_out - before {
            0 => Ok(()),
            lost => Err(Unreachable::new(format!("{lost} publications were not confirmed by Redis"))),
        }
    }
}

impl fmt::Debug for RedisBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackplane")
            .field("servers", &self.0.shared.options.servers)
            .field("link", &*self.0.shared.link.borrow())
            .finish_non_exhaustive()
    }
}

impl Backplane for RedisBackplane {
    fn attach(&self, hub: &str, inbox: Arc<dyn Inbox>) -> Arc<dyn Attachment> {
        let node = Arc::new(Node::new(hub, inbox));
        self.0.shared.attach(&node);
        Arc::new(Attached { node, backplane: self.clone() })
    }
}

/// One node's hold.
struct Attached {
    node: Arc<Node>,
    /// Keeps the backplane open.
    backplane: RedisBackplane,
}

impl Attached {
    fn shared(&self) -> &Shared {
        &self.backplane.0.shared
    }

    fn channel(&self, topic: &Topic) -> Arc<str> {
        channels::channel(&self.shared().options.prefix, &self.node.hub, topic).into()
    }

    fn publication(&self, topic: &Topic, delivery: &Delivery) -> Publication {
        Publication {
            node: Arc::clone(&self.node),
            channel: self.channel(topic),
            message: wire::encode(self.node.id, delivery),
            reply: None,
        }
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").field("node", &self.node).field("backplane", &self.backplane).finish()
    }
}

#[async_trait]
impl Attachment for Attached {
    fn node(&self) -> NodeId {
        self.node.id
    }

    fn propose_secret(&self, secret: [u8; 32]) {
        self.node.propose(secret);
        self.shared().proposed.notify_one();
    }

    async fn publish(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        self.shared().outbox.put(self.publication(topic, delivery)).await
    }

    async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Unreachable> {
        let (reply, answer) = oneshot::channel();
        let publication = Publication { reply: Some(reply), ..self.publication(topic, delivery) };
        self.shared().outbox.put(publication).await?;
        answer.await.unwrap_or_else(|_| Err(Unreachable::new("the backplane was closed")))
    }

    fn subscribe(&self, topic: &Topic) -> Subscribed {
        let waiting = self.shared().subscriptions.subscribe(&self.channel(topic), topic, &self.node);
        Box::pin(async move {
            if let Some(waiting) = waiting {
                // Closed when the link is down: that is all there is to wait for.
                let _ = waiting.await;
            }
        })
    }

    fn unsubscribe(&self, topic: &Topic) {
        self.shared().subscriptions.unsubscribe(&self.channel(topic), self.node.id);
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.shared().detach(self.node.id);
    }
}
