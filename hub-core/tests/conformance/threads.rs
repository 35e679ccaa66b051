//! The backplane in process, used by many threads at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use hub_core::backplane::{Attachment, Backplane, Delivery, InProcess, Inbox, Reply, Topic};

const SENDERS: u64 = 4;
const EACH: u64 = 5_000;

/// The ids of replies, which say who sent them.
#[derive(Default)]
struct Heard(Mutex<HashMap<Topic, Vec<u64>>>);

impl Inbox for Heard {
    fn deliver(&self, topic: &Topic, delivery: Delivery) {
        if let Delivery::Reply { id, .. } = delivery {
            self.0.lock().unwrap().entry(topic.clone()).or_default().push(id);
        }
    }
}

fn attach(backplane: &InProcess) -> (Arc<dyn Attachment>, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    (backplane.attach("Chat", Arc::clone(&heard) as _), heard)
}

/// Guarantees 1 and 2, with threads that publish to the same topics while others come, go and subscribe.
#[test]
fn order_holds_between_threads() {
    let backplane = InProcess::new();
    let topics = [Topic::All, Topic::Group("g".into())];
    let block_on = |future| tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
    let receivers = [attach(&backplane), attach(&backplane)];
    for (receiver, _) in &receivers {
        topics.iter().for_each(|topic| drop(receiver.subscribe(topic)));
    }
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (backplane, topics) = (&backplane, &topics);
            scope.spawn(move || {
                let (node, _) = attach(backplane);
                block_on(Box::pin(async move {
                    for number in 0..EACH {
                        for topic in topics {
                            let delivery = Delivery::Reply { id: sender * EACH + number, reply: Reply::Done };
                            node.publish(topic, &delivery).await.unwrap();
                        }
                    }
                }));
            });
        }
        scope.spawn(|| {
            for _ in 0..EACH {
                let (passing, _) = attach(&backplane);
                topics.iter().for_each(|topic| drop(passing.subscribe(topic)));
                passing.unsubscribe(&topics[0]);
            }
        });
    });
    for (_, heard) in &receivers {
        let heard = heard.0.lock().unwrap();
        for topic in &topics {
            for sender in 0..SENDERS {
                let all = sender * EACH..(sender + 1) * EACH;
                let from: Vec<u64> = heard[topic].iter().copied().filter(|id| all.contains(id)).collect();
                assert!(from.iter().copied().eq(all), "of sender {sender}, on {topic:?}");
            }
        }
    }
}
