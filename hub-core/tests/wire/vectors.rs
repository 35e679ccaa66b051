//! What the official .NET MessagePack protocol put on the wire, in `tests/data/messagepack.json`.

use bytes::Bytes;
use hub_core::framing::Incoming;
use hub_core::message::{Message, Outcome};
use hub_core::{Binary, Codec, Payload, Timestamp};
use serde_json::Value as Json;

use crate::untyped::Value;
use crate::{encode, hex, message};

const PACK: Codec = Codec::MessagePack;

/// One captured frame, or several in a row.
#[derive(serde::Deserialize)]
pub(crate) struct Case {
    pub(crate) case: String,
    pub(crate) hex: Option<String>,
    /// What the frames hold, a number being a double.
    decoded: Option<Json>,
    /// The same message by the official JSON protocol.
    json_protocol: Option<String>,
    /// What the official reader made of it.
    pub(crate) parsed: Option<bool>,
    pub(crate) result: Option<String>,
    pub(crate) fatal: Option<String>,
}

pub(crate) fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../../tests/data/messagepack.json")).unwrap()
}

impl Case {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        hex(self.hex.as_deref().expect(&self.case))
    }

    /// The messages, without what was captured for the official reader.
    fn messages(&self) -> Option<Vec<Message>> {
        // A handshake is text.
        let holds_messages = self.json_protocol.is_some() || self.decoded.as_ref().is_some_and(Json::is_array);
        if !holds_messages {
            return None;
        }
        let mut incoming = Incoming::default();
        incoming.push(self.bytes().into());
        let frames = std::iter::from_fn(|| incoming.next_frame(PACK.into(), usize::MAX).unwrap());
        let messages = frames.map(|frame| PACK.decode(&frame).unwrap().expect(&self.case)).collect();
        assert!(incoming.is_empty(), "{}", self.case);
        Some(messages)
    }
}

#[test]
fn what_was_captured_is_read_as_what_it_says() {
    let mut count = 0;
    for case in cases() {
        let (Some(messages), Some(Json::Array(decoded))) = (case.messages(), &case.decoded) else { continue };
        assert_eq!(messages.len(), decoded.len(), "{}", case.case);
        for (message, decoded) in messages.iter().zip(decoded) {
            assert!(is(&items(message), decoded), "{}: {message:?} is not {decoded}", case.case);
            count += 1;
        }
    }
    assert_eq!(count, 166);
}

#[test]
fn what_was_captured_is_written_in_the_same_bytes() {
    let mut count = 0;
    for case in cases() {
        let Some(messages) = case.messages() else { continue };
        // Headers of a Completion are not kept.
        if case.case != "completion headers" {
            let written: Vec<u8> = messages.iter().flat_map(|message| encode(PACK, message)).collect();
            assert_eq!(written, case.bytes(), "{}", case.case);
            count += 1;
        }
    }
    assert_eq!(count, 200);
}

#[test]
fn values_are_written_in_the_same_bytes() {
    // The integers inside an untyped .NET value have a fixed width; ours are as short as they can be (P-MP-10).
    const FIXED_WIDTH: [&str; 4] = [
        "completion object[] mixed",
        "completion Dictionary<string,object>",
        "completion ExpandoObject",
        "invocation with many arguments",
    ];
    let (mut count, mut wider) = (0, Vec::new());
    for case in cases() {
        for message in case.messages().into_iter().flatten() {
            let payload = match &message {
                Message::Invocation(call) | Message::StreamInvocation(call) => call.arguments.payload(),
                Message::StreamItem { item, .. } => item,
                Message::Completion { outcome: Outcome::Value(value), .. } => value,
                _ => continue,
            };
            let value: Value = payload.read().unwrap();
            let written = PACK.encode_value(&value).unwrap();
            if written == *payload {
                count += 1;
            } else {
                assert!(written.bytes().len() < payload.bytes().len(), "{}", case.case);
                assert_eq!(written.read::<Value>().unwrap(), value);
                wider.push(case.case.clone());
            }
        }
    }
    assert_eq!(wider, FIXED_WIDTH);
    assert_eq!(count, 154);
}

