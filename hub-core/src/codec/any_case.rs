//! JSON read as .NET reads it: struct members whatever their case (P-JSON-17), since its clients write `name` where another
//! writes `Name`; objects from objects only; bytes from base64; `-0` for an integer.
//!
//! A wrapper around a deserializer and all that comes out of it, which looks at each value once. What it finds fault with
//! and a slower reading may mend is left to `second_look.rs`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::spelling::{Members, Names, member};

/// What is expected, as far as it makes a difference.
#[derive(Clone, Copy)]
enum Expected {
    Anything,
    Integer,
    Bytes,
    /// With these members.
    Struct(Members),
}

/// Any part of deserialization whose inner parts shall be read so.
pub(super) struct AnyCase<'n, T> {
    inner: T,
    expected: Expected,
    names: &'n Names,
}

impl<'n, T> AnyCase<'n, T> {
    pub(super) fn new(inner: T, names: &'n Names) -> Self {
        Self { inner, expected: Expected::Anything, names }
    }

    fn expecting(inner: T, expected: Expected, names: &'n Names) -> Self {
        Self { inner, expected, names }
    }
}

macro_rules! forward {
    ($expected:ident: $($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* AnyCase::expecting(visitor, Expected::$expected, self.names))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for AnyCase<'_, D> {
    type Error = D::Error;

    forward! { Integer:
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
    }

    forward! { Anything:
        deserialize_any();
        deserialize_bool();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(AnyCase::expecting(visitor, Expected::Bytes, self.names))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        members: Members,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = AnyCase::expecting(visitor, Expected::Struct(members), self.names);
        self.inner.deserialize_struct(name, members, visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident: $type:ty;)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for AnyCase<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool: bool;
        visit_i8: i8;
        visit_i16: i16;
        visit_i32: i32;
        visit_i64: i64;
        visit_i128: i128;
        visit_u8: u8;
        visit_u16: u16;
        visit_u32: u32;
        visit_u64: u64;
        visit_u128: u128;
        visit_f32: f32;
        visit_char: char;
        visit_bytes: &[u8];
        visit_borrowed_bytes: &'de [u8];
        visit_byte_buf: Vec<u8>;
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        match self.expected {
            // The parser takes `-0` for a fraction, as zero has no sign among integers.
            Expected::Integer if value == 0.0 && value.is_sign_negative() => self.inner.visit_u64(0),
            _ => self.inner.visit_f64(value),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        match self.expected {
            Expected::Bytes => self.inner.visit_byte_buf(STANDARD.decode(value).map_err(E::custom)?),
            _ => self.inner.visit_str(value),
        }
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<V::Value, E> {
        match self.expected {
            Expected::Bytes => self.visit_str(value),
            _ => self.inner.visit_borrowed_str(value),
        }
    }

    fn visit_string<E: Error>(self, value: String) -> Result<V::Value, E> {
        match self.expected {
            Expected::Bytes => self.visit_str(&value),
            _ => self.inner.visit_string(value),
        }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(AnyCase::new(deserializer, self.names))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(AnyCase::new(deserializer, self.names))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        if let Expected::Struct(_) | Expected::Bytes = self.expected {
            return Err(Error::invalid_type(Unexpected::Seq, &self.inner));
        }
        self.inner.visit_seq(AnyCase::new(list, self.names))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(AnyCase::expecting(map, self.expected, self.names))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(AnyCase::new(data, self.names))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for AnyCase<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(AnyCase::new(deserializer, self.names))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for AnyCase<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.inner.next_element_seed(AnyCase::new(seed, self.names))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for AnyCase<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let members = if let Expected::Struct(members) = self.expected { Some(members) } else { None };
        self.inner.next_key_seed(Name { inner: seed, members, names: self.names })
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(AnyCase::new(seed, self.names))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 'n, A: EnumAccess<'de>> EnumAccess<'de> for AnyCase<'n, A> {
    type Error = A::Error;
    type Variant = AnyCase<'n, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), A::Error> {
        self.inner.variant_seed(seed).map(|(name, variant)| (name, AnyCase::new(variant, self.names)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for AnyCase<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.newtype_variant_seed(AnyCase::new(seed, self.names))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, AnyCase::new(visitor, self.names))
    }

    fn struct_variant<V: Visitor<'de>>(self, members: Members, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = AnyCase::expecting(visitor, Expected::Struct(members), self.names);
        self.inner.struct_variant(members, visitor)
    }
}

/// The key of a map or struct, on its way to whoever tells members apart.
struct Name<'n, T> {
    inner: T,
    /// Those of the struct that is read.
    members: Option<Members>,
    names: &'n Names,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Name<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Name { inner: deserializer, members: self.members, names: self.names })
    }
}

macro_rules! forward_data {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

/// Whoever reads a key as a name, or as anything, reads a struct or keeps it for one. A map knows the type of its keys:
/// they are data.
impl<'de, D: Deserializer<'de>> Deserializer<'de> for Name<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(Name { inner: visitor, members: self.members, names: self.names })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(visitor)
    }

    forward_data! {
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, members: Members);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_ignored_any();
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Name<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        if let Some(members) = self.members {
            return match member(members, name) {
                Some(member) => self.inner.visit_borrowed_str(member),
                None => self.inner.visit_str(name),
            };
        }
        if let Some(member) = self.names.respelled(name) {
            return self.inner.visit_borrowed_bytes(member.as_bytes());
        }
        if self.names.kept_member(name).is_none() {
            self.names.note(name);
        }
        self.inner.visit_str(name)
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<V::Value, E> {
        self.visit_str(name)
    }
}
