//! What the driver of one link has in common with handles and attachments.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hub_core::backplane::NodeId;
use tokio::sync::Notify;

use crate::link::{Link, Lost};
use crate::node::Node;
use crate::options::RedisOptions;
use crate::outbox::Outbox;
use crate::state::{Board, Counting};
use crate::subscriptions::Subscriptions;
use crate::{channels, events, lock, secret};

/// A link with what goes through it.
///
/// A backplane has one, on which all is published, and to which the first node of each hub listens. Another one for each
/// further node of the same hub: Redis counts connections, and these count as nodes.
pub(crate) struct Lane {
    /// The first is 0.
    pub(crate) number: usize,
    pub(crate) options: Arc<RedisOptions>,
    pub(crate) outbox: Outbox,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) counting: Arc<Counting>,
    pub(crate) board: Arc<Board>,
    /// A node has proposed a secret.
    pub(crate) proposed: Notify,
    nodes: Mutex<HashMap<NodeId, Arc<Node>>>,
}

impl Lane {
    pub(crate) fn new(
        number: usize,
        options: &Arc<RedisOptions>,
        counting: &Arc<Counting>,
        board: &Arc<Board>,
    ) -> Self {
        Self {
            number,
            options: Arc::clone(options),
            outbox: Outbox::new(options),
            subscriptions: Subscriptions::default(),
            counting: Arc::clone(counting),
            board: Arc::clone(board),
            proposed: Notify::new(),
            nodes: Mutex::default(),
        }
    }

    pub(crate) fn attach(&self, node: &Arc<Node>) {
        lock(&self.nodes).insert(node.sender.id, Arc::clone(node));
    }

    pub(crate) fn detach(&self, node: NodeId) {
        let gone = lock(&self.nodes).remove(&node);
        // Its inbox may hold what ends here: not under the lock.
        drop(gone);
    }

    /// All nodes that are attached.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        lock(&self.nodes).values().map(Arc::clone).collect()
    }

    /// Sees to it that the secret of a node's hub is in Redis, and that the node knows it. A refusal is logged, once.
    pub(crate) async fn keep_secret(&self, node: &Node, link: &dyn Link) -> Result<(), Lost> {
        let Some(proposed) = node.proposed() else { return Ok(()) };
        let key = channels::secret(&self.options.prefix, &node.hub);
        let offered = link.offer(&key, &secret::written(&proposed)).await?;
        let kept = match link.read(&key).await? {
            // Somebody else's may be there when ours is refused.
            Ok(Some(kept)) => secret::read(&kept)
                .ok_or_else(|| format!("the key {key:?} holds {} bytes, which is no secret of ours", kept.len())),
            Ok(None) => Err("it is not there after it was set".to_owned()),
            Err(why) => Err(why),
        };
        match offered.err().filter(|_| kept.is_err()).map_or(kept, Err) {
            Ok(secret) => {
                if node.secret_is(secret) {
                    events::secret_changed(&node.hub);
                }
            }
            Err(why) => {
                if node.secret_refused(&why) {
                    events::secret_unknown(&node.hub, &why);
                }
            }
        }
        Ok(())
    }

    /// Whether one of the secrets is in Redis, as it is known here; `None` where there is none to ask for. Which one, and
    /// how it is asked for, differs from turn to turn, so that after some all were.
    pub(crate) async fn secret_is_kept(&self, turn: usize, link: &dyn Link) -> Result<Option<bool>, Lost> {
        let mut nodes = self.nodes();
        nodes.sort_unstable_by(|one, other| one.hub.cmp(&other.hub));
        let secrets: Vec<_> = nodes.iter().filter_map(|node| Some((node, node.proposed()?))).collect();
        if secrets.is_empty() {
            return Ok(None);
        }
        let (node, secret) = secrets[turn / 2 % secrets.len()];
        let key = channels::secret(&self.options.prefix, &node.hub);
        Ok(Some(if turn.is_multiple_of(2) {
            // Only a write is refused by who is not the primary any more. One that is refused for another reason changes
            // nothing that was known.
            link.offer(&key, &secret::written(&secret)).await? != Ok(true)
        } else {
            match link.read(&key).await? {
                Ok(kept) => kept.and_then(|kept| secret::read(&kept)) == Some(secret),
                Err(_) => true,
            }
        }))
    }
}