#[test]
fn both_protocols_say_the_same() {
    let (mut count, mut values) = (0, 0);
    for case in cases() {
        let Some(text) = &case.json_protocol else { continue };
        let json = message(Codec::Json, text.strip_suffix('\x1e').unwrap_or(text).as_bytes());
        let packed = case.messages().unwrap().remove(0);
        match (&json, &packed) {
            (Message::Invocation(json), Message::Invocation(packed))
            | (Message::StreamInvocation(json), Message::StreamInvocation(packed)) => {
                assert_eq!(
                    (&json.headers, &json.id, &json.target, &json.streams),
                    (&packed.headers, &packed.id, &packed.target, &packed.streams)
                );
            }
            (Message::StreamItem { id, item }, Message::StreamItem { id: packed_id, item: packed }) => {
                assert_eq!(id, packed_id);
                values += usize::from(equal_if_alike(&case.case, item, packed));
            }
            (Message::Completion { id, outcome }, Message::Completion { id: packed_id, outcome: packed }) => {
                assert_eq!(id, packed_id);
                match (outcome, packed) {
                    (Outcome::Value(json), Outcome::Value(packed)) => {
                        values += usize::from(equal_if_alike(&case.case, json, packed));
                    }
                    // Only MessagePack can say that an error is empty (P-MP-07).
                    (Outcome::Void, Outcome::Error(error)) => assert_eq!(error, ""),
                    (json, packed) => assert_eq!(json, packed),
                }
            }
            (Message::Close { error, .. }, Message::Close { error: packed, .. }) => {
                assert_eq!(error.as_deref().filter(|error| !error.is_empty()), packed.as_deref());
            }
            (json, packed) => assert_eq!(json, packed),
        }
        // And our JSON writer agrees with the official one.
        if case.case != "completion headers" {
            let text = format!("{}\x1e", text.strip_suffix('\x1e').unwrap_or(text));
            assert_eq!(String::from_utf8(encode(Codec::Json, &json)).unwrap(), text, "{}", case.case);
        }
        count += 1;
    }
    assert_eq!(count, 148);
    assert_eq!(values, 78);
}

/// Compares values whose type is the same in both protocols, and tells whether these were.
fn equal_if_alike(case: &str, json: &Payload, packed: &Payload) -> bool {
    fn both<T: serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(json: &Payload, packed: &Payload) -> bool {
        let (Ok(json), Ok(packed)) = (json.read::<T>(), packed.read::<T>()) else { return false };
        assert_eq!(json, packed);
        true
    }
    // A .NET char is a text in one and a number in the other.
    assert_eq!(json.is_null(), packed.is_null(), "{case}");
    let binary = json.bytes().starts_with(b"\"") && matches!(packed.read(), Ok(Value::Bytes(_)));
    both::<Option<i128>>(json, packed)
        || both::<bool>(json, packed)
        || both::<f64>(json, packed)
        || both::<Vec<i64>>(json, packed)
        || both::<Timestamp>(json, packed)
        || if binary { both::<Binary>(json, packed) } else { both::<String>(json, packed) }
}

/// A message as the array that it is on the wire.
fn items(message: &Message) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let optional = |value: Option<&str>| value.map_or(Value::Nil, text);
    let head = |kind, id: &str| vec![Value::Int(kind), Value::Map(Vec::new()), text(id)];
    let any = |payload: &Payload| payload.read::<Value>().unwrap();
    Value::List(match message {
        Message::Invocation(call) => {
            let streams = call.streams.iter().map(|id| text(id)).collect();
            let mut items = head(1, "");
            items[2] = optional(call.id.as_deref());
            items.extend([text(&call.target), any(call.arguments.payload()), Value::List(streams)]);
            items
        }
        Message::StreamItem { id, item } => [head(2, id), vec![any(item)]].concat(),
        Message::Completion { id, outcome } => {
            let outcome = match outcome {
                Outcome::Error(error) => vec![Value::Int(1), text(error)],
                Outcome::Void => vec![Value::Int(2)],
                Outcome::Value(value) => vec![Value::Int(3), any(value)],
            };
            [head(3, id), outcome].concat()
        }
        Message::Ping => vec![Value::Int(6)],
        Message::Close { error, allow_reconnect } => {
            vec![Value::Int(7), optional(error.as_deref()), Value::Bool(*allow_reconnect)]
        }
        Message::Ack { sequence_id } => vec![Value::Int(8), Value::Int((*sequence_id).into())],
        Message::Sequence { sequence_id } => vec![Value::Int(9), Value::Int((*sequence_id).into())],
        other => panic!("no server sends {other:?}"),
    })
}

