//! Backplanes that fail on demand.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::backplane::{Attachment, Backplane, Delivery, Inbox, NodeId, Subscribed, Topic, Unreachable};

/// A node's own inbox, to be given what the node publishes where the backplane behind does not.
struct Own {
    inbox: Arc<dyn Inbox>,
    topics: Mutex<HashMap<Topic, usize>>,
}

impl Own {
    fn new(inbox: &Arc<dyn Inbox>) -> Self {
        Self { inbox: Arc::clone(inbox), topics: Mutex::default() }
    }

    fn count(&self, topic: &Topic, change: impl FnOnce(usize) -> usize) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let count = change(topics.remove(topic).unwrap_or_default());
        if count > 0 {
            topics.insert(topic.clone(), count);
        }
    }

    fn give(&self, topic: &Topic, delivery: &Delivery) {
        let listens = self.topics.lock().unwrap_or_else(PoisonError::into_inner).contains_key(topic);
        if listens {
            self.inbox.deliver(topic, delivery.clone());
        }
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Own")
    }
}

type Loses = dyn Fn(&Topic, &Delivery) -> bool + Send + Sync;

/// A backplane that loses deliveries on their way to the nodes attached through it. Their senders notice nothing: who
/// lost it is counted as if it had it. What a node publishes itself it is given at once, in turn or not.
///
/// ```
/// use hub_core::backplane::{Delivery, InProcess};
/// use hub_core::conformance::Lossy;
///
/// let no_replies = Lossy::new(InProcess::new(), |_, delivery| matches!(delivery, Delivery::Reply { .. }));
/// let every_third = Lossy::every(3, InProcess::new());
/// ```
pub struct Lossy<B> {
    backplane: B,
    /// Makes what decides for one node.
    loses: Box<dyn Fn() -> Box<Loses> + Send + Sync>,
}

impl<B: Backplane> Lossy<B> {
    /// Loses the deliveries of which this is true.
    pub fn new(backplane: B, loses: impl Fn(&Topic, &Delivery) -> bool + Send + Sync + 'static) -> Self {
        let loses = Arc::new(loses);
        let loses = move || -> Box<Loses> {
            let loses = Arc::clone(&loses);
            Box::new(move |topic, delivery| loses(topic, delivery))
        };
        Self { backplane, loses: Box::new(loses) }
    }

    /// Loses the `n`th of the deliveries to each node, the `2n`th, and so on. With 0 it loses nothing, with 1 all.
    pub fn every(n: usize, backplane: B) -> Self {
        let loses = move || -> Box<Loses> {
            let given = AtomicUsize::new(0);
            Box::new(move |_, _| n > 0 && (given.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(n))
        };
        Self { backplane, loses: Box::new(loses) }
    }
}

impl<B: Backplane> Backplane for Lossy<B> {
    fn attach(&self, hub: &str, inbox: Arc<dyn Inbox>) -> Arc<dyn Attachment> {
        let own = Own::new(&inbox);
        let attachment = self.backplane.attach(hub, Arc::new(LossyInbox { inbox, loses: (self.loses)() }));
        Arc::new(LossyAttachment { attachment, own })
    }
}

impl<B: Backplane> fmt::Debug for Lossy<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lossy").field("backplane", &self.backplane).finish_non_exhaustive()
    }
}

struct LossyInbox {
    inbox: Arc<dyn Inbox>,
    loses: Box<Loses>,
}

impl Inbox for LossyInbox {
    fn deliver(&self, topic: &Topic, delivery: Delivery) {
        if !(self.loses)(topic, &delivery) {
            self.inbox.deliver(topic, delivery);
        }
    }

    fn shared_secret(&self, secret: [u8; 32]) {
        self.inbox.shared_secret(secret);
    }
}

#[derive(Debug)]
struct LossyAttachment {
    attachment: Arc<dyn Attachment>,
    own: Own,
}

#[async_trait]
impl Attachment for LossyAttachment {
    fn node(&self) -> NodeId {
        self.attachment.node()
    }

    fn propose_secret(&self, secret: [u8; 32]) {
        self.attachment.propose_secret(secret);
    }

    async fn publish(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        self.attachment.publish(topic, delivery).await
    }

    async fn publish_in_turn(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        self.own.give(topic, delivery);
        self.attachment.publish(topic, delivery).await
    }

    async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Unreachable> {
        self.attachment.publish_counted(topic, delivery).await
    }

    fn subscribe(&self, topic: &Topic) -> Subscribed {
        self.own.count(topic, |count| count + 1);
        self.attachment.subscribe(topic)
    }

