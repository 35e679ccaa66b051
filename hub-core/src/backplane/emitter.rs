//! Sending to the clients of a hub from a process that hosts none of them.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Attachment, Backplane, Delivery, Framed, Inbox, Topic, Unreachable, publish_to_connections};
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
        self.to(To::All { except: into_all(ids) })
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
        self.to(To::Group { name: group.into(), except: into_all(ids) })
    }

    /// The members of several groups; those of more than one get the message more than once (P-LT-05). A group without a
    /// name is refused (P-LT-06).
    pub fn groups<G: Into<GroupName>>(&self, groups: impl IntoIterator<Item = G>) -> P::Bound<Target> {
        self.to(To::Groups(into_all(groups)))
    }

    /// All connections of a user.
    pub fn user(&self, user: impl Into<UserId>) -> P::Bound<Target> {
        self.users([user])
    }

    /// All connections of these users, once each.
    pub fn users<U: Into<UserId>>(&self, users: impl IntoIterator<Item = U>) -> P::Bound<Target> {
        self.to(To::Users(distinct(users)))
    }

    /// The connection of this id. If it does not exist, what is sent vanishes (P-LT-03).
    pub fn connection(&self, id: impl Into<ConnectionId>) -> P::Bound<Target> {
        self.connections([id])
    }

    /// The connections of these ids, once each.
    pub fn connections<I: Into<ConnectionId>>(&self, ids: impl IntoIterator<Item = I>) -> P::Bound<Target> {
        self.to(To::Connections(distinct(ids)))
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
    All { except: Vec<ConnectionId> },
    Group { name: GroupName, except: Vec<ConnectionId> },
    Groups(Vec<GroupName>),
    Users(Vec<UserId>),
    Connections(Vec<ConnectionId>),
}

fn into_all<T>(names: impl IntoIterator<Item = impl Into<T>>) -> Vec<T> {
    names.into_iter().map(Into::into).collect()
}

fn distinct<T: Hash + Eq + Clone>(names: impl IntoIterator<Item = impl Into<T>>) -> Vec<T> {
    let mut seen = HashSet::new();
    names.into_iter().map(Into::into).filter(|name: &T| seen.insert(name.clone())).collect()
}

impl Target {
    /// To each of the topics, though one fails.
    async fn notice(
        &self,
        topics: impl IntoIterator<Item = Topic> + Send,
        message: Framed,
        except: &[ConnectionId],
    ) -> Result<(), Unreachable> {
        let notice = Delivery::Notice { message, except: except.to_vec() };
        let topics: Vec<Topic> = topics.into_iter().collect();
        let mut result = Ok(());
        for topic in &topics {
            result = result.and(self.attachment.publish(topic, &notice).await);
        }
        result
    }
}

impl Remote for Target {
    async fn send<A: Arguments>(&self, target: &str, arguments: A) -> Result<(), CallError> {
        if A::UPLOADS > 0 {
            return Err(CallError::Refused("streams cannot be sent to the clients of a hub".to_owned()));
        }
        let message = with_outgoing(target, &arguments, |message| message.in_all_codecs())?;
        match &self.to {
            To::All { except } => self.notice([Topic::All], message, except).await?,
            To::Group { name, except } => self.notice([Topic::Group(name.clone())], message, except).await?,
            To::Groups(names) if names.iter().any(|name| name.is_empty()) => {
                return Err(CallError::Refused("Cannot send to an empty group name.".to_owned()));
            }
            To::Groups(names) => self.notice(names.iter().cloned().map(Topic::Group), message, &[]).await?,
            To::Users(ids) => self.notice(ids.iter().cloned().map(Topic::User), message, &[]).await?,
            To::Connections(ids) => publish_to_connections(&*self.attachment, ids.iter().cloned(), &message).await?,
        }
        Ok(())
    }
}
