//! Values of any type: what is read from JSON to be sent in MessagePack, and from MessagePack to be printed as JSON.

use std::borrow::Cow;

use hub_core::{Binary, Codec};
pub(crate) use rmpv::Value;
use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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

impl Printable for Value {
    fn is_null(&self) -> bool {
        self.is_nil()
    }

    fn line(&self) -> Cow<'_, str> {
        // What is a value can be written: only keys and numbers that JSON has not would fail.
        let json =
            Codec::Json.encode_value(&AsJson(self)).map(|json| String::from_utf8_lossy(json.bytes()).into_owned());
        json.unwrap_or_else(|error| format!("{:?}", error.to_string())).into()
    }
}

/// Writes a value as JSON does it, its members in their order.
struct AsJson<'a>(&'a Value);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            // JSON has no such numbers: they are called as .NET calls them.
            Value::F32(value) if !value.is_finite() => serializer.serialize_str(not_finite((*value).into())),
            Value::F64(value) if !value.is_finite() => serializer.serialize_str(not_finite(*value)),
            Value::Binary(value) => serializer.serialize_bytes(value),
            Value::Ext(kind, data) => match timestamp(*kind, data) {
                Some(time) => serializer.serialize_str(&time),
                None => {
                    let mut map = serializer.serialize_map(Some(2))?;
                    map.serialize_entry("extension", kind)?;
                    map.serialize_entry("data", &Binary(data.clone()))?;
                    map.end()
                }
            },
            Value::Array(values) => serializer.collect_seq(values.iter().map(AsJson)),
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (name, value) in entries {
                    match name.as_str() {
                        Some(name) => map.serialize_entry(name, &AsJson(value))?,
                        // Keys are texts in JSON: others are what they look like.
                        None => map.serialize_entry(name.line().trim_matches('"'), &AsJson(value))?,
                    }
                }
                map.end()
            }
            plain => plain.serialize(serializer),
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
    let time =
        OffsetDateTime::from_unix_timestamp(seconds).ok()?.replace_nanosecond(u32::try_from(nanos).ok()?).ok()?;
    time.format(&Rfc3339).ok()
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
