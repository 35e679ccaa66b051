//! The task that keeps the link: dials, tells it all subscriptions, runs it until it is lost, and begins again.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::stream::{FuturesOrdered, StreamExt};
use hub_core::backplane::Unreachable;
use tokio::sync::{oneshot, watch};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep, timeout};

use crate::error::ConnectError;
use crate::events;
use crate::lane::Lane;
use crate::link::{Dial, DialError, Flight, Link, Lost};
use crate::outage::Outage;
use crate::outbox::Publication;
use crate::receiver::Receiver;
use crate::state::Counting;
use crate::wire;

/// How many publications are sent in one write, and of how many bytes together.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 256 * 1024;
/// How many such writes are under way before Redis has confirmed the first.
const WRITES: usize = 8;
/// Of how many channels Redis is told in one write.
const CHANNELS: usize = 1000;
/// How often losses are logged, if there are any.
const LOSS_WINDOW: Duration = Duration::from_secs(1);

/// Runs until the last handle is dropped. The first attempt's outcome is told once.
pub(crate) async fn run(
    lane: Arc<Lane>,
    dialler: Arc<impl Dial>,
    mut first: Option<oneshot::Sender<Result<(), ConnectError>>>,
    closed: watch::Receiver<bool>,
) {
    let mut outage = Outage::default();
    loop {
        let started = Instant::now();
        let Err(error) = session(&lane, &*dialler, &mut first, &closed).await else { break };
        if let DialError::Refused(why) = &error
            && let Some(first) = first.take()
        {
            let _ = first.send(Err(ConnectError::Refused(why.clone())));
            return;
        }
        if lane.board.is_up(lane.number) {
            outage.begin(started.elapsed(), &lane.options);
        }
        let delay = outage.delay(&lane.options);
        down(&lane, &error, delay, &mut outage);
        if let Some(first) = first.take() {
            let _ = first.send(Ok(()));
        }
        tokio::select! {
            () = sleep(delay) => {}
            () = wait_closed(&closed) => break,
        }
    }
    lane.board.remove(lane.number);
    lane.subscriptions.down();
    let left = lane.outbox.len();
    Counting::add(&lane.counting.lost_out, left);
    lane.outbox.down("the backplane was closed");
    events::losses(&lane.counting);
    events::closed(&lane.options.servers, left);
}

async fn wait_closed(closed: &watch::Receiver<bool>) {
    // The sender is dropped with the last handle: that is what is waited for.
    let _ = closed.clone().wait_for(|closed| *closed).await;
}

fn down(lane: &Lane, error: &DialError, retry: Duration, outage: &mut Outage) {
    let why = error.why();
    lane.board.down(lane.number, why);
    lane.outbox.down(why);
    lane.subscriptions.down();
    if outage.is_news(why) {
        events::down(&lane.options.servers, why, retry);
    } else {
        events::still_down(&lane.options.servers, why, retry);
    }
}

