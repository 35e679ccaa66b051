//! From when to when a node hears a topic.

use std::sync::Arc;

use crate::backplane::{Delivery, Topic};
use crate::conformance::bench::{Bench, note};
use crate::conformance::{Broken, Cluster, broken};
use crate::together::together;

/// What is published from the moment on in which the future of `subscribe` is done, arrives (guarantee 3).
pub async fn a_subscription_is_in_force_when_its_future_is_done<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, receiver] = bench.nodes().await?;
    for number in 0..50 {
        let topic = Topic::Group(format!("g{number}").into());
        receiver.subscribe(&topic).await?;
        sender.publish(&topic, &note("at once")).await?;
        receiver.expect(&sender, &[(topic, note("at once"))]).await?;
    }
    Ok(())
}

/// As many subscriptions as are made at once, all are in force when their futures are done.
pub async fn many_subscriptions_made_at_once_are_all_in_force<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, receiver] = bench.nodes().await?;
    let topics: Vec<Topic> = (0..300).map(|number| Topic::User(format!("u{number}").into())).collect();
    let subscribed: Vec<_> = topics.iter().map(|topic| receiver.attachment.subscribe(topic)).collect();
    bench.within("300 subscriptions made at once were not done", together(subscribed)).await?;
    let mut wanted = Vec::new();
    for topic in topics {
        sender.publish(&topic, &note("at once")).await?;
        wanted.push((topic, note("at once")));
    }
    receiver.expect(&sender, &wanted).await
}

/// A topic that is unsubscribed from and at once subscribed to again is heard.
pub async fn a_topic_subscribed_to_again_at_once_is_heard<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, receiver] = bench.nodes().await?;
    let topic = Topic::Group("g".into());
    receiver.subscribe(&topic).await?;
    for times in 1..30 {
        for _ in 0..times % 4 {
            receiver.unsubscribe(&topic);
            // Not waited for, so that the next comes before it is in force.
            drop(receiver.attachment.subscribe(&topic));
        }
        receiver.unsubscribe(&topic);
        receiver.subscribe(&topic).await?;
        let counted = sender.publish_counted(&topic, &note(times.to_string())).await?;
        if counted != 1 {
            return Err(broken(format!("{counted} nodes were counted right after a topic was subscribed to again")));
        }
        receiver.expect(&sender, &[(topic.clone(), note(times.to_string()))]).await?;
    }
    // An unsubscription that was late would do its harm now.
    bench.pause().await;
    sender.publish(&topic, &note("still")).await?;
    receiver.expect(&sender, &[(topic, note("still"))]).await
}

/// A node that subscribed twice is given each delivery once, and still hears after it unsubscribed once.
pub async fn subscriptions_are_counted<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, receiver] = bench.nodes().await?;
    let topic = Topic::Group("g".into());
    // The second is asked for before the first is in force, and must not be done sooner.
    let first = receiver.attachment.subscribe(&topic);
    receiver.subscribe(&topic).await?;
    sender.publish(&topic, &note("two")).await?;
    bench.within("the first of two subscriptions was not done", first).await?;
    receiver.expect(&sender, &[(topic.clone(), note("two"))]).await?;
    receiver.unsubscribe(&topic);
    sender.publish(&topic, &note("one")).await?;
    receiver.expect(&sender, &[(topic.clone(), note("one"))]).await?;
    // An unsubscription that was late would do its harm now.
    bench.pause().await;
    sender.publish(&topic, &note("one still")).await?;
    receiver.expect(&sender, &[(topic.clone(), note("one still"))]).await
}

/// A topic that a node has unsubscribed from as often as subscribed to falls silent soon.
pub async fn a_topic_falls_silent_with_its_last_subscription<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, leaver, stayer] = bench.nodes().await?;
    for (topic, other) in [
        (Topic::Group("g".into()), Topic::Group("h".into())),
        (Topic::All, Topic::User("u".into())),
        (Topic::Connection("c".into()), Topic::All),
    ] {
        for node in [&leaver, &stayer] {
            for topic in [&topic, &topic, &other] {
                node.subscribe(topic).await?;
            }
        }
        leaver.unsubscribe(&topic);
        leaver.unsubscribe(&topic);
        sender.until_counted(&topic, 1).await?;
        let both = [(topic.clone(), note("who is left?")), (other.clone(), note("who is here?"))];
        for (topic, delivery) in &both {
            sender.publish(topic, delivery).await?;
        }
        stayer.expect(&sender, &both).await?;
        leaver.expect(&sender, &both[1..]).await?;
        for (node, topics) in [(&leaver, &[&other][..]), (&stayer, &[&topic, &topic, &other])] {
            topics.iter().for_each(|topic| node.unsubscribe(topic));
        }
        sender.until_counted(&topic, 0).await?;
        sender.until_counted(&other, 0).await?;
    }
    Ok(())
}

