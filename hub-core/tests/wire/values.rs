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
    assert_eq!(payload(Codec::Json, "[1,2]").read(), Ok(Binary(vec![1, 2])));
    for bad in [r#""A""#, r#""AQ""#, r#""AQ=!""#, "5", "[256]", "null"] {
        assert!(payload(Codec::Json, bad).read::<Binary>().is_err(), "{bad}");
    }
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
