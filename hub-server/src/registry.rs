//! The connections of this node, and which users and groups they belong to. Sharded; nothing is awaited under a lock.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use hub_core::ConnectionId;

use crate::lock;
use crate::peer::Peer;

/// Members by the serial number of their connection.
type Members = HashMap<u64, Arc<Peer>>;

#[derive(Debug, Default)]
pub(crate) struct Registry {
    connections: DashMap<ConnectionId, Arc<Peer>>,
    users: DashMap<Box<str>, Members>,
    groups: DashMap<Box<str>, Members>,
}

impl Registry {
    /// Lists a connection, and its user.
    pub(crate) fn add(&self, peer: &Arc<Peer>) {
        self.connections.insert(peer.id().clone(), Arc::clone(peer));
        if let Some(user) = peer.identity().user_id() {
            insert(&self.users, user, peer);
        }
    }

    /// Forgets a connection, its user and its groups (P-LT-10).
    pub(crate) fn remove(&self, peer: &Peer) {
        self.connections.remove(peer.id().as_str());
        if let Some(user) = peer.identity().user_id() {
            remove(&self.users, user, peer.serial());
        }
        // From here on the connection can join no group (P-LT-11).
        for group in lock(peer.groups()).take().into_iter().flatten() {
            remove(&self.groups, &group, peer.serial());
        }
    }

    pub(crate) fn connection(&self, id: &str) -> Option<Arc<Peer>> {
        self.connections.get(id).map(|peer| Arc::clone(&peer))
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Adds a connection to a group. Joining again changes nothing (P-LT-08), and an ended connection joins none.
    pub(crate) fn join(&self, peer: &Arc<Peer>, group: &str) {
        if let Some(groups) = lock(peer.groups()).as_mut()
            && !groups.contains(group)
        {
            groups.insert(group.into());
            insert(&self.groups, group, peer);
        }
    }

    /// Takes a connection out of a group.
    pub(crate) fn leave(&self, peer: &Peer, group: &str) {
        if let Some(groups) = lock(peer.groups()).as_mut()
            && groups.remove(group)
        {
            remove(&self.groups, group, peer.serial());
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
}

fn insert(map: &DashMap<Box<str>, Members>, name: &str, peer: &Arc<Peer>) {
    match map.get_mut(name) {
        Some(mut members) => {
            members.insert(peer.serial(), Arc::clone(peer));
        }
        None => {
            map.entry(name.into()).or_default().insert(peer.serial(), Arc::clone(peer));
        }
    }
}

fn remove(map: &DashMap<Box<str>, Members>, name: &str, serial: u64) {
    let is_empty = map.get_mut(name).is_some_and(|mut members| {
        members.remove(&serial);
        members.is_empty()
    });
    if is_empty {
        // Somebody may have joined in between.
        map.remove_if(name, |_, members| members.is_empty());
    }
}

fn each(map: &DashMap<Box<str>, Members>, name: &str, visit: impl FnMut(&Arc<Peer>)) {
    if let Some(members) = map.get(name) {
        members.values().for_each(visit);
    }
}
