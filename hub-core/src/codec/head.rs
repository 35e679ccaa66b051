//! What stands at a place of MessagePack: one value's kind, and how long it is.

use std::cell::Cell;
use std::fmt;

use rmp::Marker;
use serde::de::value::{BorrowedBytesDeserializer, I8Deserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, SeqAccess, Unexpected, Visitor};

use super::msgpack::skip_value;
use super::timestamp::DATE;

thread_local! {
    /// Whether a type has complained about a member that came twice. Enums without a tag swallow the errors of their
    /// variants, so the error cannot tell.
    static MEMBER_TWICE: Cell<bool> = const { Cell::new(false) };
}

/// Whether a type has complained about a member that came twice, since this was last asked.
pub(super) fn take_member_twice() -> bool {
    MEMBER_TWICE.replace(false)
}

/// Why a value could not be read.
#[derive(Debug)]
pub(super) struct Unreadable(Box<str>);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Error for Unreadable {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string().into())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match found {
            // As JSON calls it, and most people.
            Unexpected::Unit => Self::custom(format_args!("invalid type: null, expected {expected}")),
            found => Self::custom(format_args!("invalid type: {found}, expected {expected}")),
        }
    }

    fn duplicate_field(field: &'static str) -> Self {
        MEMBER_TWICE.set(true);
        Self::custom(format_args!("duplicate field `{field}`"))
    }
}

#[cold]
fn cut() -> Unreadable {
    Error::custom("the value is cut short")
}

