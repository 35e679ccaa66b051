//! Backplanes that each break the rules in one way, to see that the suite notices.

mod hears;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::backplane::{Attachment, Backplane, Delivery, InProcess, Inbox, NodeId, Subscribed, Topic, Unreachable};
use hub_core::conformance::{Cluster, Link, Switched};

use self::hears::Hears;

/// In which way a backplane is bent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bend {
    /// Every 70th delivery on a topic, but those of nodes, comes ten later.
    Reorders,
    /// Every 70th delivery on a topic, but those of nodes, comes twice.
    Repeats,
    /// Every 70th delivery on a topic, but those of nodes, is lost.
    Loses,
    /// The sender hears itself.
    Echoes,
    /// The sender is counted.
    CountsItself,
    /// Nobody is counted.
    CountsNobody,
    /// Names are compared without their case.
    FoldsCase,
    /// Names are cut after 255 bytes.
    CutsNames,
    /// A user and a group of the same name are one.
    UsersAreGroups,
    /// All hubs are one.
    HubsAreOne,
    /// The hub's name and the group's are joined by a colon.
    JoinsByColon,
    /// The first `unsubscribe` ends all subscriptions to the topic.
    CountsNot,
    /// `subscribe` is done before it is in force.
    SubscribesLate,
    /// Nothing is subscribed to until somebody waits for it.
    SubscribesLazily,
    /// `unsubscribe` takes back what was subscribed to since, too.
    UnsubscribesLate,
    /// A subscription that was taken back is never done.
    NeverDone,
    /// What one hub of a backplane unsubscribes from, the others lose as well.
    EndsForNeighbours,
    /// `unsubscribe` does nothing.
    NeverUnsubscribes,
    /// Attachments live for ever.
    NeverDetaches,
    /// All nodes have one id.
    OneId,
    /// A protocol that the sender did not write arrives as an empty message.
    FillsIn,
    /// The text of errors is lost.
    LosesErrors,
    /// Messages over 64 KiB are cut.
    CutsMessages,
    /// Everyone is told the secret that it proposed.
    OwnSecrets,
    /// One secret serves all hubs.
    OneSecret,
    /// Nobody is told a secret.
    NoSecrets,
    /// Publishing waits for the link.
    Waits,
    /// Subscribing waits for the link.
    SubscribesWithTheLink,
    /// Large messages to groups come behind the next one.
    DelaysLarge,
    /// Subscriptions end with the link.
    ForgetsSubscriptions,
    /// Subscriptions to users end with the link.
    ForgetsUsers,
    /// What is published while the link is down comes after what is published later.
    FlushesLate,
    /// What was refused arrives later.
    SendsWhatItRefused,
    /// Publishing is done before it is done, and what waits ends with the attachment.
    PublishesLater,
    /// The last delivery before a cut comes once more after it.
    RepeatsAfterCuts,
    /// A node is given its own at once, before the others'.
    LocalFirst,
    /// Publishing in turn is done before it is.
    TakesLate,
    /// The own inbox is not given what was published in turn.
    ForgetsOwn,
    /// The own inbox is given what was published in turn only if the link is up.
    OwnNeedsLink,
    /// What is published while the medium stands still is lost.
    LosesInPauses,
    /// Late nodes are not told the secret that was before the cut, but their own.
    ForgetsSecrets,
}

/// Processes in memory on a backplane that is bent, with a switch.
pub(crate) struct Bent {
    bend: Bend,
    medium: Switched<InProcess>,
    common: Arc<Common>,
}

#[derive(Default)]
struct Common {
    up: tokio::sync::watch::Sender<bool>,
    paused: tokio::sync::watch::Sender<bool>,
    processes: AtomicUsize,
    nodes: Mutex<Vec<Weak<Node>>>,
    immortal: Mutex<Vec<Arc<dyn Attachment>>>,
    secret: Mutex<Option<[u8; 32]>>,
}

impl Bent {
    pub(crate) fn new(bend: Bend) -> Self {
        let common = Common::default();
        common.up.send_replace(true);
        Self { bend, medium: Switched::new(InProcess::new()), common: Arc::new(common) }
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        self.common.nodes.lock().unwrap().iter().filter_map(Weak::upgrade).collect()
    }
}

impl Cluster for Bent {
    const CAN_CUT: bool = true;

