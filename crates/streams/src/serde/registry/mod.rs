//! Schema registry: schemas by id, and ids by subject, over Confluent's REST interface.
//!
//! Owns the client, its caches and the framing of payloads. Never reads a schema: what one means is its serde's
//! business (`Avro`, `Protobuf` and `JsonSchema`, each behind a feature).
//!
//! A serde is synchronous and runs on a worker's thread, so the client is synchronous too: it needs no runtime of its
//! own, and may be called from within somebody else's. A schema is asked for once, when its first record comes; the
//! worker waits for the answer, at most the time-out times the number of attempts (15 s by default), far below the
//! time after which a consumer group would give its partitions to another member.

mod address;
mod binding;
mod error;
mod http;
mod lookups;
mod subjects;
mod tls;
pub(crate) mod wire;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use address::{Address, encode};
pub(crate) use binding::SchemaWriter;
pub use binding::{Binding, WriteSchema};
pub use error::RegistryError;
use http::{Answer, Client, Object};
pub(crate) use lookups::Lookups;
pub use subjects::{Role, Subjects};
use tls::TlsFiles;

/// How many schemas one registry, and one serde, keeps. Beyond it the oldest is asked for again.
pub(crate) const MAX_SCHEMAS: usize = 1000;

/// How many schemas one schema may refer to, directly and through others.
const MAX_REFERENCES: usize = 100;

/// The language of a schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SchemaType {
    /// Apache Avro, also where a registry names none.
    #[default]
    Avro,
    /// Protocol Buffers.
    Protobuf,
    /// JSON Schema.
    Json,
}

/// Another schema that a schema uses, under the name it uses it by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// The name within the schema.
    pub name: String,
    /// The subject it is registered under.
    pub subject: String,
    /// The version of the subject.
    pub version: i32,
}

/// A schema as a registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schema {
    /// The schema itself, in its language.
    #[serde(rename = "schema")]
    pub text: String,
    /// Its language.
    #[serde(rename = "schemaType", default)]
    pub schema_type: SchemaType,
    /// The schemas it uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

/// How to reach a registry.
#[derive(Clone)]
pub struct RegistryConfig {
    addresses: Vec<Address>,
    authorization: Option<String>,
    tls: TlsFiles,
    timeout: Duration,
    attempts: u32,
}

impl RegistryConfig {
    /// A registry at this address, or one of several, separated by commas. Confluent's `schema.registry.url`.
    ///
    /// An address may have a user and password in it, `https://user:password@host`, which only that address is given.
    pub fn new(url: &str) -> Self {
        Self {
            addresses: url.split(',').map(Address::new).collect(),
            authorization: None,
            tls: TlsFiles::default(),
            timeout: Duration::from_secs(5),
            attempts: 3,
        }
    }

    /// The user and password to give. Confluent's `basic.auth.user.info`.
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        self.authorization = Some(address::basic_auth(user, password));
        self
    }

    /// The token to give. Confluent's `bearer.auth.token`.
    pub fn bearer_auth(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }

    /// Certificates to trust instead of the system's, in PEM.
    pub fn certificate_authorities(mut self, pem: &[u8]) -> Self {
        self.tls.authorities = pem.to_vec();
        self
    }

    /// The certificate to show, with those that vouch for it, and its key, both in PEM: for registries that ask
    /// clients who they are (mutual TLS). Confluent's `schema.registry.ssl.keystore`.
    pub fn client_certificate(mut self, certificates: &[u8], key: &[u8]) -> Self {
        self.tls.certificate = certificates.to_vec();
        self.tls.key = key.to_vec();
        self
    }

    /// How long one attempt may take (5 s by default).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often to ask before a registry that does not answer, or answers that it cannot, counts as away (3 by
    /// default, and at least once at each address).
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The registry. Nothing is asked of it yet.
    pub fn build(self) -> Result<Registry, RegistryError> {
        Ok(Registry(Arc::new(Inner {
            client: Client::new(self)?,
            schemas: Lookups::new(MAX_SCHEMAS),
        })))
    }
}

impl fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryConfig")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

/// A schema registry. Clones are one registry, with one cache.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    client: Client,
    schemas: Lookups<u32, Arc<Schema>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.0.client).finish()
    }
}

/// What a registry says of a schema of a subject.
#[derive(Debug, Deserialize)]
struct Id {
    id: u32,
}

impl Registry {
    /// A registry at this address, without credentials.
    pub fn new(url: &str) -> Result<Self, RegistryError> {
        RegistryConfig::new(url).build()
    }

