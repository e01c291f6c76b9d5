//! What can go wrong with a schema registry, and what to do about it.

use std::time::Duration;

use crate::serde::SerdeError;

/// Why a schema could not be had. Each names the subject or id, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The configuration is wrong.
    #[error("the schema registry's configuration: {0}")]
    Config(String),
    /// Nothing that could be used came back, however often it was asked.
    #[error(
        "the schema registry at {url} did not answer about {object} in {attempts} attempts: {reason}; check that it runs \
         and that the address is right"
    )]
    Unreachable {
        /// The schema or subject that it was asked about.
        object: String,
        /// Where it was asked.
        url: String,
        /// How often it was asked.
        attempts: u32,
        /// What happened the last time.
        reason: String,
    },
    /// The registry does not accept the credentials.
    #[error(
        "the schema registry at {url} refused to answer about {object} ({status}): check the user and password, token or \
         client certificate"
    )]
    Unauthorized {
        /// The schema or subject that it was asked about.
        object: String,
        /// Where it was asked.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// There is no schema of this id.
    #[error(
        "the schema registry at {url} knows no schema {id}: the record was written with another registry, or is not \
         in the registry's format"
    )]
    UnknownSchema {
        /// The id in the record.
        id: u32,
        /// Where it was asked.
        url: String,
    },
    /// There is nothing under this subject.
    #[error(
        "nothing is registered under subject {subject}: register its schema, or write with `WriteSchema::Register`"
    )]
    UnknownSubject {
        /// The subject.
        subject: String,
    },
    /// The schema is not there under this subject.
    #[error(
        "the schema is not registered under subject {subject} ({reason}): register it, or write with \
         `WriteSchema::Register`"
    )]
    NotRegistered {
        /// The subject.
        subject: String,
        /// What the registry says.
        reason: String,
    },
    /// The subject's compatibility rule does not allow the schema.
    #[error(
        "the schema is not compatible with those of subject {subject} ({reason}): change the schema, or the subject's \
         compatibility level"
    )]
    Incompatible {
        /// The subject.
        subject: String,
        /// What the registry says.
        reason: String,
    },
    /// A schema of the registry is not what it should be.
    #[error("schema {id}: {reason}")]
    Schema {
        /// The schema's id.
        id: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// A schema refers to too many others.
    #[error("a schema refers to more than {limit} others, among them {subject}")]
    TooManyReferences {
        /// The subject that was one too many.
        subject: String,
        /// How many are allowed.
        limit: usize,
    },
    /// The registry refused, for a reason of its own.
    #[error("the schema registry refused {object} ({status}, code {code}): {message}")]
    Refused {
        /// The schema or subject that it was asked about.
        object: String,
        /// The HTTP status.
        status: u16,
        /// The registry's code.
        code: i64,
        /// What it says.
        message: String,
    },
}

impl RegistryError {
    /// The error of the serde `serde` that had to ask.
    pub(crate) fn of_serde(self, serde: &'static str) -> SerdeError {
        match self {
            Self::Unreachable { .. } | Self::Unauthorized { .. } => {
                SerdeError::of_surroundings(serde, self)
            }
            _ => SerdeError::new(serde, self),
        }
    }

    /// How long to take it for an answer before asking again, so that bad records do not become requests.
    pub(super) fn lasts(&self) -> Duration {
        match self {
            Self::Unreachable { .. } => Duration::from_secs(1),
            _ => Duration::from_secs(30),
        }
    }
}
