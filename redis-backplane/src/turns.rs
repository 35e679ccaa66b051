//! A node's own publications, on their way to its own inbox.
//!
//! Redis sends a node that listens to a channel what the node itself publishes to it, too. That echo carries nothing new,
//! but it stands at the publication's place among those of all nodes: it says when it is its turn.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use hub_core::backplane::Delivery;
use tokio::sync::oneshot;

use crate::channel::Channel;
use crate::lock;
use crate::node::Node;
use crate::wire::Number;

/// One publication, until the own inbox was given it.
pub(crate) struct Turn {
    node: Arc<Node>,
    channel: Arc<Channel>,
    /// Its number, once it is written.
    number: OnceLock<Number>,
    /// Taken by who gives it; and who waits for that.
    waiting: Mutex<Option<(Delivery, oneshot::Sender<()>)>>,
}

impl Turn {
    /// The receiver gets something, or is closed, when there is nothing to wait for any more.
    pub(crate) fn new(
        node: &Arc<Node>,
        channel: Arc<Channel>,
        delivery: &Delivery,
    ) -> (Arc<Self>, oneshot::Receiver<()>) {
        let (given, is_given) = oneshot::channel();
        let waiting = Mutex::new(Some((delivery.clone(), given)));
        (Arc::new(Self { node: Arc::clone(node), channel, number: OnceLock::new(), waiting }), is_given)
    }

    /// Has its place among the publications of the node.
    pub(crate) fn wait(self: &Arc<Self>) {
        self.channel.add_turn(self);
    }

    /// It is about to be written with this number. Whether its echo will come.
    pub(crate) fn written(&self, number: Number) -> bool {
        let _ = self.number.set(number);
        self.channel.is_in_force()
    }

    /// Whether an echo of this number says that it is its turn, or was.
    pub(crate) fn is_due(&self, echo: Number) -> bool {
        self.number.get().is_some_and(|number| !number.is_after(echo))
    }

    /// Out of turn, behind what the node published before: its echo is not waited for.
    pub(crate) fn give_now(self: &Arc<Self>) {
        self.channel.give_through(self);
        // Nobody listened when it was published.
        self.give();
    }

    /// Gives it to the inbox, unless that has been done.
    pub(crate) fn give(&self) {
        let waiting = lock(&self.waiting).take();
        if let Some((delivery, given)) = waiting {
            self.node.inbox.deliver(&self.channel.topic, delivery);
            // Whoever published it may have gone.
            let _ = given.send(());
        }
    }

    /// It was not published after all, or nobody is left whom to give it.
    pub(crate) fn pass(self: &Arc<Self>) {
        drop(lock(&self.waiting).take());
        self.channel.remove_turn(self);
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("topic", &self.channel.topic).finish_non_exhaustive()
    }
}
