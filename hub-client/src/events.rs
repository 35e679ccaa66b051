//! Every log line of this crate. What a hub or an error says is shown by [`OneLine`], so that nobody writes lines of their own.

use hub_core::session::Ignored;
use hub_core::{HubError, InvocationId, OneLine};
use tracing::{debug, info, warn};

use crate::error::{ConnectError, Ended};

pub(crate) fn no_handler(target: &str) {
    // P-INV-25
    warn!(target = %OneLine(target), "the hub called a method that nobody handles");
}

pub(crate) fn bad_arguments(target: &str, error: &str, detail: &str) {
    let (target, error, detail) = (OneLine(target), OneLine(error), OneLine(detail));
    warn!(%target, %error, %detail, "the arguments of a call by the hub do not fit its handler");
}

pub(crate) fn handler_failed(target: &str, error: &HubError) {
    warn!(target = %OneLine(target), error = %OneLine(format_args!("{error:?}")), "a handler failed");
}

pub(crate) fn handler_panicked(target: &str) {
    warn!(target = %OneLine(target), "a handler panicked");
}

pub(crate) fn unknown_completion(id: &InvocationId) {
    // P-INV-17
    debug!(id = %OneLine(id), "an answer to a call that nobody waits for");
}

pub(crate) fn ignored(what: &Ignored) {
    debug!(what = %OneLine(format_args!("{what:?}")), "ignored a message");
}

pub(crate) fn reconnecting(cause: &Ended) {
    warn!(cause = %OneLine(cause), "the connection is lost and will be tried again");
}

pub(crate) fn attempt_failed(attempt: usize, error: &ConnectError) {
    info!(attempt, error = %OneLine(error), "an attempt to reconnect failed");
}

pub(crate) fn reconnected(attempt: usize) {
    info!(attempt, "the connection is back");
}

pub(crate) fn closed(cause: &Ended) {
    debug!(cause = %OneLine(cause), "the connection has ended");
}