    fn unsubscribe(&self, topic: &Topic) {
        self.own.count(topic, |count| count.saturating_sub(1));
        self.attachment.unsubscribe(topic);
    }
}

/// The state of the link of the nodes that are attached through one [`Switched`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Link {
    /// It works.
    Up,
    /// Nothing is said to be wrong, and the nodes hear nothing but their own. What they publish goes out, and whoever
    /// listens is counted: through the same `Switched`, nobody hears it.
    Silent,
    /// The nodes hear nothing but their own, and publishing fails with [`Unreachable`]. Subscriptions hold when it is up
    /// again.
    Down,
}

/// A backplane with a switch for its link, which is up at first.
///
/// Clones have the same switch. To silence one node and not another, attach them through `Switched`s of their own, around
/// clones of one backplane.
///
/// ```
/// use hub_core::backplane::InProcess;
/// use hub_core::conformance::{Link, Switched};
///
/// let medium = InProcess::new();
/// let (here, there) = (Switched::new(medium.clone()), Switched::new(medium));
/// // Answers from there are lost, requests from here arrive.
/// here.set(Link::Silent);
/// ```
#[derive(Clone)]
pub struct Switched<B> {
    backplane: B,
    link: Arc<AtomicU8>,
}

impl<B: Backplane> Switched<B> {
    /// A switch, which is up, for this backplane.
    pub fn new(backplane: B) -> Self {
        Self { backplane, link: Arc::new(AtomicU8::new(Link::Up as u8)) }
    }

    /// Puts the link into this state. It holds for whatever is delivered or published from now on.
    pub fn set(&self, link: Link) {
        self.link.store(link as u8, Ordering::SeqCst);
    }
}

impl<B: Backplane> Backplane for Switched<B> {
    fn attach(&self, hub: &str, inbox: Arc<dyn Inbox>) -> Arc<dyn Attachment> {
        let link = Arc::clone(&self.link);
        let own = Own::new(&inbox);
        let attachment = self.backplane.attach(hub, Arc::new(SwitchedInbox { inbox, link: Arc::clone(&link) }));
        Arc::new(SwitchedAttachment { attachment, link, own })
    }
}

impl<B: Backplane> fmt::Debug for Switched<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switched").field("backplane", &self.backplane).field("link", &self.link).finish()
    }
}

struct SwitchedInbox {
    inbox: Arc<dyn Inbox>,
    link: Arc<AtomicU8>,
}

impl Inbox for SwitchedInbox {
    fn deliver(&self, topic: &Topic, delivery: Delivery) {
        if self.link.load(Ordering::SeqCst) == Link::Up as u8 {
            self.inbox.deliver(topic, delivery);
        }
    }

    fn shared_secret(&self, secret: [u8; 32]) {
        self.inbox.shared_secret(secret);
    }
}

#[derive(Debug)]
struct SwitchedAttachment {
    attachment: Arc<dyn Attachment>,
    link: Arc<AtomicU8>,
    own: Own,
}

impl SwitchedAttachment {
    fn reachable(&self) -> Result<(), Unreachable> {
        if self.link.load(Ordering::SeqCst) == Link::Down as u8 {
            return Err(Unreachable::new("the link is switched off"));
        }
        Ok(())
    }
}

#[async_trait]
impl Attachment for SwitchedAttachment {
    fn node(&self) -> NodeId {
        self.attachment.node()
    }

    fn propose_secret(&self, secret: [u8; 32]) {
        self.attachment.propose_secret(secret);
    }

    async fn publish(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        self.reachable()?;
        self.attachment.publish(topic, delivery).await
    }

    async fn publish_in_turn(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        if self.link.load(Ordering::SeqCst) == Link::Up as u8 {
            return self.attachment.publish_in_turn(topic, delivery).await;
        }
        self.own.give(topic, delivery);
        self.publish(topic, delivery).await
    }

    async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Unreachable> {
        self.reachable()?;
        self.attachment.publish_counted(topic, delivery).await
    }

    fn subscribe(&self, topic: &Topic) -> Subscribed {
        self.own.count(topic, |count| count + 1);
        let subscribed = self.attachment.subscribe(topic);
        if self.reachable().is_err() {
            // It holds when the link is back, and nobody waits for that.
            return Box::pin(std::future::ready(()));
        }
        subscribed
    }

    fn unsubscribe(&self, topic: &Topic) {
        self.own.count(topic, |count| count.saturating_sub(1));
        self.attachment.unsubscribe(topic);
    }
}
