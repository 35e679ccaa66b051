//! Bytes in, pieces out, cut everywhere.

use super::*;

/// A frame of a client, with a key that changes every byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | length as u8),
        length @ ..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let key = [0x9c, 0x35, 0xe1, 0x5a];
    bytes.extend(key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// What pieces say, however they were cut.
#[derive(Debug, PartialEq, Eq, Clone)]
enum Seen {
    Message(Data, Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

fn see(parts: &[&[u8]]) -> (Vec<Seen>, Result<(), Violation>) {
    let mut frames = FramesIn::default();
    let (mut seen, mut message) = (Vec::new(), Vec::new());
    for part in parts {
        let mut part = part.to_vec();
        let mut input = &mut part[..];
        loop {
            match frames.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Piece::Data(data))) => {
                    assert!(!data.is_empty());
                    message.extend_from_slice(data);
                }
                Ok(Some(Piece::End(kind))) => seen.push(Seen::Message(kind, take(&mut message))),
                Ok(Some(Piece::Ping(payload))) => seen.push(Seen::Ping(payload.into_owned())),
                Ok(Some(Piece::Pong)) => seen.push(Seen::Pong),
                Ok(Some(Piece::Close(code))) => seen.push(Seen::Close(code)),
                Err(violation) => return (seen, Err(violation)),
            }
            assert!(frames.cut.len() <= MAX_CONTROL as usize);
        }
        assert!(input.is_empty());
    }
    (seen, Ok(()))
}

