//! What holds while the link is down, and after. Checked where [`Cluster::CAN_CUT`].

use std::future::{Future, pending};

use super::secret::agree;
use crate::backplane::{Delivery, Topic};
use crate::conformance::bench::{Bench, Node, brief, difference, note};
use crate::conformance::recorder::Kept;
use crate::conformance::waiting::before;
use crate::conformance::{Broken, Cluster, broken};
use crate::together::together;

/// Runs a rule, after which the link is up again, however it went.
async fn with_cuts<C: Cluster>(cluster: &C, rule: impl Future<Output = Result<(), Broken>>) -> Result<(), Broken> {
    if !C::CAN_CUT {
        return Err(broken("not checked: this cluster cannot be cut"));
    }
    let result = rule.await;
    cluster.restore().await;
    result
}

/// No call waits for a link that is down, and what is done meanwhile holds afterwards (guarantee 5).
pub async fn nobody_waits_for_a_broken_link<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let rule = async {
        let [sender, receiver] = bench.nodes().await?;
        let another = bench.backplane().await?;
        let topic = Topic::Group("g".into());
        receiver.subscribe(&topic).await?;
        cluster.cut().await;
        let many = async {
            for number in 0..50 {
                // Whether it fails or is kept is the backplane's choice.
                let _ = sender.try_publish(&topic, &note(number.to_string())).await?;
                receiver.subscribe(&Topic::Group(format!("g{number}").into())).await?;
                receiver.unsubscribe(&Topic::Group(format!("g{number}").into()));
            }
            Ok(())
        };
        bench.within("50 publications and subscriptions over a link that was down did not return", many).await??;
        let counted = sender.try_publish_counted(&topic, &note("counted")).await?;
        sender.attachment.propose_secret([1; 32]);
        // A node may begin and end meanwhile.
        let passing = bench.attach(&*another, &bench.hub);
        passing.subscribe(&topic).await?;
        drop(passing);
        cluster.restore().await;
        bench.meet(&[sender, receiver]).await?;
        match counted {
            Ok(counted) if counted > 0 => {
                Err(broken(format!("publish_counted counted {counted} nodes over a link that was down")))
            }
            _ => Ok(()),
        }
    };
    with_cuts(cluster, rule).await
}

/// After a cut, nodes subscribe to what they did before, less and more what they changed meanwhile (guarantee 3).
pub async fn subscriptions_come_back_with_the_link<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let rule = async {
        let [sender, receiver] = bench.nodes().await?;
        let [before, counted, during, ended, taken_back] =
            ["before", "counted", "during", "ended", "taken back"].map(|name| Topic::Group(name.into()));
        let others = [Topic::All, Topic::User("u".into()), Topic::Connection("c".into())];
        for topic in [&before, &counted, &counted, &ended].into_iter().chain(&others) {
            receiver.subscribe(topic).await?;
        }
        cluster.cut().await;
        receiver.unsubscribe(&ended);
        receiver.unsubscribe(&counted);
        receiver.subscribe(&during).await?;
        receiver.subscribe(&taken_back).await?;
        receiver.unsubscribe(&taken_back);
        cluster.restore().await;
        let (there, gone) = ([before, counted, during].into_iter().chain(others), [ended, taken_back]);
        let due: Vec<_> = there.map(|topic| (topic, note("back again"))).collect();
        for (topic, count) in due.iter().map(|(topic, _)| (topic, 1)).chain(gone.iter().map(|topic| (topic, 0))) {
            sender.until_counted(topic, count).await?;
        }
        for topic in due.iter().map(|(topic, _)| topic).chain(&gone) {
            sender.publish(topic, &note("back again")).await?;
        }
        receiver.expect(&sender, &due).await
    };
    with_cuts(cluster, rule).await
}

