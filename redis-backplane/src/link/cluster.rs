//! The link to a Cluster: one to each primary, with sharded pub/sub. A channel belongs to the primary of its slot, so
//! its messages keep their order.
//!
//! The link is as good as its worst part: when one primary is lost, or slots move, all of it is dialled again. So a
//! publication never goes to a server that knows only some of its subscribers, and a failover is an outage of the link
//! until the Cluster has chosen another primary.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::{self, FutureExt};
use redis::{Value, cmd};

use super::connection::{Connection, Connector, refusal};
use super::server::{SHARDED, Server, number};
use super::{DialError, Flight, Link, Lost, Receive, first_answer};
use crate::options::split_address;

/// How many slots there are.
const SLOTS: u16 = 16_384;

/// A Cluster, as it was when it was dialled.
pub(crate) struct Cluster {
    map: Map,
    /// In the order of the map's primaries.
    primaries: Vec<Server>,
    /// The channel on which it is tried whether we may publish.
    probe: String,
}

/// Which primary has which slots.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Map {
    primaries: Vec<(String, u16)>,
    /// First and last slot, and the index of the primary; ascending, without a gap.
    ranges: Vec<(u16, u16, usize)>,
}

impl Cluster {
    /// Asks the nodes for the map, and connects to all primaries of the first that has one.
    pub(crate) async fn dial(
        connector: &Connector,
        seeds: &[String],
        prefix: &str,
        receive: Arc<dyn Receive>,
    ) -> Result<Self, DialError> {
        let asking = seeds.iter().map(|seed| Self::map(connector, seed).boxed()).collect();
        let map = first_answer(asking).await?;
        let dialling = map
            .primaries
            .iter()
            .map(|(host, port)| Server::dial(connector, (host, *port), &SHARDED, prefix, Arc::clone(&receive)));
        let primaries = future::try_join_all(dialling).await?;
        // The slot of a channel is chosen by its name: the right server is the one that is asked.
        let cluster = Self { map, primaries, probe: crate::channels::probe(prefix, number()) };
        cluster.server(&cluster.probe).probe_on(&cluster.probe).await?;
        Ok(cluster)
    }

    async fn map(connector: &Connector, seed: &str) -> Result<Map, DialError> {
        let (host, port) = split_address(seed, 6379).unwrap_or((seed, 6379));
        let connection = connector.connect(host, port, None).await?;
        ask_map(&connection, host).await?
    }

    fn server(&self, channel: &str) -> &Server {
        &self.primaries[self.map.primary_of(channel)]
    }

    /// These channels, by their primary.
    fn split(&self, channels: &[Arc<str>]) -> Vec<(&Server, Vec<Arc<str>>)> {
        let mut split: Vec<(&Server, Vec<Arc<str>>)> =
            self.primaries.iter().map(|server| (server, Vec::new())).collect();
        for channel in channels {
            split[self.map.primary_of(channel)].1.push(Arc::clone(channel));
        }
        split.retain(|(_, channels)| !channels.is_empty());
        split
    }
}

#[async_trait]
impl Link for Cluster {
    fn publish(&self, messages: &[(&str, &[u8])]) -> Flight {
        let mut split: Vec<Vec<(&str, &[u8])>> = vec![Vec::new(); self.primaries.len()];
        let mut order = Vec::with_capacity(messages.len());
        for message in messages {
            let primary = self.map.primary_of(message.0);
            split[primary].push(*message);
            order.push(primary);
        }
        let publishing = self.primaries.iter().zip(&split).map(|(server, messages)| server.publish(messages));
        // All are polled with the first poll of this.
        let publishing = future::try_join_all(publishing);
        async move {
            let mut answers: Vec<_> = publishing.await?.into_iter().map(Vec::into_iter).collect();
            let missing = || Ok(Err("there is no answer".to_owned()));
            order.into_iter().map(|primary| answers[primary].next().map_or_else(missing, Ok)).collect()
        }
        .boxed()
    }

    async fn subscribe(&self, channels: &[Arc<str>]) -> Result<(), Lost> {
        let split = self.split(channels);
        future::try_join_all(split.iter().map(|(server, channels)| server.subscribe(channels))).await.map(drop)
    }

