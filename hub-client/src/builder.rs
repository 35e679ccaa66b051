//! How a connection is made.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use hub_core::{Callbacks, Codec, InvalidOption};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::attempt::Connector;
use crate::calls::Calls;
use crate::connection::Connection;
use crate::cookies::Cookies;
use crate::dial::Dialer;
use crate::driver::Driver;
use crate::error::ConnectError;
use crate::handlers::{Handlers, NoticeInbox, Unanswered};
use crate::inbox::Scales;
use crate::lifecycle::Lifecycle;
use crate::on::Handler;
use crate::options::{Options, WhileReconnecting};
use crate::polled::{Arrivals, Polled};
use crate::proxy::Proxies;
use crate::reconnect::Reconnect;
use crate::state::Shared;
use crate::teller::Teller;
use crate::token::Tokens;
use crate::trust::Trust;
use crate::uploads::Uploads;
use crate::url::Url;
use crate::{callbacks, on};

/// How many notices may wait for their handlers before the client reads no more.
const NOTICE_BUFFER: usize = 1024;

/// Where proxies are named.
enum ProxyOption {
    Environment,
    One(String),
    None,
}

/// Collects how a connection is to be made; [`connect`](Self::connect) makes it. From [`Connection::builder`].
///
/// What is wrong with an option is reported by [`connect`](Self::connect), before anything is dialled.
#[must_use = "nothing is connected before `connect`"]
pub struct Builder {
    url: String,
    codec: Codec,
    headers: Vec<(String, String)>,
    trusted: Vec<String>,
    roots: Vec<Vec<u8>>,
    proxy: ProxyOption,
    tokens: Tokens,
    skip_negotiation: bool,
    reconnect: Reconnect,
    options: Options,
    handlers: Arc<Handlers>,
}

