//! Publications on their way to the link: in order, bounded, and what becomes of them while the link is down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hub_core::backplane::Unreachable;
use tokio::sync::{Notify, oneshot, watch};

use crate::lock;
use crate::node::Sender;
use crate::options::{RedisOptions, WhileDown};

/// What a publication costs beside its bytes.
const OVERHEAD: usize = 128;

/// One message for one channel.
#[derive(Debug)]
pub(crate) struct Publication {
    /// Who publishes it.
    pub(crate) sender: Arc<Sender>,
    pub(crate) channel: Arc<str>,
    /// As [`wire::encode`](crate::wire::encode) gave it: its number comes when it is sent.
    pub(crate) message: Vec<u8>,
    /// Who waits for the number of receivers.
    pub(crate) reply: Option<oneshot::Sender<Result<usize, Unreachable>>>,
}

impl Publication {
    fn cost(&self) -> usize {
        self.message.len() + self.channel.len() + OVERHEAD
    }
}

/// The queue between those who publish and the link.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    bound: usize,
    patience: Duration,
    while_down: WhileDown,
    /// There is something to be taken.
    filled: Notify,
    /// How many of those accepted are confirmed, or lost.
    settled: watch::Sender<u64>,
}

#[derive(Debug)]
struct Queue {
    /// Those within the bound first, then those whose publishers wait for room. Their order is the order of the calls.
    publications: VecDeque<Queued>,
    /// How many at the front are within the bound: accepted.
    within: usize,
    /// What those cost.
    cost: usize,
    next_id: u64,
    accepted: u64,
    /// Why the link is down, if it is.
    down: Option<String>,
}

#[derive(Debug)]
struct Queued {
    id: u64,
    publication: Publication,
    /// Who waits for room.
    admitted: Option<oneshot::Sender<Result<(), Unreachable>>>,
}

impl Outbox {
    pub(crate) fn new(options: &RedisOptions) -> Self {
        let down = Some("the first attempt is under way".to_owned());
        Self {
            queue: Mutex::new(Queue {
                publications: VecDeque::new(),
                within: 0,
                cost: 0,
                next_id: 0,
                accepted: 0,
                down,
            }),
            bound: options.publish_buffer,
            patience: options.response_timeout,
            while_down: options.while_down,
            filled: Notify::new(),
            settled: watch::Sender::new(0),
        }
    }

    /// Gives a publication its place, and waits until it is within the bound.
    pub(crate) async fn put(&self, publication: Publication) -> Result<(), Unreachable> {
        let (id, mut room) = {
            let mut queue = lock(&self.queue);
            if let Some(why) = &queue.down
                && (self.while_down == WhileDown::Fail || publication.reply.is_some())
            {
                return Err(link_down(why));
            }
            let cost = publication.cost();
            let id = queue.next_id;
            queue.next_id += 1;
            if queue.publications.is_empty() || queue.has_room(cost, self.bound) {
                queue.publications.push_back(Queued { id, publication, admitted: None });
                queue.accept(cost);
                drop(queue);
                self.filled.notify_one();
                return Ok(());
            }
            if let Some(why) = &queue.down {
                return Err(Unreachable::new(format!(
                    "the publish buffer is full, and the link to Redis is down: {why}"
                )));
            }
            let (admitted, room) = oneshot::channel();
            queue.publications.push_back(Queued { id, publication, admitted: Some(admitted) });
            (id, room)
        };
        // Taken out again if the caller does not wait for it, or for too long.
        let place = Place { outbox: self, id };
        match tokio::time::timeout(self.patience, &mut room).await {
            Ok(Ok(admitted)) => admitted,
            Ok(Err(_)) => Err(Unreachable::new("the backplane was closed")),
            Err(_) if place.leave() => {
                Err(Unreachable::new(format!("the publish buffer was full for {:?}", self.patience)))
            }
            // What became of it was decided at the last moment.
            Err(_) => room.try_recv().unwrap_or(Ok(())),
        }
    }

