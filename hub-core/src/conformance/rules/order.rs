//! In which order, and how often.

use std::cell::Cell;

use crate::backplane::{Delivery, Topic};
use crate::conformance::bench::{Bench, Node, difference, note};
use crate::conformance::waiting::give_way;
use crate::conformance::{Broken, Cluster, broken};
use crate::together::together;

/// How many one sender publishes to one topic.
const EACH: usize = 200;

/// With three senders and four topics at the same time, each receiver is given everything that a sender published to a
/// topic, once, in the order of the calls, whether they were counted or not (guarantees 1 and 2).
pub async fn what_a_sender_publishes_to_a_topic_arrives_once_and_in_order<C: Cluster>(
    cluster: &C,
) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [one, two, three, all, some] = bench.nodes().await?;
    let (senders, receivers) = ([one, two, three], [all, some]);
    let topics = [Topic::All, Topic::Group("g".into()), Topic::User("u".into()), Topic::Connection("c".into())];
    let listens = |receiver: usize, topic: &Topic| receiver == 0 || matches!(topic, Topic::All | Topic::Group(_));
    for (number, receiver) in receivers.iter().enumerate() {
        for topic in topics.iter().filter(|topic| listens(number, topic)) {
            receiver.subscribe(topic).await?;
        }
    }
    let ways = senders.iter().flat_map(|sender| topics.iter().map(move |topic| (sender, topic)));
    let sent = together(ways.map(|(sender, topic)| publish_all(&bench, sender, topic))).await;
    sent.into_iter().collect::<Result<Vec<()>, Broken>>()?;

    for (number, receiver) in receivers.iter().enumerate() {
        let listened = topics.iter().filter(|topic| listens(number, topic)).count();
        let mut heard = receiver.heard(listened * senders.len() * EACH).await;
        for sender in &senders {
            sender.greet(receiver).await?;
        }
        heard.extend(receiver.heard(0).await);
        for sender in &senders {
            let from = format!("{sender}: ");
            let heard: Vec<_> = heard.iter().filter(|(_, delivery)| is_from(delivery, &from)).cloned().collect();
            let wanted: Vec<_> = topics
                .iter()
                .filter(|topic| listens(number, topic))
                .flat_map(|topic| (0..EACH).map(|number| (topic.clone(), numbered(sender, number))))
                .collect();
            if let Some(difference) = difference(&wanted, &heard) {
                return Err(broken(format!("{receiver} {difference}")));
            }
        }
    }
    Ok(())
}

/// How many each of three nodes publishes in turn.
const IN_TURN: usize = 20;

/// What three nodes publish in turn to one topic at the same time, each of them is given once and in one and the same
/// order, its own among it (guarantee 7).
pub async fn what_is_published_in_turn_comes_to_all_in_one_order<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let nodes = bench.nodes::<3>().await?;
    let topic = Topic::Group("g".into());
    for node in &nodes {
        node.subscribe(&topic).await?;
    }
    let sending = nodes.iter().map(|node| {
        let topic = &topic;
        async move {
            for number in 0..IN_TURN {
                node.publish_in_turn(topic, &numbered(node, number)).await?;
                give_way().await;
            }
            Ok(())
        }
    });
    together(sending).await.into_iter().collect::<Result<(), Broken>>()?;
    let mut first: Option<Vec<(Topic, Delivery)>> = None;
    for node in &nodes {
        let heard = node.heard(nodes.len() * IN_TURN).await;
        for sender in &nodes {
            let from = format!("{sender}: ");
            let heard: Vec<_> = heard.iter().filter(|(_, delivery)| is_from(delivery, &from)).cloned().collect();
            let wanted: Vec<_> = (0..IN_TURN).map(|number| (topic.clone(), numbered(sender, number))).collect();
            if let Some(difference) = difference(&wanted, &heard) {
                return Err(broken(format!("{node} {difference}")));
            }
        }
        match &first {
            None => first = Some(heard),
            Some(first) => {
                if let Some(difference) = difference(first, &heard) {
                    return Err(broken(format!("{node} was given another order than {}: it {difference}", nodes[0])));
                }
            }
        }
    }
    Ok(())
}

/// When a publication in turn is done, what another node publishes comes behind it, at that node too (guarantee 7).
pub async fn what_was_taken_comes_before_what_is_published_then<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let nodes = bench.nodes::<3>().await?;
    let [first, second, _] = &nodes;
    let topic = Topic::Group("g".into());
    for node in &nodes {
        node.subscribe(&topic).await?;
    }
    let mut wanted = Vec::new();
    for number in 0..30 {
        for node in if number % 2 == 0 { [first, second] } else { [second, first] } {
            let delivery = numbered(node, number);
            node.publish_in_turn(&topic, &delivery).await?;
            wanted.push((topic.clone(), delivery));
            // Its own inbox was given it by now.
            let heard = node.inbox.kept().heard.clone();
            if let Some(difference) = difference(&wanted, &heard) {
                return Err(broken(format!("{node} had published in turn, and {difference}")));
            }
        }
    }
    for node in &nodes {
        let heard = node.heard(wanted.len()).await;
        if let Some(difference) = difference(&wanted, &heard) {
            return Err(broken(format!("{node} {difference}")));
        }
    }
    Ok(())
}

/// What was published before its sender went, and was not refused, arrives: a process may publish and end.
pub async fn what_was_published_arrives_though_its_sender_is_gone<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [stayer, receiver] = bench.nodes().await?;
    let topic = Topic::Group("g".into());
    receiver.subscribe(&topic).await?;
    for _ in 0..5 {
        let sender = bench.node().await?;
        sender.greet(&receiver).await?;
        let sent: Vec<_> = (0..20).map(|number| (topic.clone(), numbered(&sender, number))).collect();
        for (topic, delivery) in &sent {
            sender.publish(topic, delivery).await?;
        }
        drop(sender);
        receiver.expect(&stayer, &sent).await?;
    }
    Ok(())
}

fn numbered<C>(sender: &Node<'_, C>, number: usize) -> Delivery {
    note(format!("{sender}: {number}"))
}

fn is_from(delivery: &Delivery, sender: &str) -> bool {
    matches!(delivery, Delivery::Notice { message, .. }
        if message.json.as_ref().is_some_and(|text| text.starts_with(sender.as_bytes())))
}

async fn publish_all<C: Cluster>(bench: &Bench<'_, C>, sender: &Node<'_, C>, topic: &Topic) -> Result<(), Broken> {
    for number in 0..EACH {
        let delivery = numbered(sender, number);
        let refused = Cell::new(None);
        // It may be refused because too many wait. Nothing was sent then.
        let published = async {
            loop {
                let published = if number % 5 == 4 {
                    sender.try_publish_counted(topic, &delivery).await?.map(drop)
                } else {
                    sender.try_publish(topic, &delivery).await?
                };
                match published {
                    Ok(()) => return Ok(()),
                    Err(error) => refused.set(Some(error)),
                }
                bench.pause().await;
            }
        };
        match bench.within("", published).await {
            Ok(published) => published?,
            Err(_) => {
                let why = refused.take().map_or_else(String::new, |error| format!(": {error}"));
                return Err(broken(format!("{sender} could not publish{why}")));
            }
        }
        // So that the others come between.
        give_way().await;
    }
    Ok(())
}
