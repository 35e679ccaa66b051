//! The `json` protocol (protocol.md section 4).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Codec, MAX_DEPTH, Payload};
use crate::args::Args;
use crate::error::ProtocolError;
use crate::framing::RECORD_SEPARATOR;
use crate::message::{Headers, Invocation, InvocationId, Message, Outcome, Target};

/// The members of a message as they stand in the frame: which of them matter is known when all are read, for the type
/// may come last (P-JSON-01).
#[derive(Default)]
struct Members<'a> {
    kind: Option<&'a RawValue>,
    headers: Option<&'a RawValue>,
    invocation_id: Option<&'a RawValue>,
    target: Option<&'a RawValue>,
    arguments: Option<&'a RawValue>,
    stream_ids: Option<&'a RawValue>,
    item: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
    allow_reconnect: Option<&'a RawValue>,
    sequence_id: Option<&'a RawValue>,
}

pub(super) fn decode(frame: &Bytes) -> Result<Option<Message>, ProtocolError> {
    let members = read_members(frame)?;
    let kind: i64 = number(members.kind, "type")?;
    Ok(Some(match kind {
        1 => Message::Invocation(members.invocation(frame, false)?),
        2 => Message::StreamItem {
            id: members.id()?,
            item: payload(frame, members.item.ok_or(ProtocolError::Missing("item"))?, MAX_DEPTH)?,
        },
        3 => {
            // An empty id answers nothing, and is no more than that: see `Message::Completion`.
            let id = text(members.invocation_id, "invocationId")?.ok_or(ProtocolError::Missing("invocationId"))?;
            let id = InvocationId::from(id);
            let outcome = match (text(members.error, "error")?, members.result) {
                (Some(_), Some(_)) => return Err(ProtocolError::ErrorAndResult),
                // An empty error is one (P-JSON-12).
                (Some(error), None) => Outcome::Error(error.into_owned()),
                (None, Some(result)) => Outcome::Value(payload(frame, result, MAX_DEPTH)?),
                (None, None) => Outcome::Void,
            };
            Message::Completion { id, outcome }
        }
        4 => Message::StreamInvocation(members.invocation(frame, true)?),
        5 => Message::CancelInvocation { id: members.id()? },
        6 => Message::Ping,
        7 => Message::Close {
            error: text(members.error, "error")?.map(Cow::into_owned),
            allow_reconnect: match members.allow_reconnect.map(RawValue::get) {
                None | Some("null" | "false") => false,
                Some("true") => true,
                Some(_) => return Err(ProtocolError::NotABoolean("allowReconnect")),
            },
        },
        8 => Message::Ack { sequence_id: number(members.sequence_id, "sequenceId")? },
        9 => Message::Sequence { sequence_id: number(members.sequence_id, "sequenceId")? },
        _ => return Ok(None),
    }))
}

fn read_members(frame: &[u8]) -> Result<Members<'_>, ProtocolError> {
    let mut deserializer = serde_json::Deserializer::from_slice(frame);
    deserializer.deserialize_map(MembersVisitor).and_then(|members| deserializer.end().map(|()| members)).map_err(
        |error| match frame.trim_ascii_start().first() {
            Some(b'[') => ProtocolError::NotAnObject("Array"),
            Some(b'"') => ProtocolError::NotAnObject("String"),
            Some(b'0'..=b'9' | b'-') => ProtocolError::NotAnObject("Number"),
            Some(b't') => ProtocolError::NotAnObject("True"),
            Some(b'f') => ProtocolError::NotAnObject("False"),
            Some(b'n') => ProtocolError::NotAnObject("Null"),
            _ => ProtocolError::InvalidJson(error.to_string()),
        },
    )
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hub message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key_seed(NameSeed)? {
            let value: &RawValue = map.next_value()?;
            // The last of several members of one name wins (P-JSON-20).
            match name {
                Name::Type => members.kind = Some(value),
                Name::Headers => members.headers = Some(value),
                Name::InvocationId => members.invocation_id = Some(value),
                Name::Target => members.target = Some(value),
                Name::Arguments => members.arguments = Some(value),
                Name::StreamIds => members.stream_ids = Some(value),
                Name::Item => members.item = Some(value),
                Name::Result => members.result = Some(value),
                Name::Error => members.error = Some(value),
                Name::AllowReconnect => members.allow_reconnect = Some(value),
                Name::SequenceId => members.sequence_id = Some(value),
                Name::Unknown => {}
            }
        }
        Ok(members)
    }
}

