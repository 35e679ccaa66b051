//! Where in a value the fault is: found by reading it once more, for those values only that could not be read.

use std::cell::Cell;

use serde::de::{DeserializeSeed, Deserializer};
use serde_path_to_error::{Path, Segment, Track};

/// A seed that leaves the path to where it failed.
pub(super) struct Tracked<'p, S> {
    pub(super) seed: S,
    pub(super) path: &'p Cell<Option<Path>>,
}

impl<S: Clone> Clone for Tracked<'_, S> {
    fn clone(&self) -> Self {
        Self { seed: self.seed.clone(), path: self.path }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Tracked<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let mut track = Track::new();
        let read = self.seed.deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track));
        self.path.set(Some(track.path()));
        read
    }
}

/// The words of an error with its place before them. The first `skipped` steps of the path are left out.
pub(super) fn with_place(error: &str, path: Option<&Path>, skipped: usize) -> String {
    let mut place = String::new();
    for step in path.into_iter().flatten().skip(skipped) {
        match step {
            Segment::Seq { index } => place += &format!("[{index}]"),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                if !place.is_empty() {
                    place.push('.');
                }
                place += name;
            }
            Segment::Unknown => {}
        }
    }
    let mut text = if place.is_empty() { error.to_owned() } else { format!("`{place}`: {error}") };
    // .NET has a null for every text, list and object (P-INV-08).
    if error.starts_with("invalid type: null") {
        text += " (what may be null is an `Option`)";
    }
    text
}
