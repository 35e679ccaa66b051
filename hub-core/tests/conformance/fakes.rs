//! The backplanes that fail on demand.

use std::sync::{Arc, Mutex};

use hub_core::backplane::{Attachment, Backplane, Delivery, Framed, InProcess, Inbox, Reply, Topic, Unreachable};
use hub_core::conformance::{Link, Lossy, Switched};

#[derive(Default)]
struct Heard(Mutex<Vec<Delivery>>);

impl Heard {
    fn take(&self) -> Vec<Delivery> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Inbox for Heard {
    fn deliver(&self, _: &Topic, delivery: Delivery) {
        self.0.lock().unwrap().push(delivery);
    }
}

/// Two nodes that subscribe to everything for everyone.
async fn pair(here: &dyn Backplane, there: &dyn Backplane) -> [(Arc<dyn Attachment>, Arc<Heard>); 2] {
    let mut nodes = Vec::new();
    for backplane in [here, there] {
        let heard = Arc::new(Heard::default());
        let node = backplane.attach("Chat", Arc::clone(&heard) as _);
        node.subscribe(&Topic::All).await;
        nodes.push((node, heard));
    }
    nodes.try_into().ok().unwrap()
}

fn reply(id: u64) -> Delivery {
    Delivery::Reply { id, reply: Reply::Done }
}

fn notice() -> Delivery {
    Delivery::Notice { message: Framed { json: None, messagepack: None }, except: Vec::new() }
}

#[tokio::test]
async fn a_lossy_one_loses_every_nth_delivery_to_each_node_and_counts_it() {
    let lossy = Lossy::every(3, InProcess::new());
    let [(here, heard_here), (there, heard_there)] = pair(&lossy, &lossy).await;
    for id in 1..=7 {
        assert_eq!(here.publish_counted(&Topic::All, &reply(id)).await, Ok(1));
        there.publish(&Topic::All, &reply(id)).await.unwrap();
    }
    for heard in [heard_here, heard_there] {
        assert_eq!(heard.take(), [1, 2, 4, 5, 7].map(reply));
    }
}

#[tokio::test]
async fn a_lossy_one_loses_what_the_test_says() {
    let medium = InProcess::new();
    let lossy = Lossy::new(medium.clone(), |_, delivery| matches!(delivery, Delivery::Reply { .. }));
    let [(here, heard_here), (there, heard_there)] = pair(&lossy, &medium).await;
    for (node, heard, wanted) in [(&there, &heard_here, &[notice()][..]), (&here, &heard_there, &[notice(), reply(1)])]
    {
        node.publish(&Topic::All, &notice()).await.unwrap();
        node.publish(&Topic::All, &reply(1)).await.unwrap();
        assert_eq!(heard.take(), wanted);
    }
}

#[tokio::test]
async fn a_silent_one_hears_nothing_and_is_counted_until_it_is_up_again() {
    let medium = InProcess::new();
    let switched = Switched::new(medium.clone());
    let [(here, heard_here), (there, heard_there)] = pair(&switched, &medium).await;
    switched.set(Link::Silent);
    assert_eq!(there.publish_counted(&Topic::All, &reply(1)).await, Ok(1));
    assert_eq!(here.publish_counted(&Topic::All, &reply(2)).await, Ok(1));
    switched.set(Link::Up);
    there.publish(&Topic::All, &reply(3)).await.unwrap();
    assert_eq!((heard_here.take(), heard_there.take()), (vec![reply(3)], vec![reply(2)]));
}

#[tokio::test]
async fn one_that_is_down_refuses_hears_nothing_and_keeps_its_subscriptions() {
    let medium = InProcess::new();
    let switched = Switched::new(medium.clone());
    let [(here, heard_here), (there, heard_there)] = pair(&switched, &medium).await;
    switched.set(Link::Down);
    let why = Unreachable::new("the link is switched off");
    assert_eq!(here.publish(&Topic::All, &reply(1)).await, Err(why.clone()));
    assert_eq!(here.publish_counted(&Topic::All, &reply(2)).await, Err(why));
    there.publish(&Topic::All, &reply(3)).await.unwrap();
    here.subscribe(&Topic::Group("g".into())).await;
    switched.set(Link::Up);
    there.publish(&Topic::Group("g".into()), &reply(4)).await.unwrap();
    there.publish(&Topic::All, &reply(5)).await.unwrap();
    assert_eq!((heard_here.take(), heard_there.take()), (vec![reply(4), reply(5)], vec![]));
}