/// At every place, and everywhere at once.
fn see_cut(bytes: &[u8]) -> (Vec<Seen>, Result<(), Violation>) {
    let whole = see(&[bytes]);
    for at in 0..bytes.len().min(1000) {
        let (before, after) = bytes.split_at(at);
        assert_eq!(see(&[before, after]), whole, "cut at {at}");
    }
    assert_eq!(see(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
    whole
}

#[test]
fn messages_and_control_frames() {
    let long = [b'l'; 300];
    let longer = vec![b'L'; 70_000];
    let parts: [(u8, &[u8]); 14] = [
        (0x81, "plain €".as_bytes()),
        (0x82, b"\xff\x00\x1e"),
        (0x81, b""),
        (0x82, &long),
        // A text in fragments, cut within characters, one of them empty, with control frames between.
        (0x01, b"a\xe2"),
        (0x89, b"between"),
        (0x00, b""),
        (0x00, b"\x82"),
        (0x8a, &[b'p'; 125]),
        (0x80, b"\xac\xf0\x9d\x84\x9e"),
        (0x89, b""),
        (0x02, b"\xff"),
        (0x80, b""),
        (0x88, b"\x03\xe8bye"),
    ];
    let bytes = parts.map(|(first, payload)| frame(first, payload)).concat();
    let (seen, result) = see_cut(&bytes);
    assert_eq!(result, Ok(()));
    let expected = [
        Seen::Message(Data::Text, "plain €".as_bytes().to_vec()),
        Seen::Message(Data::Binary, b"\xff\x00\x1e".to_vec()),
        Seen::Message(Data::Text, vec![]),
        Seen::Message(Data::Binary, long.to_vec()),
        Seen::Ping(b"between".to_vec()),
        Seen::Pong,
        Seen::Message(Data::Text, "a€𝄞".as_bytes().to_vec()),
        Seen::Ping(vec![]),
        Seen::Message(Data::Binary, vec![0xff]),
        Seen::Close(Some(1000)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(see(&frame(0x82, &longer).chunks(1000).collect::<Vec<_>>()).0, [Seen::Message(Data::Binary, longer)]);
}

#[test]
fn violations() {
    let close = |payload: &[u8]| frame(0x88, payload);
    let huge = [&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &[0; 4]].concat();
    for (bytes, code, why) in [
        (vec![0x81, 0x01, b'a'], 1002, "not masked"),
        (vec![0x89, 0x00], 1002, "not masked"),
        (frame(0xc1, b"a"), 1002, "reserved bit"),
        (frame(0xa1, b"a"), 1002, "reserved bit"),
        (frame(0x91, b"a"), 1002, "reserved bit"),
        (frame(0xc9, b""), 1002, "reserved bit"),
        (frame(0x83, b""), 1002, "opcode"),
        (frame(0x87, b""), 1002, "opcode"),
        (frame(0x8b, b""), 1002, "opcode"),
        (frame(0x8f, b""), 1002, "opcode"),
        (frame(0x09, b""), 1002, "fragmented"),
        (frame(0x08, b""), 1002, "fragmented"),
        (frame(0x89, &[b'p'; 126]), 1002, "longer than 125"),
        (frame(0x88, &[0; 70_000]), 1002, "longer than 125"),
        (frame(0x80, b"a"), 1002, "has not begun"),
        (frame(0x00, b""), 1002, "has not begun"),
        ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), 1002, "within another"),
        ([frame(0x02, b"a"), frame(0x02, b"b")].concat(), 1002, "within another"),
        (huge, 1002, "highest bit"),
        (close(b"\x03"), 1002, "one byte"),
        (close(&0_u16.to_be_bytes()), 1002, "not allowed"),
        (close(&999_u16.to_be_bytes()), 1002, "not allowed"),
        (close(&1004_u16.to_be_bytes()), 1002, "not allowed"),
        (close(&1005_u16.to_be_bytes()), 1002, "not allowed"),
        (close(&1006_u16.to_be_bytes()), 1002, "not allowed"),
        (close(&1015_u16.to_be_bytes()), 1002, "not allowed"),
        (close(&2999_u16.to_be_bytes()), 1002, "not allowed"),
        (close(&5000_u16.to_be_bytes()), 1002, "not allowed"),
        (close(b"\x03\xe8\xff"), 1007, "not UTF-8"),
        (close(b"\x03\xe8\xe2\x82"), 1007, "not UTF-8"),
        (frame(0x81, b"a\xffb"), 1007, "not UTF-8"),
        (frame(0x81, b"\xe2\x82"), 1007, "not UTF-8"),
        ([frame(0x01, b"\xe2"), frame(0x00, b"\x82"), frame(0x80, b"")].concat(), 1007, "not UTF-8"),
        ([frame(0x01, b"\xed"), frame(0x00, b"\xa0")].concat(), 1007, "not UTF-8"),
    ] {
        let bytes = [frame(0x81, b"good"), bytes].concat();
        let (seen, result) = see_cut(&bytes);
        let violation = result.unwrap_err();
        assert_eq!((violation.code, violation.why.contains(why)), (code, true), "{bytes:x?}: {violation:?}");
        assert_eq!(seen, [Seen::Message(Data::Text, b"good".to_vec())], "{bytes:x?}");
    }
}

#[test]
fn close_codes() {
    assert_eq!(see_cut(&frame(0x88, b"")).0, [Seen::Close(None)]);
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999_u16] {
        assert_eq!(see_cut(&frame(0x88, &code.to_be_bytes())).0, [Seen::Close(Some(code))]);
    }
}

#[test]
fn wrong_text_is_found_before_its_frame_ends() {
    let mut bytes = frame(0x81, b"a\xff and much more that never comes");
    bytes.truncate(6 + 2);
    assert_eq!(see(&[&bytes]).1.map_err(|violation| violation.code), Err(1007));
}

#[test]
fn unmasking_goes_on_where_it_was_cut() {
    let key = [1, 2, 4, 8];
    let plain: Vec<u8> = (0..100).collect();
    let masked: Vec<u8> = plain.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    for first in 0..=40 {
        for second in first..=40 {
            let mut bytes = masked.clone();
            let (head, tail) = bytes.split_at_mut(second);
            let (head, middle) = head.split_at_mut(first);
            let key = unmask(head, key);
            let key = unmask(middle, key);
            unmask(tail, key);
            assert_eq!(bytes, plain, "cut at {first} and {second}");
        }
    }
}

#[test]
fn any_bytes_mean_the_same_wherever_they_are_cut() {
    // Numbers that look random and are the same in each run (xorshift).
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % end as u64) as usize
    };
    let good: [(u8, &[u8]); 7] = [
        (0x81, b"text"),
        (0x01, "€".as_bytes()),
        (0x00, "𝄞".as_bytes()),
        (0x80, b"end"),
        (0x82, &[0xff; 130]),
        (0x89, b"ping"),
        (0x88, b"\x03\xe8"),
    ];
    for _ in 0..3_000 {
        let count = below(8) + 1;
        let mut bytes: Vec<u8> =
            (0..count).map(|_| good[below(good.len())]).flat_map(|(first, payload)| frame(first, payload)).collect();
        for _ in 0..below(3) {
            let at = below(bytes.len());
            bytes[at] ^= 1 << below(8);
        }
        let whole = see(&[&bytes]);
        let (first, second) = (below(bytes.len()), below(bytes.len()));
        let (first, second) = (first.min(second), first.max(second));
        assert_eq!(
            see(&[&bytes[..first], &bytes[first..second], &bytes[second..]]),
            whole,
            "{first} {second} {bytes:x?}"
        );
        assert_eq!(see(&bytes.chunks(1).collect::<Vec<_>>()), whole, "{bytes:x?}");
    }
}
