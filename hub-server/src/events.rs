//! Every log line of the crate. Tokens, arguments and query strings are in none of them (P-AUTH-03).

use hub_core::message::Target;
use hub_core::session::Ignored;
use hub_core::{ArgsError, ConnectionId, HubError, InvocationId};
use tracing::{debug, error, info, warn};

use crate::context::DisconnectReason;
use crate::options::{HubOptions, SlowReader};

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
    debug!(hub, %connection, ?reason, "disconnected");
    if dropped > 0 {
        warn!(hub, %connection, dropped, "the client read too slowly: messages were dropped");
    }
}

pub(crate) fn handshake_failed(hub: &str, reason: &str) {
    debug!(hub, reason, "handshake failed");
}

pub(crate) fn request_refused(hub: &str, status: u16, reason: &str) {
    debug!(hub, status, reason, "request refused");
}

pub(crate) fn upgrade_failed(hub: &str, error: &hyper::Error) {
    debug!(hub, %error, "the connection did not become a WebSocket");
}

pub(crate) fn unknown_method(hub: &str, connection: &ConnectionId, target: &Target) {
    debug!(hub, %connection, %target, "no such method");
}

pub(crate) fn binding_failed(hub: &str, connection: &ConnectionId, method: &str, error: &ArgsError) {
    debug!(hub, %connection, method, %error, detail = error.detail(), "the arguments do not fit the method");
}

pub(crate) fn unauthorized(hub: &str, connection: &ConnectionId, method: &str) {
    info!(hub, %connection, method, "a policy refused the caller");
}

pub(crate) fn method_failed(hub: &str, connection: &ConnectionId, method: &str, error: &HubError, cancelled: bool) {
    if error.is_public() {
        debug!(hub, %connection, method, ?error, "the method answered with an error");
    } else if cancelled {
        debug!(hub, %connection, method, ?error, "the method failed when it was cancelled");
    } else {
        error!(hub, %connection, method, ?error, "the method failed");
    }
}

pub(crate) fn method_panicked(hub: &str, connection: &ConnectionId, method: &str, message: &str) {
    error!(hub, %connection, method, message, "the method panicked");
}

pub(crate) fn hook_failed(hub: &str, connection: &ConnectionId, hook: &str, error: &HubError) {
    error!(hub, %connection, hook, ?error, "the hook failed");
}

pub(crate) fn ignored(hub: &str, connection: &ConnectionId, what: &Ignored) {
    debug!(hub, %connection, ?what, "a message was ignored");
}

pub(crate) fn unknown_completion(hub: &str, connection: &ConnectionId, id: &InvocationId) {
    debug!(hub, %connection, %id, "an answer came too late, or to no question");
}

pub(crate) fn outbox_full(hub: &str, connection: &ConnectionId, policy: SlowReader) {
    warn!(hub, %connection, ?policy, "the client reads too slowly: its outbox is full");
}

pub(crate) fn protocol_missing(hub: &str, connection: &ConnectionId, codec: &str) {
    warn!(hub, %connection, codec, "a message of another node did not have the client's protocol: it is dropped");
}

/// At most once a second.
pub(crate) fn not_forwarded(lost: u64, reason: &str) {
    warn!(lost, reason, "messages for connections that moved to another node were lost");
}

pub(crate) fn reply_lost(reason: &str) {
    warn!(reason, "a reply to another node was lost");
}

pub(crate) fn no_runtime() {
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
