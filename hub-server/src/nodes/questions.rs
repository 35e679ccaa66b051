//! Client results across nodes: a question that waits here for a client elsewhere, and the other way round.

use std::sync::Arc;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use hub_core::backplane::{Reply, Request};
use hub_core::message::{Outcome, Target};
use hub_core::{Args, CallError, ConnectionId, Payload};

use super::inbox::{Asked, publish_reply};
use super::{Nodes, Waiting};
use crate::clients::{ask, disconnected, does_not_exist};
use crate::hub::HubState;
use crate::peer::Peer;

impl Nodes {
    /// Asks a client of another node, and waits for its answer: as long as its node says that the question waits.
    ///
    /// # Errors
    /// When there is no such connection, it has ended, or its node is out of reach.
    pub(crate) async fn ask(
        &self,
        connection: &ConnectionId,
        target: &str,
        arguments: [Payload; 2],
    ) -> Result<Outcome, CallError> {
        let (id, waiting) = self.register();
        let mut question = Question { nodes: self, id, connection, waiting, answered: false };
        let request = Request::Ask { target: Target::from(target), arguments };
        if self.in_time(connection, self.post(id, connection, request)).await? == 0 {
            question.answered = true;
            return Err(does_not_exist(connection));
        }
        let reply = question.reply().await?;
        question.answered = true;
        match reply {
            Reply::Answer(outcome) => Ok(outcome),
            Reply::Unknown => Err(does_not_exist(connection)),
            Reply::Disconnected | Reply::Done => Err(disconnected(connection)),
        }
    }
}

struct Question<'a> {
    nodes: &'a Nodes,
    id: u64,
    connection: &'a ConnectionId,
    waiting: Waiting<'a>,
    answered: bool,
}

impl Question<'_> {
    /// Waits for the reply. Answers can get lost, and nodes can die: so the other node is asked now and then whether it
    /// still waits for the client, and after two times without a word from it there is no hope.
    async fn reply(&mut self) -> Result<Reply, CallError> {
        let mut silent = 0;
        loop {
            if let Some(reply) = self.waiting.wait(self.nodes.timeout).await {
                return Ok(reply);
            }
            match self.nodes.request(self.connection, Request::IsWaiting(self.id)).await {
                Ok(Some(Reply::Done)) => silent = 0,
                // It may have come right before this.
                Ok(_) => return self.waiting.arrived().ok_or_else(|| disconnected(self.connection)),
                Err(_) if silent == 0 => silent = 1,
                Err(error) => return self.waiting.arrived().ok_or_else(|| error.into()),
            }
        }
    }
}

impl Drop for Question<'_> {
    /// Nobody waits for the answer any more (P-CR-06).
    fn drop(&mut self) {
        let Some(hub) = self.nodes.hub.upgrade().filter(|_| !self.answered) else { return };
        let (id, connection) = (self.id, self.connection.clone());
        self.nodes.spawn(async move {
            if let Some(nodes) = &hub.nodes {
                // If it gets lost, the client's answer comes to nobody, which is no harm.
                let _ = nodes.post(id, &connection, Request::Forget(id)).await;
            }
        });
    }
}

/// Asks a client of this node for another.
pub(super) fn ask_here(hub: &Arc<HubState>, peer: &Arc<Peer>, asked: &Asked, target: Target, arguments: [Payload; 2]) {
    let Some(nodes) = &hub.nodes else { return };
    let Some(arguments) = arguments.into_iter().find(|arguments| arguments.codec() == peer.codec()) else { return };
    let (keep, forgotten) = oneshot::channel();
    let key @ (from, id) = (asked.from, asked.id);
    nodes.asked.insert(key, keep);
    let (hub, peer) = (Arc::clone(hub), Arc::clone(peer));
    nodes.spawn(async move {
        let answer = Box::pin(ask(&peer, target, Args::new(arguments), || ()));
        let reply = match select(answer, forgotten).await {
            Either::Left((Ok(outcome), _)) => Some(Reply::Answer(outcome)),
            Either::Left((Err(CallError::Refused(_)), _)) => Some(Reply::Unknown),
            Either::Left((Err(_), _)) => Some(Reply::Disconnected),
            Either::Right(_) => None,
        };
        let Some(nodes) = &hub.nodes else { return };
        if let Some(reply) = reply {
            publish_reply(&*nodes.attachment, id, from, reply).await;
        }
        // Not before the answer has its place in the order: who asks whether it waits is told so until then.
        nodes.asked.remove(&key);
    });
}
