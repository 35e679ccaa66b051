//! Dates in both protocols, as their own type and as those of others (P-MP-11, P-JSON-17).

use std::time::{Duration, SystemTime};

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use hub_core::{Codec, Payload, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{args, hex, payload};

const PACK: Codec = Codec::MessagePack;

/// Dates as .NET has them on the wire, and as JSON has them.
const DATES: [(&str, &str); 10] = [
    ("d6 ff 00 00 00 00", "1970-01-01T00:00:00Z"),
    ("d6 ff 65 93 7d 25", "2024-01-02T03:04:05Z"),
    ("d6 ff ff ff ff ff", "2106-02-07T06:28:15Z"),
    ("d7 ff 00 00 00 01 00 00 00 00", "2106-02-07T06:28:16Z"),
    ("d7 ff 1d 6f 32 f0 65 93 7d 25", "2024-01-02T03:04:05.1234567Z"),
    ("d7 ff ee 6b 27 fc 65 93 7d 25", "2024-01-02T03:04:05.999999999Z"),
    ("c7 0c ff 00 00 00 00 ff ff ff ff ff ff ff ff", "1969-12-31T23:59:59Z"),
    ("c7 0c ff 00 00 00 00 ff ff ff f1 88 6e 09 00", "0001-01-01T00:00:00Z"),
    ("c7 0c ff 00 00 00 00 00 00 00 04 a0 fe 72 80", "2600-01-01T00:00:00Z"),
    ("c7 0c ff 3b 9a c9 9c 00 00 00 3a ff f4 41 7f", "9999-12-31T23:59:59.9999999Z"),
];

fn both_ways<T>(dates: &[(&str, &str)])
where
    T: Serialize + DeserializeOwned + std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug + PartialEq,
{
    for &(bytes, text) in dates {
        let date: T = text.parse().unwrap();
        assert_eq!(PACK.encode_value(&date).unwrap().bytes(), &hex(bytes), "{text}");
        assert_eq!(payload(PACK, hex(bytes)).read::<T>().as_ref(), Ok(&date));
        // How many digits a fraction has is the type's own choice.
        let json = Codec::Json.encode_value(&date).unwrap();
        assert_eq!(json.read::<Timestamp>().unwrap(), text.parse().unwrap());
        assert_eq!(payload(Codec::Json, format!("{text:?}")).read::<T>().as_ref(), Ok(&date));
    }
}

#[test]
fn p_mp_11_dates_both_ways() {
    both_ways::<Timestamp>(&DATES);
    both_ways::<DateTime<Utc>>(&DATES);
    // Its last day is one earlier.
    both_ways::<jiff::Timestamp>(&DATES[..9]);
    for (_, text) in DATES {
        let date: Timestamp = text.parse().unwrap();
        assert_eq!(Codec::Json.encode_value(&date).unwrap().bytes(), &format!("{text:?}"));
    }
}

#[test]
fn p_mp_11_every_form_of_the_extension_is_read() {
    let date = Timestamp::from_unix(1, 0).unwrap();
    for bytes in ["d6 ff 00 00 00 01", "d7 ff 00 00 00 00 00 00 00 01", "c7 0c ff 00 00 00 00 00 00 00 00 00 00 00 01"]
    {
        assert_eq!(payload(PACK, hex(bytes)).read(), Ok(date), "{bytes}");
    }
    for (bytes, why) in [
        ("d4 ff 01", "4, 8 or 12 bytes, not 1"),
        ("c7 00 ff", "4, 8 or 12 bytes, not 0"),
        // 2^30 - 1 nanoseconds, the year 10,000, the year 0.
        ("d7 ff ff ff ff fc 00 00 00 00", "the years 1 to 9999"),
        ("c7 0c ff 00 00 00 00 00 00 00 3a ff f4 41 80", "the years 1 to 9999"),
        ("c7 0c ff 00 00 00 00 ff ff ff f1 88 6e 08 ff", "the years 1 to 9999"),
        ("d6 05 00 00 00 01", "an extension"),
        ("05", "expected a date"),
        ("c0", "expected a date"),
    ] {
        let error = payload(PACK, hex(bytes)).read::<Timestamp>().unwrap_err();
        assert!(error.detail().contains(why), "{bytes}: {}", error.detail());
        let next = args(PACK, [&[0x92][..], &hex(bytes), &[7]].concat());
        assert!(next.read::<(Timestamp, u8)>().is_err());
    }
}

#[test]
fn p_mp_11_date_time_offset() {
    for (bytes, text) in [
        ("92 d6 ff 65 93 7d 25 78", "2024-01-02T03:04:05+02:00"),
        ("92 d6 ff 65 93 7d 25 00", "2024-01-02T03:04:05Z"),
        ("92 d7 ff 00 00 01 90 65 93 7d 25 d1 fe b6", "2024-01-02T03:04:05.0000001-05:30"),
    ] {
        let value = payload(PACK, hex(bytes));
        assert_eq!(value.read::<Timestamp>().unwrap(), text.parse().unwrap());
        let date: DateTime<FixedOffset> = text.parse().unwrap();
        let read: DateTime<FixedOffset> = value.read().unwrap();
        assert_eq!((read, read.offset()), (date, date.offset()));
        // What has an offset is text in both protocols, and comes back with it.
        for codec in Codec::ALL {
            let again: DateTime<FixedOffset> = codec.encode_value(&date).unwrap().read().unwrap();
            assert_eq!((again, again.offset()), (date, date.offset()));
        }
    }
    for bytes in
        ["92 d6 ff 65 93 7d 25 cd ff ff", "92 d6 ff 65 93 7d 25 d3 80 00 00 00 00 00 00 00", "92 d6 ff 65 93 7d 25 c0"]
    {
        assert!(payload(PACK, hex(bytes)).read::<Timestamp>().is_err(), "{bytes}");
    }
    // A pair is a pair where one is asked for.
    let pair = payload(PACK, hex("92 d6 ff 00 00 00 01 78"));
    assert_eq!(pair.read::<(Timestamp, i16)>(), Ok((Timestamp::from_unix(1, 0).unwrap(), 120)));
}

#[test]
fn p_json_17_what_others_write_for_a_date() {
    let date = "2024-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    for text in
        ["2024-01-02T03:04:05Z", "2024-01-02T03:04:05.0000000Z", "2024-01-02T05:04:05+02:00", "2024-01-02T03:04:05"]
    {
        for codec in Codec::ALL {
            assert_eq!(codec.encode_value(text).unwrap().read(), Ok(date), "{text}");
        }
    }
    assert_eq!("2024-01-02".parse(), Ok(Timestamp::from_unix(date.unix_seconds() - 11_045, 0).unwrap()));
    for bad in ["", "x", "2024-13-01", "2024-01-02 03:04", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "é"] {
        let error = bad.parse::<Timestamp>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{bad}` is no date such as")), "{error}");
    }
    let long = "9".repeat(10_000).parse::<Timestamp>().unwrap_err().to_string();
    assert!(long.len() < 200, "{long}");
}

#[test]
fn a_text_that_looks_like_a_date_is_a_text() {
    let text = "2024-01-02T03:04:05Z";
    let written = PACK.encode_value(text).unwrap();
    assert_eq!(written.read::<String>().unwrap(), text);
    assert_eq!(written.bytes()[0], 0xa0 | text.len() as u8);
    // And a date is none, as on .NET.
    assert!(payload(PACK, hex("d6 ff 00 00 00 01")).read::<String>().is_err());
    // Neither is what has no time, or no zone.
    let day: NaiveDate = "2024-01-02".parse().unwrap();
    assert_eq!(PACK.encode_value(&day).unwrap().read::<String>().unwrap(), "2024-01-02");
    for outside in ["+10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z"] {
        let outside: DateTime<Utc> = outside.parse().unwrap();
        assert_eq!(PACK.encode_value(&outside).unwrap().read(), Ok(outside), "a text then");
    }
}

#[test]
fn untyped_values_take_dates_and_bytes_as_json_has_them() {
    let list = args(PACK, hex("93 d6 ff 00 00 00 01 c4 02 01 ff 81 a1 61 92 d6 ff 00 00 00 01 c4 00"));
    let read: (serde_json::Value, serde_json::Value, serde_json::Value) = list.read().unwrap();
    let date = "1970-01-01T00:00:01Z";
    assert_eq!(serde_json::json!(read), serde_json::json!([date, "Af8=", { "a": [date, ""] }]));
    // Another extension is no JSON: it fails its call, as on .NET.
    assert!(payload(PACK, hex("d4 05 01")).read::<serde_json::Value>().is_err());
}

#[test]
fn dates_in_all_that_serde_makes_of_a_type() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        at: DateTime<Utc>,
        seen: Option<Timestamp>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Line(Line),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
        Date(Timestamp),
        Line(Line),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        line: Line,
    }
    let line = || Line { at: DateTime::from_timestamp(5, 6).unwrap(), seen: Timestamp::from_unix(-7, 8) };
    let value = (
        vec![Tagged::Line(line())],
        vec![Untagged::Number(1), Untagged::Date(Timestamp::MAX), Untagged::Line(line())],
        Flat { line: line() },
    );
    for codec in Codec::ALL {
        let written = codec.encode_value(&value).unwrap();
        assert_eq!(
            written.read(),
            Ok((vec![Tagged::Line(line())], value_again(), Flat { line: line() })),
            "{written:?}"
        );
    }

    fn value_again() -> Vec<Untagged> {
        let line = Line { at: DateTime::from_timestamp(5, 6).unwrap(), seen: Timestamp::from_unix(-7, 8) };
        vec![Untagged::Number(1), Untagged::Date(Timestamp::MAX), Untagged::Line(line)]
    }
}

#[test]
fn dates_are_times_of_the_system() {
    let epoch = SystemTime::UNIX_EPOCH;
    let part = Duration::from_nanos(1);
    for (time, seconds, nanoseconds) in [
        (epoch, 0, 0),
        (epoch + part, 0, 1),
        (epoch - part, -1, 999_999_999),
        (epoch - Duration::from_secs(1), -1, 0),
        (epoch + Duration::from_millis(1_700_000_000_123), 1_700_000_000, 123_000_000),
    ] {
        let date = Timestamp::from(time);
        assert_eq!((date.unix_seconds(), date.subsec_nanoseconds()), (seconds, nanoseconds));
        assert_eq!(SystemTime::from(date), time);
    }
    for far in [Duration::from_secs(1 << 40), Duration::from_secs(i64::MAX as u64)] {
        assert_eq!(epoch.checked_add(far).map(Timestamp::from), epoch.checked_add(far).map(|_| Timestamp::MAX));
        assert_eq!(epoch.checked_sub(far).map(Timestamp::from), epoch.checked_sub(far).map(|_| Timestamp::MIN));
    }
    for date in [Timestamp::MIN, Timestamp::MAX] {
        assert_eq!(Timestamp::from(SystemTime::from(date)), date);
        assert_eq!(date.to_string().parse(), Ok(date));
    }
    assert_eq!(Timestamp::from_unix(0, 1_000_000_000), None);
    assert_eq!(Timestamp::from_unix(Timestamp::MAX.unix_seconds() + 1, 0), None);
    assert_eq!(Timestamp::from_unix(i64::MIN, 0), None);
    // Other crates' dates come by way of it.
    let jiff: jiff::Timestamp = "2024-01-02T03:04:05.5Z".parse().unwrap();
    assert_eq!(Timestamp::from(SystemTime::from(jiff)).to_string(), jiff.to_string());
    assert!(Payload::null(PACK).read::<Option<Timestamp>>().unwrap().is_none());
}
