//! A channel, who in this process listens to it, and what they are given in which order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use hub_core::backplane::{NodeId, Topic};

use crate::lock;
use crate::node::Node;
use crate::numbers::{Seen, Sight};
use crate::turns::Turn;
use crate::wire::{Number, Stamp};

/// A channel, and who listens to it.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) topic: Topic,
    listener: Mutex<Listener>,
    /// Held while what waited for its turn is given, for its order.
    giving: Mutex<()>,
}

#[derive(Debug, Default)]
struct Listener {
    /// Nobody, when the count has fallen to zero.
    node: Option<Arc<Node>>,
    /// What was received since somebody listens.
    seen: Seen,
    /// Whether Redis sends it to us.
    in_force: bool,
    /// What the node has published itself and has not been given yet, in the order of its publications.
    turns: VecDeque<Arc<Turn>>,
}

/// Who is to be given a message.
#[derive(Debug)]
pub(crate) enum Taker {
    /// This node. So many before it were missed.
    Node(Arc<Node>, u64),
    /// Whose own it is: it is its turn.
    Own,
    /// Nobody: it was here before, or nobody listens.
    Nobody,
}

impl Channel {
    pub(crate) fn new(topic: &Topic) -> Self {
        Self { topic: topic.clone(), listener: Mutex::default(), giving: Mutex::default() }
    }

    /// This node listens from now on; and whether Redis sends us the channel already.
    pub(crate) fn begin(&self, node: &Arc<Node>, in_force: bool) {
        *lock(&self.listener) = Listener { node: Some(Arc::clone(node)), in_force, ..Listener::default() };
    }

    /// Nobody listens any more. Whom that leaves, to be dropped where nothing is locked: an inbox may hold whatever.
    pub(crate) fn end(&self) -> Left {
        let listener = std::mem::take(&mut *lock(&self.listener));
        Left { _node: listener.node, turns: listener.turns }
    }

    pub(crate) fn is_of(&self, node: NodeId) -> bool {
        lock(&self.listener).node.as_ref().is_some_and(|listener| listener.sender.id == node)
    }

    /// Redis sends us the channel, or does so no more. Whether something waits for its turn.
    pub(crate) fn set_in_force(&self, in_force: bool) -> bool {
        let mut listener = lock(&self.listener);
        listener.in_force = in_force;
        !listener.turns.is_empty()
    }

    /// Who is to be given a message.
    pub(crate) fn takes(&self, stamp: Stamp) -> Taker {
        let mut listener = lock(&self.listener);
        let Some(node) = &listener.node else { return Taker::Nobody };
        if node.sender.id == stamp.node {
            return Taker::Own;
        }
        let node = Arc::clone(node);
        match listener.seen.note(stamp) {
            Sight::New { missed } => Taker::Node(node, missed),
            // Never twice, and never out of order.
            Sight::Old => Taker::Nobody,
        }
    }

    /// The node has published something itself, behind what it published before.
    pub(crate) fn add_turn(&self, turn: &Arc<Turn>) {
        let mut listener = lock(&self.listener);
        if listener.node.is_some() {
            listener.turns.push_back(Arc::clone(turn));
        }
    }

    pub(crate) fn remove_turn(&self, turn: &Arc<Turn>) {
        lock(&self.listener).turns.retain(|other| !Arc::ptr_eq(other, turn));
    }

    /// Whether Redis sends the channel to us.
    pub(crate) fn is_in_force(&self) -> bool {
        lock(&self.listener).in_force
    }

    /// An echo of this number has come.
    pub(crate) fn give_due(&self, echo: Number) {
        self.give(|turns| turns.iter().take_while(|turn| turn.is_due(echo)).count());
    }

    /// This one and all before it, out of turn.
    pub(crate) fn give_through(&self, turn: &Arc<Turn>) {
        self.give(|turns| turns.iter().position(|other| Arc::ptr_eq(other, turn)).map_or(0, |place| place + 1));
    }

    /// All that there are, out of turn.
    pub(crate) fn give_all(&self) {
        self.give(VecDeque::len);
    }

    fn give(&self, how_many: impl FnOnce(&VecDeque<Arc<Turn>>) -> usize) {
        let _giving = lock(&self.giving);
        let turns: Vec<Arc<Turn>> = {
            let mut listener = lock(&self.listener);
            let due = how_many(&listener.turns);
            listener.turns.drain(..due).collect()
        };
        turns.iter().for_each(|turn| turn.give());
    }
}

/// What a channel leaves to which nobody listens any more.
#[derive(Debug)]
pub(crate) struct Left {
    _node: Option<Arc<Node>>,
    turns: VecDeque<Arc<Turn>>,
}

impl Drop for Left {
    fn drop(&mut self) {
        // Nobody is left whom to give it.
        self.turns.drain(..).for_each(|turn| turn.pass());
    }
}
