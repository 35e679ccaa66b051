//! Whom a hub can call: targets that take the contract's notices, and single connections that answer too.

use std::sync::Arc;

use futures_channel::oneshot;
use hub_core::backplane::Recipients;
use hub_core::message::{Invocation, Outcome, Target};
use hub_core::session::CallKey;
use hub_core::{
    Answers, Args, Arguments, CallError, Codec, ConnectionId, InvocationId, Payload, Remote, with_outgoing,
};
use serde::de::DeserializeOwned;

use crate::fan_out::{Delivered, deliver};
use crate::hub::HubState;
use crate::outbox::{Ask, Command};
use crate::peer::Peer;

/// Any number of connections: everyone, groups, users.
#[derive(Debug, Clone)]
pub struct Many {
    hub: Arc<HubState>,
    to: Recipients,
}

impl Many {
    pub(crate) fn new(hub: &Arc<HubState>, to: Recipients) -> Self {
        Self { hub: Arc::clone(hub), to }
    }
}

impl Remote for Many {
    async fn send<A: Arguments>(&self, target: &str, arguments: A) -> Result<(), CallError> {
        refuse_uploads::<A>()?;
        if let Some(nodes) = self.hub.nodes.as_ref().filter(|nodes| nodes.is_in_turn(&self.to)) {
            self.to.check()?;
            let message = with_outgoing(target, &arguments, |message| message.in_all_codecs())?;
            return Ok(nodes.publish_in_turn(&self.to, message).await?);
        }
        let mut delivered = with_outgoing(target, &arguments, |message| deliver(&self.hub, &self.to, message))?;
        let sent = match (delivered.elsewhere.take(), &self.hub.nodes) {
            (Some(message), Some(nodes)) => nodes.deliver(&self.to, message).await,
            _ => Ok(()),
        };
        delivered.give_way(&self.hub).await;
        Ok(sent?)
    }
}

/// One connection, which can answer. If it does not exist, notices to it vanish and questions fail.
#[derive(Debug, Clone)]
pub struct One {
    hub: Arc<HubState>,
    id: ConnectionId,
    asked_in: AskedIn,
}

/// Where a question is asked, which decides what else may go on until its answer comes.
#[derive(Debug, Clone)]
pub(crate) enum AskedIn {
    /// In a call, which lets the next one begin (P-CR-10).
    Call(Arc<Peer>, CallKey),
    /// In the connected hook: nothing is read yet, so no answer can come (P-CR-10).
    ConnectedHook,
    /// Outside of any call.
    Elsewhere,
}

impl One {
    pub(crate) fn new(hub: &Arc<HubState>, id: ConnectionId, asked_in: AskedIn) -> Self {
        Self { hub: Arc::clone(hub), id, asked_in }
    }
}

impl Remote for One {
    async fn send<A: Arguments>(&self, target: &str, arguments: A) -> Result<(), CallError> {
        refuse_uploads::<A>()?;
        if let Some(peer) = self.hub.registry.connection(&self.id) {
            let message = with_outgoing(target, &arguments, |message| message.framed(peer.codec()))?;
            let mut delivered = Delivered::default();
            delivered.push(&peer, self.hub.held.count(message), self.hub.held.is_over());
            delivered.log();
            delivered.give_way(&self.hub).await;
        } else if let Some(nodes) = &self.hub.nodes {
            let message = with_outgoing(target, &arguments, |message| message.in_all_codecs())?;
            nodes.direct([self.id.clone()], &message).await?;
        }
        Ok(())
    }
}

impl Answers for One {
    async fn invoke<A: Arguments, T: DeserializeOwned + Send>(
        &self,
        target: &str,
        arguments: A,
    ) -> Result<T, CallError> {
        refuse_uploads::<A>()?;
        if matches!(self.asked_in, AskedIn::ConnectedHook) {
            let why = "Client results inside OnConnectedAsync Hub methods are not allowed.";
            return Err(CallError::Refused(why.to_owned()));
        }
        let outcome = if let Some(peer) = self.hub.registry.connection(&self.id) {
            let arguments = Args::new(arguments.encode(peer.codec())?);
            ask(&peer, Target::from(target), arguments, || self.release_slot()).await?
        } else if let Some(nodes) = &self.hub.nodes {
            let arguments = [arguments.encode(Codec::Json)?, arguments.encode(Codec::MessagePack)?];
            self.release_slot();
            nodes.ask(&self.id, target, arguments).await?
        } else {
            return Err(does_not_exist(&self.id));
        };
        match outcome {
            Outcome::Value(result) => result.read_result(),
            // Where a value is wanted there has to be one, if it is null (P-CR-04).
            Outcome::Void => Payload::read_no_result(),
            Outcome::Error(text) => Err(CallError::Remote(text)),
        }
    }
}

impl One {
    /// Lets the caller's next call begin, which may be the one that the answer depends on (P-CR-10).
    fn release_slot(&self) {
        if let AskedIn::Call(caller, call) = &self.asked_in {
            caller.outbox().push(Command::ReleaseSlot(*call));
        }
    }
}

/// Puts a question to a client of this node; `before` runs right before it is put.
///
/// # Errors
/// When the connection ended before it answered, or before it was asked.
pub(crate) async fn ask(
    peer: &Peer,
    target: Target,
    arguments: Args,
    before: impl FnOnce(),
) -> Result<Outcome, CallError> {
    let hub = peer.hub();
    let id = hub.next_question();
    let (answer, answered) = oneshot::channel();
    let invocation = Invocation { headers: Vec::new(), id: Some(id.clone()), target, arguments, streams: Vec::new() };
    hub.questions.insert(id.clone(), peer.id().clone());
    let _pending = Pending { peer, id: &id };
    before();
    if !peer.outbox().push(Command::Ask(Box::new(Ask { invocation, answer }))) {
        return Err(does_not_exist(peer.id()));
    }
    answered.await.map_err(|_| disconnected(peer.id()))
}

pub(crate) fn does_not_exist(id: &ConnectionId) -> CallError {
    CallError::Refused(format!("Connection '{id}' does not exist."))
}

pub(crate) fn disconnected(id: &ConnectionId) -> CallError {
    CallError::Closed(format!("Connection '{id}' disconnected."))
}

/// A question that waits for its answer. When nobody waits any more, the connection forgets it (P-CR-06).
struct Pending<'a> {
    peer: &'a Peer,
    id: &'a InvocationId,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.peer.hub().questions.remove(self.id).is_some() {
            self.peer.outbox().push(Command::Forget(self.id.clone()));
        }
    }
}

fn refuse_uploads<A: Arguments>() -> Result<(), CallError> {
    if A::UPLOADS > 0 {
        return Err(CallError::Refused("a hub cannot send streams to its clients".to_owned()));
    }
    Ok(())
}