    async fn connect(&self) -> Arc<dyn Backplane> {
        let process = self.common.processes.fetch_add(1, Ordering::Relaxed);
        Arc::new(Handle(self.bend, process, self.medium.clone(), Arc::clone(&self.common)))
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    const CAN_PAUSE: bool = true;

    async fn pause(&self) {
        self.common.paused.send_replace(true);
    }

    async fn resume(&self) {
        self.common.paused.send_replace(false);
    }

    async fn cut(&self) {
        self.medium.set(Link::Down);
        self.common.up.send_replace(false);
        let forgets = |topic: &Topic| match self.bend {
            Bend::ForgetsSubscriptions => true,
            Bend::ForgetsUsers => matches!(topic, Topic::User(_)),
            _ => false,
        };
        for node in self.nodes() {
            for (topic, times) in node.topics.lock().unwrap().extract_if(|topic, _| forgets(topic)) {
                (0..times).for_each(|_| node.attachment.unsubscribe(&topic));
            }
        }
    }

    async fn restore(&self) {
        self.medium.set(Link::Up);
        self.common.up.send_replace(true);
        for node in self.nodes().iter().filter(|_| self.bend == Bend::RepeatsAfterCuts) {
            if let Some((topic, delivery)) = node.hears.last.lock().unwrap().clone() {
                node.hears.inbox.deliver(&topic, delivery);
            }
        }
    }
}

#[derive(Debug)]
struct Handle(Bend, usize, Switched<InProcess>, Arc<Common>);

impl std::fmt::Debug for Common {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Common")
    }
}

impl Backplane for Handle {
    fn attach(&self, hub: &str, inbox: Arc<dyn Inbox>) -> Arc<dyn Attachment> {
        let Self(bend, process, medium, common) = self;
        let hears = Arc::new(Hears::new(*bend, hub, inbox));
        let one = matches!(bend, Bend::HubsAreOne | Bend::JoinsByColon);
        let attachment = medium.attach(if one { "one" } else { hub }, Arc::clone(&hears) as _);
        if *bend == Bend::NeverDetaches {
            common.immortal.lock().unwrap().push(Arc::clone(&attachment));
        }
        let node = Arc::new(Node {
            bend: *bend,
            hub: hub.to_owned(),
            process: *process,
            attachment,
            hears,
            common: Arc::clone(common),
            topics: Arc::default(),
            kept: Arc::default(),
        });
        common.nodes.lock().unwrap().push(Arc::downgrade(&node));
        node
    }
}

/// What a node does, bent.
struct Node {
    bend: Bend,
    hub: String,
    process: usize,
    attachment: Arc<dyn Attachment>,
    hears: Arc<Hears>,
    common: Arc<Common>,
    topics: Arc<Mutex<HashMap<Topic, usize>>>,
    kept: Arc<Mutex<Vec<(Topic, Delivery)>>>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.bend)
    }
}

impl Node {
    fn topic(&self, topic: &Topic) -> Topic {
        let cut = |name: &str| name.chars().take(255).collect::<String>();
        match (self.bend, topic) {
            (Bend::FoldsCase, Topic::Group(name)) => Topic::Group(name.to_lowercase().into()),
            (Bend::FoldsCase, Topic::User(name)) => Topic::User(name.to_lowercase().into()),
            (Bend::CutsNames, Topic::Group(name)) => Topic::Group(cut(name).into()),
            (Bend::UsersAreGroups, Topic::User(name)) => Topic::Group(name.as_str().into()),
            (Bend::JoinsByColon, Topic::Group(name)) => Topic::Group(format!("{}:{name}", self.hub).into()),
            (Bend::JoinsByColon, Topic::User(name)) => Topic::User(format!("{}\n{name}", self.hub).into()),
            (Bend::JoinsByColon, Topic::All) => Topic::User(format!("all\n{}", self.hub).into()),
            (_, topic) => topic.clone(),
        }
    }

    /// What happens around each publication.
    async fn before_publishing(&self, topic: &Topic, delivery: &Delivery) {
        let up = *self.common.up.borrow();
        match self.bend {
            Bend::Waits => _ = self.common.up.subscribe().wait_for(|up| *up).await,
            Bend::FlushesLate | Bend::SendsWhatItRefused if !up => {
                self.kept.lock().unwrap().push((topic.clone(), delivery.clone()));
            }
            Bend::SendsWhatItRefused | Bend::PublishesLater => self.flush().await,
            Bend::Echoes if self.topics.lock().unwrap().contains_key(topic) => {
                self.hears.inbox.deliver(topic, delivery.clone());
            }
            _ => {}
        }
    }

    /// Waits while the medium stands still. Whether it takes what came meanwhile.
    async fn goes_on(&self) -> bool {
        let lost = self.bend == Bend::LosesInPauses && *self.common.paused.borrow();
        let _ = self.common.paused.subscribe().wait_for(|paused| !*paused).await;
        !lost
    }

    fn give_own(&self, topic: &Topic, delivery: &Delivery) {
        if self.topics.lock().unwrap().contains_key(topic) {
            self.hears.inbox.deliver(topic, delivery.clone());
        }
    }

    async fn flush(&self) {
        flush(&*self.attachment, &self.kept).await;
    }
}

async fn flush(attachment: &dyn Attachment, kept: &Mutex<Vec<(Topic, Delivery)>>) {
    let kept = std::mem::take(&mut *kept.lock().unwrap());
    for (topic, delivery) in kept {
        let _ = attachment.publish(&topic, &delivery).await;
    }
}

