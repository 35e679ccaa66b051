//! Streams of both directions, at the server (protocol.md sections 9 and 10).

use super::*;

#[test]
fn p_str_01_04_08_streams_interleave_and_end_void() {
    let mut end = End::json(SessionOptions::default());
    let stream = |id: &str| format!(r#"{{"type":4,"invocationId":"{id}","target":"S","arguments":[]}}␞"#);
    end.take_text(&(stream("1") + &stream("2")));
    for (call, item) in [(0, "10"), (1, "20"), (0, "11"), (1, "null")] {
        end.session.item(end.calls[call], value(item));
    }
    end.session.answer(end.calls[1], Outcome::Void);
    // Behind its end nothing of a stream is written.
    end.session.item(end.calls[1], value("21"));
    end.session.item(end.calls[0], value("12"));
    end.session
        .answer(end.calls[0], Outcome::Error("An error occurred on the server while streaming results.".to_owned()));
    end.session.item(end.calls[0], value("13"));
    assert_eq!(
        end.text(),
        concat!(
            r#"{"type":2,"invocationId":"1","item":10}␞{"type":2,"invocationId":"2","item":20}␞"#,
            r#"{"type":2,"invocationId":"1","item":11}␞{"type":2,"invocationId":"2","item":null}␞"#,
            r#"{"type":3,"invocationId":"2"}␞{"type":2,"invocationId":"1","item":12}␞"#,
            r#"{"type":3,"invocationId":"1","error":"An error occurred on the server while streaming results."}␞"#,
        )
    );
}

#[test]
fn items_are_for_streams_only() {
    let mut end = End::json(SessionOptions::default());
    end.take_text(r#"{"type":1,"invocationId":"1","target":"A","arguments":[]}␞"#);
    end.session.item(end.calls[0], value("1"));
    assert_eq!(end.text(), "");
}

#[test]
fn p_up_02_04_08_12_uploads_by_position() {
    let mut end = End::json(SessionOptions::default());
    assert_eq!(
        end.take_text(concat!(
            r#"{"type":1,"invocationId":"3","target":"U","arguments":[7],"streamIds":["1","2"]}␞"#,
            r#"{"type":2,"invocationId":"2","item":"b"}␞{"type":2,"invocationId":"1","item":null}␞"#,
            r#"{"type":3,"invocationId":"1"}␞{"type":2,"invocationId":"2","item":[1]}␞"#,
            r#"{"type":3,"invocationId":"2","error":"Stream canceled by client."}␞"#,
        )),
        [
            "call U[7] Answer uploads 2",
            r#"upload #0.1 "b""#,
            "upload #0.0 null",
            "upload #0.0 end",
            "upload #0.1 [1]",
            "upload #0.1 failed: Stream canceled by client.",
        ]
    );
    // Nothing is written until the method ends (P-UP-06).
    assert_eq!(end.text(), "");
    end.answer(0, "8");
    assert_eq!(end.text(), r#"{"type":3,"invocationId":"3","result":8}␞"#);
}

#[test]
fn p_up_08_an_end_with_a_result_is_an_ordinary_end() {
    let mut end = End::json(SessionOptions::default());
    end.take_text(r#"{"type":1,"target":"U","arguments":[],"streamIds":["1"]}␞"#);
    assert_eq!(end.take_text(r#"{"type":3,"invocationId":"1","result":5}␞"#), ["upload #0.0 end"]);
}

#[test]
fn p_up_05_09_what_comes_after_the_end_is_dropped() {
    let mut end = End::json(SessionOptions::default());
    let item = r#"{"type":2,"invocationId":"1","item":1}␞"#;
    let done = r#"{"type":3,"invocationId":"1"}␞"#;
    assert_eq!(end.take_text(item), [r#"ignored StreamItem("1")"#], "before it is open");
    end.take_text(r#"{"type":1,"invocationId":"9","target":"U","arguments":[],"streamIds":["1"]}␞"#);
    assert_eq!(end.take_text(done), ["upload #0.0 end"]);
    assert_eq!(end.take_text(&(item.to_owned() + done)), [r#"ignored StreamItem("1")"#, "unknown completion 1"]);
    end.take_text(r#"{"type":1,"invocationId":"8","target":"U","arguments":[],"streamIds":["1"]}␞"#);
    assert_eq!(end.take_text(item), ["upload #1.0 1"]);
    // The end of the call closes its uploads (P-UP-09, P-UP-14).
    end.answer(1, "1");
    assert_eq!(end.take_text(&(item.to_owned() + done)), [r#"ignored StreamItem("1")"#, "unknown completion 1"]);
    assert!(!end.session.is_closed());
}

#[test]
fn p_up_11_a_stream_id_that_is_open_is_refused() {
    let mut end = End::json(SessionOptions::default());
    let uploading = r#"{"type":1,"invocationId":"8","target":"U","arguments":[],"streamIds":["0","1"]}␞"#;
    end.take_text(r#"{"type":1,"target":"U","arguments":[],"streamIds":["1"]}␞"#);
    assert_eq!(end.take_text(uploading), ["call U[] Answer uploads 2 of which 1 is in use"]);
    // The first stream is as it was, and nothing of the second call is.
    assert_eq!(
        end.take_text(r#"{"type":2,"invocationId":"1","item":1}␞{"type":2,"invocationId":"0","item":1}␞"#),
        ["upload #0.0 1", r#"ignored StreamItem("0")"#]
    );
    end.session.answer(end.calls[1], Outcome::Error("no".to_owned()));
    assert_eq!(end.text(), r#"{"type":3,"invocationId":"8","error":"no"}␞"#);
    assert_eq!(end.take_text(r#"{"type":2,"invocationId":"1","item":2}␞"#), ["upload #0.0 2"], "after its end too");
    assert_eq!(end.session.open_calls().count(), 1);
}

#[test]
fn p_up_11_a_stream_id_that_comes_twice_in_one_call_is_refused() {
    let mut end = End::json(SessionOptions::default());
    assert_eq!(
        end.take_text(r#"{"type":1,"invocationId":"8","target":"U","arguments":[],"streamIds":["1","2","1"]}␞"#),
        ["call U[] Answer uploads 3 of which 1 is in use"]
    );
    assert_eq!(end.take_text(r#"{"type":2,"invocationId":"2","item":1}␞"#), [r#"ignored StreamItem("2")"#]);
}

#[test]
fn p_up_15_both_directions_at_once() {
    let mut end = End::json(SessionOptions::default());
    assert_eq!(
        end.take_text(concat!(
            r#"{"type":4,"invocationId":"1","target":"Relay","arguments":[],"streamIds":["2"]}␞"#,
            r#"{"type":2,"invocationId":"2","item":5}␞"#
        )),
        ["call Relay[] Stream uploads 1", "upload #0.0 5"]
    );
    end.session.item(end.calls[0], value("5"));
    end.session.answer(end.calls[0], Outcome::Void);
    assert_eq!(end.text(), r#"{"type":2,"invocationId":"1","item":5}␞{"type":3,"invocationId":"1"}␞"#);
}

#[test]
fn p_gen_02_an_upload_may_have_the_id_of_its_call() {
    let mut end = End::json(SessionOptions::default());
    end.take_text(r#"{"type":4,"invocationId":"1","target":"R","arguments":[],"streamIds":["1"]}␞"#);
    assert_eq!(end.take_text(r#"{"type":3,"invocationId":"1"}␞"#), ["upload #0.0 end"]);
    assert_eq!(end.take_text(r#"{"type":5,"invocationId":"1"}␞"#), ["cancelled #0"]);
    end.session.answer(end.calls[0], Outcome::Void);
    assert_eq!(end.text(), r#"{"type":3,"invocationId":"1"}␞"#);
}
