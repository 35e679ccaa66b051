//! What a node is given, bent on its way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hub_core::backplane::{Delivery, Framed, Inbox, Reply, Topic};
use hub_core::message::Outcome;

use super::Bend;

/// What a node is given, bent.
pub(super) struct Hears {
    bend: Bend,
    hub: String,
    pub(super) inbox: Arc<dyn Inbox>,
    counts: Mutex<HashMap<Topic, usize>>,
    held: Mutex<HashMap<(Topic, usize), Delivery>>,
    pub(super) last: Mutex<Option<(Topic, Delivery)>>,
}

impl Inbox for Hears {
    fn deliver(&self, topic: &Topic, delivery: Delivery) {
        let topic = &self.back(topic);
        let nth = {
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(topic.clone()).or_default();
            *count += 1;
            *count
        };
        let seventieth = nth.is_multiple_of(70) && !matches!(topic, Topic::Node(_));
        let delivery = bent(self.bend, delivery);
        *self.last.lock().unwrap() = Some((topic.clone(), delivery.clone()));
        match self.bend {
            Bend::DelaysLarge if matches!(topic, Topic::Group(_)) && is_large(&delivery) => {
                self.held.lock().unwrap().insert((topic.clone(), nth + 1), delivery);
                return;
            }
            Bend::Loses if seventieth => return,
            Bend::Repeats if seventieth => self.inbox.deliver(topic, delivery.clone()),
            Bend::Reorders if seventieth => {
                self.held.lock().unwrap().insert((topic.clone(), nth + 10), delivery);
                return;
            }
            _ => {}
        }
        let held = self.held.lock().unwrap().remove(&(topic.clone(), nth));
        self.inbox.deliver(topic, delivery);
        if let Some(held) = held {
            self.inbox.deliver(topic, held);
        }
    }

    fn shared_secret(&self, secret: [u8; 32]) {
        if !matches!(self.bend, Bend::OwnSecrets | Bend::OneSecret | Bend::NoSecrets) {
            self.inbox.shared_secret(secret);
        }
    }
}

impl Hears {
    pub(super) fn new(bend: Bend, hub: &str, inbox: Arc<dyn Inbox>) -> Self {
        let (counts, held, last) = Default::default();
        Self { bend, hub: hub.to_owned(), inbox, counts, held, last }
    }

    /// The topic as the hub knows it.
    fn back(&self, topic: &Topic) -> Topic {
        match topic {
            Topic::Group(name) if self.bend == Bend::JoinsByColon => {
                Topic::Group(name.as_str().strip_prefix(&format!("{}:", self.hub)).unwrap_or(name).into())
            }
            Topic::User(name) if self.bend == Bend::JoinsByColon => match name.as_str().split_once('\n') {
                Some(("all", _)) => Topic::All,
                Some((_, name)) => Topic::User(name.into()),
                None => topic.clone(),
            },
            topic => topic.clone(),
        }
    }
}

fn is_large(delivery: &Delivery) -> bool {
    matches!(delivery, Delivery::Notice { message: Framed { json: Some(json), .. }, .. } if json.len() > 65_536)
}

fn bent(bend: Bend, delivery: Delivery) -> Delivery {
    match (bend, delivery) {
        (Bend::FillsIn, Delivery::Notice { message: Framed { json, messagepack: None }, except })
            if except.len() == 1 =>
        {
            Delivery::Notice { message: Framed { json, messagepack: Some(Bytes::new()) }, except }
        }
        (Bend::LosesErrors, Delivery::Reply { id, reply: Reply::Answer(Outcome::Error(_)) }) => {
            Delivery::Reply { id, reply: Reply::Answer(Outcome::Error("error".to_owned())) }
        }
        (Bend::CutsMessages, Delivery::Notice { message: Framed { json: Some(json), messagepack }, except }) => {
            let json = Some(json.slice(..json.len().min(65_536)));
            Delivery::Notice { message: Framed { json, messagepack }, except }
        }
        (_, delivery) => delivery,
    }
}
