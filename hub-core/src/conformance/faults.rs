//! Backplanes that fail on demand.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;

use crate::backplane::{Attachment, Backplane, Delivery, Inbox, NodeId, Subscribed, Topic, Unreachable};

type Loses = dyn Fn(&Topic, &Delivery) -> bool + Send + Sync;

/// A backplane that loses deliveries on their way to the nodes attached through it. Their senders notice nothing: who
/// lost it is counted as if it had it.
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
        self.backplane.attach(hub, Arc::new(LossyInbox { inbox, loses: (self.loses)() }))
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

/// The state of the link of the nodes that are attached through one [`Switched`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Link {
    /// It works.
    Up,
    /// Nothing is said to be wrong, and the nodes hear nothing. What they publish goes out, and whoever listens is
    /// counted: through the same `Switched`, nobody hears it.
    Silent,
    /// The nodes hear nothing, and publishing fails with [`Unreachable`]. Subscriptions hold when it is up again.
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
        let attachment = self.backplane.attach(hub, Arc::new(SwitchedInbox { inbox, link: Arc::clone(&link) }));
        Arc::new(SwitchedAttachment { attachment, link })
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

    async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Unreachable> {
        self.reachable()?;
        self.attachment.publish_counted(topic, delivery).await
    }

    fn subscribe(&self, topic: &Topic) -> Subscribed {
        let subscribed = self.attachment.subscribe(topic);
        if self.reachable().is_err() {
            // It holds when the link is back, and nobody waits for that.
            return Box::pin(std::future::ready(()));
        }
        subscribed
    }

    fn unsubscribe(&self, topic: &Topic) {
        self.attachment.unsubscribe(topic);
    }
}
