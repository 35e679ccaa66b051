//! Every limit and interval of a hub.

use std::time::Duration;

use hub_core::session::SessionOptions;
use hub_core::{Codec, InvalidOption};

/// The limits and intervals of a hub, by default those of ASP.NET Core where it has them (protocol.md section 21).
///
/// ```
/// use std::time::Duration;
/// use hub_server::HubOptions;
///
/// let options = HubOptions { keep_alive_interval: Duration::from_secs(5), ..HubOptions::default() };
/// assert!(options.validate().is_ok());
///
/// let options = HubOptions { stream_buffer_capacity: 0, ..HubOptions::default() };
/// assert_eq!(
///     options.validate().unwrap_err().to_string(),
///     "stream_buffer_capacity is 0, which is outside of its range: 1 to 1000000 items",
/// );
/// ```
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// The largest message that a client may send, in bytes with its framing; `None` for no limit. Default 32,768
    /// (P-LIM-01), range 64 to 2^31 - 1.
    pub maximum_receive_message_size: Option<usize>,
    /// The largest head of a request that is taken: path, query, names and values of headers, in bytes. A connection keeps
    /// its own for [`Context::request`](crate::Context::request). Default 32,768 (as Kestrel, and more than most proxies
    /// pass on), range 1,024 to 1,048,576. More is answered 431, or 414 where the path and the query are too long.
    pub maximum_request_head_size: usize,
    /// How long a client may take for the handshake. Default 15 s (P-LIM-02), range 1 ms to 1 day.
    pub handshake_timeout: Duration,
    /// How often clients are pinged. Default 15 s (P-LIM-03), range 1 ms to 1 day.
    pub keep_alive_interval: Duration,
    /// How long a client that pings may be silent. Default 30 s (P-LIM-04), range 1 ms to 1 day; at least twice the
    /// clients' own interval is wise (P-PING-13).
    pub client_timeout_interval: Duration,
    /// How many items of an upload wait for the hub method before the client has to wait. Default 10 (P-LIM-06),
    /// range 1 to 1,000,000.
    pub stream_buffer_capacity: usize,
    /// How many plain calls of one client run at once; streams do not count. Default 1, which answers calls in their
    /// order (P-LIM-07, P-INV-22), range 1 to 65,536.
    pub maximum_parallel_invocations_per_client: usize,
    /// How many calls of one client may be open in all: streams, uploads, and calls that wait for an answer of the
    /// client. One more is refused. Default 1,000, range 1 to 1,000,000.
    pub maximum_open_calls_per_client: usize,
    /// Whether clients read what private errors say. Default false (P-LIM-08): for development only.
    pub enable_detailed_errors: bool,
    /// How long one write to a client may take before the connection is given up. Default 10 s (P-LIM-12), range 1 ms
    /// to 1 day.
    pub transport_send_timeout: Duration,
    /// How long the server waits for a client's close frame after its own. Default 5 s (P-LIM-14), range 1 ms to 1 day.
    pub web_socket_close_timeout: Duration,
    /// How long a negotiated connection waits for its transport. Default 15 s (P-LIM-15), range 1 s to 1 day.
    pub disconnect_timeout: Duration,
    /// The oldest version of the negotiation that is served. Default 0 (P-LIM-17), range 0 to 1. In version 0, of clients
    /// from before 2020, the public id of a connection is what opens it, so it is good at the node that gave it out only:
    /// with several nodes, these clients need sticky sessions. 1 tells them so.
    pub minimum_protocol_version: i64,
    /// Whether a connection is closed when its identity expires (P-LIM-18). Default false.
    pub close_on_authentication_expiration: bool,
    /// The hub protocols that clients may choose. Default both (P-LIM-19); not empty.
    pub supported_protocols: Vec<Codec>,
    /// How many messages may wait for one slow client. Default 4,096, range 1 to 10,000,000.
    pub outbox_messages: usize,
    /// How many bytes may wait for one slow client. Default 1 MiB, range 1,024 to 2^31 - 1. A single larger message
    /// passes when nothing else waits.
    pub outbox_bytes: usize,
    /// How long the socket of a client may take nothing at all, with more than that waiting, until the client counts as
    /// slow. Default 2 s, range 1 ms to 1 day.
    pub slow_reader_after: Duration,
    /// How many bytes may wait for one client in any case, with 64 bytes added for each message: a client for which more
    /// would wait counts as slow at once. Default 64 MiB, range 1,024 to 2^31 - 1; not less than `outbox_bytes` in effect.
    pub outbox_burst_bytes: usize,
    /// How many bytes of messages may wait in all outboxes of the hub, a message to many counted once: while there is
    /// more, clients that have more than `outbox_bytes` waiting and take nothing count as slow at once. Default 256 MiB,
    /// range from 1,024.
    pub outbox_total_bytes: usize,
    /// What happens to clients that are slow. Default [`SlowReader::Disconnect`].
    pub slow_reader: SlowReader,
    /// How many bytes a client can make the server hold beside its outbox. Default 1 MiB, range 1,024 to 2^31 - 1.
    ///
    /// | what | how much | beyond |
    /// | --- | --- | --- |
    /// | arguments of open calls | half | a call is refused |
    /// | items of uploads that wait for their methods | a quarter | the client waits, as for `stream_buffer_capacity` |
    /// | what has come and was not looked at yet | 80 KiB | nothing is read |
    /// | the beginning of a message, and a call that waits for another | `maximum_receive_message_size` each | Close |
    /// | the head of the request | `maximum_request_head_size` | 431 |
    /// | WebSocket control frames, and pongs | 5 KiB | older pings have no answer |
    ///
    /// In the first two a single larger message passes when there is no other.
    pub client_bytes: usize,
    /// In which order a message stands among those of other nodes. Without a backplane it has no meaning. Default
    /// [`SendOrder::AcrossNodes`].
    pub send_order: SendOrder,
    /// How long another node may take to acknowledge a change of groups, and how often a node is asked whether a client
    /// result still waits there. Default 5 s, range 1 ms to 1 day.
    pub backplane_timeout: Duration,
}

