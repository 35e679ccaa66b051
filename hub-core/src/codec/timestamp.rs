//! Dates: extension -1 in MessagePack, text in JSON (P-MP-11, P-JSON-17).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BufMut;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::head::Unreadable;

/// The type of dates among the extensions.
pub(super) const DATE: i8 = -1;

/// A point in time, which clients have as a date: `DateTime` in .NET, `Date` in JavaScript.
///
/// In MessagePack it is a timestamp (extension -1), in JSON text such as `2026-11-30T12:34:56.789Z`, as .NET writes it.
/// It is read from these, from text with another offset, from text without one or without a time of day (which is UTC's
/// then), and from .NET's `DateTimeOffset`, whose offset is not kept. The years are 1 to 9999, as there; nanoseconds are
/// kept, where .NET knows units of 100 ns and JavaScript milliseconds.
///
/// `chrono::DateTime<Utc>` and `jiff::Timestamp` need no other type: as parameters, members and results they are the same
/// on the wire. `DateTime<FixedOffset>` and `DateTime<Local>` are read from all of that, with their offset, and written as
/// text in both protocols; so is what `time::serde::rfc3339` reads and writes. All three crates convert from and into
/// [`SystemTime`], as this type does.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use hub_core::{Codec, Timestamp};
///
/// let date: Timestamp = "2026-11-30T12:34:56.789Z".parse().unwrap();
/// assert_eq!(Codec::Json.encode_value(&date).unwrap().bytes(), r#""2026-11-30T12:34:56.789Z""#);
/// assert_eq!(Codec::MessagePack.encode_value(&date).unwrap().bytes()[..2], [0xd7, 0xff]);
/// assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).to_string(), "1970-01-01T00:00:01Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

impl Timestamp {
    /// The beginning of the year 1.
    pub const MIN: Self = Self { seconds: -62_135_596_800, nanoseconds: 0 };

    /// The last nanosecond of the year 9999.
    pub const MAX: Self = Self { seconds: 253_402_300_799, nanoseconds: 999_999_999 };

    /// The time this many seconds after 1970 began in UTC (before, if they are negative), and so many nanoseconds later.
    /// `None` outside of the years 1 to 9999, or for a whole second or more of nanoseconds.
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Option<Self> {
        let time = Self { seconds, nanoseconds };
        (nanoseconds < 1_000_000_000 && (Self::MIN..=Self::MAX).contains(&time)).then_some(time)
    }

    /// The whole seconds since 1970 began in UTC, rounded down: negative before.
    pub fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// The nanoseconds behind [`unix_seconds`](Self::unix_seconds): less than a second.
    pub fn subsec_nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// The data of extension -1, in whichever of its three forms it says that it is.
    fn from_extension(data: &[u8]) -> Result<Self, Unreadable> {
        let (seconds, nanoseconds) = match *data {
            [a, b, c, d] => (u32::from_be_bytes([a, b, c, d]).into(), 0),
            [a, b, c, d, e, f, g, h] => {
                let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                ((both & 0x3_ffff_ffff) as i64, (both >> 34) as u32)
            }
            [a, b, c, d, e, f, g, h, i, j, k, l] => {
                (i64::from_be_bytes([e, f, g, h, i, j, k, l]), u32::from_be_bytes([a, b, c, d]))
            }
            _ => return Err(de::Error::custom(format_args!("a date has 4, 8 or 12 bytes, not {}", data.len()))),
        };
        Self::from_unix(seconds, nanoseconds).ok_or_else(|| de::Error::custom(OUT_OF_RANGE))
    }

    /// Appends extension -1 in its shortest form.
    fn put_extension(self, out: &mut Vec<u8>) {
        match u64::try_from(self.seconds) {
            Ok(seconds) if seconds >> 32 == 0 && self.nanoseconds == 0 => {
                out.put_slice(&[0xd6, 0xff]);
                out.put_u32(seconds as u32);
            }
            Ok(seconds) if seconds >> 34 == 0 => {
                out.put_slice(&[0xd7, 0xff]);
                out.put_u64(u64::from(self.nanoseconds) << 34 | seconds);
            }
            _ => {
                out.put_slice(&[0xc7, 12, 0xff]);
                out.put_u32(self.nanoseconds);
                out.put_i64(self.seconds);
            }
        }
    }

