//! Names of members in another case, twice, and what else is no object (P-JSON-17, P-JSON-20, P-MP-10).

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use hub_core::Codec;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::{args, hex, payload};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    id: u32,
    name: Option<String>,
}

fn item(id: u32, name: &str) -> Item {
    Item { id, name: Some(name.to_owned()) }
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    payload(Codec::Json, json).read().map_err(|error| error.detail().to_owned())
}

fn reads<T: DeserializeOwned + Debug + PartialEq>(json: &str, expected: &T) {
    // Twice: what was learned must not change it.
    for _ in 0..2 {
        assert_eq!(read::<T>(json).as_ref(), Ok(expected), "{json}");
    }
}

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

fn good<T: DeserializeOwned>(json: &str) -> T {
    read(json).unwrap()
}

#[test]
fn members_of_structs_are_found_in_any_case() {
    // P-JSON-17
    let sample: Sample =
        good(r#"{"name":"a","CHILD":{"Name":"b"},"lisT":[{"nAme":"c"}],"map":{"Key":1,"key":2},"unknown":[{"x":1}]}"#);
    assert_eq!((sample.name.as_str(), sample.child.unwrap().name.as_str()), ("a", "b"));
    assert_eq!(sample.list[0].name, "c");
    // The keys of maps are data: P-JSON-17.
    assert_eq!(sample.map, BTreeMap::from([("Key".to_owned(), 1), ("key".to_owned(), 2)]));
}

#[test]
fn what_is_no_member_of_a_struct_stays_as_it_is() {
    assert_eq!(good::<Shape>(r#"{"Circle":{"RADIUS":3}}"#), Shape::Circle { radius: 3 });
    assert_eq!(good::<Shape>(r#""Empty""#), Shape::Empty);
    let Shape::Pair(sample, 7) = good(r#"{"Pair":[{"name":"x"},7]}"#) else { panic!("not a pair of 7") };
    assert_eq!(sample.name, "x");
    let value: Value = good(r#"{"a":1,"A":[null,{"b":true}]}"#);
    assert_eq!(value, json!({"a": 1, "A": [null, {"b": true}]}));
    assert_eq!(good::<Box<RawValue>>(r#"{ "a" : 1.50 }"#).get(), r#"{ "a" : 1.50 }"#);
    assert_eq!(good::<(u64, i128, f64, char)>(r#"[1,-2,3.5,"c"]"#), (1, -2, 3.5, 'c'));
}

#[test]
fn arguments_are_read_so_too() {
    let (sample, number): (Sample, u8) = args(Codec::Json, r#"[{"nAME":"a"},5]"#).read().unwrap();
    assert_eq!((sample.name.as_str(), number), ("a", 5));
}

#[test]
fn p_json_17_letters_of_any_script_have_a_case() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Abroad {
        #[serde(rename = "Änderung")]
        change: Option<u8>,
        #[serde(rename = "ΣΊΣΥΦΟΣ")]
        stone: Option<u8>,
    }
    reads(r#"{"änderung":1,"σίσυφος":2}"#, &Abroad { change: Some(1), stone: Some(2) });
    reads(r#"{"ÄNDERUNG":1,"Σίσυφος":2}"#, &Abroad { change: Some(1), stone: Some(2) });
    reads(r#"{"anderung":1}"#, &Abroad { change: None, stone: None });
}

#[test]
fn p_json_17_members_that_serde_keeps_for_later() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Flat {
        #[serde(flatten)]
        item: Item,
        more: Option<u32>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        Item(Item),
        #[serde(rename_all = "PascalCase")]
        Open {
            #[serde(default)]
            ratio: u8,
        },
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type", content = "value")]
    enum Beside {
        Item(Item),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Item(Item),
        Many(Vec<Self>),
    }
    for (id, name, more) in
        [("Id", "Name", "More"), ("id", "name", "more"), ("ID", "NAME", "MORE"), ("iD", "nAME", "mORE")]
    {
        let members = format!(r#""{id}":1,"{name}":"a""#);
        reads(&format!(r#"{{{members},"{more}":2}}"#), &Flat { item: item(1, "a"), more: Some(2) });
        reads(&format!(r#"{{"type":"Item",{members}}}"#), &Tagged::Item(item(1, "a")));
        reads(&format!(r#"{{{members},"type":"Item"}}"#), &Tagged::Item(item(1, "a")));
        reads(&format!(r#"{{"type":"Item","value":{{{members}}}}}"#), &Beside::Item(item(1, "a")));
        reads(&format!(r#"{{"value":{{{members}}},"type":"Item"}}"#), &Beside::Item(item(1, "a")));
        reads(&format!(r#"{{{members}}}"#), &Either::Item(item(1, "a")));
        reads(
            &format!(r#"[{{{members}}},"b",[{{{members}}}]]"#),
            &Either::Many(vec![
                Either::Item(item(1, "a")),
                Either::Text("b".to_owned()),
                Either::Many(vec![Either::Item(item(1, "a"))]),
            ]),
        );
    }
    // Optional ones alone, and the tag itself.
    reads(r#"{"Type":"Open","ratio":3}"#, &Tagged::Open { ratio: 3 });
    reads(r#"{"type":"Open"}"#, &Tagged::Open { ratio: 0 });
    assert!(read::<Flat>(r#"{"Name":"a"}"#).unwrap_err().contains("missing field `Id`"));
    assert!(read::<Tagged>(r#"{"type":"Item","id":"x"}"#).unwrap_err().contains("expected u32"));
}

#[test]
fn what_strict_types_do_not_know_stays_unknown() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type", deny_unknown_fields)]
    enum Strict {
        #[serde(rename_all = "PascalCase")]
        Point { x: u8, y: Option<u8> },
    }
    reads(r#"{"type":"Point","x":1,"y":2}"#, &Strict::Point { x: 1, y: Some(2) });
    assert!(read::<Strict>(r#"{"type":"Point","x":1,"z":2}"#).unwrap_err().contains("unknown field `z`"));
}

#[test]
fn p_json_17_the_keys_of_maps_are_data_everywhere() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Rest {
        id: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }
    let rest = BTreeMap::from([("foo".to_owned(), json!({"bar": 1, "Bar": 2})), ("Foo".to_owned(), json!(3))]);
    reads(r#"{"id":1,"foo":{"bar":1,"Bar":2},"Foo":3}"#, &Rest { id: 1, rest });
    // Also what is called like a member, once the members are known.
    let rest = BTreeMap::from([("foo".to_owned(), json!([{"id": 1, "iD": 2}]))]);
    reads(r#"{"ID":1,"foo":[{"id":1,"iD":2}]}"#, &Rest { id: 1, rest });
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Any {
        Item(Item),
        Value(Value),
    }
    reads(r#"{"id":1,"name":"a"}"#, &Any::Item(item(1, "a")));
    for other in [json!({"name": "a"}), json!({"x": [{"id": 1, "name": "a"}]}), json!([{"id": 1}])] {
        reads(&other.to_string(), &Any::Value(other));
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Maps {
        item: Item,
        by_name: BTreeMap<String, u8>,
        by_number: BTreeMap<u8, Item>,
        any: Value,
    }
    let maps = Maps {
        item: item(2, "b"),
        by_name: BTreeMap::from([("id".to_owned(), 1), ("Id".to_owned(), 3)]),
        by_number: BTreeMap::from([(7, item(4, "c"))]),
        any: json!({"id": 1, "ID": 2}),
    };
    // Also where a value is read again for a member that came twice.
    for twice in ["", r#""item":{"id":9},"#] {
        let json = format!(
            r#"{{{twice}"item":{{"Id":1,"id":2,"Name":"a","name":"b"}},"byname":{{"id":1,"Id":2,"Id":3}},
            "bynumber":{{"7":{{"ID":4,"NAME":"c"}}}},"ANY":{{"id":1,"ID":2}}}}"#
        );
        reads(&json, &maps);
    }
}

#[test]
fn p_json_20_p_mp_10_the_last_of_a_member_wins() {
    reads(r#"{"Id":2,"id":1,"name":"a"}"#, &item(1, "a"));
    reads(r#"{"Id":2,"Id":1,"Name":"b","name":"a"}"#, &item(1, "a"));
    reads(r#"[[{"Id":2,"id":1,"name":"a"}],{"a":3}]"#, &(vec![item(1, "a")], BTreeMap::from([("a".to_owned(), 3)])));
    // What is wrong stays wrong.
    assert!(read::<Item>(r#"{"Id":1,"id":"x"}"#).unwrap_err().starts_with("`Id`: invalid type"));
    // MessagePack tells members by their exact name.
    let list = args(Codec::MessagePack, hex("91 84 a2 49 64 02 a4 4e 61 6d 65 a1 61 a2 49 64 01 a2 69 64 09"));
    assert_eq!(list.read::<(Item,)>(), Ok((item(1, "a"),)));
    // Where serde keeps them for later too.
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Item(Item),
    }
    assert_eq!(list.read::<(Kept,)>(), Ok((Kept::Item(item(1, "a")),)));
    reads(r#"{"Id":2,"id":1,"name":"a"}"#, &Kept::Item(item(1, "a")));
}

#[test]
fn p_mp_10_an_object_is_a_map_by_name() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Shape {
        Box { side: u8 },
        Pair(u8, u8),
    }
    // A list of the members in order, a map by their numbers, bytes for names.
    for bad in ["92 01 a1 61", "90", "82 00 01 01 a1 61", "81 c4 02 49 64 01"] {
        assert!(payload(Codec::MessagePack, hex(bad)).read::<Item>().is_err(), "{bad}");
    }
    for bad in ["[1,\"a\"]", "[]", "5", "\"x\""] {
        assert!(read::<Item>(bad).is_err(), "{bad}");
        assert!(read::<(u8, Option<Item>)>(&format!("[1,{bad}]")).is_err(), "{bad}");
    }
    assert!(read::<Shape>(r#"{"Box":[1]}"#).is_err());
    assert_eq!(read(r#"{"Box":{"side":1}}"#), Ok(Shape::Box { side: 1 }));
    assert_eq!(read(r#"{"Pair":[1,2]}"#), Ok(Shape::Pair(1, 2)));
    assert!(payload(Codec::MessagePack, hex("81 a3 42 6f 78 91 01")).read::<Shape>().is_err());
    assert_eq!(payload(Codec::MessagePack, hex("81 a4 50 61 69 72 92 01 02")).read(), Ok(Shape::Pair(1, 2)));
    assert!(payload(Codec::MessagePack, hex("01")).read::<Shape>().is_err(), "nor is a variant its number");
}

#[test]
fn p_inv_08_a_refused_null_is_named_in_the_log() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Order {
        #[expect(dead_code)]
        items: Vec<Item>,
    }
    let value = json!([1, {"Items": [{"Id": 1}, {"Id": null}]}]);
    for codec in Codec::ALL {
        let list = hub_core::Args::new(codec.encode_value(&value).unwrap());
        let error = list.read::<(u8, Order)>().unwrap_err();
        let told = error.detail();
        assert!(told.starts_with("argument 2: `Items[1].Id`: invalid type: null, expected u32"), "{told}");
        assert!(told.ends_with("(what may be null is an `Option`)"), "{told}");
        assert!(!error.to_string().contains("Items"), "not for the caller");
        let text = codec.encode_value(&json!([null])).unwrap();
        let error = hub_core::Args::new(text.clone()).read::<(String,)>().unwrap_err();
        assert!(error.detail().starts_with("argument 1: invalid type: null, expected a string"), "{}", error.detail());
        let error = text.read_result::<Vec<String>>().unwrap_err().to_string();
        assert!(error.contains("Vec. `[0]`: invalid type: null, expected a string"), "{error}");
    }
}

#[test]
fn names_from_a_stranger_fill_nothing() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Item(Item),
        Any(Value),
    }
    // More names than are looked at, in a message and altogether.
    for message in 0..50 {
        let members: Vec<_> = (0..40).map(|member| format!(r#""m{message}-{member}":{{"x":[{member}]}}"#)).collect();
        let json = format!("{{{}}}", members.join(","));
        assert_eq!(read::<Kept>(&json), Ok(Kept::Any(serde_json::from_str(&json).unwrap())));
    }
    reads(r#"{"id":1,"name":"a"}"#, &Kept::Item(item(1, "a")));
    // As deep as it may be.
    let deep = (0..60).fold(r#"{"id":1,"name":"a"}"#.to_owned(), |json, _| format!(r#"{{"x":{json},"y":[1]}}"#));
    assert_eq!(read::<Kept>(&deep), Ok(Kept::Any(serde_json::from_str(&deep).unwrap())));
    // Too long to be read again: as it stands.
    let long = format!(r#"{{"Id":1,"Name":"{}"}}"#, "a".repeat(100_000));
    assert_eq!(read::<Kept>(&long), Ok(Kept::Item(item(1, &"a".repeat(100_000)))));
    assert!(read::<Item>(&long.replacen("\"Id\"", "\"id\":0,\"Id\"", 1)).unwrap_err().contains("duplicate field"));
}

#[test]
fn what_one_value_lacks_decides_nothing_about_another() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type", rename_all_fields = "PascalCase")]
    enum Shape {
        Circle { radius: u32 },
        Box { side: u32 },
        Line { length: Option<u32> },
    }
    let read = |json: &str| payload(Codec::Json, json).read::<Shape>();
    // These are no members of a circle.
    assert_eq!(read(r#"{"type":"Circle","radius":1,"side":2,"length":9}"#), Ok(Shape::Circle { radius: 1 }));
    assert_eq!(read(r#"{"type":"Box","side":3}"#), Ok(Shape::Box { side: 3 }));
    assert_eq!(read(r#"{"type":"Line","length":3}"#), Ok(Shape::Line { length: Some(3) }));
}

#[test]
fn arguments_are_counted_where_they_are_read() {
    #[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Language {
        En,
        De,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Value {
        Point { x: f64, y: f64 },
        Many(HashMap<Language, f64>),
    }
    for (name, language) in [("en", Language::En), ("de", Language::De)] {
        let list = args(Codec::Json, format!(r#"[{{"{name}":1.0}},7]"#));
        assert_eq!(list.read::<(Value, u32)>(), Ok((Value::Many(HashMap::from([(language, 1.0)])), 7)));
    }
}
