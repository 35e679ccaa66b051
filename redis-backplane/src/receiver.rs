//! What is received, to whom it is for.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::channel::Taker;
use crate::events;
use crate::lane::Lane;
use crate::link::Receive;
use crate::lock;
use crate::state::Counting;
use crate::wire;

/// Takes what one link receives, until the link is given up.
pub(crate) struct Receiver {
    /// `None` when the link is given up. Locked while a message is handed over, so that what a lost link has received
    /// still is not handed over beside what its successor receives.
    lane: Mutex<Option<Arc<Lane>>>,
}

/// Closes a receiver when it is dropped.
pub(crate) struct Gate(Arc<Receiver>);

impl Receiver {
    pub(crate) fn new(lane: &Arc<Lane>) -> Arc<Self> {
        Arc::new(Self { lane: Mutex::new(Some(Arc::clone(lane))) })
    }

    pub(crate) fn gate(self: &Arc<Self>) -> Gate {
        Gate(Arc::clone(self))
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        lock(&self.0.lane).take();
    }
}

impl Receive for Receiver {
    fn receive(&self, channel: &[u8], message: Bytes) {
        let lane = lock(&self.lane);
        if let Some(lane) = &*lane {
            hand_over(lane, channel, &message);
        }
    }
}

fn hand_over(lane: &Lane, name: &[u8], message: &Bytes) {
    // Between our asking for no more of it and Redis's hearing that, nobody listens.
    let Some(channel) = std::str::from_utf8(name).ok().and_then(|name| lane.subscriptions.channel(name)) else {
        return;
    };
    let refuse = |error| {
        lane.counting.add_unreadable(error);
        events::unreadable(name, error);
    };
    let stamp = match wire::stamp(message) {
        Ok(stamp) => stamp,
        Err(error) => return refuse(error),
    };
    let (node, missed) = match channel.takes(stamp) {
        Taker::Node(node, missed) => (node, missed),
        Taker::Own => return channel.give_due(stamp.number),
        Taker::Nobody => return,
    };
    Counting::add(&lane.counting.lost_in, missed);
    match wire::decode(message) {
        Ok(delivery) => {
            Counting::add(&lane.counting.received, 1);
            node.inbox.deliver(&channel.topic, delivery);
        }
        Err(error) => refuse(error),
    }
}
