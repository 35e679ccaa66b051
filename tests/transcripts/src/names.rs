//! Names that differ from run to run: connection ids and tokens, question ids, ports.

use std::collections::HashMap;

use rmpv::Value;

use crate::recording::Protocol;
use crate::wire;

/// What the recorded names are called in this run.
///
/// In text the recording has placeholders such as `{connectionId1}`; inside MessagePack the ids stand as they were.
#[derive(Default)]
pub struct Names(HashMap<String, String>);

impl Names {
    /// Those that are the same in every run.
    pub fn new() -> Self {
        let any_trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        Self(HashMap::from([("{traceparent}".to_owned(), any_trace.to_owned())]))
    }

    /// Gives a recorded name its meaning.
    ///
    /// # Errors
    /// When it has another one.
    pub fn bind(&mut self, recorded: &str, live: &str) -> Result<(), String> {
        let bound = self.0.entry(recorded.to_owned()).or_insert_with(|| live.to_owned());
        if bound != live {
            return Err(format!("{recorded} was {bound} before and is {live} now"));
        }
        Ok(())
    }

    /// Whether a recorded name has a meaning.
    pub fn knows(&self, recorded: &str) -> bool {
        self.0.contains_key(recorded)
    }

    /// The text with every placeholder replaced whose meaning is known.
    pub fn fill(&self, recorded: &str) -> String {
        let placeholders = self.0.iter().filter(|(name, _)| is_placeholder(name));
        placeholders.fold(recorded.to_owned(), |text, (name, live)| text.replace(name, live))
    }

    /// Bytes for the server. They go out as recorded, unless they hold a name.
    pub fn fill_bytes(&self, protocol: Protocol, recorded: &[u8]) -> Vec<u8> {
        let mut rest = recorded;
        let mut filled = Vec::new();
        while let Ok(Some((used, mut message))) = wire::first_message(protocol, rest) {
            let bytes =
                if self.fill_value(&mut message) { wire::frame(protocol, &message) } else { rest[..used].into() };
            filled.extend(bytes);
            rest = &rest[used..];
        }
        filled.extend(rest);
        filled
    }

    /// Replaces the names in a value; whether there was any.
    fn fill_value(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => {
                let Some(live) = text.as_str().and_then(|text| self.0.get(text)) else {
                    return false;
                };
                *value = live.as_str().into();
                true
            }
            Value::Array(items) => items.iter_mut().fold(false, |found, item| self.fill_value(item) | found),
            Value::Map(members) => members.iter_mut().fold(false, |found, (_, item)| self.fill_value(item) | found),
            _ => false,
        }
    }

    /// Compares by meaning; a name met for the first time gets its meaning here.
    ///
    /// # Errors
    /// What is different.
    pub fn unify(&mut self, recorded: &Value, live: &Value) -> Result<(), String> {
        let equal = match (recorded, live) {
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                return a.iter().zip(b).try_for_each(|(a, b)| self.unify(a, b));
            }
            (Value::Map(a), Value::Map(b)) if a.len() == b.len() => {
                return a.iter().try_for_each(|(key, value)| {
                    let other = b.iter().find(|(name, _)| name == key);
                    let (_, other) = other.ok_or_else(|| format!("{key} is missing in {live}"))?;
                    self.unify(value, other)
                });
            }
            (Value::String(a), Value::String(b)) => {
                return self.unify_text(a.as_str().unwrap_or_default(), b.as_str().unwrap_or_default());
            }
            // 1E+300 may come as an integer's digits, 3.0 as 3.
            (Value::F64(a), b) => b.as_f64() == Some(*a),
            _ => recorded == live,
        };
        if equal { Ok(()) } else { Err(format!("expected {recorded}, got {live}")) }
    }

    fn unify_text(&mut self, recorded: &str, live: &str) -> Result<(), String> {
        let filled = self.fill(recorded);
        if without_own_words(&filled) == without_own_words(live) {
            return Ok(());
        }
        let is_known_id = || is_connection_id(recorded) && self.0.values().any(|known| known == live);
        if is_placeholder(recorded) || is_known_id() {
            return self.bind(recorded, live);
        }
        if self.0.get(recorded).is_some_and(|known| known == live) {
            return Ok(());
        }
        Err(format!("expected {filled:?}, got {live:?}"))
    }
}

fn is_placeholder(text: &str) -> bool {
    text.starts_with('{') && text.ends_with('}')
}

fn is_connection_id(text: &str) -> bool {
    text.len() == 22 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Behind these words .NET appends what its deserializer says, which is no part of the protocol (P-CR-05).
fn without_own_words(text: &str) -> &str {
    let head = "Error trying to deserialize result to String.";
    text.find(head).map_or(text, |at| &text[..at + head.len()])
}