/// One link from dialling to its loss; `Ok` when the backplane was closed and all is sent.
async fn session(
    lane: &Arc<Lane>,
    dialler: &impl Dial,
    first: &mut Option<oneshot::Sender<Result<(), ConnectError>>>,
    closed: &watch::Receiver<bool>,
) -> Result<(), DialError> {
    let limit = lane.options.connect_timeout;
    let receiver = Receiver::new(lane);
    // However this ends, nothing of this link is delivered behind it.
    let _gate = receiver.gate();
    let connecting = async {
        let link = dialler.dial(receiver).await?;
        let subscriptions = lane.subscriptions.forget();
        while !lane.subscriptions.up() {
            tell(lane, &*link, lane.subscriptions.changes_now(CHANNELS)).await?;
        }
        Ok::<_, DialError>((link, subscriptions))
    };
    let connected = tokio::select! {
        connected = timeout(limit, connecting) => connected,
        () = wait_closed(closed) => return Ok(()),
    };
    let (link, subscriptions) = match connected {
        Ok(connected) => connected?,
        Err(_) => return Err(DialError::NotThere(format!("it took longer than {limit:?}, the connect_timeout"))),
    };
    lane.outbox.up();
    lane.board.up(lane.number);
    Counting::add(&lane.counting.links, 1);
    events::up(&lane.options.servers, subscriptions);
    if let Some(first) = first.take() {
        let _ = first.send(Ok(()));
    }
    let link = &*link;
    let mut publishing = pin!(publish(lane, link));
    let lost = tokio::select! {
        lost = link.lost() => lost,
        lost = &mut publishing => lost,
        lost = subscribe(lane, link) => lost,
        lost = ping(lane, link) => lost,
        lost = keep_secrets(lane, link) => lost,
        lost = log_losses(lane) => lost,
        () = wait_closed(closed) => {
            // Nobody is left to wait for it: what is accepted is sent. What cannot be is counted by who calls.
            let finishing = async {
                tokio::select! {
                    _ = &mut publishing => {}
                    () = lane.outbox.settled() => {}
                }
            };
            let _ = timeout(lane.options.response_timeout, finishing).await;
            return Ok(());
        }
    };
    Err(lost.into())
}

async fn tell(lane: &Lane, link: &dyn Link, changes: crate::subscriptions::Changes) -> Result<(), Lost> {
    // A channel is in one of them only.
    let subscribing = link.subscribe(&changes.subscribe);
    let unsubscribing = link.unsubscribe(&changes.unsubscribe);
    tokio::try_join!(subscribing, unsubscribing)?;
    lane.subscriptions.confirmed(&changes.subscribe);
    Ok(())
}

async fn subscribe(lane: &Lane, link: &dyn Link) -> Lost {
    loop {
        let changes = lane.subscriptions.changes(CHANNELS).await;
        if let Err(lost) = tell(lane, link, changes).await {
            return lost;
        }
    }
}

async fn ping(lane: &Lane, link: &dyn Link) -> Lost {
    loop {
        sleep(lane.options.ping_interval).await;
        if let Err(lost) = link.ping().await {
            return lost;
        }
    }
}

async fn log_losses(lane: &Lane) -> Lost {
    loop {
        sleep(LOSS_WINDOW).await;
        events::losses(&lane.counting);
    }
}

/// Redis may lose a secret while the link is up: it is flushed, or evicts keys, or fails over to who did not have it yet.
/// A node that starts then would have another one kept, and its tokens would be good nowhere else.
async fn keep_secrets(lane: &Lane, link: &dyn Link) -> Lost {
    loop {
        for node in lane.nodes() {
            if let Err(lost) = lane.keep_secret(&node, link).await {
                return lost;
            }
        }
        tokio::select! {
            () = lane.proposed.notified() => {}
            () = sleep(lane.options.ping_interval) => {}
        }
    }
}

/// Writes that are under way, in their order.
struct Writes<'a> {
    lane: &'a Lane,
    flights: FuturesOrdered<Flight>,
    batches: VecDeque<Vec<Publication>>,
}

async fn publish(lane: &Lane, link: &dyn Link) -> Lost {
    let mut writes = Writes { lane, flights: FuturesOrdered::new(), batches: VecDeque::new() };
    loop {
        tokio::select! {
            biased;
            Some(answers) = writes.flights.next(), if !writes.flights.is_empty() => match answers {
                Ok(answers) => writes.answered(answers),
                Err(lost) => return lost,
            },
            batch = lane.outbox.take(BATCH, BATCH_BYTES), if writes.batches.len() < WRITES => {
                if let Err(lost) = writes.begin(link, batch) {
                    return lost;
                }
            }
        }
    }
}

