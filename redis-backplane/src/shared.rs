//! What handles, attachments and the driver have in common.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use hub_core::backplane::NodeId;
use tokio::sync::{Notify, watch};

use crate::link::{Link, Lost};
use crate::node::Node;
use crate::options::RedisOptions;
use crate::outbox::Outbox;
use crate::state::{Counting, LinkState};
use crate::subscriptions::Subscriptions;
use crate::{channels, events, lock};

pub(crate) struct Shared {
    pub(crate) options: RedisOptions,
    /// The servers, for the log.
    pub(crate) servers: String,
    pub(crate) outbox: Outbox,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) counting: Counting,
    pub(crate) link: watch::Sender<LinkState>,
    /// A node has proposed a secret.
    pub(crate) proposed: Notify,
    nodes: Mutex<HashMap<NodeId, Arc<Node>>>,
}

impl Shared {
    pub(crate) fn new(options: RedisOptions) -> Self {
        let why = "the first attempt is under way".to_owned();
        Self {
            servers: options.servers.to_string(),
            outbox: Outbox::new(&options),
            subscriptions: Subscriptions::default(),
            counting: Counting::default(),
            link: watch::Sender::new(LinkState::Down { since: SystemTime::now(), why }),
            proposed: Notify::new(),
            nodes: Mutex::default(),
            options,
        }
    }

    pub(crate) fn attach(&self, node: &Arc<Node>) {
        lock(&self.nodes).insert(node.id, Arc::clone(node));
    }

    pub(crate) fn detach(&self, node: NodeId) {
        self.subscriptions.unsubscribe_all(node);
        let gone = lock(&self.nodes).remove(&node);
        // Its inbox may hold what ends here: not under the lock.
        drop(gone);
    }

    /// All nodes that are attached.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        lock(&self.nodes).values().map(Arc::clone).collect()
    }

    /// How many nodes other than this one are among so many receivers. All nodes here share one receiver.
    pub(crate) fn nodes_among(&self, receivers: usize, channel: &str, node: NodeId) -> usize {
        match self.subscriptions.others(channel, node) {
            (true, others) if receivers > 0 => receivers - 1 + others,
            _ => receivers,
        }
    }

    /// Sees to it that the secret of a node's hub is in Redis, and that the node knows it. Whether that went well.
    pub(crate) async fn keep_secret(&self, node: &Node, link: &dyn Link) -> Result<bool, Lost> {
        let Some(proposed) = node.proposed() else { return Ok(true) };
        let key = channels::secret(&self.options.prefix, &node.hub);
        let kept = match link.keep(&key, &proposed).await? {
            Ok(kept) => kept,
            Err(why) => {
                events::secret_unknown(&node.hub, &why);
                return Ok(false);
            }
        };
        match <[u8; 32]>::try_from(kept) {
            Ok(secret) => {
                if node.secret_is(secret) {
                    events::secret_changed(&node.hub);
                }
                Ok(true)
            }
            Err(other) => {
                let why = format!("the key {key:?} holds {} bytes, which is no secret of ours", other.len());
                events::secret_unknown(&node.hub, &why);
                Ok(false)
            }
        }
    }
}