    async fn unsubscribe(&self, channels: &[Arc<str>]) -> Result<(), Lost> {
        let split = self.split(channels);
        future::try_join_all(split.iter().map(|(server, channels)| server.unsubscribe(channels))).await.map(drop)
    }

    async fn may_publish(&self) -> Result<(), Lost> {
        self.server(&self.probe).may_publish_on(&self.probe).await
    }

    fn largest_message(&self) -> (usize, String) {
        // The smallest of them: what passes there passes everywhere.
        self.primaries.iter().map(Server::largest_message).min().unwrap_or_default()
    }

    async fn check(&self, _: bool) -> Result<(), Lost> {
        for (server, (host, _)) in self.primaries.iter().zip(&self.map.primaries) {
            match ask_map(&server.publisher(), host).await? {
                Ok(map) if map == self.map => {}
                Ok(_) => return Err(Lost("the slots of the Cluster have moved".to_owned())),
                Err(error) => return Err(Lost(error.why().to_owned())),
            }
        }
        Ok(())
    }

    async fn ping(&self) -> Result<(), Lost> {
        future::try_join_all(self.primaries.iter().map(Server::ping)).await.map(drop)
    }

    async fn offer(&self, key: &str, value: &str) -> Result<Result<bool, String>, Lost> {
        self.server(key).offer(key, value).await
    }

    async fn read(&self, key: &str) -> Result<Result<Option<Vec<u8>>, String>, Lost> {
        self.server(key).read(key).await
    }

    async fn lost(&self) -> Lost {
        first_of(self.primaries.iter().map(Server::lost).collect()).await
    }

    async fn cut(&self) -> Lost {
        first_of(self.primaries.iter().map(Server::cut).collect()).await
    }

    async fn mend(&self) -> Result<bool, DialError> {
        let mended = future::try_join_all(self.primaries.iter().map(Server::mend)).await?;
        Ok(mended.contains(&true))
    }
}

async fn first_of(waiting: Vec<impl Future<Output = Lost> + Unpin>) -> Lost {
    if waiting.is_empty() {
        return future::pending().await;
    }
    future::select_all(waiting).await.0
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("map", &self.map).finish_non_exhaustive()
    }
}

/// Asks a node which primary has which slots. A node may call itself by no name: then it is called as it was dialled.
async fn ask_map(connection: &Connection, host: &str) -> Result<Result<Map, DialError>, Lost> {
    let mut command = cmd("CLUSTER");
    command.arg("SLOTS");
    Ok(match connection.ask(&command).await? {
        Ok(answer) => Map::read(&answer, host).map_err(|why| {
            DialError::NotThere(format!("the Cluster is not ready, says {}: {why}", connection.address()))
        }),
        Err(error) => Err(refusal(connection.address(), &error)),
    })
}

impl Map {
    /// Reads an answer to `CLUSTER SLOTS`: ranges of slots, each with its primary and replicas.
    fn read(answer: &Value, asked: &str) -> Result<Self, String> {
        let Value::Array(rows) = answer else { return Err("its answer is no list of slots".to_owned()) };
        let mut map = Self { primaries: Vec::new(), ranges: Vec::new() };
        for row in rows {
            let (first, last, primary) = read_range(row, asked).ok_or("a row of its slots cannot be read")?;
            let index = match map.primaries.iter().position(|known| *known == primary) {
                Some(index) => index,
                None => {
                    map.primaries.push(primary);
                    map.primaries.len() - 1
                }
            };
            map.ranges.push((first, last, index));
        }
        map.ranges.sort_unstable();
        let mut next = 0;
        for (first, last, _) in &map.ranges {
            if *first != next || last < first {
                return Err(format!("slot {next} has no primary"));
            }
            next = last + 1;
        }
        if next != SLOTS {
            return Err(format!("slot {next} has no primary"));
        }
        map.in_one_order();
        Ok(map)
    }

    /// Nodes list the same map in different orders.
    fn in_one_order(&mut self) {
        let mut sorted = self.primaries.clone();
        sorted.sort_unstable();
        for (_, _, index) in &mut self.ranges {
            *index = sorted.iter().position(|primary| *primary == self.primaries[*index]).unwrap_or_default();
        }
        self.primaries = sorted;
    }

