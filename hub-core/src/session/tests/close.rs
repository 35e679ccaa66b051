//! The end of a connection (protocol.md section 13).

use super::*;

/// `E` of the rules, without and with detail.
fn e(detail: &str) -> String {
    format!(r#"{{"type":7,"error":"Connection closed with an error.{detail}","allowReconnect":true}}␞"#)
}

#[test]
fn p_cls_03_what_the_application_ends() {
    for (error, allow_reconnect, json, messagepack) in [
        // An abort.
        (None, false, r#"{"type":7}␞"#, &[4, 0x93, 7, 0xc0, 0xc2][..]),
        // The expiry of an authentication, or a shutdown.
        (None, true, r#"{"type":7,"allowReconnect":true}␞"#, &[4, 0x93, 7, 0xc0, 0xc3]),
        // The connected event failed.
        (Some("E"), false, r#"{"type":7,"error":"E"}␞"#, &[5, 0x93, 7, 0xa1, b'E', 0xc2]),
        (Some("E"), true, r#"{"type":7,"error":"E","allowReconnect":true}␞"#, &[5, 0x93, 7, 0xa1, b'E', 0xc3]),
    ] {
        let mut end = End::json(SessionOptions::default());
        end.session.close(error.map(str::to_owned), allow_reconnect);
        assert_eq!(end.text(), json);
        assert!(end.session.is_closed());
        assert_eq!(end.outputs(), NOTHING, "the caller knows");
        let mut end = End::open_server(SessionOptions::default(), Codec::MessagePack);
        end.session.close(error.map(str::to_owned), allow_reconnect);
        assert_eq!(end.written(), messagepack);
    }
}

#[test]
fn p_cls_03_05_malformed_messages() {
    for (bad, reason) in [
        ("x", "Error reading JSON."),
        ("{}", "Missing required property 'type'."),
        (r#"{"type":1,"arguments":[]}"#, "Missing required property 'target'."),
        ("[]", "Unexpected JSON Token Type 'Array'. Expected a JSON Object."),
    ] {
        let mut end = End::json(SessionOptions::default());
        end.take_text(r#"{"type":4,"invocationId":"1","target":"S","arguments":[]}␞"#);
        let told = end.take_text(&format!(r#"{bad}␞{{"type":1,"target":"Late","arguments":[]}}␞"#));
        assert!(told.len() == 1 && told[0].starts_with("closed Protocol("), "{told:?}");
        assert_eq!(end.text(), e(""));
        // What still ends is not told to anybody.
        end.session.item(end.calls[0], value("1"));
        end.session.answer(end.calls[0], Outcome::Void);
        end.session.send(Bytes::from_static(b"x"));
        assert_eq!(end.take_text("more␞"), NOTHING);
        assert_eq!(end.text(), "");

        let mut end = End::json(detailed());
        end.take_text(&format!("{bad}␞"));
        assert_eq!(end.text(), e(&format!(" InvalidDataException: {reason}")));
    }
}

#[test]
fn p_cls_03_what_the_driver_finds() {
    let mut end = End::json(detailed());
    let error = ProtocolError::AnswerOfAnother { connection: "c".to_owned(), invocation: "s1".to_owned() };
    end.session.fail(error);
    assert_eq!(end.outputs().len(), 1);
    // P-CR-03.
    assert_eq!(end.text(), e(" InvalidOperationException: Connection ID 'c' is not valid for invocation ID 's1'."));
    // Only the first reason counts.
    end.session.fail(ProtocolError::Truncated);
    end.session.close(None, true);
    assert_eq!((end.outputs(), end.text()), (Vec::new(), String::new()));
}

#[test]
fn p_ws_06_a_broken_transport_is_not_told_over_itself() {
    for mut end in [End::json(detailed()), End::server(detailed())] {
        end.session.fail(ProtocolError::Transport("broken".to_owned()));
        assert_eq!(end.outputs(), [r#"closed Protocol(Transport("broken"))"#]);
        assert_eq!(end.text(), "");
    }
}

#[test]
fn p_cls_03_07_a_client_that_closes() {
    for (close, told) in [
        (r#"{"type":7}"#, "closed PeerClosed { error: None, allow_reconnect: false }"),
        (r#"{"type":7,"error":"bye"}"#, r#"closed PeerClosed { error: Some("bye"), allow_reconnect: false }"#),
    ] {
        let mut end = End::json(SessionOptions::default());
        let sent = format!(r#"{close}␞{{"type":1,"target":"Late","arguments":[]}}␞{{"type":␞"#);
        assert_eq!(end.take_text(&sent), [told]);
        assert_eq!(end.text(), r#"{"type":7}␞"#);
    }
}

#[test]
fn p_cls_08_09_a_server_that_closes() {
    for (close, told) in [
        (r#"{"type":7}"#, "closed PeerClosed { error: None, allow_reconnect: false }"),
        (r#"{"type":7,"allowReconnect":true}"#, "closed PeerClosed { error: None, allow_reconnect: true }"),
        (r#"{"type":7,"allowReconnect":false}"#, "closed PeerClosed { error: None, allow_reconnect: false }"),
        (r#"{"type":7,"error":null}"#, "closed PeerClosed { error: None, allow_reconnect: false }"),
        (
            r#"{"type":7,"error":"","allowReconnect":true}"#,
            r#"closed PeerClosed { error: Some(""), allow_reconnect: true }"#,
        ),
        (r#"{"type":7,"error":"no"}"#, r#"closed PeerClosed { error: Some("no"), allow_reconnect: false }"#),
    ] {
        let mut end = End::json_client(SessionOptions::default());
        assert_eq!(end.take_text(&format!("{close}␞")), [told]);
        // The .NET client does not answer (P-CLS-10).
        assert_eq!(end.text(), "");
    }
}

#[test]
fn p_cls_10_a_client_that_stops() {
    let mut end = End::json_client(SessionOptions::default());
    end.session.invoke(invocation("A", Some(InvocationId::from("1")), value("[]"), vec![]), false);
    end.session.close(None, false);
    assert_eq!(end.text(), r#"{"type":1,"invocationId":"1","target":"A","arguments":[]}␞{"type":7}␞"#);
    assert_eq!(end.take_text(r#"{"type":3,"invocationId":"1"}␞"#), NOTHING);
}

#[test]
fn p_gen_06_a_client_ends_on_a_malformed_message() {
    let mut end = End::json_client(SessionOptions::default());
    assert_eq!(end.take_text("{}␞"), [r#"closed Protocol(Missing("type"))"#]);
    assert_eq!(end.text(), "");
}

#[test]
fn p_hs_e4_a_server_that_closes_during_the_handshake() {
    let mut end = End::server(SessionOptions::default());
    end.session.close(None, true);
    assert_eq!(end.text(), r#"{"error":"Handshake was canceled."}␞"#);
    assert_eq!(end.take_text(r#"{"protocol":"json","version":1}␞"#), NOTHING);
}

#[test]
fn p_cls_06_the_transport_ends() {
    let mut end = End::json(SessionOptions::default());
    // Behind a parked call lies input that nobody will read: that is no broken message.
    let call = r#"{"type":1,"target":"A","arguments":[]}␞"#;
    end.take_text(&call.repeat(3));
    end.session.handle_end(end.now);
    assert_eq!(end.outputs(), ["closed TransportEnded"]);
    end.session.handle_end(end.now);
    assert_eq!(end.outputs(), NOTHING);
}
