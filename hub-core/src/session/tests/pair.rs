//! A client and a server that talk.

use super::*;

#[test]
fn a_handshake_and_a_call() {
    for codec in Codec::ALL {
        let mut pair = Pair::new(codec, SessionOptions::default(), SessionOptions::default());
        let start = pair.client.now;
        assert_eq!(
            pair.drive(),
            [format!("server: opened {}", codec.name()), format!("client: opened {}", codec.name())]
        );
        assert_eq!(pair.client.now - start, pair.latency * 3, "request, response, ping");
        let id = pair.client.session.next_id();
        let arguments = codec.encode_value(&["x"]).unwrap();
        pair.client.session.invoke(invocation("A", Some(id), arguments.clone(), vec![]), false);
        assert_eq!(pair.drive(), [format!("server: call A{arguments:?} Answer")]);
        let result = codec.encode_value(&5).unwrap();
        pair.server.session.answer(pair.server.calls[0], Outcome::Value(result.clone()));
        assert_eq!(pair.drive(), [format!("client: answered 1 Value({result:?})")]);
    }
}

#[test]
fn p_hs_14_a_refusal_reaches_the_client() {
    let server = SessionOptions { codecs: vec![Codec::MessagePack], ..SessionOptions::default() };
    let mut pair = Pair::new(Codec::Json, SessionOptions::default(), server);
    assert_eq!(
        pair.drive(),
        [
            r#"server: closed HandshakeFailed(UnknownProtocol("json"))"#,
            r#"client: closed HandshakeRefused("The protocol 'json' is not supported.")"#,
        ]
    );
}

#[test]
fn p_ping_01_11_an_idle_connection_stays() {
    for codec in Codec::ALL {
        let mut pair = Pair::new(codec, SessionOptions::default(), SessionOptions::default());
        pair.drive();
        pair.drive_for(SECOND * 3600);
        assert_eq!(pair.drive(), NOTHING);
        assert!(!pair.client.session.is_closed() && !pair.server.session.is_closed());
    }
}

#[test]
fn p_ping_07_10_a_wire_that_goes_dead() {
    let mut pair = Pair::new(Codec::Json, SessionOptions::default(), SessionOptions::default());
    pair.drive();
    pair.latency = SECOND * 100_000;
    pair.drive_for(SECOND * 31);
    assert_eq!(pair.told, ["client: closed TimedOut", "server: closed TimedOut"]);
}

#[test]
fn p_can_02_a_cancellation_that_crosses_the_end() {
    let mut pair = Pair::new(Codec::Json, SessionOptions::default(), SessionOptions::default());
    pair.drive();
    let id = pair.client.session.next_id();
    pair.client.session.invoke(invocation("S", Some(id.clone()), value("[]"), vec![]), true);
    pair.drive();
    // Both at the same time: neither end minds.
    pair.server.session.item(pair.server.calls[0], value("1"));
    pair.server.session.answer(pair.server.calls[0], Outcome::Void);
    pair.client.session.cancel(&id);
    assert_eq!(
        pair.drive(),
        [r#"client: ignored StreamItem("1")"#, "client: unknown completion 1", r#"server: ignored Cancellation("1")"#,]
    );
}

#[test]
fn p_up_14_an_upload_that_outlives_its_call() {
    let mut pair = Pair::new(Codec::MessagePack, SessionOptions::default(), SessionOptions::default());
    pair.drive();
    let (stream, id) = (pair.client.session.next_id(), pair.client.session.next_id());
    let (list, item) = (Codec::MessagePack.encode_value(&[0; 0]).unwrap(), Payload::null(Codec::MessagePack));
    pair.client.session.invoke(invocation("U", Some(id), list, vec![stream.clone()]), false);
    pair.client.session.upload_item(&stream, item.clone());
    assert_eq!(pair.drive(), ["server: call U[90] Answer uploads 1", "server: upload #0.0 [c0]"]);
    pair.server.session.answer(pair.server.calls[0], Outcome::Value(item.clone()));
    pair.client.session.upload_item(&stream, item);
    pair.client.session.upload_end(&stream, None);
    assert_eq!(
        pair.drive(),
        [r#"client: answered 2 Value([c0])"#, r#"server: ignored StreamItem("1")"#, "server: unknown completion 1"]
    );
}

#[test]
fn p_cls_07_08_closing_from_either_end() {
    let mut pair = Pair::new(Codec::Json, SessionOptions::default(), SessionOptions::default());
    pair.drive();
    pair.client.session.close(None, false);
    assert_eq!(pair.drive(), ["server: closed PeerClosed { error: None, allow_reconnect: false }"]);

    let mut pair = Pair::new(Codec::Json, SessionOptions::default(), SessionOptions::default());
    pair.drive();
    pair.server.session.close(None, true);
    assert_eq!(pair.drive(), ["client: closed PeerClosed { error: None, allow_reconnect: true }"]);
}

#[test]
fn p_cr_10_questions_both_ways_at_once() {
    let mut pair = Pair::new(Codec::Json, SessionOptions::default(), SessionOptions::default());
    pair.drive();
    let id = pair.client.session.next_id();
    pair.client.session.invoke(invocation("A", Some(id), value("[]"), vec![]), false);
    pair.drive();
    let asked = InvocationId::from("s1");
    pair.server.session.release_slot(pair.server.calls[0]);
    pair.server.session.invoke(invocation("Ask", Some(asked), value("[]"), vec![]), false);
    assert_eq!(pair.drive(), ["client: call Ask[] Answer"]);
    pair.client.answer(0, "7");
    assert_eq!(pair.drive(), ["server: answered s1 Value(7)"]);
    pair.server.answer(0, "8");
    assert_eq!(pair.drive(), ["client: answered 1 Value(8)"]);
}
