//! What a session is allowed.

use std::time::Duration;

use crate::codec::Codec;

/// What a session is allowed, shared by all connections of a hub.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The largest message that is accepted, in bytes with its separator or length prefix (P-LIM-01).
    pub receive_limit: usize,
    /// How often a ping is sent; `None` for transports that need none (P-LIM-03).
    pub keep_alive: Option<Duration>,
    /// How long the peer may be silent (P-LIM-04, P-LIM-05). A client without `keep_alive` does not mind (P-PING-09).
    pub peer_timeout: Duration,
    /// How long the handshake may take (P-LIM-02).
    pub handshake_timeout: Duration,
    /// How many plain calls of the peer run at once (P-LIM-07).
    pub parallel_calls: usize,
    /// How many calls of any kind the peer may have open: streams, uploads, and calls that wait for its own answer.
    pub open_calls: usize,
    /// How many bytes the messages may have in all that made the open calls. A single larger one passes when no other
    /// call is open.
    pub open_call_bytes: usize,
    /// Whether error texts explain themselves to the peer (P-LIM-08).
    pub detailed_errors: bool,
    /// The protocols that may be chosen (P-LIM-19).
    pub codecs: Vec<Codec>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            receive_limit: 32 * 1024,
            keep_alive: Some(Duration::from_secs(15)),
            peer_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(15),
            parallel_calls: 1,
            open_calls: 1000,
            open_call_bytes: 1024 * 1024,
            detailed_errors: false,
            codecs: Codec::ALL.to_vec(),
        }
    }
}
