//! Input that was made to hurt (P-MP-14, P-JSON-16).

use std::collections::BTreeMap;

use hub_core::message::{Message, Outcome};
use hub_core::{Binary, Codec, MAX_DEPTH};

use crate::untyped::Value;
use crate::{args, message, payload};

const PACK: Codec = Codec::MessagePack;

fn nested(depth: usize) -> Vec<u8> {
    [vec![0x91; depth], vec![0xc0]].concat()
}

fn invocation(arguments: &[u8]) -> Vec<u8> {
    [&[0x96, 1, 0x80, 0xa1, b'1', 0xa1, b'T'][..], arguments, &[0x90]].concat()
}

#[test]
fn p_mp_14_depth_is_bounded() {
    let read = |depth| {
        let Message::Invocation(call) = message(PACK, &invocation(&nested(depth + 1))) else { panic!("an invocation") };
        call.arguments.read::<(Value,)>()
    };
    assert!(read(MAX_DEPTH).is_ok());
    for depth in [MAX_DEPTH + 1, 90, 1_000, 10_000] {
        assert!(read(depth).is_err(), "{depth}: it fails its call, as any argument that does not bind");
    }
    for frame in
        [[vec![0x94, 2, 0x80, 0xa1, b'1'], nested(10_000)], [vec![0x95, 3, 0x80, 0xa1, b'1', 3], nested(10_000)]]
    {
        match message(PACK, &frame.concat()) {
            Message::StreamItem { item: value, .. } | Message::Completion { outcome: Outcome::Value(value), .. } => {
                assert!(value.read::<Value>().is_err());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn p_mp_14_depth_of_what_nobody_reads() {
    // Deep inside a member that the struct does not know, or a surplus argument.
    #[derive(Debug, serde::Deserialize)]
    struct Known {}
    let unknown = [&[0x91, 0x81, 0xa1, b'x'][..], &nested(10_000)].concat();
    assert!(args(PACK, unknown).read::<(Known,)>().is_err());
    let surplus = [&[0x92, 1][..], &nested(10_000)].concat();
    assert!(args(PACK, surplus).read::<(u8,)>().is_err());
}

#[test]
fn p_json_16_depth_of_what_is_read() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    assert!(args(Codec::Json, format!("[{deep}]")).read::<(serde_json::Value,)>().is_err());
    assert!(args(Codec::Json, format!("[1,{deep}]")).read::<(u8,)>().is_err());
}

#[test]
fn p_mp_14_declared_lengths_are_not_believed() {
    for value in [
        &[0xdd, 0xff, 0xff, 0xff, 0xff][..],   // array
        &[0xdf, 0xff, 0xff, 0xff, 0xff],       // map
        &[0xdb, 0xff, 0xff, 0xff, 0xff],       // text
        &[0xc6, 0xff, 0xff, 0xff, 0xff],       // bytes
        &[0xc9, 0xff, 0xff, 0xff, 0xff, 0xff], // extension
        &[0xdd, 0xff, 0xff, 0xff, 0xff, 1, 2, 3],
        &[0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, b'a', 1],
    ] {
        let list = [&[0x91][..], value].concat();
        let Message::Invocation(call) = message(PACK, &invocation(&list)) else { panic!("an invocation") };
        let arguments = call.arguments;
        assert!(arguments.read::<(Vec<u64>,)>().is_err());
        assert!(arguments.read::<(Vec<[u64; 8]>,)>().is_err());
        assert!(arguments.read::<(String,)>().is_err());
        assert!(arguments.read::<(Binary,)>().is_err());
        assert!(arguments.read::<(BTreeMap<String, u8>,)>().is_err());
        assert!(arguments.read::<(Value,)>().is_err());
        assert!(arguments.read::<((),)>().is_err());
        assert!(arguments.read::<()>().is_err());
    }
    // The list itself, the headers, the ids.
    assert!(args(PACK, [0xdd, 0xff, 0xff, 0xff, 0xff]).read::<()>().is_err());
    assert!(args(PACK, [0xdd, 0xff, 0xff, 0xff, 0xff, 1]).read::<(u8,)>().is_err());
    for frame in [
        &[0x96, 1, 0xdf, 0xff, 0xff, 0xff, 0xff][..],
        &[0x96, 1, 0x80, 0xdb, 0xff, 0xff, 0xff, 0xff],
        &[0x96, 1, 0x80, 0xc0, 0xa1, b'T', 0x90, 0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert!(PACK.decode(&bytes::Bytes::copy_from_slice(frame)).is_err());
    }
}

#[test]
fn maps_with_duplicate_keys() {
    let map = args(PACK, [0x91, 0x82, 0xa1, b'a', 1, 0xa1, b'a', 2]);
    let (read,): (BTreeMap<String, u8>,) = map.read().unwrap();
    assert_eq!(read, BTreeMap::from([("a".to_owned(), 2)]), "the last wins");
    let (read,): (BTreeMap<String, u8>,) = args(Codec::Json, br#"[{"a":1,"a":2}]"#).read().unwrap();
    assert_eq!(read, BTreeMap::from([("a".to_owned(), 2)]));
}

#[test]
fn p_mp_12_extension_types_are_bounded_by_their_argument() {
    for ext in [
        &[0xd4, 5, 0][..],
        &[0xd5, 5, 0, 0],
        &[0xd6, 0xff, 0, 0, 0, 1],
        &[0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 1],
        &[[0xd8, 7].as_slice(), &[0; 16]].concat(),
        &[0xc7, 0, 9],
        &[0xc7, 2, 9, 1, 2],
        &[0xc8, 0, 2, 9, 1, 2],
        &[0xc9, 0, 0, 0, 2, 9, 1, 2],
    ] {
        let list = [&[0x92][..], ext, &[42]].concat();
        let Message::Invocation(call) = message(PACK, &invocation(&list)) else { panic!("an invocation") };
        assert_eq!(call.arguments.payload().bytes(), &list[..]);
        let (value, behind): (Value, u8) = call.arguments.read().unwrap();
        assert!(matches!(value, Value::Ext(..)), "{value:?}");
        assert_eq!(behind, 42);
        assert_eq!(PACK.encode_value(&value).unwrap().read::<Value>().unwrap(), value);
        assert!(call.arguments.read::<(String, u8)>().is_err(), "not the connection's failure");
    }
    // Where it may be anything it ends too.
    #[derive(Debug, serde::Deserialize)]
    #[serde(untagged)]
    enum Kept {
        #[expect(dead_code)]
        Many(Vec<u8>),
    }
    assert!(payload(PACK, [0xd4, 5, 7]).read::<Kept>().is_err());
    assert!(payload(PACK, [0xd4, 5, 7]).read::<Vec<u8>>().is_err());
    assert!(payload(PACK, [0xd4, 5, 7]).read::<serde::de::IgnoredAny>().is_ok());
    // A null is no extension.
    assert_eq!(payload(PACK, [0xc0]).read::<Option<u8>>(), Ok(None));
}
