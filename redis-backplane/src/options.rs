//! Every option of the backplane.

use std::fmt;
use std::time::Duration;

use hub_core::InvalidOption;

/// Where Redis is, and every limit and interval of the backplane.
///
/// ```
/// use std::time::Duration;
/// use redis_backplane::{RedisOptions, WhileDown};
///
/// let options = RedisOptions::from_url("rediss://chat:secret@redis.example:6380")?;
/// let options = RedisOptions { prefix: "chat-staging".to_owned(), while_down: WhileDown::Wait, ..options };
///
/// let options = RedisOptions { publish_buffer: 0, ..options };
/// assert_eq!(
///     options.validate().unwrap_err().to_string(),
///     "publish_buffer is 0, which is outside of its range: 1024 to 2147483647 bytes",
/// );
/// # Ok::<(), hub_core::InvalidOption>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RedisOptions {
    /// Which servers. Default one, `localhost:6379`.
    pub servers: RedisServers,
    /// The user, for an access list; `None` for the default user. Default `None`.
    pub user: Option<String>,
    /// The password. Default `None`.
    pub password: Option<String>,
    /// The database, where the shared secrets of hubs are kept. Default 0, range 0 to 65,535, and 0 in a Cluster. **Pub/sub
    /// knows no databases**: what shares a Redis is told apart by its [`prefix`](Self::prefix).
    pub database: u32,
    /// Whom to trust, where the servers are spoken to by TLS; `None` for plain TCP. Default `None`.
    pub tls: Option<RedisTls>,
    /// What all channels and keys begin with. Default `hubs`; 1 to 64 letters, digits, `-`, `_`, `.` and `/`. A colon
    /// ends it in the names, so an access list may allow `hubs:*`.
    pub prefix: String,
    /// How long one attempt to connect may take, from the first packet until all subscriptions are in force. Default
    /// 5 s, range 10 ms to 1 day.
    pub connect_timeout: Duration,
    /// How long Redis may say nothing while an answer is waited for, until the link is given up; and how long a
    /// publication may wait for room. **A pause of Redis that is shorter loses nothing**: a slow command, a fork, a machine
    /// that is moved. An answer may take longer behind much that is received. Default 10 s, range 10 ms to 1 day. (A
    /// machine or a cable that is gone is noticed sooner, by TCP.)
    pub response_timeout: Duration,
    /// How often Redis is asked whether it is there, on each connection. Default 15 s: with the response timeout a silent
    /// Redis is noticed within 25 s where nothing is published, and within the response timeout where something is. Range
    /// 10 ms to 1 day.
    pub ping_interval: Duration,
    /// How long a message may wait for its turn among those of other nodes until it is given to this node's own
    /// connections out of turn. Default 1 s, which is over when Redis stands still; range 1 ms to 1 day.
    pub turn_timeout: Duration,
    /// How long to wait before the first attempt to reconnect; it doubles with each that fails, and each is shortened at
    /// random, down to its half. Default 50 ms, range 1 ms to 1 day.
    pub first_retry: Duration,
    /// The longest wait before an attempt to reconnect; ten times as long where Redis refuses us. Default 300 ms, so that a
    /// Redis that was restarted is used at once. Where Redis itself was gone, what waits is published this long after the
    /// link is back, for other nodes have to be back, too. Range 1 ms to 1 day.
    pub longest_retry: Duration,
    /// How long publications wait for a link that is down before [`while_down`](Self::while_down) applies, so that a cut
    /// that is mended at once fails none of them. This node's own connections never wait for it. Default 1 s, range 0 to
    /// 1 day.
    pub fail_after: Duration,
    /// How many bytes of publications may wait to be sent, each counted with its channel and 128 bytes more. Default
    /// 16 MiB, range 1,024 to 2^31 - 1. A single larger one passes when nothing else waits.
    pub publish_buffer: usize,
    /// The largest message that may be published, in bytes with its channel. Redis closes the connection of everybody who
    /// listens, however fast they read, where one message is larger than the hard limit of its
    /// `client-output-buffer-limit pubsub`; so such a message is refused here. Default `None`: what Redis says, where the
    /// user may ask it (`+config|get`), or else 32 MiB, which is Redis's default. Range 1,024 to 2^29, which is the most
    /// that Redis takes.
    pub largest_message: Option<usize>,
    /// What publications do while the link is down, once that has lasted for [`fail_after`](Self::fail_after). Default
    /// [`WhileDown::Fail`].
    pub while_down: WhileDown,
}

