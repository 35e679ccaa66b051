//! JSON that is read a second time, more slowly, because its first reading found fault with the names of its members.
//!
//! Every object is looked at whole before it is read: so the last of several members of one name wins (P-JSON-20), and
//! names can be tried out (see `spelling.rs`).

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};
use serde_json::value::RawValue;

use super::any_case::AnyCase;
use super::entries::Entries;
use super::spelling::{Members, Names, same_name};

thread_local! {
    /// The members that types complained about. Enums without a tag swallow the errors of their variants, so errors
    /// cannot carry them.
    static COMPLAINTS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// How many spellings are tried out in one reading, of values of up to 64 bytes; of longer ones fewer.
const TRIES: usize = 2048;

/// Asks the type of a value which of the strange names in it are other spellings of its members. Tells whether any are.
pub(super) fn learn<'de, S>(json: &'de RawValue, seed: &S, names: &Names, strange: &[String]) -> bool
where
    S: DeserializeSeed<'de> + Clone,
{
    let mut learned = false;
    let outermost = Cell::new(usize::MAX);
    // Each round finds a member at least, and lets the next come to others.
    for _ in 0..strange.len() {
        COMPLAINTS.take();
        let names_now = names.again();
        let (depth, left) = (usize::MAX, Cell::new(TRIES));
        let trial = Trial { names: &names_now, strange, left, depth, outermost: &outermost };
        let _ = seed.clone().deserialize(Value { json: json.get(), depth: 0, trial: &trial });
        let members = COMPLAINTS.take();
        let members = members.into_iter().filter(|member| strange.iter().any(|name| same_name(name, member)));
        if members.filter(|member| names.learn(member)).count() == 0 {
            break;
        }
        learned = true;
    }
    learned
}

/// Reads a value with all that is known of its members: wherever they are spelled otherwise, or else in the outermost of
/// these objects only, or as it stands. What is data may be called like a member.
pub(super) fn read<'de, S>(json: &'de RawValue, seed: &S, names: &Names) -> Result<S::Value, Complaint>
where
    S: DeserializeSeed<'de> + Clone,
{
    let as_it_stands = names.as_it_stands();
    let names = names.again();
    let outermost = Cell::new(usize::MAX);
    let read = |names: &Names, depth: usize| {
        let trial = Trial { names, strange: &[], left: Cell::new(0), depth, outermost: &outermost };
        seed.clone().deserialize(Value { json: json.get(), depth: 0, trial: &trial })
    };
    read(&names, usize::MAX).or_else(|error| {
        if !names.has_respelled() {
            return Err(error);
        }
        // The first error is the one to be told.
        read(&names, outermost.get()).or_else(|_| read(&as_it_stands, 0)).map_err(|_| error)
    })
}

/// What is looked for in one reading.
pub(super) struct Trial<'r> {
    pub(super) names: &'r Names,
    /// The names whose other spellings are tried out.
    pub(super) strange: &'r [String],
    /// How many more. None inside of what was added for that, or it would grow without end.
    pub(super) left: Cell<usize>,
    /// How deep other spellings of members count as these.
    pub(super) depth: usize,
    /// Where there was the outermost of them.
    pub(super) outermost: &'r Cell<usize>,
}

/// What a type says is wrong.
#[derive(Debug)]
pub(super) struct Complaint(String);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Complaint {}

impl Complaint {
    fn about(member: &'static str, text: &dyn fmt::Display) -> Self {
        COMPLAINTS.with_borrow_mut(|complaints| {
            if !complaints.contains(&member) {
                complaints.push(member);
            }
        });
        Self(text.to_string())
    }
}

impl From<serde_json::Error> for Complaint {
    fn from(error: serde_json::Error) -> Self {
        // Lines and columns are those of a part.
        let text = error.to_string();
        Self(text.split_once(" at line ").map_or(text.as_str(), |(text, _)| text).to_owned())
    }
}

