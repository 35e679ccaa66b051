//! Who in this process listens to which channel, and what Redis has been told of it.
//!
//! What Redis shall know is the state of this table, not a list of commands: a channel whose count rises from or falls to
//! zero is noted as changed, once, and whoever speaks to Redis takes all changed channels and says for each what holds
//! now. So a subscription that follows the last unsubscription cannot be overtaken by it, and what waits to be said is
//! never more than there are channels.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use hub_core::backplane::{NodeId, Topic};
use tokio::sync::{Notify, oneshot};

use crate::lock;
use crate::node::Node;
use crate::numbers::Seen;

/// A channel with its listeners.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) topic: Topic,
    /// Replaced as a whole, so that it is read without waiting for who is told.
    listeners: Mutex<Arc<[Arc<Node>]>>,
    /// What was received last.
    pub(crate) seen: Mutex<Seen>,
}

impl Channel {
    pub(crate) fn listeners(&self) -> Arc<[Arc<Node>]> {
        Arc::clone(&lock(&self.listeners))
    }
}

/// What is to be said to Redis.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) subscribe: Vec<Arc<str>>,
    pub(crate) unsubscribe: Vec<Arc<str>>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.subscribe.is_empty() && self.unsubscribe.is_empty()
    }
}

/// The table of subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Arc<str>, Entry>,
    /// Channels of which Redis may know something else than what holds.
    changed: VecDeque<Arc<str>>,
    /// Whether subscriptions are waited for: the link is up.
    up: bool,
}

