//! MessagePack to values: what a type asks for, and what of the wire it may be made of (P-MP-09 to P-MP-14).
//!
//! Stricter than MessagePack crates are by default, as official peers are: bytes are no text, and an object is a map by
//! name, neither a list of its members nor a map by their numbers. Dates are extension -1, and texts for types that read
//! themselves from a text: see [`Timestamp`](crate::Timestamp).

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::MAX_DEPTH;
use super::head::{Cursor, Extension, Head, Unreadable, expects};
use super::timestamp::{self, DATE};

pub(super) const NIL: u8 = 0xc0;

/// How crates of MessagePack call an extension in serde's terms: a pair of its type and its bytes.
pub(super) const EXTENSION: &str = "_ExtStruct";

/// Reads the values that follow each other in a frame.
pub(super) struct Unpacker<'de> {
    at: Cursor<'de>,
    /// How many more levels there may be. An argument list is one, and what is in it may have as many as in JSON.
    levels: usize,
    /// Whether a member that comes again later is passed over, so that the last one wins. It costs a look ahead, so it is
    /// done only where a type has refused a member that came twice.
    last_wins: bool,
}

impl<'de> Unpacker<'de> {
    pub(super) fn new(bytes: &'de [u8], last_wins: bool) -> Self {
        Self { at: Cursor(bytes), levels: MAX_DEPTH + 1, last_wins }
    }

    /// Hands a value of any kind to whoever takes any.
    fn give<V: Visitor<'de>>(&mut self, head: Head<'de>, visitor: V) -> Result<V::Value, Unreadable> {
        match head {
            Head::Nil => visitor.visit_unit(),
            Head::Bool(value) => visitor.visit_bool(value),
            Head::Unsigned(value) => visitor.visit_u64(value),
            Head::Signed(value) => visitor.visit_i64(value),
            Head::F32(value) => visitor.visit_f32(value),
            Head::F64(value) => visitor.visit_f64(value),
            Head::Text(text) => give_text(text, visitor),
            // A `serde_json::Value` has no bytes: it takes what JSON has for them.
            Head::Bytes(bytes) if expects(&visitor, "JSON") => visitor.visit_string(STANDARD.encode(bytes)),
            Head::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            // Whoever takes any value takes a date as JSON has it, unless it knows MessagePack, such as `rmpv::Value`.
            Head::Extension(DATE, data) if !expects(&visitor, "MessagePack") => {
                visitor.visit_string(timestamp::text_of(data)?)
            }
            Head::Extension(kind, data) => visitor.visit_newtype_struct(Extension::new(kind, data)),
            Head::List(length) => self.inside(|unpacker| {
                let mut items = Items { left: length, unpacker };
                let value = visitor.visit_seq(&mut items)?;
                match items.left {
                    0 => Ok(value),
                    left => Err(de::Error::invalid_length(length, &&*format!("{} items", length - left))),
                }
            }),
            Head::Map(length) => self.give_map(length, visitor),
        }
    }

    fn give_map<V: Visitor<'de>>(&mut self, length: usize, visitor: V) -> Result<V::Value, Unreadable> {
        self.inside(|unpacker| {
            let last = if unpacker.last_wins { unpacker.last_of_each_name(length)? } else { HashMap::new() };
            let mut entries = Entries { next: 0, length, last, unpacker };
            let value = visitor.visit_map(&mut entries)?;
            if entries.next < length {
                return Err(de::Error::invalid_length(length, &&*format!("{} entries", entries.next)));
            }
            Ok(value)
        })
    }

    fn inside<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Unreadable>) -> Result<T, Unreadable> {
        self.levels = self.levels.checked_sub(1).ok_or_else(|| {
            de::Error::custom(format_args!("the value is nested deeper than the maximum of {MAX_DEPTH} levels"))
        })?;
        let value = read(self)?;
        self.levels += 1;
        Ok(value)
    }

    /// Which entry of the map that begins here is the last of its name.
    fn last_of_each_name(&self, length: usize) -> Result<HashMap<&'de [u8], usize>, Unreadable> {
        let mut ahead = self.at;
        let mut last = HashMap::new();
        for entry in 0..length {
            if let Head::Text(name) = ahead.peek()? {
                last.insert(name, entry);
            }
            ahead.skip()?;
            ahead.skip()?;
        }
        Ok(last)
    }

    /// A date with its distance from UTC, as .NET's `DateTimeOffset` has it (P-MP-11), if that is what comes next.
    fn date_and_offset(&mut self) -> Option<Result<String, Unreadable>> {
        let mut ahead = self.at;
        let Ok(Head::List(2)) = ahead.head() else { return None };
        let Ok(Head::Extension(DATE, data)) = ahead.head() else { return None };
        let minutes = match ahead.head().ok()? {
            Head::Unsigned(minutes) => i64::try_from(minutes).ok()?,
            Head::Signed(minutes) => minutes,
            _ => return None,
        };
        self.at = ahead;
        Some(timestamp::text_with_offset(data, minutes))
    }

    fn visit_bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.at.head()? {
            // A text for bytes is its UTF-8, as .NET takes it (P-MP-09).
            Head::Bytes(bytes) | Head::Text(bytes) => visitor.visit_borrowed_bytes(bytes),
            other => self.give(other, visitor),
        }
    }
}

