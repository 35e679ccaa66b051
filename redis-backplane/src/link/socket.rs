//! A socket to a server, over TCP or TLS.

use std::fmt;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::DialError;
use super::connection::Connector;

/// A connected socket.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// After how long without a packet, how often, and how many times the other side's system is asked whether it is there: a
/// machine or a cable that is gone is noticed within 5 s. A server that stands still is there: its system answers.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(2), Duration::from_secs(1), 3);

impl Connector {
    pub(super) async fn socket(&self, host: &str, port: u16) -> Result<Box<dyn Socket>, DialError> {
        let not_there =
            |what: &str, why: &dyn fmt::Display| DialError::NotThere(format!("{what} {host}:{port}: {why}"));
        let socket =
            TcpStream::connect((host, port)).await.map_err(|error| not_there("could not connect to", &error))?;
        self.set_options(&socket);
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            use tokio_rustls::rustls::{Error, pki_types::ServerName};

            let name = ServerName::try_from(host.to_owned()).map_err(|error| {
                DialError::Refused(format!("{host} is no name that a certificate can have: {error}"))
            })?;
            // Who does not speak TLS may wait for more. Before the time for all of it is over, which says nothing of why.
            let limit = self.connect_timeout * 3 / 4;
            let socket = tokio::time::timeout(limit, tls.connect(name, socket)).await.map_err(|_| {
                let why = format!("there was no answer within {limit:?}. Does it speak TLS? Without, it is `redis`");
                not_there("could not speak TLS (`rediss`) with", &why)
            })?;
            let socket = socket.map_err(|error| {
                let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
                match cause {
                    Some(cause @ Error::InvalidCertificate(_)) => DialError::Refused(format!(
                        "the certificate of {host}:{port} is not trusted: {cause}. Put its authority into \
                         `RedisTls::authorities`, and dial the name that it is made for"
                    )),
                    Some(cause @ Error::InvalidMessage(_)) => DialError::Refused(format!(
                        "{host}:{port} does not speak TLS ({cause}): is it the right port? Without TLS it is `redis` in \
                         the place of `rediss`, or `tls: None`"
                    )),
                    // Redis takes what TLS begins with for a command that it does not know, or for an attack.
                    _ => not_there(
                        "could not speak TLS (`rediss`) with",
                        &format_args!("{error}. Does it speak TLS? Without, it is `redis`"),
                    ),
                }
            })?;
            return Ok(Box::new(socket));
        }
        Ok(Box::new(socket))
    }

    /// A socket that is gone already needs no option, and one that has none works.
    fn set_options(&self, socket: &TcpStream) {
        // Small messages are what this is about.
        let _ = socket.set_nodelay(true);
        let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE.0);
        #[cfg(any(target_os = "freebsd", target_os = "linux", target_os = "macos", windows))]
        let keep_alive = keep_alive.with_interval(KEEP_ALIVE.1).with_retries(KEEP_ALIVE.2);
        let socket = SockRef::from(socket);
        let _ = socket.set_tcp_keepalive(&keep_alive);
        // What was sent is asked about, too.
        #[cfg(any(target_os = "android", target_os = "linux"))]
        let _ = socket.set_tcp_user_timeout(Some(self.response_timeout));
    }
}
