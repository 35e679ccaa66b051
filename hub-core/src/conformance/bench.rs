//! What rules are written with: nodes that keep what they hear, and waits that end.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::recorder::Recorder;
use super::waiting::before;
use super::{Broken, Cluster, broken};
use crate::backplane::{Attachment, Backplane, Delivery, Framed, NodeId, Topic, Unreachable};

/// After how long what may be lost on its way is tried again.
const AGAIN: Duration = Duration::from_millis(20);

const GREETING: &[u8] = b"conformance: hello ";

/// A notice of this text.
pub(super) fn note(text: impl Into<String>) -> Delivery {
    let message = Framed { json: Some(Bytes::from(text.into())), messagepack: None };
    Delivery::Notice { message, except: Vec::new() }
}

/// The text, if this is a greeting: a delivery that only shows that it arrives.
pub(super) fn greeting(delivery: &Delivery) -> Option<&Bytes> {
    match delivery {
        Delivery::Notice { message: Framed { json: Some(text), .. }, .. } if text.starts_with(GREETING) => Some(text),
        _ => None,
    }
}

/// The cluster, and a hub that no other rule uses.
pub(super) struct Bench<'a, C> {
    cluster: &'a C,
    pub(super) hub: String,
    nodes: Cell<u8>,
    greetings: Cell<u64>,
}

impl<'a, C: Cluster> Bench<'a, C> {
    pub(super) fn new(cluster: &'a C) -> Self {
        // The medium may remember hubs, even those of earlier runs.
        let hub = format!("Conformance{:016x}", RandomState::new().hash_one(0));
        Self { cluster, hub, nodes: Cell::new(0), greetings: Cell::new(0) }
    }

    /// What the future gives, unless it takes too long: then it is broken that `what` did not happen.
    pub(super) async fn within<T>(
        &self,
        what: impl fmt::Display,
        future: impl Future<Output = T>,
    ) -> Result<T, Broken> {
        let patience = self.cluster.patience();
        let given = before(self.cluster.sleep(patience), future).await;
        given.ok_or_else(|| broken(format!("{what} within {patience:?}")))
    }

    pub(super) async fn pause(&self) {
        self.cluster.sleep(AGAIN).await;
    }

    pub(super) async fn backplane(&self) -> Result<Arc<dyn Backplane>, Broken> {
        self.within("the cluster did not connect another process", self.cluster.connect()).await
    }

    /// A node on this backplane, which listens to nothing yet.
    pub(super) fn attach(&self, backplane: &dyn Backplane, hub: &str) -> Node<'_, C> {
        let number = self.nodes.replace(self.nodes.get().wrapping_add(1));
        let inbox = Arc::new(Recorder::default());
        let attachment = backplane.attach(hub, Arc::clone(&inbox) as _);
        Node { bench: self, name: format!("node {}", number + 1), attachment, inbox }
    }

    /// One more process with the hub in it, which listens to its own topic.
    pub(super) async fn node(&self) -> Result<Node<'_, C>, Broken> {
        let node = self.attach(&*self.backplane().await?, &self.hub);
        node.subscribe(&Topic::Node(node.id())).await?;
        Ok(node)
    }

    /// Some processes with the hub in them, each of which has heard another.
    pub(super) async fn nodes<const N: usize>(&self) -> Result<[Node<'_, C>; N], Broken> {
        let mut nodes = Vec::new();
        for _ in 0..N {
            nodes.push(self.node().await?);
        }
        self.meet(&nodes).await?;
        nodes.try_into().map_err(|_| broken("a node is missing"))
    }

    /// Waits until each has heard the one before, and so has a link both ways.
    pub(super) async fn meet(&self, nodes: &[Node<'_, C>]) -> Result<(), Broken> {
        for (at, node) in nodes.iter().enumerate() {
            node.greet(&nodes[(at + 1) % nodes.len()]).await?;
        }
        Ok(())
    }

    /// A greeting that there has not been.
    fn greeting(&self) -> (Bytes, Delivery) {
        let number = self.greetings.replace(self.greetings.get() + 1);
        let text = Bytes::from([GREETING, number.to_string().as_bytes()].concat());
        let message = Framed { json: Some(text.clone()), messagepack: None };
        (text, Delivery::Notice { message, except: Vec::new() })
    }
}

