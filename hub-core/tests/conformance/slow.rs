//! A backplane where everything takes its time, as it does over a network: calls return before others see their effect.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::backplane::{Attachment, Backplane, Delivery, InProcess, Inbox, NodeId, Subscribed, Topic, Unreachable};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Each way takes this long.
#[derive(Debug, Clone)]
pub(crate) struct Slow(pub(crate) InProcess, pub(crate) Duration);

enum Step {
    Publish(Topic, Delivery, Option<oneshot::Sender<usize>>),
    InTurn(Topic, Delivery, oneshot::Sender<()>),
    Subscribe(Topic, oneshot::Sender<()>),
    Unsubscribe(Topic),
    Secret([u8; 32]),
}

/// Does with each what `run` does, in order, each as long after it was sent.
fn later<T: Send + 'static>(latency: Duration, mut run: impl FnMut(T) + Send + 'static) -> mpsc::UnboundedSender<T> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, T)>();
    let (outer, mut incoming) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(item) = incoming.recv().await {
            let _ = sender.send((Instant::now() + latency, item));
        }
    });
    tokio::spawn(async move {
        while let Some((due, item)) = receiver.recv().await {
            sleep_until(due).await;
            run(item);
        }
    });
    outer
}

enum Heard {
    Delivery(Topic, Delivery),
    Secret([u8; 32]),
    /// What came before has been given.
    Given(oneshot::Sender<()>),
}

struct SlowInbox(mpsc::UnboundedSender<Heard>);

impl Inbox for SlowInbox {
    fn deliver(&self, topic: &Topic, delivery: Delivery) {
        let _ = self.0.send(Heard::Delivery(topic.clone(), delivery));
    }

    fn shared_secret(&self, secret: [u8; 32]) {
        let _ = self.0.send(Heard::Secret(secret));
    }
}

impl Backplane for Slow {
    fn attach(&self, hub: &str, inbox: Arc<dyn Inbox>) -> Arc<dyn Attachment> {
        let Self(medium, latency) = self.clone();
        let heard = later(latency, move |heard| match heard {
            Heard::Delivery(topic, delivery) => inbox.deliver(&topic, delivery),
            Heard::Secret(secret) => inbox.shared_secret(secret),
            Heard::Given(given) => _ = given.send(()),
        });
        let attachment = medium.attach(hub, Arc::new(SlowInbox(heard.clone())));
        let node = attachment.node();
        // It is dropped when all that was sent before is done.
        let steps = later(latency, move |step| match step {
            Step::Publish(topic, delivery, counted) => {
                let attachment = Arc::clone(&attachment);
                let published = async move { attachment.publish_counted(&topic, &delivery).await };
                // It waits for nothing.
                let count = now(published);
                if let (Some(counted), Some(Ok(count))) = (counted, count) {
                    tokio::spawn(async move {
                        tokio::time::sleep(latency).await;
                        let _ = counted.send(count);
                    });
                }
            }
            Step::InTurn(topic, delivery, given) => {
                // It waits for nothing.
                let _ = now(async { attachment.publish_in_turn(&topic, &delivery).await });
                let _ = heard.send(Heard::Given(given));
            }
            Step::Subscribe(topic, done) => {
                drop(attachment.subscribe(&topic));
                tokio::spawn(async move {
                    tokio::time::sleep(latency).await;
                    let _ = done.send(());
                });
            }
            Step::Unsubscribe(topic) => attachment.unsubscribe(&topic),
            Step::Secret(secret) => attachment.propose_secret(secret),
        });
        Arc::new(Node { node, steps })
    }
}

/// What a future gives that is ready.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut cx) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[derive(Debug)]
struct Node {
    node: NodeId,
    steps: mpsc::UnboundedSender<Step>,
}

impl Node {
    fn step(&self, step: Step) {
        let _ = self.steps.send(step);
    }
}

#[async_trait]
impl Attachment for Node {
    fn node(&self) -> NodeId {
        self.node
    }

    fn propose_secret(&self, secret: [u8; 32]) {
        self.step(Step::Secret(secret));
    }

    async fn publish(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        self.step(Step::Publish(topic.clone(), delivery.clone(), None));
        Ok(())
    }

    async fn publish_in_turn(&self, topic: &Topic, delivery: &Delivery) -> Result<(), Unreachable> {
        let (given, is_given) = oneshot::channel();
        self.step(Step::InTurn(topic.clone(), delivery.clone(), given));
        is_given.await.map_err(|_| Unreachable::new("the node ended"))
    }

    async fn publish_counted(&self, topic: &Topic, delivery: &Delivery) -> Result<usize, Unreachable> {
        let (counted, count) = oneshot::channel();
        self.step(Step::Publish(topic.clone(), delivery.clone(), Some(counted)));
        count.await.map_err(|_| Unreachable::new("the node ended"))
    }

    fn subscribe(&self, topic: &Topic) -> Subscribed {
        let (done, subscribed) = oneshot::channel();
        self.step(Step::Subscribe(topic.clone(), done));
        Box::pin(async move { _ = subscribed.await })
    }

    fn unsubscribe(&self, topic: &Topic) {
        self.step(Step::Unsubscribe(topic.clone()));
    }
}
