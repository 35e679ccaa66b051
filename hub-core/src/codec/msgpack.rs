//! The `messagepack` protocol (protocol.md section 5).

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use rmp::Marker;
use rmp::decode::{read_array_len, read_bool, read_int, read_map_len, read_marker, read_str_len};
use rmp::encode;
use serde::Serialize;
use serde::de::DeserializeSeed;

use super::head::{Unreadable, take_member_twice};
use super::pack::{Packer, Unwritable};
use super::unpack::Unpacker;
use super::{Codec, MAX_DEPTH, Payload, REREAD_LIMIT};
use crate::args::Args;
use crate::error::ProtocolError;
use crate::framing;
use crate::message::{Headers, Invocation, InvocationId, Message, Outcome, Target};

pub(super) fn decode(frame: &Bytes) -> Result<Option<Message>, ProtocolError> {
    let mut reader = Reader { frame, rest: frame };
    let items = reader.array_len("message")?;
    if items as usize > reader.rest.len() {
        return Err(ProtocolError::InvalidMessagePack("Attempted to read past the end of the stream.".to_owned()));
    }
    let kind = reader.int("messageType", "Int32")?;
    Ok(Some(match kind {
        1 => Message::Invocation(reader.invocation("Invocation", items)?),
        2 => {
            reader.headers()?;
            let id = reader.id("StreamItem")?;
            // An item that is not there fails whoever reads it, as one that is cut short (P-UP-06).
            Message::StreamItem { id, item: reader.payload() }
        }
        3 => {
            reader.headers()?;
            // An empty id answers nothing, and is no more than that: see `Message::Completion`.
            let id = reader.text("invocationId")?.ok_or(ProtocolError::NoInvocationId("Completion"))?;
            let id = InvocationId::from(id);
            let outcome = match reader.int("resultKind", "Int32")? {
                // An error of nil reads as success without a result (P-MP-07).
                1 => reader.text("error")?.map_or(Outcome::Void, |error| Outcome::Error(error.into_owned())),
                2 => Outcome::Void,
                3 if reader.rest.is_empty() => return Err(failed("argument", "Object")),
                3 => Outcome::Value(reader.payload()),
                _ => return Err(ProtocolError::InvalidResultKind),
            };
            Message::Completion { id, outcome }
        }
        4 => {
            let invocation = reader.invocation("StreamInvocation", items)?;
            if invocation.id.is_none() {
                return Err(ProtocolError::NoInvocationId("StreamInvocation"));
            }
            Message::StreamInvocation(invocation)
        }
        5 => {
            reader.headers()?;
            Message::CancelInvocation { id: reader.id("CancelInvocation")? }
        }
        6 => Message::Ping,
        7 => Message::Close {
            error: reader.text("error")?.map(|error| error.into_owned()),
            // Two items or three (P-MP-05).
            allow_reconnect: items > 2
                && read_bool(&mut reader.rest).map_err(|_| failed("allowReconnect", "Boolean"))?,
        },
        8 => Message::Ack { sequence_id: reader.int("sequenceId", "Int64")? },
        9 => Message::Sequence { sequence_id: reader.int("sequenceId", "Int64")? },
        _ => return Ok(None),
    }))
}

fn failed(field: &str, kind: &str) -> ProtocolError {
    ProtocolError::InvalidMessagePack(format!("Reading '{field}' as {kind} failed."))
}

fn no_length(of: &str, field: &str) -> ProtocolError {
    ProtocolError::InvalidMessagePack(format!("Reading {of} length for '{field}' failed."))
}

struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn array_len(&mut self, field: &str) -> Result<u32, ProtocolError> {
        read_array_len(&mut self.rest).map_err(|_| no_length("array", field))
    }

    fn int(&mut self, field: &str, kind: &str) -> Result<i64, ProtocolError> {
        // Any width and sign (P-MP-06).
        read_int(&mut self.rest).map_err(|_| failed(field, kind))
    }

    /// A text, or `None` for nil. Invalid UTF-8 becomes U+FFFD, as on .NET (P-MP-09).
    fn text(&mut self, field: &str) -> Result<Option<std::borrow::Cow<'a, str>>, ProtocolError> {
        if self.rest.first() == Some(&Marker::Null.to_u8()) {
            self.rest = &self.rest[1..];
            return Ok(None);
        }
        let length = read_str_len(&mut self.rest).map_err(|_| failed(field, "String"))? as usize;
        let (text, rest) = self.rest.split_at_checked(length).ok_or_else(|| failed(field, "String"))?;
        self.rest = rest;
        Ok(Some(String::from_utf8_lossy(text)))
    }

    fn id(&mut self, message: &'static str) -> Result<InvocationId, ProtocolError> {
        match self.text("invocationId")? {
            Some(id) if !id.is_empty() => Ok(InvocationId::from(id)),
            _ => Err(ProtocolError::NoInvocationId(message)),
        }
    }

    fn headers(&mut self) -> Result<Headers, ProtocolError> {
        let count = read_map_len(&mut self.rest).ok().filter(|count| 2 * *count as usize <= self.rest.len());
        let count = count.ok_or_else(|| no_length("map", "headers"))?;
        let mut headers = Headers::new();
        for _ in 0..count {
            let name = self.header_part("key")?;
            headers.push((name, self.header_part("value")?));
        }
        Ok(headers)
    }

    fn header_part(&mut self, part: &str) -> Result<String, ProtocolError> {
        match self.text("headers")? {
            Some(text) if !text.is_empty() => Ok(text.into_owned()),
            _ => Err(ProtocolError::InvalidMessagePack(format!("Null or empty {part} in header."))),
        }
    }

    fn invocation(&mut self, message: &str, items: u32) -> Result<Invocation, ProtocolError> {
        let headers = self.headers()?;
        // Nil and the empty text both want no answer (P-MP-03).
        let id = self.text("invocationId")?.filter(|id| !id.is_empty()).map(InvocationId::from);
        let target = match self.text("target")? {
            Some(target) if !target.is_empty() => Target::from(target),
            _ => {
                let why = format!("Null or empty target for {message} message.");
                return Err(ProtocolError::InvalidMessagePack(why));
            }
        };
        let start = self.rest;
        let (arguments, streams) = match skip_value(&mut self.rest) {
            // Five items or six (P-MP-04).
            Ok(()) => {
                let list = &start[..start.len() - self.rest.len()];
                let streams = if items > 5 { self.stream_ids()? } else { Vec::new() };
                (list, streams)
            }
            // What is wrong inside the argument list concerns this call only: the frame bounds it (P-MP-12, P-MP-13).
            Err(_) => (start, Vec::new()),
        };
        let list = Payload::new(Codec::MessagePack, self.frame.slice_ref(arguments));
        Ok(Invocation { headers, id, target, arguments: Args::new(list), streams })
    }

    fn stream_ids(&mut self) -> Result<Vec<InvocationId>, ProtocolError> {
        let count = self.array_len("streamIds")?;
        if count as usize > self.rest.len() {
            return Err(no_length("array", "streamIds"));
        }
        let mut ids = Vec::new();
        for _ in 0..count {
            match self.text("streamIds")? {
                Some(id) if !id.is_empty() => ids.push(InvocationId::from(id)),
                _ => {
                    let why = "Null or empty value in streamIds received.".to_owned();
                    return Err(ProtocolError::InvalidMessagePack(why));
                }
            }
        }
        Ok(ids)
    }

    fn payload(&mut self) -> Payload {
        let start = self.rest;
        // A value that is cut short fails its reader, not the connection: the frame bounds it (P-MP-12).
        let value = match skip_value(&mut self.rest) {
            Ok(()) => &start[..start.len() - self.rest.len()],
            Err(_) => start,
        };
        Payload::new(Codec::MessagePack, self.frame.slice_ref(value))
    }
}

/// Why a value could not be skipped.
#[derive(Debug)]
pub(super) struct Unskippable;

/// Steps over one value without building it, whatever it declares of itself (P-MP-14).
pub(super) fn skip_value(rest: &mut &[u8]) -> Result<(), Unskippable> {
    // How many values are still to come on each level that is open.
    let mut open = [0_u64; MAX_DEPTH + 2];
    open[0] = 1;
    let mut level = 0;
    loop {
        while open[level] == 0 {
            if level == 0 {
                return Ok(());
            }
            level -= 1;
        }
        open[level] -= 1;
        let (bytes, values) = size_of_next(rest)?;
        *rest = rest.get(bytes..).ok_or(Unskippable)?;
        if values > 0 {
            level += 1;
            *open.get_mut(level).ok_or(Unskippable)? = values;
        }
    }
}

