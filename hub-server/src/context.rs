//! What a hub knows while it serves a call: who calls, and whom it can reach.

use std::any::TypeId;
use std::collections::hash_map::Entry;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use hub_core::backplane::Recipients;
use hub_core::session::CallKey;
use hub_core::{ConnectionId, Dispatch, GroupName, Identity, ProtocolError, Proxy, Result, UserId};

use crate::clients::{AskedIn, Many, One};
use crate::lock;
use crate::outbox::End;
use crate::peer::Peer;
use crate::request::Request;

/// A hub: a value that lives for one call, with what it needs in its fields.
pub trait Hub: Dispatch {
    /// The proxy through which clients are called: of a contract (`ChatClientProxy`), or
    /// [`Untyped`](hub_core::Untyped).
    type Client: Proxy;

    /// Runs when a connection has opened, before its first message is read. An error closes it (P-CLS-04).
    fn connected(&self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Runs when a connection has ended, unless [`connected`](Self::connected) failed. What is sent to it now vanishes;
    /// its groups are left afterwards (P-LT-10).
    ///
    /// Calls of the connection that still run go on beside this: state that is given back here may be taken again by one
    /// of them, unless it is refused to connections that are known to have ended.
    fn disconnected(&self, reason: &DisconnectReason) -> impl Future<Output = ()> + Send {
        let _ = reason;
        async {}
    }
}

/// The proxy of hub `H`'s clients, bound to `R`.
pub type Client<H, R> = <<H as Hub>::Client as Proxy>::Bound<R>;

/// The context of a call, or of a hook: the caller, the other clients, the groups.
///
/// Targets such as [`group`](Self::group) give the proxy of [`Hub::Client`]: `cx.group("lobby").said("hi").await?`.
/// Sending to them puts the message into the outboxes of the recipients and never waits for their sockets.
pub struct Context<H> {
    peer: Arc<Peer>,
    within: Within,
    of: PhantomData<fn() -> H>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Within {
    Connected,
    Call(CallKey),
    Disconnected,
}

impl<H> Clone for Context<H> {
    fn clone(&self) -> Self {
        Self { peer: Arc::clone(&self.peer), within: self.within, of: PhantomData }
    }
}

impl<H> fmt::Debug for Context<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("connection_id", self.peer.id()).finish_non_exhaustive()
    }
}

impl<H: Hub> Context<H> {
    pub(crate) fn new(peer: Arc<Peer>, within: Within) -> Self {
        Self { peer, within, of: PhantomData }
    }

    /// The id of the caller's connection. Others may address it by that id.
    pub fn connection_id(&self) -> &ConnectionId {
        self.peer.id()
    }

    /// The caller's user id, or `None` for an anonymous caller.
    pub fn user_id(&self) -> Option<&str> {
        self.identity().user_id()
    }

    /// Who the caller is: user id, claims, roles.
    pub fn identity(&self) -> &Identity {
        self.peer.identity()
    }

    /// The HTTP request that opened the connection.
    pub fn request(&self) -> &Request {
        self.peer.request()
    }