/// What happens to a client that reads more slowly than it is written to. Others never wait for it.
///
/// A client is slow when more waits for it than [`HubOptions::outbox_bytes`] or [`HubOptions::outbox_messages`] allow,
/// *and* its socket was offered that and has taken nothing for [`HubOptions::slow_reader_after`]. A burst is not
/// slowness: what a method, a task or a loop sends at once is queued, and a sender whose recipient has more than its bound
/// gives way until the task of that connection has offered it to the socket. That waits for the scheduler, for a second at the
/// most, and never for a socket.
///
/// Memory is bounded all the same. For one client no more than [`HubOptions::outbox_burst_bytes`] ever waits. Together,
/// what waits beyond the bounds of single clients is at most [`HubOptions::outbox_total_bytes`]: so a hub with `n`
/// connections holds no more than that and `n` times `outbox_bytes`. Who meets one of these bounds is slow at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlowReader {
    /// The connection is closed, and the client may connect again: nothing is lost silently.
    #[default]
    Disconnect,
    /// Messages that find the outbox full are dropped, counted and logged.
    DropNewest,
    /// The oldest messages that wait are dropped, counted and logged: right where only the latest state matters.
    DropOldest,
}

/// In which order messages of several nodes to the same group, the same user or everyone reach the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SendOrder {
    /// All nodes have one order: every message goes through the backplane, and this node's own connections are given it at
    /// its place there, too. A send is done when the backplane has taken it, so whatever anybody sends after that, on
    /// whichever node, comes behind it. It takes one way to the backplane and back, as on ASP.NET Core. While the link is
    /// down, and when the backplane stands still, this node's own connections do not wait for it.
    #[default]
    AcrossNodes,
    /// This node's own connections have a message at once, and a send is done when it is on its way to other nodes.
    /// Messages that two nodes send may reach the connections of one in another order than those of the other, even where
    /// one was sent when the other's send was done. Right where messages of different senders have nothing to do with
    /// each other, or carry their own order.
    LocalFirst,
}

