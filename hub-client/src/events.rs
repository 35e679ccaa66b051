//! Every log line of this crate.

use hub_core::session::Ignored;
use hub_core::{HubError, InvocationId};
use tracing::{debug, info, warn};

use crate::error::{ConnectError, Ended};

pub(crate) fn no_handler(target: &str) {
    // P-INV-25
    warn!(target, "the hub called a method that nobody handles");
}

pub(crate) fn bad_arguments(target: &str, error: &str, detail: &str) {
    warn!(target, error, detail, "the arguments of a call by the hub do not fit its handler");
}

pub(crate) fn handler_failed(target: &str, error: &HubError) {
    warn!(target, ?error, "a handler failed");
}

pub(crate) fn handler_panicked(target: &str) {
    warn!(target, "a handler panicked");
}

pub(crate) fn unknown_completion(id: &InvocationId) {
    // P-INV-17
    debug!(%id, "an answer to a call that nobody waits for");
}

pub(crate) fn ignored(what: &Ignored) {
    debug!(?what, "ignored a message");
}

pub(crate) fn reconnecting(cause: &Ended) {
    warn!(%cause, "the connection is lost and will be tried again");
}

pub(crate) fn attempt_failed(attempt: usize, error: &ConnectError) {
    info!(attempt, %error, "an attempt to reconnect failed");
}

pub(crate) fn reconnected(attempt: usize) {
    info!(attempt, "the connection is back");
}

pub(crate) fn closed(cause: &Ended) {
    debug!(%cause, "the connection has ended");
}
