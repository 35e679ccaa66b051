//! Values by themselves, messages to many, and the answer to a negotiation.

use std::cell::Cell;

use hub_core::negotiate::{AvailableTransport, NegotiateResponse};
use hub_core::{Arguments, Binary, Codec, Payload, TransferFormat, Upload, with_outgoing};
use serde::ser::Error;
use serde::{Serialize, Serializer};

use crate::{hex, payload};

thread_local! {
    static SERIALIZED: Cell<usize> = const { Cell::new(0) };
}

/// Counts how often it is written.
struct Counted;

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SERIALIZED.set(SERIALIZED.get() + 1);
        serializer.serialize_str("x")
    }
}

struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("not this one"))
    }
}

#[test]
fn p_lt_14_a_message_to_many_is_encoded_once_a_protocol() {
    with_outgoing("Said", &(Counted, 5), |outgoing| {
        assert_eq!(SERIALIZED.get(), 0, "nobody receives it yet");
        for round in 0..3 {
            let json = outgoing.framed(Codec::Json).unwrap();
            assert_eq!(json, &b"{\"type\":1,\"target\":\"Said\",\"arguments\":[\"x\",5]}\x1e"[..]);
            assert_eq!(SERIALIZED.get(), if round == 0 { 1 } else { 2 });
            let messagepack = outgoing.framed(Codec::MessagePack).unwrap();
            assert_eq!(messagepack, hex("0e 96 01 80 c0 a4 53 61 69 64 92 a1 78 05 90"));
            assert_eq!(SERIALIZED.get(), 2);
        }
        // The bytes are shared, not copied.
        let [first, second] = [(); 2].map(|()| outgoing.framed(Codec::Json).unwrap());
        assert_eq!(first.as_ptr(), second.as_ptr());
    });
}

#[test]
fn p_lt_20_a_message_that_cannot_be_written() {
    with_outgoing("Said", &(Unwritable,), |outgoing| {
        for codec in Codec::ALL {
            assert_eq!(outgoing.framed(codec).unwrap_err().to_string(), "not this one");
        }
    });
}

