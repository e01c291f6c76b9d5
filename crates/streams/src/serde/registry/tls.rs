//! TLS towards a registry: whom to trust, and who we are.

use std::fmt;
use std::sync::Arc;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::RegistryError;

/// What a user gave, in PEM.
#[derive(Clone, Default)]
pub(super) struct TlsFiles {
    pub(super) authorities: Vec<u8>,
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl TlsFiles {
    /// How connections are made.
    pub(super) fn config(&self) -> Result<TlsConfig, RegistryError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(TlsConfig::builder()
            .root_certs(self.roots()?)
            .client_cert(self.client()?)
            .unversioned_rustls_crypto_provider(provider)
            .build())
    }

    /// The certificates to trust: those given, or the system's.
    fn roots(&self) -> Result<RootCerts, RegistryError> {
        if self.authorities.is_empty() {
            let native = rustls_native_certs::load_native_certs();
            let certificates = native
                .certs
                .iter()
                .map(|der| Certificate::from_der(der).to_owned());
            return Ok(RootCerts::from(certificates.collect::<Vec<_>>()));
        }
        let certificates = certificates("certificate authorities", &self.authorities)?;
        Ok(RootCerts::from(certificates))
    }

    /// The certificate to show, if there is one.
    fn client(&self) -> Result<Option<ClientCert>, RegistryError> {
        if self.certificate.is_empty() && self.key.is_empty() {
            return Ok(None);
        }
        let chain = certificates("client certificate", &self.certificate)?;
        let key = PrivateKey::from_pem(&self.key)
            .map_err(|error| failed("client certificate's key", &error))?;
        Ok(Some(ClientCert::new_with_certs(&chain, key)))
    }
}

/// All certificates in a text, at least one.
fn certificates(what: &str, pem: &[u8]) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| failed(what, &error))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(failed(what, &"there is no certificate in it"));
    }
    Ok(certificates)
}

fn failed(what: &str, reason: &dyn fmt::Display) -> RegistryError {
    RegistryError::Config(format!("its {what}: {reason}"))
}
