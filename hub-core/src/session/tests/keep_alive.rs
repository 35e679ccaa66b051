//! Pings and timeouts (protocol.md section 6).

use super::*;

const PING: &str = r#"{"type":6}␞"#;

#[test]
fn p_ping_01_a_server_pings_whatever_else_it_sends() {
    let mut end = End::json(SessionOptions::default());
    end.wait(SECOND * 10);
    end.session.send(Bytes::from_static(b"{\"type\":1}\x1e"));
    assert_eq!(end.text(), r#"{"type":1}␞"#);
    end.wait(SECOND * 5 - Duration::from_millis(1));
    assert_eq!(end.text(), "");
    end.wait(Duration::from_millis(1));
    assert_eq!(end.text(), PING);
    end.wait(SECOND * 30);
    assert_eq!(end.text(), PING.repeat(2));
}

#[test]
fn p_ping_02_no_pings_where_the_transport_needs_none() {
    let mut end = End::json(SessionOptions { keep_alive: None, ..SessionOptions::default() });
    end.wait(SECOND * 600);
    assert_eq!(end.written(), b"");
    assert_eq!(end.session.poll_timeout(), None);
}

#[test]
fn p_ping_03_no_pings_before_the_handshake() {
    let options = SessionOptions { keep_alive: Some(SECOND), ..SessionOptions::default() };
    let mut end = End::server(options);
    end.wait(SECOND * 14);
    assert_eq!(end.written(), b"");
}

#[test]
fn p_ping_04_only_clients_that_ping_are_timed_out() {
    let mut end = End::json(SessionOptions::default());
    end.take_text(r#"{"type":1,"target":"A","arguments":[]}␞"#);
    end.wait(SECOND * 3600);
    assert_eq!(end.outputs(), NOTHING);
    assert_eq!(end.take_text(PING), NOTHING);
    end.wait(SECOND * 30);
    assert_eq!(end.outputs(), ["closed TimedOut"]);
}

#[test]
fn the_rest_of_a_message_has_to_come_in_time_from_clients_that_never_ping_too() {
    for (codec, part) in [(Codec::Json, &b"{\"type\""[..]), (Codec::MessagePack, &[2, 0x91])] {
        let mut end = End::open_server(SessionOptions::default(), codec);
        end.wait(SECOND * 3600);
        assert_eq!(end.take(part), NOTHING);
        end.wait(SECOND * 29);
        assert_eq!(end.take(&part[..0]), NOTHING);
        end.wait(SECOND - Duration::from_millis(1));
        assert_eq!(end.outputs(), NOTHING);
        end.wait(Duration::from_millis(1));
        assert_eq!(end.outputs(), ["closed TimedOut"], "{codec:?}");
    }
    let mut end = End::json(SessionOptions::default());
    end.take_text(r#"{"type":99"#);
    end.wait(SECOND * 29);
    // It is complete, and the next has begun.
    end.take_text(r#"}␞{"type":99"#);
    end.wait(SECOND * 29);
    end.take_text("}␞");
    end.wait(SECOND * 3600);
    assert_eq!(end.outputs(), NOTHING);
}

#[test]
fn p_ping_05_06_what_counts_as_a_sign_of_life() {
    for (codec, whole, part) in
        [(Codec::Json, &b"{\"type\":6}\x1e"[..], &b"{\"type\""[..]), (Codec::MessagePack, &[2, 0x91, 6], &[2, 0x91])]
    {
        let mut end = End::open_server(SessionOptions::default(), codec);
        assert_eq!(end.take(whole), NOTHING);
        end.wait(SECOND * 29);
        assert_eq!(end.take(whole), NOTHING, "a whole message");
        end.wait(SECOND * 29);
        assert_eq!(end.take(part), NOTHING, "the beginning of one");
        end.wait(SECOND - Duration::from_millis(1));
        assert_eq!(end.outputs(), NOTHING);
        end.wait(Duration::from_millis(1));
        assert_eq!(end.outputs(), ["closed TimedOut"], "{codec:?}");
    }
}

#[test]
fn p_ping_05_a_call_that_waits_for_a_slot_suspends_the_timeout() {
    let mut end = End::json(SessionOptions { keep_alive: None, ..SessionOptions::default() });
    end.take_text(PING);
    let call = r#"{"type":1,"invocationId":"1","target":"A","arguments":[]}␞"#;
    assert_eq!(end.take_text(&call.repeat(2)).len(), 1);
    assert_eq!(end.session.poll_timeout(), None);
    end.wait(SECOND * 100);
    assert_eq!(end.outputs(), NOTHING);
    // When it goes on, the client has its whole time again.
    end.answer(0, "1");
    assert_eq!(end.outputs().len(), 1);
    end.wait(SECOND * 30 - Duration::from_millis(1));
    assert_eq!(end.outputs(), NOTHING);
    end.wait(Duration::from_millis(1));
    assert_eq!(end.outputs(), ["closed TimedOut"]);
}

#[test]
fn p_ping_05_outputs_that_are_not_taken_suspend_the_timeout() {
    let mut end = End::json(SessionOptions { keep_alive: None, ..SessionOptions::default() });
    end.take_text(PING);
    end.session.handle_bytes(end.now, Bytes::from_static(b"{\"type\":6}\x1e"));
    end.wait(SECOND * 100);
    assert_eq!(end.outputs(), NOTHING);
    assert_eq!(end.session.poll_timeout(), Some(end.now + SECOND * 30));
}

#[test]
fn p_ping_07_how_a_server_ends_a_silent_connection() {
    let reason = "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.";
    for (options, detail) in
        [(SessionOptions::default(), String::new()), (detailed(), format!(" OperationCanceledException: {reason}"))]
    {
        let mut end = End::json(SessionOptions { keep_alive: None, ..options });
        end.take_text(PING);
        end.wait(SECOND * 30);
        assert_eq!(end.outputs(), ["closed TimedOut"]);
        assert_eq!(
            end.text(),
            format!(r#"{{"type":7,"error":"Connection closed with an error.{detail}","allowReconnect":true}}␞"#)
        );
    }
}

#[test]
fn p_ping_08_a_ping_is_not_answered() {
    let mut end = End::json(SessionOptions::default());
    assert_eq!(end.take_text(&PING.repeat(3)), NOTHING);
    assert_eq!(end.written(), b"");
    let mut end = End::json_client(SessionOptions::default());
    assert_eq!(end.take_text(&PING.repeat(3)), NOTHING);
    assert_eq!(end.written(), b"");
}

#[test]
fn p_ping_09_10_a_client_leaves_a_silent_server() {
    let mut end = End::json_client(SessionOptions::default());
    end.wait(SECOND * 29);
    assert_eq!(end.take_text(PING), NOTHING);
    end.wait(SECOND * 29);
    assert_eq!(end.outputs(), NOTHING);
    end.written();
    end.wait(SECOND);
    assert_eq!(end.outputs(), ["closed TimedOut"]);
    // The transport is dropped, without a word (P-CLS-10).
    assert_eq!(end.written(), b"");
}

#[test]
fn p_ping_09_a_client_without_pings_waits_for_ever() {
    // As over long polling, whose servers send no pings (P-PING-02).
    let mut end = End::client(SessionOptions { keep_alive: None, ..SessionOptions::default() }, Codec::Json);
    assert!(end.session.poll_timeout().is_some(), "the handshake may not take for ever");
    assert_eq!(end.take("{}\x1e"), ["opened json"]);
    assert_eq!(end.take_text(PING), NOTHING);
    assert_eq!(end.session.poll_timeout(), None);
    end.wait(SECOND * 3600);
    assert_eq!(end.outputs(), NOTHING);
}

#[test]
fn p_ping_11_a_client_pings_after_its_own_silence() {
    let mut end = End::json_client(SessionOptions::default());
    for send in 0..4 {
        end.wait(SECOND * 10);
        end.take_text(PING);
        match send {
            0 => end.session.invoke(invocation("A", None, value("[]"), vec![]), false),
            1 => end.session.upload_item(&InvocationId::from("1"), value("1")),
            2 => end.session.send(Bytes::from_static(b"{}\x1e")),
            _ => end.session.upload_end(&InvocationId::from("1"), None),
        }
        let text = end.text();
        assert!(!text.is_empty() && !text.contains(PING), "{text}");
    }
    end.wait(SECOND * 15 - Duration::from_millis(1));
    assert_eq!(end.text(), "");
    end.wait(Duration::from_millis(1));
    assert_eq!(end.text(), PING);
}

#[test]
fn a_closed_session_has_no_deadlines() {
    for mut end in [End::json(SessionOptions::default()), End::json_client(SessionOptions::default())] {
        end.take_text(PING);
        assert!(end.session.poll_timeout().is_some());
        end.session.close(None, false);
        end.written();
        assert_eq!(end.session.poll_timeout(), None);
        end.wait(SECOND * 100);
        assert_eq!((end.outputs(), end.written()), (Vec::new(), Vec::new()));
    }
}
