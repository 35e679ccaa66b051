//! JSON that is read a second time, more slowly, because its first reading found fault with the names of its members.
//!
//! Every object is looked at whole before it is read: so the last of several members of one name wins (P-JSON-20), and
//! names can be tried out (see `spelling.rs`).

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};
use serde_json::value::RawValue;

use super::any_case::AnyCase;
use super::spelling::{Members, Names, member, same_name, spellings};

thread_local! {
    /// The members that types complained about. Enums without a tag swallow the errors of their variants, so errors
    /// cannot carry them.
    static COMPLAINTS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Reads a value so that other spellings of members are found, by asking its type for them first.
///
/// `names` are those of the first reading, and `unasked` the strange ones among them.
pub(super) fn read<'de, S>(json: &'de str, seed: S, names: &Names, unasked: Vec<String>) -> Result<S::Value, Complaint>
where
    S: DeserializeSeed<'de> + Clone,
{
    let mut names = names.again();
    // Each round finds a member at least, and has it found in the next.
    for _ in 0..unasked.len() {
        COMPLAINTS.take();
        let _ = seed.clone().deserialize(Value { json, names: &names, tries: &Cell::new(true) });
        let members = COMPLAINTS.take();
        let members = members.into_iter().filter(|member| unasked.iter().any(|name| same_name(name, member)));
        if members.filter(|member| names.learn(member)).count() == 0 {
            break;
        }
        names = names.again();
    }
    names.asked(unasked);
    seed.deserialize(Value { json, names: &names, tries: &Cell::new(false) })
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
struct Value<'r, 'de> {
    json: &'de str,
    names: &'r Names,
    /// Whether other spellings are tried out. Not inside of what was added for that, or it would grow without end.
    tries: &'r Cell<bool>,
}

fn plain<'de>(json: &'de str) -> serde_json::Deserializer<serde_json::de::StrRead<'de>> {
    serde_json::Deserializer::from_str(json)
}

fn complaint(error: serde_json::Error) -> Complaint {
    // Lines and columns are those of a part.
    let text = error.to_string();
    Complaint(text.split_once(" at line ").map_or(text.as_str(), |(text, _)| text).to_owned())
}

impl<'de> Value<'_, 'de> {
    fn with(self, raw: &'de RawValue) -> Self {
        Self { json: raw.get(), ..self }
    }

    fn list<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let items: Vec<&'de RawValue> = serde_json::from_str(self.json).map_err(complaint)?;
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
            AnyCase::new(&mut plain(self.json), self.names).$method(visitor).map_err(complaint)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Complaint;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self.json.as_bytes().first() {
            Some(b'[') => self.list(visitor),
            Some(b'{') => self.object(None, visitor),
            _ => AnyCase::new(&mut plain(self.json), self.names).deserialize_any(visitor).map_err(complaint),
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
            return plain(self.json).deserialize_newtype_struct(name, visitor).map_err(complaint);
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
            return plain(self.json).deserialize_enum(name, variants, visitor).map_err(complaint);
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
fn pairs<'de, K: Deserialize<'de>>(json: &'de str) -> Result<Vec<(K, &'de RawValue)>, Complaint> {
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

    plain(json).deserialize_map(Pairs(std::marker::PhantomData)).map_err(complaint)
}

struct Entry<'de> {
    /// The key as it stands, with its quotes. None for a spelling that is tried out.
    key: Option<&'de RawValue>,
    /// The name that it is, if keys are names.
    name: String,
    value: &'de RawValue,
}

struct Entries<'r, 'de> {
    of: Value<'r, 'de>,
    entries: Vec<Entry<'de>>,
    /// The last entry of each name.
    last: HashMap<String, usize>,
    next: usize,
    /// The entry whose value comes next.
    current: usize,
    /// Whether the keys are names of members; a struct's are. Of others the first key tells by how it is read.
    are_names: Option<bool>,
}

