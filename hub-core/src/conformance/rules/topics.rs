//! To whom a topic goes.

use crate::backplane::{Delivery, Framed, Topic, Unreachable, publish_to_connection};
use crate::conformance::bench::{Bench, Node, named, note};
use crate::conformance::{Broken, Cluster, broken};
use crate::message::ConnectionId;

/// Two nodes can hear each other at all. Without it no other rule can be checked.
pub async fn nodes_hear_each_other<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    Bench::new(cluster).nodes::<2>().await.map(drop)
}

/// Each kind of topic reaches the nodes that subscribe to it, and no others, though their names be the same text.
pub async fn each_topic_reaches_its_subscribers_and_nobody_else<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, first, second] = bench.nodes().await?;
    let text = first.id().to_string();
    // Neighbours, which could be taken for each other, are on different nodes.
    let topics = [
        Topic::All,
        Topic::Group("".into()),
        Topic::User("All".into()),
        Topic::Group("All".into()),
        Topic::Connection(text.as_str().into()),
        Topic::Group(text.as_str().into()),
        Topic::User(text.as_str().into()),
        Topic::Connection("x".into()),
        Topic::User("x".into()),
        Topic::Group("x".into()),
    ];
    each_reaches_its_node(&sender, [&first, &second], &topics).await?;
    let mut wanted = Vec::new();
    for node in [&second, &first, &second] {
        let topic = Topic::Node(node.id());
        let delivery = note(format!("for {node}"));
        sender.publish(&topic, &delivery).await?;
        wanted.push((topic, delivery));
    }
    first.expect(&sender, &wanted[1..2]).await?;
    second.expect(&sender, &[wanted[0].clone(), wanted[2].clone()]).await
}

/// Groups and users may have any text for a name, up to 1,000 bytes at least, and "a" is not "A" (P-LT-07).
pub async fn names_may_be_any_text_and_their_case_matters<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, first, second] = bench.nodes().await?;
    let long = "x".repeat(999);
    let wide = "ü".repeat(500);
    let longer = [format!("{long}a"), format!("{long}b")];
    let mut names = vec!["", "a", "A", "b", "a:b", "a:", ":b", "a/b", "a.b", "a b", " ", "*", "?", "a*", "[ab]", "{a}"];
    names.extend([
        "{a",
        "a}",
        "\\",
        "\"",
        "'",
        "$",
        "#",
        "%41",
        "\0",
        "a\0",
        "\n",
        "\r\n",
        "a\n",
        "\u{1e}",
        "\u{feff}a",
    ]);
    // The same letter to the eye, in one scalar value and in two.
    names.extend(["é", "e\u{301}", "É", "日本", "🦀", "null", &wide, &long, &longer[0], &longer[1]]);
    let topics: Vec<Topic> =
        names.iter().flat_map(|name| [Topic::Group((*name).into()), Topic::User((*name).into())]).collect();
    each_reaches_its_node(&sender, [&first, &second], &topics).await
}

/// Subscribes the two in turn, publishes to all, and sees that each hears its own.
async fn each_reaches_its_node<C: Cluster>(
    sender: &Node<'_, C>,
    nodes: [&Node<'_, C>; 2],
    topics: &[Topic],
) -> Result<(), Broken> {
    let mut wanted = [Vec::new(), Vec::new()];
    for (at, topic) in topics.iter().enumerate() {
        // Were it by the place alone, groups would be with one, and users of the same name with the other.
        let turn = (at + at / 2) % 2;
        nodes[turn].subscribe(topic).await?;
        wanted[turn].push((topic.clone(), note(format!("to {}", named(topic)))));
    }
    for topic in topics {
        sender.publish(topic, &note(format!("to {}", named(topic)))).await?;
    }
    for (node, wanted) in nodes.into_iter().zip(&wanted) {
        node.expect(sender, wanted).await?;
    }
    Ok(())
}

/// A node is never given what it published itself (guarantee 4).
pub async fn a_node_is_not_given_what_it_published_itself<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [one, other] = bench.nodes().await?;
    let topics = [Topic::All, Topic::Group("g".into()), Topic::User("u".into()), Topic::Node(one.id())];
    for topic in &topics {
        one.subscribe(topic).await?;
        other.subscribe(topic).await?;
    }
    let all = |text| topics.iter().map(|topic| (topic.clone(), note(text))).collect::<Vec<_>>();
    for (sender, receiver, text) in [(&one, &other, "from one"), (&other, &one, "from the other")] {
        for (topic, delivery) in all(text) {
            sender.publish(&topic, &delivery).await?;
        }
        receiver.expect(sender, &all(text)).await?;
    }
    other.expect(&one, &[]).await?;
    one.expect(&other, &[]).await
}

