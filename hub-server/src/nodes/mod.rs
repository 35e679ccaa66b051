//! The other nodes of the hub: what is sent to them, what they are asked, and the topics on which they are heard.

mod forwards;
mod inbox;
mod questions;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once, OnceLock, Weak};
use std::task::Poll;
use std::time::Duration;

use dashmap::DashMap;
use futures_channel::oneshot;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, join};
use hub_core::ConnectionId;
use hub_core::backplane::{
    Attachment, Backplane, Delivery, Framed, NodeId, Recipients, Reply, Request, Subscribed, Topic, Unreachable,
    publish_to_connection, publish_to_connections,
};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use self::forwards::Forwards;
use self::inbox::NodeInbox;
use crate::events;
use crate::hub::HubState;
use crate::options::{HubOptions, SendOrder};

/// How long a node that has just started waits for the secret that it shares with the others.
const SECRET_TIMEOUT: Duration = Duration::from_secs(1);

/// After how many sends that did not wait one gives way.
const SENDS_AT_ONCE: u64 = 32;

#[derive(Debug)]
pub(crate) struct Nodes {
    attachment: Arc<dyn Attachment>,
    hub: Weak<HubState>,
    begun: Once,
    /// Done when this node is heard by the others.
    ready: OnceLock<Shared<BoxFuture<'static, ()>>>,
    on_secret: Arc<Notify>,
    /// How long another node may take to reply.
    timeout: Duration,
    send_order: SendOrder,
    /// How many publications did not have to wait.
    at_once: AtomicU64,
    last_request: AtomicU64,
    /// Who waits for a reply.
    requests: DashMap<u64, oneshot::Sender<Reply>>,
    /// The questions of other nodes that clients of this one have not answered. Dropping one forgets it.
    asked: DashMap<(NodeId, u64), oneshot::Sender<()>>,
    /// What is sent on to where a connection lives, in order.
    forwards: OnceLock<Forwards>,
}

impl Nodes {
    pub(crate) fn new(backplane: &dyn Backplane, name: &str, hub: &Weak<HubState>, options: &HubOptions) -> Self {
        Self {
            timeout: options.backplane_timeout,
            send_order: options.send_order,
            attachment: backplane.attach(name, Arc::new(NodeInbox::new(Weak::clone(hub)))),
            hub: Weak::clone(hub),
            begun: Once::new(),
            ready: OnceLock::new(),
            on_secret: Arc::default(),
            at_once: AtomicU64::new(0),
            last_request: AtomicU64::new(0),
            requests: DashMap::new(),
            asked: DashMap::new(),
            forwards: OnceLock::new(),
        }
    }

    pub(crate) fn attachment(&self) -> &Arc<dyn Attachment> {
        &self.attachment
    }

    fn id(&self) -> NodeId {
        self.attachment.node()
    }

    /// Begins to listen to the others, the first time it is called within a runtime.
    pub(crate) fn begin(&self, secret: [u8; 32]) {
        if Handle::try_current().is_err() {
            return;
        }
        self.begun.call_once(|| {
            let _ = self.forwards.set(Forwards::begin(Arc::clone(&self.attachment)));
            let on_secret = Arc::clone(&self.on_secret);
            let heard =
                join(self.attachment.subscribe(&Topic::All), self.attachment.subscribe(&Topic::Node(self.id())));
            let ready = async move {
                let told = tokio::time::timeout(SECRET_TIMEOUT, on_secret.notified());
                // Without the secret, tokens are good on this node only.
                let _ = join(heard, told).await;
            };
            let ready = ready.boxed().shared();
            let _ = self.ready.set(ready.clone());
            tokio::spawn(ready);
            self.attachment.propose_secret(secret);
        });
    }

    /// Waits until connections to this node are heard of by the others, or it is known that the link is down.
    pub(crate) async fn ready(&self, secret: [u8; 32]) {
        self.begin(secret);
        if let Some(ready) = self.ready.get()
            && ready.peek().is_none()
        {
            ready.clone().await;
        }
    }

    /// Whether these are given a message by the backplane, those of this node too, in the order of all nodes.
    pub(crate) fn is_in_turn(&self, to: &Recipients) -> bool {
        self.send_order == SendOrder::AcrossNodes && !matches!(to, Recipients::Connections(_))
    }

    /// Sends to recipients on all nodes. It is done when the backplane has taken it, and those of this node have it.
    ///
    /// # Errors
    /// When some of them could not be reached. The others have it, and those of this node.
    pub(crate) async fn publish_in_turn(&self, to: &Recipients, message: Framed) -> Result<(), Unreachable> {
        self.leaving_time(to.publish_in_turn(&*self.attachment, message)).await
    }

