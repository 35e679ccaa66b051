//! Whom a hub can call: targets that take the contract's notices, and single connections that answer too.

use std::sync::Arc;

use futures_channel::oneshot;
use hub_core::message::{Invocation, Outcome, Target};
use hub_core::session::CallKey;
use hub_core::{Answers, Args, Arguments, CallError, ConnectionId, InvocationId, Payload, Remote, with_outgoing};
use serde::de::DeserializeOwned;

use crate::fan_out::{Recipients, deliver};
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
        with_outgoing(target, &arguments, |message| deliver(&self.hub, &self.to, message))
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
        let Some(peer) = self.hub.registry.connection(&self.id) else { return Ok(()) };
        peer.send(with_outgoing(target, &arguments, |message| message.framed(peer.codec()))?);
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
        let unknown = || CallError::Refused(format!("Connection '{}' does not exist.", self.id));
        let peer = self.hub.registry.connection(&self.id).ok_or_else(unknown)?;
        let arguments = Args::new(arguments.encode(peer.codec())?);
        let id = self.hub.next_question();
        let (answer, answered) = oneshot::channel();
        let invocation = Invocation {
            headers: Vec::new(),
            id: Some(id.clone()),
            target: Target::from(target),
            arguments,
            streams: Vec::new(),
        };
        self.hub.questions.insert(id.clone(), self.id.clone());
        let _pending = Pending { peer: &peer, id: &id };
        if let AskedIn::Call(caller, call) = &self.asked_in {
            caller.outbox().push(Command::ReleaseSlot(*call));
        }
        if !peer.outbox().push(Command::Ask(Box::new(Ask { invocation, answer }))) {
            return Err(unknown());
        }
        let result = match answered.await {
            Ok(Outcome::Value(result)) => result,
            Ok(Outcome::Void) => Payload::null(peer.codec()),
            Ok(Outcome::Error(text)) => return Err(CallError::Remote(text)),
            Err(oneshot::Canceled) => return Err(CallError::Closed(format!("Connection '{}' disconnected.", self.id))),
        };
        result.read_result()
    }
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
