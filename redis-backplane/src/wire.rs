//! A [`Delivery`] to the bytes of one Redis message, and back.
//!
//! ```text
//! offset  bytes
//! 0       1    version: 1
//! 1       6    the node that sends it
//! 7       4    epoch of the numbering, big-endian
//! 11      8    number in the epoch, big-endian, from 0: one more with each message of this sender to this channel
//! 19      1    kind: 0 Notice, 1 Direct, 2 Request, 3 Reply
//! 20      ..   what the kind has
//! ```
//!
//! Numbers in the rest are LEB128, texts and bytes have their length before them, what may be absent has its length plus
//! one, or 0. Nodes of another version are told apart by the first byte: what they send is refused and logged.

use std::fmt;

use bytes::{Buf, Bytes};
use hub_core::backplane::{Delivery, Framed, NodeId, Reply, Request};
use hub_core::message::Outcome;
use hub_core::{Codec, ConnectionId, Payload};

/// The version that this crate writes, and the only one that it reads.
const VERSION: u8 = 1;
/// The length of what precedes the kind.
const STAMP: usize = 1 + NodeId::BYTES + 4 + 8;

/// Who sends a message, and which of its messages to the channel it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) node: NodeId,
    pub(crate) number: Number,
}

/// The place of a message among those of one sender to one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Number {
    /// One more with each epoch of one sender.
    pub(crate) epoch: u32,
    /// From 0.
    pub(crate) in_epoch: u64,
}

impl Number {
    /// Whether it was given behind the other one. Epochs ascend, and may wrap.
    pub(crate) fn is_after(self, other: Self) -> bool {
        if self.epoch == other.epoch {
            self.in_epoch > other.in_epoch
        } else {
            self.epoch.wrapping_sub(other.epoch) < 1 << 31
        }
    }
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireError {
    /// It is of this version.
    Version(u8),
    /// It ends too early.
    Truncated,
    /// It goes on behind its end.
    Trailing,
    /// This is none of the values that stand here.
    Unknown(&'static str, u8),
    /// This is not UTF-8.
    Text(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "it has version {version} of the format, this node reads {VERSION}"),
            Self::Truncated => f.write_str("it ends too early"),
            Self::Trailing => f.write_str("it goes on behind its end"),
            Self::Unknown(what, value) => write!(f, "there is no {what} {value}"),
            Self::Text(what) => write!(f, "the {what} is not UTF-8"),
        }
    }
}

/// Writes a delivery, with room for the stamp.
pub(crate) fn encode(node: NodeId, delivery: &Delivery) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(STAMP + 64 + size_hint(delivery)));
    out.byte(VERSION);
    out.0.extend_from_slice(&node.bytes());
    out.0.extend_from_slice(&[0; STAMP - 1 - NodeId::BYTES]);
    match delivery {
        Delivery::Notice { message, except } => {
            out.byte(0);
            out.framed(message);
            out.connections(except);
        }
        Delivery::Direct { message, to } => {
            out.byte(1);
            out.framed(message);
            out.connections(to);
        }
        Delivery::Request { id, from, connection, request } => {
            out.byte(2);
            out.number(*id);
            out.0.extend_from_slice(&from.bytes());
            out.bytes(connection.as_str().as_bytes());
            out.request(request);
        }
        Delivery::Reply { id, reply } => {
            out.byte(3);
            out.number(*id);
            out.reply(reply);
        }
    }
    out.0
}

/// Writes the number into what [`encode`] gave.
pub(crate) fn number(message: &mut [u8], number: Number) {
    let epoch = 1 + NodeId::BYTES;
    if let Some(place) = message.get_mut(epoch..STAMP) {
        place[..4].copy_from_slice(&number.epoch.to_be_bytes());
        place[4..].copy_from_slice(&number.in_epoch.to_be_bytes());
    }
}

