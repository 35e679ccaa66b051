//! A socket to a server, with TLS where the address says so.

use std::fmt;

use hub_core::InvalidOption;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::error::ConnectError;
use crate::url::Url;

/// A connected socket.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// How sockets are opened.
#[derive(Clone, Default)]
pub(crate) struct Dialer {
    #[cfg(feature = "tls")]
    tls: Option<tokio_rustls::TlsConnector>,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialer")
    }
}

impl Dialer {
    /// `roots` are trusted beside those of the system.
    #[cfg(feature = "tls")]
    pub(crate) fn new(url: &Url, roots: &[Vec<u8>]) -> Result<Self, InvalidOption> {
        use std::sync::Arc;
        use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

        if !url.secure && roots.is_empty() {
            // Reading the system's certificates takes its time. A redirect to https has them read then.
            return Ok(Self::default());
        }
        let mut store = RootCertStore::empty();
        // Those that cannot be read are not trusted: the error comes with the server's certificate.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for root in roots {
            store
                .add(root.clone().into())
                .map_err(|error| InvalidOption::new("root_certificate", error, "an X.509 certificate in DER"))?;
        }
        // The provider is named: a process may have several, and no default.
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| InvalidOption::new("root_certificate", error, "usable by TLS 1.2 or 1.3"))?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self { tls: Some(Arc::new(config).into()) })
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) fn new(_: &Url, _: &[Vec<u8>]) -> Result<Self, InvalidOption> {
        Ok(Self::default())
    }

    pub(crate) async fn dial(&self, url: &Url) -> Result<Box<dyn Socket>, ConnectError> {
        let (host, port) = url.socket();
        let unreachable = |what: &str, why: &dyn fmt::Display| {
            ConnectError::Unreachable(format!("Unable to {what} {host}:{port}: {why}"))
        };
        let socket = TcpStream::connect((host, port)).await.map_err(|error| unreachable("connect to", &error))?;
        // Small messages are what this is about. A socket that is gone already needs no option.
        let _ = socket.set_nodelay(true);
        if !url.secure {
            return Ok(Box::new(socket));
        }
        #[cfg(feature = "tls")]
        {
            let tls = match &self.tls {
                Some(tls) => tls.clone(),
                None => Self::new(url, &[])?.tls.ok_or_else(|| unreachable("speak TLS with", &"it is off"))?,
            };
            let name = tokio_rustls::rustls::pki_types::ServerName::try_from(host.to_owned())
                .map_err(|error| unreachable("name", &error))?;
            match tls.connect(name, socket).await {
                Ok(socket) => Ok(Box::new(socket)),
                Err(error) if is_untrusted(&error) => Err(unreachable(
                    "trust",
                    &format_args!("{error}. Its certificate, or who issued it, may be named by `root_certificate`."),
                )),
                Err(error) => Err(unreachable("speak TLS with", &error)),
            }
        }
        #[cfg(not(feature = "tls"))]
        Err(unreachable("speak TLS with", &"the feature `tls` is off"))
    }
}

/// Whether TLS failed because nobody whom we trust vouches for the server.
#[cfg(feature = "tls")]
fn is_untrusted(error: &std::io::Error) -> bool {
    use tokio_rustls::rustls::{CertificateError, Error};

    let error = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    matches!(error, Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)))
}
