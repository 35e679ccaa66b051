//! The MessagePack protocol (protocol.md section 5) and the vectors of section 28.

use hub_core::message::{Message, Outcome};
use hub_core::{Codec, InvocationId, ProtocolError};

use crate::{completion, decode, encode, hex, invocation, message, payload};

const PACK: Codec = Codec::MessagePack;

fn value(text: &str) -> hub_core::Payload {
    payload(PACK, hex(text))
}

#[test]
fn p_vec_02_to_12() {
    for (bytes, read, written_alike) in [
        ("02 91 06", Message::Ping, true),
        ("03 92 07 c0", Message::Close { error: None, allow_reconnect: false }, false),
        ("04 93 07 c0 c2", Message::Close { error: None, allow_reconnect: false }, true),
        ("04 93 07 c0 c3", Message::Close { error: None, allow_reconnect: true }, true),
        (
            "0a 95 01 80 c0 a1 4d 92 01 a1 78",
            Message::Invocation(invocation(None, "M", value("92 01 a1 78"), &[])),
            false,
        ),
        ("08 95 04 80 a1 30 a1 53 90", Message::StreamInvocation(invocation(Some("0"), "S", value("90"), &[])), false),
        ("05 93 05 80 a1 30", Message::CancelInvocation { id: InvocationId::from("0") }, true),
        ("07 95 03 80 a1 31 03 c0", completion("1", Outcome::Value(value("c0"))), true),
        ("06 94 03 80 a1 31 02", completion("1", Outcome::Void), true),
        (
            "11 96 01 80 a3 78 79 7a a6 6d 65 74 68 6f 64 91 2a 90",
            Message::Invocation(invocation(Some("xyz"), "method", value("91 2a"), &[])),
            true,
        ),
        ("0e 95 03 80 a3 78 79 7a 01 a5 45 72 72 6f 72", completion("xyz", Outcome::Error("Error".to_owned())), true),
        ("03 92 08 24", Message::Ack { sequence_id: 36 }, true),
        ("04 92 08 cc 24", Message::Ack { sequence_id: 36 }, false),
    ] {
        let bytes = hex(bytes);
        assert_eq!(message(PACK, &bytes[1..]), read);
        assert_eq!(encode(PACK, &read) == bytes, written_alike, "{bytes:02x?}");
    }
}