/// Whether a value is what the capture says, which tells special values by an object of one member.
fn is(value: &Value, decoded: &Json) -> bool {
    let special = |name: &str| decoded.get(name).and_then(Json::as_str);
    match value {
        Value::Nil => decoded.is_null(),
        Value::Bool(value) => decoded.as_bool() == Some(*value),
        Value::Int(value) => decoded.as_f64() == Some(*value as f64),
        Value::F32(value) => decoded.as_f64() == Some(f64::from(*value)),
        Value::F64(value) => match special("double") {
            Some(name) => name == if value.is_nan() { "NaN" } else { "Infinity" } && !value.is_finite(),
            None => decoded.as_f64() == Some(*value),
        },
        Value::Text(value) => decoded.as_str() == Some(value),
        Value::Bytes(value) => special("bin").map(hex).as_ref() == Some(value),
        Value::Ext(-1, bytes) => special("timestamp").map(milliseconds) == Some(timestamp(bytes)),
        Value::Ext(..) => false,
        Value::List(values) => decoded.as_array().is_some_and(|decoded| {
            decoded.len() == values.len() && values.iter().zip(decoded).all(|(value, decoded)| is(value, decoded))
        }),
        Value::Map(entries) => decoded.as_object().is_some_and(|decoded| {
            decoded.len() == entries.len()
                && entries.iter().all(|(name, value)| {
                    let name = match name {
                        Value::Text(name) => name.clone(),
                        Value::Int(name) => name.to_string(),
                        _ => return false,
                    };
                    decoded.get(&name).is_some_and(|decoded| is(value, decoded))
                })
        }),
    }
}

/// The milliseconds since 1970 of a MessagePack timestamp, rounded as a double rounds them (P-MP-11).
fn timestamp(bytes: &[u8]) -> i64 {
    let (seconds, nanoseconds) = match *bytes {
        [a, b, c, d] => (u32::from_be_bytes([a, b, c, d]).into(), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            ((both & 0x3_ffff_ffff) as i64, (both >> 34) as u32)
        }
        [a, b, c, d, ref seconds @ ..] => {
            (i64::from_be_bytes(seconds.try_into().unwrap()), u32::from_be_bytes([a, b, c, d]))
        }
        _ => panic!("no timestamp"),
    };
    (seconds as f64 * 1e3 + f64::from(nanoseconds) / 1e6) as i64
}

/// The milliseconds since 1970 of `2024-01-02T03:04:05.123Z`, with or without a sign before the year.
fn milliseconds(text: &str) -> i64 {
    let (year, rest) = text.split_at(text.find('-').unwrap());
    let numbers: Vec<i64> = rest[1..]
        .split(['-', 'T', ':', '.', 'Z'])
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap())
        .collect();
    let [month, day, hour, minute, second, millisecond] = numbers[..] else { panic!("{text}") };
    // Years that begin in March, so that the leap day comes last.
    let year: i64 = year.parse::<i64>().unwrap() - i64::from(month < 3);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468;
    (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millisecond
}

#[test]
fn the_dates_of_this_file_are_right() {
    assert_eq!(milliseconds("1970-01-01T00:00:00.000Z"), 0);
    assert_eq!(milliseconds("2000-02-29T00:00:01.002Z"), 951_782_401_002);
    assert_eq!(timestamp(&Bytes::from_static(&[0, 0, 0, 1])), 1000);
}
