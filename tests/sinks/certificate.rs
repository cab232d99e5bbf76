//! A certificate for localhost that nobody trusts unless told to.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub struct Certificate {
    pub server: Arc<rustls::ServerConfig>,
    /// What a client has to trust.
    pub ca: PathBuf,
    _directory: tempfile::TempDir,
}

impl Certificate {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        std::fs::write(&ca, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self { server: Arc::new(server), ca, _directory: directory }
    }

    /// Speaks TLS as a server on a connection that was just accepted.
    pub fn accept<S: std::io::Read + std::io::Write>(
        &self,
        stream: S,
    ) -> rustls::StreamOwned<rustls::ServerConnection, S> {
        let connection = rustls::ServerConnection::new(Arc::clone(&self.server)).unwrap();
        rustls::StreamOwned::new(connection, stream)
    }
}