impl<'r, 'de> Entries<'r, 'de> {
    fn new(of: Value<'r, 'de>, members: Option<Members>) -> Result<Self, Complaint> {
        let mut entries = Vec::new();
        for (key, value) in pairs::<&'de RawValue>(of.json)? {
            let name: String = serde_json::from_str(key.get()).map_err(complaint)?;
            let known = match members {
                Some(members) => member(members, &name),
                None => of.names.kept_member(&name),
            };
            entries.push(Entry { key: Some(key), name: known.map_or(name, str::to_owned), value });
        }
        let last = entries.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index)).collect();
        let mut this = Self { of, entries, last, next: 0, current: 0, are_names: members.map(|_| true) };
        if members.is_none() && of.tries.get() {
            this.add_spellings();
        }
        Ok(this)
    }

    /// Adds each spelling of a name once, and those that are not there once more: a struct complains about a member that
    /// comes twice, a map does not, and nobody about what is skipped.
    fn add_spellings(&mut self) {
        for index in 0..self.entries.len() {
            let Entry { ref name, value, .. } = self.entries[index];
            if self.of.names.kept_member(name).is_some() {
                continue;
            }
            for name in spellings(name) {
                if !self.last.contains_key(&name) {
                    self.entries.push(Entry { key: None, name: name.clone(), value });
                }
                self.entries.push(Entry { key: None, name, value });
            }
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Complaint;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Complaint> {
        loop {
            let Some(entry) = self.entries.get(self.next) else { return Ok(None) };
            self.current = self.next;
            self.next += 1;
            let is_last = entry.key.is_none() || self.last.get(&entry.name) == Some(&self.current);
            match (self.are_names, entry.key) {
                (Some(true), _) if !is_last => {}
                (Some(true), _) => return seed.deserialize(StrDeserializer::new(&entry.name)).map(Some),
                // What is tried out is nothing to a map.
                (_, None) => return Ok(None),
                (_, Some(key)) => {
                    let as_name = Cell::new(false);
                    let read = seed.deserialize(Key { json: key.get(), name: &entry.name, as_name: &as_name })?;
                    if self.are_names.is_none() && as_name.get() {
                        // The value of the first name is the last that there is.
                        if let Some(last) = self.last.remove(&entry.name) {
                            self.current = last;
                        }
                    }
                    self.are_names = Some(as_name.get());
                    return Ok(Some(read));
                }
            }
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Complaint> {
        let Some(entry) = self.entries.get(self.current) else {
            return Err(de::Error::custom("a value without a key"));
        };
        let tries = self.of.tries.get();
        self.of.tries.set(tries && entry.key.is_some());
        let read = seed.deserialize(self.of.with(entry.value));
        self.of.tries.set(tries);
        read
    }
}

/// A key: the name of a member, or data. Its reader shows which it is.
struct Key<'r, 'de> {
    /// With its quotes.
    json: &'de str,
    name: &'r str,
    as_name: &'r Cell<bool>,
}

macro_rules! numbers_in_quotes {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            let text = self.json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(self.json);
            plain(text).$method(visitor).map_err(complaint)
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            plain(self.json).$method(visitor).map_err(complaint)
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'_, 'de> {
    type Error = Complaint;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.as_name.set(true);
        visitor.visit_str(self.name)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_any(visitor)
    }

    numbers_in_quotes! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
    }

    texts! {
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_seq deserialize_map deserialize_ignored_any
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        plain(self.json).deserialize_enum(name, variants, visitor).map_err(complaint)
    }

    serde::forward_to_deserialize_any! { unit_struct tuple tuple_struct struct }
}

struct Variant<'r, 'de> {
    name: Cow<'de, str>,
    value: Value<'r, 'de>,
}

impl<'r, 'de> EnumAccess<'de> for Variant<'r, 'de> {
    type Error = Complaint;
    type Variant = Value<'r, 'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Value<'r, 'de>), Complaint> {
        let name = seed.deserialize(StrDeserializer::new(&self.name))?;
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
