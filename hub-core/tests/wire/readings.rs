//! What the official MessagePack reader made of 119 frames, and what we make of them.

use hub_core::message::{Message, Outcome};
use hub_core::{Args, ArgsError, Binary, Codec, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value as Json;

use crate::decode;
use crate::untyped::Value;
use crate::vectors::{Case, cases};

/// How a reader takes a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaction {
    /// It is a message whose values have the types that are expected.
    Good,
    /// It is a message, one of whose values has not.
    BindingFailure,
    /// It is of an unknown type.
    Ignored,
    /// It ends the connection.
    Fatal,
}

use Reaction::{BindingFailure, Fatal, Good, Ignored};

/// Where we take a frame otherwise, and why.
const DIFFERENCES: [(&str, Reaction, Reaction, &str); 13] = [
    ("read invocation duplicate header", Fatal, Good, "headers are a list here, and nobody is hurt by the second"),
    ("read argument invalid UTF-8", Good, BindingFailure, "a Rust String is valid, and data is not changed in silence"),
    ("read argument string nil", Good, BindingFailure, "a text that may be missing is an Option here (P-INV-08)"),
    ("read argument enum str '7'", Good, BindingFailure, "a Rust enum has no undefined values"),
    ("read argument flags 'Read, Write'", Good, BindingFailure, "a Rust enum is no set"),
    ("read argument DateTime as str ISO", BindingFailure, Good, "a date is read from a text in both protocols"),
    ("read argument DateTimeOffset as timestamp", BindingFailure, Good, "one type of date is read from both forms"),
    ("read argument char as str", BindingFailure, Good, "a Rust char is a text in both protocols"),
    ("read argument char as int", Good, BindingFailure, "a Rust char is a text in both protocols"),
    ("read argument object nil", Good, BindingFailure, "a struct that may be missing is an Option here (P-INV-08)"),
    (
        "read argument System.Object with unknown ext",
        BindingFailure,
        Good,
        "a type that takes any extension gets it (P-MP-12)",
    ),
    ("read argument int[] nil", Good, BindingFailure, "a list that may be missing is an Option here (P-INV-08)"),
    (
        "read argument nested 90 deep as System.Object",
        Good,
        BindingFailure,
        "both protocols are bounded at 64 levels here (P-MP-14)",
    ),
];

#[test]
fn our_reader_and_the_official_one() {
    let cases: Vec<_> = cases().into_iter().filter(|case| case.case.starts_with("read ")).collect();
    assert_eq!(cases.len(), 119);
    let mut differences = Vec::new();
    for case in &cases {
        let (theirs, ours) = (their_reaction(case), our_reaction(case));
        if theirs != ours {
            differences.push((case.case.as_str(), theirs, ours));
        }
    }
    let listed: Vec<_> = DIFFERENCES.iter().map(|(case, theirs, ours, _)| (*case, *theirs, *ours)).collect();
    assert_eq!(differences, listed);
}

fn their_reaction(case: &Case) -> Reaction {
    let result = case.result.as_deref().unwrap_or_default();
    match (case.parsed, &case.fatal) {
        (None, Some(_)) => Fatal,
        (Some(false), _) => Ignored,
        _ if result.contains("BindingFailure") || result.contains("Error trying to deserialize") => BindingFailure,
        _ => Good,
    }
}

fn our_reaction(case: &Case) -> Reaction {
    let frame = case.bytes();
    assert_eq!(usize::from(frame[0]), frame.len() - 1, "one frame");
    match decode(Codec::MessagePack, &frame[1..]) {
        Err(_) => Fatal,
        Ok(None) => Ignored,
        Ok(Some(Message::Invocation(call))) => {
            let result = case.result.as_deref().unwrap_or_default();
            if let Some(id) = result.strip_prefix("Invocation id=") {
                let ours = format!("{} target={} ", call.id.as_deref().unwrap_or("null"), call.target);
                assert!(id.starts_with(&ours), "{}: {result}", case.case);
            }
            match read(&case.case, &call.arguments) {
                Ok(json) => {
                    assert_same_values(&case.case, result, &json);
                    Good
                }
                Err(_) => BindingFailure,
            }
        }
        Ok(Some(
            Message::StreamItem { item: value, .. } | Message::Completion { outcome: Outcome::Value(value), .. },
        )) => value.read::<String>().map_or(BindingFailure, |_| Good),
        Ok(Some(_)) => Good,
    }
}

/// Reads the one argument as what the name of the case says, and tells it in JSON.
fn read(case: &str, arguments: &Args) -> Result<Json, ArgsError> {
    let case = case.strip_prefix("read ").unwrap();
    let case = case.strip_prefix("argument ").unwrap_or(case);
    match case.split(' ').next().unwrap() {
        "bytes" => read_as::<Binary>(arguments),
        "int" => read_as::<i32>(arguments),
        "int?" => read_as::<Option<i32>>(arguments),
        "int[]" | "array" => read_as::<Vec<i32>>(arguments),
        "byte" | "uint8" => read_as::<u8>(arguments),
        "double" => read_as::<f64>(arguments),
        "float" => read_as::<f32>(arguments),
        "bool" => read_as::<bool>(arguments),
        "TimeSpan" => read_as::<i64>(arguments),
        "enum" | "flags" => read_as::<Color>(arguments),
        "DateTime" | "DateTimeOffset" => read_as::<Timestamp>(arguments),
        "char" => read_as::<char>(arguments),
        "record" => read_as::<Point>(arguments),
        "System.Object" | "nested" => read_as::<Value>(arguments),
        "object" if case.ends_with("System.Object") => read_as::<Value>(arguments),
        "object" => read_as::<Sample>(arguments),
        // Text, and what is text on the wire: decimal, Guid.
        _ => read_as::<String>(arguments),
    }
}

fn read_as<T: DeserializeOwned + Serialize>(arguments: &Args) -> Result<Json, ArgsError> {
    let (value,) = arguments.read::<(T,)>()?;
    let json = Codec::Json.encode_value(&[value]).unwrap();
    Ok(json.read().unwrap())
}

/// Compares with the values that the official reader printed, where .NET prints them as we do.
fn assert_same_values(case: &str, result: &str, ours: &Json) {
    let printed_otherwise =
        ["DateTimeOffset", "ts64", "TimeSpan", "enum", "decimal", "timestamp", "read argument char"];
    let Some((_, rest)) = result.split_once(" args=") else { return };
    if !printed_otherwise.iter().any(|word| case.contains(word)) {
        let (theirs, _) = rest.split_once(" streams=").unwrap();
        let theirs: Json = serde_json::from_str(theirs).unwrap();
        assert!(same(&theirs, ours), "{case}: {theirs} and {ours}");
    }
}

fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        // 5 and 5.0.
        (Json::Number(left), Json::Number(right)) => left.as_f64() == right.as_f64(),
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}

#[derive(Serialize, Deserialize)]
enum Color {
    Red,
    Green,
    DarkBlue,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Sample {
    name: String,
    value: i32,
    ratio: f64,
    tags: Vec<String>,
    child: Option<Box<Self>>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Point {
    x: i32,
    y: i32,
}