    /// Up to so many of them, of up to so many bytes, as soon as there are any.
    pub(crate) async fn take(&self, most: usize, most_bytes: usize) -> Vec<Publication> {
        loop {
            let batch = self.take_now(most, most_bytes);
            if !batch.is_empty() {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    /// What there is of them.
    pub(crate) fn take_now(&self, most: usize, most_bytes: usize) -> Vec<Publication> {
        let mut queue = lock(&self.queue);
        let mut bytes = 0;
        let mut batch = Vec::new();
        while batch.len() < most && bytes < most_bytes && queue.within > 0 {
            let Some(Queued { publication, .. }) = queue.publications.pop_front() else { break };
            let cost = publication.cost();
            queue.within -= 1;
            queue.cost -= cost;
            bytes += cost;
            batch.push(publication);
            queue.admit(self.bound);
        }
        batch
    }

    /// So many of those taken are confirmed, or lost.
    pub(crate) fn settle(&self, number: usize) {
        self.settled.send_modify(|settled| *settled += number as u64);
    }

    /// Waits until all that was accepted so far is confirmed or lost.
    pub(crate) async fn settled(&self) {
        let accepted = lock(&self.queue).accepted;
        // The sender lives as long as this does.
        let _ = self.settled.subscribe().wait_for(|settled| *settled >= accepted).await;
    }

    pub(crate) fn up(&self) {
        lock(&self.queue).down = None;
    }

    /// Nobody waits for a broken link: who waits for room or for a number is told. What was accepted stays.
    pub(crate) fn down(&self, why: &str) {
        let mut queue = lock(&self.queue);
        queue.down = Some(why.to_owned());
        let within = queue.within;
        for waiting in queue.publications.split_off(within) {
            if let Some(admitted) = waiting.admitted {
                let _ = admitted.send(Err(link_down(why)));
            }
        }
        let before = queue.publications.len();
        for mut queued in std::mem::take(&mut queue.publications) {
            match queued.publication.reply.take() {
                Some(reply) => {
                    queue.cost -= queued.publication.cost();
                    let _ = reply.send(Err(link_down(why)));
                }
                None => queue.publications.push_back(queued),
            }
        }
        queue.within = queue.publications.len();
        let told = before - queue.within;
        drop(queue);
        self.settle(told);
    }

    /// How many were accepted and not taken.
    pub(crate) fn len(&self) -> u64 {
        lock(&self.queue).within as u64
    }
}

impl Queue {
    fn has_room(&self, cost: usize, bound: usize) -> bool {
        self.within == self.publications.len() && self.cost.saturating_add(cost) <= bound
    }

    /// The first behind those within the bound is so, too.
    fn accept(&mut self, cost: usize) {
        self.within += 1;
        self.cost += cost;
        self.accepted += 1;
    }

    /// Lets in those who wait, as far as there is room.
    fn admit(&mut self, bound: usize) {
        while let Some(next) = self.publications.get_mut(self.within) {
            let cost = next.publication.cost();
            if self.within > 0 && self.cost.saturating_add(cost) > bound {
                break;
            }
            if let Some(admitted) = next.admitted.take() {
                let _ = admitted.send(Ok(()));
            }
            self.accept(cost);
        }
    }
}

/// A place among those who wait for room.
struct Place<'a> {
    outbox: &'a Outbox,
    id: u64,
}

impl Place<'_> {
    /// Gives the place up, if it is still among those. Whether it was.
    fn leave(&self) -> bool {
        let mut queue = lock(&self.outbox.queue);
        let within = queue.within;
        // Ids ascend.
        match queue.publications.binary_search_by_key(&self.id, |queued| queued.id) {
            Ok(place) if place >= within => queue.publications.remove(place).is_some(),
            _ => false,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

fn link_down(why: &str) -> Unreachable {
    Unreachable::new(format!("the link to Redis is down: {why}"))
}
