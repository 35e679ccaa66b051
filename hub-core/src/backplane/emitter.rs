//! Sending to the clients of a hub from a process that hosts none of them.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Attachment, Backplane, Delivery, Inbox, Recipients, Topic};
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
/// chat.users(["ann", "bob"]).said("the house", "you are on duty").await?;
/// # Ok(())
/// # }
/// ```
///
/// A send is done when the medium has taken it: what anybody sends to the same target from then on comes behind it.
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
        self.to(Recipients::all_except(ids))
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
        self.to(Recipients::group_except(group, ids))
    }

    /// The members of several groups; those of more than one get the message more than once (P-LT-05). A group without a
    /// name is refused (P-LT-06).
    pub fn groups<G: Into<GroupName>>(&self, groups: impl IntoIterator<Item = G>) -> P::Bound<Target> {
        self.to(Recipients::groups(groups))
    }

    /// All connections of a user.
    pub fn user(&self, user: impl Into<UserId>) -> P::Bound<Target> {
        self.users([user])
    }

    /// All connections of these users, once each.
    pub fn users<U: Into<UserId>>(&self, users: impl IntoIterator<Item = U>) -> P::Bound<Target> {
        self.to(Recipients::users(users))
    }

    /// The connection of this id. If it does not exist, what is sent vanishes (P-LT-03).
    pub fn connection(&self, id: impl Into<ConnectionId>) -> P::Bound<Target> {
        self.connections([id])
    }

    /// The connections of these ids, once each.
    pub fn connections<I: Into<ConnectionId>>(&self, ids: impl IntoIterator<Item = I>) -> P::Bound<Target> {
        self.to(Recipients::connections(ids))
    }

    fn to(&self, to: Recipients) -> P::Bound<Target> {
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
    to: Recipients,
}

impl Remote for Target {
    async fn send<A: Arguments>(&self, target: &str, arguments: A) -> Result<(), CallError> {
        if A::UPLOADS > 0 {
            return Err(CallError::Refused("streams cannot be sent to the clients of a hub".to_owned()));
        }
        self.to.check()?;
        let message = with_outgoing(target, &arguments, |message| message.in_all_codecs())?;
        Ok(self.to.publish_in_turn(&*self.attachment, message).await?)
    }
}