/// Dropping the future of a subscription takes nothing back.
pub async fn a_subscription_holds_though_nobody_waits_for_it<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, receiver] = bench.nodes().await?;
    let topics: Vec<Topic> = (0..20).map(|number| Topic::Group(format!("g{number}").into())).collect();
    for topic in &topics {
        drop(receiver.attachment.subscribe(topic));
    }
    let mut wanted = Vec::new();
    for topic in topics {
        sender.until_counted(&topic, 1).await?;
        sender.publish(&topic, &note("heard")).await?;
        wanted.push((topic, note("heard")));
    }
    receiver.expect(&sender, &wanted).await
}

/// The future of a subscription that is taken back before it is in force is done all the same.
pub async fn a_subscription_taken_back_early_holds_up_nobody<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, receiver] = bench.nodes().await?;
    let topic = Topic::Group("g".into());
    for _ in 0..20 {
        let early = receiver.attachment.subscribe(&topic);
        receiver.unsubscribe(&topic);
        bench.within("a subscription taken back early was not done", early).await?;
    }
    sender.until_counted(&topic, 0).await?;
    receiver.subscribe(&topic).await?;
    sender.publish(&topic, &note("heard")).await?;
    receiver.expect(&sender, &[(topic, note("heard"))]).await
}

/// A dropped attachment is given nothing any more, counts nowhere, and lets its inbox go. Others go on.
pub async fn a_dropped_attachment_hears_nothing_and_counts_nowhere<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, stayer] = bench.nodes().await?;
    let leaver = bench.node().await?;
    sender.greet(&leaver).await?;
    let topics = [Topic::All, Topic::Group("g".into()), Topic::User("u".into())];
    for topic in &topics {
        for node in [&leaver, &leaver, &stayer] {
            node.subscribe(topic).await?;
        }
    }
    let (name, own, inbox) = (leaver.to_string(), Topic::Node(leaver.id()), Arc::clone(&leaver.inbox));
    drop(leaver);
    sender.until_counted(&own, 0).await?;
    let mut wanted = Vec::new();
    for topic in &topics {
        sender.until_counted(topic, 1).await?;
        sender.publish(topic, &note("who is left?")).await?;
        wanted.push((topic.clone(), note("who is left?")));
    }
    stayer.expect(&sender, &wanted).await?;
    if let Some((topic, _)) = inbox.kept().heard.first() {
        return Err(broken(format!("{name} was given something on {topic:?} after its attachment was dropped")));
    }
    let let_go = async {
        while Arc::strong_count(&inbox) > 1 {
            bench.pause().await;
        }
    };
    bench.within(format_args!("the inbox of {name}, whose attachment was dropped, was not let go"), let_go).await
}

/// An inbox may subscribe and unsubscribe while it is given a delivery: nothing is locked that these need.
pub async fn an_inbox_may_subscribe_while_it_is_given_a_delivery<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, receiver] = bench.nodes().await?;
    let [ask, new, old] = ["ask", "new", "old"].map(|name| Topic::Group(name.into()));
    receiver.subscribe(&ask).await?;
    receiver.subscribe(&old).await?;
    let attachment = Arc::downgrade(&receiver.attachment);
    let topics = [&ask, &new, &old].map(Clone::clone);
    receiver.inbox.then(move |topic, _: &Delivery| {
        let [ask, new, old] = &topics;
        if let Some(attachment) = attachment.upgrade().filter(|_| topic == ask) {
            drop(attachment.subscribe(new));
            attachment.unsubscribe(old);
        }
    });
    sender.publish(&ask, &note("now")).await?;
    sender.until_counted(&new, 1).await?;
    sender.until_counted(&old, 0).await?;
    sender.publish(&new, &note("heard")).await?;
    receiver.expect(&sender, &[(ask, note("now")), (new, note("heard"))]).await
}