impl Writes<'_> {
    fn begin(&mut self, link: &dyn Link, mut batch: Vec<Publication>) -> Result<(), Lost> {
        for publication in &mut batch {
            let number = publication.sender.number(&publication.channel);
            wire::number(&mut publication.message, number);
        }
        let messages: Vec<(&str, &[u8])> =
            batch.iter().map(|publication| (&*publication.channel, &*publication.message)).collect();
        let mut flight = link.publish(&messages);
        for publication in &mut batch {
            // It is written: what is kept is who waits.
            publication.message = Vec::new();
        }
        self.batches.push_back(batch);
        // Polled once, here, for its place in the order, which it must not miss for having run long enough.
        let mut context = Context::from_waker(Waker::noop());
        match pin!(unconstrained(&mut flight)).poll(&mut context) {
            Poll::Ready(answers) => self.flights.push_back(Box::pin(std::future::ready(answers))),
            Poll::Pending => self.flights.push_back(flight),
        }
        Ok(())
    }

    fn answered(&mut self, answers: Vec<Result<usize, String>>) {
        let Some(batch) = self.batches.pop_front() else { return };
        let number = batch.len();
        let (mut published, mut refused) = (0, 0);
        let missing = || Err("there is no answer".to_owned());
        let mut answers = answers.into_iter();
        for publication in batch {
            let answer = answers.next().unwrap_or_else(missing);
            match &answer {
                Ok(_) => published += 1,
                Err(why) => {
                    refused += 1;
                    events::publication_refused(&publication.channel, why);
                }
            }
            if let Some(reply) = publication.reply {
                let _ = reply.send(answer.map_err(Unreachable::new));
            }
        }
        Counting::add(&self.lane.counting.published, published);
        Counting::add(&self.lane.counting.lost_out, refused);
        self.lane.outbox.settle(number);
    }
}

