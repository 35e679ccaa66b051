//! How many bytes of messages the outboxes of a hub hold together: one that is shared counts once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

#[derive(Debug)]
pub(crate) struct Held {
    bytes: Arc<AtomicUsize>,
    limit: usize,
}

impl Held {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Arc::default(), limit }
    }

    /// Counts a message for as long as anybody holds it.
    pub(crate) fn count(&self, message: Bytes) -> Bytes {
        self.bytes.fetch_add(message.len(), Ordering::Relaxed);
        Bytes::from_owner(Counted { message, held: Arc::clone(&self.bytes) })
    }

    /// Whether there is more than the limit.
    pub(crate) fn is_over(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.limit
    }
}

struct Counted {
    message: Bytes,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(self.message.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Held;

    #[test]
    fn what_is_shared_counts_once_and_until_the_last_has_let_go() {
        let held = Held::new(9);
        let one = held.count(Bytes::from_static(b"0123456789"));
        assert!(held.is_over());
        let other = one.clone();
        drop(one);
        assert!(held.is_over());
        assert_eq!(other, "0123456789");
        let part = other.slice(3..4);
        drop(other);
        assert!(held.is_over());
        drop(part);
        assert!(!held.is_over());
    }
}
