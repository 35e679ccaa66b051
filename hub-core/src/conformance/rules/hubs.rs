//! Hubs and nodes are told apart.

use std::collections::HashSet;

use crate::backplane::Topic;
use crate::conformance::bench::{Bench, note};
use crate::conformance::{Broken, Cluster, broken};

/// A delivery reaches nodes of the hub of the same name only, though names and groups be put together from the same
/// text (guarantee 6).
pub async fn hubs_of_different_names_do_not_mix<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [here, there] = [bench.backplane().await?, bench.backplane().await?];
    let base = &bench.hub;
    let names = [base.clone(), base.to_lowercase(), format!("{base}2"), format!("{base}:a"), format!("{base}*")];
    let topics = [Topic::All, Topic::Group("a:b".into()), Topic::Group("b".into()), Topic::User("a".into())];
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for name in &names {
        let (sender, receiver) = (bench.attach(&*here, name), bench.attach(&*there, name));
        receiver.subscribe(&Topic::Node(receiver.id())).await?;
        for topic in &topics {
            receiver.subscribe(topic).await?;
        }
        sender.greet(&receiver).await?;
        senders.push(sender);
        receivers.push(receiver);
    }
    let sent = |name: &str| topics.clone().map(|topic| (topic, note(format!("of {name}"))));
    for (sender, name) in senders.iter().zip(&names) {
        for (topic, delivery) in sent(name) {
            sender.publish(&topic, &delivery).await?;
        }
    }
    for ((sender, receiver), name) in senders.iter().zip(&receivers).zip(&names) {
        let heard = receiver.expect(sender, &sent(name)).await;
        heard.map_err(|Broken(why)| broken(format!("of hub {name}, {why}")))?;
    }
    Ok(())
}

/// Two hubs on one backplane do not touch each other's subscriptions, and one goes on when the other ends.
pub async fn two_hubs_on_one_backplane_are_independent<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let sender = bench.node().await?;
    let shared = bench.backplane().await?;
    let stays = bench.attach(&*shared, &bench.hub);
    let ends = bench.attach(&*shared, &format!("{}Other", bench.hub));
    stays.subscribe(&Topic::Node(stays.id())).await?;
    sender.greet(&stays).await?;
    let topic = Topic::Group("g".into());
    for node in [&stays, &ends] {
        node.subscribe(&topic).await?;
    }
    ends.unsubscribe(&topic);
    ends.subscribe(&topic).await?;
    ends.unsubscribe(&topic);
    sender.publish(&topic, &note("first")).await?;
    stays.expect(&sender, &[(topic.clone(), note("first"))]).await?;
    ends.subscribe(&topic).await?;
    drop(ends);
    // What ending one may have done to the other, it has done by now.
    stays.subscribe(&Topic::All).await?;
    sender.publish(&topic, &note("second")).await?;
    stays.expect(&sender, &[(topic, note("second"))]).await
}

/// Two hubs of the same name on one backplane are two nodes: they hear each other, and are counted as two.
pub async fn hubs_of_one_name_on_one_backplane_are_two_nodes<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let other = bench.node().await?;
    let shared = bench.backplane().await?;
    let nodes = [bench.attach(&*shared, &bench.hub), bench.attach(&*shared, &bench.hub)];
    let topic = Topic::Group("g".into());
    for node in &nodes {
        node.subscribe(&Topic::Node(node.id())).await?;
        other.greet(node).await?;
        node.greet(&other).await?;
        node.subscribe(&topic).await?;
    }
    let counted = other.publish_counted(&topic, &note("to both")).await?;
    if counted != 2 {
        return Err(broken(format!("{counted} nodes were counted where two hubs of one backplane subscribe")));
    }
    for node in &nodes {
        node.expect(&other, &[(topic.clone(), note("to both"))]).await?;
    }
    nodes[0].publish(&topic, &note("to the neighbour")).await?;
    nodes[1].expect(&nodes[0], &[(topic.clone(), note("to the neighbour"))]).await?;
    nodes[0].unsubscribe(&topic);
    other.until_counted(&topic, 1).await?;
    other.publish(&topic, &note("to one")).await?;
    nodes[1].expect(&other, &[(topic, note("to one"))]).await?;
    nodes[0].expect(&other, &[]).await
}

/// No two nodes have the same id, be they of one backplane, of one hub, or of one that is gone; and it stays.
pub async fn node_ids_are_unique_and_stay<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let backplanes = [bench.backplane().await?, bench.backplane().await?];
    let mut ids = HashSet::new();
    let mut nodes = Vec::new();
    for number in 0..24 {
        let hub = if number % 3 == 0 { format!("{}Other", bench.hub) } else { bench.hub.clone() };
        let node = bench.attach(&*backplanes[number % 2], &hub);
        let id = node.id();
        if !ids.insert(id) {
            return Err(broken(format!("two nodes have the id {id}")));
        }
        // Every second one is gone before the next comes.
        if number % 4 < 2 {
            nodes.push((node, id));
        }
    }
    match nodes.iter().find(|(node, id)| node.id() != *id) {
        Some((node, id)) => Err(broken(format!("the id of {node} was {id}, and is {} now", node.id()))),
        None => Ok(()),
    }
}
