//! How much one connection does at a time, so that others get their turn.

use std::pin::pin;
use std::task::Context;

/// Messages of the client that are taken in one go.
const MESSAGES: usize = 64;
/// Bytes that are read and written in one go.
const BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Budget {
    messages: usize,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { messages: MESSAGES, bytes: BYTES }
    }

    pub(crate) fn spend_message(&mut self) {
        self.messages = self.messages.saturating_sub(1);
    }

    pub(crate) fn spend_bytes(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }
}

/// Has the task polled again once the others have had their turn, and once the runtime has looked for what the sockets have. A
/// task that woke itself would be polled up to 61 times before that, and an honest client would wait as long.
pub(crate) fn give_way(cx: &mut Context<'_>) {
    // It is pending once, and wakes the task by itself.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}
