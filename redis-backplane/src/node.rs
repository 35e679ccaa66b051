//! One hub in this process, as others see it.

use std::fmt;
use std::sync::{Arc, Mutex};

use hub_core::backplane::{Inbox, NodeId};

use crate::lock;
use crate::numbers::Numbers;
use crate::wire::Number;

/// A node, as long as it is attached.
pub(crate) struct Node {
    pub(crate) sender: Arc<Sender>,
    pub(crate) hub: Box<str>,
    pub(crate) inbox: Arc<dyn Inbox>,
    secret: Mutex<Secret>,
}

/// What of a node outlives it, until all that it has published is sent.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) id: NodeId,
    numbers: Mutex<Numbers>,
}

impl Sender {
    /// The number of its next message to this channel.
    pub(crate) fn number(&self, channel: &Arc<str>) -> Number {
        lock(&self.numbers).next(channel)
    }
}

/// The secret that a hub's nodes have in common, as this one knows it.
#[derive(Default)]
struct Secret {
    /// What it would have it be: what it is, once that is known.
    proposed: Option<[u8; 32]>,
    /// Whether the inbox has been told.
    told: bool,
    /// Why it could not be kept in Redis the last time.
    refused: Option<String>,
}

impl Node {
    pub(crate) fn new(hub: &str, inbox: Arc<dyn Inbox>) -> Self {
        let sender = Arc::new(Sender { id: random_id(), numbers: Mutex::default() });
        Self { sender, hub: hub.into(), inbox, secret: Mutex::default() }
    }

    /// What the secret shall be, unless there is one.
    pub(crate) fn propose(&self, secret: [u8; 32]) {
        lock(&self.secret).proposed = Some(secret);
    }

    /// What it would have the secret be.
    pub(crate) fn proposed(&self) -> Option<[u8; 32]> {
        lock(&self.secret).proposed
    }

    /// The secret is this: tells the inbox if that is news. Whether it had been another.
    pub(crate) fn secret_is(&self, secret: [u8; 32]) -> bool {
        let changed = {
            let mut known = lock(&self.secret);
            known.refused = None;
            let changed = known.told && known.proposed != Some(secret);
            if known.told && !changed {
                return false;
            }
            *known = Secret { proposed: Some(secret), told: true, refused: None };
            changed
        };
        // Not under the lock: the inbox may propose another.
        self.inbox.shared_secret(secret);
        changed
    }

    /// The secret could not be kept in Redis. Whether that is news.
    pub(crate) fn secret_refused(&self, why: &str) -> bool {
        let mut known = lock(&self.secret);
        let news = known.refused.as_deref() != Some(why);
        known.refused = Some(why.to_owned());
        news
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.sender.id).field("hub", &self.hub).finish_non_exhaustive()
    }
}

fn random_id() -> NodeId {
    let mut bytes = [0; NodeId::BYTES];
    if getrandom::fill(&mut bytes).is_err() {
        // The standard library has seeds of its own.
        use std::hash::{BuildHasher, RandomState};
        bytes.copy_from_slice(&RandomState::new().hash_one(std::process::id()).to_le_bytes()[..NodeId::BYTES]);
    }
    NodeId::new(bytes)
}