#[derive(Debug)]
struct Entry {
    channel: Arc<Channel>,
    counts: Vec<(NodeId, usize)>,
    /// Whether Redis was told to send it to us.
    told: bool,
    /// Whether Redis said that it does.
    confirmed: bool,
    /// Whether it is in the list of those that changed.
    changed: bool,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Subscriptions {
    /// Counts one subscription of a node. The receiver gets something, or is closed, when it is in force or the link is
    /// down; `None` when that is so already.
    pub(crate) fn subscribe(&self, name: &Arc<str>, topic: &Topic, node: &Arc<Node>) -> Option<oneshot::Receiver<()>> {
        let mut table = lock(&self.table);
        let table = &mut *table;
        let entry = table.entries.entry(Arc::clone(name)).or_insert_with(|| Entry {
            channel: Arc::new(Channel {
                topic: topic.clone(),
                listeners: Mutex::new(Arc::new([])),
                seen: Mutex::default(),
            }),
            counts: Vec::new(),
            told: false,
            confirmed: false,
            changed: false,
            waiting: Vec::new(),
        });
        match entry.counts.iter_mut().find(|(id, _)| *id == node.id) {
            Some((_, count)) => *count += 1,
            None => {
                entry.counts.push((node.id, 1));
                let mut listeners = lock(&entry.channel.listeners);
                *listeners = listeners.iter().chain([node]).map(Arc::clone).collect();
            }
        }
        if !entry.told && !entry.changed {
            entry.changed = true;
            table.changed.push_back(Arc::clone(name));
            self.changed.notify_one();
        }
        if entry.confirmed || !table.up {
            return None;
        }
        let (in_force, waiting) = oneshot::channel();
        entry.waiting.push(in_force);
        Some(waiting)
    }

    /// Takes one subscription of a node back.
    pub(crate) fn unsubscribe(&self, name: &str, node: NodeId) {
        self.take_back(name, node, |count| count.saturating_sub(1));
    }

    /// Takes all subscriptions of a node back.
    pub(crate) fn unsubscribe_all(&self, node: NodeId) {
        let names: Vec<Arc<str>> = {
            let table = lock(&self.table);
            let of_node = |entry: &Entry| entry.counts.iter().any(|(id, _)| *id == node);
            table.entries.iter().filter(|(_, entry)| of_node(entry)).map(|(name, _)| Arc::clone(name)).collect()
        };
        for name in names {
            self.take_back(&name, node, |_| 0);
        }
    }

    fn take_back(&self, name: &str, node: NodeId, left: impl FnOnce(usize) -> usize) {
        // Who is told last may be dropped here, with whatever its inbox holds: not under the lock.
        let mut dropped = None;
        let mut table = lock(&self.table);
        let table = &mut *table;
        let Some((name, _)) = table.entries.get_key_value(name) else { return };
        let name = Arc::clone(name);
        let Some(entry) = table.entries.get_mut(&name) else { return };
        let Some(place) = entry.counts.iter().position(|(id, _)| *id == node) else { return };
        entry.counts[place].1 = left(entry.counts[place].1);
        if entry.counts[place].1 > 0 {
            return;
        }
        entry.counts.swap_remove(place);
        {
            let mut listeners = lock(&entry.channel.listeners);
            let others = listeners.iter().filter(|other| other.id != node).map(Arc::clone).collect();
            dropped.replace(std::mem::replace(&mut *listeners, others));
        }
        if !entry.counts.is_empty() {
            return;
        }
        if entry.told && !entry.changed {
            entry.changed = true;
            table.changed.push_back(name);
            self.changed.notify_one();
        } else if !entry.told && !entry.changed {
            table.entries.remove(&name);
        }
    }

    /// The channel of this name, if anybody listens to it.
    pub(crate) fn channel(&self, name: &str) -> Option<Arc<Channel>> {
        lock(&self.table).entries.get(name).map(|entry| Arc::clone(&entry.channel))
    }

    /// Whether this process is subscribed to a channel in Redis, and by how many nodes other than this one.
    pub(crate) fn others(&self, name: &str, node: NodeId) -> (bool, usize) {
        let table = lock(&self.table);
        table
            .entries
            .get(name)
            .map_or((false, 0), |entry| (entry.told, entry.counts.iter().filter(|(id, _)| *id != node).count()))
    }

    /// What has changed, as soon as something has.
    pub(crate) async fn changes(&self, most: usize) -> Changes {
        loop {
            let changes = self.changes_now(most);
            if !changes.is_empty() {
                return changes;
            }
            self.changed.notified().await;
        }
    }

    /// What has changed, of up to so many channels. It counts as told from now on.
    pub(crate) fn changes_now(&self, most: usize) -> Changes {
        let mut table = lock(&self.table);
        let table = &mut *table;
        let mut changes = Changes::default();
        while changes.subscribe.len() + changes.unsubscribe.len() < most {
            let Some(name) = table.changed.pop_front() else { break };
            let Some(entry) = table.entries.get_mut(&name) else { continue };
            entry.changed = false;
            match (!entry.counts.is_empty(), entry.told) {
                (true, false) => {
                    entry.told = true;
                    changes.subscribe.push(name);
                }
                (false, true) => {
                    // Whoever subscribes from here on is told anew, behind this.
                    table.entries.remove(&name);
                    changes.unsubscribe.push(name);
                }
                (false, false) => {
                    table.entries.remove(&name);
                }
                (true, true) => {}
            }
        }
        changes
    }

    /// Redis has confirmed these.
    pub(crate) fn confirmed(&self, names: &[Arc<str>]) {
        let mut table = lock(&self.table);
        for name in names {
            if let Some(entry) = table.entries.get_mut(name)
                && entry.told
            {
                entry.confirmed = true;
                for waiting in entry.waiting.drain(..) {
                    let _ = waiting.send(());
                }
            }
        }
    }

    /// A new link knows nothing. How many channels it will be told of.
    pub(crate) fn forget(&self) -> usize {
        let mut table = lock(&self.table);
        let table = &mut *table;
        table.up = false;
        table.changed.clear();
        table.entries.retain(|_, entry| !entry.counts.is_empty());
        for (name, entry) in &mut table.entries {
            entry.told = false;
            entry.confirmed = false;
            entry.changed = true;
            entry.waiting.clear();
            table.changed.push_back(Arc::clone(name));
        }
        table.entries.len()
    }

    /// Subscriptions are waited for from now on, unless something has changed that Redis was not told of.
    pub(crate) fn up(&self) -> bool {
        let mut table = lock(&self.table);
        table.up = table.changed.is_empty();
        table.up
    }

    /// The link is down: nobody waits.
    pub(crate) fn down(&self) {
        let mut table = lock(&self.table);
        table.up = false;
        for entry in table.entries.values_mut() {
            entry.waiting.clear();
        }
    }
}
