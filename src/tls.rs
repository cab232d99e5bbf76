//! Whom a client trusts: the well-known certificate authorities, or those in a file instead.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// TLS that cannot be used as configured. No connection was made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of trusted certificates.
    #[error("cannot use the certificates in {path}: {why}")]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// This build has no cipher that is safe by default.
    #[error("TLS cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// A TLS client that trusts the authorities in `ca`, or the well-known ones.
pub(crate) fn client(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => add(&mut roots, path)
            .map_err(|why| TlsError::Certificates { path: path.to_owned(), why })?,
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    match roots.is_empty() {
        true => Err("it holds no certificate in PEM form".into()),
        false => Ok(()),
    }
}