/// Through two cuts, what arrives is in order, comes once, and was not refused; and nothing is lost while the link is
/// up (guarantees 1 and 2).
pub async fn order_holds_across_a_cut_and_nothing_comes_twice<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let rule = async {
        let [sender, receiver] = bench.nodes().await?;
        let topic = Topic::Group("g".into());
        receiver.subscribe(&topic).await?;
        let mut numbers = Numbers { next: 0, sent: Vec::new(), due: Vec::new() };
        for _ in 0..2 {
            numbers.publish_all(&sender, &topic).await?;
            numbers.until_heard(&bench, &receiver).await?;
            cluster.cut().await;
            for _ in 0..100 {
                numbers.publish(&sender, &topic).await?;
            }
            cluster.restore().await;
            // The first that arrives shows that the link is back.
            let back = async {
                let mut since = Vec::new();
                loop {
                    since.push(numbers.publish(&sender, &topic).await?);
                    let heard = |kept: &Kept| kept.heard.iter().any(|(_, came)| since.contains(came)).then_some(());
                    if before(bench.pause(), receiver.inbox.until(heard)).await.is_some() {
                        return Ok(());
                    }
                }
            };
            bench.within(format_args!("{receiver} did not hear {sender} again"), back).await??;
        }
        numbers.publish_all(&sender, &topic).await?;
        numbers.until_heard(&bench, &receiver).await?;
        sender.greet(&receiver).await?;
        let heard: Vec<Delivery> = receiver.heard(0).await.into_iter().map(|(_, delivery)| delivery).collect();
        numbers.check(&heard).map_err(|why| broken(format!("{receiver} {why}")))
    };
    with_cuts(cluster, rule).await
}

/// All nodes have one secret in common again after a cut, also one that came while the link was down.
pub async fn all_nodes_have_one_secret_again_after_a_cut<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let rule = async {
        let [first, second] = bench.nodes().await?;
        first.attachment.propose_secret([1; 32]);
        second.attachment.propose_secret([2; 32]);
        agree(&bench, &[&first, &second]).await?;
        let another = bench.backplane().await?;
        cluster.cut().await;
        let late = bench.attach(&*another, &bench.hub);
        late.attachment.propose_secret([3; 32]);
        cluster.restore().await;
        late.subscribe(&Topic::Node(late.id())).await?;
        let nodes = [first, second, late];
        bench.meet(&nodes).await?;
        agree(&bench, &nodes.each_ref()).await.map(drop)
    };
    with_cuts(cluster, rule).await
}

/// While the link is down, what a node publishes in turn its own inbox is given, whether the publication fails or not,
/// and once (guarantee 7).
pub async fn ones_own_is_given_though_the_link_is_down<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let rule = async {
        let [sender, receiver] = bench.nodes().await?;
        let topic = Topic::Group("g".into());
        for node in [&sender, &receiver] {
            node.subscribe(&topic).await?;
        }
        cluster.cut().await;
        let mut wanted = Vec::new();
        for number in 0..20 {
            let delivery = note(number.to_string());
            // Whether it fails or is kept is the backplane's choice.
            let _ = sender.try_publish_in_turn(&topic, &delivery).await?;
            wanted.push((topic.clone(), delivery));
        }
        cluster.restore().await;
        receiver.greet(&sender).await?;
        let heard = sender.heard(wanted.len()).await;
        match difference(&wanted, &heard) {
            None => Ok(()),
            Some(difference) => Err(broken(format!("{sender}, whose link was down, {difference}"))),
        }
    };
    with_cuts(cluster, rule).await
}