/// Reads who sends a message, and its number.
pub(crate) fn stamp(message: &[u8]) -> Result<Stamp, WireError> {
    let (version, mut rest) = message.split_first().ok_or(WireError::Truncated)?;
    if *version != VERSION {
        return Err(WireError::Version(*version));
    }
    if rest.len() < STAMP - 1 {
        return Err(WireError::Truncated);
    }
    let mut node = [0; NodeId::BYTES];
    rest.copy_to_slice(&mut node);
    Ok(Stamp { node: NodeId::new(node), number: Number { epoch: rest.get_u32(), in_epoch: rest.get_u64() } })
}

/// Reads a delivery, whose messages are slices of the bytes.
pub(crate) fn decode(message: &Bytes) -> Result<Delivery, WireError> {
    stamp(message)?;
    let mut input = Reader(message.slice(STAMP..));
    let delivery = match input.byte()? {
        0 => Delivery::Notice { message: input.framed()?, except: input.connections()? },
        1 => Delivery::Direct { message: input.framed()?, to: input.connections()? },
        2 => Delivery::Request {
            id: input.number()?,
            from: input.node()?,
            connection: ConnectionId::from(input.text("connection id")?),
            request: input.request()?,
        },
        3 => Delivery::Reply { id: input.number()?, reply: input.reply()? },
        other => return Err(WireError::Unknown("kind of delivery", other)),
    };
    if input.0.is_empty() { Ok(delivery) } else { Err(WireError::Trailing) }
}

fn size_hint(delivery: &Delivery) -> usize {
    match delivery {
        Delivery::Notice { message, except: ids } | Delivery::Direct { message, to: ids } => {
            let length = |frame: &Option<Bytes>| frame.as_ref().map_or(0, Bytes::len);
            length(&message.json) + length(&message.messagepack) + ids.len() * 24
        }
        Delivery::Request { request: Request::Ask { arguments, .. }, .. } => {
            arguments.iter().map(|payload| payload.bytes().len()).sum()
        }
        Delivery::Reply { reply: Reply::Answer(Outcome::Value(payload)), .. } => payload.bytes().len(),
        Delivery::Request { .. } | Delivery::Reply { .. } => 0,
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    fn length(&mut self, length: usize) {
        self.number(length as u64);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn framed(&mut self, message: &Framed) {
        for frame in [&message.json, &message.messagepack] {
            match frame {
                Some(frame) => {
                    self.length(frame.len() + 1);
                    self.0.extend_from_slice(frame);
                }
                None => self.byte(0),
            }
        }
    }

    fn connections(&mut self, ids: &[ConnectionId]) {
        self.length(ids.len());
        for id in ids {
            self.bytes(id.as_str().as_bytes());
        }
    }

    fn payload(&mut self, payload: &Payload) {
        self.byte(match payload.codec() {
            Codec::Json => 0,
            Codec::MessagePack => 1,
        });
        self.bytes(payload.bytes());
    }

    fn request(&mut self, request: &Request) {
        match request {
            Request::Join(group) => {
                self.byte(0);
                self.bytes(group.as_str().as_bytes());
            }
            Request::Leave(group) => {
                self.byte(1);
                self.bytes(group.as_str().as_bytes());
            }
            Request::Abort => self.byte(2),
            Request::Ask { target, arguments } => {
                self.byte(3);
                self.bytes(target.as_str().as_bytes());
                for payload in arguments {
                    self.payload(payload);
                }
            }
            Request::IsWaiting(id) => {
                self.byte(4);
                self.number(*id);
            }
            Request::Forget(id) => {
                self.byte(5);
                self.number(*id);
            }
        }
    }

    fn reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Done => self.byte(0),
            Reply::Unknown => self.byte(1),
            Reply::Answer(Outcome::Value(payload)) => {
                self.byte(2);
                self.payload(payload);
            }
            Reply::Answer(Outcome::Void) => self.byte(3),
            Reply::Answer(Outcome::Error(text)) => {
                self.byte(4);
                self.bytes(text.as_bytes());
            }
            Reply::Disconnected => self.byte(5),
        }
    }
}

struct Reader(Bytes);

impl Reader {
    fn byte(&mut self) -> Result<u8, WireError> {
        self.0.try_get_u8().map_err(|_| WireError::Truncated)
    }

