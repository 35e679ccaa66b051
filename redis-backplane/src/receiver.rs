//! What is received, to whom it is for.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::events;
use crate::link::Receive;
use crate::lock;
use crate::numbers::Sight;
use crate::shared::Shared;
use crate::state::Counting;
use crate::wire;

/// Takes what one link receives, until the link is given up.
pub(crate) struct Receiver {
    /// `None` when the link is given up. Locked while a message is handed over, so that what a lost link has received
    /// still is not handed over beside what its successor receives.
    shared: Mutex<Option<Arc<Shared>>>,
}

/// Closes a receiver when it is dropped.
pub(crate) struct Gate(Arc<Receiver>);

impl Receiver {
    pub(crate) fn new(shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { shared: Mutex::new(Some(Arc::clone(shared))) })
    }

    pub(crate) fn gate(self: &Arc<Self>) -> Gate {
        Gate(Arc::clone(self))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        lock(&self.0.shared).take();
    }
}

impl Receive for Receiver {
    fn receive(&self, channel: &[u8], message: Bytes) {
        let shared = lock(&self.shared);
        if let Some(shared) = &*shared {
            hand_over(shared, channel, &message);
        }
    }
}

fn hand_over(shared: &Shared, name: &[u8], message: &Bytes) {
    // Between our asking for no more of it and Redis's hearing that, nobody listens.
    let Some(channel) = std::str::from_utf8(name).ok().and_then(|name| shared.subscriptions.channel(name)) else {
        return;
    };
    let listeners = channel.listeners();
    let stamp = match wire::stamp(message) {
        Ok(stamp) => stamp,
        Err(error) => {
            Counting::add(&shared.counting.unreadable, 1);
            events::unreadable(name, error);
            return;
        }
    };
    let mut others = listeners.iter().filter(|node| node.id != stamp.node).peekable();
    if others.peek().is_none() {
        return;
    }
    match lock(&channel.seen).note(stamp) {
        // Never twice, and never out of order.
        Sight::Old => return,
        Sight::New { missed } => Counting::add(&shared.counting.lost_in, missed),
    }
    match wire::decode(message) {
        Ok(delivery) => {
            Counting::add(&shared.counting.received, 1);
            // The last is given the original.
            while let Some(node) = others.next() {
                if others.peek().is_none() {
                    node.inbox.deliver(&channel.topic, delivery);
                    break;
                }
                node.inbox.deliver(&channel.topic, delivery.clone());
            }
        }
        Err(error) => {
            Counting::add(&shared.counting.unreadable, 1);
            events::unreadable(name, error);
        }
    }
}