#[test]
fn p_mp_what_is_malformed_and_how_it_is_called() {
    for (bytes, error) in [
        ("", "Reading array length for 'message' failed."),
        ("c0", "Reading array length for 'message' failed."),
        ("80", "Reading array length for 'message' failed."),
        ("c1", "Reading array length for 'message' failed."),
        ("90", "Reading 'messageType' as Int32 failed."),
        ("91 a1 36", "Reading 'messageType' as Int32 failed."),
        ("91 ca 40 c0 00 00", "Reading 'messageType' as Int32 failed."),
        ("96 01 c0 c0 a1 54 90 90", "Reading map length for 'headers' failed."),
        ("96 01 81 a0 a1 62 c0 a1 54 90 90", "Null or empty key in header."),
        ("96 01 81 a1 61 c0 c0 a1 54 90 90", "Null or empty value in header."),
        ("96 01 81 a1 61 01 c0 a1 54 90 90", "Reading 'headers' as String failed."),
        ("96 01 80 01 a1 54 90 90", "Reading 'invocationId' as String failed."),
        ("96 01 80 c4 01 31 a1 54 90 90", "Reading 'invocationId' as String failed."),
        ("96 01 80 c0 a0 90 90", "Null or empty target for Invocation message."),
        ("96 04 80 a1 31 c0 90 90", "Null or empty target for StreamInvocation message."),
        ("96 01 80 c0 a5 54 90 90", "Reading 'target' as String failed."),
        ("96 01 80 c0 a1 54 90 c0", "Reading array length for 'streamIds' failed."),
        ("96 01 80 c0 a1 54 90 91 c0", "Null or empty value in streamIds received."),
        ("96 01 80 c0 a1 54 90 91 a0", "Null or empty value in streamIds received."),
        ("96 01 80 c0 a1 54 90 91 05", "Reading 'streamIds' as String failed."),
        ("94 02 80 c0 01", "Null or empty invocation ID for StreamItem message."),
        ("94 02 80 a0 01", "Null or empty invocation ID for StreamItem message."),
        ("94 03 80 c0 02", "Null or empty invocation ID for Completion message."),
        ("94 03 80 a1 31 00", "Invalid invocation result kind."),
        ("94 03 80 a1 31 04", "Invalid invocation result kind."),
        ("94 03 80 a1 31", "Reading 'resultKind' as Int32 failed."),
        ("95 03 80 a1 31 01 05", "Reading 'error' as String failed."),
        ("94 03 80 a1 31 03", "Reading 'argument' as Object failed."),
        ("96 04 80 c0 a1 53 90 90", "Null or empty invocation ID for StreamInvocation message."),
        ("96 04 80 a0 a1 53 90 90", "Null or empty invocation ID for StreamInvocation message."),
        ("93 05 80 c0", "Null or empty invocation ID for CancelInvocation message."),
        ("91 07", "Reading 'error' as String failed."),
        ("93 07 c0 c0", "Reading 'allowReconnect' as Boolean failed."),
        ("93 07 c0 01", "Reading 'allowReconnect' as Boolean failed."),
        ("93 07 c0", "Attempted to read past the end of the stream."),
        // P-MP-14: more than the frame can hold.
        ("9f 01 80 a1 31 a1 54 90 90", "Attempted to read past the end of the stream."),
        ("dd ff ff ff ff 06", "Attempted to read past the end of the stream."),
        ("96 01 8f c0 a1 54 90 90", "Reading map length for 'headers' failed."),
        ("96 01 80 c0 a1 54 90 91", "Reading array length for 'streamIds' failed."),
        ("91 08", "Reading 'sequenceId' as Int64 failed."),
        ("92 08 c0", "Reading 'sequenceId' as Int64 failed."),
        ("92 09 cf ff ff ff ff ff ff ff ff", "Reading 'sequenceId' as Int64 failed."),
    ] {
        let error_text = decode(PACK, &hex(bytes)).expect_err(bytes).to_string();
        assert_eq!(error_text, error, "{bytes}");
    }
    assert_eq!(decode(PACK, &hex("94 03 80 a1 31 07")), Err(ProtocolError::InvalidResultKind));
}

#[test]
fn p_mp_03_to_07_what_is_accepted_in_several_forms() {
    let call = |id| Message::Invocation(invocation(id, "T", value("91 01"), &[]));
    let close = |error: Option<&str>| Message::Close { error: error.map(str::to_owned), allow_reconnect: false };
    for (bytes, read) in [
        ("95 01 80 c0 a1 54 91 01", call(None)),
        ("96 01 80 c0 a1 54 91 01 90", call(None)),
        ("97 01 80 a0 a1 54 91 01 90 c0", call(None)),
        ("dc 00 06 d0 01 de 00 00 d9 01 31 da 00 01 54 91 01 dc 00 00", call(Some("1"))),
        ("dd 00 00 00 06 d3 00 00 00 00 00 00 00 01 df 00 00 00 00 db 00 00 00 01 31 a1 54 91 01 90", call(Some("1"))),
        ("94 cc 03 80 a1 31 cd 00 02", completion("1", Outcome::Void)),
        // For nobody.
        ("94 03 80 a0 02", completion("", Outcome::Void)),
        // P-MP-07: an empty error is one, a nil error is none.
        ("95 03 80 a1 31 01 a0", completion("1", Outcome::Error(String::new()))),
        ("95 03 80 a1 31 01 c0", completion("1", Outcome::Void)),
        ("92 07 c0", close(None)),
        ("93 07 a0 c2", close(Some(""))),
        ("94 07 a1 45 c2 c0", close(Some("E"))),
        ("92 08 ff", Message::Ack { sequence_id: -1 }),
        ("92 09 cf 00 00 00 00 00 00 00 05", Message::Sequence { sequence_id: 5 }),
        ("92 06 c0", Message::Ping),
    ] {
        assert_eq!(message(PACK, &hex(bytes)), read, "{bytes}");
    }
}

