//! Whom a message is for, and how it is published for those on other nodes.

use std::collections::HashSet;
use std::hash::Hash;

use super::{Attachment, Delivery, Framed, Topic, Unreachable, publish_to_connections};
use crate::error::CallError;
use crate::message::{ConnectionId, GroupName, UserId};
use crate::together::together;

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

    /// Publishes a message for those of them that are on other nodes than that of the attachment. It is done when it has
    /// its place in the order of each topic; for connections, when it is known who listens.
    ///
    /// # Errors
    /// When some of them could not be reached. The others have it.
    pub async fn publish(&self, attachment: &dyn Attachment, message: Framed) -> Result<(), Unreachable> {
        let Some(topics) = self.topics() else { return self.publish_direct(attachment, &message).await };
        let notice = self.notice(message);
        let mut result = Ok(());
        for topic in &topics {
            result = result.and(attachment.publish(topic, &notice).await);
        }
        result
    }

    /// Publishes a message for all of them in turn ([`Attachment::publish_in_turn`]), those of the attachment's own node
    /// included, topic by topic at the same time. To connections it is [published](Self::publish).
    ///
    /// # Errors
    /// When some of them could not be reached. The others have it, and those of the own node.
    pub async fn publish_in_turn(&self, attachment: &dyn Attachment, message: Framed) -> Result<(), Unreachable> {
        let Some(topics) = self.topics() else { return self.publish_direct(attachment, &message).await };
        let notice = self.notice(message);
        // The usual case needs no list.
        if let [topic] = &topics[..] {
            return attachment.publish_in_turn(topic, &notice).await;
        }
        together(topics.iter().map(|topic| attachment.publish_in_turn(topic, &notice))).await.into_iter().collect()
    }

    /// The topics that reach them. Connections have none in common.
    fn topics(&self) -> Option<Vec<Topic>> {
        Some(match self {
            Self::All { .. } => vec![Topic::All],
            Self::Group { name, .. } => vec![Topic::Group(name.clone())],
            Self::Groups(names) => names.iter().cloned().map(Topic::Group).collect(),
            Self::Users(ids) => ids.iter().cloned().map(Topic::User).collect(),
            Self::Connections(_) => return None,
        })
    }

    fn notice(&self, message: Framed) -> Delivery {
        let except = match self {
            Self::All { except } | Self::Group { except, .. } => except.clone(),
            Self::Groups(_) | Self::Users(_) | Self::Connections(_) => Vec::new(),
        };
        Delivery::Notice { message, except }
    }

    async fn publish_direct(&self, attachment: &dyn Attachment, message: &Framed) -> Result<(), Unreachable> {
        match self {
            Self::Connections(ids) => publish_to_connections(attachment, ids.iter().cloned(), message).await,
            _ => Ok(()),
        }
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
