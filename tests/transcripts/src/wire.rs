//! From bytes to hub messages, sorted by what they belong to.

use std::collections::{BTreeMap, BTreeSet};

use rmpv::Value;

use crate::recording::Protocol;

const SEPARATOR: u8 = 0x1e;

/// Messages whose order among each other is promised. Between lanes nothing is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// The request, or the response.
    Handshake,
    /// Invocations; the server's are callbacks and questions.
    Calls,
    /// The items of one stream.
    Items(String),
    /// The end of one call or stream.
    Completion(String),
    /// The ends of streams that their readers want.
    Cancellations,
    /// The last message.
    Close,
}

/// What one side has sent on one connection: whole messages by lane, and the bytes of an unfinished one.
pub struct Sent {
    protocol: Protocol,
    unfinished: Vec<u8>,
    /// The messages so far.
    pub lanes: BTreeMap<Lane, Vec<Value>>,
    /// How many pings there were.
    pub pings: usize,
}

impl Sent {
    /// Nothing so far.
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, unfinished: Vec::new(), lanes: BTreeMap::new(), pings: 0 }
    }

    /// How many messages a lane has.
    pub fn count(&self, lane: &Lane) -> usize {
        self.lanes.get(lane).map_or(0, Vec::len)
    }

    /// Whether a lane has any.
    pub fn has(&self, lane: &Lane) -> bool {
        self.count(lane) > 0
    }

    /// The ids that this side sent cancellations for.
    pub fn cancelled(&self) -> BTreeSet<&str> {
        let cancellations = self.lanes.get(&Lane::Cancellations).into_iter().flatten();
        cancellations.filter_map(|message| invocation_id(message)).collect()
    }

    /// Adds bytes; answers which messages are whole now, by lane and place in it. Pings are counted, no more.
    ///
    /// # Errors
    /// When the bytes are no messages, or not in this order.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<(Lane, usize)>, String> {
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

    fn lane_of(&mut self, message: &Value) -> Result<Option<Lane>, String> {
        if !self.has(&Lane::Handshake) {
            return Ok(Some(Lane::Handshake));
        }
        let id = || invocation_id(message).map(str::to_owned).ok_or_else(|| format!("no invocation id in {message}"));
        Ok(Some(match kind(message) {
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
            Some(6) => {
                self.pings += 1;
                return Ok(None);
            }
            Some(7) => Lane::Close,
            _ => return Err(format!("unexpected message {message}")),
        }))
    }
}

/// The length and the meaning of the message at the front, if it is there whole.
///
/// # Errors
/// When it is none.
pub fn first_message(protocol: Protocol, bytes: &[u8]) -> Result<Option<(usize, Value)>, String> {
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
///
/// # Panics
/// When the message has 128 bytes or more in MessagePack.
pub fn frame(protocol: Protocol, message: &Value) -> Vec<u8> {
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

/// The number of a message's type.
pub fn kind(message: &Value) -> Option<u64> {
    field(message, 0, "type")?.as_u64()
}

/// The id of the call or stream that a message belongs to.
pub fn invocation_id(message: &Value) -> Option<&str> {
    field(message, 2, "invocationId")?.as_str()
}

/// The method that a message calls.
pub fn target(message: &Value) -> Option<&str> {
    field(message, 3, "target")?.as_str()
}

/// The arguments of a call.
pub fn arguments(message: &Value) -> &[Value] {
    field(message, 4, "arguments").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// How a call or stream ended, as its Completion says.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "they have no more to them than their names")]
pub enum Ended {
    Void,
    Value(Value),
    Error(String),
}

/// What a Completion says.
pub fn ended(completion: &Value) -> Ended {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    match completion {
        Value::Array(items) => match items.get(3).and_then(Value::as_u64) {
            Some(1) => Ended::Error(text(items.get(4))),
            Some(3) => Ended::Value(items.get(4).cloned().unwrap_or(Value::Nil)),
            _ => Ended::Void,
        },
        _ => match (field(completion, 0, "error"), field(completion, 0, "result")) {
            (error @ Some(_), _) => Ended::Error(text(error)),
            (None, Some(result)) => Ended::Value(result.clone()),
            (None, None) => Ended::Void,
        },
    }
}

/// A field of a message, by its place in MessagePack and its name in JSON.
pub fn field<'a>(message: &'a Value, place: usize, name: &str) -> Option<&'a Value> {
    match message {
        Value::Array(items) => items.get(place),
        Value::Map(members) => members.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value),
        _ => None,
    }
}