#[test]
fn p_mp_01_headers() {
    let Message::Invocation(call) = message(PACK, &hex("96 01 82 a1 61 a1 62 a1 63 a1 64 c0 a1 54 90 90")) else {
        panic!("an invocation")
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(call.headers, [pair("a", "b"), pair("c", "d")]);
    assert_eq!(encode(PACK, &Message::Invocation(call))[1..], hex("96 01 82 a1 61 a1 62 a1 63 a1 64 c0 a1 54 90 90"));
    // They may stand on any message of a call.
    for bytes in ["94 02 81 a1 61 a1 62 a1 31 01", "94 03 81 a1 61 a1 62 a1 31 02", "93 05 81 a1 61 a1 62 a1 31"] {
        assert!(decode(PACK, &hex(bytes)).is_ok(), "{bytes}");
    }
}

#[test]
fn p_mp_05_an_empty_close_error_is_written_as_nil() {
    let close = Message::Close { error: Some(String::new()), allow_reconnect: true };
    assert_eq!(encode(PACK, &close), hex("04 93 07 c0 c3"));
}

#[test]
fn p_mp_09_invalid_utf_8_in_names_is_replaced() {
    assert_eq!(
        message(PACK, &hex("96 01 80 a1 ff a2 54 ff 90 90")),
        Message::Invocation(invocation(Some("\u{fffd}"), "T\u{fffd}", value("90"), &[]))
    );
}

#[test]
fn p_frm_02_the_length_prefix_grows_with_the_message() {
    for length in [0, 100, 116, 117, 118, 119, 120, 121, 16_370, 16_371, 16_372, 16_373, 16_374, 16_375, 70_000] {
        let sent = completion("1", Outcome::Error("x".repeat(length)));
        let bytes = encode(PACK, &sent);
        let mut incoming = hub_core::framing::Incoming::default();
        incoming.push(bytes.into());
        let frame = incoming.next_frame(PACK.into(), usize::MAX).unwrap().unwrap();
        assert!(incoming.is_empty());
        assert_eq!(PACK.decode(&frame), Ok(Some(sent)));
    }
}

#[test]
fn p_mp_14_p_up_06_an_item_that_is_not_whole_fails_its_reader() {
    for bytes in ["93 02 80 a1 31", "94 02 80 a1 31 a5 61", "94 02 80 a1 31 92 01"] {
        let Message::StreamItem { id, item } = message(PACK, &hex(bytes)) else { panic!("an item") };
        assert_eq!(&*id, "1");
        assert!(item.read::<String>().is_err() && item.read::<Option<u8>>().is_err(), "{bytes}");
    }
}

#[test]
fn p_mp_13_a_bad_argument_list_concerns_its_call_only() {
    for bytes in [
        "94 01 80 a1 31 a1 54",
        "96 01 80 a1 31 a1 54 c0 90",
        "96 01 80 a1 31 a1 54 92 01",
        "96 01 80 a1 31 a1 54 91 c1 90",
        "96 01 80 a1 31 a1 54 91 db 7f ff ff ff 90",
        "96 01 80 a1 31 a1 54 dd ff ff ff ff 90",
        "96 01 80 a1 31 a1 54 05 90",
    ] {
        let Message::Invocation(call) = message(PACK, &hex(bytes)) else { panic!("an invocation") };
        assert_eq!((call.id.as_deref(), &*call.target), (Some("1"), "T"));
        assert!(call.arguments.read::<(u8,)>().is_err(), "{bytes}");
        assert!(call.arguments.read::<()>().is_err(), "{bytes}");
    }
}
