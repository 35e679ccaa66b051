//! A hub from outside of its calls.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use hub_core::backplane::{Recipients, Request};
use hub_core::{CallError, ConnectionId, GroupName, Proxy, Result, UserId};

use crate::clients::{AskedIn, Many, One};
use crate::context::{Client, Hub};
use crate::hub::HubState;
use crate::outbox::End;

/// Reaches the clients of hub `H` from anywhere: background tasks, HTTP handlers, other hubs.
pub struct HubHandle<H> {
    hub: Arc<HubState>,
    of: PhantomData<fn() -> H>,
}

impl<H> Clone for HubHandle<H> {
    fn clone(&self) -> Self {
        Self { hub: Arc::clone(&self.hub), of: PhantomData }
    }
}

impl<H> fmt::Debug for HubHandle<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubHandle").field("hub", &self.hub.name()).finish_non_exhaustive()
    }
}

impl<H: Hub> HubHandle<H> {
    pub(crate) fn new(hub: Arc<HubState>) -> Self {
        Self { hub, of: PhantomData }
    }

    /// Everyone.
    pub fn all(&self) -> Client<H, Many> {
        self.all_except([] as [ConnectionId; 0])
    }

    /// Everyone but these connections.
    pub fn all_except<I: Into<ConnectionId>>(&self, ids: impl IntoIterator<Item = I>) -> Client<H, Many> {
        self.many(Recipients::all_except(ids))
    }

    /// The connection of this id.
    pub fn connection(&self, id: impl Into<ConnectionId>) -> Client<H, One> {
        H::Client::bind(One::new(&self.hub, id.into(), AskedIn::Elsewhere))
    }

    /// The connections of these ids, once each.
    pub fn connections<I: Into<ConnectionId>>(&self, ids: impl IntoIterator<Item = I>) -> Client<H, Many> {
        self.many(Recipients::connections(ids))
    }

    /// The members of a group.
    pub fn group(&self, group: &str) -> Client<H, Many> {
        self.group_except(group, [] as [ConnectionId; 0])
    }

    /// The members of several groups; those of more than one get the message more than once (P-LT-05).
    pub fn groups<G: Into<GroupName>>(&self, groups: impl IntoIterator<Item = G>) -> Client<H, Many> {
        self.many(Recipients::groups(groups))
    }

    /// The members of a group but these connections.
    pub fn group_except<I: Into<ConnectionId>>(
        &self,
        group: &str,
        ids: impl IntoIterator<Item = I>,
    ) -> Client<H, Many> {
        self.many(Recipients::group_except(group, ids))
    }

    /// All connections of a user.
    pub fn user(&self, user: &str) -> Client<H, Many> {
        self.users([user])
    }

    /// All connections of these users, once each.
    pub fn users<U: Into<UserId>>(&self, users: impl IntoIterator<Item = U>) -> Client<H, Many> {
        self.many(Recipients::users(users))
    }

    /// Adds a connection to a group, on whichever node it is. An unknown connection is no error (P-LT-08).
    ///
    /// # Errors
    /// None for a connection of this node. For others, when their node cannot be reached, or has not acknowledged the
    /// change within [`HubOptions::backplane_timeout`](crate::HubOptions::backplane_timeout): it may have happened, and it may
    /// happen yet, for a node that was stopped does it when it goes on. Also when nobody listens for the connection: its node has ended, or its link is down.
    pub async fn add_to_group(&self, id: impl Into<ConnectionId>, group: &str) -> Result<()> {
        let id = id.into();
        if let Some(peer) = self.hub.registry.connection(&id) {
            if let Some(subscribed) = self.hub.registry.join(&peer, group) {
                subscribed.await;
            }
            return Ok(());
        }
        self.ask_elsewhere(&id, Request::Join(group.into())).await
    }

    /// Takes a connection out of a group.
    ///
    /// # Errors
    /// As [`add_to_group`](Self::add_to_group).
    pub async fn remove_from_group(&self, id: impl Into<ConnectionId>, group: &str) -> Result<()> {
        let id = id.into();
        if let Some(peer) = self.hub.registry.connection(&id) {
            self.hub.registry.leave(&peer, group);
            return Ok(());
        }
        self.ask_elsewhere(&id, Request::Leave(group.into())).await
    }

    /// Ends a connection; its client must not reconnect by itself (P-CLS-03). An unknown connection is no error.
    ///
    /// # Errors
    /// As [`add_to_group`](Self::add_to_group).
    pub async fn abort_connection(&self, id: impl Into<ConnectionId>) -> Result<()> {
        let id = id.into();
        if let Some(peer) = self.hub.registry.connection(&id) {
            peer.end(End::Abort);
            return Ok(());
        }
        self.ask_elsewhere(&id, Request::Abort).await
    }

    /// How many connections this node has open.
    pub fn connection_count(&self) -> usize {
        self.hub.registry.len()
    }

    /// Ends all connections of this node for good: new ones are refused with 503, no new call begins, calls that run
    /// get until `deadline` to finish, and every client is told that it may reconnect, to another node. Returns when
    /// all have gone, or at the deadline. 5 s is what ASP.NET Core waits (P-CLS-13).
    pub async fn shutdown(&self, deadline: Duration) {
        crate::shutdown::run(&self.hub, deadline).await;
    }

    async fn ask_elsewhere(&self, id: &ConnectionId, request: Request) -> Result<()> {
        match &self.hub.nodes {
            Some(nodes) => nodes.change(id, request).await.map_err(|error| CallError::from(error).into()),
            None => Ok(()),
        }
    }

    fn many(&self, to: Recipients) -> Client<H, Many> {
        H::Client::bind(Many::new(&self.hub, to))
    }
}
