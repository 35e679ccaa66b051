//! What other nodes send to this one.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use hub_core::ConnectionId;
use hub_core::backplane::{Attachment, Delivery, Framed, Inbox, NodeId, Reply, Request, Subscribed, Topic};

use crate::events;
use crate::fan_out::{Delivered, unless};
use crate::hub::HubState;
use crate::outbox::End;
use crate::peer::Peer;

pub(super) struct NodeInbox {
    hub: Weak<HubState>,
}

impl NodeInbox {
    pub(super) fn new(hub: Weak<HubState>) -> Self {
        Self { hub }
    }
}

impl Inbox for NodeInbox {
    fn deliver(&self, topic: &Topic, delivery: Delivery) {
        let Some(hub) = self.hub.upgrade() else { return };
        match delivery {
            Delivery::Notice { message, except } => notice(&hub, topic, &message, &except),
            Delivery::Direct { message, to } => to.into_iter().for_each(|id| direct(&hub, topic, id, &message)),
            Delivery::Request { id, from, connection, request } => {
                handle(&hub, topic, Asked { id, from, connection }, request);
            }
            Delivery::Reply { id, reply } => {
                if let Some((_, waiting)) = hub.nodes.as_ref().and_then(|nodes| nodes.requests.remove(&id)) {
                    // Whoever asked may have given up just now.
                    let _ = waiting.send(reply);
                }
            }
        }
    }

    fn shared_secret(&self, secret: [u8; 32]) {
        let Some(hub) = self.hub.upgrade() else { return };
        hub.tokens.share_key(secret);
        if let Some(nodes) = &hub.nodes {
            nodes.on_secret.notify_one();
        }
    }
}

fn notice(hub: &HubState, topic: &Topic, message: &Framed, except: &[ConnectionId]) {
    let mut sending = Sending::new(hub, message);
    let send = |peer: &Arc<Peer>| sending.send(peer);
    match topic {
        Topic::All => hub.registry.each(unless(except, send)),
        Topic::Group(name) => hub.registry.each_of_group(name, unless(except, send)),
        Topic::User(id) => hub.registry.each_of_user(id, unless(except, send)),
        Topic::Node(_) | Topic::Connection(_) => {}
    }
    sending.log();
}

fn direct(hub: &HubState, topic: &Topic, id: ConnectionId, message: &Framed) {
    if let Some(peer) = hub.registry.connection(&id) {
        let mut sending = Sending::new(hub, message);
        sending.send(&peer);
        sending.log();
    } else if let (Topic::Node(_), Some(nodes)) = (topic, &hub.nodes)
        && let Some(forwards) = nodes.forwards.get()
    {
        forwards.put(id, message.clone());
    }
}

/// A message of another node on its way into the outboxes of this one. Nothing here can wait: the backplane brings one
/// message after the other, and gives way to the tasks of the connections between them.
struct Sending {
    message: Framed,
    hurry: bool,
    delivered: Delivered,
    /// Whose protocol is missing.
    left_out: Vec<Arc<Peer>>,
}

impl Sending {
    fn new(hub: &HubState, message: &Framed) -> Self {
        let count = |bytes: &Option<Bytes>| bytes.clone().map(|bytes| hub.held.count(bytes));
        let message = Framed { json: count(&message.json), messagepack: count(&message.messagepack) };
        Self { message, hurry: hub.held.is_over(), delivered: Delivered::default(), left_out: Vec::new() }
    }

    fn send(&mut self, peer: &Arc<Peer>) {
        match self.message.of(peer.codec()) {
            Some(bytes) => self.delivered.push(peer, bytes.clone(), self.hurry),
            None => self.left_out.push(Arc::clone(peer)),
        }
    }

    /// Outside of all locks.
    fn log(mut self) {
        self.delivered.log();
        for peer in self.left_out {
            events::protocol_missing(peer.hub().name(), peer.id(), peer.codec().name());
        }
    }
}

/// Who asks for something, and about which connection.
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) from: NodeId,
    pub(super) connection: ConnectionId,
}

fn handle(hub: &Arc<HubState>, topic: &Topic, asked: Asked, request: Request) {
    let Some(nodes) = &hub.nodes else { return };
    let Some(peer) = hub.registry.connection(&asked.connection) else {
        // An answer may be under way from a connection that has just gone.
        let waits = matches!(request, Request::IsWaiting(id) if nodes.asked.contains_key(&(asked.from, id)));
        return match topic {
            _ if waits => reply(hub, &asked, Reply::Done),
            Topic::Node(_) => ask_where_it_lives(hub, asked, request),
            _ => reply(hub, &asked, Reply::Unknown),
        };
    };
    match request {
        Request::Join(group) => reply_after(hub, &asked, hub.registry.join(&peer, &group), Reply::Done),
        Request::Leave(group) => {
            hub.registry.leave(&peer, &group);
            reply(hub, &asked, Reply::Done);
        }
        Request::Abort => {
            peer.end(End::Abort);
            reply(hub, &asked, Reply::Done);
        }
        Request::Ask { target, arguments } => super::questions::ask_here(hub, &peer, &asked, target, arguments),
        Request::IsWaiting(id) => {
            let waits = nodes.asked.contains_key(&(asked.from, id));
            reply(hub, &asked, if waits { Reply::Done } else { Reply::Unknown });
        }
        Request::Forget(id) => drop(nodes.asked.remove(&(asked.from, id))),
    }
}

/// A request for a connection that is not here, though its id was made here.
fn ask_where_it_lives(hub: &Arc<HubState>, asked: Asked, request: Request) {
    let Some(nodes) = &hub.nodes else { return };
    let (hub, attachment) = (Arc::clone(hub), Arc::clone(&nodes.attachment));
    nodes.spawn(async move {
        let Asked { id, from, connection } = &asked;
        let (id, from, connection) = (*id, *from, connection.clone());
        let topic = Topic::Connection(connection.clone());
        let request = Delivery::Request { id, from, connection, request };
        if attachment.publish_counted(&topic, &request).await == Ok(0) {
            reply(&hub, &asked, Reply::Unknown);
        }
    });
}

fn reply(hub: &Arc<HubState>, asked: &Asked, reply: Reply) {
    reply_after(hub, asked, None, reply);
}

/// Replies when the subscription is in force.
fn reply_after(hub: &Arc<HubState>, asked: &Asked, subscribed: Option<Subscribed>, reply: Reply) {
    let Some(nodes) = &hub.nodes else { return };
    let (attachment, id, from) = (Arc::clone(&nodes.attachment), asked.id, asked.from);
    nodes.spawn(async move {
        if let Some(subscribed) = subscribed {
            subscribed.await;
        }
        publish_reply(&*attachment, id, from, reply).await;
    });
}

pub(super) async fn publish_reply(attachment: &dyn Attachment, id: u64, to: NodeId, reply: Reply) {
    if let Err(error) = attachment.publish(&Topic::Node(to), &Delivery::Reply { id, reply }).await {
        // Whoever waits for it notices that it does not come.
        events::reply_lost(&error.to_string());
    }
}
