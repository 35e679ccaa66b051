//! Framing (protocol.md section 3): the transport may cut anywhere, and limits are exact.

use super::*;
use crate::framing::Delimiter;

/// What either end sends: every type that the other acts on, and some that it does not.
fn conversation(role: Role, codec: Codec) -> Bytes {
    let null = || Payload::null(codec);
    let list = || codec.encode_value(&[1, 2, 300]).unwrap();
    let id = |id: &str| InvocationId::from(id);
    let mut out = BytesMut::new();
    match role {
        Role::Server => HandshakeResponse::write(None, &mut out),
        Role::Client => HandshakeRequest::write(codec, 1, &mut out),
    }
    for message in [
        Message::Ping,
        Message::Invocation(invocation("Notice", None, list(), vec![])),
        Message::StreamInvocation(invocation("Count", Some(id("1")), list(), vec![id("u")])),
        Message::StreamItem { id: id("u"), item: null() },
        Message::StreamItem { id: id("u"), item: codec.encode_value(&"x".repeat(200)).unwrap() },
        Message::Ack { sequence_id: 1 << 40 },
        Message::Completion { id: id("u"), outcome: Outcome::Error("no more".to_owned()) },
        Message::CancelInvocation { id: id("1") },
        Message::Completion { id: id("s9"), outcome: Outcome::Value(list()) },
        Message::Sequence { sequence_id: 2 },
        Message::Close { error: None, allow_reconnect: false },
    ] {
        codec.encode(&message, &mut out);
    }
    out.freeze()
}

/// What the other end makes of it.
fn after(role: Role, codec: Codec, pieces: impl IntoIterator<Item = Bytes>, eager: bool) -> (Vec<String>, Vec<u8>) {
    let options = SessionOptions { parallel_calls: 2, ..SessionOptions::default() };
    let mut end = match role {
        Role::Server => End::client(options, codec),
        Role::Client => End::server(options),
    };
    let mut told = Vec::new();
    for piece in pieces {
        end.session.handle_bytes(end.now, piece);
        if eager {
            told.extend(end.outputs());
        } else {
            // A busy driver takes one output a read, so input piles up.
            told.extend(end.output());
        }
    }
    told.extend(end.outputs());
    (told, end.written())
}

#[test]
fn p_frm_04_every_cut_gives_the_same_outputs() {
    for (role, codec) in [Role::Client, Role::Server].into_iter().flat_map(|role| Codec::ALL.map(|codec| (role, codec)))
    {
        let bytes = conversation(role, codec);
        let whole = after(role, codec, [bytes.clone()], true);
        assert_eq!(whole.0.len(), 9, "{:?}", whole.0);
        assert_eq!(whole.0.last().unwrap(), "closed PeerClosed { error: None, allow_reconnect: false }");
        for eager in [true, false] {
            for cut in 1..bytes.len() {
                let pieces = [bytes.slice(..cut), bytes.slice(cut..)];
                assert_eq!(after(role, codec, pieces, eager), whole, "{codec:?} from the {role:?} cut at {cut}");
            }
            for size in [1, 2, 3, 7, 40] {
                let pieces = bytes.chunks(size).map(Bytes::copy_from_slice);
                assert_eq!(after(role, codec, pieces, eager), whole, "{codec:?} from the {role:?} by {size}");
            }
        }
    }
}

#[test]
fn input_that_waits_keeps_its_order() {
    let mut end = End::json(SessionOptions { parallel_calls: 3, ..SessionOptions::default() });
    let notice = |target: &str| Bytes::from(format!("{{\"type\":1,\"target\":\"{target}\",\"arguments\":[]}}\x1e"));
    end.session.handle_bytes(end.now, notice("A"));
    end.session.handle_bytes(end.now, notice("B"));
    assert_eq!(end.output().unwrap(), "call A[] Nothing");
    end.session.handle_bytes(end.now, notice("C"));
    assert_eq!(end.outputs(), ["call B[] Nothing", "call C[] Nothing"]);
}