enum Name {
    Type,
    Headers,
    InvocationId,
    Target,
    Arguments,
    StreamIds,
    Item,
    Result,
    Error,
    AllowReconnect,
    SequenceId,
    Unknown,
}

struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(match name {
            "type" => Name::Type,
            "headers" => Name::Headers,
            "invocationId" => Name::InvocationId,
            "target" => Name::Target,
            "arguments" => Name::Arguments,
            "streamIds" => Name::StreamIds,
            "item" => Name::Item,
            "result" => Name::Result,
            "error" => Name::Error,
            "allowReconnect" => Name::AllowReconnect,
            "sequenceId" => Name::SequenceId,
            _ => Name::Unknown,
        })
    }
}

impl Members<'_> {
    fn invocation(&self, frame: &Bytes, needs_id: bool) -> Result<Invocation, ProtocolError> {
        let id = if needs_id {
            Some(self.id()?)
        } else {
            // An empty id wants no answer, as an absent one (P-JSON-05).
            text(self.invocation_id, "invocationId")?.filter(|id| !id.is_empty()).map(InvocationId::from)
        };
        // An empty name is an unknown method, not a malformed message (P-JSON-06).
        let target = match (text(self.target, "target")?, self.target) {
            (Some(target), _) => Target::from(target),
            (None, Some(_)) => return Err(ProtocolError::WrongType { name: "target", expected: "String" }),
            (None, None) => return Err(ProtocolError::Missing("target")),
        };
        let list = self.arguments.ok_or(ProtocolError::Missing("arguments"))?;
        if !list.get().starts_with('[') {
            return Err(ProtocolError::WrongType { name: "arguments", expected: "Array" });
        }
        Ok(Invocation {
            headers: self.headers()?,
            id,
            target,
            // The list itself is one level.
            arguments: Args::new(payload(frame, list, MAX_DEPTH + 1)?),
            streams: self.stream_ids()?,
        })
    }

    fn id(&self) -> Result<InvocationId, ProtocolError> {
        match text(self.invocation_id, "invocationId")? {
            Some(id) if !id.is_empty() => Ok(InvocationId::from(id)),
            _ => Err(ProtocolError::Missing("invocationId")),
        }
    }

    fn headers(&self) -> Result<Headers, ProtocolError> {
        let Some(headers) = self.headers.filter(|headers| headers.get() != "null") else { return Ok(Headers::new()) };
        let headers: BTreeMap<String, &RawValue> = serde_json::from_str(headers.get())
            .map_err(|_| ProtocolError::WrongType { name: "headers", expected: "StartObject" })?;
        let texts = headers.into_iter().map(|(name, value)| match serde_json::from_str(value.get()) {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(ProtocolError::HeaderType(name)),
        });
        texts.collect()
    }

    fn stream_ids(&self) -> Result<Vec<InvocationId>, ProtocolError> {
        let Some(ids) = self.stream_ids.filter(|ids| ids.get() != "null") else { return Ok(Vec::new()) };
        let ids: Vec<Option<Cow<'_, str>>> = serde_json::from_str(ids.get())
            .map_err(|_| ProtocolError::WrongType { name: "streamIds", expected: "Array" })?;
        ids.into_iter().map(|id| id.map(InvocationId::from).ok_or(ProtocolError::NullInList("streamIds"))).collect()
    }
}

/// A member that has to be a number without a fraction.
fn number(value: Option<&RawValue>, name: &'static str) -> Result<i64, ProtocolError> {
    let value = value.ok_or(ProtocolError::Missing(name))?;
    value.get().parse().map_err(|_| ProtocolError::WrongType { name, expected: "Number" })
}

/// An optional text. Null counts as absent (P-DIV-02).
fn text<'a>(value: Option<&'a RawValue>, name: &'static str) -> Result<Option<Cow<'a, str>>, ProtocolError> {
    let Some(value) = value.map(RawValue::get).filter(|value| *value != "null") else { return Ok(None) };
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Some(Cow::Borrowed(plain))),
        Some(_) => serde_json::from_str::<String>(value)
            .map(|text| Some(Cow::Owned(text)))
            .map_err(|error| ProtocolError::InvalidJson(error.to_string())),
        None => Err(ProtocolError::WrongType { name, expected: "String" }),
    }
}

fn payload(frame: &Bytes, value: &RawValue, max_depth: usize) -> Result<Payload, ProtocolError> {
    if is_deeper_than(max_depth, value.get().as_bytes()) {
        return Err(ProtocolError::TooDeep);
    }
    Ok(Payload::new(Codec::Json, frame.slice_ref(value.get().as_bytes())))
}

