//! Publications on their way to the link: in order, bounded, and what becomes of them while the link is down.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hub_core::backplane::Unreachable;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::lock;
use crate::options::{RedisOptions, WhileDown};
use crate::publication::{OVERHEAD, Publication, Waits};
use crate::turns::Turn;

/// The queue between those who publish and the link.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    bound: usize,
    patience: Duration,
    while_down: WhileDown,
    fail_after: Duration,
    /// There is something to be taken.
    filled: Notify,
    /// The link is down, though it was not.
    fell: Notify,
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
    down: Option<Down>,
    /// How many bytes a message may have for its channel; and why, in words.
    largest: (usize, String),
}

#[derive(Debug)]
struct Down {
    why: String,
    /// Until when those who publish wait for it.
    until: Instant,
    /// That is over.
    overdue: bool,
}

#[derive(Debug)]
struct Queued {
    publication: Publication,
    /// Who waits for room.
    admitted: Option<oneshot::Sender<Result<(), Unreachable>>>,
}

impl Outbox {
    pub(crate) fn new(options: &RedisOptions) -> Self {
        let until = Instant::now() + options.fail_after;
        let down = Some(Down { why: "the first attempt is under way".to_owned(), until, overdue: false });
        let fell = Notify::new();
        fell.notify_one();
        Self {
            queue: Mutex::new(Queue {
                publications: VecDeque::new(),
                within: 0,
                cost: 0,
                next_id: 0,
                accepted: 0,
                down,
                largest: (usize::MAX, String::new()),
            }),
            bound: options.publish_buffer,
            patience: options.response_timeout,
            while_down: options.while_down,
            fail_after: options.fail_after,
            filled: Notify::new(),
            fell,
            settled: watch::Sender::new(0),
        }
    }

