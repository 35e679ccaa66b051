//! The handshake (protocol.md section 2).

use super::*;

#[test]
fn p_hs_01_02_07_what_is_accepted() {
    for (request, codec) in [
        (r#"{"protocol":"json","version":1}"#, "json"),
        (r#"{"version":1,"protocol":"json"}"#, "json"),
        (r#" { "protocol" : "json" , "version" : 1 , "more" : [ {} ] } "#, "json"),
        (r#"{"protocol":"json","version":2}"#, "json"),
        (r#"{"protocol":"json","version":0}"#, "json"),
        (r#"{"protocol":"json","version":-1}"#, "json"),
        (r#"{"protocol":"JSON","version":1}"#, "json"),
        (r#"{"protocol":"messagepack","version":1}"#, "messagepack"),
        (r#"{"protocol":"MessagePack","version":2}"#, "messagepack"),
    ] {
        let mut end = End::server(SessionOptions::default());
        assert_eq!(end.take_text(&format!("{request}␞")), [format!("opened {codec}")], "{request}");
        assert_eq!(end.written(), [0x7b, 0x7d, 0x1e]);
        assert_eq!(end.session.codec().unwrap().name(), codec);
    }
}

#[test]
fn p_hs_e1_to_e5_every_refusal() {
    let e5 = "An unexpected error occurred during connection handshake.";
    // The request, what is always told, and what is told behind it with detail on.
    let table: [(&str, &str, &str); 18] = [
        (r#"{"protocol":"nosuch","version":1}"#, "The protocol 'nosuch' is not supported.", ""),
        (r#"{"protocol":"","version":1}"#, "The protocol '' is not supported.", ""),
        (r#"{"protocol":"nosuch","version":9}"#, "The protocol 'nosuch' is not supported.", ""),
        (r#"{"protocol":"json","version":3}"#, "The server does not support version 3 of the 'json' protocol.", ""),
        (
            r#"{"protocol":"messagepack","version":99}"#,
            "The server does not support version 99 of the 'messagepack' protocol.",
            "",
        ),
        (r#"{"version":1}"#, e5, r#"Missing required property 'protocol'. Message content: {"version":1}"#),
        (r#"{"protocol":"json"}"#, e5, r#"Missing required property 'version'. Message content: {"protocol":"json"}"#),
        (r#"{}"#, e5, "Missing required property 'protocol'. Message content: {}"),
        ("[]", e5, "Unexpected JSON Token Type 'Array'. Expected a JSON Object."),
        ("null", e5, "Unexpected JSON Token Type 'Null'. Expected a JSON Object."),
        ("true", e5, "Unexpected JSON Token Type 'True'. Expected a JSON Object."),
        (r#""json""#, e5, "Unexpected JSON Token Type 'String'. Expected a JSON Object."),
        ("1", e5, "Unexpected JSON Token Type 'Number'. Expected a JSON Object."),
        (r#"{"protocol":1,"version":1}"#, e5, "Expected 'protocol' to be of type String."),
        (r#"{"protocol":"json","version":"1"}"#, e5, "Expected 'version' to be of type Number."),
        (r#"{"protocol":"json","version":1.5}"#, e5, "Expected 'version' to be of type Number."),
        ("", e5, "Error reading JSON."),
        (r#"{"protocol":"json","version":1"#, e5, "Error reading JSON."),
    ];
    for (request, text, reason) in table {
        for detailed_errors in [false, true] {
            let mut end = End::server(SessionOptions { detailed_errors, ..SessionOptions::default() });
            let told = end.take_text(&format!("{request}␞"));
            assert!(told.len() == 1 && told[0].starts_with("closed HandshakeFailed("), "{request}: {told:?}");
            let text = if detailed_errors && !reason.is_empty() {
                with_detail(text, "InvalidDataException", reason)
            } else {
                text.to_owned()
            };
            let response: serde_json::Value = serde_json::from_str(end.text().trim_end_matches('␞')).unwrap();
            assert_eq!(response, serde_json::json!({ "error": text }), "{request}");
            // The answer is text, for no protocol was agreed (P-HS-16), and nothing follows it (P-HS-14).
            assert_eq!(end.session.codec(), None);
            assert!(end.session.is_closed());
            assert_eq!(end.take_text(r#"{"protocol":"json","version":1}␞"#), NOTHING);
            assert_eq!(end.written(), b"");
        }
    }
}

#[test]
fn p_hs_e1_a_protocol_that_is_not_allowed() {
    let mut end = End::server(SessionOptions { codecs: vec![Codec::MessagePack], ..SessionOptions::default() });
    end.take_text(r#"{"protocol":"json","version":1}␞"#);
    assert_eq!(end.text(), r#"{"error":"The protocol 'json' is not supported."}␞"#);
}

#[test]
fn p_hs_e3_a_binary_protocol_on_a_text_transport() {
    let now = Instant::now();
    let session = Session::server(Arc::new(SessionOptions::default()), TransferFormat::Text, now);
    let mut end = End { session, now, calls: Vec::new() };
    assert_eq!(
        end.take_text(r#"{"protocol":"messagepack","version":1}␞"#),
        ["closed HandshakeFailed(TransferFormat(MessagePack))"]
    );
    assert_eq!(
        end.text(),
        r#"{"error":"Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' transfer format."}␞"#
    );
}

#[test]
fn p_hs_05_messages_that_come_with_the_request() {
    let mut end = End::server(SessionOptions::default());
    assert_eq!(
        end.take_text(r#"{"protocol":"json","version":1}␞{"type":6}␞{"type":1,"target":"A","arguments":[]}␞"#),
        ["opened json", "call A[] Nothing"]
    );
    let mut end = End::server(SessionOptions::default());
    let bytes =
        [&b"{\"protocol\":\"messagepack\",\"version\":1}\x1e"[..], &[8, 0x96, 1, 0x80, 0xc0, 0xa1, b'B', 0x90, 0x90]];
    assert_eq!(end.take(bytes.concat()), ["opened messagepack", "call B[90] Nothing"]);
}

#[test]
fn p_hs_06_a_request_in_pieces() {
    let mut end = End::server(SessionOptions::default());
    let told: Vec<_> = r#"{"protocol":"json","version":1}␞"#
        .replace('␞', "\x1e")
        .into_bytes()
        .into_iter()
        .flat_map(|byte| end.take(vec![byte]))
        .collect();
    assert_eq!(told, ["opened json"]);
}

#[test]
fn p_hs_11_a_request_that_does_not_come() {
    let mut end = End::server(SessionOptions::default());
    end.wait(SECOND * 15 - Duration::from_millis(1));
    assert_eq!(end.outputs(), NOTHING);
    // The beginning of a request does not help.
    assert_eq!(end.take("{"), NOTHING);
    end.wait(Duration::from_millis(1));
    assert_eq!(end.outputs(), ["closed HandshakeFailed(Canceled)"]);
    assert_eq!(end.text(), r#"{"error":"Handshake was canceled."}␞"#);
}

#[test]
fn p_hs_12_a_request_that_is_too_large() {
    let request = br#"{"protocol":"json","version":1}"#;
    let limit = |receive_limit| End::server(SessionOptions { receive_limit, ..SessionOptions::default() });
    assert_eq!(limit(request.len() + 1).take([&request[..], b"\x1e"].concat()), ["opened json"]);
    let mut end = limit(request.len());
    assert_eq!(end.take(&request[..]), NOTHING);
    assert_eq!(end.take("\x1e"), ["closed HandshakeFailed(Canceled)"]);
    assert_eq!(end.text(), r#"{"error":"Handshake was canceled."}␞"#);
}

#[test]
fn p_hs_13_a_transport_that_ends_before_the_request() {
    for part in [&b""[..], b"{\"proto"] {
        let mut end = End::server(SessionOptions::default());
        assert_eq!(end.take(part), NOTHING);
        end.session.handle_end(end.now);
        assert_eq!(end.outputs(), ["closed TransportEnded"]);
        assert_eq!(end.written(), b"");
    }
}

#[test]
fn p_hs_01_what_a_client_sends() {
    for (codec, request) in [
        (Codec::Json, r#"{"protocol":"json","version":1}␞"#),
        (Codec::MessagePack, r#"{"protocol":"messagepack","version":1}␞"#),
    ] {
        let mut end = End::client(SessionOptions::default(), codec);
        assert_eq!(end.text(), request);
        assert_eq!(end.outputs(), NOTHING);
        // Nothing may precede the handshake (P-GEN-01).
        end.session.invoke(invocation("A", None, Payload::null(codec), vec![]), false);
        end.session.send(Bytes::from_static(b"x"));
        assert_eq!(end.written(), b"");
    }
}

#[test]
fn p_hs_03_04_19_the_response() {
    for (response, told) in [
        ("{}", "opened json"),
        (r#"{"minorVersion":1,"more":{}}"#, "opened json"),
        (r#"{"error":null}"#, "opened json"),
        (r#"{"error":"no"}"#, r#"closed HandshakeRefused("no")"#),
        (r#"{"type":6}"#, "closed Protocol(NoHandshakeResponse)"),
        (r#"{"type":7,"error":"no"}"#, "closed Protocol(NoHandshakeResponse)"),
        ("[]", "closed Protocol(NoHandshakeResponse)"),
        (r#"{"error":5}"#, r#"closed Protocol(WrongType { name: "error", expected: "String" })"#),
    ] {
        let mut end = End::client(SessionOptions::default(), Codec::Json);
        end.written();
        assert_eq!(end.take_text(&format!("{response}␞")), [told], "{response}");
        // The first ping arms the server's timeout (P-HS-19).
        assert_eq!(end.text(), if told == "opened json" { r#"{"type":6}␞"# } else { "" });
    }
    assert_eq!(ProtocolError::NoHandshakeResponse.to_string(), "Expected a handshake response from the server.");
    let mut end = End::client(SessionOptions::default(), Codec::Json);
    assert!(end.take("}\x1e")[0].starts_with("closed Protocol(InvalidJson"));
}

#[test]
fn p_hs_19_no_ping_where_the_transport_needs_none() {
    let mut end = End::client(SessionOptions { keep_alive: None, ..SessionOptions::default() }, Codec::Json);
    end.written();
    assert_eq!(end.take("{}\x1e"), ["opened json"]);
    assert_eq!(end.written(), b"");
}

#[test]
fn p_hs_02_a_response_without_end() {
    let limit = 32 * 1024;
    // A limit for messages is none for what the handshake says.
    for receive_limit in [10, usize::MAX] {
        let mut end = End::client(SessionOptions { receive_limit, ..SessionOptions::default() }, Codec::Json);
        assert_eq!(end.take_text(&format!("{{}}{}", " ".repeat(limit - 3))), NOTHING);
        assert_eq!(end.take_text("␞"), ["opened json"]);
        let mut end = End::client(SessionOptions { receive_limit, ..SessionOptions::default() }, Codec::Json);
        assert_eq!(end.take_text(&" ".repeat(limit)), NOTHING);
        assert_eq!(end.take_text(" "), ["closed Protocol(TooLarge(32768))"]);
    }
    // What comes behind it does not count.
    let mut end = End::client(SessionOptions::default(), Codec::Json);
    let ping = r#"{"type":6}␞"#.repeat(limit / 10);
    assert_eq!(end.take_text(&format!("{{}}␞{ping}")), ["opened json"]);
}

#[test]
fn p_hs_05_messages_that_come_with_the_response() {
    let mut end = End::client(SessionOptions::default(), Codec::MessagePack);
    let bytes = [&b"{}\x1e"[..], &[2, 0x91, 6], &[10, 0x96, 1, 0x80, 0xc0, 0xa1, b'B', 0x91, 0xa1, b'x', 0x90]];
    assert_eq!(end.take(bytes.concat()), ["opened messagepack", "call B[91, a1, 78] Nothing"]);
}

#[test]
fn p_hs_18_a_response_that_does_not_come() {
    let mut end = End::client(SessionOptions::default(), Codec::Json);
    end.written();
    end.wait(SECOND * 15);
    assert_eq!(end.outputs(), ["closed HandshakeFailed(Canceled)"]);
    assert_eq!(end.written(), b"");
}
