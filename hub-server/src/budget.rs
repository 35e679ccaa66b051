//! How much one connection does at a time, so that others get their turn.
//!
//! A worker of the runtime looks for what its sockets have after every 61 tasks it has polled, so the time that one
//! connection may take is the time that an honest client waits, divided by 61.

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