/// `publish_counted` gives how many other nodes subscribe, and delivers to them.
pub async fn publish_counted_counts_the_other_nodes_that_subscribe<C: Cluster>(cluster: &C) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, first, second] = bench.nodes().await?;
    for topic in [Topic::Group("g".into()), Topic::User("u".into()), Topic::Connection("c".into())] {
        let count = async |wanted: usize| {
            let counted = sender.publish_counted(&topic, &note(format!("to {wanted}"))).await?;
            if counted == wanted {
                return Ok(());
            }
            Err(broken(format!("{counted} nodes were counted for {}, {wanted} subscribe", named(&topic))))
        };
        count(0).await?;
        first.subscribe(&topic).await?;
        count(1).await?;
        // Once more is still one node.
        first.subscribe(&topic).await?;
        count(1).await?;
        second.subscribe(&topic).await?;
        count(2).await?;
        let wanted = |counts: &[usize]| -> Vec<(Topic, Delivery)> {
            counts.iter().map(|count| (topic.clone(), note(format!("to {count}")))).collect()
        };
        first.expect(&sender, &wanted(&[1, 1, 2])).await?;
        second.expect(&sender, &wanted(&[2])).await?;
        second.unsubscribe(&topic);
        sender.until_counted(&topic, 1).await?;
    }
    Ok(())
}

/// What is for a connection goes to the node that made its id; where that is gone or is the sender, to the
/// connection's own topic.
pub async fn what_is_for_a_connection_goes_to_its_node_or_to_its_own_topic<C: Cluster>(
    cluster: &C,
) -> Result<(), Broken> {
    let bench = Bench::new(cluster);
    let [sender, maker, host] = bench.nodes().await?;
    let made_by = |node: &Node<'_, C>| ConnectionId::from(format!("{}-connection-{}", node.id(), "0".repeat(10)));
    let send = async |connection: &ConnectionId, wanted: usize| {
        let message = Framed { json: None, messagepack: Some(vec![wanted as u8].into()) };
        let direct = Delivery::Direct { message, to: vec![connection.clone()] };
        let sent = publish_to_connection(&*sender.attachment, connection, &direct);
        let listened: Result<usize, Unreachable> = bench.within("publish_to_connection did not return", sent).await?;
        match listened {
            Ok(listened) if listened == wanted => Ok(direct),
            Ok(listened) => {
                Err(broken(format!("{listened} nodes were counted for connection {connection}, {wanted} listen")))
            }
            Err(error) => Err(broken(format!("{sender} could not publish to connection {connection}: {error}"))),
        }
    };
    let (of_maker, of_sender, of_nobody) = (made_by(&maker), made_by(&sender), ConnectionId::from("short"));
    for id in [&of_maker, &of_sender, &of_nobody] {
        host.subscribe(&Topic::Connection(id.clone())).await?;
    }
    let direct = send(&of_maker, 1).await?;
    maker.expect(&sender, &[(Topic::Node(maker.id()), direct)]).await?;
    host.expect(&sender, &[]).await?;

    let made = Topic::Node(maker.id());
    drop(maker);
    sender.until_counted(&made, 0).await?;
    let mut wanted = Vec::new();
    for id in [&of_maker, &of_sender, &of_nobody] {
        wanted.push((Topic::Connection(id.clone()), send(id, 1).await?));
    }
    host.expect(&sender, &wanted).await?;
    for id in [&of_maker, &of_sender, &of_nobody] {
        host.unsubscribe(&Topic::Connection(id.clone()));
        sender.until_counted(&Topic::Connection(id.clone()), 0).await?;
        send(id, 0).await?;
    }
    Ok(())
}
