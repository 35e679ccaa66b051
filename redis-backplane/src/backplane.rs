//! The handle, and what nodes hold.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use hub_core::backplane::{Attachment, Backplane, Delivery, Inbox, NodeId, Subscribed, Topic, Unreachable};
use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::error::ConnectError;
use crate::lane::Lane;
use crate::link::Dialler;
use crate::node::Node;
use crate::options::RedisOptions;
use crate::publication::{Publication, Waits};
use crate::state::{Board, Counters, Counting, LinkState};
use crate::turns::Turn;
use crate::{channels, driver, lock, wire};

/// The backplane on Redis: a handle to one pair of connections, or one pair to each primary of a Cluster.
///
/// Clones are handles to the same; the hubs of a process share one. (Further nodes of one hub, as tests have them, get
/// another pair each, so that all are counted.) When the last handle and the last attachment are
/// dropped, what was accepted is sent still, and the connections are closed.
#[derive(Clone)]
pub struct RedisBackplane(Arc<Handle>);

struct Handle {
    /// On which all is published. It is the first of the lanes.
    first: Arc<Lane>,
    lanes: Mutex<Vec<Open>>,
    dialler: Arc<Dialler>,
    counting: Arc<Counting>,
    board: Arc<Board>,
    runtime: runtime::Handle,
}

/// A lane with its driver.
struct Open {
    lane: Arc<Lane>,
    /// The hubs of the nodes that listen to it, all different.
    hubs: HashSet<Box<str>>,
    /// Dropped with this, which ends the driver.
    _open: watch::Sender<bool>,
}

impl Handle {
    /// The lane to which a node of this hub may listen.
    fn enter(&self, hub: &str) -> Arc<Lane> {
        let mut lanes = lock(&self.lanes);
        if let Some(open) = lanes.iter_mut().find(|open| !open.hubs.contains(hub)) {
            open.hubs.insert(hub.into());
            return Arc::clone(&open.lane);
        }
        let number = 1 + lanes.iter().map(|open| open.lane.number).max().unwrap_or_default();
        let lane = Arc::new(Lane::new(number, &self.first.options, &self.counting, &self.board));
        let (open, closed) = watch::channel(false);
        self.runtime.spawn(driver::run(Arc::clone(&lane), Arc::clone(&self.dialler), None, closed));
        lanes.push(Open { lane: Arc::clone(&lane), hubs: HashSet::from([hub.into()]), _open: open });
        lane
    }

    /// The node of this hub listens to it no more.
    fn leave(&self, lane: usize, hub: &str) {
        let mut lanes = lock(&self.lanes);
        if let Some(place) = lanes.iter().position(|open| open.lane.number == lane) {
            lanes[place].hubs.remove(hub);
            if lane > 0 && lanes[place].hubs.is_empty() {
                lanes.remove(place);
            }
        }
    }
}

impl RedisBackplane {
    /// Connects to the Redis of a URL ([`RedisOptions::from_url`]) or of options. Has to be called in a Tokio runtime,
    /// in which the backplane lives.
    ///
    /// Where Redis is not there (refused, silent, still loading, a Cluster without a primary for some slot), this
    /// returns nevertheless, after [`RedisOptions::connect_timeout`] at most: the link is down, which is logged, and is
    /// tried for ever. What is subscribed to meanwhile comes into force with the link.
    ///
    /// # Errors
    /// When an option is outside of its range, and when Redis is there and refuses what somebody has to change: wrong or
    /// missing credentials, no permission to publish and subscribe, a database that does not exist, a certificate that is
    /// not trusted, a Cluster of a version that is too old, a primary that the Sentinels do not know, a Sentinel in the
    /// place of a server. Later, the same keeps the link down with that
    /// reason in [`LinkState`].
    pub async fn connect<O>(options: O) -> Result<Self, ConnectError>
    where
        O: TryInto<RedisOptions>,
        ConnectError: From<O::Error>,
    {
        let options = options.try_into()?;
        options.validate()?;
        let dialler = Arc::new(Dialler::new(&options)?);
        let (counting, board) = (Arc::default(), Arc::default());
        let lane = Arc::new(Lane::new(0, &Arc::new(options), &counting, &board));
        let (open, closed) = watch::channel(false);
        let (first, attempted) = oneshot::channel();
        tokio::spawn(driver::run(Arc::clone(&lane), Arc::clone(&dialler), Some(first), closed));
        let lanes = Mutex::new(vec![Open { lane: Arc::clone(&lane), hubs: HashSet::new(), _open: open }]);
        let runtime = runtime::Handle::current();
        let backplane = Self(Arc::new(Handle { first: lane, lanes, dialler, counting, board, runtime }));
        match attempted.await {
            Ok(Err(refused)) => Err(refused),
            // Without an outcome the runtime is ending.
            Ok(Ok(())) | Err(_) => Ok(backplane),
        }
    }

