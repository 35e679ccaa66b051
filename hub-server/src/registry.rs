//! The connections of this node, and which users and groups they belong to. Sharded; nothing is awaited under a lock.
//!
//! For each membership there is one subscription to its topic, so that other nodes reach it.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dashmap::DashMap;
use hub_core::backplane::{Attachment, NodeId, Subscribed, Topic};
use hub_core::{ConnectionId, GroupName, UserId};

use crate::lock;
use crate::nodes::both;
use crate::peer::Peer;

/// Members by the serial number of their connection.
type Members = HashMap<u64, Arc<Peer>>;

#[derive(Debug, Default)]
pub(crate) struct Registry {
    connections: DashMap<ConnectionId, Arc<Peer>>,
    users: DashMap<UserId, Members>,
    groups: DashMap<GroupName, Members>,
    /// Where topics are subscribed to, if there can be other nodes.
    attachment: Option<Arc<dyn Attachment>>,
}

impl Registry {
    pub(crate) fn new(attachment: Option<Arc<dyn Attachment>>) -> Self {
        Self { attachment, ..Self::default() }
    }

    /// Lists a connection, and its user. Other nodes reach it when what this returns is done.
    pub(crate) fn add(&self, peer: &Arc<Peer>) -> Option<Subscribed> {
        // Before it can be found: whoever finds it has the message in its protocol.
        peer.hub().speaking[peer.codec() as usize].fetch_add(1, Ordering::SeqCst);
        self.connections.insert(peer.id().clone(), Arc::clone(peer));
        let own_topic = self.own_topic(peer).and_then(|topic| self.subscribe(|| topic));
        let user = peer.identity().user_id().and_then(|user| {
            insert(&self.users, user, peer);
            self.subscribe(|| Topic::User(user.into()))
        });
        both(own_topic, user)
    }

    /// Forgets a connection, its user and its groups (P-LT-10). The second time it does nothing.
    pub(crate) fn remove(&self, peer: &Peer) {
        // From here on the connection can join no group (P-LT-11).
        let Some(groups) = lock(peer.groups()).take() else { return };
        self.connections.remove(peer.id().as_str());
        peer.hub().speaking[peer.codec() as usize].fetch_sub(1, Ordering::SeqCst);
        if let Some(topic) = self.own_topic(peer) {
            self.unsubscribe(|| topic);
        }
        if let Some(user) = peer.identity().user_id() {
            remove(&self.users, user, peer.serial());
            self.unsubscribe(|| Topic::User(user.into()));
        }
        for group in groups {
            remove(&self.groups, &group, peer.serial());
            self.unsubscribe(|| Topic::Group(group));
        }
    }

    pub(crate) fn connection(&self, id: &str) -> Option<Arc<Peer>> {
        self.connections.get(id).map(|peer| Arc::clone(&peer))
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Adds a connection to a group. Joining again changes nothing (P-LT-08), and an ended connection joins none.
    /// Messages of other nodes reach it when what this returns is done.
    pub(crate) fn join(&self, peer: &Arc<Peer>, group: &str) -> Option<Subscribed> {
        // Subscriptions are counted under this lock, in the order of the changes.
        let mut groups = lock(peer.groups());
        let groups = groups.as_mut()?;
        if groups.contains(group) {
            // Whoever joined before may still wait for it: so does this.
            let subscribed = self.subscribe(|| Topic::Group(group.into()));
            self.unsubscribe(|| Topic::Group(group.into()));
            return subscribed;
        }
        groups.insert(group.into());
        insert(&self.groups, group, peer);
        self.subscribe(|| Topic::Group(group.into()))
    }

    /// Takes a connection out of a group.
    pub(crate) fn leave(&self, peer: &Peer, group: &str) {
        if let Some(groups) = lock(peer.groups()).as_mut()
            && groups.remove(group)
        {
            remove(&self.groups, group, peer.serial());
            self.unsubscribe(|| Topic::Group(group.into()));
        }
    }

    pub(crate) fn each(&self, visit: impl FnMut(&Arc<Peer>)) {
        let mut visit = visit;
        self.connections.iter().for_each(|peer| visit(&peer));
    }

    pub(crate) fn each_of_group(&self, group: &str, visit: impl FnMut(&Arc<Peer>)) {
        each(&self.groups, group, visit);
    }

    pub(crate) fn each_of_user(&self, user: &str, visit: impl FnMut(&Arc<Peer>)) {
        each(&self.users, user, visit);
    }

    /// The topic of a connection whose id another node made.
    fn own_topic(&self, peer: &Peer) -> Option<Topic> {
        let node = self.attachment.as_ref()?.node();
        (NodeId::of(peer.id()) != Some(node)).then(|| Topic::Connection(peer.id().clone()))
    }

    fn subscribe(&self, topic: impl FnOnce() -> Topic) -> Option<Subscribed> {
        self.attachment.as_ref().map(|attachment| attachment.subscribe(&topic()))
    }

    fn unsubscribe(&self, topic: impl FnOnce() -> Topic) {
        if let Some(attachment) = &self.attachment {
            attachment.unsubscribe(&topic());
        }
    }
}

/// What users and groups are listed by.
trait Name: for<'a> From<&'a str> + Borrow<str> + Hash + Eq {}
impl<T: for<'a> From<&'a str> + Borrow<str> + Hash + Eq> Name for T {}

fn insert<N: Name>(map: &DashMap<N, Members>, name: &str, peer: &Arc<Peer>) {
    match map.get_mut(name) {
        Some(mut members) => {
            members.insert(peer.serial(), Arc::clone(peer));
        }
        None => {
            map.entry(name.into()).or_default().insert(peer.serial(), Arc::clone(peer));
        }
    }
}

fn remove<N: Name>(map: &DashMap<N, Members>, name: &str, serial: u64) {
    let is_empty = map.get_mut(name).is_some_and(|mut members| {
        members.remove(&serial);
        members.is_empty()
    });
    if is_empty {
        // Somebody may have joined in between.
        map.remove_if(name, |_, members| members.is_empty());
    }
}

fn each<N: Name>(map: &DashMap<N, Members>, name: &str, visit: impl FnMut(&Arc<Peer>)) {
    if let Some(members) = map.get(name) {
        members.values().for_each(visit);
    }
}