    fn primary_of(&self, channel: &str) -> usize {
        let slot = slot(channel.as_bytes());
        // There is no slot without one.
        let range = self.ranges.partition_point(|(_, last, _)| *last < slot);
        self.ranges.get(range).map_or(0, |(_, _, primary)| *primary)
    }
}

fn read_range(row: &Value, asked: &str) -> Option<(u16, u16, (String, u16))> {
    let Value::Array(row) = row else { return None };
    let slot = |value: &Value| match value {
        Value::Int(slot) => u16::try_from(*slot).ok().filter(|slot| *slot < SLOTS),
        _ => None,
    };
    let Value::Array(primary) = row.get(2)? else { return None };
    let host = match primary.first()? {
        Value::BulkString(host) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
        _ => asked.to_owned(),
    };
    let Value::Int(port) = primary.get(1)? else { return None };
    Some((slot(row.first()?)?, slot(row.get(1)?)?, (host, u16::try_from(*port).ok()?)))
}

/// The slot of a channel: CRC-16 of its name, or of what stands in its first braces if that is something.
fn slot(name: &[u8]) -> u16 {
    let mut hashed = name;
    if let Some(open) = name.iter().position(|byte| *byte == b'{')
        && let Some(length) = name[open + 1..].iter().position(|byte| *byte == b'}')
        && length > 0
    {
        hashed = &name[open + 1..open + 1 + length];
    }
    let mut crc = 0_u16;
    for byte in hashed {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
        }
    }
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::{Map, slot};
    use redis::Value;

    #[test]
    fn slots_are_those_of_the_specification() {
        // CRC-16 XMODEM of "123456789" is 0x31c3, says the Cluster specification.
        assert_eq!(slot(b"123456789"), 0x31c3);
        // As a redis-server says to CLUSTER KEYSLOT.
        for (name, expected) in [("foo", 12182), ("bar", 5061), ("", 0), ("{foo}x", 12182), ("{}foo", 9500)] {
            assert_eq!(slot(name.as_bytes()), expected, "{name}");
        }
    }

    fn row(first: i64, last: i64, host: &str, port: i64) -> Value {
        let node = Value::Array(vec![
            Value::BulkString(host.as_bytes().to_vec()),
            Value::Int(port),
            Value::BulkString(b"0123".to_vec()),
        ]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node.clone(), node])
    }

    #[test]
    fn maps_that_nodes_list_in_another_order_are_the_same() {
        let rows = [row(0, 5000, "a", 1), row(5001, 16_000, "b", 1), row(16_001, 16_383, "a", 1)];
        let map = Map::read(&Value::Array(rows.to_vec()), "x").unwrap();
        let [first, second, third] = rows;
        assert_eq!(Map::read(&Value::Array(vec![second, third, first]), "x").unwrap(), map);
        assert_eq!(map.primaries, [("a".to_owned(), 1), ("b".to_owned(), 1)]);
        assert_eq!(map.primary_of("foo"), 1);
        assert_eq!(map.primary_of(""), 0);
    }

    #[test]
    fn a_map_with_a_gap_is_not_ready() {
        let read = |rows: &[Value]| Map::read(&Value::Array(rows.to_vec()), "x").map_err(|why| why.to_string());
        assert_eq!(read(&[]).unwrap_err(), "slot 0 has no primary");
        assert_eq!(read(&[row(0, 5, "a", 1)]).unwrap_err(), "slot 6 has no primary");
        assert_eq!(read(&[row(0, 5, "a", 1), row(7, 16_383, "a", 1)]).unwrap_err(), "slot 6 has no primary");
        assert!(read(&[row(0, 70_000, "a", 1)]).is_err());
        assert!(Map::read(&Value::Okay, "x").is_err());
    }

    #[test]
    fn a_node_without_a_name_is_called_as_it_was_dialled() {
        let map = Map::read(&Value::Array(vec![row(0, 16_383, "", 7000)]), "10.0.0.1").unwrap();
        assert_eq!(map.primaries, [("10.0.0.1".to_owned(), 7000)]);
    }
}
