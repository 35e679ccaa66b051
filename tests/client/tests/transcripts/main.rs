//! Replays what ASP.NET Core sent to the official .NET client, as recorded, to our client, which does what the recorded
//! program did, and compares by meaning: what our client sends, what its calls return, which handlers run with what, how
//! the connection ends, and whether it is made again.
//!
//! Left open: how messages are framed and coalesced, how many pings there are beyond those recorded, timing, the words
//! of .NET's own exceptions. Call ids may differ, but consistently.
//!
//! Reading order: the package `transcripts` (the files), `server` and `program` (the two ends), `handlers`, `ids`, `replay`
//! (step by step), `reports` (what the programs say they saw).

mod handlers;
mod ids;
mod program;
mod replay;
mod reports;
mod server;

use transcripts::recorded;

macro_rules! transcripts {
    ($($name:ident: $scenario:literal,)*) => {
        /// The recordings that are replayed.
        const REPLAYED: &[&str] = &[$(concat!("websockets-", $scenario)),*];

        $(#[tokio::test]
        async fn $name() {
            replay::replay(concat!("websockets-", $scenario)).await;
        })*
    };
}

transcripts! {
    json_auth: "json-auth",
    json_auth_expiry_reconnect: "json-auth-expiry-reconnect",
    json_auto_reconnect: "json-auto-reconnect",
    json_basics: "json-basics",
    json_client_result: "json-client-result",
    json_errors: "json-errors",
    json_errors_detailed: "json-errors-detailed",
    json_handshake_timeout: "json-handshake-timeout",
    json_headers: "json-headers",
    json_injected_bad_json: "json-injected-bad-json",
    json_injected_close_allow_false: "json-injected-close-allow-false",
    json_injected_close_empty_error: "json-injected-close-empty-error",
    json_injected_close_error: "json-injected-close-error",
    json_injected_close_null_error: "json-injected-close-null-error",
    json_injected_empty_completion_error: "json-injected-empty-completion-error",
    json_injected_empty_message: "json-injected-empty-message",
    json_injected_error_and_result: "json-injected-error-and-result",
    json_injected_item_for_a_call: "json-injected-item-for-a-call",
    json_injected_messages: "json-injected-messages",
    json_injected_no_type: "json-injected-no-type",
    json_injected_null_error: "json-injected-null-error",
    json_injected_null_invocation_id: "json-injected-null-invocation-id",
    json_injected_result_of_wrong_type: "json-injected-result-of-wrong-type",
    json_injected_type_string: "json-injected-type-string",
    json_injected_void_completion: "json-injected-void-completion",
    json_injected_ws_close_1000: "json-injected-ws-close-1000",
    json_injected_ws_close_1011: "json-injected-ws-close-1011",
    json_injected_ws_close_empty: "json-injected-ws-close-empty",
    json_keepalive: "json-keepalive",
    json_large: "json-large",
    json_no_handler: "json-no-handler",
    json_no_transport: "json-no-transport",
    json_not_found: "json-not-found",
    json_pipelined: "json-pipelined",
    json_reconnect_gives_up: "json-reconnect-gives-up",
    json_redirect: "json-redirect",
    json_restart: "json-restart",
    json_server_abort: "json-server-abort",
    json_server_close_allow_reconnect: "json-server-close-allow-reconnect",
    json_server_shutdown: "json-server-shutdown",
    json_server_timeout: "json-server-timeout",
    json_skip_negotiation: "json-skip-negotiation",
    json_stop_while_active: "json-stop-while-active",
    json_stream: "json-stream",
    json_stream_cancel: "json-stream-cancel",
    json_trace_headers: "json-trace-headers",
    json_upload: "json-upload",
    json_upload_error: "json-upload-error",
    json_upload_two_streams: "json-upload-two-streams",
    messagepack_auth: "messagepack-auth",
    messagepack_auto_reconnect: "messagepack-auto-reconnect",
    messagepack_basics: "messagepack-basics",
    messagepack_client_result: "messagepack-client-result",
    messagepack_errors: "messagepack-errors",
    messagepack_errors_detailed: "messagepack-errors-detailed",
    messagepack_keepalive: "messagepack-keepalive",
    messagepack_large: "messagepack-large",
    messagepack_no_handler: "messagepack-no-handler",
    messagepack_pipelined: "messagepack-pipelined",
    messagepack_redirect: "messagepack-redirect",
    messagepack_server_abort: "messagepack-server-abort",
    messagepack_server_close_allow_reconnect: "messagepack-server-close-allow-reconnect",
    messagepack_server_timeout: "messagepack-server-timeout",
    messagepack_skip_negotiation: "messagepack-skip-negotiation",
    messagepack_stop_while_active: "messagepack-stop-while-active",
    messagepack_stream: "messagepack-stream",
    messagepack_stream_cancel: "messagepack-stream-cancel",
    messagepack_trace_headers: "messagepack-trace-headers",
    messagepack_upload: "messagepack-upload",
    messagepack_upload_error: "messagepack-upload-error",
    messagepack_upload_two_streams: "messagepack-upload-two-streams",
}

/// The kinds of recordings that are not replayed, by a part of their names, and why not.
const LEFT_OUT: [(&str, &str); 4] = [
    ("longpolling-", "the client has no long polling"),
    ("sse-", "the client has no Server-Sent Events"),
    ("-fallback-", "the client falls back to no other transport"),
    ("-stateful", "the client asks for no stateful reconnect"),
];

#[test]
fn every_recording_is_replayed_or_left_out_for_a_reason() {
    let all = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/dotnet-client"));
    let names = match all {
        Ok(files) => files
            .filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()))
            .filter(|name| name.contains('-'))
            .collect(),
        Err(error) => {
            println!("only the recordings of this project are looked at, for ../shared is not there: {error}");
            recorded()
        }
    };
    for name in &names {
        if REPLAYED.contains(&name.as_str()) {
            continue;
        }
        let (_, why) = LEFT_OUT
            .iter()
            .find(|(part, _)| name.contains(part))
            .unwrap_or_else(|| panic!("{name} is neither replayed nor left out for a reason"));
        println!("left out: {name}, for {why}");
    }
    for name in REPLAYED {
        assert!(recorded().iter().any(|recorded| recorded == name), "{name} is in tests/data/dotnet-client");
    }
}