impl Default for HubOptions {
    fn default() -> Self {
        let session = SessionOptions::default();
        Self {
            maximum_receive_message_size: Some(session.receive_limit),
            maximum_request_head_size: 32 * 1024,
            handshake_timeout: session.handshake_timeout,
            keep_alive_interval: Duration::from_secs(15),
            client_timeout_interval: session.peer_timeout,
            stream_buffer_capacity: 10,
            maximum_parallel_invocations_per_client: session.parallel_calls,
            maximum_open_calls_per_client: session.open_calls,
            enable_detailed_errors: false,
            transport_send_timeout: Duration::from_secs(10),
            web_socket_close_timeout: Duration::from_secs(5),
            disconnect_timeout: Duration::from_secs(15),
            minimum_protocol_version: 0,
            close_on_authentication_expiration: false,
            supported_protocols: session.codecs,
            outbox_messages: 4096,
            outbox_bytes: 1024 * 1024,
            slow_reader_after: Duration::from_secs(2),
            outbox_burst_bytes: 64 * 1024 * 1024,
            outbox_total_bytes: 256 * 1024 * 1024,
            client_bytes: 1024 * 1024,
            slow_reader: SlowReader::default(),
            send_order: SendOrder::default(),
            backplane_timeout: Duration::from_secs(5),
        }
    }
}

const MAX_SIZE: usize = i32::MAX as usize;
const MILLI: Duration = Duration::from_millis(1);

impl HubOptions {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// The first option that is outside.
    pub fn validate(&self) -> Result<(), InvalidOption> {
        InvalidOption::check_size(
            "maximum_receive_message_size",
            self.maximum_receive_message_size.unwrap_or(MAX_SIZE),
            64,
            MAX_SIZE,
            "bytes",
        )?;
        let head = self.maximum_request_head_size;
        InvalidOption::check_size("maximum_request_head_size", head, 1024, 1024 * 1024, "bytes")?;
        InvalidOption::check_time("handshake_timeout", self.handshake_timeout, MILLI)?;
        InvalidOption::check_time("keep_alive_interval", self.keep_alive_interval, MILLI)?;
        InvalidOption::check_time("client_timeout_interval", self.client_timeout_interval, MILLI)?;
        InvalidOption::check_size("stream_buffer_capacity", self.stream_buffer_capacity, 1, 1_000_000, "items")?;
        let parallel = self.maximum_parallel_invocations_per_client;
        InvalidOption::check_size("maximum_parallel_invocations_per_client", parallel, 1, 65_536, "calls")?;
        InvalidOption::check_size(
            "maximum_open_calls_per_client",
            self.maximum_open_calls_per_client,
            1,
            1_000_000,
            "calls",
        )?;
        InvalidOption::check_time("transport_send_timeout", self.transport_send_timeout, MILLI)?;
        InvalidOption::check_time("web_socket_close_timeout", self.web_socket_close_timeout, MILLI)?;
        InvalidOption::check_time("disconnect_timeout", self.disconnect_timeout, Duration::from_secs(1))?;
        InvalidOption::check_time("backplane_timeout", self.backplane_timeout, MILLI)?;
        if !(0..=1).contains(&self.minimum_protocol_version) {
            return Err(InvalidOption::new("minimum_protocol_version", self.minimum_protocol_version, "0 to 1"));
        }
        if self.supported_protocols.is_empty() {
            return Err(InvalidOption::new("supported_protocols", "empty", "at least one of json, messagepack"));
        }
        InvalidOption::check_size("outbox_messages", self.outbox_messages, 1, 10_000_000, "messages")?;
        InvalidOption::check_size("outbox_bytes", self.outbox_bytes, 1024, MAX_SIZE, "bytes")?;
        InvalidOption::check_time("slow_reader_after", self.slow_reader_after, MILLI)?;
        InvalidOption::check_size("outbox_burst_bytes", self.outbox_burst_bytes, 1024, MAX_SIZE, "bytes")?;
        InvalidOption::check_size("outbox_total_bytes", self.outbox_total_bytes, 1024, usize::MAX, "bytes")?;
        InvalidOption::check_size("client_bytes", self.client_bytes, 1024, MAX_SIZE, "bytes")
    }

    pub(crate) fn session(&self) -> SessionOptions {
        SessionOptions {
            receive_limit: self.maximum_receive_message_size.unwrap_or(MAX_SIZE),
            keep_alive: Some(self.keep_alive_interval),
            peer_timeout: self.client_timeout_interval,
            handshake_timeout: self.handshake_timeout,
            parallel_calls: self.maximum_parallel_invocations_per_client,
            open_calls: self.maximum_open_calls_per_client,
            open_call_bytes: self.client_bytes / 2,
            detailed_errors: self.enable_detailed_errors,
            codecs: self.supported_protocols.clone(),
        }
    }
}
