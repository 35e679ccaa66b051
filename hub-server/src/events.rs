//! Every log line of the crate. Tokens, arguments and query strings are in none of them (P-AUTH-03).
//!
//! What a peer or an error says is shown by [`OneLine`], so that nobody writes lines of their own. From level INFO on, what
//! a client can cause again and again is shown once a second for each hub and method, and then how often it was.

use std::time::Instant;

use http::HeaderMap;
use hub_core::message::Target;
use hub_core::session::Ignored;
use hub_core::{ArgsError, ConnectionId, HubError, InvocationId, OneLine};
use tokio::runtime::Handle;
use tracing::{debug, error, info, warn};

use crate::context::DisconnectReason;
use crate::options::{HubOptions, SlowReader};
use crate::repeats::{Line, REPEATS};

/// Whether this event is shown. `again` tells later how often it was not.
fn is_shown(event: &'static str, hub: &str, of: &str, again: fn(&str, &str, u64)) -> bool {
    match REPEATS.line((event, hub, of), Instant::now()) {
        Line::Shown => true,
        Line::Hidden => false,
        Line::Counted(wait, kind) => {
            let told = (hub.to_owned(), of.to_owned());
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(async move {
                    tokio::time::sleep(wait).await;
                    again(&told.0, &told.1, REPEATS.take(kind));
                })),
                // Nobody could count: better too many lines than none.
                Err(_) => again(hub, of, REPEATS.take(kind)),
            }
            false
        }
    }
}

pub(crate) fn options_checked(hub: &str, options: &HubOptions) {
    if options.client_timeout_interval < options.keep_alive_interval * 2 {
        warn!(
            hub,
            client_timeout_interval = ?options.client_timeout_interval,
            keep_alive_interval = ?options.keep_alive_interval,
            "the client timeout is less than twice the keep-alive interval: clients may be timed out while alive"
        );
    }
    if options.enable_detailed_errors {
        info!(hub, "detailed errors are on: clients read what private errors say");
    }
}

pub(crate) fn connected(hub: &str, connection: &ConnectionId, codec: &str, user: Option<&str>) {
    debug!(hub, %connection, codec, user, "connected");
}

pub(crate) fn disconnected(hub: &str, connection: &ConnectionId, reason: &DisconnectReason, dropped: usize) {
    debug!(hub, %connection, reason = %OneLine(format_args!("{reason:?}")), "disconnected");
    if dropped > 0
        && is_shown("dropped", hub, "", |hub, _, times| {
            warn!(hub, times, "more clients read too slowly: messages were dropped");
        })
    {
        warn!(hub, %connection, dropped, "the client read too slowly: messages were dropped");
    }
}

pub(crate) fn handshake_failed(hub: &str, reason: &str) {
    debug!(hub, reason = %OneLine(reason), "handshake failed");
}

pub(crate) fn request_refused(hub: &str, status: u16, reason: &str) {
    debug!(hub, status, reason = %OneLine(reason), "request refused");
}

/// At most once a minute and hub: anybody can bring it about.
pub(crate) fn not_allowed(hub: &str, option: &str, headers: &HeaderMap) {
    warn!(
        hub,
        origin = shown(headers, "origin"),
        host = shown(headers, "host"),
        x_forwarded_host = shown(headers, "x-forwarded-host"),
        forwarded = shown(headers, "forwarded"),
        "a request was refused by HubRoute::{option}; behind a proxy, see that it passes on the host that the browser sent"
    );
}

/// What a peer sent, short and without anything that a terminal obeys.
fn shown(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    Some(value[..value.len().min(200)].escape_ascii().to_string())
}

pub(crate) fn request_panicked(hub: &str, message: &str) {
    error!(hub, message, "a request was answered 500: the application's code for it panicked");
}

pub(crate) fn connection_failed(error: &hyper::Error) {
    debug!(%error, "an HTTP connection failed");
}

pub(crate) fn upgrade_failed(hub: &str, error: &hyper::Error) {
    debug!(hub, error = %OneLine(error), "the connection did not become a WebSocket");
}

