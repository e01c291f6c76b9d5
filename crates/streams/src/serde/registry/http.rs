//! Requests to a registry: sent again where it did not answer, with a limit to their number, time and size.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::Agent;

use super::address::Address;
use super::{RegistryConfig, RegistryError};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// The largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 8 * 1024 * 1024;

/// The pause after each address has failed once; it doubles with each further attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// The HTTP client of one registry.
pub(super) struct Client {
    agent: Agent,
    addresses: Vec<Address>,
    /// Which of them answered last: the next request begins there.
    last: AtomicUsize,
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
    pub(super) fn into_error(self, object: Object<'_>) -> RegistryError {
        RegistryError::Refused {
            object: object.to_string(),
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

/// What is asked about, as errors name it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Object<'a> {
    Schema(u32),
    Subject(&'a str),
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(id) => write!(f, "schema {id}"),
            Self::Subject(subject) => write!(f, "subject {subject}"),
        }
    }
}

impl Client {
    pub(super) fn new(config: RegistryConfig) -> Result<Self, RegistryError> {
        let mut agent = Agent::config_builder()
            .timeout_global(Some(config.timeout))
            .http_status_as_error(false)
            .max_redirects(3);
        let mut urls = config.addresses.iter().map(|address| &address.url);
        let known = |url: &&String| url.starts_with("http://") || url.starts_with("https://");
        if let Some(unknown) = urls.clone().find(|url| !known(url)) {
            let reason =
                format!("its address {unknown:?} begins with neither http:// nor https://");
            return Err(RegistryError::Config(reason));
        }
        if urls.any(|url| url.starts_with("https://")) {
            agent = agent.tls_config(config.tls.config()?);
        }
        Ok(Self {
            agent: agent.build().into(),
            attempts: config.attempts.max(config.addresses.len() as u32),
            addresses: config.addresses,
            last: AtomicUsize::new(0),
            authorization: config.authorization,
        })
    }

    /// The addresses, for errors.
    pub(super) fn url(&self) -> String {
        let urls: Vec<_> = self.addresses.iter().map(|at| at.url.as_str()).collect();
        urls.join(",")
    }

    pub(super) fn get<T: DeserializeOwned>(
        &self,
        object: Object<'_>,
        path: &str,
    ) -> Result<Answer<T>, RegistryError> {
        self.ask(object, path, None)
    }

    pub(super) fn post<T: DeserializeOwned>(
        &self,
        object: Object<'_>,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, RegistryError> {
        let body =
            serde_json::to_vec(body).map_err(|error| RegistryError::Config(error.to_string()))?;
        self.ask(object, path, Some(&body))
    }

    /// Asks until there is an answer, each time the next address, and each address once before it waits.
    fn ask<T: DeserializeOwned>(
        &self,
        object: Object<'_>,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<Answer<T>, RegistryError> {
        let mut reason = String::new();
        let first = self.last.load(Ordering::Relaxed);
        let addresses = self.addresses.iter().enumerate().cycle().skip(first);
        for (attempt, (index, address)) in (0..self.attempts).zip(addresses) {
            if let Some(again) = attempt.checked_sub(self.addresses.len() as u32) {
                sleep(PAUSE * 2_u32.pow(again.min(5)));
            }
            match self.send(address, path, body) {
                Ok((status @ (401 | 403), _)) => {
                    return Err(RegistryError::Unauthorized {
                        object: object.to_string(),
                        url: address.url.clone(),
                        status,
                    });
                }
                Ok((status @ (429 | 500..), body)) => {
                    reason = format!("status {status}, {}", refusal(status, &body).message);
                }
                Ok((200..300, body)) => match serde_json::from_slice(&body) {
                    Ok(answer) => {
                        self.last.store(index, Ordering::Relaxed);
                        return Ok(Answer::Ok(answer));
                    }
                    Err(error) => reason = format!("an answer that is not a registry's: {error}"),
                },
                Ok((status, body)) => {
                    self.last.store(index, Ordering::Relaxed);
                    return Ok(Answer::Refused(refusal(status, &body)));
                }
                Err(error) => reason = error.to_string(),
            }
            tracing::warn!(
                url = address.url,
                path,
                attempt,
                reason,
                "the schema registry did not answer"
            );
        }
        Err(RegistryError::Unreachable {
            object: object.to_string(),
            url: self.url(),
            attempts: self.attempts,
            reason,
        })
    }

    fn send(
        &self,
        address: &Address,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<(u16, Vec<u8>), ureq::Error> {
        let url = format!("{}/{path}", address.url);
        let authorization = self
            .authorization
            .as_ref()
            .or(address.authorization.as_ref());
        let mut response = match body {
            None => {
                let mut request = self.agent.get(&url).header("Accept", CONTENT_TYPE);
                if let Some(authorization) = authorization {
                    request = request.header("Authorization", authorization);
                }
                request.call()?
            }
            Some(body) => {
                let request = self.agent.post(&url).header("Accept", CONTENT_TYPE);
                let mut request = request.header("Content-Type", CONTENT_TYPE);
                if let Some(authorization) = authorization {
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