    /// Publishes, and now and then gives way to the connections that have something to write by now, if that never waits:
    /// a loop that sends would fill the outboxes of other nodes in this process, and nobody would get to empty them.
    async fn leaving_time<T>(&self, publishing: impl Future<Output = T>) -> T {
        let mut publishing = pin!(publishing);
        match poll_fn(|cx| Poll::Ready(publishing.as_mut().poll(cx))).await {
            Poll::Ready(published) => {
                if self.at_once.fetch_add(1, Ordering::Relaxed).is_multiple_of(SENDS_AT_ONCE) {
                    tokio::task::yield_now().await;
                }
                published
            }
            Poll::Pending => publishing.await,
        }
    }

    /// Sends to those recipients that may be on other nodes.
    ///
    /// # Errors
    /// When some of them could not be reached. The others have it.
    pub(crate) async fn deliver(&self, to: &Recipients, message: Framed) -> Result<(), Unreachable> {
        match to {
            Recipients::Connections(ids) => self.direct(ids.iter().cloned(), &message).await,
            others => self.leaving_time(others.publish(&*self.attachment, message)).await,
        }
    }

    /// Sends to those of these connections that are on other nodes.
    pub(crate) async fn direct(
        &self,
        ids: impl IntoIterator<Item = ConnectionId>,
        message: &Framed,
    ) -> Result<(), Unreachable> {
        let Some(hub) = self.hub.upgrade() else { return Ok(()) };
        let elsewhere = ids.into_iter().filter(|id| hub.registry.connection(id).is_none());
        publish_to_connections(&*self.attachment, elsewhere, message).await
    }

    /// Has something done about a connection of another node.
    ///
    /// # Errors
    /// When the node could not be reached, or does not reply within the timeout: it may be done. Also when nobody listens
    /// for a connection whose id another node made: either may be gone, or cut off.
    pub(crate) async fn change(&self, connection: &ConnectionId, request: Request) -> Result<(), Unreachable> {
        match self.request(connection, request).await? {
            // To an unknown connection nothing is done, as on one node (P-LT-08).
            Some(_) => Ok(()),
            None if NodeId::of(connection).is_none_or(|node| node == self.id()) => Ok(()),
            None => {
                let why = "its node has ended, or is cut off";
                Err(Unreachable::new(format!("nobody listens for connection '{connection}': {why}")))
            }
        }
    }

    /// Asks the node of a connection for something, and waits for its reply: `None` when there is no such node.
    ///
    /// # Errors
    /// When the node could not be reached, or does not reply within the timeout.
    async fn request(&self, connection: &ConnectionId, request: Request) -> Result<Option<Reply>, Unreachable> {
        let (id, mut waiting) = self.register();
        let replied = async {
            match self.post(id, connection, request).await? {
                0 => Ok(None),
                _ => Ok(waiting.reply().await),
            }
        };
        self.in_time(connection, replied).await
    }

    /// Waits for a node as long as one may take.
    async fn in_time<T>(
        &self,
        connection: &ConnectionId,
        what: impl Future<Output = Result<T, Unreachable>>,
    ) -> Result<T, Unreachable> {
        tokio::time::timeout(self.timeout, what).await.unwrap_or_else(|_| {
            let why = format!("the node of connection '{connection}' did not reply within {:?}", self.timeout);
            Err(Unreachable::new(why))
        })
    }

    async fn post(&self, id: u64, connection: &ConnectionId, request: Request) -> Result<usize, Unreachable> {
        let request = Delivery::Request { id, from: self.id(), connection: connection.clone(), request };
        publish_to_connection(&*self.attachment, connection, &request).await
    }

    fn register(&self) -> (u64, Waiting<'_>) {
        let id = self.last_request.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, reply) = oneshot::channel();
        self.requests.insert(id, sender);
        (id, Waiting { nodes: self, id, reply })
    }

    /// Does something beside what waits behind a delivery.
    fn spawn(&self, what: impl Future<Output = ()> + Send + 'static) {
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(what)),
            Err(_) => events::no_runtime(),
        }
    }
}

/// A request that waits for its reply.
struct Waiting<'a> {
    nodes: &'a Nodes,
    id: u64,
    reply: oneshot::Receiver<Reply>,
}

impl Waiting<'_> {
    async fn reply(&mut self) -> Option<Reply> {
        // The sender is dropped with this only.
        (&mut self.reply).await.ok()
    }

    /// Waits for this long. It can be waited for again.
    async fn wait(&mut self, timeout: Duration) -> Option<Reply> {
        tokio::time::timeout(timeout, self.reply()).await.ok()?
    }

    fn arrived(&mut self) -> Option<Reply> {
        self.reply.try_recv().ok().flatten()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.nodes.requests.remove(&self.id);
    }
}

/// Both subscriptions in force.
pub(crate) fn both(one: Option<Subscribed>, other: Option<Subscribed>) -> Option<Subscribed> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Box::pin(join(one, other).map(|_| ()))),
        (one, other) => one.or(other),
    }
}
