//! The entries of an object that is read a second time, and their keys.

use std::cell::Cell;
use std::collections::HashMap;

use serde::de::value::{BytesDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::second_look::{Complaint, Value, pairs, plain};
use super::spelling::{Members, SPELLINGS, member, spellings};

struct Entry<'de> {
    /// The key as it stands, with its quotes. None for a spelling that is tried out.
    key: Option<&'de RawValue>,
    /// The name that it is, if keys are names.
    name: String,
    /// Whether that is another spelling than the key, in a value that is kept for later.
    is_respelled: bool,
    value: &'de RawValue,
}

pub(super) struct Entries<'r, 'de> {
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
    pub(super) fn new(of: Value<'r, 'de>, members: Option<Members>) -> Result<Self, Complaint> {
        let mut entries = Vec::new();
        for (key, value) in pairs::<&'de RawValue>(of.json)? {
            let name: String = serde_json::from_str(key.get())?;
            let (known, is_respelled) = match members {
                Some(members) => (member(members, &name), false),
                None => {
                    let known = of.trial.names.respelled(&name).filter(|_| of.depth <= of.trial.depth);
                    (known, known.is_some())
                }
            };
            if is_respelled {
                of.trial.outermost.set(of.trial.outermost.get().min(of.depth));
            }
            entries.push(Entry { key: Some(key), name: known.map_or(name, str::to_owned), is_respelled, value });
        }
        let last = entries.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index)).collect();
        let mut this = Self { of, entries, last, next: 0, current: 0, are_names: members.map(|_| true) };
        if members.is_none() && of.trial.left.get() > 0 {
            this.add_spellings();
        }
        Ok(this)
    }

    /// Adds each spelling of a name once, and those that are not there once more: a struct complains about a member that
    /// comes twice, a map does not, and nobody about what is skipped.
    fn add_spellings(&mut self) {
        for index in 0..self.entries.len() {
            let Entry { ref name, value, .. } = self.entries[index];
            // A message teaches what it has room for.
            let cost = 2 * SPELLINGS * (1 + value.get().len() / 64);
            let left = self.of.trial.left.get().saturating_sub(cost);
            if left == 0 || !self.of.trial.strange.contains(name) || self.of.trial.names.kept_member(name).is_some() {
                continue;
            }
            self.of.trial.left.set(left);
            for name in spellings(name) {
                if !self.last.contains_key(&name) {
                    self.entries.push(Entry { key: None, name: name.clone(), is_respelled: false, value });
                }
                self.entries.push(Entry { key: None, name, is_respelled: false, value });
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
                (Some(true), _) if entry.is_respelled => {
                    return seed.deserialize(BytesDeserializer::<Complaint>::new(entry.name.as_bytes())).map(Some);
                }
                (Some(true), _) => return seed.deserialize(StrDeserializer::<Complaint>::new(&entry.name)).map(Some),
                // What is tried out is nothing to a map.
                (_, None) => return Ok(None),
                (_, Some(key)) => {
                    let as_name = Cell::new(false);
                    let read = seed.deserialize(Key { json: key.get(), entry, as_name: &as_name })?;
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
        if entry.key.is_some() {
            return seed.deserialize(self.of.with(entry.value));
        }
        let left = self.of.trial.left.replace(0);
        let read = seed.deserialize(self.of.with(entry.value));
        self.of.trial.left.set(left);
        read
    }
}

/// A key: the name of a member, or data. Its reader shows which it is.
struct Key<'r, 'de> {
    /// With its quotes.
    json: &'de str,
    entry: &'r Entry<'de>,
    as_name: &'r Cell<bool>,
}

macro_rules! numbers_in_quotes {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            let text = self.json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(self.json);
            plain(text).$method(visitor).map_err(Complaint::from)
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            plain(self.json).$method(visitor).map_err(Complaint::from)
        }
    )*};
}

impl<'de> Deserializer<'de> for Key<'_, 'de> {
    type Error = Complaint;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.as_name.set(true);
        let Entry { name, is_respelled, .. } = self.entry;
        if *is_respelled { visitor.visit_bytes(name.as_bytes()) } else { visitor.visit_str(name) }
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
        plain(self.json).deserialize_enum(name, variants, visitor).map_err(Complaint::from)
    }

    serde::forward_to_deserialize_any! { unit_struct tuple tuple_struct struct }
}
