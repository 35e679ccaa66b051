//! One message to all whom it is for.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::select;
use hub_core::backplane::{Framed, Recipients};
use hub_core::{CallError, Codec, ConnectionId, Outgoing};

use crate::events;
use crate::hub::HubState;
use crate::outbox::Pushed;
use crate::peer::Peer;

/// What a delivery leaves to be done: outside of all locks, because logs are the application's too, and where one can
/// wait.
#[must_use]
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    /// The message for other nodes, if there may be recipients.
    pub(crate) elsewhere: Option<Framed>,
    /// Connections that have more to write than their bound.
    crowded: Vec<Arc<Peer>>,
    /// Connections that read too slowly, since now.
    slow: Vec<Arc<Peer>>,
}

impl Delivered {
    /// Puts a message into the outbox of a connection.
    pub(crate) fn push(&mut self, peer: &Arc<Peer>, message: Bytes, hurry: bool) {
        match peer.outbox().send(message, hurry) {
            Pushed::Crowded => self.crowded.push(Arc::clone(peer)),
            Pushed::Full { first: true } => self.slow.push(Arc::clone(peer)),
            Pushed::Queued | Pushed::Ended | Pushed::Full { first: false } => {}
        }
    }

    /// Logs what there is to log.
    pub(crate) fn log(&mut self) {
        for peer in self.slow.drain(..) {
            events::outbox_full(peer.hub().name(), peer.id(), peer.hub().options().slow_reader);
        }
    }

    /// Lets those connections have their turn that have too much to write.
    pub(crate) async fn give_way(self, hub: &HubState) {
        if !self.crowded.is_empty() {
            // Boxed, because it is rare, and would be part of every send.
            Box::pin(turns(hub, &self.crowded)).await;
        }
    }
}

/// How long a sender waits for the tasks of its recipients: a method that blocks its thread is its own problem.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits until these connections have offered their sockets what waits for them: for their tasks, never for a socket.
async fn turns(hub: &HubState, peers: &[Arc<Peer>]) {
    // In any case, so that a loop that sends leaves others their time.
    tokio::task::yield_now().await;
    let turns = async {
        for peer in peers {
            poll_fn(|cx| peer.outbox().poll_turn(cx)).await;
        }
    };
    // Who sends may be outside of any runtime.
    let Some(runtime) = hub.runtime() else { return turns.await };
    let patience = {
        let _entered = runtime.enter();
        tokio::time::sleep(PATIENCE)
    };
    select(pin!(turns), pin!(patience)).await;
}

/// Puts a message into the outbox of each recipient on this node, encoded once a protocol. Unknown recipients are no
/// error (P-LT-03).
///
/// # Errors
/// When an argument cannot be encoded, or one of several groups has no name (P-LT-06). Nothing is sent then: it is
/// encoded before anybody has it, and the application's `Serialize` runs under no lock.
pub(crate) fn deliver(hub: &HubState, to: &Recipients, message: &Outgoing<'_>) -> Result<Delivered, CallError> {
    to.check()?;
    let mut delivered = Delivered::default();
    let shared = hub.nodes.is_some().then(|| message.in_all_codecs()).transpose()?;
    let framed = |codec: Codec| match hub.speaking[codec as usize].load(Ordering::SeqCst) {
        0 => Ok(None),
        _ => message.framed(codec).map(|bytes| Some(hub.held.count(bytes))),
    };
    let [json, messagepack] = [framed(Codec::Json)?, framed(Codec::MessagePack)?];
    let hurry = hub.held.is_over();
    let mut send = |peer: &Arc<Peer>| {
        let message = match peer.codec() {
            Codec::Json => &json,
            Codec::MessagePack => &messagepack,
        };
        // The first to speak a protocol came after this began.
        if let Some(message) = message {
            delivered.push(peer, message.clone(), hurry);
        }
    };
    let registry = &hub.registry;
    let mut elsewhere = true;
    match to {
        Recipients::All { except } if except.is_empty() => registry.each(send),
        Recipients::All { except } => registry.each(unless(except, send)),
        Recipients::Connections(ids) => {
            let mut found = 0;
            ids.iter().filter_map(|id| registry.connection(id)).for_each(|peer| {
                found += 1;
                send(&peer);
            });
            elsewhere = found < ids.len();
        }
        Recipients::Group { name, except } => registry.each_of_group(name, unless(except, send)),
        // Once a group, for those who are in several of them (P-LT-05).
        Recipients::Groups(names) => names.iter().for_each(|name| registry.each_of_group(name, &mut send)),
        Recipients::Users(ids) => ids.iter().for_each(|id| registry.each_of_user(id, &mut send)),
    }
    delivered.elsewhere = shared.filter(|_| elsewhere);
    delivered.log();
    Ok(delivered)
}

pub(crate) fn unless(except: &[ConnectionId], mut send: impl FnMut(&Arc<Peer>)) -> impl FnMut(&Arc<Peer>) {
    move |peer| {
        if !except.contains(peer.id()) {
            send(peer);
        }
    }
}