/// Reads a marker: how many bytes follow before the next value, and how many values belong to this one.
fn size_of_next(rest: &mut &[u8]) -> Result<(usize, u64), Unskippable> {
    let marker = read_marker(rest).map_err(|_| Unskippable)?;
    let mut length = |width: usize| -> Result<usize, Unskippable> {
        let (number, after) = rest.split_at_checked(width).ok_or(Unskippable)?;
        *rest = after;
        Ok(number.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)))
    };
    Ok(match marker {
        Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => (0, 0),
        Marker::U8 | Marker::I8 => (1, 0),
        Marker::U16 | Marker::I16 => (2, 0),
        Marker::U32 | Marker::I32 | Marker::F32 => (4, 0),
        Marker::U64 | Marker::I64 | Marker::F64 => (8, 0),
        Marker::FixStr(length) => (usize::from(length), 0),
        Marker::Str8 | Marker::Bin8 => (length(1)?, 0),
        Marker::Str16 | Marker::Bin16 => (length(2)?, 0),
        Marker::Str32 | Marker::Bin32 => (length(4)?, 0),
        Marker::FixArray(count) => (0, u64::from(count)),
        Marker::Array16 => (0, length(2)? as u64),
        Marker::Array32 => (0, length(4)? as u64),
        Marker::FixMap(count) => (0, 2 * u64::from(count)),
        Marker::Map16 => (0, 2 * length(2)? as u64),
        Marker::Map32 => (0, 2 * length(4)? as u64),
        // One byte of type, then the data.
        Marker::FixExt1 => (2, 0),
        Marker::FixExt2 => (3, 0),
        Marker::FixExt4 => (5, 0),
        Marker::FixExt8 => (9, 0),
        Marker::FixExt16 => (17, 0),
        Marker::Ext8 => (1 + length(1)?, 0),
        Marker::Ext16 => (1 + length(2)?, 0),
        Marker::Ext32 => (1 + length(4)?, 0),
        Marker::Reserved => return Err(Unskippable),
    })
}

pub(super) fn encode(message: &Message, out: &mut BytesMut) {
    let start = out.len();
    // Room for the length, which most often takes one byte.
    out.put_u8(0);
    write_body(message, &mut Writer(out));
    let length = out.len() - start - 1;
    let (prefix, used) = framing::length_prefix(length);
    if used > 1 {
        out.put_bytes(0, used - 1);
        out.copy_within(start + 1..start + 1 + length, start + used);
    }
    out[start..start + used].copy_from_slice(&prefix[..used]);
}

/// A writer that cannot fail: it grows.
struct Writer<'a>(&'a mut BytesMut);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.put_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Writer<'_> {
    fn array(&mut self, items: usize) {
        let _ = encode::write_array_len(self, items as u32);
    }

    fn text(&mut self, text: &str) {
        let _ = encode::write_str(self, text);
    }

    fn int(&mut self, number: i64) {
        let _ = encode::write_sint(self, number);
    }

    /// The first items of a message that belongs to a call: its type, no headers, the id.
    fn head(&mut self, items: usize, kind: i64, id: &str) {
        self.array(items);
        self.int(kind);
        self.0.put_u8(0x80);
        self.text(id);
    }

    fn optional_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.put_u8(Marker::Null.to_u8()),
        }
    }
}

fn write_body(message: &Message, out: &mut Writer<'_>) {
    match message {
        Message::Invocation(invocation) => write_invocation(1, invocation, out),
        Message::StreamInvocation(invocation) => write_invocation(4, invocation, out),
        Message::StreamItem { id, item } => {
            out.head(4, 2, id);
            out.0.put_slice(item.bytes());
        }
        Message::Completion { id, outcome } => match outcome {
            Outcome::Error(error) => {
                out.head(5, 3, id);
                out.int(1);
                out.text(error);
            }
            Outcome::Void => {
                out.head(4, 3, id);
                out.int(2);
            }
            Outcome::Value(value) => {
                out.head(5, 3, id);
                out.int(3);
                out.0.put_slice(value.bytes());
            }
        },
        Message::CancelInvocation { id } => out.head(3, 5, id),
        Message::Ping => {
            out.array(1);
            out.int(6);
        }
        Message::Close { error, allow_reconnect } => {
            out.array(3);
            out.int(7);
            // An empty error is written as nil (P-MP-05).
            out.optional_text(error.as_deref().filter(|error| !error.is_empty()));
            let _ = encode::write_bool(out, *allow_reconnect);
        }
        Message::Ack { sequence_id } => {
            out.array(2);
            out.int(8);
            out.int(*sequence_id);
        }
        Message::Sequence { sequence_id } => {
            out.array(2);
            out.int(9);
            out.int(*sequence_id);
        }
    }
}

fn write_invocation(kind: i64, invocation: &Invocation, out: &mut Writer<'_>) {
    out.array(6);
    out.int(kind);
    let _ = encode::write_map_len(out, invocation.headers.len() as u32);
    for (name, value) in &invocation.headers {
        out.text(name);
        out.text(value);
    }
    out.optional_text(invocation.id.as_deref());
    out.text(&invocation.target);
    out.0.put_slice(invocation.arguments.payload().bytes());
    out.array(invocation.streams.len());
    for id in &invocation.streams {
        out.text(id);
    }
}

pub(super) fn write_value<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    value.serialize(&mut Packer(out))
}

pub(super) fn read_value<'de, S: DeserializeSeed<'de> + Clone>(
    bytes: &'de [u8],
    seed: S,
) -> Result<S::Value, Unreadable> {
    take_member_twice();
    let read = seed.clone().deserialize(&mut Unpacker::new(bytes, false));
    if take_member_twice() && bytes.len() <= REREAD_LIMIT {
        return seed.deserialize(&mut Unpacker::new(bytes, true));
    }
    read
}