/// Whether JSON nests deeper than this; of what is no JSON, whether it might. The parser that skips over payloads uses no stack and
/// has no such limit.
pub(super) fn is_deeper_than(limit: usize, json: &[u8]) -> bool {
    // No more opening brackets than levels: no need to look which of them stand in strings.
    if json.len() < 2 * limit || memchr::memchr2_iter(b'[', b'{', json).nth(limit).is_none() {
        return false;
    }
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest > limit
}

/// Members are written in the order of the .NET writer (protocol.md section 4), and optional ones never as null
/// (P-JSON-04).
pub(super) fn encode(message: &Message, out: &mut BytesMut) {
    match message {
        Message::Invocation(invocation) => write_invocation(1, invocation, out),
        Message::StreamInvocation(invocation) => write_invocation(4, invocation, out),
        Message::StreamItem { id, item } => {
            out.put_slice(b"{\"type\":2");
            write_id(id, out);
            out.put_slice(b",\"item\":");
            out.put_slice(item.bytes());
            out.put_u8(b'}');
        }
        Message::Completion { id, outcome } => {
            out.put_slice(b"{\"type\":3");
            write_id(id, out);
            match outcome {
                Outcome::Value(value) => {
                    out.put_slice(b",\"result\":");
                    out.put_slice(value.bytes());
                }
                // An empty error is written as none, whatever its reader would make of it (P-JSON-12).
                Outcome::Error(error) if !error.is_empty() => write_error(error, out),
                Outcome::Void | Outcome::Error(_) => {}
            }
            out.put_u8(b'}');
        }
        Message::CancelInvocation { id } => {
            out.put_slice(b"{\"type\":5");
            write_id(id, out);
            out.put_u8(b'}');
        }
        Message::Ping => out.put_slice(b"{\"type\":6}"),
        Message::Close { error, allow_reconnect } => {
            out.put_slice(b"{\"type\":7");
            if let Some(error) = error {
                write_error(error, out);
            }
            if *allow_reconnect {
                out.put_slice(b",\"allowReconnect\":true");
            }
            out.put_u8(b'}');
        }
        Message::Ack { sequence_id } => write_sequence(8, *sequence_id, out),
        Message::Sequence { sequence_id } => write_sequence(9, *sequence_id, out),
    }
    out.put_u8(RECORD_SEPARATOR);
}

fn write_invocation(kind: u8, invocation: &Invocation, out: &mut BytesMut) {
    out.put_slice(b"{\"type\":");
    out.put_u8(b'0' + kind);
    if !invocation.headers.is_empty() {
        out.put_slice(b",\"headers\":{");
        for (index, (name, value)) in invocation.headers.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            write_text(name, out);
            out.put_u8(b':');
            write_text(value, out);
        }
        out.put_u8(b'}');
    }
    if let Some(id) = &invocation.id {
        write_id(id, out);
    }
    out.put_slice(b",\"target\":");
    write_text(&invocation.target, out);
    out.put_slice(b",\"arguments\":");
    out.put_slice(invocation.arguments.payload().bytes());
    if !invocation.streams.is_empty() {
        out.put_slice(b",\"streamIds\":[");
        for (index, id) in invocation.streams.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            write_text(id, out);
        }
        out.put_u8(b']');
    }
    out.put_u8(b'}');
}

fn write_id(id: &str, out: &mut BytesMut) {
    out.put_slice(b",\"invocationId\":");
    write_text(id, out);
}

fn write_error(error: &str, out: &mut BytesMut) {
    out.put_slice(b",\"error\":");
    write_text(error, out);
}

fn write_sequence(kind: u8, sequence_id: i64, out: &mut BytesMut) {
    out.put_slice(format!("{{\"type\":{kind},\"sequenceId\":{sequence_id}}}").as_bytes());
}

fn write_text(text: &str, out: &mut BytesMut) {
    // Most ids and names need no escape.
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.reserve(text.len() + 2);
        out.put_u8(b'"');
        out.put_slice(text.as_bytes());
        out.put_u8(b'"');
    } else {
        out.put_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::is_deeper_than;

    #[test]
    fn depth_of_what_is_no_json() {
        let text = |closing: usize, opening: usize| "]".repeat(closing) + &"[".repeat(opening) + &" ".repeat(20);
        assert!(!is_deeper_than(10, text(20, 10).as_bytes()));
        assert!(is_deeper_than(10, text(20, 11).as_bytes()));
        assert!(is_deeper_than(10, text(0, 11).as_bytes()));
    }
}