#[test]
fn p_json_17_p_mp_10_bytes() {
    for (bytes, json, messagepack) in
        [(&[][..], r#""""#, "c4 00"), (&[1, 2, 255], r#""AQL/""#, "c4 03 01 02 ff"), (&[0], r#""AA==""#, "c4 01 00")]
    {
        let binary = Binary(bytes.to_vec());
        assert_eq!(Codec::Json.encode_value(&binary).unwrap().bytes(), json);
        assert_eq!(Codec::MessagePack.encode_value(&binary).unwrap().bytes(), &hex(messagepack));
        for codec in Codec::ALL {
            assert_eq!(codec.encode_value(&binary).unwrap().read(), Ok(binary.clone()));
        }
    }
    // P-MP-09: any width, and an array of integers.
    for bytes in ["c5 00 02 01 02", "c6 00 00 00 02 01 02", "92 01 02"] {
        assert_eq!(payload(Codec::MessagePack, hex(bytes)).read(), Ok(Binary(vec![1, 2])), "{bytes}");
    }
    assert!(payload(Codec::Json, "[1,2]").read::<Binary>().is_err(), "as ASP.NET Core");
    for bad in [r#""A""#, r#""AQ""#, r#""AQ=!""#, "5", "[256]", "null"] {
        assert!(payload(Codec::Json, bad).read::<Binary>().is_err(), "{bad}");
    }
    // A text for bytes is its UTF-8, whatever it looks like, and bytes are no text.
    assert_eq!(payload(Codec::MessagePack, hex("a4 41 41 45 3d")).read(), Ok(Binary(b"AAE=".to_vec())));
    for text in ["c4 01 61", "c4 00", "a1 ff"] {
        assert!(payload(Codec::MessagePack, hex(text)).read::<String>().is_err(), "{text}");
        assert!(payload(Codec::MessagePack, hex(text)).read::<char>().is_err(), "{text}");
    }
    let keys = payload(Codec::MessagePack, hex("81 c4 01 61 01"));
    assert!(keys.read::<std::collections::BTreeMap<String, u8>>().is_err());
}

#[test]
fn payload_conventions() {
    #[derive(Serialize)]
    enum Color {
        DarkBlue,
    }
    #[derive(Serialize)]
    struct Sample {
        name: &'static str,
        color: Color,
        none: Option<u8>,
    }
    let sample = Sample { name: "é<", color: Color::DarkBlue, none: None };
    let [json, messagepack] = Codec::ALL.map(|codec| codec.encode_value(&sample).unwrap());
    // Nulls are written, nothing is escaped without need (P-JSON-17); objects are maps by name (P-MP-10).
    assert_eq!(json.bytes(), r#"{"name":"é<","color":"DarkBlue","none":null}"#);
    assert_eq!(
        messagepack.bytes(),
        &hex("83 a4 6e 61 6d 65 a3 c3 a9 3c a5 63 6f 6c 6f 72 a8 44 61 72 6b 42 6c 75 65 a4 6e 6f 6e 65 c0")
    );
}

#[test]
fn numbers_keep_every_bit() {
    for number in [1.111_111_111_111_111_1e24, 0.1 + 0.2, f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0, 1e23, 9e15 + 1.0] {
        for codec in Codec::ALL {
            let read: f64 = codec.encode_value(&number).unwrap().read().unwrap();
            assert_eq!(read.to_bits(), number.to_bits(), "{number} in {codec:?}");
        }
    }
    // A whole number is written as one, as .NET and JavaScript do; in MessagePack it keeps its type, as on .NET.
    let numbers = [2.0, -0.0, 1e15, 1e300, 2.5, f64::NAN];
    assert_eq!(Codec::Json.encode_value(&numbers).unwrap().bytes(), "[2,-0,1000000000000000,1e+300,2.5,null]");
    assert_eq!(Codec::Json.encode_value(&[2.0_f32, 0.1]).unwrap().bytes(), "[2,0.1]");
    assert_eq!(Codec::MessagePack.encode_value(&2.0).unwrap().bytes(), &hex("cb 40 00 00 00 00 00 00 00"));
    for codec in Codec::ALL {
        assert_eq!(codec.encode_value(&2).unwrap().read(), Ok(2.0), "a fraction may be whole");
    }
    for (codec, whole) in [(Codec::Json, b"2.0".to_vec()), (Codec::MessagePack, hex("cb 40 00 00 00 00 00 00 00"))] {
        assert!(payload(codec, whole).read::<i32>().is_err(), "an integer is no fraction");
    }
    // Zero has no sign among integers.
    assert_eq!(payload(Codec::Json, "[-0,-0,-0,-0]").read(), Ok((0_u8, 0_i32, 0_u64, 0_i128)));
    assert_eq!(payload(Codec::Json, r#"{"a":-0}"#).read(), Ok(std::collections::BTreeMap::from([("a".to_owned(), 0)])));
    // As .NET may write it.
    assert_eq!(payload(Codec::Json, "1E+300").read(), Ok(1e300));
    for codec in Codec::ALL {
        for number in [u64::MAX, 1 << 53 | 1, 0] {
            assert_eq!(codec.encode_value(&number).unwrap().read(), Ok(number));
        }
        for number in [i64::MIN, i64::MAX, -1] {
            assert_eq!(codec.encode_value(&number).unwrap().read(), Ok(number));
        }
    }
}

#[test]
fn what_64_bits_cannot_hold_is_text_in_messagepack() {
    for (number, bytes) in [
        (0_u128, "00"),
        (u64::MAX.into(), "cf ff ff ff ff ff ff ff ff"),
        (1 << 64, "b4 31 38 34 34 36 37 34 34 30 37 33 37 30 39 35 35 31 36 31 36"),
    ] {
        let written = Codec::MessagePack.encode_value(&number).unwrap();
        assert_eq!(written.bytes(), &hex(bytes), "{number}");
        assert_eq!(written.read(), Ok(number));
    }
    for number in [i128::MIN, i64::MIN.into(), -1, 0, i64::MAX.into(), u64::MAX.into(), i128::MAX] {
        for codec in Codec::ALL {
            assert_eq!(codec.encode_value(&number).unwrap().read(), Ok(number));
        }
    }
    // .NET's decimal.
    assert_eq!(payload(Codec::MessagePack, hex("a2 2d 35")).read(), Ok(-5_i128));
    for bad in ["a2 2d 35", "a1 61", "a3 31 2e 35", "a0", "c4 01 35", "cb 40 00 00 00 00 00 00 00"] {
        assert!(payload(Codec::MessagePack, hex(bad)).read::<u128>().is_err(), "{bad}");
    }
}

#[test]
fn lists_and_maps_of_untold_length() {
    #[derive(Serialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: std::collections::BTreeMap<u8, Untold>,
    }
    #[derive(Clone)]
    struct Untold(usize);
    impl Serialize for Untold {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            let mut list = serializer.serialize_seq(None)?;
            for _ in 0..self.0 {
                list.serialize_element(&Self(self.0 - 1))?;
            }
            list.end()
        }
    }
    let value = Flat { a: 1, rest: [(1, Untold(2)), (2, Untold(0))].into() };
    let written = Codec::MessagePack.encode_value(&value).unwrap();
    assert_eq!(written.bytes(), &hex("83 a1 61 01 01 92 91 90 91 90 02 90"));
    struct Many;
    impl Serialize for Many {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..70_000).filter(|number| number % 2 == 0))
        }
    }
    let many: Vec<u32> = Codec::MessagePack.encode_value(&Many).unwrap().read().unwrap();
    assert_eq!((many.len(), many[34_999]), (35_000, 69_998));
    // A count that is not kept would break the frame.
    struct Liar;
    impl Serialize for Liar {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serde::ser::SerializeSeq::end(serializer.serialize_seq(Some(1))?)
        }
    }
    assert_eq!(Codec::MessagePack.encode_value(&Liar).unwrap_err().to_string(), "1 values were announced, and 0 came");
}