/// Where the medium stands still for a while, nothing that is published meanwhile fails or is lost (guarantee 8). Checked
/// where [`Cluster::CAN_PAUSE`].
pub async fn a_pause_loses_nothing<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    if !C::CAN_PAUSE {
        return Err(broken("not checked: this cluster cannot be paused"));
    }
    let bench = Bench::new(cluster);
    let [first, second] = bench.nodes().await?;
    let topic = Topic::Group("g".into());
    for node in [&first, &second] {
        node.subscribe(&topic).await?;
    }
    let (first, second, topic) = (&first, &second, &topic);
    let each = |node: &Node<'_, C>| (0..20).map(|number| note(format!("{node}: {number}"))).collect::<Vec<_>>();
    let (from_first, from_second) = (each(first), each(second));
    cluster.pause().await;
    let sending = [(first, &from_first), (second, &from_second)].into_iter().flat_map(|(node, deliveries)| {
        deliveries.iter().map(move |delivery| async move { node.publish_in_turn(topic, delivery).await })
    });
    let resuming = async {
        for _ in 0..10 {
            bench.pause().await;
        }
        cluster.resume().await;
        pending().await
    };
    let sent = before(resuming, bench.within("what was published in a pause was not done", together(sending))).await;
    for sent in sent.unwrap_or_else(|| Ok(Vec::new()))? {
        sent.map_err(|error| broken(format!("a publication failed in a pause: {error}")))?;
    }
    for (node, other, wanted) in [(second, first, &from_first), (first, second, &from_second)] {
        let wanted: Vec<_> = wanted.iter().map(|delivery| (topic.clone(), delivery.clone())).collect();
        let own = format!("{node}: ");
        let mut heard = node.heard(2 * wanted.len()).await;
        other.greet(node).await?;
        heard.extend(node.heard(0).await);
        heard.retain(|(_, delivery)| !brief(delivery).contains(&own));
        if let Some(difference) = difference(&wanted, &heard) {
            return Err(broken(format!("{node} {difference}, though it was but a pause")));
        }
    }
    Ok(())
}

/// Numbered notices, and what became of them.
struct Numbers {
    next: usize,
    /// Those that were not refused, in order.
    sent: Vec<Delivery>,
    /// Those that must arrive.
    due: Vec<Delivery>,
}

impl Numbers {
    async fn publish<C: Cluster>(&mut self, sender: &Node<'_, C>, topic: &Topic) -> Result<Delivery, Broken> {
        let delivery = note(self.next.to_string());
        self.next += 1;
        if sender.try_publish(topic, &delivery).await?.is_ok() {
            self.sent.push(delivery.clone());
        }
        Ok(delivery)
    }

    /// Publishes some, none of which may be lost.
    async fn publish_all<C: Cluster>(&mut self, sender: &Node<'_, C>, topic: &Topic) -> Result<(), Broken> {
        for _ in 0..100 {
            let delivery = note(self.next.to_string());
            self.next += 1;
            sender.publish(topic, &delivery).await?;
            self.sent.push(delivery.clone());
            self.due.push(delivery);
        }
        Ok(())
    }

    /// Waits for the last that must arrive.
    async fn until_heard<C: Cluster>(&self, bench: &Bench<'_, C>, receiver: &Node<'_, C>) -> Result<(), Broken> {
        let Some(last) = self.due.last() else { return Ok(()) };
        let heard = receiver.inbox.until(|kept| kept.heard.iter().any(|(_, d)| d == last).then_some(()));
        let what = format_args!("{receiver} was not given {}, though the link was up,", brief(last));
        bench.within(what, heard).await
    }

    fn check(&self, heard: &[Delivery]) -> Result<(), String> {
        let mut next = 0;
        for (at, came) in heard.iter().enumerate() {
            let Some(place) = self.sent.iter().position(|sent| sent == came) else {
                return Err(format!("was given {}, whose publication was refused", brief(came)));
            };
            if heard[..at].contains(came) {
                return Err(format!("was given {} twice", brief(came)));
            }
            if place < next {
                return Err(format!("was given {} out of order", brief(came)));
            }
            next = place + 1;
        }
        match self.due.iter().find(|due| !heard.contains(due)) {
            Some(lost) => Err(format!("was not given {}, though the link was up", brief(lost))),
            None => Ok(()),
        }
    }
}
