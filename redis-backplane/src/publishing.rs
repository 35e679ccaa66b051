//! From the outbox to the link: in few writes, each publication until Redis has confirmed it.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesOrdered, StreamExt};
use hub_core::backplane::Unreachable;
use tokio::task::unconstrained;

use crate::lane::Lane;
use crate::link::{Flight, Link, Lost};
use crate::publication::Publication;
use crate::state::Counting;
use crate::wire;

/// How many publications are sent in one write, and of how many bytes together.
pub(crate) const BATCH: usize = 512;
const BATCH_BYTES: usize = 256 * 1024;
/// How many such writes are under way before Redis has confirmed the first, and of how many bytes together, so that few
/// large messages do not fill Redis's buffers for those who listen.
pub(crate) const WRITES: usize = 8;
const UNDER_WAY: usize = 8 * BATCH_BYTES;
/// How often a publication is written, at most: one that breaks the link each time is given up.
const TIMES: u32 = 5;

/// Publishes what is in the outbox until the link is of no use. What was not confirmed is back in the outbox then.
pub(crate) async fn publish(lane: &Lane, link: &dyn Link) -> Lost {
    let mut writes = Writes { lane, flights: FuturesOrdered::new(), batches: VecDeque::new(), under_way: 0 };
    loop {
        let may_write = writes.batches.len() < WRITES && writes.under_way < UNDER_WAY;
        tokio::select! {
            biased;
            Some(answers) = writes.flights.next(), if !writes.flights.is_empty() => {
                let refused = match answers {
                    Ok(answers) => writes.answered(answers),
                    Err(lost) => return lost,
                };
                // It may be that one channel. If nothing can be published any more, the link is of no use.
                if refused && let Err(lost) = link.may_publish().await {
                    return lost;
                }
            }
            batch = lane.outbox.take(BATCH, BATCH_BYTES), if may_write => writes.begin(link, batch),
        }
    }
}

/// Writes that are under way, in their order.
struct Writes<'a> {
    lane: &'a Lane,
    flights: FuturesOrdered<Flight>,
    batches: VecDeque<Vec<Publication>>,
    /// How many bytes those have.
    under_way: usize,
}

impl Writes<'_> {
    fn begin(&mut self, link: &dyn Link, mut batch: Vec<Publication>) {
        for publication in &mut batch {
            publication.times += 1;
            if publication.number.is_some() {
                continue;
            }
            let number = publication.sender.number(&publication.channel);
            wire::number(&mut publication.message, number);
            publication.number = Some(number);
            publication.echo = publication.turn.as_ref().is_some_and(|turn| turn.written(number));
        }
        let messages: Vec<(&str, &[u8])> =
            batch.iter().map(|publication| (&*publication.channel, &*publication.message)).collect();
        let mut flight = link.publish(&messages);
        self.under_way += bytes(&batch);
        self.batches.push_back(batch);
        // Polled once, here, for its place in the order, which it must not miss for having run long enough.
        let mut context = Context::from_waker(Waker::noop());
        match pin!(unconstrained(&mut flight)).poll(&mut context) {
            Poll::Ready(answers) => self.flights.push_back(Box::pin(std::future::ready(answers))),
            Poll::Pending => self.flights.push_back(flight),
        }
    }

    /// Whether one was refused.
    fn answered(&mut self, answers: Vec<Result<usize, String>>) -> bool {
        let Some(batch) = self.batches.pop_front() else { return false };
        self.under_way -= bytes(&batch);
        let number = batch.len();
        let (mut published, mut refused) = (0, 0);
        let missing = || Err("there is no answer".to_owned());
        let mut answers = answers.into_iter();
        for publication in batch {
            let answer = answers.next().unwrap_or_else(missing);
            if let Err(why) = &answer {
                refused += 1;
                self.lane.counting.add_refused(why);
            } else {
                published += 1;
            }
            if let Some(turn) = publication.turn.filter(|_| !publication.echo || answer.is_err()) {
                turn.give_now();
            }
            publication.waits.tell(answer.map_err(|why| Unreachable::new(format!("Redis refused: {why}"))));
        }
        Counting::add(&self.lane.counting.published, published);
        self.lane.outbox.settle(number);
        refused > 0
    }
}

impl Drop for Writes<'_> {
    /// What was written and not confirmed is written again by the next link: where it has arrived, its number tells.
    fn drop(&mut self) {
        let (again, lost): (Vec<_>, Vec<_>) =
            self.batches.drain(..).flatten().partition(|publication| publication.times < TIMES);
        self.lane.outbox.give_back(again);
        Counting::add(&self.lane.counting.lost_out, lost.len() as u64);
        self.lane.outbox.settle(lost.len());
        for publication in lost {
            let why = format!("the link to Redis was lost {TIMES} times before it confirmed");
            publication.waits.tell(Err(Unreachable::new(why)));
        }
    }
}

fn bytes(batch: &[Publication]) -> usize {
    batch.iter().map(|publication| publication.message.len()).sum()
}
