//! Argument lists of any bytes, read as several types: nothing panics, nothing grows beyond what came, and what was read
//! is written and read again as the same.

#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use hub_core::{Args, ArgsError, Binary, Codec, Payload, Timestamp};
use libfuzzer_sys::fuzz_target;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fuzz_target!(|input: &[u8]| {
    let [choice, bytes @ ..] = input else { return };
    let codec = Codec::ALL[usize::from(choice & 1)];
    let args = Args::new(Payload::new(codec, Bytes::copy_from_slice(bytes)));
    read::<()>(&args);
    read::<(serde_json::Value,)>(&args);
    read::<(String, Option<i64>)>(&args);
    read::<(u8, f64, bool)>(&args);
    read::<(Vec<Line>, Binary)>(&args);
    read::<(BTreeMap<String, (i8, char)>, Vec<()>, (u64, i64))>(&args);
    read::<(Line, Kind, Option<Box<Line>>, f32)>(&args);
    read::<(u8, u8, u8, u8, u8, u8, u8, u8)>(&args);
    read::<(Option<Timestamp>, u128, Vec<i128>)>(&args);
    read::<(Kept, Rest)>(&args);
});

fn read<T: Serialize + DeserializeOwned>(args: &Args) {
    match args.read::<T>() {
        Ok(value) => {
            // As bytes, for NaN is not equal to itself.
            let once = args.codec().encode_value(&value).expect("what was read can be written");
            if let Ok(again) = once.read::<T>() {
                assert_eq!(args.codec().encode_value(&again).unwrap(), once);
            }
        }
        Err(ArgsError::Count { provided, expected }) => assert_ne!(provided, expected),
        Err(error) => assert!(!error.detail().is_empty()),
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(default)]
    from: String,
    text: Option<String>,
    #[serde(default)]
    kinds: Vec<Kind>,
}

#[derive(Serialize, Deserialize)]
enum Kind {
    Unit,
    Number(i32),
    Pair(u8, Binary),
    Named { line: Box<Line> },
}

/// What serde keeps for later: names are respelled, or not.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    Line(Line),
    Tagged(Tagged),
    Many(Vec<Kept>),
    Date(Timestamp),
    Any(serde_json::Value),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "PascalCase", rename_all_fields = "PascalCase")]
enum Tagged {
    Point { x: i8, y: Option<i8> },
    None,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rest {
    id: Option<u8>,
    #[serde(flatten)]
    line: Line,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}
