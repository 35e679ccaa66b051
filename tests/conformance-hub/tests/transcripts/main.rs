//! Replays what the official .NET client sent, as recorded against ASP.NET Core, and compares the answers by meaning.
//!
//! Compared: every hub message, in its order within its call, stream or the callbacks; the negotiation's answers; close
//! codes of the server. Left open: how messages are framed and coalesced, pings, timing, how many items an endless stream
//! has produced when it is cut off. Connection ids, tokens and question ids may differ, but consistently.
//!
//! Reading order: the package `transcripts` (the files, and how they are compared), `connection`, `replay` below.
//!
//! The variable `HUB_SERVER` names another server to test; for the reference server set `HUB_IS_REFERENCE=1` too.
//!
//! Recorded scenarios that are not replayed:
//! - `injected-*`, `server-timeout`, `handshake-timeout`, `fallback-*`, `no-transport`: they test the client, which is faced
//!   with bytes, losses or refusals.
//! - `auto-reconnect`, `reconnect-gives-up`: the TCP connections are cut from outside.
//! - `server-shutdown`: the server is stopped in the middle, and P-CLS-14 wants ours to behave better than the recorded one.
//! - `stateful-*` but `stateful-server-without`, and `skip-negotiation-stateful`: they need an endpoint with stateful
//!   reconnect, and most of them cut connections.
//! - other transports than WebSockets.

mod connection;
mod http;
mod server;

use std::collections::HashMap;

use connection::Connection;
use http::Response;
use rmpv::Value;
use server::Server;
use transcripts::{Kind, Names, Side, Step, Transcript};

macro_rules! transcripts {
    ($($name:ident: $scenario:literal,)*) => {
        $(#[tokio::test]
        async fn $name() {
            replay(concat!("websockets-", $scenario)).await;
        })*
    };
}

transcripts! {
    json_auth: "json-auth",
    json_auth_expiry_reconnect: "json-auth-expiry-reconnect",
    json_basics: "json-basics",
    json_client_result: "json-client-result",
    json_errors: "json-errors",
    json_errors_detailed: "json-errors-detailed",
    json_headers: "json-headers",
    json_keepalive: "json-keepalive",
    json_large: "json-large",
    json_no_handler: "json-no-handler",
    json_not_found: "json-not-found",
    json_pipelined: "json-pipelined",
    json_redirect: "json-redirect",
    json_restart: "json-restart",
    json_server_abort: "json-server-abort",
    json_server_close_allow_reconnect: "json-server-close-allow-reconnect",
    json_skip_negotiation: "json-skip-negotiation",
    json_stateful_server_without: "json-stateful-server-without",
    json_stop_while_active: "json-stop-while-active",
    json_stream: "json-stream",
    json_stream_cancel: "json-stream-cancel",
    json_trace_headers: "json-trace-headers",
    json_upload: "json-upload",
    json_upload_error: "json-upload-error",
    json_upload_two_streams: "json-upload-two-streams",
    messagepack_auth: "messagepack-auth",
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
    messagepack_skip_negotiation: "messagepack-skip-negotiation",
    messagepack_stop_while_active: "messagepack-stop-while-active",
    messagepack_stream: "messagepack-stream",
    messagepack_stream_cancel: "messagepack-stream-cancel",
    messagepack_trace_headers: "messagepack-trace-headers",
    messagepack_upload: "messagepack-upload",
    messagepack_upload_error: "messagepack-upload-error",
    messagepack_upload_two_streams: "messagepack-upload-two-streams",
}

async fn replay(scenario: &str) {
    let transcript = Transcript::load(scenario);
    let mut replay = Replay::new(&transcript);
    for (number, step) in transcript.steps.iter().enumerate() {
        if let Err(why) = replay.step(step).await {
            panic!("{scenario}, step {number}: {why}");
        }
    }
    for connection in replay.connections.values() {
        if let Err(why) = connection.finish(&mut replay.names) {
            panic!("{scenario}, at the end: {why}");
        }
    }
}

