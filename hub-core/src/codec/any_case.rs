//! Struct members read whatever their case, as .NET reads JSON (P-JSON-17): its clients write `name` where another
//! writes `Name`.
//!
//! A wrapper around a deserializer and all that comes out of it. Only the names of struct members are touched, and only
//! those that are no member as they stand.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};

/// The names of the members that are expected, if a struct is.
type Members = &'static [&'static str];

/// Any part of deserialization whose inner parts shall read members in any case.
pub(super) struct AnyCase<T> {
    inner: T,
    members: Members,
}

impl<T> AnyCase<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, members: &[] }
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* AnyCase::new(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for AnyCase<D> {
    type Error = D::Error;

    forward! {
        deserialize_any();
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
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        members: Members,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_struct(name, members, AnyCase { inner: visitor, members })
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

impl<'de, V: Visitor<'de>> Visitor<'de> for AnyCase<V> {
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
        visit_f64: f64;
        visit_char: char;
        visit_str: &str;
        visit_borrowed_str: &'de str;
        visit_string: String;
        visit_bytes: &[u8];
        visit_borrowed_bytes: &'de [u8];
        visit_byte_buf: Vec<u8>;
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(AnyCase::new(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(AnyCase::new(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(AnyCase::new(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(AnyCase { inner: map, members: self.members })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(AnyCase::new(data))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for AnyCase<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(AnyCase::new(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for AnyCase<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.inner.next_element_seed(AnyCase::new(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for AnyCase<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if self.members.is_empty() {
            // The keys of a map are data.
            return self.inner.next_key_seed(AnyCase::new(seed));
        }
        self.inner.next_key_seed(Name { inner: seed, members: self.members })
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(AnyCase::new(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for AnyCase<A> {
    type Error = A::Error;
    type Variant = AnyCase<A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), A::Error> {
        self.inner.variant_seed(seed).map(|(name, variant)| (name, AnyCase::new(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for AnyCase<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.newtype_variant_seed(AnyCase::new(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, AnyCase::new(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, members: Members, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(members, AnyCase { inner: visitor, members })
    }
}

/// The name of a member, on its way to whoever tells members apart.
struct Name<T> {
    inner: T,
    members: Members,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Name<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Name { inner: deserializer, members: self.members })
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Name<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(Name { inner: visitor, members: self.members })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Name<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        if !self.members.contains(&name)
            && let Some(member) = self.members.iter().find(|member| member.eq_ignore_ascii_case(name))
        {
            return self.inner.visit_borrowed_str(member);
        }
        self.inner.visit_str(name)
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<V::Value, E> {
        self.visit_str(name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::value::RawValue;

    use crate::{Args, Codec, Payload};

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Sample {
        name: String,
        #[serde(default)]
        child: Option<Box<Self>>,
        #[serde(default)]
        list: Vec<Self>,
        #[serde(default)]
        map: BTreeMap<String, u32>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Empty,
        Circle { radius: u32 },
        Pair(Sample, u32),
    }

    fn read<T: serde::de::DeserializeOwned>(json: &'static str) -> T {
        Payload::new(Codec::Json, bytes::Bytes::from_static(json.as_bytes())).read().unwrap()
    }

    #[test]
    fn members_of_structs_are_found_in_any_case() {
        // P-JSON-17
        let sample: Sample = read(
            r#"{"name":"a","CHILD":{"Name":"b"},"lisT":[{"nAme":"c"}],"map":{"Key":1,"key":2},"unknown":[{"x":1}]}"#,
        );
        assert_eq!((sample.name.as_str(), sample.child.unwrap().name.as_str()), ("a", "b"));
        assert_eq!(sample.list[0].name, "c");
        // The keys of maps are data: P-JSON-17.
        assert_eq!(sample.map, BTreeMap::from([("Key".to_owned(), 1), ("key".to_owned(), 2)]));
    }

    #[test]
    fn what_is_no_member_of_a_struct_stays_as_it_is() {
        assert_eq!(read::<Shape>(r#"{"Circle":{"RADIUS":3}}"#), Shape::Circle { radius: 3 });
        assert_eq!(read::<Shape>(r#""Empty""#), Shape::Empty);
        let Shape::Pair(sample, 7) = read(r#"{"Pair":[{"name":"x"},7]}"#) else { panic!("not a pair of 7") };
        assert_eq!(sample.name, "x");
        let value: serde_json::Value = read(r#"{"a":1,"A":[null,{"b":true}]}"#);
        assert_eq!(value, serde_json::json!({"a": 1, "A": [null, {"b": true}]}));
        assert_eq!(read::<Box<RawValue>>(r#"{ "a" : 1.50 }"#).get(), r#"{ "a" : 1.50 }"#);
        assert_eq!(read::<(u64, i128, f64, char)>(r#"[1,-2,3.5,"c"]"#), (1, -2, 3.5, 'c'));
    }

    #[test]
    fn arguments_are_read_so_too() {
        let list = Payload::new(Codec::Json, bytes::Bytes::from_static(br#"[{"nAME":"a"},5]"#));
        let (sample, number): (Sample, u8) = Args::new(list).read().unwrap();
        assert_eq!((sample.name.as_str(), number), ("a", 5));
    }
}