/// Which Redis servers there are. An address is `host`, `host:port` or `[ipv6]:port`.
#[derive(Clone, PartialEq, Eq)]
pub enum RedisServers {
    /// One server. Where it says that it is a node of a Cluster, all of that is used, as with
    /// [`Cluster`](Self::Cluster).
    One(String),
    /// A Cluster, version 7 or newer: by some of its nodes, the others are found. Channels are spread over all primaries
    /// by sharded pub/sub.
    Cluster(Vec<String>),
    /// The primary that Sentinels name.
    Sentinel {
        /// The addresses of Sentinels: the first that answers is believed.
        sentinels: Vec<String>,
        /// What they call the primary.
        primary: String,
        /// The user at the Sentinels, which has nothing to do with that of the servers.
        user: Option<String>,
        /// The password at the Sentinels.
        password: Option<String>,
    },
}

/// Whom to trust over TLS, and as whom to appear.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisTls {
    /// Certificates of authorities to trust beside those of the system, in PEM (any number in one text) or one in DER.
    /// Default none.
    pub authorities: Vec<Vec<u8>>,
    /// Whether the authorities that the system trusts are trusted. Default true.
    pub system_authorities: bool,
    /// Our own certificate, for servers that ask for one. Default `None`.
    pub identity: Option<RedisIdentity>,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisIdentity {
    /// The certificate, with those that lead to its authority behind it, in PEM; or alone in DER.
    pub certificate: Vec<u8>,
    /// Its private key, in PEM or DER (PKCS #8).
    pub key: Vec<u8>,
}

/// What publications do while the link is down for longer than [`RedisOptions::fail_after`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhileDown {
    /// They fail, and the sender knows. What was written and not confirmed before may have arrived.
    #[default]
    Fail,
    /// They are kept in the publish buffer for the link, however long that takes, which is success for the sender; they
    /// fail when it is full. Those whose receivers are to be counted (what is for single connections, and requests) fail
    /// nevertheless.
    ///
    /// They go out with the sender's link, or [`RedisOptions::longest_retry`] later where Redis itself was gone. Nodes whose
    /// links are back later than that miss them.
    Wait,
}

impl Default for RedisTls {
    fn default() -> Self {
        Self { authorities: Vec::new(), system_authorities: true, identity: None }
    }
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            servers: RedisServers::One("localhost:6379".to_owned()),
            user: None,
            password: None,
            database: 0,
            tls: None,
            prefix: "hubs".to_owned(),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(15),
            turn_timeout: Duration::from_secs(1),
            first_retry: Duration::from_millis(50),
            longest_retry: Duration::from_millis(300),
            fail_after: Duration::from_secs(1),
            publish_buffer: 16 * 1024 * 1024,
            largest_message: None,
            while_down: WhileDown::default(),
        }
    }
}

const MAX_SIZE: usize = i32::MAX as usize;
/// Redis takes no longer string (`proto-max-bulk-len`).
pub(crate) const MOST_IN_A_MESSAGE: usize = 1 << 29;
const MILLI: Duration = Duration::from_millis(1);

