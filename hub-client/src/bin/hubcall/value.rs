//! Values of any type: what is read from JSON to be sent in MessagePack, and from MessagePack to be printed as JSON.

use std::borrow::Cow;
use std::fmt;

use hub_core::{Binary, Codec};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// The type of timestamps among the extensions of MessagePack.
const TIMESTAMP: i8 = -1;

/// An argument, as the protocol wants it.
#[derive(Debug)]
pub(crate) enum Argument {
    /// For JSON: as it stands.
    Raw(Box<RawValue>),
    Value(Value),
}

impl Serialize for Argument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(json) => json.serialize(serializer),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

/// What came from the hub, and is printed as JSON.
pub(crate) trait Printable: DeserializeOwned + Send + 'static {
    fn is_null(&self) -> bool;

    /// The JSON, without line breaks.
    fn line(&self) -> Cow<'_, str>;
}

impl Printable for Box<RawValue> {
    fn is_null(&self) -> bool {
        self.get() == "null"
    }

    fn line(&self) -> Cow<'_, str> {
        // In JSON line breaks only separate: texts have theirs escaped.
        let json = self.get();
        if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ").into() } else { json.into() }
    }
}

/// A value of MessagePack, its members in their order.
#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    F32(f32),
    F64(f64),
    Text(String),
    Bytes(Vec<u8>),
    Extension(i8, Vec<u8>),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

impl Printable for Value {
    fn is_null(&self) -> bool {
        *self == Self::Nil
    }

    fn line(&self) -> Cow<'_, str> {
        // What is a value can be written: only keys and numbers that JSON has not would fail.
        let json = Codec::Json.encode_value(self).map(|json| String::from_utf8_lossy(json.bytes()).into_owned());
        json.unwrap_or_else(|error| format!("{:?}", error.to_string())).into()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            // JSON has no such numbers: they are called as .NET calls them. They never come from there.
            Self::F32(value) if !value.is_finite() => serializer.serialize_str(not_finite((*value).into())),
            Self::F64(value) if !value.is_finite() => serializer.serialize_str(not_finite(*value)),
            Self::F32(value) => serializer.serialize_f32(*value),
            Self::F64(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::Extension(kind, data) => match timestamp(*kind, data) {
                Some(time) => serializer.serialize_str(&time),
                None => {
                    let mut map = serializer.serialize_map(Some(2))?;
                    map.serialize_entry("extension", kind)?;
                    map.serialize_entry("data", &Binary(data.clone()))?;
                    map.end()
                }
            },
            Self::List(values) => serializer.collect_seq(values),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (name, value) in entries {
                    match name {
                        Self::Text(name) => map.serialize_entry(name, value)?,
                        // Keys are texts in JSON: others are what they look like.
                        other => map.serialize_entry(other.line().trim_matches('"'), value)?,
                    }
                }
                map.end()
            }
        }
    }
}

fn not_finite(number: f64) -> &'static str {
    match number {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

/// A timestamp as RFC 3339 writes it, if it is one: 4, 8 or 12 bytes. Years outside of 0 to 9999 cannot be written so.
fn timestamp(kind: i8, data: &[u8]) -> Option<String> {
    if kind != TIMESTAMP {
        return None;
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let (seconds, nanos) = match data.len() {
        4 => (number(data) as i64, 0),
        8 => ((number(data) & 0x3_ffff_ffff) as i64, number(data) >> 34),
        12 => (number(&data[4..]) as i64, number(&data[..4])),
        _ => return None,
    };
    let (year, month, day) = date(seconds.div_euclid(86_400))?;
    let second = seconds.rem_euclid(86_400);
    let fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}") };
    let fraction = fraction.trim_end_matches('0');
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

/// The date so many days after the first of January 1970.
fn date(days: i64) -> Option<(i64, i64, i64)> {
    // Counted from the first of March of the year 0, so that the leap day is the last of its year. 400 years have the
    // same number of days.
    let days = days.checked_add(719_468)?;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    (0..=9999).contains(&year).then_some((year, month, day))
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Signed(value))
    }

    fn visit_f32<E: Error>(self, value: f32) -> Result<Value, E> {
        Ok(Value::F32(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::F64(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(value.to_vec()))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let (kind, Binary(data)) = Deserialize::deserialize(deserializer)?;
        Ok(Value::Extension(kind, data))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use hub_core::{Codec, Payload};
    use serde_json::value::RawValue;

    use super::{Printable, Value};

    fn printed(messagepack: &[u8]) -> String {
        let payload = Payload::new(Codec::MessagePack, messagepack.to_vec().into());
        payload.read::<Value>().unwrap().line().into_owned()
    }

    #[test]
    fn what_messagepack_has_is_printed_as_json() {
        for (messagepack, json) in [
            (&[0xc0][..], "null"),
            (&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "18446744073709551615"),
            (&[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], "-9223372036854775808"),
            (&[0xca, 0x3d, 0xcc, 0xcc, 0xcd], "0.1"),
            (&[0xcb, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a], "0.1"),
            (&[0xca, 0x7f, 0xc0, 0, 0], r#""NaN""#),
            (&[0xcb, 0xff, 0xf0, 0, 0, 0, 0, 0, 0], r#""-Infinity""#),
            (&[0xc4, 3, 1, 2, 255], r#""AQL/""#),
            (&[0x93, 0x7f, 0xc3, 0xa2, b'\n', b'"'], r#"[127,true,"\n\""]"#),
            // Members in their order, and keys that are no texts.
            (&[0x82, 0xa1, b'b', 1, 0xa1, b'a', 2], r#"{"b":1,"a":2}"#),
            (&[0x83, 1, 2, 0xc0, 3, 0xc4, 1, 0, 4], r#"{"1":2,"null":3,"AA==":4}"#),
            (&[0xd6, 0xff, 0, 0, 0, 0], r#""1970-01-01T00:00:00Z""#),
            (&[0xd7, 0xff, 0x1d, 0xcd, 0x65, 0, 0x65, 0xe0, 0x7b, 0xff], r#""2024-02-29T12:43:43.125Z""#),
            (
                &[0xc7, 12, 0xff, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                r#""1969-12-31T23:59:59.000000001Z""#,
            ),
            (&[0xd4, 0xff, 1], r#"{"extension":-1,"data":"AQ=="}"#),
            (&[0xd4, 5, 1], r#"{"extension":5,"data":"AQ=="}"#),
        ] {
            assert_eq!(printed(messagepack), json);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let of = |days: i64| super::timestamp(-1, &[&[0; 4][..], &(days * 86_400).to_be_bytes()].concat());
        for (days, date) in [
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
            (20_453, "2025-12-31"),
            (-719_162, "0001-01-01"),
            (2_932_896, "9999-12-31"),
        ] {
            assert_eq!(of(days), Some(format!("{date}T00:00:00Z")));
        }
        assert_eq!(of(2_932_897), None);
    }

    #[test]
    fn json_is_printed_as_it_stands_but_on_one_line() {
        let of = |json: &str| RawValue::from_string(json.to_owned()).unwrap().line().into_owned();
        assert_eq!(of(r#"{"b":1e999,"a":1.10,"c":"\n"}"#), r#"{"b":1e999,"a":1.10,"c":"\n"}"#);
        assert_eq!(of("{\r\n\"a\":\n1}"), "{  \"a\": 1}");
    }
}