    /// Gives a publication its place, and waits until it is within the bound.
    pub(crate) async fn put(&self, mut publication: Publication) -> Result<(), Unreachable> {
        let turn = publication.turn.clone();
        let (id, mut room) = {
            let mut queue = lock(&self.queue);
            let cost = publication.cost();
            if cost - OVERHEAD > queue.largest.0 {
                return Err(too_large(cost - OVERHEAD, &queue.largest));
            }
            if let Some(Down { why, .. }) = queue.overdue() {
                match std::mem::replace(&mut publication.waits, Waits::Nobody) {
                    _ if self.while_down == WhileDown::Fail => return Err(link_down(why)),
                    Waits::Counted(_) => return Err(link_down(why)),
                    // It is kept, which is all that can be said.
                    waits => waits.tell(Ok(0)),
                }
            }
            let is_down = queue.down.is_some();
            let id = queue.next_id;
            queue.next_id += 1;
            publication.id = id;
            // Here, so that what waits for its turn has the order of the queue.
            if let Some(turn) = &turn {
                turn.wait();
            }
            let room = if queue.publications.is_empty() || queue.has_room(cost, self.bound) {
                queue.publications.push_back(Queued { publication, admitted: None });
                queue.accept(cost);
                None
            } else if let Some(Down { why, .. }) = queue.overdue() {
                return Err(full_and_down(why));
            } else {
                let (admitted, room) = oneshot::channel();
                queue.publications.push_back(Queued { publication, admitted: Some(admitted) });
                Some(room)
            };
            drop(queue);
            // Our own do not wait for a broken link.
            if let Some(turn) = turn.filter(|_| is_down) {
                turn.give_now();
            }
            let Some(room) = room else {
                self.filled.notify_one();
                return Ok(());
            };
            (id, room)
        };
        // Taken out again if the caller does not wait for it, or for too long.
        let place = Place { outbox: self, id };
        match tokio::time::timeout(self.patience, &mut room).await {
            Ok(Ok(admitted)) => admitted,
            Ok(Err(_)) => Err(Unreachable::new("the backplane was closed")),
            Err(_) if place.leave().is_some() => {
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

    /// Takes those back that were written and not confirmed, before all others.
    pub(crate) fn give_back(&self, batch: Vec<Publication>) {
        let mut queue = lock(&self.queue);
        for publication in batch.into_iter().rev() {
            queue.cost += publication.cost();
            queue.within += 1;
            queue.publications.push_front(Queued { publication, admitted: None });
        }
        drop(queue);
        self.filled.notify_one();
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

    /// The link is up. What it lets through at most, and what says so.
    pub(crate) fn up(&self, largest: (usize, String)) {
        let mut queue = lock(&self.queue);
        queue.down = None;
        queue.largest = largest;
    }

    /// The link is down, and may be back soon: who publishes waits for that a little. Our own do not.
    pub(crate) fn down(&self, why: &str) {
        let turns: Vec<Arc<Turn>> = {
            let mut queue = lock(&self.queue);
            match &mut queue.down {
                Some(down) => why.clone_into(&mut down.why),
                None => {
                    let until = Instant::now() + self.fail_after;
                    queue.down = Some(Down { why: why.to_owned(), until, overdue: false });
                    self.fell.notify_one();
                }
            }
            queue.publications.iter_mut().filter_map(|queued| queued.publication.turn.take()).collect()
        };
        turns.iter().for_each(Turn::give_now);
    }

    /// Waits until the link has been down for too long, and tells those who wait: for room, or for an answer. How many were
    /// lost by that: written, and never confirmed. What nobody waits for stays.
    pub(crate) async fn gives_up(&self) -> u64 {
        loop {
            let until = lock(&self.queue).down.as_ref().filter(|down| !down.overdue).map(|down| down.until);
            match until {
                None => self.fell.notified().await,
                Some(until) if until > Instant::now() => sleep_until(until).await,
                Some(_) => return self.give_up(),
            }
        }
    }

    fn give_up(&self) -> u64 {
        let mut queue = lock(&self.queue);
        let why = match &mut queue.down {
            Some(down) => {
                down.overdue = true;
                down.why.clone()
            }
            // It has come back this moment.
            None => return 0,
        };
        let within = queue.within;
        for waiting in queue.publications.split_off(within) {
            if let Some(admitted) = waiting.admitted {
                let _ = admitted.send(Err(full_and_down(&why)));
            }
        }
        let mut lost = 0;
        for mut queued in std::mem::take(&mut queue.publications) {
            let keeps = self.while_down == WhileDown::Wait;
            match std::mem::replace(&mut queued.publication.waits, Waits::Nobody) {
                Waits::Nobody => queue.publications.push_back(queued),
                waits @ Waits::Taken(_) if keeps => {
                    waits.tell(Ok(0));
                    queue.publications.push_back(queued);
                }
                waits => {
                    queue.cost -= queued.publication.cost();
                    lost += u64::from(queued.publication.times > 0);
                    waits.tell(Err(link_down(&why)));
                }
            }
        }
        queue.within = queue.publications.len();
        let told = within - queue.within;
        drop(queue);
        self.settle(told);
        lost
    }

    /// There will be no link any more: who waits is told.
    pub(crate) fn close(&self, why: &str) {
        self.down(why);
        let mut queue = lock(&self.queue);
        if let Some(down) = &mut queue.down {
            down.overdue = true;
        }
        let within = std::mem::take(&mut queue.within);
        queue.cost = 0;
        for queued in std::mem::take(&mut queue.publications) {
            queued.publication.waits.tell(Err(link_down(why)));
            if let Some(admitted) = queued.admitted {
                let _ = admitted.send(Err(link_down(why)));
            }
        }
        drop(queue);
        self.settle(within);
    }

    /// How many were accepted and not taken.
    pub(crate) fn len(&self) -> u64 {
        lock(&self.queue).within as u64
    }
}

impl Queue {
    /// Where the link has been down for too long.
    fn overdue(&self) -> Option<&Down> {
        self.down.as_ref().filter(|down| down.overdue || down.until <= Instant::now())
    }

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
    /// Gives the place up, if it is still among those. What was there.
    fn leave(&self) -> Option<Publication> {
        let mut queue = lock(&self.outbox.queue);
        let within = queue.within;
        // Ids ascend.
        let place = queue.publications.binary_search_by_key(&self.id, |queued| queued.publication.id).ok()?;
        let left = if place >= within { queue.publications.remove(place) } else { None };
        left.map(|left| left.publication)
    }
}

impl Drop for Place<'_> {
    /// Who does not wait for it has not published it.
    fn drop(&mut self) {
        if let Some(turn) = self.leave().and_then(|left| left.turn) {
            turn.pass();
        }
    }
}

fn link_down(why: &str) -> Unreachable {
    Unreachable::new(format!("the link to Redis is down: {why}"))
}

fn full_and_down(why: &str) -> Unreachable {
    Unreachable::new(format!("the publish buffer is full, and the link to Redis is down: {why}"))
}

fn too_large(bytes: usize, (largest, why): &(usize, String)) -> Unreachable {
    Unreachable::new(format!("the message has {bytes} bytes with its channel, and Redis lets {largest} through: {why}"))
}
