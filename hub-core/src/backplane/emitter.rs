//! Sending to the clients of a hub from a process that hosts none of them.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Attachment, Backplane, Delivery, Inbox, Topic, publish_to_connection};
use crate::contract::{Arguments, Proxy, Remote};
use crate::error::CallError;
use crate::message::{ConnectionId, GroupName, UserId};
use crate::outgoing::with_outgoing;

/// Sends to the clients of a hub through its backplane: from a worker, a cron job, a command line.
///
/// ```
/// use hub_core::backplane::{Backplane, Emitter, InProcess};
/// use hub_core::contract;
///
/// #[contract]
/// pub trait ChatClient {
///     async fn said(&self, from: &str, text: &str);
/// }
///
/// # async fn run(backplane: InProcess) -> Result<(), hub_core::CallError> {
/// let chat = Emitter::<ChatClientProxy>::new(&backplane, "Chat");
/// chat.group("lobby").said("the house", "closing in five minutes").await?;
/// # Ok(())
/// # }
/// ```
///
/// The hub's name is the name of its type, unless the route gave it another. With
/// [`Untyped`](crate::Untyped) for the proxy, methods are called by name:
/// `emitter.all().send("Said", ("the house", "closed")).await?`.
pub struct Emitter<P> {
    attachment: Arc<dyn Attachment>,
    of: PhantomData<fn() -> P>,
}

impl<P: Proxy> Emitter<P> {
    /// Emits for the hub of this name.
    pub fn new(backplane: &dyn Backplane, hub: &str) -> Self {
        struct Nothing;
        impl Inbox for Nothing {
            fn deliver(&self, _: &Topic, _: Delivery) {}
        }
        Self { attachment: backplane.attach(hub, Arc::new(Nothing)), of: PhantomData }
    }

    /// Everyone.
    pub fn all(&self) -> P::Bound<Target> {
        self.all_except([] as [ConnectionId; 0])
    }

    /// Everyone but these connections.
    pub fn all_except<I: Into<ConnectionId>>(&self, ids: impl IntoIterator<Item = I>) -> P::Bound<Target> {
        self.to(To::Topic(Topic::All, ids.into_iter().map(Into::into).collect()))
    }

    /// The members of a group.
    pub fn group(&self, group: impl Into<GroupName>) -> P::Bound<Target> {
        self.group_except(group, [] as [ConnectionId; 0])
    }

    /// The members of a group but these connections.
    pub fn group_except<I: Into<ConnectionId>>(
        &self,
        group: impl Into<GroupName>,
        ids: impl IntoIterator<Item = I>,
    ) -> P::Bound<Target> {
        self.to(To::Topic(Topic::Group(group.into()), ids.into_iter().map(Into::into).collect()))
    }

    /// All connections of a user.
    pub fn user(&self, user: impl Into<UserId>) -> P::Bound<Target> {
        self.to(To::Topic(Topic::User(user.into()), Vec::new()))
    }

    /// The connection of this id. If it does not exist, what is sent vanishes (P-LT-03).
    pub fn connection(&self, id: impl Into<ConnectionId>) -> P::Bound<Target> {
        self.to(To::Connection(id.into()))
    }

    fn to(&self, to: To) -> P::Bound<Target> {
        P::bind(Target { attachment: Arc::clone(&self.attachment), to })
    }
}

impl<P> Clone for Emitter<P> {
    fn clone(&self) -> Self {
        Self { attachment: Arc::clone(&self.attachment), of: PhantomData }
    }
}

impl<P> fmt::Debug for Emitter<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").field("attachment", &self.attachment).finish()
    }
}

/// Whom an [`Emitter`] sends to.
#[derive(Debug, Clone)]
pub struct Target {
    attachment: Arc<dyn Attachment>,
    to: To,
}

#[derive(Debug, Clone)]
enum To {
    /// All of a topic but these.
    Topic(Topic, Vec<ConnectionId>),
    Connection(ConnectionId),
}

impl Remote for Target {
    async fn send<A: Arguments>(&self, target: &str, arguments: A) -> Result<(), CallError> {
        if A::UPLOADS > 0 {
            return Err(CallError::Refused("streams cannot be sent to the clients of a hub".to_owned()));
        }
        let message = with_outgoing(target, &arguments, |message| message.in_all_codecs())?;
        match &self.to {
            To::Topic(topic, except) => {
                let notice = Delivery::Notice { message, except: except.clone() };
                self.attachment.publish(topic, &notice).await?;
            }
            To::Connection(id) => {
                let direct = Delivery::Direct { message, to: vec![id.clone()] };
                publish_to_connection(&*self.attachment, id, &direct).await?;
            }
        }
        Ok(())
    }
}