/// One node of the hub. Its calls fail if they do not return in time.
pub(super) struct Node<'a, C> {
    bench: &'a Bench<'a, C>,
    name: String,
    pub(super) attachment: Arc<dyn Attachment>,
    pub(super) inbox: Arc<Recorder>,
}

impl<C> fmt::Display for Node<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl<C: Cluster> Node<'_, C> {
    pub(super) fn id(&self) -> NodeId {
        self.attachment.node()
    }

    /// Publishes, or gives why not.
    pub(super) async fn try_publish(
        &self,
        topic: &Topic,
        delivery: &Delivery,
    ) -> Result<Result<(), Unreachable>, Broken> {
        self.bench
            .within(format_args!("{self}: publish did not return"), self.attachment.publish(topic, delivery))
            .await
    }

    pub(super) async fn publish(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Broken> {
        let published = self.try_publish(topic, delivery).await?;
        published.map_err(|error| broken(format!("{self} could not publish: {error}")))
    }

    /// Publishes in turn, or gives why not.
    pub(super) async fn try_publish_in_turn(
        &self,
        topic: &Topic,
        delivery: &Delivery,
    ) -> Result<Result<(), Unreachable>, Broken> {
        let what = format_args!("{self}: publish_in_turn did not return");
        self.bench.within(what, self.attachment.publish_in_turn(topic, delivery)).await
    }

    pub(super) async fn publish_in_turn(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Broken> {
        let published = self.try_publish_in_turn(topic, delivery).await?;
        published.map_err(|error| broken(format!("{self} could not publish in turn: {error}")))
    }

    pub(super) async fn try_publish_counted(
        &self,
        topic: &Topic,
        delivery: &Delivery,
    ) -> Result<Result<usize, Unreachable>, Broken> {
        let what = format_args!("{self}: publish_counted did not return");
        self.bench.within(what, self.attachment.publish_counted(topic, delivery)).await
    }

    pub(super) async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Broken> {
        let published = self.try_publish_counted(topic, delivery).await?;
        published.map_err(|error| broken(format!("{self} could not publish: {error}")))
    }

    pub(super) async fn subscribe(&self, topic: &Topic) -> Result<(), Broken> {
        let what = format_args!("{self}: subscribe to {} was not done", named(topic));
        self.bench.within(what, self.attachment.subscribe(topic)).await
    }

    pub(super) fn unsubscribe(&self, topic: &Topic) {
        self.attachment.unsubscribe(topic);
    }

    /// Waits until so many other nodes are counted for the topic.
    pub(super) async fn until_counted(&self, topic: &Topic, wanted: usize) -> Result<(), Broken> {
        let last = Cell::new(None);
        let counted = async {
            loop {
                let counted = self.attachment.publish_counted(topic, &self.bench.greeting().1).await;
                if counted.as_ref() == Ok(&wanted) {
                    return;
                }
                last.set(Some(counted));
                self.bench.pause().await;
            }
        };
        let done = before(self.bench.cluster.sleep(self.bench.cluster.patience()), counted).await;
        done.ok_or_else(|| {
            let last = match last.take() {
                Some(Ok(counted)) => format!("{counted} were counted"),
                Some(Err(error)) => error.to_string(),
                None => "publish_counted did not return".to_owned(),
            };
            let patience = self.bench.cluster.patience();
            broken(format!("{self} waited {patience:?} for {} to have {wanted} nodes: {last}", named(topic)))
        })
    }

    /// Sends a greeting to the other's own topic, again until it is there. What was on the same way is there then.
    pub(super) async fn greet(&self, other: &Self) -> Result<(), Broken> {
        let topic = Topic::Node(other.id());
        let (text, greeting) = self.bench.greeting();
        let arrives = async {
            loop {
                // It fails while the link comes up.
                let _ = self.attachment.publish(&topic, &greeting).await;
                let heard = other.inbox.until(|kept| kept.greetings.contains(&text).then_some(()));
                if before(self.bench.pause(), heard).await.is_some() {
                    return;
                }
            }
        };
        self.bench.within(format_args!("{other} did not hear {self}"), arrives).await
    }

    /// Waits until so many deliveries were heard, or no more come, and hands them out.
    pub(super) async fn heard(&self, at_least: usize) -> Vec<(Topic, Delivery)> {
        let mut seen = 0;
        while seen < at_least {
            let more = self.inbox.until(|kept| Some(kept.heard.len()).filter(|heard| *heard > seen));
            match before(self.bench.cluster.sleep(self.bench.cluster.patience()), more).await {
                Some(heard) => seen = heard,
                None => break,
            }
        }
        std::mem::take(&mut self.inbox.kept().heard)
    }

    /// Fails unless this was heard and nothing else, in this order on each topic. It all comes from `sender`.
    pub(super) async fn expect(&self, sender: &Self, wanted: &[(Topic, Delivery)]) -> Result<(), Broken> {
        let mut heard = self.heard(wanted.len()).await;
        // What should not come has come by now.
        sender.greet(self).await?;
        heard.extend(self.heard(0).await);
        match difference(wanted, &heard) {
            None => Ok(()),
            Some(difference) => Err(broken(format!("{self} {difference}"))),
        }
    }
}

/// How what was heard differs from what was to be, topic by topic.
pub(super) fn difference(wanted: &[(Topic, Delivery)], heard: &[(Topic, Delivery)]) -> Option<String> {
    let mut topics: Vec<&Topic> = Vec::new();
    for (topic, _) in wanted.iter().chain(heard) {
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    topics.into_iter().find_map(|topic| {
        let on = |all: &'_ [(Topic, Delivery)]| -> Vec<Delivery> {
            all.iter().filter(|(other, _)| other == topic).map(|(_, delivery)| delivery.clone()).collect()
        };
        let difference = first_difference(&on(wanted), &on(heard))?;
        Some(format!("{difference}, on {}", named(topic)))
    })
}

fn first_difference(wanted: &[Delivery], heard: &[Delivery]) -> Option<String> {
    let at = (0..wanted.len().max(heard.len())).find(|at| wanted.get(*at) != heard.get(*at))?;
    Some(match (wanted.get(at), heard.get(at)) {
        (_, Some(came)) if heard[..at].contains(came) => format!("was given {} twice", brief(came)),
        (None, Some(came)) => format!("was given {}, which was not for it", brief(came)),
        (Some(due), Some(came)) if !wanted.contains(came) => {
            format!("was given {} where {} was due", brief(came), brief(due))
        }
        (Some(wanted), Some(came)) if heard.contains(wanted) => {
            format!("was given {} before {}: out of order", brief(came), brief(wanted))
        }
        (Some(wanted), _) => format!("was not given {}", brief(wanted)),
        (None, None) => return None,
    })
}

/// A topic, short enough to read.
pub(super) fn named(topic: &Topic) -> String {
    shortened(format!("{topic:?}"))
}

/// A delivery, short enough to read.
pub(super) fn brief(delivery: &Delivery) -> String {
    if let Delivery::Notice { message: Framed { json: Some(bytes), messagepack: None }, except } = delivery
        && except.is_empty()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return shortened(format!("{text:?}"));
    }
    shortened(format!("{delivery:?}"))
}

/// A secret, short enough to read.
pub(super) fn named_secret(secret: &[u8; 32]) -> String {
    let [a, b, c, ..] = secret;
    format!("{a:02x}{b:02x}{c:02x}..")
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(120) {
        None => text,
        Some((end, _)) => format!("{}.. ({} bytes)", &text[..end], text.len()),
    }
}
