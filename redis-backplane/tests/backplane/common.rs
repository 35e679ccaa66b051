//! Nodes whose inbox is a channel.

use std::sync::Arc;
use std::time::Duration;

use hub_core::backplane::{Attachment, Backplane, Delivery, Framed, Inbox, Topic};
use redis_backplane::{LinkState, RedisBackplane, RedisOptions};
use tokio::sync::mpsc;

/// What a guard waits before it says that nothing came. A Sentinel that finds the machine slow does nothing for 30 s.
const GUARD: Duration = Duration::from_secs(90);

/// Options of a server, with intervals for tests.
pub(crate) fn options(url: &str) -> RedisOptions {
    RedisOptions {
        ping_interval: Duration::from_millis(100),
        response_timeout: Duration::from_millis(500),
        connect_timeout: Duration::from_secs(2),
        longest_retry: Duration::from_millis(200),
        fail_after: Duration::from_millis(200),
        ..RedisOptions::from_url(url).unwrap()
    }
}

/// A backplane that is up.
pub(crate) async fn connected(options: RedisOptions) -> RedisBackplane {
    let backplane = RedisBackplane::connect(options).await.unwrap();
    up(&backplane).await;
    backplane
}

pub(crate) async fn up(backplane: &RedisBackplane) {
    let mut link = backplane.link();
    if tokio::time::timeout(GUARD, link.wait_for(LinkState::is_up)).await.is_err() {
        panic!("the link is not up for {GUARD:?}: {backplane:?}");
    }
}

/// Waits for the link to be down, and gives why it is.
pub(crate) async fn down(backplane: &RedisBackplane) -> String {
    let mut link = backplane.link();
    match &*guard("the link is down", link.wait_for(|link| !link.is_up())).await.unwrap() {
        LinkState::Down { why, .. } => why.clone(),
        LinkState::Up => unreachable!(),
    }
}

pub(crate) async fn guard<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(GUARD, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited for {GUARD:?}: {what}"),
    }
}

/// Waits until something is so that nobody tells.
pub(crate) async fn until(what: &str, so: impl Fn() -> bool) {
    guard(what, async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A node, and what it is given.
pub(crate) struct Node {
    pub(crate) attachment: Arc<dyn Attachment>,
    deliveries: mpsc::UnboundedReceiver<(Topic, Delivery)>,
    secrets: mpsc::UnboundedReceiver<[u8; 32]>,
}

struct Recorder {
    deliveries: mpsc::UnboundedSender<(Topic, Delivery)>,
    secrets: mpsc::UnboundedSender<[u8; 32]>,
}

impl Inbox for Recorder {
    fn deliver(&self, topic: &Topic, delivery: Delivery) {
        let _ = self.deliveries.send((topic.clone(), delivery));
    }

    fn shared_secret(&self, secret: [u8; 32]) {
        let _ = self.secrets.send(secret);
    }
}

impl Node {
    pub(crate) fn new(backplane: &RedisBackplane, hub: &str) -> Self {
        let (to_deliveries, deliveries) = mpsc::unbounded_channel();
        let (to_secrets, secrets) = mpsc::unbounded_channel();
        let inbox = Arc::new(Recorder { deliveries: to_deliveries, secrets: to_secrets });
        Self { attachment: backplane.attach(hub, inbox), deliveries, secrets }
    }

    /// A node that is subscribed already.
    pub(crate) async fn listening(backplane: &RedisBackplane, hub: &str, topics: &[Topic]) -> Self {
        let node = Self::new(backplane, hub);
        for topic in topics {
            node.subscribe(topic).await;
        }
        node
    }

    pub(crate) async fn subscribe(&self, topic: &Topic) {
        guard("the subscription is in force", self.attachment.subscribe(topic)).await;
    }

    pub(crate) async fn send(&self, topic: &Topic, text: &str) {
        guard("the publication is accepted", self.attachment.publish(topic, &notice(text))).await.unwrap();
    }

    /// The next delivery, which has to be a notice.
    pub(crate) async fn next(&mut self) -> (Topic, String) {
        let (topic, delivery) = guard("a delivery", self.deliveries.recv()).await.unwrap();
        (topic, text(&delivery))
    }

    /// The text of the next delivery.
    pub(crate) async fn text(&mut self) -> String {
        self.next().await.1
    }

    /// The texts of so many.
    pub(crate) async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            texts.push(self.text().await);
        }
        texts
    }

    /// The next delivery, whatever it is.
    pub(crate) async fn delivery(&mut self) -> Delivery {
        guard("a delivery", self.deliveries.recv()).await.unwrap().1
    }

    /// What has arrived.
    pub(crate) fn now(&mut self) -> Option<String> {
        self.deliveries.try_recv().ok().map(|(_, delivery)| text(&delivery))
    }

    pub(crate) async fn secret(&mut self) -> [u8; 32] {
        guard("the secret", self.secrets.recv()).await.unwrap()
    }
}

pub(crate) fn notice(text: &str) -> Delivery {
    let message = Framed { json: Some(text.to_owned().into()), messagepack: None };
    Delivery::Notice { message, except: Vec::new() }
}

pub(crate) fn text(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Notice { message: Framed { json: Some(json), .. }, .. } => String::from_utf8_lossy(json).into_owned(),
        other => panic!("{other:?} is no notice of a test"),
    }
}

pub(crate) fn group(name: &str) -> Topic {
    Topic::Group(name.into())
}