impl de::Error for Complaint {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        match found {
            Unexpected::Unit => Self(format!("invalid type: null, expected {expected}")),
            found => Self(format!("invalid type: {found}, expected {expected}")),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::about(field, &format_args!("missing field `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::about(field, &format_args!("duplicate field `{field}`"))
    }

    fn unknown_field(field: &str, expected: Members) -> Self {
        for member in expected {
            let _ = Self::about(member, &"");
        }
        Self(format!("unknown field `{field}`, expected one of {expected:?}"))
    }
}

/// A value as it stands in valid JSON.
#[derive(Clone, Copy)]
pub(super) struct Value<'r, 'de> {
    pub(super) json: &'de str,
    pub(super) depth: usize,
    pub(super) trial: &'r Trial<'r>,
}

pub(super) fn plain<'de>(json: &'de str) -> serde_json::Deserializer<serde_json::de::StrRead<'de>> {
    serde_json::Deserializer::from_str(json)
}

impl<'de> Value<'_, 'de> {
    pub(super) fn with(self, raw: &'de RawValue) -> Self {
        Self { json: raw.get(), depth: self.depth + 1, ..self }
    }

    fn list<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let items: Vec<&'de RawValue> = serde_json::from_str(self.json)?;
        let length = items.len();
        let mut items = Items { items: items.into_iter(), of: self };
        let value = visitor.visit_seq(&mut items)?;
        match items.items.len() {
            0 => Ok(value),
            left => Err(de::Error::invalid_length(length, &&*format!("{} items", length - left))),
        }
    }

    fn object<V: Visitor<'de>>(self, members: Option<Members>, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_map(Entries::new(self, members)?)
    }
}

macro_rules! plainly {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            AnyCase::new(&mut plain(self.json), self.trial.names).$method(visitor).map_err(Complaint::from)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Complaint;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self.json.as_bytes().first() {
            Some(b'[') => self.list(visitor),
            Some(b'{') => self.object(None, visitor),
            _ => {
                AnyCase::new(&mut plain(self.json), self.trial.names).deserialize_any(visitor).map_err(Complaint::from)
            }
        }
    }

    plainly! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier
        deserialize_ignored_any
    }

    serde::forward_to_deserialize_any! { seq map }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        if self.json == "null" { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        if name.starts_with("$serde_json::private") {
            return plain(self.json).deserialize_newtype_struct(name, visitor).map_err(Complaint::from);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        members: Members,
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        match self.json.as_bytes().first() {
            Some(b'{') => self.object(Some(members), visitor),
            Some(b'[') => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        if !self.json.starts_with('{') {
            return plain(self.json).deserialize_enum(name, variants, visitor).map_err(Complaint::from);
        }
        let entries: Vec<(Cow<'de, str>, &'de RawValue)> = pairs(self.json)?;
        match <[_; 1]>::try_from(entries) {
            Ok([(name, raw)]) => visitor.visit_enum(Variant { name, value: self.with(raw) }),
            Err(_) => Err(de::Error::invalid_value(Unexpected::Map, &"map with a single key")),
        }
    }
}

struct Items<'r, 'de> {
    items: std::vec::IntoIter<&'de RawValue>,
    of: Value<'r, 'de>,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Complaint;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Complaint> {
        self.items.next().map(|raw| seed.deserialize(self.of.with(raw))).transpose()
    }
}

/// An object's entries: any deserializable key with each value as it stands.
pub(super) fn pairs<'de, K: Deserialize<'de>>(json: &'de str) -> Result<Vec<(K, &'de RawValue)>, Complaint> {
    struct Pairs<K>(std::marker::PhantomData<K>);

    impl<'de, K: Deserialize<'de>> Visitor<'de> for Pairs<K> {
        type Value = Vec<(K, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }

    plain(json).deserialize_map(Pairs(std::marker::PhantomData)).map_err(Complaint::from)
}

struct Variant<'r, 'de> {
    name: Cow<'de, str>,
    value: Value<'r, 'de>,
}

impl<'r, 'de> EnumAccess<'de> for Variant<'r, 'de> {
    type Error = Complaint;
    type Variant = Value<'r, 'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Value<'r, 'de>), Complaint> {
        let name = seed.deserialize(StrDeserializer::<Complaint>::new(&self.name))?;
        Ok((name, self.value))
    }
}

impl<'de> VariantAccess<'de> for Value<'_, 'de> {
    type Error = Complaint;

    fn unit_variant(self) -> Result<(), Complaint> {
        Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Complaint> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, members: Members, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_struct("", members, visitor)
    }
}