/// One run of a transcript; its connections go by the recorded numbers.
struct Replay<'a> {
    transcript: &'a Transcript,
    server: Server,
    names: Names,
    connections: HashMap<u32, Connection>,
    responses: HashMap<u32, Response>,
}

impl<'a> Replay<'a> {
    fn new(transcript: &'a Transcript) -> Self {
        let server = Server::start();
        let mut names = Names::new();
        let port = server.address.rsplit(':').next();
        let port = port.expect("an address with a port");
        names.bind("{port}", port).expect("a name not used before");
        Self { transcript, server, names, connections: HashMap::new(), responses: HashMap::new() }
    }

    /// Does what the client did, or waits for what the server did.
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match (&step.from, &step.kind) {
            (Side::Client, Kind::HttpRequest) => return self.request(step).await,
            (Side::Server, Kind::HttpResponse) => return self.expect_response(step),
            // Opening and closing TCP connections follows from the rest.
            (_, Kind::TcpLevel) => return Ok(()),
            (Side::Proxy, _) | (_, Kind::TcpCut | Kind::TcpRst | Kind::WsPing | Kind::WsPong) => {
                return Err("nobody replays this against a server".to_owned());
            }
            _ => {}
        }
        let connection = self.connections.get_mut(&step.conn);
        let connection = connection.ok_or("no such WebSocket")?;
        match (&step.from, &step.kind) {
            (Side::Client, Kind::WsClose) => connection.close(step.head.code.unwrap_or_default()).await,
            (Side::Server, Kind::WsClose) => connection.expect_close(step.head.code.unwrap_or_default()).await,
            (Side::Client, _) => connection.send(step, &self.names).await,
            _ => connection.expect(&step.bytes(), &mut self.names).await,
        }
    }

    async fn request(&mut self, step: &Step) -> Result<(), String> {
        let mut headers = Vec::new();
        for (name, value) in &step.head.headers {
            self.obtain_token(value).await?;
            headers.push((name.clone(), self.names.fill(value)));
        }
        let (address, path) = (&self.server.address, self.names.fill(&step.head.path));
        if step.head.is_upgrade() {
            let connection = Connection::open(address, &path, &headers, self.transcript.protocol).await?;
            self.connections.insert(step.conn, connection);
        } else {
            let response = http::request(address, &step.head.method, &path, &headers).await?;
            self.responses.insert(step.conn, response);
        }
        Ok(())
    }

    /// Gets the token for a header like `Bearer {jwt1}`, unless the server gave one earlier.
    async fn obtain_token(&mut self, header: &str) -> Result<(), String> {
        let Some(name) = header.strip_prefix("Bearer ") else {
            return Ok(());
        };
        if self.names.knows(name) {
            return Ok(());
        }
        let runs_out = self.transcript.scenario == "auth-expiry-reconnect" && name == "{jwt1}";
        let ttl = if runs_out { 5 } else { 3600 };
        let path = format!("/token?user=alice&role=admin&ttl={ttl}");
        let token = http::request(&self.server.address, "GET", &path, &[]).await?;
        self.names.bind(name, &token.body)
    }

    /// Compares the answer to a POST; that to an upgrade was looked at when the WebSocket opened.
    fn expect_response(&mut self, step: &Step) -> Result<(), String> {
        let Some(Response { status, body }) = self.responses.remove(&step.conn) else {
            return Ok(());
        };
        if status != step.head.status {
            return Err(format!("expected status {}, got {status}: {body}", step.head.status));
        }
        if step.text().is_empty() {
            return Ok(());
        }
        let [recorded, live] = [step.text(), &body].map(|body| {
            let mut value: Value = serde_json::from_str(body).map_err(|error| format!("{error} in {body}"))?;
            // Which transports there are is not what a WebSocket's transcript is about.
            if let Value::Map(members) = &mut value {
                members.retain(|(name, _)| name.as_str() != Some("availableTransports"));
            }
            Ok::<_, String>(value)
        });
        self.names.unify(&recorded?, &live?)
    }
}