    /// The name of the transport, as .NET calls it.
    pub fn transport(&self) -> &'static str {
        "WebSockets"
    }

    /// The value of type `T` that is kept with the connection, made when it is asked for first.
    ///
    /// It outlives the call, and ends with the connection. What changes in it sits behind a lock or an atomic.
    pub fn item<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut items = lock(self.peer.items());
        let item = match items.entry(TypeId::of::<T>()) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => Arc::clone(entry.insert(Arc::new(T::default()))),
        };
        // The key says that it is a `T`.
        item.downcast().unwrap_or_default()
    }

    /// Ends the caller's connection; its client must not reconnect by itself (P-CLS-03).
    pub fn abort(&self) {
        self.peer.end(End::Abort);
    }

    /// Ends any connection; its client must not reconnect by itself. An unknown connection is no error.
    ///
    /// # Errors
    /// See [`HubHandle::abort_connection`](crate::HubHandle::abort_connection).
    pub async fn abort_connection(&self, id: impl Into<ConnectionId>) -> Result<()> {
        self.handle().abort_connection(id).await
    }

    /// Waits until the caller's connection has ended.
    ///
    /// A call goes on when its connection is lost: what was accepted is done. Long work that nobody waits for any more
    /// can watch for this, or for [`cancelled`](Self::cancelled). Streams are dropped by themselves.
    pub fn disconnected(&self) -> impl Future<Output = ()> + Send + use<H> {
        let peer = Arc::clone(&self.peer);
        async move { peer.gone().await }
    }

    /// Waits until nobody wants this call any more: its caller has cancelled it, or the connection has ended.
    ///
    /// A call that is cancelled goes on unless its method watches for this, or is `#[cancellable]` and so dropped by
    /// itself. What the method returns is still the answer. After the end of a call, and in hooks, this waits for the
    /// end of the connection.
    ///
    /// ```
    /// # use hub_core::{HubError, Result};
    /// # use hub_server::Hub;
    /// # struct Search<H> { cx: hub_server::Context<H> }
    /// # impl<H: Hub> Search<H> {
    /// async fn find(&self, words: &str) -> Result<Vec<String>> {
    ///     tokio::select! {
    ///         found = search(words) => found,
    ///         () = self.cx.cancelled() => {
    ///             stop_searching().await;
    ///             Err(HubError::public("The search was stopped."))
    ///         }
    ///     }
    /// }
    /// # }
    /// # async fn search(_: &str) -> Result<Vec<String>> { Ok(Vec::new()) }
    /// # async fn stop_searching() {}
    /// ```
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + use<H> {
        let (peer, within) = (Arc::clone(&self.peer), self.within);
        async move {
            match within {
                Within::Call(call) => peer.cancellations().cancelled(call).await,
                Within::Connected | Within::Disconnected => peer.gone().await,
            }
        }
    }

    /// Whether [`cancelled`](Self::cancelled) would return at once: for work that does not wait.
    pub fn is_cancelled(&self) -> bool {
        match self.within {
            Within::Call(call) => self.peer.cancellations().is_cancelled(call),
            Within::Connected | Within::Disconnected => self.peer.is_gone(),
        }
    }

    /// The caller.
    pub fn caller(&self) -> Client<H, One> {
        self.connection(self.peer.id().clone())
    }

    /// The connection of this id.
    pub fn connection(&self, id: impl Into<ConnectionId>) -> Client<H, One> {
        let asked_in = match self.within {
            Within::Connected => AskedIn::ConnectedHook,
            Within::Call(call) => AskedIn::Call(Arc::clone(&self.peer), call),
            Within::Disconnected => AskedIn::Elsewhere,
        };
        H::Client::bind(One::new(self.peer.hub(), id.into(), asked_in))
    }

    /// Everyone.
    pub fn all(&self) -> Client<H, Many> {
        self.all_except([] as [ConnectionId; 0])
    }

    /// Everyone but these connections.
    pub fn all_except<I: Into<ConnectionId>>(&self, ids: impl IntoIterator<Item = I>) -> Client<H, Many> {
        self.many(Recipients::all_except(ids))
    }

    /// Everyone but the caller.
    pub fn others(&self) -> Client<H, Many> {
        self.all_except([self.peer.id().clone()])
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

    /// The members of a group but the caller.
    pub fn others_in_group(&self, group: &str) -> Client<H, Many> {
        self.group_except(group, [self.peer.id().clone()])
    }

    /// All connections of a user.
    pub fn user(&self, user: &str) -> Client<H, Many> {
        self.users([user])
    }

    /// All connections of these users, once each.
    pub fn users<U: Into<UserId>>(&self, users: impl IntoIterator<Item = U>) -> Client<H, Many> {
        self.many(Recipients::users(users))
    }

    /// Adds the caller's connection to a group, which need not exist (P-LT-09).
    ///
    /// Messages to the group reach it from the moment this returns, those of other nodes too; while the link to them is
    /// down, those of this node. Whoever tells a new member what came before joins first and reads the past then, so
    /// that nothing falls in between.
    ///
    /// # Errors
    /// None: a caller is always on this node.
    pub async fn join(&self, group: &str) -> Result<()> {
        if let Some(subscribed) = self.peer.hub().registry.join(&self.peer, group) {
            subscribed.await;
        }
        Ok(())
    }

    /// Takes the caller's connection out of a group.
    ///
    /// # Errors
    /// None: a caller is always on this node.
    pub async fn leave(&self, group: &str) -> Result<()> {
        self.peer.hub().registry.leave(&self.peer, group);
        Ok(())
    }

    /// Adds any connection to a group. An unknown connection is no error (P-LT-08).
    ///
    /// # Errors
    /// See [`HubHandle::add_to_group`](crate::HubHandle::add_to_group).
    pub async fn add_to_group(&self, id: impl Into<ConnectionId>, group: &str) -> Result<()> {
        self.handle().add_to_group(id, group).await
    }

    /// Takes any connection out of a group.
    ///
    /// # Errors
    /// See [`HubHandle::add_to_group`](crate::HubHandle::add_to_group).
    pub async fn remove_from_group(&self, id: impl Into<ConnectionId>, group: &str) -> Result<()> {
        self.handle().remove_from_group(id, group).await
    }

    /// The hub from outside of this call, for tasks that outlive it.
    pub fn handle(&self) -> crate::HubHandle<H> {
        crate::HubHandle::new(Arc::clone(self.peer.hub()))
    }

    fn many(&self, to: Recipients) -> Client<H, Many> {
        H::Client::bind(Many::new(self.peer.hub(), to))
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The client closed it, by message or by closing the transport.
    ClosedByClient,
    /// The client closed it with this error.
    ClientError(String),
    /// The transport was lost without a word.
    Lost,
    /// [`Context::abort`] was called.
    Aborted,
    /// The client was silent for longer than the client timeout.
    TimedOut,
    /// The client broke the protocol.
    Protocol(ProtocolError),
    /// The client read more slowly than it was written to.
    SlowReader,
    /// A write did not finish within the send timeout.
    SendTimedOut,
    /// The identity of the client expired.
    AuthenticationExpired,
    /// The server shuts down.
    Shutdown,
}

impl DisconnectReason {
    /// The text of the error, or `None` for an end in peace (P-CLS-06).
    pub fn error(&self) -> Option<String> {
        Some(match self {
            Self::ClientError(text) => text.clone(),
            Self::TimedOut => {
                "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.".to_owned()
            }
            Self::Protocol(error) => error.to_string(),
            Self::SlowReader => "The client reads more slowly than it is written to.".to_owned(),
            Self::SendTimedOut => "A write to the client did not finish within the send timeout.".to_owned(),
            Self::ClosedByClient | Self::Lost | Self::Aborted | Self::AuthenticationExpired | Self::Shutdown => {
                return None;
            }
        })
    }
}
