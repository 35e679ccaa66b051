//! Calls of the peer's: slots, parking, answers (protocol.md sections 7, 11 and 12).

use super::*;

fn call(id: &str, target: &str) -> String {
    format!(r#"{{"type":1,"invocationId":"{id}","target":"{target}","arguments":[]}}␞"#)
}

fn stream(id: &str, target: &str) -> String {
    format!(r#"{{"type":4,"invocationId":"{id}","target":"{target}","arguments":[]}}␞"#)
}

#[test]
fn p_inv_10_12_every_way_to_answer() {
    for (outcome, written) in [
        (Outcome::Value(value("5")), r#"{"type":3,"invocationId":"1","result":5}␞"#),
        (Outcome::Value(value("null")), r#"{"type":3,"invocationId":"1","result":null}␞"#),
        (Outcome::Void, r#"{"type":3,"invocationId":"1"}␞"#),
        (Outcome::Error("a \"b\"".to_owned()), r#"{"type":3,"invocationId":"1","error":"a \"b\""}␞"#),
    ] {
        let mut end = End::json(SessionOptions::default());
        assert_eq!(end.take_text(&call("1", "A")), ["call A[] Answer"]);
        assert_eq!(end.session.open_calls().count(), 1);
        end.session.answer(end.calls[0], outcome.clone());
        assert_eq!(end.text(), written);
        // Once only, and the place of the call names nothing until it is used again.
        end.session.answer(end.calls[0], outcome);
        end.session.item(end.calls[0], value("1"));
        assert_eq!(end.text(), "");
        assert_eq!(end.session.open_calls().count(), 0);
    }
}

#[test]
fn p_inv_09_no_id_no_answer() {
    for id in ["", r#""invocationId":"","#, r#""invocationId":null,"#] {
        let mut end = End::json(SessionOptions::default());
        let told = end.take_text(&format!(r#"{{"type":1,{id}"target":"A","arguments":[1]}}␞"#));
        assert_eq!(told, ["call A[1] Nothing"]);
        end.session.item(end.calls[0], value("1"));
        end.session.answer(end.calls[0], Outcome::Error("no".to_owned()));
        assert_eq!(end.text(), "");
    }
}

#[test]
fn an_old_key_does_not_reach_a_new_call() {
    let mut end = End::json(SessionOptions::default());
    end.take_text(&stream("1", "A"));
    end.session.answer(end.calls[0], Outcome::Void);
    end.take_text(&stream("2", "B"));
    end.written();
    end.session.item(end.calls[0], value("1"));
    end.session.answer(end.calls[0], Outcome::Void);
    end.session.release_slot(end.calls[0]);
    assert_eq!(end.text(), "");
    end.session.item(end.calls[1], value("2"));
    assert_eq!(end.text(), r#"{"type":2,"invocationId":"2","item":2}␞"#);
}

#[test]
fn p_inv_20_22_plain_calls_run_one_after_another() {
    let mut end = End::json(SessionOptions::default());
    assert_eq!(end.take_text(&(call("1", "A") + &call("2", "B") + &call("3", "C"))), ["call A[] Answer"]);
    assert!(end.session.is_parked());
    // Behind a parked call everything waits.
    assert_eq!(end.take_text(r#"{"type":5,"invocationId":"1"}␞"#), NOTHING);
    assert_eq!(end.take_text(&stream("4", "S")), NOTHING);
    end.answer(0, "1");
    assert_eq!(end.outputs(), ["call B[] Answer"]);
    end.answer(1, "2");
    assert_eq!(
        end.outputs(),
        ["call C[] Answer", "ignored Cancellation(\"1\")", "call S[] Stream"],
        "in the order in which they came"
    );
    assert!(!end.session.is_parked());
    assert_eq!(end.text(), r#"{"type":3,"invocationId":"1","result":1}␞{"type":3,"invocationId":"2","result":2}␞"#);
}

#[test]
fn p_inv_20_other_messages_pass_while_one_call_runs() {
    let mut end = End::json(SessionOptions::default());
    end.take_text(&call("1", "A"));
    end.session.invoke(invocation("Ask", Some(InvocationId::from("s1")), value("[]"), vec![]), false);
    assert_eq!(
        end.take_text(concat!(
            r#"{"type":6}␞{"type":8,"sequenceId":1}␞{"type":9,"sequenceId":1}␞{"type":5,"invocationId":"1"}␞"#,
            r#"{"type":3,"invocationId":"s1","result":true}␞"#,
        )),
        ["cancelled #0", "answered s1 Value(true)"]
    );
    assert!(!end.session.is_parked());
}

#[test]
fn p_inv_20_a_call_without_an_id_takes_a_slot_too() {
    let mut end = End::json(SessionOptions::default());
    let notice = r#"{"type":1,"target":"N","arguments":[]}␞"#;
    assert_eq!(end.take_text(&notice.repeat(2)), ["call N[] Nothing"]);
    end.session.answer(end.calls[0], Outcome::Void);
    assert_eq!(end.outputs(), ["call N[] Nothing"]);
}

#[test]
fn p_lim_07_as_many_calls_at_once_as_are_allowed() {
    let mut end = End::json(SessionOptions { parallel_calls: 3, ..SessionOptions::default() });
    let calls: String = (0..5).map(|number| call(&number.to_string(), "A")).collect();
    assert_eq!(end.take_text(&calls).len(), 3);
    end.answer(1, "1");
    assert_eq!(end.outputs().len(), 1);
    end.answer(0, "0");
    end.answer(3, "3");
    assert_eq!(end.outputs().len(), 1);
    assert_eq!(end.session.open_calls().count(), 2);
}

#[test]
fn p_inv_21_streams_take_no_slot() {
    let mut end = End::json(SessionOptions::default());
    let uploading = r#"{"type":1,"invocationId":"9","target":"U","arguments":[],"streamIds":["u"]}␞"#;
    assert_eq!(
        end.take_text(&(call("1", "A") + &stream("2", "S") + &stream("3", "S") + uploading)),
        ["call A[] Answer", "call S[] Stream", "call S[] Stream", "call U[] Answer uploads 1"]
    );
    assert!(!end.session.is_parked());
    // Nor does their end give one back.
    end.session.answer(end.calls[1], Outcome::Void);
    end.session.release_slot(end.calls[2]);
    end.session.answer(end.calls[3], Outcome::Void);
    assert_eq!(end.take_text(&call("4", "B")), NOTHING);
    assert!(end.session.is_parked());
}

#[test]
fn p_cr_10_a_call_that_asks_the_client_lets_the_next_begin() {
    let mut end = End::json(SessionOptions::default());
    assert_eq!(end.take_text(&(call("1", "A") + &call("2", "B"))), ["call A[] Answer"]);
    end.session.release_slot(end.calls[0]);
    end.session.release_slot(end.calls[0]);
    assert_eq!(end.outputs(), ["call B[] Answer"]);
    // The slot was given back once: the end of the first call frees no other.
    end.answer(0, "1");
    assert_eq!(end.take_text(&call("3", "C")), NOTHING);
    end.answer(1, "2");
    assert_eq!(end.outputs(), ["call C[] Answer"]);
}

#[test]
fn p_inv_15_p_div_04_a_stream_id_that_is_in_use() {
    let mut end = End::json(SessionOptions::default());
    assert_eq!(end.take_text(&(stream("1", "S") + &stream("1", "S"))), ["call S[] Stream"]);
    assert_eq!(end.text(), r#"{"type":3,"invocationId":"1","error":"Invocation ID '1' is already in use."}␞"#);
    // The first stream goes on and can be cancelled.
    assert_eq!(end.take_text(r#"{"type":5,"invocationId":"1"}␞"#), ["cancelled #0"]);
    end.session.answer(end.calls[0], Outcome::Void);
    assert_eq!(end.text(), r#"{"type":3,"invocationId":"1"}␞"#);
    // When it is over, the id is free again.
    assert_eq!(end.take_text(&stream("1", "S")), ["call S[] Stream"]);
}

#[test]
fn p_can_02_03_06_cancellation() {
    let mut end = End::json(SessionOptions { parallel_calls: 2, ..SessionOptions::default() });
    end.take_text(&(call("1", "A") + &stream("2", "S")));
    let cancel = |id: &str| format!(r#"{{"type":5,"invocationId":"{id}"}}␞"#);
    assert_eq!(end.take_text(&cancel("2")), ["cancelled #1"]);
    // Plain calls too (P-CAN-04, P-DIV-06).
    assert_eq!(end.take_text(&cancel("1")), ["cancelled #0"]);
    assert_eq!(end.take_text(&cancel("3")), [r#"ignored Cancellation("3")"#]);
    // The answer is still due, and comes once.
    end.session.answer(end.calls[1], Outcome::Void);
    end.session.answer(end.calls[1], Outcome::Void);
    assert_eq!(end.text(), r#"{"type":3,"invocationId":"2"}␞"#);
    assert_eq!(end.take_text(&cancel("2")), [r#"ignored Cancellation("2")"#]);
    assert_eq!(end.take_text(r#"{"type":5}␞"#), [r#"closed Protocol(Missing("invocationId"))"#]);
}

#[test]
fn no_more_calls_are_open_than_allowed() {
    let mut end = End::json(SessionOptions { open_calls: 2, parallel_calls: 9, ..SessionOptions::default() });
    let notice = r#"{"type":1,"target":"N","arguments":[]}␞"#;
    let uploading = r#"{"type":1,"invocationId":"9","target":"U","arguments":[],"streamIds":["u"]}␞"#;
    assert_eq!(end.take_text(&(call("1", "A") + &stream("2", "S"))).len(), 2);
    assert_eq!(end.take_text(&(call("3", "B") + notice + &stream("4", "T") + uploading)), NOTHING);
    let refusal = |id: &str, target: &str| {
        format!(
            r#"{{"type":3,"invocationId":"{id}","error":"Failed to invoke '{target}' due to an error on the server. HubException: The connection has 2 calls open, which is the most that are allowed."}}␞"#
        )
    };
    assert_eq!(end.text(), refusal("3", "B") + &refusal("4", "T") + &refusal("9", "U"));
    // The upload of a refused call is unknown.
    assert_eq!(end.take_text(r#"{"type":2,"invocationId":"u","item":1}␞"#), [r#"ignored StreamItem("u")"#]);
    end.answer(0, "1");
    assert_eq!(end.take_text(&call("5", "C")), ["call C[] Answer"]);
}

#[test]
fn open_calls_are_bounded_in_bytes_too() {
    let options = SessionOptions { open_call_bytes: 2000, parallel_calls: 9, ..SessionOptions::default() };
    let mut end = End::json(options);
    let large = |id: &str, size| {
        format!(r#"{{"type":1,"invocationId":"{id}","target":"A","arguments":["{}"]}}␞"#, "x".repeat(size))
    };
    assert_eq!(end.take_text(&large("1", 3000)).len(), 1, "a single larger one, alone");
    assert_eq!(end.take_text(&(large("2", 1) + &stream("3", "S"))), NOTHING);
    let refusal = |id: &str, target: &str| {
        format!(
            r#"{{"type":3,"invocationId":"{id}","error":"Failed to invoke '{target}' due to an error on the server. HubException: With this call those that the connection has open exceed 2000 bytes, which is the most that are allowed."}}␞"#
        )
    };
    assert_eq!(end.text(), refusal("2", "A") + &refusal("3", "S"));
    end.answer(0, "1");
    end.text();
    assert_eq!(end.take_text(&(large("4", 800) + &large("5", 800))).len(), 2);
    assert_eq!(end.take_text(&large("6", 800)), NOTHING);
    end.answer(1, "1");
    assert_eq!(end.take_text(&large("7", 800)).len(), 1, "what has ended does not count");
}

#[test]
fn every_message_that_is_taken_has_one_output() {
    // So that a driver can bound what it works off at a time.
    let mut end = End::json(SessionOptions { open_calls: 1, ..SessionOptions::default() });
    let ignored = r#"{"type":6}␞{"type":99}␞{"type":8,"sequenceId":1}␞{"type":5,"invocationId":"x"}␞"#;
    let text = stream("1", "S") + ignored + &stream("2", "S") + &call("3", "A");
    end.session.handle_bytes(end.now, Bytes::from(text.replace('␞', "\x1e")));
    let outputs = std::iter::from_fn(|| end.session.poll_output(end.now)).count();
    assert_eq!(outputs, 7);
}

#[test]
fn a_key_of_a_call_that_has_ended_names_no_later_one() {
    let mut end = End::json(SessionOptions::default());
    end.take_text(&stream("1", "S"));
    end.answer(0, "null");
    // More than the tables keep room for, so that they are made anew.
    for id in 2..50 {
        end.take_text(&stream(&id.to_string(), "S"));
    }
    for call in 1..49 {
        end.answer(call, "null");
    }
    end.take_text(&stream("99", "S"));
    end.text();
    for call in 0..49 {
        end.answer(call, "null");
    }
    assert_eq!(end.text(), "");
    assert_eq!(end.take_text(r#"{"type":5,"invocationId":"99"}␞"#), ["cancelled #49"]);
}

#[test]
fn p_cr_01_02_06_12_13_client_results() {
    let mut end = End::json(SessionOptions::default());
    for id in ["s1", "s2", "s3", "s4"] {
        end.session.invoke(invocation("Ask", Some(InvocationId::from(id)), value(r#"["q"]"#), vec![]), false);
    }
    let asked = |id| format!(r#"{{"type":1,"invocationId":"{id}","target":"Ask","arguments":["q"]}}␞"#);
    assert_eq!(end.text(), ["s1", "s2", "s3", "s4"].map(asked).concat());
    end.session.cancel(&InvocationId::from("s4"));
    assert_eq!(end.text(), "", "a cancelled question is not mentioned to the client (P-CR-06)");
    assert_eq!(
        end.take_text(concat!(
            r#"{"type":3,"invocationId":"s2","error":"Error: boom"}␞{"type":3,"invocationId":"s3"}␞"#,
            r#"{"type":3,"invocationId":"s1","result":5}␞{"type":3,"invocationId":"s1","result":6}␞"#,
            r#"{"type":3,"invocationId":"s4","result":7}␞"#,
        )),
        [
            r#"answered s2 Error("Error: boom")"#,
            "answered s3 Void",
            "answered s1 Value(5)",
            "unknown completion s1",
            "unknown completion s4",
        ]
    );
}

#[test]
fn p_gen_02_ids_of_the_two_directions_are_apart() {
    let mut end = End::json(SessionOptions::default());
    end.take_text(&call("1", "A"));
    end.session.invoke(invocation("Ask", Some(InvocationId::from("1")), value("[]"), vec![]), false);
    end.text();
    assert_eq!(end.take_text(r#"{"type":3,"invocationId":"1","result":5}␞"#), ["answered 1 Value(5)"]);
    end.answer(0, "6");
    assert_eq!(end.text(), r#"{"type":3,"invocationId":"1","result":6}␞"#);
}

#[test]
fn p_gen_02_ids_are_any_text() {
    let mut end = End::json(SessionOptions { parallel_calls: 9, ..SessionOptions::default() });
    let ids = [r#"a b"#, r#"\u001e\"\\\n"#, "ü\u{2028}🎉", &"x".repeat(5000)];
    for (number, id) in ids.into_iter().enumerate() {
        end.take_text(&call(id, "A"));
        end.answer(number, "1");
        let written = end.written();
        assert_eq!(written.iter().filter(|byte| **byte == 0x1e).count(), 1, "only the separator");
        let sent: serde_json::Value = serde_json::from_str(&format!("\"{id}\"")).unwrap();
        let got: serde_json::Value = serde_json::from_slice(&written[..written.len() - 1]).unwrap();
        assert_eq!(got["invocationId"], sent);
    }
}

#[test]
fn p_gen_03_headers_are_handed_on() {
    let mut end = End::json(SessionOptions::default());
    assert_eq!(
        end.take_text(r#"{"type":1,"headers":{"traceparent":"00-1"},"target":"A","arguments":[]}␞"#),
        [r#"call A[] Nothing headers [("traceparent", "00-1")]"#]
    );
}

#[test]
fn p_gen_05_unknown_types_are_passed_over() {
    let mut end = End::json(SessionOptions::default());
    let call = call("1", "A");
    for unknown in [r#"{"type":10}␞"#, r#"{"type":0,"target":5}␞"#, r#"{"type":-1}␞"#, r#"{"type":4294967297}␞"#]
    {
        assert_eq!(end.take_text(unknown), NOTHING, "{unknown}");
    }
    assert_eq!(end.take_text(&format!(r#"{{"type":99,"x":[[]]}}␞{call}"#)), ["call A[] Answer"]);
    let mut end = End::open_server(SessionOptions::default(), Codec::MessagePack);
    let told = end.take(&[2, 0x91, 42, 4, 0x92, 0xcc, 0xff, 0xc1, 8, 0x96, 1, 0x80, 0xc0, 0xa1, b'B', 0x90, 0x90][..]);
    assert_eq!(told, ["call B[90] Nothing"]);
}

#[test]
fn p_sr_25_ack_and_sequence_are_passed_over() {
    let mut end = End::json(SessionOptions::default());
    assert_eq!(end.take_text(r#"{"type":8,"sequenceId":5}␞{"type":9,"sequenceId":900}␞"#), NOTHING);
    assert_eq!(end.text(), "");
    assert!(!end.session.is_closed());
}
