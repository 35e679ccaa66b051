//! Certificates for a server.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// An authority with a certificate for one server, made for a test.
#[derive(Debug)]
pub struct Authority {
    authority: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// Makes one that nobody trusts yet.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().expect("a key");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate =
            CertificateParams::new(names).expect("names").signed_by(&key, &issuer).expect("a certificate");
        Self { authority: authority.der().to_vec(), certificate: certificate.der().to_vec(), key: key.serialize_der() }
    }

    /// The authority's certificate, in DER.
    pub fn der(&self) -> Vec<u8> {
        self.authority.clone()
    }

    /// The authority's certificate, in PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.authority)
    }

    /// Writes what a server needs into a directory.
    pub(crate) fn write(&self, directory: &Path) {
        let write = |name: &str, text: String| std::fs::write(directory.join(name), text).expect("a file");
        write("authority.pem", self.pem());
        write("certificate.pem", pem("CERTIFICATE", &self.certificate));
        write("key.pem", pem("PRIVATE KEY", &self.key));
    }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
