//! A second opinion on the MessagePack of values: what rmp-serde writes is read, and it reads what is written.

use std::collections::BTreeMap;
use std::fmt::Debug;

use ::rmp_serde::{from_slice, to_vec_named};
use hub_core::Codec;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::payload;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    item_number: u64,
    price: f64,
    note: Option<String>,
    tags: Vec<String>,
    state: State,
    counts: BTreeMap<String, i32>,
    place: (i8, f32, char),
    inner: Option<Box<Self>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum State {
    Open,
    Paid(u32),
    Sent { to: String, by: Option<u8> },
    Split(u8, bool),
}

#[track_caller]
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let theirs = to_vec_named(value).unwrap();
    assert_eq!(payload(Codec::MessagePack, &theirs).read::<T>().as_ref(), Ok(value), "written by rmp-serde");
    let ours = Codec::MessagePack.encode_value(value).unwrap();
    assert_eq!(&from_slice::<T>(ours.bytes()).unwrap(), value, "read by rmp-serde");
}

#[test]
fn integers_of_every_width() {
    for bits in 0..63 {
        let number = 1_i64 << bits;
        both_ways(&(number - 1, number, -number, -number - 1));
    }
    both_ways(&(u64::MAX, i64::MIN));
}

#[test]
fn lengths_of_every_width() {
    for length in [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
        both_ways(&"x".repeat(length));
        both_ways(&vec![7_u8; length]);
        both_ways(&(0..length).map(|key| (format!("{key:05}"), true)).collect::<BTreeMap<_, _>>());
    }
}

#[test]
fn objects_and_enums() {
    let order = |state, inner| Order {
        item_number: u64::MAX,
        price: 0.1,
        note: None,
        tags: vec![String::new(), "\u{1F600}".to_owned()],
        state,
        counts: BTreeMap::from([("a".to_owned(), -1), ("b".to_owned(), i32::MAX)]),
        place: (-128, f32::MIN_POSITIVE, 'ß'),
        inner,
    };
    let states = [State::Open, State::Paid(3), State::Sent { to: "me".to_owned(), by: None }, State::Split(1, true)];
    for state in states {
        let inner = order(state.clone(), None);
        both_ways(&order(state, Some(Box::new(inner))));
    }
    both_ways(&(true, (), None::<u8>, Some(1.5_f32), f64::INFINITY));
}