#[test]
fn p_lim_01_30_the_limit_counts_the_whole_frame() {
    let text = r#"{"type":1,"target":"T","arguments":["123456"]}"#.to_owned() + "\x1e";
    let json = |limit| End::json(SessionOptions { receive_limit: limit, ..detailed() });
    // As large as the limit, or smaller.
    assert_eq!(json(text.len()).take(text.clone()), [r#"call T["123456"] Nothing"#]);
    // One byte more.
    let too_large = format!("closed Protocol(TooLarge({}))", text.len() - 1);
    let mut end = json(text.len() - 1);
    assert_eq!(end.take(text.clone()), [too_large.as_str()]);
    assert_eq!(
        end.text(),
        format!(
            "{{\"type\":7,\"error\":\"Connection closed with an error. InvalidDataException: The maximum message size \
             of {}B was exceeded. The message size can be configured in AddHubOptions.\",\"allowReconnect\":true}}␞",
            text.len() - 1
        )
    );
    // As many bytes as the limit without an end may still become a message of the limit, or not.
    let mut end = json(text.len());
    assert_eq!(end.take(text.trim_end_matches('\x1e').to_owned()), NOTHING);
    assert_eq!(end.take("\x1e"), [r#"call T["123456"] Nothing"#]);
    let mut end = json(text.len() - 1);
    assert_eq!(end.take(text.trim_end_matches('\x1e').to_owned()), NOTHING);
    assert_eq!(end.take("\x1e"), [too_large]);
    // Many small messages may be longer together.
    assert_eq!(json(text.len()).take(text.repeat(3)).len(), 1, "the second is parked");
}

#[test]
fn p_lim_01_30_the_limit_counts_the_length_prefix() {
    let open = |limit| End::open_server(SessionOptions { receive_limit: limit, ..detailed() }, Codec::MessagePack);
    let mut framed = BytesMut::new();
    let list = Codec::MessagePack.encode_value(&["x".repeat(300)]).unwrap();
    Codec::MessagePack.encode(&Message::Invocation(invocation("T", None, list, vec![])), &mut framed);
    let framed = framed.freeze();
    assert_eq!(framed[0] & 0x80, 0x80, "a prefix of two bytes");
    assert_eq!(open(framed.len()).take(framed.clone()).len(), 1);
    let too_large = format!("closed Protocol(TooLarge({}))", framed.len() - 1);
    assert_eq!(open(framed.len() - 1).take(framed.clone()), [too_large.as_str()]);
    // The declared length decides, before the bytes are there (P-MP-14).
    assert_eq!(open(framed.len() - 1).take(framed.slice(..2)), [too_large]);
    assert_eq!(open(framed.len()).take(framed.slice(..2)), NOTHING);
}

#[test]
fn p_vec_13_14_length_prefixes() {
    let next = |bytes: &'static [u8]| {
        let mut incoming = Incoming::default();
        incoming.push(Bytes::from_static(bytes));
        incoming.next_frame(Delimiter::LengthPrefix, usize::MAX)
    };
    for (prefix, length) in [
        (&[0x7f][..], 127),
        (&[0x80, 0x01], 128),
        (&[0xff, 0x7f], 16383),
        (&[0x80, 0x80, 0x01], 16384),
        (&[0x80, 0x29], 5248),
        (&[0x00], 0),
    ] {
        let mut incoming = Incoming::default();
        incoming.push(Bytes::copy_from_slice(prefix));
        incoming.push(Bytes::from(vec![0; length]));
        let frame = incoming.next_frame(Delimiter::LengthPrefix, prefix.len() + length).unwrap().unwrap();
        assert_eq!((frame.len(), incoming.len()), (length, 0));
        let (written, used) = crate::framing::length_prefix(length);
        assert_eq!(&written[..used], prefix);
    }
    // The longest that is legal, and forms that are longer than they need to be (P-FRM-03).
    assert_eq!(next(&[0xff, 0xff, 0xff, 0xff, 0x07]), Ok(None));
    assert_eq!(crate::framing::length_prefix((1 << 31) - 1), ([0xff, 0xff, 0xff, 0xff, 0x07], 5));
    assert_eq!(next(&[0x80, 0x00]), Ok(Some(Bytes::new())));
    assert_eq!(next(&[0x81, 0x80, 0x80, 0x80, 0x00, 0xc0]), Ok(Some(Bytes::from_static(&[0xc0]))));
    for bad in [&[0xff, 0xff, 0xff, 0xff, 0x08][..], &[0x80, 0x80, 0x80, 0x80, 0x80]] {
        assert_eq!(next(bad), Err(ProtocolError::Over2Gb));
        let mut end = End::open_server(detailed(), Codec::MessagePack);
        // Byte by byte, so that the prefix is read across cuts.
        let told: Vec<_> = bad.iter().flat_map(|byte| end.take(vec![*byte])).collect();
        assert_eq!(told, ["closed Protocol(Over2Gb)"]);
        let close = String::from_utf8_lossy(&end.written()).into_owned();
        assert!(close.contains("InvalidDataException: Messages over 2GB in size are not supported."), "{close}");
    }
}

#[test]
fn p_frm_06_an_end_within_a_message() {
    for (codec, part) in [(Codec::Json, &b"{\"type\":6}"[..]), (Codec::MessagePack, &[0x02, 0x91])] {
        let mut end = End::open_server(detailed(), codec);
        assert_eq!(end.take(part), NOTHING);
        end.session.handle_end(end.now);
        assert_eq!(end.outputs(), ["closed Protocol(Truncated)"]);
        assert_eq!(ProtocolError::Truncated.to_string(), "Connection terminated while reading a message.");

        let mut end = End::open_server(detailed(), codec);
        end.session.handle_end(end.now);
        assert_eq!(end.outputs(), ["closed TransportEnded"]);
        assert_eq!(end.written(), b"");
    }
}

#[test]
fn p_frm_08_empty_messages_are_malformed() {
    assert!(End::json(detailed()).take("\x1e")[0].starts_with("closed Protocol(InvalidJson("));
    assert!(End::json(detailed()).take("{\"type\":6}\x1e\x1e")[0].starts_with("closed Protocol(InvalidJson("));
    let told = End::open_server(detailed(), Codec::MessagePack).take(&[0_u8][..]);
    assert!(told[0].starts_with("closed Protocol(InvalidMessagePack("), "{told:?}");
}

#[test]
fn p_frm_05_every_write_is_whole_messages() {
    let mut end = End::json(SessionOptions::default());
    end.take_text(r#"{"type":4,"invocationId":"1","target":"S","arguments":[]}␞"#);
    end.session.item(end.calls[0], value("1"));
    end.session.item(end.calls[0], value("2"));
    end.session.send(Bytes::from_static(b"{\"type\":1,\"target\":\"N\",\"arguments\":[]}\x1e"));
    end.session.answer(end.calls[0], Outcome::Void);
    let length = end.session.output_len();
    let writes: Vec<Bytes> = std::iter::from_fn(|| end.session.poll_write()).collect();
    assert_eq!(writes.iter().map(Bytes::len).sum::<usize>(), length);
    assert_eq!(end.session.output_len(), 0);
    assert!(writes.iter().all(|write| write.ends_with(b"\x1e")));
    // The order is that of the calls, also around what was encoded elsewhere.
    assert_eq!(
        String::from_utf8(writes.concat()).unwrap().replace('\x1e', "␞"),
        r#"{"type":2,"invocationId":"1","item":1}␞{"type":2,"invocationId":"1","item":2}␞"#.to_owned()
            + r#"{"type":1,"target":"N","arguments":[]}␞{"type":3,"invocationId":"1"}␞"#
    );
}

#[test]
fn p_lim_11_reading_stops_while_input_waits() {
    let mut end = End::json(SessionOptions { receive_limit: 100_000, ..SessionOptions::default() });
    assert!(end.session.wants_input());
    end.session.handle_bytes(end.now, Bytes::from(vec![b' '; INPUT_WINDOW - 1]));
    assert!(end.session.wants_input());
    end.session.handle_bytes(end.now, Bytes::from_static(b" "));
    assert!(!end.session.wants_input());
}