#[inline]
fn give_text<'de, V: Visitor<'de>>(text: &'de [u8], visitor: V) -> Result<V::Value, Unreadable> {
    match str::from_utf8(text) {
        Ok(text) => visitor.visit_borrowed_str(text),
        Err(_) => Err(Head::Text(text).unexpected(&visitor)),
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            // The usual ones at once: lists of numbers are long.
            let (value, rest) = match *self.at.0 {
                [small @ ..0x80, ref rest @ ..] => (small.into(), rest),
                [0xcc, a, ref rest @ ..] => (a.into(), rest),
                [0xcd, a, b, ref rest @ ..] => (u16::from_be_bytes([a, b]).into(), rest),
                [0xce, a, b, c, d, ref rest @ ..] => (u32::from_be_bytes([a, b, c, d]).into(), rest),
                [0xcb, a, b, c, d, e, f, g, h, ref rest @ ..] => {
                    self.at = Cursor(rest);
                    return visitor.visit_f64(f64::from_be_bytes([a, b, c, d, e, f, g, h]));
                }
                _ => return self.deserialize_any(visitor),
            };
            self.at = Cursor(rest);
            visitor.visit_u64(value)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Unpacker<'de> {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let head = self.at.head()?;
        self.give(head, visitor)
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    serde::forward_to_deserialize_any! { bool char unit unit_struct seq tuple tuple_struct map }

    // What 64 bits cannot hold is text: see `pack.rs`.
    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let head = self.at.head()?;
        match decimal(&head) {
            Some(number) => visitor.visit_i128(number),
            None => self.give(head, visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let head = self.at.head()?;
        match decimal(&head) {
            Some(number) => visitor.visit_u128(number),
            None => self.give(head, visitor),
        }
    }

    /// For types that read themselves from a text that they were lent. Dates do.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if let Some(date) = self.date_and_offset() {
            return visitor.visit_string(date?);
        }
        match self.at.peek()? {
            Head::Extension(DATE, data) => {
                self.at.head()?;
                visitor.visit_string(timestamp::text_of(data)?)
            }
            _ => self.deserialize_string(visitor),
        }
    }

    /// For texts. Neither bytes nor a date are one.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.at.head()? {
            Head::Text(text) => give_text(text, visitor),
            other @ (Head::Bytes(_) | Head::Extension(..)) => Err(other.unexpected(&visitor)),
            other => self.give(other, visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.visit_bytes(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.visit_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if let Some((&NIL, rest)) = self.at.0.split_first() {
            self.at = Cursor(rest);
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        if name != EXTENSION {
            return visitor.visit_newtype_struct(self);
        }
        match self.at.head()? {
            Head::Extension(kind, data) => visitor.visit_newtype_struct(Extension::new(kind, data)),
            other => Err(other.unexpected(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.at.head()? {
            Head::Map(length) => self.give_map(length, visitor),
            other @ Head::List(_) => Err(other.unexpected(&visitor)),
            other => self.give(other, visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.at.peek()? {
            Head::Text(_) => visitor.visit_enum(Variant { has_value: false, unpacker: self }),
            Head::Map(1) => {
                self.at.head()?;
                self.inside(|unpacker| visitor.visit_enum(Variant { has_value: true, unpacker }))
            }
            other => Err(other.unexpected(&visitor)),
        }
    }

    /// A name: of a member, or of an enum's variant. Never a number.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.at.head()? {
            Head::Text(text) => give_text(text, visitor),
            other => Err(other.unexpected(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.at.skip()?;
        visitor.visit_unit()
    }
}

fn decimal<T: std::str::FromStr>(head: &Head<'_>) -> Option<T> {
    match head {
        Head::Text(text) => str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

struct Items<'u, 'de> {
    left: usize,
    unpacker: &'u mut Unpacker<'de>,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Unreadable;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unreadable> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.unpacker).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

struct Entries<'u, 'de> {
    next: usize,
    length: usize,
    last: HashMap<&'de [u8], usize>,
    unpacker: &'u mut Unpacker<'de>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Unreadable;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unreadable> {
        loop {
            if self.next == self.length {
                return Ok(None);
            }
            self.next += 1;
            if !self.last.is_empty()
                && let Head::Text(name) = self.unpacker.at.peek()?
                && self.last.get(name).is_some_and(|last| *last >= self.next)
            {
                self.unpacker.at.skip()?;
                self.unpacker.at.skip()?;
                continue;
            }
            return seed.deserialize(&mut *self.unpacker).map(Some);
        }
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Unreadable> {
        seed.deserialize(&mut *self.unpacker)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.length - self.next)
    }
}

struct Variant<'u, 'de> {
    has_value: bool,
    unpacker: &'u mut Unpacker<'de>,
}

impl Variant<'_, '_> {
    fn needs_value(&self, what: &'static str) -> Result<(), Unreadable> {
        if self.has_value { Ok(()) } else { Err(de::Error::invalid_type(Unexpected::UnitVariant, &what)) }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Unreadable;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Unreadable> {
        let name = seed.deserialize(&mut *self.unpacker)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<(), Unreadable> {
        if self.has_value { de::Deserialize::deserialize(self.unpacker) } else { Ok(()) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unreadable> {
        self.needs_value("newtype variant")?;
        seed.deserialize(self.unpacker)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Unreadable> {
        self.needs_value("tuple variant")?;
        self.unpacker.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        members: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.needs_value("struct variant")?;
        self.unpacker.deserialize_struct("", members, visitor)
    }
}
