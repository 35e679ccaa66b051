//! All names in Redis.
//!
//! ```text
//! {prefix}:{hub}:all                     Topic::All
//! {prefix}:{hub}:group:{name}            Topic::Group
//! {prefix}:{hub}:user:{id}               Topic::User
//! {prefix}:{hub}:node:{id}               Topic::Node
//! {prefix}:{hub}:connection:{id}         Topic::Connection
//! {prefix}::probe:{connection}           a dialler tries here whether it may publish and subscribe
//! {prefix}:{hub}:secret                  a key: the secret that the nodes of a hub have in common
//! ```
//!
//! No two topics have one name: a prefix has no colon, those of the hub's name are written `%3A` (and `%` is `%25`),
//! and the kind ends with the colon behind it, so that whatever a group is called stays behind `group:`.

use hub_core::backplane::Topic;

/// The channel of a topic.
pub(crate) fn channel(prefix: &str, hub: &str, topic: &Topic) -> String {
    let base = base(prefix, hub);
    match topic {
        Topic::All => base + "all",
        Topic::Group(name) => base + "group:" + name.as_str(),
        Topic::User(id) => base + "user:" + id.as_str(),
        Topic::Node(id) => base + "node:" + &id.to_string(),
        Topic::Connection(id) => base + "connection:" + id.as_str(),
    }
}

/// The key of the secret of a hub's nodes.
pub(crate) fn secret(prefix: &str, hub: &str) -> String {
    base(prefix, hub) + "secret"
}

/// A channel of one dialler. No topic's: `probe` is none of their kinds.
pub(crate) fn probe(prefix: &str, number: u64) -> String {
    format!("{prefix}::probe:{number:016x}")
}

fn base(prefix: &str, hub: &str) -> String {
    let mut base = String::with_capacity(prefix.len() + hub.len() + 32);
    base.push_str(prefix);
    base.push(':');
    for character in hub.chars() {
        match character {
            ':' => base.push_str("%3A"),
            '%' => base.push_str("%25"),
            other => base.push(other),
        }
    }
    base.push(':');
    base
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{channel, probe, secret};
    use hub_core::backplane::{NodeId, Topic};

    #[test]
    fn names_are_readable() {
        let name = |topic| channel("hubs", "Chat", &topic);
        assert_eq!(name(Topic::All), "hubs:Chat:all");
        assert_eq!(name(Topic::Group("lobby".into())), "hubs:Chat:group:lobby");
        assert_eq!(name(Topic::User("ann".into())), "hubs:Chat:user:ann");
        assert_eq!(name(Topic::Node(NodeId::new([0; 6]))), "hubs:Chat:node:AAAAAAAA");
        assert_eq!(name(Topic::Connection("abc".into())), "hubs:Chat:connection:abc");
        assert_eq!(secret("hubs", "Chat"), "hubs:Chat:secret");
        assert_eq!(probe("hubs", 1), "hubs::probe:0000000000000001");
    }

    #[test]
    fn no_two_topics_have_one_name() {
        let hubs = ["a", "a:group", "a:group:b", "a%3Agroup", "group", "a:all"];
        let names = ["", "all", "b", ":", "b:all", "group:b", "b:group:all", "\0\r\n", "b*?[x]{y}", "secret"];
        let mut seen = HashSet::new();
        for hub in hubs {
            let mut topics = vec![Topic::All];
            for name in names {
                topics.extend([Topic::Group(name.into()), Topic::User(name.into()), Topic::Connection(name.into())]);
            }
            for topic in topics {
                let name = channel("hubs", hub, &topic);
                assert!(seen.insert(name.clone()), "{topic:?} of {hub} has a name that another has: {name}");
            }
        }
    }
}