impl RedisOptions {
    /// Checks every option against its range.
    ///
    /// # Errors
    /// The first option that is outside.
    pub fn validate(&self) -> Result<(), InvalidOption> {
        self.servers.validate()?;
        let most_database = if matches!(self.servers, RedisServers::Cluster(_)) { 0 } else { 65_535 };
        if self.database > most_database {
            let range = if most_database == 0 { "0 in a Cluster" } else { "0 to 65535" };
            return Err(InvalidOption::new("database", self.database, range));
        }
        if self.user.is_some() && self.password.is_none() {
            return Err(InvalidOption::new("password", "missing", "a password where there is a user"));
        }
        #[cfg(not(feature = "tls"))]
        if self.tls.is_some() {
            return Err(InvalidOption::new("tls", "wanted", "none, for the feature `tls` is off"));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        if self.prefix.is_empty() || self.prefix.len() > 64 || !self.prefix.bytes().all(allowed) {
            let value = format_args!("{:?}", self.prefix);
            return Err(InvalidOption::new("prefix", value, "1 to 64 letters, digits, `-`, `_`, `.` and `/`"));
        }
        InvalidOption::check_time("connect_timeout", self.connect_timeout, 10 * MILLI)?;
        InvalidOption::check_time("response_timeout", self.response_timeout, 10 * MILLI)?;
        InvalidOption::check_time("ping_interval", self.ping_interval, 10 * MILLI)?;
        InvalidOption::check_time("first_retry", self.first_retry, MILLI)?;
        InvalidOption::check_time("longest_retry", self.longest_retry, MILLI)?;
        InvalidOption::check_time("turn_timeout", self.turn_timeout, MILLI)?;
        InvalidOption::check_time("fail_after", self.fail_after, Duration::ZERO)?;
        if let Some(largest) = self.largest_message {
            InvalidOption::check_size("largest_message", largest, 1024, MOST_IN_A_MESSAGE, "bytes")?;
        }
        InvalidOption::check_size("publish_buffer", self.publish_buffer, 1024, MAX_SIZE, "bytes")
    }
}

impl RedisServers {
    fn validate(&self) -> Result<(), InvalidOption> {
        let (name, addresses) = match self {
            Self::One(address) => return check_address("servers", address),
            Self::Cluster(addresses) => ("servers", addresses),
            Self::Sentinel { sentinels, primary, .. } => {
                if primary.is_empty() {
                    return Err(InvalidOption::new("primary", "empty", "what the Sentinels call it"));
                }
                ("sentinels", sentinels)
            }
        };
        if addresses.is_empty() {
            return Err(InvalidOption::new(name, "empty", "at least one address"));
        }
        addresses.iter().try_for_each(|address| check_address(name, address))
    }
}

fn check_address(name: &'static str, address: &str) -> Result<(), InvalidOption> {
    match split_address(address, 6379) {
        Some(_) => Ok(()),
        None => Err(InvalidOption::new(name, format_args!("{address:?}"), "`host`, `host:port` or `[ipv6]:port`")),
    }
}

/// The host and the port of an address.
pub(crate) fn split_address(address: &str, default_port: u16) -> Option<(&str, u16)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
        }
        None => match address.split_once(':') {
            Some((host, port)) if !port.is_empty() && !port.contains(':') => (host, port),
            Some(_) => return None,
            None => (address, ""),
        },
    };
    let odd = |character: char| character.is_whitespace() || "/@?#[]".contains(character);
    if host.is_empty() || host.contains(odd) {
        return None;
    }
    if port.is_empty() {
        return Some((host, default_port));
    }
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some((host, port))
}

impl fmt::Display for RedisServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(address) => f.write_str(address),
            Self::Cluster(addresses) => write!(f, "cluster of {}", addresses.join(", ")),
            Self::Sentinel { sentinels, primary, .. } => write!(f, "{primary} of sentinels {}", sentinels.join(", ")),
        }
    }
}

// Written by hand, for passwords and keys have no place in a log.

impl fmt::Debug for RedisServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTls")
            .field("authorities", &self.authorities.len())
            .field("system_authorities", &self.system_authorities)
            .field("identity", &self.identity)
            .finish()
    }
}

impl fmt::Debug for RedisIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisIdentity")
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("servers", &self.servers)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| ".."))
            .field("database", &self.database)
            .field("tls", &self.tls)
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("ping_interval", &self.ping_interval)
            .field("turn_timeout", &self.turn_timeout)
            .field("first_retry", &self.first_retry)
            .field("longest_retry", &self.longest_retry)
            .field("fail_after", &self.fail_after)
            .field("publish_buffer", &self.publish_buffer)
            .field("largest_message", &self.largest_message)
            .field("while_down", &self.while_down)
            .finish()
    }
}
