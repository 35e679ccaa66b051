//! The JSON protocol (protocol.md section 4).

use hub_core::message::{Message, Outcome};
use hub_core::{Codec, InvocationId, MAX_DEPTH, ProtocolError};

use crate::{completion, decode, encode, invocation, message, payload};

const JSON: Codec = Codec::Json;

fn read(text: &str) -> Result<Option<Message>, ProtocolError> {
    decode(JSON, text.as_bytes())
}

fn id(id: &str) -> InvocationId {
    InvocationId::from(id)
}

/// Every shape in the order of the official writer.
fn shapes() -> Vec<(&'static str, Message)> {
    let value = |text: &str| payload(JSON, text);
    let with_headers = |headers: &[(&str, &str)]| {
        let mut invocation = invocation(Some("7"), "T", value("[]"), &[]);
        invocation.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Message::Invocation(invocation)
    };
    vec![
        (r#"{"type":1,"target":"T","arguments":[]}"#, Message::Invocation(invocation(None, "T", value("[]"), &[]))),
        (
            r#"{"type":1,"invocationId":"1","target":"T","arguments":[1,"a",null]}"#,
            Message::Invocation(invocation(Some("1"), "T", value(r#"[1,"a",null]"#), &[])),
        ),
        (
            r#"{"type":1,"invocationId":"3","target":"T","arguments":[[]],"streamIds":["1","2"]}"#,
            Message::Invocation(invocation(Some("3"), "T", value("[[]]"), &["1", "2"])),
        ),
        (
            r#"{"type":1,"headers":{"a":"b \"c\""},"invocationId":"7","target":"T","arguments":[]}"#,
            with_headers(&[("a", "b \"c\"")]),
        ),
        (
            r#"{"type":2,"invocationId":"1","item":{"a":1}}"#,
            Message::StreamItem { id: id("1"), item: value(r#"{"a":1}"#) },
        ),
        (r#"{"type":2,"invocationId":"1","item":null}"#, Message::StreamItem { id: id("1"), item: value("null") }),
        (r#"{"type":3,"invocationId":"1"}"#, completion("1", Outcome::Void)),
        (r#"{"type":3,"invocationId":"1","result":null}"#, completion("1", Outcome::Value(value("null")))),
        (r#"{"type":3,"invocationId":"1","result":[5]}"#, completion("1", Outcome::Value(value("[5]")))),
        (r#"{"type":3,"invocationId":"1","error":"no"}"#, completion("1", Outcome::Error("no".to_owned()))),
        (
            r#"{"type":4,"invocationId":"1","target":"S","arguments":[10]}"#,
            Message::StreamInvocation(invocation(Some("1"), "S", value("[10]"), &[])),
        ),
        (
            r#"{"type":4,"invocationId":"2","target":"S","arguments":[],"streamIds":["1"]}"#,
            Message::StreamInvocation(invocation(Some("2"), "S", value("[]"), &["1"])),
        ),
        (r#"{"type":5,"invocationId":"1"}"#, Message::CancelInvocation { id: id("1") }),
        (r#"{"type":6}"#, Message::Ping),
        (r#"{"type":7}"#, Message::Close { error: None, allow_reconnect: false }),
        (r#"{"type":7,"allowReconnect":true}"#, Message::Close { error: None, allow_reconnect: true }),
        (r#"{"type":7,"error":"no"}"#, Message::Close { error: Some("no".to_owned()), allow_reconnect: false }),
        (
            r#"{"type":7,"error":"no","allowReconnect":true}"#,
            Message::Close { error: Some("no".to_owned()), allow_reconnect: true },
        ),
        (r#"{"type":7,"error":""}"#, Message::Close { error: Some(String::new()), allow_reconnect: false }),
        (r#"{"type":8,"sequenceId":0}"#, Message::Ack { sequence_id: 0 }),
        (r#"{"type":9,"sequenceId":9007199254740993}"#, Message::Sequence { sequence_id: 9_007_199_254_740_993 }),
    ]
}

#[test]
fn p_json_shapes_both_ways() {
    for (text, shape) in shapes() {
        assert_eq!(read(text), Ok(Some(shape.clone())), "{text}");
        assert_eq!(encode(JSON, &shape), format!("{text}\x1e").as_bytes(), "{text}");
    }
}

#[test]
fn p_json_01_members_in_any_order() {
    for (text, shape) in shapes() {
        let mut members: Vec<(String, serde_json::Value)> =
            serde_json::from_str::<serde_json::Map<_, _>>(text).unwrap().into_iter().collect();
        for _ in 0..members.len() {
            members.rotate_left(1);
            let members: Vec<_> = members.iter().map(|(name, value)| format!(" {name:?} : {value}")).collect();
            let text = format!("\n{{{}\t}} ", members.join(" ,"));
            assert_eq!(read(&text), Ok(Some(shape.clone())), "{text}");
        }
    }
    // As the JavaScript client writes it.
    assert_eq!(
        read(r#"{"target":"M","arguments":[1],"invocationId":"0","type":1}"#),
        Ok(Some(Message::Invocation(invocation(Some("0"), "M", payload(JSON, "[1]"), &[]))))
    );
}

#[test]
fn p_json_12_an_empty_error_is_written_as_none() {
    assert_eq!(
        encode(JSON, &completion("1", Outcome::Error(String::new()))),
        b"{\"type\":3,\"invocationId\":\"1\"}\x1e"
    );
    assert_eq!(
        read(r#"{"type":3,"invocationId":"1","error":""}"#),
        Ok(Some(completion("1", Outcome::Error(String::new())))),
        "but it is read as one"
    );
}

#[test]
fn a_completion_for_nobody_is_no_fault() {
    assert_eq!(read(r#"{"type":3,"invocationId":""}"#), Ok(Some(completion("", Outcome::Void))));
    assert_eq!(
        read(r#"{"type":3,"invocationId":"","error":"no handler"}"#),
        Ok(Some(completion("", Outcome::Error("no handler".to_owned()))))
    );
}

#[test]
fn p_json_06_an_empty_name_is_a_name() {
    assert_eq!(
        read(r#"{"type":1,"invocationId":"1","target":"","arguments":[]}"#),
        Ok(Some(Message::Invocation(invocation(Some("1"), "", payload(JSON, "[]"), &[]))))
    );
}

#[test]
fn p_json_20_the_last_of_duplicates_wins() {
    assert_eq!(
        read(r#"{"type":3,"target":"A","arguments":5,"type":1,"target":"B","arguments":[1]}"#),
        Ok(Some(Message::Invocation(invocation(None, "B", payload(JSON, "[1]"), &[]))))
    );
}

#[test]
fn p_gen_04_unknown_members_are_skipped() {
    assert_eq!(read(r#"{"x":{"type":3},"type":6,"target":[],"é":1e9}"#), Ok(Some(Message::Ping)));
    // What belongs to another type is not looked at either.
    assert_eq!(read(r#"{"type":6,"invocationId":5,"error":{},"sequenceId":"x"}"#), Ok(Some(Message::Ping)));
}

#[test]
fn p_json_04_p_div_02_null_is_absent_where_absent_is_allowed() {
    for text in [
        r#"{"type":1,"headers":null,"invocationId":null,"target":"T","arguments":[],"streamIds":null}"#,
        r#"{"type":1,"headers":{},"invocationId":"","target":"T","arguments":[],"streamIds":[]}"#,
    ] {
        assert_eq!(read(text), Ok(Some(Message::Invocation(invocation(None, "T", payload(JSON, "[]"), &[])))));
    }
    assert_eq!(
        read(r#"{"type":3,"invocationId":"1","error":null,"result":1}"#),
        Ok(Some(completion("1", Outcome::Value(payload(JSON, "1")))))
    );
    assert_eq!(
        read(r#"{"type":7,"error":null,"allowReconnect":null}"#),
        Ok(Some(Message::Close { error: None, allow_reconnect: false }))
    );
}

#[test]
fn p_json_what_is_malformed_and_how_it_is_called() {
    for (text, error) in [
        ("{}", "Missing required property 'type'."),
        (r#"{"Type":6}"#, "Missing required property 'type'."),
        (r#"{"type":null}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":"6"}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":6.0}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":6e0}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":[6]}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":99999999999999999999}"#, "Expected 'type' to be of type Number."),
        (r#"{"type":1,"arguments":[]}"#, "Missing required property 'target'."),
        (r#"{"type":1,"target":null,"arguments":[]}"#, "Expected 'target' to be of type String."),
        (r#"{"type":1,"target":5,"arguments":[]}"#, "Expected 'target' to be of type String."),
        (r#"{"type":1,"target":"T"}"#, "Missing required property 'arguments'."),
        (r#"{"type":1,"target":"T","arguments":null}"#, "Expected 'arguments' to be of type Array."),
        (r#"{"type":1,"target":"T","arguments":{}}"#, "Expected 'arguments' to be of type Array."),
        (r#"{"type":1,"target":"T","arguments":"[]"}"#, "Expected 'arguments' to be of type Array."),
        (r#"{"type":1,"invocationId":1,"target":"T","arguments":[]}"#, "Expected 'invocationId' to be of type String."),
        (r#"{"type":1,"target":"T","arguments":[],"streamIds":"1"}"#, "Expected 'streamIds' to be of type Array."),
        (r#"{"type":1,"target":"T","arguments":[],"streamIds":[1]}"#, "Expected 'streamIds' to be of type Array."),
        (r#"{"type":1,"target":"T","arguments":[],"streamIds":[null]}"#, "Null value for 'streamIds' is not valid."),
        (r#"{"type":1,"headers":[],"target":"T","arguments":[]}"#, "Expected 'headers' to be of type StartObject."),
        (r#"{"type":1,"headers":{"a":1},"target":"T","arguments":[]}"#, "Expected header 'a' to be of type String."),
        (r#"{"type":1,"headers":{"a":null},"target":"T","arguments":[]}"#, "Expected header 'a' to be of type String."),
        (r#"{"type":2,"item":1}"#, "Missing required property 'invocationId'."),
        (r#"{"type":2,"invocationId":"","item":1}"#, "Missing required property 'invocationId'."),
        (r#"{"type":2,"invocationId":null,"item":1}"#, "Missing required property 'invocationId'."),
        (r#"{"type":2,"invocationId":"1"}"#, "Missing required property 'item'."),
        (r#"{"type":3}"#, "Missing required property 'invocationId'."),
        (r#"{"type":3,"invocationId":null}"#, "Missing required property 'invocationId'."),
        (r#"{"type":3,"invocationId":"1","error":5}"#, "Expected 'error' to be of type String."),
        (
            r#"{"type":3,"invocationId":"1","error":"e","result":1}"#,
            "The 'error' and 'result' properties are mutually exclusive.",
        ),
        (
            r#"{"type":3,"invocationId":"1","error":"e","result":null}"#,
            "The 'error' and 'result' properties are mutually exclusive.",
        ),
        (r#"{"type":4,"target":"S","arguments":[]}"#, "Missing required property 'invocationId'."),
        (r#"{"type":4,"invocationId":"","target":"S","arguments":[]}"#, "Missing required property 'invocationId'."),
        (r#"{"type":5}"#, "Missing required property 'invocationId'."),
        (r#"{"type":7,"error":5}"#, "Expected 'error' to be of type String."),
        (r#"{"type":7,"allowReconnect":1}"#, "Expected 'allowReconnect' to be true or false."),
        (r#"{"type":7,"allowReconnect":"true"}"#, "Expected 'allowReconnect' to be true or false."),
        (r#"{"type":8}"#, "Missing required property 'sequenceId'."),
        (r#"{"type":8,"sequenceId":"1"}"#, "Expected 'sequenceId' to be of type Number."),
        (r#"{"type":9,"sequenceId":1.5}"#, "Expected 'sequenceId' to be of type Number."),
        (r#"{"type":9,"sequenceId":null}"#, "Expected 'sequenceId' to be of type Number."),
        ("[]", "Unexpected JSON Token Type 'Array'. Expected a JSON Object."),
        ("null", "Unexpected JSON Token Type 'Null'. Expected a JSON Object."),
        (" 5", "Unexpected JSON Token Type 'Number'. Expected a JSON Object."),
        (r#""{}""#, "Unexpected JSON Token Type 'String'. Expected a JSON Object."),
        ("true", "Unexpected JSON Token Type 'True'. Expected a JSON Object."),
        ("false", "Unexpected JSON Token Type 'False'. Expected a JSON Object."),
    ] {
        assert_eq!(read(text).unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn p_json_16_strict_json() {
    for bad in [
        "",
        " ",
        "{",
        r#"{"type":6"#,
        r#"{"type":6}}"#,
        r#"{"type":6}{"type":6}"#,
        r#"{"type":6,}"#,
        r#"{"type":6/**/}"#,
        "{\"type\":6} // end",
        "{'type':6}",
        "{type:6}",
        r#"{"type":06}"#,
        r#"{"type":+6}"#,
        r#"{"type":6 "x":1}"#,
        r#"{"type":6,"x":NaN}"#,
        r#"{"type":6,"x":[1,]}"#,
        r#"{"type":6,"x":"\x"}"#,
        "{\"type\":6,\"x\":\"a\nb\"}",
        r#"{"type":1,"target":"\ud800","arguments":[]}"#,
    ] {
        let error = read(bad).unwrap_err();
        assert!(matches!(error, ProtocolError::InvalidJson(_)), "{bad}: {error:?}");
        assert_eq!(error.to_string(), "Error reading JSON.", "the parser's words stay here");
    }
    for bad in [
        &b"{\"type\":1,\"target\":\"\xff\",\"arguments\":[]}"[..],
        b"{\"type\":2,\"invocationId\":\"1\",\"item\":\"\xc3\"}",
        b"{\"\xff\":1,\"type\":6}",
        b"\xef\xbb\xbf{\"type\":6}",
    ] {
        assert!(matches!(decode(JSON, bad), Err(ProtocolError::InvalidJson(_))), "{bad:?}");
    }
}

#[test]
fn p_json_16_depth() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let objects = |depth: usize| r#"{"[":"#.repeat(depth) + "1" + &"}".repeat(depth);
    for of in [nested, objects] {
        let invocation = |depth| read(&format!(r#"{{"type":1,"target":"T","arguments":["\\\"[",{}]}}"#, of(depth)));
        let item = |depth| read(&format!(r#"{{"type":2,"invocationId":"1","item":{}}}"#, of(depth)));
        let result = |depth| read(&format!(r#"{{"type":3,"invocationId":"1","result":{}}}"#, of(depth)));
        for read in [&invocation as &dyn Fn(_) -> _, &item, &result] {
            assert!(read(MAX_DEPTH).is_ok());
            assert_eq!(read(MAX_DEPTH + 1), Err(ProtocolError::TooDeep));
        }
    }
    // Brackets in texts are none.
    assert!(read(&format!(r#"{{"type":2,"invocationId":"1","item":"{}"}}"#, "[{".repeat(500))).is_ok());
    // What is skipped may be as deep as it likes, without using the stack.
    assert_eq!(read(&format!(r#"{{"type":6,"x":{}}}"#, nested(100_000))), Ok(Some(Message::Ping)));
}

#[test]
fn p_json_04_18_what_is_written_is_one_line_and_needs_no_care() {
    let nasty = "\u{0}\u{1e}\n\r\"\\</script>\u{7f}é\u{2028}🎉";
    for written in [
        Message::Close { error: Some(nasty.to_owned()), allow_reconnect: true },
        completion(nasty, Outcome::Error(nasty.to_owned())),
        Message::StreamInvocation({
            let mut call = invocation(Some(nasty), nasty, payload(JSON, "[]"), &[nasty]);
            call.headers = vec![(nasty.to_owned(), nasty.to_owned())];
            call
        }),
        Message::StreamItem { id: id("1"), item: JSON.encode_value(nasty).unwrap() },
    ] {
        let bytes = encode(JSON, &written);
        let (end, text) = bytes.split_last().unwrap();
        assert_eq!(*end, 0x1e);
        assert!(text.iter().all(|byte| *byte >= b' '), "no control characters");
        assert_eq!(message(JSON, text), written);
    }
}

#[test]
fn texts_may_be_written_with_escapes() {
    let text = r#"{"\u0074ype":1,"invocationId":"\u0041\"","target":"\ud83c\udf89","arguments":[],"streamIds":["\n"]}"#;
    assert_eq!(read(text), Ok(Some(Message::Invocation(invocation(Some("A\""), "🎉", payload(JSON, "[]"), &["\n"])))));
}