    fn plus_minutes(self, minutes: i64) -> Option<Self> {
        Self::from_unix(self.seconds.checked_add(minutes.checked_mul(60)?)?, self.nanoseconds)
    }

    fn at(self, offset: UtcOffset) -> Option<String> {
        let time = OffsetDateTime::from_unix_timestamp(self.seconds).ok()?.replace_nanosecond(self.nanoseconds).ok()?;
        time.checked_to_offset(offset)?.format(&Rfc3339).ok()
    }
}

const OUT_OF_RANGE: &str = "the date is outside of the years 1 to 9999";

/// The text of a date in MessagePack, as JSON has it.
pub(super) fn text_of(data: &[u8]) -> Result<String, Unreadable> {
    Timestamp::from_extension(data).map(|time| time.to_string())
}

/// The text of a `DateTimeOffset`: the time as the clock on the wall there shows it, and by how much that is ahead of UTC.
pub(super) fn text_with_offset(local: &[u8], minutes: i64) -> Result<String, Unreadable> {
    let local = Timestamp::from_extension(local)?;
    let offset = minutes.checked_mul(60).and_then(|seconds| i32::try_from(seconds).ok());
    let offset = offset.and_then(|seconds| UtcOffset::from_whole_seconds(seconds).ok());
    let text = offset.and_then(|offset| local.plus_minutes(-minutes)?.at(offset));
    text.ok_or_else(|| de::Error::custom(OUT_OF_RANGE))
}

/// Appends the date that a text is, if it is one of UTC, and tells whether it is. With another offset it stays text: that
/// is how it comes back whole, whatever it stands in.
pub(super) fn put_if_date(text: &str, out: &mut Vec<u8>) -> bool {
    // What is no date is seen at once.
    if !matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _, b'T', .., b'Z']) {
        return false;
    }
    let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) else { return false };
    let Some(time) = Timestamp::from_unix(time.unix_timestamp(), time.nanosecond()) else { return false };
    time.put_extension(out);
    true
}

/// Why a text is no [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampError(String);

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no date such as 2026-11-30T12:34:56.789Z, in the years 1 to 9999", self.0)
    }
}

impl std::error::Error for TimestampError {}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads text as RFC 3339 has it, or without an offset, or without a time of day.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339);
        // What `DateTime` writes of a date whose zone it does not know has no offset (P-JSON-17).
        let time = parse(text).or_else(|_| parse(&format!("{text}Z"))).or_else(|_| parse(&format!("{text}T00:00:00Z")));
        time.ok()
            .and_then(|time| Self::from_unix(time.unix_timestamp(), time.nanosecond()))
            .ok_or_else(|| TimestampError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at(UtcOffset::UTC).ok_or(fmt::Error)?)
    }
}

impl From<SystemTime> for Timestamp {
    /// A time outside of the years 1 to 9999 becomes [`Timestamp::MIN`] or [`Timestamp::MAX`].
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs())
                .ok()
                .and_then(|seconds| Self::from_unix(seconds, after.subsec_nanos()))
                .unwrap_or(Self::MAX),
            Err(before) => {
                let before = before.duration();
                let (seconds, nanoseconds) = match before.subsec_nanos() {
                    0 => (before.as_secs(), 0),
                    part => (before.as_secs().saturating_add(1), 1_000_000_000 - part),
                };
                i64::try_from(seconds)
                    .ok()
                    .and_then(|seconds| Self::from_unix(-seconds, nanoseconds))
                    .unwrap_or(Self::MIN)
            }
        }
    }
}

impl From<Timestamp> for SystemTime {
    /// On Windows, where system times begin in 1601, a date before that becomes the beginning of 1601.
    fn from(time: Timestamp) -> Self {
        const SECONDS_FROM_1601: u64 = 11_644_473_600;
        let seconds = Duration::from_secs(time.seconds.unsigned_abs());
        let whole = if time.seconds < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
        whole
            .map(|whole| whole + Duration::from_nanos(time.nanoseconds.into()))
            .or_else(|| UNIX_EPOCH.checked_sub(Duration::from_secs(SECONDS_FROM_1601)))
            .unwrap_or(UNIX_EPOCH)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}
