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

use crate::channel::{Channel, Left};
use crate::lock;
use crate::node::Node;

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

/// The table of subscriptions. To a channel listens one node: the nodes of a lane are of different hubs.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Debug)]
struct Table {
    entries: HashMap<Arc<str>, Entry>,
    /// Channels of which Redis may know something else than what holds.
    changed: VecDeque<Arc<str>>,
    /// Whether subscriptions are waited for: the link is up, or the first attempt is under way.
    waits: bool,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: HashMap::new(), changed: VecDeque::new(), waits: true }
    }
}

#[derive(Debug)]
struct Entry {
    channel: Arc<Channel>,
    count: usize,
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
            channel: Arc::new(Channel::new(topic)),
            count: 0,
            told: false,
            confirmed: false,
            changed: false,
            waiting: Vec::new(),
        });
        if entry.count == 0 {
            entry.channel.begin(node, entry.confirmed);
        }
        entry.count += 1;
        if !entry.told && !entry.changed {
            entry.changed = true;
            table.changed.push_back(Arc::clone(name));
            self.changed.notify_one();
        }
        if entry.confirmed || !table.waits {
            return None;
        }
        let (in_force, waiting) = oneshot::channel();
        entry.waiting.push(in_force);
        Some(waiting)
    }

    /// Takes one subscription of a node back.
    pub(crate) fn unsubscribe(&self, name: &str) {
        self.take_back(name, |count| count.saturating_sub(1));
    }

    /// Takes all subscriptions of a node back.
    pub(crate) fn unsubscribe_all(&self, node: NodeId) {
        let names: Vec<Arc<str>> = {
            let table = lock(&self.table);
            table
                .entries
                .iter()
                .filter(|(_, entry)| entry.channel.is_of(node))
                .map(|(name, _)| Arc::clone(name))
                .collect()
        };
        names.iter().for_each(|name| self.take_back(name, |_| 0));
    }

    fn take_back(&self, name: &str, left: impl FnOnce(usize) -> usize) {
        // Not under the lock.
        drop(self.taken_back(name, left));
    }

    fn taken_back(&self, name: &str, left: impl FnOnce(usize) -> usize) -> Option<Left> {
        let mut table = lock(&self.table);
        let table = &mut *table;
        let entry = table.entries.get_mut(name).filter(|entry| entry.count > 0)?;
        entry.count = left(entry.count);
        if entry.count > 0 {
            return None;
        }
        let left = entry.channel.end();
        if entry.told && !entry.changed {
            entry.changed = true;
            if let Some((name, _)) = table.entries.get_key_value(name) {
                table.changed.push_back(Arc::clone(name));
            }
            self.changed.notify_one();
        } else if !entry.told && !entry.changed {
            table.entries.remove(name);
        }
        Some(left)
    }

    /// The channel of this name, if anybody listens to it.
    pub(crate) fn channel(&self, name: &str) -> Option<Arc<Channel>> {
        lock(&self.table).entries.get(name).map(|entry| Arc::clone(&entry.channel))
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
            match (entry.count > 0, entry.told) {
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
                entry.channel.set_in_force(true);
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
        table.changed.clear();
        table.entries.retain(|_, entry| entry.count > 0);
        for (name, entry) in &mut table.entries {
            (entry.told, entry.confirmed, entry.changed) = (false, false, true);
            table.changed.push_back(Arc::clone(name));
        }
        table.entries.len()
    }

    /// Subscriptions are waited for from now on, unless something has changed that Redis was not told of.
    pub(crate) fn up(&self) -> bool {
        let mut table = lock(&self.table);
        let up = table.changed.is_empty();
        table.waits |= up;
        up
    }

    /// The link is down: nobody waits.
    pub(crate) fn down(&self) {
        let mut channels = Vec::new();
        {
            let mut table = lock(&self.table);
            table.waits = false;
            for entry in table.entries.values_mut() {
                entry.confirmed = false;
                entry.waiting.clear();
                if entry.channel.set_in_force(false) {
                    channels.push(Arc::clone(&entry.channel));
                }
            }
        }
        channels.iter().for_each(|channel| channel.give_all());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Subscriptions;
    use crate::node::Node;
    use hub_core::backplane::{Delivery, Inbox, Topic};

    struct Nothing;

    impl Inbox for Nothing {
        fn deliver(&self, _: &Topic, _: Delivery) {}
    }

    /// What Redis would be told now.
    fn told(subscriptions: &Subscriptions) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
        let changes = subscriptions.changes_now(100);
        (changes.subscribe, changes.unsubscribe)
    }

    #[test]
    fn only_what_holds_is_told() {
        let (table, node, name) =
            (Subscriptions::default(), Arc::new(Node::new("Chat", Arc::new(Nothing))), "a".into());
        let subscribe = || table.subscribe(&name, &Topic::All, &node);
        let (yes, no) = (vec![Arc::clone(&name)], Vec::new());
        // Back and forth before anybody looks.
        drop(subscribe());
        table.unsubscribe(&name);
        assert_eq!(told(&table), (no.clone(), no.clone()));
        drop(subscribe());
        table.unsubscribe(&name);
        drop(subscribe());
        drop(subscribe());
        assert_eq!(told(&table), (yes.clone(), no.clone()));
        table.unsubscribe(&name);
        assert_eq!(told(&table), (no.clone(), no.clone()));
        table.unsubscribe(&name);
        drop(subscribe());
        assert_eq!(told(&table), (no.clone(), no.clone()), "it is as it was told");
        table.unsubscribe(&name);
        assert_eq!(told(&table), (no.clone(), yes.clone()));
        drop(subscribe());
        assert_eq!(told(&table), (yes.clone(), no.clone()), "behind the unsubscription");
        // A new link is told all that holds.
        assert_eq!(table.forget(), 1);
        assert_eq!(told(&table), (yes, no));
    }

    #[test]
    fn a_subscription_waits_for_its_confirmation_or_the_end_of_the_link() {
        let (table, node) = (Subscriptions::default(), Arc::new(Node::new("Chat", Arc::new(Nothing))));
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut first = table.subscribe(&a, &Topic::All, &node).expect("it waits for the first attempt");
        let mut second = table.subscribe(&b, &Topic::All, &node).expect("it waits for the first attempt");
        assert!(!table.up(), "Redis has not been told");
        assert_eq!(table.changes_now(100).subscribe.len(), 2);
        table.confirmed(std::slice::from_ref(&a));
        assert_eq!(first.try_recv(), Ok(()));
        assert!(second.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty));
        assert!(table.subscribe(&a, &Topic::All, &node).is_none(), "it is in force");
        table.down();
        assert!(second.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Closed));
        assert!(table.subscribe(&b, &Topic::All, &node).is_none(), "nobody waits for a broken link");
    }

    #[test]
    fn a_node_that_is_gone_is_let_go_before_redis_is_told() {
        let (table, node) = (Subscriptions::default(), Arc::new(Node::new("Chat", Arc::new(Nothing))));
        for name in ["a", "b", "b"] {
            drop(table.subscribe(&name.into(), &Topic::All, &node));
        }
        assert_eq!(table.changes_now(100).subscribe.len(), 2);
        table.unsubscribe_all(node.sender.id);
        assert_eq!(Arc::strong_count(&node), 1);
        assert_eq!(table.changes_now(100).unsubscribe.len(), 2);
    }
}
