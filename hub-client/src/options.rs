//! What a connection is allowed: defaults, units, and the ranges that are checked before anything is dialled.

use std::time::Duration;

use hub_core::session::SessionOptions;
use hub_core::{Codec, InvalidOption};

/// What becomes of calls that are made while the connection is being established: again, or, where that does not have
/// to be waited for ([`Polled`](crate::Polled)), for the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhileReconnecting {
    /// They fail at once, as [`CallError::Refused`](hub_core::CallError::Refused) (P-CLI-08).
    #[default]
    Refuse,
    /// They wait in the send queue, and are sent once the connection is back. When it does not come back they fail.
    Wait,
}

/// Every limit and interval of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) keep_alive_interval: Duration,
    pub(crate) server_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) receive_limit: usize,
    pub(crate) stream_buffer: usize,
    pub(crate) send_buffer: usize,
    pub(crate) while_reconnecting: WhileReconnecting,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // P-LIM-03
            keep_alive_interval: Duration::from_secs(15),
            // P-LIM-05
            server_timeout: Duration::from_secs(30),
            // P-HS-18
            handshake_timeout: Duration::from_secs(15),
            // P-LIM-20
            request_timeout: Duration::from_secs(100),
            // P-LIM-14
            close_timeout: Duration::from_secs(5),
            // P-CLI-09
            receive_limit: 16 * 1024 * 1024,
            stream_buffer: 64,
            send_buffer: 1024 * 1024,
            while_reconnecting: WhileReconnecting::default(),
        }
    }
}

const MILLI: Duration = Duration::from_millis(1);

/// What one length prefix can announce (P-FRM-03).
const MAX_SIZE: usize = i32::MAX as usize;

impl Options {
    /// # Errors
    /// The first option that is outside of its range.
    pub(crate) fn check(&self) -> Result<(), InvalidOption> {
        InvalidOption::check_time("keep_alive_interval", self.keep_alive_interval, MILLI)?;
        InvalidOption::check_time("server_timeout", self.server_timeout, MILLI)?;
        InvalidOption::check_time("handshake_timeout", self.handshake_timeout, MILLI)?;
        InvalidOption::check_time("request_timeout", self.request_timeout, MILLI)?;
        InvalidOption::check_time("close_timeout", self.close_timeout, MILLI)?;
        InvalidOption::check_size("receive_limit", self.receive_limit, 1, MAX_SIZE, "bytes")?;
        InvalidOption::check_size("stream_buffer", self.stream_buffer, 1, 1_000_000, "items")?;
        InvalidOption::check_size("send_buffer", self.send_buffer, 1024, MAX_SIZE, "bytes")
    }

    pub(crate) fn session(&self, codec: Codec) -> SessionOptions {
        SessionOptions {
            receive_limit: self.receive_limit,
            keep_alive: Some(self.keep_alive_interval),
            peer_timeout: self.server_timeout,
            handshake_timeout: self.handshake_timeout,
            // A client goes on receiving while its handlers run (P-CR-09).
            parallel_calls: usize::MAX,
            open_calls: 10_000,
            open_call_bytes: MAX_SIZE,
            detailed_errors: false,
            codecs: vec![codec],
        }
    }
}
