//! One message to all whom it is for.

use std::sync::Arc;

use hub_core::backplane::{Framed, Recipients};
use hub_core::{CallError, ConnectionId, Outgoing};

use crate::hub::HubState;
use crate::peer::Peer;

/// Puts a message into the outbox of each recipient on this node, encoded once a protocol. Unknown recipients are no
/// error (P-LT-03). Gives the message for other nodes, if there may be recipients.
///
/// # Errors
/// When an argument cannot be encoded, or one of several groups has no name (P-LT-06). Nothing is sent then.
pub(crate) fn deliver(hub: &HubState, to: &Recipients, message: &Outgoing<'_>) -> Result<Option<Framed>, CallError> {
    to.check()?;
    let mut failure = None;
    let mut send = |peer: &Arc<Peer>| {
        if failure.is_none() {
            match message.framed(peer.codec()) {
                Ok(bytes) => peer.send(bytes),
                Err(error) => failure = Some(error),
            }
        }
    };
    let registry = &hub.registry;
    let mut elsewhere = hub.nodes.is_some();
    match to {
        Recipients::All { except } if except.is_empty() => registry.each(send),
        Recipients::All { except } => registry.each(unless(except, send)),
        Recipients::Connections(ids) => {
            let mut found = 0;
            ids.iter().filter_map(|id| registry.connection(id)).for_each(|peer| {
                found += 1;
                send(&peer);
            });
            elsewhere &= found < ids.len();
        }
        Recipients::Group { name, except } => registry.each_of_group(name, unless(except, send)),
        // Once a group, for those who are in several of them (P-LT-05).
        Recipients::Groups(names) => names.iter().for_each(|name| registry.each_of_group(name, &mut send)),
        Recipients::Users(ids) => ids.iter().for_each(|id| registry.each_of_user(id, &mut send)),
    }
    match failure {
        Some(error) => Err(error.into()),
        None if elsewhere => Ok(Some(message.in_all_codecs()?)),
        None => Ok(None),
    }
}

pub(crate) fn unless(except: &[ConnectionId], mut send: impl FnMut(&Arc<Peer>)) -> impl FnMut(&Arc<Peer>) {
    move |peer| {
        if !except.contains(peer.id()) {
            send(peer);
        }
    }
}