    fn number(&mut self) -> Result<u64, WireError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(WireError::Unknown("number that goes on with", 0x80))
    }

    fn take(&mut self, length: u64) -> Result<Bytes, WireError> {
        let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
        if length > self.0.len() {
            return Err(WireError::Truncated);
        }
        Ok(self.0.split_to(length))
    }

    fn bytes(&mut self) -> Result<Bytes, WireError> {
        let length = self.number()?;
        self.take(length)
    }

    fn text(&mut self, what: &'static str) -> Result<Text, WireError> {
        let bytes = self.bytes()?;
        if std::str::from_utf8(&bytes).is_err() {
            return Err(WireError::Text(what));
        }
        Ok(Text(bytes))
    }

    fn node(&mut self) -> Result<NodeId, WireError> {
        let mut node = [0; NodeId::BYTES];
        self.0.try_copy_to_slice(&mut node).map_err(|_| WireError::Truncated)?;
        Ok(NodeId::new(node))
    }

    fn framed(&mut self) -> Result<Framed, WireError> {
        let mut frame = || match self.number()? {
            0 => Ok(None),
            length => self.take(length - 1).map(Some),
        };
        Ok(Framed { json: frame()?, messagepack: frame()? })
    }

    fn connections(&mut self) -> Result<Vec<ConnectionId>, WireError> {
        // The list grows as its items come: its length is not trusted.
        let mut ids = Vec::new();
        for _ in 0..self.number()? {
            ids.push(ConnectionId::from(self.text("connection id")?));
        }
        Ok(ids)
    }

    fn payload(&mut self) -> Result<Payload, WireError> {
        let codec = match self.byte()? {
            0 => Codec::Json,
            1 => Codec::MessagePack,
            other => return Err(WireError::Unknown("protocol", other)),
        };
        Ok(Payload::new(codec, self.bytes()?))
    }

    fn request(&mut self) -> Result<Request, WireError> {
        Ok(match self.byte()? {
            0 => Request::Join(self.text("group")?.into()),
            1 => Request::Leave(self.text("group")?.into()),
            2 => Request::Abort,
            3 => Request::Ask { target: self.text("target")?.into(), arguments: [self.payload()?, self.payload()?] },
            4 => Request::IsWaiting(self.number()?),
            5 => Request::Forget(self.number()?),
            other => return Err(WireError::Unknown("request", other)),
        })
    }

    fn reply(&mut self) -> Result<Reply, WireError> {
        Ok(match self.byte()? {
            0 => Reply::Done,
            1 => Reply::Unknown,
            2 => Reply::Answer(Outcome::Value(self.payload()?)),
            3 => Reply::Answer(Outcome::Void),
            4 => Reply::Answer(Outcome::Error(self.text("error")?.as_ref().to_owned())),
            5 => Reply::Disconnected,
            other => return Err(WireError::Unknown("reply", other)),
        })
    }
}