#[test]
fn null_payloads() {
    for codec in Codec::ALL {
        assert!(Payload::null(codec).is_null());
        assert_eq!(Payload::null(codec), codec.encode_value(&()).unwrap());
        assert!(!codec.encode_value(&0).unwrap().is_null());
    }
}

#[test]
fn p_up_01_uploads_leave_the_argument_list() {
    struct Empty;
    impl hub_core::Stream for Empty {
        type Item = u8;

        fn poll_next(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<u8>> {
            std::task::Poll::Ready(None)
        }
    }
    fn uploads<A: Arguments>(arguments: A) -> (String, usize, usize) {
        let payload = arguments.encode(Codec::Json).unwrap();
        let text = String::from_utf8(payload.bytes().to_vec()).unwrap();
        (text, A::UPLOADS, arguments.into_uploads().len())
    }
    assert_eq!(uploads(()), ("[]".to_owned(), 0, 0));
    assert_eq!(uploads(("a", 1)), (r#"["a",1]"#.to_owned(), 0, 0));
    assert_eq!(uploads((Upload::new(Empty),)), ("[]".to_owned(), 1, 1));
    assert_eq!(uploads((1, Upload::new(Empty), 2, Upload::new(Empty))), ("[1,2]".to_owned(), 2, 2));
    for codec in Codec::ALL {
        let encoded = (1, Upload::new(Empty), "x").encode(codec).unwrap();
        assert_eq!(encoded.read::<(u8, String)>(), Ok((1, "x".to_owned())));
    }
}

#[test]
fn p_gen_07_p_hs_10_the_two_protocols() {
    for (name, codec) in [("json", Codec::Json), ("JSON", Codec::Json), ("MessagePack", Codec::MessagePack)] {
        assert_eq!(Codec::from_name(name), Some(codec));
    }
    assert_eq!(Codec::from_name("json "), None);
    assert_eq!(Codec::from_name(""), None);
    assert_eq!(Codec::ALL.map(Codec::transfer_format), [TransferFormat::Text, TransferFormat::Binary]);
}

#[test]
fn p_neg_06_to_09_the_members_in_their_order() {
    use TransferFormat::{Binary, Text};
    let transport = |name: &str, transfer_formats: &[TransferFormat]| AvailableTransport {
        transport: name.to_owned(),
        transfer_formats: transfer_formats.to_vec(),
    };
    let available_transports = vec![
        transport("WebSockets", &[Text, Binary]),
        transport("ServerSentEvents", &[Text]),
        transport("LongPolling", &[Text, Binary]),
    ];
    let version_1 = NegotiateResponse {
        negotiate_version: Some(1),
        connection_id: Some("id".to_owned()),
        connection_token: Some("token".to_owned()),
        available_transports,
        ..NegotiateResponse::default()
    };
    let version_0 = NegotiateResponse { negotiate_version: Some(0), connection_token: None, ..version_1.clone() };
    let none = NegotiateResponse::default();
    let text = |text: &str| Some(text.to_owned());
    let transports = concat!(
        r#""availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]},"#,
        r#"{"transport":"ServerSentEvents","transferFormats":["Text"]},"#,
        r#"{"transport":"LongPolling","transferFormats":["Text","Binary"]}]"#
    );
    for (response, json) in [
        (version_1, format!(r#"{{"negotiateVersion":1,"connectionId":"id","connectionToken":"token",{transports}}}"#)),
        (version_0, format!(r#"{{"negotiateVersion":0,"connectionId":"id",{transports}}}"#)),
        (
            NegotiateResponse { url: text("u"), access_token: text("t"), ..none.clone() },
            r#"{"url":"u","accessToken":"t"}"#.to_owned(),
        ),
        (NegotiateResponse { error: text("no"), ..none }, r#"{"error":"no"}"#.to_owned()),
    ] {
        assert_eq!(serde_json::to_string(&response).unwrap(), json);
        assert_eq!(serde_json::from_str::<NegotiateResponse>(&json).unwrap(), response);
    }
    // What is unknown is skipped (P-GEN-04, P-NEG-23).
    let more: NegotiateResponse = serde_json::from_str(r#"{"tokenLifetimeSeconds":5,"connectionId":"c"}"#).unwrap();
    assert_eq!(more.connection_id.as_deref(), Some("c"));
}

#[test]
fn p_neg_18_p_div_02_answers_of_others_are_read_leniently() {
    let of = |json: &str| serde_json::from_str::<NegotiateResponse>(json).unwrap();
    let nulls = of(concat!(
        r#"{"url":null,"accessToken":null,"negotiateVersion":null,"connectionId":null,"connectionToken":null,"#,
        r#""availableTransports":null,"error":null,"useStatefulReconnect":null}"#
    ));
    assert_eq!(nulls, NegotiateResponse::default());
    let answer = of(concat!(
        r#"{"availableTransports":[{"transport":"WebTransport","transferFormats":["Paper","Binary",null,{"of":1}]},"#,
        r#"null,{"name":"Pigeons"},7,{"transport":"WebSockets","transferFormats":null,"more":{}},"#,
        r#"{"transport":"LongPolling"}]}"#
    ));
    let transports: Vec<_> =
        answer.available_transports.iter().map(|known| (&*known.transport, &*known.transfer_formats)).collect();
    assert_eq!(
        transports,
        [("WebTransport", &[TransferFormat::Binary][..]), ("WebSockets", &[]), ("LongPolling", &[])]
    );
    // What is no list, or no text, is still an error.
    for bad in [r#"{"availableTransports":{}}"#, r#"{"connectionId":5}"#] {
        assert!(serde_json::from_str::<NegotiateResponse>(bad).is_err(), "{bad}");
    }
}