#[async_trait]
impl Attachment for Node {
    fn node(&self) -> NodeId {
        if self.bend == Bend::OneId { NodeId::new([7; 6]) } else { self.attachment.node() }
    }

    fn propose_secret(&self, secret: [u8; 32]) {
        self.attachment.propose_secret(secret);
        match self.bend {
            Bend::OwnSecrets => self.hears.inbox.shared_secret(secret),
            Bend::ForgetsSecrets if !*self.common.up.borrow() => self.hears.inbox.shared_secret(secret),
            Bend::OneSecret => {
                let secret = *self.common.secret.lock().unwrap().get_or_insert(secret);
                self.hears.inbox.shared_secret(secret);
            }
            _ => {}
        }
    }

    async fn publish(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        let topic = &self.topic(topic);
        self.before_publishing(topic, delivery).await;
        if self.bend == Bend::PublishesLater {
            self.kept.lock().unwrap().push((topic.clone(), delivery.clone()));
            let (attachment, kept) = (Arc::downgrade(&self.attachment), Arc::downgrade(&self.kept));
            tokio::spawn(async move {
                if let (Some(attachment), Some(kept)) = (attachment.upgrade(), kept.upgrade()) {
                    flush(&*attachment, &kept).await;
                }
            });
            return Ok(());
        }
        let published = self.attachment.publish(topic, delivery).await;
        if self.bend == Bend::FlushesLate {
            if published.is_ok() {
                self.flush().await;
            }
            return Ok(());
        }
        published
    }

    async fn publish_in_turn(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        let topic = &self.topic(topic);
        if !self.goes_on().await {
            return Ok(());
        }
        let up = *self.common.up.borrow();
        match self.bend {
            Bend::Waits => _ = self.common.up.subscribe().wait_for(|up| *up).await,
            Bend::OwnNeedsLink if !up => return Err(Unreachable::new("the link is down")),
            Bend::ForgetsOwn => return self.attachment.publish(topic, delivery).await,
            Bend::LocalFirst => {
                self.give_own(topic, delivery);
                tokio::task::yield_now().await;
                return self.attachment.publish(topic, delivery).await;
            }
            Bend::TakesLate => {
                self.give_own(topic, delivery);
                let (attachment, topic, delivery) = (Arc::clone(&self.attachment), topic.clone(), delivery.clone());
                tokio::spawn(async move { attachment.publish(&topic, &delivery).await });
                return Ok(());
            }
            _ => {}
        }
        self.attachment.publish_in_turn(topic, delivery).await
    }

    async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Unreachable> {
        let topic = &self.topic(topic);
        self.before_publishing(topic, delivery).await;
        let counted = self.attachment.publish_counted(topic, delivery).await?;
        Ok(match self.bend {
            Bend::CountsItself => counted + 1,
            Bend::CountsNobody => 0,
            _ => counted,
        })
    }

    fn subscribe(&self, topic: &Topic) -> Subscribed {
        let topic = self.topic(topic);
        let attachment = Arc::clone(&self.attachment);
        *self.topics.lock().unwrap().entry(topic.clone()).or_default() += 1;
        match self.bend {
            Bend::SubscribesLate => {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    attachment.subscribe(&topic).await;
                });
                Box::pin(std::future::ready(()))
            }
            Bend::SubscribesLazily => Box::pin(async move { attachment.subscribe(&topic).await }),
            Bend::SubscribesWithTheLink => {
                drop(attachment.subscribe(&topic));
                let mut up = self.common.up.subscribe();
                Box::pin(async move { _ = up.wait_for(|up| *up).await })
            }
            Bend::NeverDone => {
                drop(attachment.subscribe(&topic));
                let topics = Arc::clone(&self.topics);
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    if !topics.lock().unwrap().contains_key(&topic) {
                        std::future::pending::<()>().await;
                    }
                })
            }
            _ => attachment.subscribe(&topic),
        }
    }

    fn unsubscribe(&self, topic: &Topic) {
        let topic = &self.topic(topic);
        let mut topics = self.topics.lock().unwrap();
        let times = topics.get(topic).copied().unwrap_or(0);
        let ended = match self.bend {
            Bend::NeverUnsubscribes => 0,
            Bend::CountsNot => times,
            _ => times.min(1),
        };
        match self.bend {
            Bend::UnsubscribesLate => {
                let (attachment, topic) = (Arc::clone(&self.attachment), topic.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    (0..=times).for_each(|_| attachment.unsubscribe(&topic));
                });
            }
            Bend::EndsForNeighbours => {
                let nodes = self.common.nodes.lock().unwrap();
                let neighbours = nodes.iter().filter_map(Weak::upgrade).filter(|node| node.process == self.process);
                neighbours.for_each(|node| node.attachment.unsubscribe(topic));
            }
            _ => (0..ended).for_each(|_| self.attachment.unsubscribe(topic)),
        }
        if times == ended {
            topics.remove(topic);
        } else {
            topics.insert(topic.clone(), times - ended);
        }
    }
}
