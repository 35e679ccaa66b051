//! Whom a message is for, and how it is published for those on other nodes.

use std::collections::HashSet;
use std::hash::Hash;

use super::{Attachment, Delivery, Framed, Topic, Unreachable, publish_to_connections};
use crate::error::CallError;
use crate::message::{ConnectionId, GroupName, UserId};

/// Whom a message is for (P-LT-01), on whichever nodes they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// Everyone but some.
    All {
        /// Whom it is not for.
        except: Vec<ConnectionId>,
    },
    /// The members of a group but some.
    Group {
        /// The group.
        name: GroupName,
        /// Whom it is not for.
        except: Vec<ConnectionId>,
    },
    /// The members of several groups; those of more than one get the message more than once (P-LT-05).
    Groups(Vec<GroupName>),
    /// All connections of these users, each of which stands here once.
    Users(Vec<UserId>),
    /// These connections, each of which stands here once.
    Connections(Vec<ConnectionId>),
}

impl Recipients {
    /// Everyone but these connections.
    pub fn all_except<I: Into<ConnectionId>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::All { except: into_all(ids) }
    }

    /// The members of a group but these connections.
    pub fn group_except<I: Into<ConnectionId>>(group: impl Into<GroupName>, ids: impl IntoIterator<Item = I>) -> Self {
        Self::Group { name: group.into(), except: into_all(ids) }
    }

    /// The members of several groups.
    pub fn groups<G: Into<GroupName>>(groups: impl IntoIterator<Item = G>) -> Self {
        Self::Groups(into_all(groups))
    }

    /// All connections of these users, once each, however often a user is named (P-LT-05).
    pub fn users<U: Into<UserId>>(users: impl IntoIterator<Item = U>) -> Self {
        Self::Users(distinct(into_all(users)))
    }

    /// The connections of these ids, once each, however often an id is named (P-LT-05).
    pub fn connections<I: Into<ConnectionId>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self::Connections(distinct(into_all(ids)))
    }

    /// Checks that something can be sent to them.
    ///
    /// # Errors
    /// When one of several groups has no name (P-LT-06).
    pub fn check(&self) -> Result<(), CallError> {
        match self {
            Self::Groups(names) if names.iter().any(|name| name.is_empty()) => {
                Err(CallError::Refused("Cannot send to an empty group name.".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Publishes a message for those of them that are on other nodes than that of the attachment.
    ///
    /// # Errors
    /// When some of them could not be reached. The others have it.
    pub async fn publish(&self, attachment: &dyn Attachment, message: Framed) -> Result<(), Unreachable> {
        let (topics, except): (Vec<Topic>, _) = match self {
            Self::All { except } => (vec![Topic::All], &except[..]),
            Self::Group { name, except } => (vec![Topic::Group(name.clone())], &except[..]),
            Self::Groups(names) => (names.iter().cloned().map(Topic::Group).collect(), &[][..]),
            Self::Users(ids) => (ids.iter().cloned().map(Topic::User).collect(), &[][..]),
            Self::Connections(ids) => return publish_to_connections(attachment, ids.iter().cloned(), &message).await,
        };
        let notice = Delivery::Notice { message, except: except.to_vec() };
        let mut result = Ok(());
        for topic in &topics {
            result = result.and(attachment.publish(topic, &notice).await);
        }
        result
    }
}

fn into_all<T, I: Into<T>>(all: impl IntoIterator<Item = I>) -> Vec<T> {
    all.into_iter().map(Into::into).collect()
}

fn distinct<T: Hash + Eq + Clone>(mut names: Vec<T>) -> Vec<T> {
    // One name, the usual case, needs no set.
    if names.len() > 1 {
        let mut seen = HashSet::with_capacity(names.len());
        names.retain(|name| seen.insert(name.clone()));
    }
    names
}