    /// The state of the link, to be read or waited for.
    pub fn link(&self) -> watch::Receiver<LinkState> {
        self.0.board.link.subscribe()
    }

    /// What went through, and what was lost, since it was connected.
    pub fn counters(&self) -> Counters {
        self.0.counting.read()
    }

    /// Waits until all that was accepted so far is confirmed by Redis or lost. For programs that publish and end: a
    /// publication is accepted before it is sent.
    ///
    /// With [`WhileDown::Wait`](crate::WhileDown::Wait) it waits for the link as long as that is down.
    ///
    /// # Errors
    /// When something was lost while it waited.
    pub async fn flush(&self) -> Result<(), Unreachable> {
        let before = self.counters().lost_out;
        self.0.first.outbox.settled().await;
        match self.counters().lost_out - before {
            0 => Ok(()),
            lost => Err(Unreachable::new(format!("{lost} publications were not confirmed by Redis"))),
        }
    }
}

impl fmt::Debug for RedisBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackplane")
            .field("servers", &self.0.first.options.servers)
            .field("link", &*self.0.board.link.borrow())
            .finish_non_exhaustive()
    }
}

impl Backplane for RedisBackplane {
    fn attach(&self, hub: &str, inbox: Arc<dyn Inbox>) -> Arc<dyn Attachment> {
        let node = Arc::new(Node::new(hub, inbox));
        self.0.first.attach(&node);
        Arc::new(Attached { node, listens: OnceLock::new(), backplane: self.clone() })
    }
}

/// One node's hold.
struct Attached {
    node: Arc<Node>,
    /// The lane that it listens to, once it has subscribed to something.
    listens: OnceLock<Arc<Lane>>,
    /// Keeps the backplane open.
    backplane: RedisBackplane,
}

impl Attached {
    /// The lane on which it publishes.
    fn first(&self) -> &Lane {
        &self.backplane.0.first
    }

    fn channel(&self, topic: &Topic) -> Arc<str> {
        channels::channel(&self.first().options.prefix, &self.node.hub, topic).into()
    }

    fn publication(&self, topic: &Topic, delivery: &Delivery, waits: Waits) -> Publication {
        let message = wire::encode(self.node.sender.id, delivery);
        Publication::new(&self.node.sender, self.channel(topic), message, waits)
    }

    /// Puts a publication into the outbox, and waits for its answer.
    async fn answer(
        &self,
        publication: Publication,
        answer: oneshot::Receiver<Result<usize, Unreachable>>,
    ) -> Result<usize, Unreachable> {
        self.first().outbox.put(publication).await?;
        answer.await.unwrap_or_else(|_| Err(Unreachable::new("the backplane was closed")))
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").field("node", &self.node).field("backplane", &self.backplane).finish()
    }
}

#[async_trait]
impl Attachment for Attached {
    fn node(&self) -> NodeId {
        self.node.sender.id
    }

    fn propose_secret(&self, secret: [u8; 32]) {
        self.node.propose(secret);
        self.first().proposed.notify_one();
    }

    async fn publish(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        self.first().outbox.put(self.publication(topic, delivery, Waits::Nobody)).await
    }

    async fn publish_in_turn(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        let (reply, answer) = oneshot::channel();
        let mut publication = self.publication(topic, delivery, Waits::Taken(reply));
        let listens = self.listens.get().and_then(|lane| lane.subscriptions.channel(&publication.channel));
        let Some(channel) = listens else { return self.answer(publication, answer).await.map(drop) };
        let (turn, given) = Turn::new(&self.node, channel, delivery);
        publication.turn = Some(Arc::clone(&turn));
        let taken = async {
            let taken = self.answer(publication, answer).await;
            if taken.is_err() {
                turn.give_now();
            }
            taken.map(drop)
        };
        let in_turn = async {
            if timeout(self.first().options.turn_timeout, given).await.is_err() {
                turn.give_now();
            }
        };
        tokio::join!(taken, in_turn).0
    }

    async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Unreachable> {
        let (reply, answer) = oneshot::channel();
        self.answer(self.publication(topic, delivery, Waits::Counted(reply)), answer).await
    }

    fn subscribe(&self, topic: &Topic) -> Subscribed {
        let lane = self.listens.get_or_init(|| self.backplane.0.enter(&self.node.hub));
        let waiting = lane.subscriptions.subscribe(&self.channel(topic), topic, &self.node);
        Box::pin(async move {
            if let Some(waiting) = waiting {
                // Closed when the link is down: that is all there is to wait for.
                let _ = waiting.await;
            }
        })
    }

    fn unsubscribe(&self, topic: &Topic) {
        if let Some(lane) = self.listens.get() {
            lane.subscriptions.unsubscribe(&self.channel(topic));
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some(lane) = self.listens.get() {
            lane.subscriptions.unsubscribe_all(self.node.sender.id);
            self.backplane.0.leave(lane.number, &self.node.hub);
        }
        self.first().detach(self.node.sender.id);
    }
}
