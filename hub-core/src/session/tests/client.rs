//! The client's end (protocol.md sections 7, 9, 10 and 12).

use super::*;

fn ask(end: &mut End, target: &str, streaming: bool) -> InvocationId {
    let id = end.session.next_id();
    end.session.invoke(invocation(target, Some(id.clone()), value("[]"), vec![]), streaming);
    id
}

#[test]
fn p_inv_16_p_up_01_02_what_calls_look_like() {
    let mut end = End::json_client(SessionOptions::default());
    ask(&mut end, "A", false);
    end.session.invoke(invocation("N", None, value("[1]"), vec![]), false);
    // Stream ids are drawn before the id of the call.
    let streams = vec![end.session.next_id(), end.session.next_id()];
    let id = end.session.next_id();
    end.session.invoke(invocation("U", Some(id), value("[2]"), streams.clone()), true);
    end.session.upload_item(&streams[0], value("null"));
    end.session.upload_end(&streams[1], Some("Stream canceled by client.".to_owned()));
    end.session.upload_end(&streams[0], None);
    assert_eq!(
        end.text(),
        concat!(
            r#"{"type":1,"invocationId":"1","target":"A","arguments":[]}␞{"type":1,"target":"N","arguments":[1]}␞"#,
            r#"{"type":4,"invocationId":"4","target":"U","arguments":[2],"streamIds":["2","3"]}␞"#,
            r#"{"type":2,"invocationId":"2","item":null}␞"#,
            r#"{"type":3,"invocationId":"3","error":"Stream canceled by client."}␞{"type":3,"invocationId":"2"}␞"#,
        )
    );
}

#[test]
fn p_inv_12_p_err_06_every_answer() {
    for (completion, outcome) in [
        (r#""result":5"#, "Value(5)"),
        (r#""result":null"#, "Value(null)"),
        (r#""error":"as it is""#, r#"Error("as it is")"#),
        (r#""error":"""#, "Void"),
        (r#""error":null"#, "Void"),
        (r#""more":1"#, "Void"),
    ] {
        let mut end = End::json_client(SessionOptions::default());
        ask(&mut end, "A", false);
        let told = end.take_text(&format!(r#"{{"type":3,"invocationId":"1",{completion}}}␞"#));
        assert_eq!(told, [format!("answered 1 {outcome}")]);
    }
}

#[test]
fn p_inv_17_late_and_unknown_messages_do_no_harm() {
    let mut end = End::json_client(SessionOptions::default());
    ask(&mut end, "A", false);
    let done = r#"{"type":3,"invocationId":"1","result":1}␞"#;
    assert_eq!(end.take_text(&done.repeat(2)), ["answered 1 Value(1)", "unknown completion 1"]);
    assert_eq!(end.take_text(r#"{"type":2,"invocationId":"1","item":1}␞"#), [r#"ignored StreamItem("1")"#]);
    assert_eq!(end.take_text(r#"{"type":3,"invocationId":"77"}␞"#), ["unknown completion 77"]);
    assert_eq!(end.take_text(r#"{"type":5,"invocationId":"1"}␞"#), [r#"ignored Cancellation("1")"#]);
    assert!(!end.session.is_closed());
}

#[test]
fn p_inv_18_an_item_for_a_plain_call() {
    let mut end = End::json_client(SessionOptions::default());
    ask(&mut end, "A", false);
    assert_eq!(
        end.take_text(r#"{"type":2,"invocationId":"1","item":1}␞{"type":3,"invocationId":"1"}␞"#),
        [r#"answered 1 Error("Unexpected message type: 2")"#, "unknown completion 1"],
        "it ends once"
    );
}

#[test]
fn p_str_01_a_stream() {
    let mut end = End::json_client(SessionOptions::default());
    ask(&mut end, "S", true);
    assert_eq!(
        end.take_text(concat!(
            r#"{"type":2,"invocationId":"1","item":1}␞{"type":2,"invocationId":"1","item":null}␞"#,
            r#"{"type":3,"invocationId":"1"}␞{"type":2,"invocationId":"1","item":2}␞"#,
        )),
        ["item 1 1", "item 1 null", "answered 1 Void", r#"ignored StreamItem("1")"#]
    );
}

#[test]
fn p_can_01_p_div_06_cancellation() {
    let mut end = End::json_client(SessionOptions::default());
    let (plain, stream) = (ask(&mut end, "A", false), ask(&mut end, "S", true));
    end.text();
    end.session.cancel(&plain);
    assert_eq!(end.text(), r#"{"type":5,"invocationId":"1"}␞"#);
    end.session.cancel(&stream);
    assert_eq!(end.text(), r#"{"type":5,"invocationId":"2"}␞"#);
    end.session.cancel(&stream);
    assert_eq!(end.text(), "");
    assert_eq!(
        end.take_text(concat!(
            r#"{"type":2,"invocationId":"2","item":1}␞{"type":3,"invocationId":"2"}␞"#,
            r#"{"type":3,"invocationId":"1","result":1}␞"#
        )),
        [r#"ignored StreamItem("2")"#, "unknown completion 2", "unknown completion 1"]
    );
}

#[test]
fn p_cr_07_13_questions_of_the_server() {
    let mut end = End::json_client(SessionOptions { parallel_calls: usize::MAX, ..SessionOptions::default() });
    assert_eq!(
        end.take_text(concat!(
            r#"{"type":1,"invocationId":"s1","target":"Ask","arguments":["q"]}␞"#,
            r#"{"type":1,"target":"Said","arguments":[1]}␞"#,
            r#"{"type":1,"invocationId":"s2","target":"Ask","arguments":[]}␞"#,
        )),
        [r#"call Ask["q"] Answer"#, "call Said[1] Nothing", "call Ask[] Answer"]
    );
    // In any order, and nothing for the notice.
    end.session.answer(end.calls[2], Outcome::Error("Client didn't provide a result.".to_owned()));
    end.session.answer(end.calls[1], Outcome::Void);
    end.session.answer(end.calls[0], Outcome::Value(value("true")));
    assert_eq!(
        end.text(),
        concat!(
            r#"{"type":3,"invocationId":"s2","error":"Client didn't provide a result."}␞"#,
            r#"{"type":3,"invocationId":"s1","result":true}␞"#
        )
    );
}

#[test]
fn p_gen_01_a_server_does_not_stream_from_its_clients() {
    let mut end = End::json_client(SessionOptions::default());
    assert_eq!(
        end.take_text(r#"{"type":4,"invocationId":"1","target":"S","arguments":[]}␞"#),
        [r#"ignored StreamInvocation("S")"#]
    );
    assert_eq!(end.text(), "");
}

#[test]
fn p_json_12_an_empty_error_of_a_client_is_one() {
    let mut end = End::json(SessionOptions::default());
    ask(&mut end, "A", false);
    assert_eq!(end.take_text(r#"{"type":3,"invocationId":"1","error":""}␞"#), [r#"answered 1 Error("")"#]);
    end.take_text(r#"{"type":1,"target":"U","arguments":[],"streamIds":["u"]}␞"#);
    assert_eq!(end.take_text(r#"{"type":3,"invocationId":"u","error":""}␞"#), ["upload #0.0 failed: "]);
}
