//! From bytes to hub messages, sorted by what they belong to.

use std::collections::{BTreeMap, BTreeSet};

use rmpv::Value;

use crate::recording::Protocol;

const SEPARATOR: u8 = 0x1e;

/// Messages whose order among each other is promised. Between lanes nothing is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Handshake,
    /// Invocations; the server's are callbacks and questions.
    Calls,
    /// The items of one stream.
    Items(String),
    /// The end of one call or stream.
    Completion(String),
    Cancellations,
    Close,
}

/// What one side has sent on one connection: whole messages by lane, and the bytes of an unfinished one.
pub(crate) struct Sent {
    protocol: Protocol,
    unfinished: Vec<u8>,
    pub(crate) lanes: BTreeMap<Lane, Vec<Value>>,
}

impl Sent {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self { protocol, unfinished: Vec::new(), lanes: BTreeMap::new() }
    }

    pub(crate) fn count(&self, lane: &Lane) -> usize {
        self.lanes.get(lane).map_or(0, Vec::len)
    }

    pub(crate) fn has(&self, lane: &Lane) -> bool {
        self.count(lane) > 0
    }

    /// The ids that this side sent cancellations for.
    pub(crate) fn cancelled(&self) -> BTreeSet<&str> {
        let cancellations = self.lanes.get(&Lane::Cancellations).into_iter().flatten();
        cancellations.filter_map(|message| invocation_id(message)).collect()
    }

    /// Adds bytes; answers which messages are whole now, by lane and place in it. Pings are left out.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<(Lane, usize)>, String> {
        self.unfinished.extend_from_slice(bytes);
        let mut added = Vec::new();
        while let Some((used, message)) = self.first_message()? {
            self.unfinished.drain(..used);
            let Some(lane) = self.lane_of(&message)? else {
                continue;
            };
            added.push((lane.clone(), self.count(&lane)));
            self.lanes.entry(lane).or_default().push(message);
        }
        Ok(added)
    }

    fn first_message(&self) -> Result<Option<(usize, Value)>, String> {
        // The handshake is JSON whatever the protocol.
        let protocol = if self.has(&Lane::Handshake) { self.protocol } else { Protocol::Json };
        first_message(protocol, &self.unfinished)
    }

    fn lane_of(&self, message: &Value) -> Result<Option<Lane>, String> {
        if !self.has(&Lane::Handshake) {
            return Ok(Some(Lane::Handshake));
        }
        let id = || invocation_id(message).map(str::to_owned).ok_or_else(|| format!("no invocation id in {message}"));
        Ok(Some(match field(message, 0, "type").and_then(Value::as_u64) {
            Some(1 | 4) => Lane::Calls,
            Some(2) => {
                let id = id()?;
                if self.has(&Lane::Completion(id.clone())) {
                    return Err(format!("an item after the end of its stream: {message}"));
                }
                Lane::Items(id)
            }
            Some(3) => Lane::Completion(id()?),
            Some(5) => Lane::Cancellations,
            Some(6) => return Ok(None),
            Some(7) => Lane::Close,
            _ => return Err(format!("unexpected message {message}")),
        }))
    }
}

/// The length and the meaning of the message at the front, if it is there whole.
pub(crate) fn first_message(protocol: Protocol, bytes: &[u8]) -> Result<Option<(usize, Value)>, String> {
    match protocol {
        Protocol::Json => {
            let Some(end) = bytes.iter().position(|&byte| byte == SEPARATOR) else {
                return Ok(None);
            };
            let message = serde_json::from_slice(&bytes[..end]);
            Ok(Some((end + 1, message.map_err(|error| format!("{error} in {}", bytes[..end].escape_ascii()))?)))
        }
        Protocol::MessagePack => {
            let Some((prefix, length)) = length_prefix(bytes) else {
                return Ok(None);
            };
            let Some(mut body) = bytes.get(prefix..prefix + length) else {
                return Ok(None);
            };
            let message = rmpv::decode::read_value(&mut body);
            Ok(Some((prefix + length, message.map_err(|error| format!("{error} in a MessagePack body"))?)))
        }
    }
}

/// The bytes of a message of ours, framed.
pub(crate) fn frame(protocol: Protocol, message: &Value) -> Vec<u8> {
    match protocol {
        Protocol::Json => {
            let mut bytes = serde_json::to_vec(message).expect("a message that came from JSON");
            bytes.push(SEPARATOR);
            bytes
        }
        Protocol::MessagePack => {
            let mut body = Vec::new();
            rmpv::encode::write_value(&mut body, message).expect("writing to memory");
            let length = u8::try_from(body.len()).ok().filter(|length| *length < 0x80);
            body.insert(0, length.expect("only short messages are rewritten"));
            body
        }
    }
}

/// How many bytes the prefix has, and how many it announces.
fn length_prefix(bytes: &[u8]) -> Option<(usize, usize)> {
    let last = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let length = bytes[..=last].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
    Some((last + 1, length))
}

/// The id of the call or stream that a message belongs to.
pub(crate) fn invocation_id(message: &Value) -> Option<&str> {
    field(message, 2, "invocationId")?.as_str()
}

/// A field of a message, by its place in MessagePack and its name in JSON.
fn field<'a>(message: &'a Value, place: usize, name: &str) -> Option<&'a Value> {
    match message {
        Value::Array(items) => items.get(place),
        Value::Map(members) => members.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value),
        _ => None,
    }
}
