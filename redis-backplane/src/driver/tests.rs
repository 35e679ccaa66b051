//! The driver on a link without Redis.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use super::run;
use crate::RedisOptions;
use crate::lane::Lane;
use crate::link::fake::Fake;
use crate::lock;
use crate::node::Node;
use crate::publication::{Publication, Waits};
use crate::publishing::{BATCH, WRITES};
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
        Publication::new(&self.node.sender, "c".into(), message, Waits::Nobody)
    }

    /// Breaks the link, and waits for the next.
    async fn broken(&self) {
        let links = self.lane.counting.read().links;
        self.fake.broken.send_modify(|broken| *broken += 1);
        while self.lane.counting.read().links == links {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
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
async fn what_was_under_way_is_published_again_by_the_next_link_before_what_waited() {
    let bench = bench().await;
    let before: Vec<String> = (0..10).map(|number| format!("before {number}")).collect();
    for text in &before {
        bench.lane.outbox.put(bench.publication(text)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(bench.written(), before);
    bench.broken().await;
    bench.fake.answers.add_permits(100);
    bench.lane.outbox.put(bench.publication("after")).await.unwrap();
    bench.lane.outbox.settled().await;
    assert_eq!(bench.written()[10..20], before);
    assert_eq!(bench.written()[20..], ["after"]);
    let counters = bench.lane.counting.read();
    assert_eq!((counters.published, counters.lost_out, counters.links), (11, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn what_breaks_the_link_each_time_is_given_up() {
    let bench = bench().await;
    let (reply, answer) = oneshot::channel();
    let mut poison = bench.publication("poison");
    poison.waits = Waits::Taken(reply);
    bench.lane.outbox.put(poison).await.unwrap();
    for times in 1..=5 {
        while bench.written().len() < times {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bench.broken().await;
    }
    let error = answer.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("lost 5 times before it confirmed"), "{error}");
    bench.fake.answers.add_permits(1);
    bench.lane.outbox.put(bench.publication("after")).await.unwrap();
    bench.lane.outbox.settled().await;
    assert_eq!(bench.written()[5..], ["after"]);
    assert_eq!(bench.lane.counting.read().lost_out, 1);
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
        let wait = again(options.longest_retry + Duration::from_millis(100)).await;
        assert!(wait <= options.first_retry + Duration::from_millis(5), "{wait:?}");
    }
    for times in 1..5 {
        let wait = again(Duration::from_millis(1)).await;
        let most = options.longest_retry.min(options.first_retry * 2_u32.pow(times));
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
    for _ in 0..2 {
        bench.lane.outbox.put(bench.publication(&long)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // One under way, for it is large; one within the bound: this one has to wait.
    let waits = bench.lane.outbox.put(bench.publication("given up"));
    assert!(timeout(Duration::from_millis(1), waits).await.is_err());
    // And this one for too long.
    let error = bench.lane.outbox.put(bench.publication("too late")).await.unwrap_err();
    assert!(error.to_string().contains("the publish buffer was full for 10s"), "{error}");
    bench.fake.answers.add_permits(100);
    bench.lane.outbox.put(bench.publication("last")).await.unwrap();
    bench.lane.outbox.settled().await;
    let written = bench.written();
    assert_eq!(written.len(), 3);
    assert_eq!(written.last().map(String::as_str), Some("last"));
}