/// What begins at a place, without what belongs to it.
#[derive(Clone, Copy)]
pub(super) enum Head<'de> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    F32(f32),
    F64(f64),
    Text(&'de [u8]),
    Bytes(&'de [u8]),
    Extension(i8, &'de [u8]),
    List(usize),
    Map(usize),
}

impl<'de> Head<'de> {
    /// An error that says what there is.
    pub(super) fn unexpected(&self, expected: &dyn Expected) -> Unreadable {
        Error::invalid_type(
            match self {
                Self::Nil => Unexpected::Unit,
                Self::Bool(value) => Unexpected::Bool(*value),
                Self::Unsigned(value) => Unexpected::Unsigned(*value),
                Self::Signed(value) => Unexpected::Signed(*value),
                Self::F32(value) => Unexpected::Float((*value).into()),
                Self::F64(value) => Unexpected::Float(*value),
                Self::Text(text) => match str::from_utf8(text) {
                    Ok(text) => Unexpected::Str(text),
                    Err(_) => Unexpected::Other("text that is not UTF-8"),
                },
                Self::Bytes(bytes) => Unexpected::Bytes(bytes),
                Self::Extension(DATE, _) => Unexpected::Other("a date"),
                Self::Extension(..) => Unexpected::Other("an extension"),
                Self::List(_) => Unexpected::Seq,
                Self::Map(_) => Unexpected::Map,
            },
            expected,
        )
    }
}

/// Whether a visitor says that it takes values of this format.
pub(super) fn expects<'de>(visitor: &impl Visitor<'de>, format: &str) -> bool {
    (visitor as &dyn Expected).to_string().contains(format)
}

/// A place in a frame.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'de>(pub(super) &'de [u8]);

impl<'de> Cursor<'de> {
    fn bytes(&mut self, count: usize) -> Result<&'de [u8], Unreadable> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(cut)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number<const WIDTH: usize>(&mut self) -> Result<[u8; WIDTH], Unreadable> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(cut)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn length8(&mut self) -> Result<usize, Unreadable> {
        Ok(u8::from_be_bytes(self.number()?).into())
    }

    fn length16(&mut self) -> Result<usize, Unreadable> {
        Ok(u16::from_be_bytes(self.number()?).into())
    }

    fn length32(&mut self) -> Result<usize, Unreadable> {
        Ok(u32::from_be_bytes(self.number()?) as usize)
    }

    fn extension(&mut self, length: usize) -> Result<Head<'de>, Unreadable> {
        let kind = i8::from_be_bytes(self.number()?);
        Ok(Head::Extension(kind, self.bytes(length)?))
    }

    /// A list or map of so many values. What the rest of the frame cannot hold is not begun (P-MP-14).
    fn holds(&self, values: usize) -> Result<(), Unreadable> {
        if values <= self.0.len() { Ok(()) } else { Err(cut()) }
    }

    fn list(&self, length: usize) -> Result<Head<'de>, Unreadable> {
        self.holds(length).map(|()| Head::List(length))
    }

    fn map(&self, length: usize) -> Result<Head<'de>, Unreadable> {
        self.holds(length.saturating_mul(2)).map(|()| Head::Map(length))
    }

    /// Takes what comes next; of a list or a map, how much belongs to it.
    #[inline]
    pub(super) fn head(&mut self) -> Result<Head<'de>, Unreadable> {
        let Some((&marker, rest)) = self.0.split_first() else { return Err(cut()) };
        self.0 = rest;
        match marker {
            0x00..=0x7f => Ok(Head::Unsigned(marker.into())),
            0xe0..=0xff => Ok(Head::Signed((marker as i8).into())),
            0xa0..=0xbf => self.bytes((marker & 0x1f).into()).map(Head::Text),
            0x80..=0x8f => self.map((marker & 0x0f).into()),
            0x90..=0x9f => self.list((marker & 0x0f).into()),
            0xc0..=0xdf => self.long_head(marker),
        }
    }

    fn long_head(&mut self, marker: u8) -> Result<Head<'de>, Unreadable> {
        Ok(match Marker::from_u8(marker) {
            Marker::Null => Head::Nil,
            Marker::True => Head::Bool(true),
            Marker::False => Head::Bool(false),
            Marker::U8 => Head::Unsigned(u8::from_be_bytes(self.number()?).into()),
            Marker::U16 => Head::Unsigned(u16::from_be_bytes(self.number()?).into()),
            Marker::U32 => Head::Unsigned(u32::from_be_bytes(self.number()?).into()),
            Marker::U64 => Head::Unsigned(u64::from_be_bytes(self.number()?)),
            Marker::I8 => Head::Signed(i8::from_be_bytes(self.number()?).into()),
            Marker::I16 => Head::Signed(i16::from_be_bytes(self.number()?).into()),
            Marker::I32 => Head::Signed(i32::from_be_bytes(self.number()?).into()),
            Marker::I64 => Head::Signed(i64::from_be_bytes(self.number()?)),
            Marker::F32 => Head::F32(f32::from_be_bytes(self.number()?)),
            Marker::F64 => Head::F64(f64::from_be_bytes(self.number()?)),
            Marker::Str8 => self.length8().and_then(|length| self.bytes(length)).map(Head::Text)?,
            Marker::Str16 => self.length16().and_then(|length| self.bytes(length)).map(Head::Text)?,
            Marker::Str32 => self.length32().and_then(|length| self.bytes(length)).map(Head::Text)?,
            Marker::Bin8 => self.length8().and_then(|length| self.bytes(length)).map(Head::Bytes)?,
            Marker::Bin16 => self.length16().and_then(|length| self.bytes(length)).map(Head::Bytes)?,
            Marker::Bin32 => self.length32().and_then(|length| self.bytes(length)).map(Head::Bytes)?,
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => self.length8().and_then(|length| self.extension(length))?,
            Marker::Ext16 => self.length16().and_then(|length| self.extension(length))?,
            Marker::Ext32 => self.length32().and_then(|length| self.extension(length))?,
            Marker::Array16 => self.length16().and_then(|length| self.list(length))?,
            Marker::Array32 => self.length32().and_then(|length| self.list(length))?,
            Marker::Map16 => self.length16().and_then(|length| self.map(length))?,
            Marker::Map32 => self.length32().and_then(|length| self.map(length))?,
            _ => return Err(Error::custom("the marker c1 is no value")),
        })
    }

    /// What comes next, left where it is.
    pub(super) fn peek(mut self) -> Result<Head<'de>, Unreadable> {
        self.head()
    }

    /// Steps over a value.
    pub(super) fn skip(&mut self) -> Result<(), Unreadable> {
        skip_value(&mut self.0).map_err(|_| cut())
    }
}

/// An extension as a pair of its type and its bytes.
pub(super) struct Extension<'de> {
    /// Each until it is taken.
    kind: Option<i8>,
    data: Option<&'de [u8]>,
}

impl<'de> Extension<'de> {
    pub(super) fn new(kind: i8, data: &'de [u8]) -> Self {
        Self { kind: Some(kind), data: Some(data) }
    }
}

impl<'de> Deserializer<'de> for Extension<'de> {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_seq(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Extension<'de> {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unreadable> {
        if let Some(kind) = self.kind.take() {
            return seed.deserialize::<I8Deserializer<Unreadable>>(kind.into_deserializer()).map(Some);
        }
        self.data.take().map(|data| seed.deserialize(BorrowedBytesDeserializer::new(data))).transpose()
    }
}
