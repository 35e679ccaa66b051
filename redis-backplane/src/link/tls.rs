//! TLS of the options to TLS on a socket.

#[cfg(feature = "tls")]
mod with_rustls {
    use std::sync::Arc;

    use hub_core::InvalidOption;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

    use crate::options::RedisTls;

    pub(crate) fn connector(tls: &RedisTls) -> Result<TlsConnector, InvalidOption> {
        let mut store = RootCertStore::empty();
        if tls.system_authorities {
            // Those that cannot be read are not trusted: the error comes with the server's certificate.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        for authority in &tls.authorities {
            for certificate in certificates("authorities", authority)? {
                store
                    .add(certificate)
                    .map_err(|error| InvalidOption::new("authorities", error, "X.509 certificates in PEM or DER"))?;
            }
        }
        // The provider is named: a process may have several, and no default.
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| InvalidOption::new("tls", error, "usable by TLS 1.2 or 1.3"))?
            .with_root_certificates(store);
        let config = match &tls.identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let chain = certificates("identity", &identity.certificate)?;
                let key = private_key(&identity.key)?;
                config
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| InvalidOption::new("identity", error, "a certificate and its own key"))?
            }
        };
        Ok(Arc::new(config).into())
    }

    fn certificates(option: &'static str, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, InvalidOption> {
        if !is_pem(bytes) {
            return Ok(vec![bytes.to_vec().into()]);
        }
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) => Err(InvalidOption::new(option, "without a certificate", "X.509 certificates in PEM or DER")),
            Err(error) => Err(InvalidOption::new(option, error, "X.509 certificates in PEM or DER")),
        }
    }

    fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, InvalidOption> {
        let refuse =
            |error: &dyn std::fmt::Display| InvalidOption::new("identity", error, "a private key in PEM or DER");
        if is_pem(bytes) {
            PrivateKeyDer::from_pem_slice(bytes).map_err(|error| refuse(&error))
        } else {
            PrivateKeyDer::try_from(bytes.to_vec()).map_err(|error| refuse(&error))
        }
    }

    fn is_pem(bytes: &[u8]) -> bool {
        bytes.windows(10).any(|window| window == b"-----BEGIN")
    }
}

#[cfg(feature = "tls")]
pub(crate) use self::with_rustls::connector;