pub(crate) fn unknown_method(hub: &str, connection: &ConnectionId, target: &Target) {
    debug!(hub, %connection, target = %OneLine(target), "no such method");
}

pub(crate) fn binding_failed(hub: &str, connection: &ConnectionId, method: &str, error: &ArgsError) {
    let detail = OneLine(error.detail());
    debug!(hub, %connection, method, error = %OneLine(error), %detail, "the arguments do not fit the method");
}

pub(crate) fn unauthorized(hub: &str, connection: &ConnectionId, method: &str) {
    if is_shown("unauthorized", hub, method, |hub, method, times| {
        info!(hub, method, times, "a policy refused callers again");
    }) {
        info!(hub, %connection, method, "a policy refused the caller");
    }
}

pub(crate) fn method_failed(hub: &str, connection: &ConnectionId, method: &str, error: &HubError, cancelled: bool) {
    let (is_public, error) = (error.is_public(), OneLine(format_args!("{error:?}")));
    if is_public {
        debug!(hub, %connection, method, %error, "the method answered with an error");
    } else if cancelled {
        debug!(hub, %connection, method, %error, "the method failed when it was cancelled");
    } else if is_shown("failed", hub, method, |hub, method, times| {
        error!(hub, method, times, "the method failed again");
    }) {
        error!(hub, %connection, method, %error, "the method failed");
    }
}

pub(crate) fn method_panicked(hub: &str, connection: &ConnectionId, method: &str, message: &str) {
    if is_shown("panicked", hub, method, |hub, method, times| {
        error!(hub, method, times, "the method panicked again");
    }) {
        error!(hub, %connection, method, panic = %OneLine(message), "the method panicked");
    }
}

pub(crate) fn hook_failed(hub: &str, connection: &ConnectionId, hook: &str, error: &HubError) {
    if is_shown("hook failed", hub, hook, |hub, hook, times| error!(hub, hook, times, "the hook failed again")) {
        error!(hub, %connection, hook, error = %OneLine(format_args!("{error:?}")), "the hook failed");
    }
}

pub(crate) fn ignored(hub: &str, connection: &ConnectionId, what: &Ignored) {
    debug!(hub, %connection, what = %OneLine(format_args!("{what:?}")), "a message was ignored");
}

pub(crate) fn unknown_completion(hub: &str, connection: &ConnectionId, id: &InvocationId) {
    debug!(hub, %connection, id = %OneLine(id), "an answer came too late, or to no question");
}

pub(crate) fn outbox_full(hub: &str, connection: &ConnectionId, policy: SlowReader) {
    if is_shown("outbox full", hub, "", |hub, _, times| warn!(hub, times, "more clients read too slowly")) {
        warn!(hub, %connection, ?policy, "the client reads too slowly: its outbox is full");
    }
}

pub(crate) fn protocol_missing(hub: &str, connection: &ConnectionId, codec: &str) {
    if is_shown("protocol missing", hub, codec, |hub, codec, times| {
        warn!(hub, codec, times, "more messages of other nodes were dropped, without the protocol of their recipients");
    }) {
        warn!(hub, %connection, codec, "a message of another node did not have the client's protocol: it is dropped");
    }
}

/// At most once a second.
pub(crate) fn not_forwarded(lost: u64, reason: &str) {
    warn!(lost, reason = %OneLine(reason), "messages for connections that moved to another node were lost");
}

pub(crate) fn reply_lost(reason: &str) {
    if is_shown("reply lost", "", "", |_, _, times| warn!(times, "more replies to other nodes were lost")) {
        warn!(reason = %OneLine(reason), "a reply to another node was lost");
    }
}

pub(crate) fn no_runtime() {
    // There is no runtime to count with.
    error!("a hub with a backplane was used outside of a Tokio runtime: a request of another node was dropped");
}

pub(crate) fn shutting_down(hub: &str, connections: usize) {
    info!(hub, connections, "shutting down");
}

pub(crate) fn shut_down(hub: &str, left: usize) {
    if left > 0 {
        warn!(hub, left, "shut down at its deadline with connections left");
    } else {
        info!(hub, "shut down");
    }
}