impl Drop for Writes<'_> {
    /// What was written and not confirmed is lost, as far as we know; it is not repeated.
    fn drop(&mut self) {
        for batch in self.batches.drain(..) {
            Counting::add(&self.lane.counting.lost_out, batch.len() as u64);
            self.lane.outbox.settle(batch.len());
            for reply in batch.into_iter().filter_map(|publication| publication.reply) {
                let _ = reply.send(Err(Unreachable::new("the link to Redis was lost before it confirmed")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::sync::{oneshot, watch};
    use tokio::time::{Instant, timeout};

    use super::{BATCH, WRITES, run};
    use crate::RedisOptions;
    use crate::lane::Lane;
    use crate::link::fake::Fake;
    use crate::lock;
    use crate::node::Node;
    use crate::outbox::Publication;
    use crate::wire;
    use hub_core::backplane::{Delivery, Inbox, Topic};

    struct Nothing;

    impl Inbox for Nothing {
        fn deliver(&self, _: &Topic, _: Delivery) {
            panic!("a link that is lost delivers no more");
        }
    }

    struct Bench {
        fake: Fake,
        lane: Arc<Lane>,
        node: Arc<Node>,
        _open: watch::Sender<bool>,
    }

    async fn bench() -> Bench {
        let fake = Fake::default();
        let lane = Arc::new(Lane::new(0, &Arc::new(RedisOptions::default()), &Arc::default(), &Arc::default()));
        let (open, closed) = watch::channel(false);
        let (first, up) = oneshot::channel();
        tokio::spawn(run(Arc::clone(&lane), Arc::new(fake.clone()), Some(first), closed));
        assert_eq!(up.await, Ok(Ok(())));
        Bench { fake, lane, node: Arc::new(Node::new("Chat", Arc::new(Nothing))), _open: open }
    }

    impl Bench {
        /// A message of which a fake link keeps the text.
        fn publication(&self, text: &str) -> Publication {
            let mut message = vec![0; 20];
            message.extend_from_slice(text.as_bytes());
            Publication { sender: Arc::clone(&self.node.sender), channel: "c".into(), message, reply: None }
        }

        fn written(&self) -> Vec<String> {
            lock(&self.fake.writes).concat()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_publications_share_few_writes_and_keep_their_order() {
        let bench = bench().await;
        let texts: Vec<String> = (0..10 * BATCH).map(|number| number.to_string()).collect();
        for text in &texts {
            bench.lane.outbox.put(bench.publication(text)).await.unwrap();
        }
        // No answer yet: so many writes are under way, and no more.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(lock(&bench.fake.writes).len(), WRITES);
        assert_eq!(bench.written(), texts[..WRITES * BATCH]);
        bench.fake.answers.add_permits(100);
        bench.lane.outbox.settled().await;
        assert_eq!(lock(&bench.fake.writes).len(), 10);
        assert_eq!(bench.written(), texts);
        assert_eq!(bench.lane.counting.read().published, texts.len() as u64);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_under_way_is_lost_and_what_waited_is_sent_by_the_next_link() {
        let bench = bench().await;
        for number in 0..10 {
            bench.lane.outbox.put(bench.publication(&format!("before {number}"))).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(bench.written().len(), 10);
        bench.fake.broken.send_modify(|broken| *broken += 1);
        while bench.fake.dialled.load(Ordering::SeqCst) < 2 || !bench.lane.board.is_up(0) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bench.fake.answers.add_permits(100);
        bench.lane.outbox.put(bench.publication("after")).await.unwrap();
        bench.lane.outbox.settled().await;
        assert_eq!(bench.written().len(), 11, "nothing is repeated");
        let counters = bench.lane.counting.read();
        assert_eq!((counters.published, counters.lost_out, counters.links), (1, 10, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_lasted_is_made_again_at_once_and_one_that_did_not_is_made_later_each_time() {
        let bench = bench().await;
        let options = RedisOptions::default();
        let again = async |after: Duration| {
            tokio::time::sleep(after).await;
            let (dialled, lost) = (bench.fake.dialled.load(Ordering::SeqCst), Instant::now());
            bench.fake.broken.send_modify(|broken| *broken += 1);
            while bench.fake.dialled.load(Ordering::SeqCst) == dialled || !bench.lane.board.is_up(0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            lost.elapsed()
        };
        for _ in 0..10 {
            let wait = again(options.ping_interval + Duration::from_millis(100)).await;
            assert!(wait <= options.first_retry + Duration::from_millis(5), "{wait:?}");
        }
        for times in 1..5 {
            let wait = again(Duration::from_millis(1)).await;
            let most = options.first_retry * 2_u32.pow(times);
            assert!(wait >= most / 2 && wait <= most + Duration::from_millis(5), "{wait:?} at {times}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_delivered_from_a_link_that_was_given_up() {
        let bench = bench().await;
        let name: Arc<str> = "c".into();
        drop(bench.lane.subscriptions.subscribe(&name, &Topic::All, &bench.node));
        let old = lock(&bench.fake.receive).take().unwrap();
        bench.fake.broken.send_modify(|broken| *broken += 1);
        while bench.fake.dialled.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let other = Node::new("Chat", Arc::new(Nothing));
        let reply = Delivery::Reply { id: 1, reply: hub_core::backplane::Reply::Done };
        old.receive(b"c", Bytes::from(wire::encode(other.sender.id, &reply)));
        assert_eq!(bench.lane.counting.read().received, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_that_goes_away_leaves_no_message_behind() {
        let bench = bench().await;
        let long = "x".repeat(bench.lane.options.publish_buffer);
        for _ in 0..WRITES + 1 {
            bench.lane.outbox.put(bench.publication(&long)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Eight under way, one within the bound: this one has to wait.
        let waits = bench.lane.outbox.put(bench.publication("given up"));
        assert!(timeout(Duration::from_millis(1), waits).await.is_err());
        // And this one for too long.
        let error = bench.lane.outbox.put(bench.publication("too late")).await.unwrap_err();
        assert!(error.to_string().contains("the publish buffer was full for 3s"), "{error}");
        bench.fake.answers.add_permits(100);
        bench.lane.outbox.put(bench.publication("last")).await.unwrap();
        bench.lane.outbox.settled().await;
        let written = bench.written();
        assert_eq!(written.len(), WRITES + 2);
        assert_eq!(written.last().map(String::as_str), Some("last"));
    }
}