impl Builder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            codec: Codec::Json,
            headers: Vec::new(),
            trusted: Vec::new(),
            roots: Vec::new(),
            proxy: ProxyOption::Environment,
            tokens: Tokens::None,
            skip_negotiation: false,
            reconnect: Reconnect::never(),
            options: Options::default(),
            handlers: Arc::default(),
        }
    }

    /// What the hub may call: a value whose methods are exposed by [`#[callbacks]`](macro@crate::callbacks).
    pub fn callbacks(self, callbacks: impl Callbacks) -> Self {
        callbacks::register(&self.handlers, callbacks);
        self
    }

    /// A handler for calls of this name, as by [`Connection::on`], from the first message on.
    pub fn on<A>(self, name: &str, handler: impl Handler<A>) -> Self {
        on::register(&self.handlers, name, handler).keep();
        self
    }

    /// The protocol: JSON, unless said otherwise.
    pub fn protocol(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Sends this token with every request to the hub's host, as `Authorization: Bearer`. To others only where
    /// [`trust_host`](Self::trust_host) says so.
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.tokens = Tokens::Fixed(token.into());
        self
    }

    /// Asks for a token at every negotiation, and once more when a token is not accepted any longer (P-AUTH-05). An empty
    /// one is as good as none. A provider that fails, or panics, fails the attempt.
    pub fn access_token_provider<F, T, E>(mut self, provide: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Into<String>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.tokens = Tokens::provider(provide);
        self
    }

    /// Sends this header with every request to the hub's host. To others only where [`trust_host`](Self::trust_host) says
    /// so.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Lets this host, by its name or address, on any port, have the token and the headers that were given for the hub,
    /// should the server redirect to it.
    ///
    /// A negotiation may be answered with the address of another server (P-NEG-14), as hosted services do. Within the hub's
    /// host that is followed with everything. Another host is asked with the token that came with its address, if one did,
    /// and its own cookies, and with nothing else, unless it is named here. HTTP redirects (307 and its like) to other
    /// hosts are only followed where these are named. Nothing leads from a secure address to one that is not.
    pub fn trust_host(mut self, host: impl Into<String>) -> Self {
        self.trusted.push(host.into());
        self
    }

    /// Trusts this certificate, in DER, beside those of the system.
    #[cfg(feature = "tls")]
    pub fn root_certificate(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.roots.push(der.into());
        self
    }

    /// Goes through this proxy, whatever the environment says, `NO_PROXY` included: `http` or `https`, port 80 or 443
    /// unless said otherwise, and with a user and a password if it asks for them: `http://user:password@proxy:3128`.
    ///
    /// Without this option the environment is asked as curl asks it: `HTTPS_PROXY` for `https` and `wss`, `HTTP_PROXY`
    /// for `http` and `ws`, else `ALL_PROXY`; not for the domains, addresses and networks (`10.0.0.0/8`) in `NO_PROXY`,
    /// `*` being all of them. Lower case goes before upper case. Of CGI programs, which have a `REQUEST_METHOD`,
    /// `HTTP_PROXY` is not asked: there it comes from the request.
    ///
    /// Negotiations and WebSockets alike go through a tunnel (`CONNECT`), which a proxy may refuse for other ports than
    /// 443: [`ConnectError::Proxy`].
    pub fn proxy(mut self, address: impl Into<String>) -> Self {
        self.proxy = ProxyOption::One(address.into());
        self
    }

    /// Goes through no proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = ProxyOption::None;
        self
    }

    /// Opens the WebSocket at once. It spares a round trip and sticky sessions; there is no connection id then
    /// (P-NEG-20).
    pub fn skip_negotiation(mut self) -> Self {
        self.skip_negotiation = true;
        self
    }

    /// When a lost connection is tried again: never, unless said otherwise (P-CLI-02). It does not apply to the first
    /// attempt (P-CLI-03). No delay is longer than a day, and one that doubles is 1 ms at least.
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = policy;
        self
    }

    /// What becomes of calls while there is no connection yet, or none at the moment: they are refused, unless said
    /// otherwise.
    pub fn while_reconnecting(mut self, calls: WhileReconnecting) -> Self {
        self.options.while_reconnecting = calls;
        self
    }

    /// After how long a silence a ping is sent: 15 s. To be less than half of what the server waits for (P-PING-11).
    pub fn keep_alive_interval(mut self, interval: Duration) -> Self {
        self.options.keep_alive_interval = interval;
        self
    }

    /// How long the server may be silent: 30 s (P-LIM-05).
    pub fn server_timeout(mut self, timeout: Duration) -> Self {
        self.options.server_timeout = timeout;
        self
    }

    /// How long the server may take to answer the handshake: 15 s (P-HS-18).
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.options.handshake_timeout = timeout;
        self
    }

    /// How long the negotiation, and then the upgrade to a WebSocket, may take: 100 s each (P-LIM-20).
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request_timeout = timeout;
        self
    }

    /// How long the end of a connection may take when the server does not answer: 5 s (P-LIM-14). And how long events
    /// wait for the handlers of the notices that came before them, the end among them.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.options.close_timeout = timeout;
        self
    }

    /// The largest message that is accepted, in bytes with its separator or length prefix: 16 MiB (P-CLI-09). It is that of
    /// a hub message; a WebSocket message may hold many of them. A larger one ends the connection
    /// ([`Ended::Protocol`](crate::Ended::Protocol)). The answer to the handshake has a limit of its own, 32 KiB.
    pub fn receive_limit(mut self, bytes: usize) -> Self {
        self.options.receive_limit = bytes;
        self
    }

    /// How many items of a stream may wait to be read: 64.
    ///
    /// Then nothing more is read from the socket until half of them are taken (P-STR-10), and the hub is slowed down;
    /// what it sends beside the stream waits as well. While a call waits for its answer, or another stream for items,
    /// the client reads on, for whoever reads the stream may be the one who waits; up to 16 MiB of the stream.
    pub fn stream_buffer(mut self, items: usize) -> Self {
        self.options.stream_buffer = items;
        self
    }

    /// How many bytes of calls may wait to be sent: 1 MiB. Who calls more waits for room.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.options.send_buffer = bytes;
        self
    }

    /// Connects: negotiation, WebSocket, handshake. It is to be called in a tokio runtime with IO and time, which drives the
    /// connection from then on.
    ///
    /// # Errors
    /// [`ConnectError::Option`] for an option outside of its range; else which of the steps failed.
    pub async fn connect(self) -> Result<Connection, ConnectError> {
        let patience = self.close_patience();
        let Prepared { connection, mut lifecycle, handlers, notices } = self.prepare(|_| None)?;
        let link = lifecycle.connector.attempt().await?;
        lifecycle.shared.connected(link.id.clone());
        connection.runs_on(Handle::current());
        let teller = Teller::new(Arc::clone(&lifecycle.shared), Arc::clone(&notices), patience);
        tokio::spawn(teller.run());
        tokio::spawn(handlers.serve(notices));
        tokio::spawn(lifecycle.run(link));
        Ok(connection)
    }

    /// Begins to connect, on a thread that this starts, and returns at once: for game loops, graphical interfaces, and
    /// other programs without a runtime. See [`Polled`].
    ///
    /// # Errors
    /// An option outside of its range, or [`ConnectError::Unreachable`] where there can be no thread. Whatever fails
    /// later is an event: [`Event::Closed`](crate::Event::Closed).
    pub fn connect_polled<S: 'static>(self) -> Result<Polled<S>, ConnectError> {
        Polled::start(self)
    }

    pub(crate) fn close_patience(&self) -> Duration {
        self.options.close_timeout
    }

    /// Checks the options, and makes everything but the connection. What comes goes where `arrivals` says.
    pub(crate) fn prepare(
        self,
        arrivals: impl FnOnce(&Arc<NoticeInbox>) -> Option<Arc<Arrivals>>,
    ) -> Result<Prepared, InvalidOption> {
        self.options.check()?;
        self.reconnect.check()?;
        self.tokens.check()?;
        let url = Url::parse(&self.url)?;
        let headers = headers(&self.headers)?;
        let proxies = match self.proxy {
            ProxyOption::Environment => Proxies::environment(),
            ProxyOption::One(address) => Proxies::one(&address)?,
            ProxyOption::None => Proxies::None,
        };
        let dialer = Dialer::new(&url, &self.roots, proxies)?;
        let options = Arc::new(self.options);
        let connector = Connector {
            trust: Trust::new(&url, &self.trusted)?,
            dialer,
            url,
            codec: self.codec,
            headers,
            tokens: self.tokens,
            skip_negotiation: self.skip_negotiation,
            cookies: Cookies::default(),
            session_options: Arc::new(options.session(self.codec)),
            options: Arc::clone(&options),
        };
        let notices = Arc::new(NoticeInbox::new(NOTICE_BUFFER));
        let arrivals = arrivals(&notices);
        let shared = Arc::new(Shared::new(arrivals.clone()));
        let room = Arc::new(Semaphore::new(options.send_buffer));
        let (to_driver, commands) = mpsc::unbounded_channel();
        let driver = Driver {
            codec: self.codec,
            commands,
            waiting: VecDeque::new(),
            to_self: to_driver.downgrade(),
            calls: Calls::default(),
            uploads: Uploads::default(),
            handlers: Arc::clone(&self.handlers),
            notices: Arc::clone(&notices),
            unanswered: Unanswered::default(),
            scales: Scales::default(),
            read: 0,
            arrivals,
            pressed: false,
            epoch: 0,
            server_timeout: options.server_timeout,
            flushing: Vec::new(),
        };
        let lifecycle = Lifecycle {
            connector,
            driver,
            reconnect: self.reconnect,
            shared: Arc::clone(&shared),
            room: Arc::clone(&room),
        };
        let handlers = Arc::clone(&self.handlers);
        let connection = Connection::new(to_driver, room, shared, self.handlers, self.codec, options);
        Ok(Prepared { connection, lifecycle, handlers, notices })
    }
}

/// A connection that nobody has begun to make.
pub(crate) struct Prepared {
    pub(crate) connection: Connection,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) notices: Arc<NoticeInbox>,
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, InvalidOption> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        // Without the value, which may be a secret.
        let refuse = |range| InvalidOption::new("header", format_args!("`{name}`"), range);
        let name = HeaderName::try_from(name.as_str()).map_err(|_| refuse("a name of letters, digits and `-`"))?;
        let value = HeaderValue::try_from(value.as_str()).map_err(|_| refuse("a value without control characters"))?;
        headers.append(name, value);
    }
    Ok(headers)
}