/// Bytes that are UTF-8.
struct Text(Bytes);

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        // Checked when it was read.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Number, Stamp, VERSION, WireError, decode, encode, number, stamp};
    use bytes::Bytes;
    use hub_core::backplane::{Delivery, Framed, NodeId, Reply, Request};
    use hub_core::message::Outcome;
    use hub_core::{Codec, Payload};

    fn node() -> NodeId {
        NodeId::new([1, 2, 3, 4, 5, 6])
    }

    fn every_kind() -> Vec<Delivery> {
        let both = Framed { json: Some("{}\u{1e}".into()), messagepack: Some(Bytes::from_static(&[1, 0x90])) };
        let none = Framed { json: None, messagepack: None };
        let empty = Framed { json: Some(Bytes::new()), messagepack: None };
        let large = Framed { json: None, messagepack: Some(vec![7; 100_000].into()) };
        let payloads = Codec::ALL.map(|codec| Payload::new(codec, vec![0x92, 1, 2].into()));
        let requests = [
            Request::Join("a group".into()),
            Request::Leave("\u{1f600}\0:".into()),
            Request::Abort,
            Request::Ask { target: "Confirm".into(), arguments: payloads.clone() },
            Request::IsWaiting(u64::MAX),
            Request::Forget(128),
        ];
        let replies = [
            Reply::Done,
            Reply::Unknown,
            Reply::Answer(Outcome::Value(payloads[0].clone())),
            Reply::Answer(Outcome::Value(payloads[1].clone())),
            Reply::Answer(Outcome::Void),
            Reply::Answer(Outcome::Error("no".to_owned())),
            Reply::Disconnected,
        ];
        let mut all = Vec::new();
        for message in [both, none, empty, large] {
            all.push(Delivery::Notice { message: message.clone(), except: Vec::new() });
            all.push(Delivery::Notice { message: message.clone(), except: vec!["a".into(), "".into()] });
            all.push(Delivery::Direct { message, to: vec!["b".into(); 200] });
        }
        all.extend(requests.map(|request| Delivery::Request {
            id: 300,
            from: NodeId::new([255; 6]),
            connection: "c".into(),
            request,
        }));
        all.extend(replies.map(|reply| Delivery::Reply { id: 0, reply }));
        all
    }

    #[test]
    fn every_kind_of_delivery_comes_back_as_it_was() {
        for delivery in every_kind() {
            let mut bytes = encode(node(), &delivery);
            let place = Number { epoch: 7, in_epoch: 1 << 40 };
            number(&mut bytes, place);
            assert_eq!(stamp(&bytes), Ok(Stamp { node: node(), number: place }));
            assert_eq!(decode(&bytes.into()), Ok(delivery));
        }
    }

    #[test]
    fn frames_are_slices_of_what_was_received() {
        let message = Framed { json: Some("hello".into()), messagepack: None };
        let bytes = Bytes::from(encode(node(), &Delivery::Notice { message, except: Vec::new() }));
        let Ok(Delivery::Notice { message: Framed { json: Some(json), .. }, .. }) = decode(&bytes) else {
            panic!("it is a notice");
        };
        assert!(bytes.as_ptr_range().contains(&json.as_ptr()));
    }

    #[test]
    fn truncated_messages_are_refused_at_every_length() {
        for delivery in every_kind() {
            let bytes = Bytes::from(encode(node(), &delivery));
            for length in (0..bytes.len().min(400)).chain(bytes.len().saturating_sub(50)..bytes.len()) {
                assert!(decode(&bytes.slice(..length)).is_err(), "{delivery:?} cut to {length} bytes");
            }
            let mut longer = bytes.to_vec();
            longer.push(0);
            assert_eq!(decode(&longer.into()), Err(WireError::Trailing));
        }
    }

    #[test]
    fn garbage_gives_errors_and_no_panic() {
        // A small generator with a fixed seed: the same garbage every time.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for delivery in every_kind() {
            let whole = encode(node(), &delivery);
            for _ in 0..300 {
                let mut bytes = whole.clone();
                for _ in 0..=random() % 4 {
                    let at = usize::try_from(random()).unwrap_or_default() % bytes.len().min(300);
                    bytes[at] = random().to_le_bytes()[0];
                }
                let _ = decode(&bytes.into());
            }
        }
        for length in 0..200 {
            let mut bytes: Vec<u8> = (0..length).map(|_| random().to_le_bytes()[0]).collect();
            let _ = decode(&bytes.clone().into());
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            let _ = decode(&bytes.into());
        }
    }

    #[test]
    fn a_length_that_lies_reserves_nothing() {
        let mut bytes = encode(node(), &Delivery::Reply { id: 0, reply: Reply::Done });
        bytes.truncate(19);
        // A notice without frames, for all but 2^63 connections.
        bytes.extend([0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        assert_eq!(decode(&bytes.into()), Err(WireError::Truncated));
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = encode(node(), &Delivery::Reply { id: 0, reply: Reply::Done });
        bytes[0] = 2;
        assert_eq!(stamp(&bytes), Err(WireError::Version(2)));
        let error = decode(&bytes.into()).unwrap_err();
        assert_eq!(error.to_string(), "it has version 2 of the format, this node reads 1");
    }
}