    /// For serdes of values.
    pub fn values(&self) -> Binding {
        Binding::new(self.clone(), Role::Value)
    }

    /// For serdes of keys.
    pub fn keys(&self) -> Binding {
        Binding::new(self.clone(), Role::Key)
    }

    /// The schema of this id: asked for once, and kept.
    pub fn schema(&self, id: u32) -> Result<Arc<Schema>, RegistryError> {
        self.0.schemas.get(&id, || {
            match self
                .0
                .client
                .get(Object::Schema(id), &format!("schemas/ids/{id}"))?
            {
                Answer::Ok(schema) => Ok(Arc::new(schema)),
                Answer::Refused(refusal) if refusal.status == 404 => {
                    Err(RegistryError::UnknownSchema {
                        id,
                        url: self.0.client.url(),
                    })
                }
                Answer::Refused(refusal) => Err(refusal.into_error(Object::Schema(id))),
            }
        })
    }

    /// Registers a schema under a subject, if it is not there yet, and gives its id.
    pub fn register(&self, subject: &str, schema: &Schema) -> Result<u32, RegistryError> {
        let path = format!("subjects/{}/versions", encode(subject));
        match self
            .0
            .client
            .post::<Id>(Object::Subject(subject), &path, schema)?
        {
            Answer::Ok(Id { id }) => Ok(id),
            Answer::Refused(refusal) if refusal.status == 409 => Err(RegistryError::Incompatible {
                subject: subject.to_owned(),
                reason: refusal.message,
            }),
            Answer::Refused(refusal) => Err(refusal.into_error(Object::Subject(subject))),
        }
    }

    /// The id that a schema has under a subject, where somebody registered it.
    pub fn lookup(&self, subject: &str, schema: &Schema) -> Result<u32, RegistryError> {
        let path = format!("subjects/{}", encode(subject));
        match self
            .0
            .client
            .post::<Id>(Object::Subject(subject), &path, schema)?
        {
            Answer::Ok(Id { id }) => Ok(id),
            Answer::Refused(refusal) if refusal.status == 404 => {
                Err(RegistryError::NotRegistered {
                    subject: subject.to_owned(),
                    reason: refusal.message,
                })
            }
            Answer::Refused(refusal) => Err(refusal.into_error(Object::Subject(subject))),
        }
    }

    /// The id of the latest schema under a subject.
    pub fn latest(&self, subject: &str) -> Result<u32, RegistryError> {
        let path = format!("subjects/{}/versions/latest", encode(subject));
        match self.0.client.get::<Id>(Object::Subject(subject), &path)? {
            Answer::Ok(Id { id }) => Ok(id),
            Answer::Refused(refusal) if refusal.status == 404 => {
                Err(RegistryError::UnknownSubject {
                    subject: subject.to_owned(),
                })
            }
            Answer::Refused(refusal) => Err(refusal.into_error(Object::Subject(subject))),
        }
    }

    /// The schemas that a schema refers to, directly and through others, each after those it refers to.
    pub fn references(&self, schema: &Schema) -> Result<Vec<Schema>, RegistryError> {
        let mut found = Vec::new();
        let mut asked = Vec::new();
        self.collect_references(schema, &mut found, &mut asked)?;
        Ok(found)
    }

    fn collect_references(
        &self,
        schema: &Schema,
        found: &mut Vec<Schema>,
        asked: &mut Vec<(String, i32)>,
    ) -> Result<(), RegistryError> {
        for reference in &schema.references {
            let wanted = (reference.subject.clone(), reference.version);
            if asked.contains(&wanted) {
                continue;
            }
            if asked.len() == MAX_REFERENCES {
                return Err(RegistryError::TooManyReferences {
                    subject: wanted.0,
                    limit: MAX_REFERENCES,
                });
            }
            asked.push(wanted);
            let referred = self.version(&reference.subject, reference.version)?;
            self.collect_references(&referred, found, asked)?;
            found.push(referred);
        }
        Ok(())
    }

    /// One version of a subject.
    fn version(&self, subject: &str, version: i32) -> Result<Schema, RegistryError> {
        let path = format!("subjects/{}/versions/{version}", encode(subject));
        match self.0.client.get(Object::Subject(subject), &path)? {
            Answer::Ok(schema) => Ok(schema),
            Answer::Refused(refusal) if refusal.status == 404 => {
                Err(RegistryError::UnknownSubject {
                    subject: format!("{subject} version {version}"),
                })
            }
            Answer::Refused(refusal) => Err(refusal.into_error(Object::Subject(subject))),
        }
    }
}
