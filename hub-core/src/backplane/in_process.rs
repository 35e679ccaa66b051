//! The backplane of several hubs in one process.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Attachment, Backplane, Delivery, Inbox, NodeId, Subscribed, Topic, Unreachable};

/// Connects the hubs of one process that have the same name: those of several routes, or of several servers in a test.
///
/// Cloning it gives another handle to the same backplane. A hub that is alone in its cluster needs none.
#[derive(Clone, Default)]
pub struct InProcess(Arc<Mutex<Hubs>>);

#[derive(Default)]
struct Hubs {
    by_name: HashMap<Box<str>, Hub>,
}

#[derive(Default)]
struct Hub {
    nodes: HashMap<NodeId, Node>,
    secret: Option<[u8; 32]>,
    /// Held while something is given out in turn, for one order at all nodes.
    turns: Arc<Mutex<()>>,
}

struct Node {
    inbox: Arc<dyn Inbox>,
    topics: HashMap<Topic, usize>,
}

/// No two nodes of a process have the same id. Its nodes are reached from this process only.
static LAST_NODE: AtomicU64 = AtomicU64::new(0);

impl InProcess {
    /// A backplane with no hub on it yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Hubs> {
        // No panic leaves the maps half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}

impl Backplane for InProcess {
    fn attach(&self, hub: &str, inbox: Arc<dyn Inbox>) -> Arc<dyn Attachment> {
        let mut bytes = [0; NodeId::BYTES];
        let number = LAST_NODE.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes.copy_from_slice(&number[number.len() - NodeId::BYTES..]);
        let node = NodeId::new(bytes);
        let entry = Node { inbox, topics: HashMap::new() };
        self.lock().by_name.entry(hub.into()).or_default().nodes.insert(node, entry);
        Arc::new(Attached { backplane: self.clone(), hub: hub.into(), node, order: Mutex::new(()) })
    }
}

struct Attached {
    backplane: InProcess,
    hub: Box<str>,
    node: NodeId,
    /// Held while this node's deliveries are given out, for their order.
    order: Mutex<()>,
}

impl Attached {
    /// Runs with the hub, which is there as long as the node is.
    fn with<T>(&self, run: impl FnOnce(&mut Hub) -> T) -> T {
        run(self.backplane.lock().by_name.entry(self.hub.clone()).or_default())
    }

    fn give_out(&self, topic: &Topic, delivery: &Delivery, own_too: bool) -> usize {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        // Given out without the lock: an inbox may subscribe.
        let inboxes: Vec<Arc<dyn Inbox>> = self.with(|hub| {
            let subscribed =
                |(id, node): &(&NodeId, &Node)| (own_too || **id != self.node) && node.topics.contains_key(topic);
            hub.nodes.iter().filter(subscribed).map(|(_, node)| Arc::clone(&node.inbox)).collect()
        });
        inboxes.iter().for_each(|inbox| inbox.deliver(topic, delivery.clone()));
        inboxes.len()
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").field("hub", &self.hub).field("node", &self.node).finish_non_exhaustive()
    }
}

#[async_trait]
impl Attachment for Attached {
    fn node(&self) -> NodeId {
        self.node
    }

    fn propose_secret(&self, secret: [u8; 32]) {
        let (secret, inbox) = self.with(|hub| {
            let secret = *hub.secret.get_or_insert(secret);
            (secret, hub.nodes.get(&self.node).map(|node| Arc::clone(&node.inbox)))
        });
        if let Some(inbox) = inbox {
            inbox.shared_secret(secret);
        }
    }

    async fn publish(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        self.give_out(topic, delivery, false);
        Ok(())
    }

    async fn publish_in_turn(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        let turns = self.with(|hub| Arc::clone(&hub.turns));
        let _turn = turns.lock().unwrap_or_else(PoisonError::into_inner);
        self.give_out(topic, delivery, true);
        Ok(())
    }

    async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Unreachable> {
        Ok(self.give_out(topic, delivery, false))
    }

    fn subscribe(&self, topic: &Topic) -> Subscribed {
        self.with(|hub| {
            if let Some(node) = hub.nodes.get_mut(&self.node) {
                *node.topics.entry(topic.clone()).or_default() += 1;
            }
        });
        Box::pin(std::future::ready(()))
    }

    fn unsubscribe(&self, topic: &Topic) {
        self.with(|hub| {
            let Some(node) = hub.nodes.get_mut(&self.node) else { return };
            if let Some(count) = node.topics.get_mut(topic) {
                *count -= 1;
                if *count == 0 {
                    node.topics.remove(topic);
                }
            }
        });
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let gone = self.with(|hub| hub.nodes.remove(&self.node));
        // Its inbox may hold what ends here: not under the lock.
        drop(gone);
        let mut hubs = self.backplane.lock();
        if hubs.by_name.get(&self.hub).is_some_and(|hub| hub.nodes.is_empty()) {
            hubs.by_name.remove(&self.hub);
        }
    }
}
