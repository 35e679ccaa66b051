//! A socket to a server, through a proxy where there is one, with TLS where the address says so.

use std::fmt;

use hub_core::InvalidOption;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::error::ConnectError;
use crate::proxy::Proxies;
use crate::url::Url;

/// A connected socket.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// How sockets are opened.
#[derive(Clone)]
pub(crate) struct Dialer {
    proxies: Proxies,
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
    pub(crate) fn new(url: &Url, roots: &[Vec<u8>], proxies: Proxies) -> Result<Self, InvalidOption> {
        // Reading the system's certificates takes its time. A redirect to https has them read then.
        let tls = (url.secure || !roots.is_empty()).then(|| connector(roots)).transpose()?;
        Ok(Self { proxies, tls })
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) fn new(_: &Url, _: &[Vec<u8>], proxies: Proxies) -> Result<Self, InvalidOption> {
        Ok(Self { proxies })
    }

    pub(crate) async fn dial(&self, url: &Url) -> Result<Box<dyn Socket>, ConnectError> {
        let Some(proxy) = self.proxies.of(url)? else {
            return self.open(url).await.map_err(ConnectError::Unreachable);
        };
        let to_proxy = self
            .open(&proxy.url)
            .await
            .map_err(|why| ConnectError::Proxy { status: None, text: format!("{proxy} cannot be reached: {why}") })?;
        let socket = proxy.tunnel(to_proxy, url).await?;
        self.secure(url, socket).await.map_err(ConnectError::Unreachable)
    }

    /// Opens a socket to an address itself.
    async fn open(&self, url: &Url) -> Result<Box<dyn Socket>, String> {
        let (host, port) = url.socket();
        let socket = TcpStream::connect((host, port))
            .await
            .map_err(|error| format!("Unable to connect to {host}:{port}: {error}"))?;
        // Small messages are what this is about. A socket that is gone already needs no option.
        let _ = socket.set_nodelay(true);
        self.secure(url, Box::new(socket)).await
    }

    /// Speaks TLS on a socket where the address says so.
    async fn secure(&self, url: &Url, socket: Box<dyn Socket>) -> Result<Box<dyn Socket>, String> {
        if !url.secure {
            return Ok(socket);
        }
        let (host, port) = url.socket();
        let failed = |why: &dyn fmt::Display| format!("Unable to speak TLS with {host}:{port}: {why}");
        #[cfg(feature = "tls")]
        {
            let tls = match &self.tls {
                Some(tls) => tls.clone(),
                None => connector(&[]).map_err(|error| failed(&error))?,
            };
            let name = tokio_rustls::rustls::pki_types::ServerName::try_from(host.to_owned())
                .map_err(|error| failed(&error))?;
            match tls.connect(name, socket).await {
                Ok(socket) => Ok(Box::new(socket)),
                Err(error) if is_untrusted(&error) => Err(format!(
                    "Unable to trust {host}:{port}: {error}. Its certificate, or who issued it, may be named by \
                     `root_certificate`."
                )),
                Err(error) => Err(failed(&error)),
            }
        }
        #[cfg(not(feature = "tls"))]
        Err(failed(&"the feature `tls` is off"))
    }
}

/// What speaks TLS. `roots` are trusted beside those of the system.
#[cfg(feature = "tls")]
fn connector(roots: &[Vec<u8>]) -> Result<tokio_rustls::TlsConnector, InvalidOption> {
    use std::sync::Arc;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

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
    Ok(Arc::new(config).into())
}

/// Whether TLS failed because nobody whom we trust vouches for the server.
#[cfg(feature = "tls")]
fn is_untrusted(error: &std::io::Error) -> bool {
    use tokio_rustls::rustls::{CertificateError, Error};

    let error = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    matches!(error, Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)))
}
