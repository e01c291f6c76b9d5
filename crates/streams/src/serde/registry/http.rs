//! Requests to a registry: sent again where it did not answer, with a limit to their number, time and size.

use std::fmt;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::{RegistryConfig, RegistryError};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 8 * 1024 * 1024;

/// The pause after the first attempt that failed; it doubles after each.
const PAUSE: Duration = Duration::from_millis(100);

/// The HTTP client of one registry.
pub(super) struct Client {
    agent: Agent,
    urls: Vec<String>,
    authorization: Option<String>,
    attempts: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

/// What a registry answered.
pub(super) enum Answer<T> {
    Ok(T),
    Refused(Refusal),
}

/// That, and why, a registry refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: i64,
    pub(super) message: String,
}

impl Refusal {
    /// The error for refusals that nobody expects; `object` is what was asked about.
    pub(super) fn into_error(self, object: String) -> RegistryError {
        RegistryError::Refused {
            object,
            status: self.status,
            code: self.code,
            message: self.message,
        }
    }
}

/// The body of a refusal.
#[derive(Deserialize)]
struct ErrorBody {
    error_code: i64,
    message: String,
}

/// The value of an `Authorization` header.
pub(super) fn basic_auth(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// A subject as a part of a path: everything that is not unreserved (RFC 3986) is percent-encoded.
pub(super) fn encode(subject: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    subject.bytes().map(encoded).collect()
}

/// The certificates to trust: those given, or the system's.
fn authorities(pem: &[u8]) -> Result<RootCerts, RegistryError> {
    let failed = |reason: &dyn fmt::Display| {
        RegistryError::Config(format!("its certificate authorities: {reason}"))
    };
    if pem.is_empty() {
        let native = rustls_native_certs::load_native_certs();
        let certificates = native
            .certs
            .iter()
            .map(|der| Certificate::from_der(der).to_owned());
        return Ok(RootCerts::from(certificates.collect::<Vec<_>>()));
    }
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| failed(&error))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(failed(&"there is no certificate in it"));
    }
    Ok(RootCerts::from(certificates))
}

impl Client {
    pub(super) fn new(config: RegistryConfig) -> Result<Self, RegistryError> {
        let mut agent = Agent::config_builder()
            .timeout_global(Some(config.timeout))
            .http_status_as_error(false)
            .max_redirects(3);
        let known = |url: &&String| {
            !["http://", "https://"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
        };
        if let Some(unknown) = config.urls.iter().find(known) {
            let reason =
                format!("its address {unknown:?} begins with neither http:// nor https://");
            return Err(RegistryError::Config(reason));
        }
        if config.urls.iter().any(|url| url.starts_with("https://")) {
            let tls = TlsConfig::builder()
                .root_certs(authorities(&config.authorities)?)
                .unversioned_rustls_crypto_provider(Arc::new(
                    rustls::crypto::ring::default_provider(),
                ));
            agent = agent.tls_config(tls.build());
        }
        Ok(Self {
            agent: agent.build().into(),
            urls: config.urls,
            authorization: config.authorization,
            attempts: config.attempts,
        })
    }

    /// The address, for errors.
    pub(super) fn url(&self) -> String {
        self.urls.join(",")
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, RegistryError> {
        self.ask(path, None)
    }

    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, RegistryError> {
        let body =
            serde_json::to_vec(body).map_err(|error| RegistryError::Config(error.to_string()))?;
        self.ask(path, Some(&body))
    }

    /// Asks until there is an answer, each time the next address.
    fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<Answer<T>, RegistryError> {
        let mut reason = String::new();
        let urls = self.urls.iter().cycle();
        for (attempt, url) in (0..self.attempts).zip(urls) {
            if attempt > 0 {
                sleep(PAUSE * 2_u32.pow((attempt - 1).min(5)));
            }
            match self.send(url, path, body) {
                Ok((status @ (401 | 403), _)) => {
                    let url = url.clone();
                    return Err(RegistryError::Unauthorized { url, status });
                }
                Ok((status @ (429 | 500..), body)) => {
                    reason = format!("status {status}, {}", refusal(status, &body).message);
                }
                Ok((200..300, body)) => match serde_json::from_slice(&body) {
                    Ok(answer) => return Ok(Answer::Ok(answer)),
                    Err(error) => reason = format!("an answer that is not a registry's: {error}"),
                },
                Ok((status, body)) => return Ok(Answer::Refused(refusal(status, &body))),
                Err(error) => reason = error.to_string(),
            }
            tracing::warn!(
                url,
                path,
                attempt,
                reason,
                "the schema registry did not answer"
            );
        }
        Err(RegistryError::Unreachable {
            url: self.url(),
            attempts: self.attempts,
            reason,
        })
    }

    fn send(
        &self,
        url: &str,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<(u16, Vec<u8>), ureq::Error> {
        let url = format!("{url}/{path}");
        let mut response = match body {
            None => {
                let mut request = self.agent.get(&url).header("Accept", CONTENT_TYPE);
                if let Some(authorization) = &self.authorization {
                    request = request.header("Authorization", authorization);
                }
                request.call()?
            }
            Some(body) => {
                let request = self.agent.post(&url).header("Accept", CONTENT_TYPE);
                let mut request = request.header("Content-Type", CONTENT_TYPE);
                if let Some(authorization) = &self.authorization {
                    request = request.header("Authorization", authorization);
                }
                request.send(body)?
            }
        };
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_vec()?;
        Ok((status, body))
    }
}

/// What a body that is no success says.
fn refusal(status: u16, body: &[u8]) -> Refusal {
    let (code, message) = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => (body.error_code, body.message),
        Err(_) => (i64::from(status), "without a reason".to_owned()),
    };
    Refusal {
        status,
        code,
        message,
    }
}
