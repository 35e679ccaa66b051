//! One message for one channel, and who waits for it.

use std::sync::Arc;

use hub_core::backplane::Unreachable;
use tokio::sync::oneshot;

use crate::node::Sender;
use crate::turns::Turn;
use crate::wire::Number;

/// What a publication costs beside its bytes.
pub(crate) const OVERHEAD: usize = 128;

/// One message for one channel.
#[derive(Debug)]
pub(crate) struct Publication {
    /// Its place in the order of the calls. Given by the outbox.
    pub(crate) id: u64,
    /// Who publishes it.
    pub(crate) sender: Arc<Sender>,
    pub(crate) channel: Arc<str>,
    /// As [`wire::encode`](crate::wire::encode) gave it: its number comes when it is sent.
    pub(crate) message: Vec<u8>,
    /// Its number, since it was written first: by that it is recognised where it has arrived before.
    pub(crate) number: Option<Number>,
    /// How often it was written.
    pub(crate) times: u32,
    pub(crate) waits: Waits,
    /// When the own inbox is given it, if that waits for it.
    pub(crate) turn: Option<Arc<Turn>>,
    /// Whether an echo will say so.
    pub(crate) echo: bool,
}

/// Who waits for a publication.
#[derive(Debug)]
pub(crate) enum Waits {
    Nobody,
    /// Somebody, until Redis has taken it.
    Taken(Reply),
    /// Somebody, for the number of receivers.
    Counted(Reply),
}

type Reply = oneshot::Sender<Result<usize, Unreachable>>;

impl Waits {
    /// Tells who waits, if anybody does.
    pub(crate) fn tell(self, answer: Result<usize, Unreachable>) {
        if let Self::Taken(reply) | Self::Counted(reply) = self {
            let _ = reply.send(answer);
        }
    }
}

impl Publication {
    pub(crate) fn new(sender: &Arc<Sender>, channel: Arc<str>, message: Vec<u8>, waits: Waits) -> Self {
        let sender = Arc::clone(sender);
        Self { id: 0, sender, channel, message, number: None, times: 0, waits, turn: None, echo: false }
    }

    pub(crate) fn cost(&self) -> usize {
        self.message.len() + self.channel.len() + OVERHEAD
    }
}
