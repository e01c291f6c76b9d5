//! How a serde uses a registry: under which subjects, and what it does where its schema is not there.

use std::sync::Arc;

use super::{Lookups, MAX_SCHEMAS, Registry, RegistryError, Role, Schema, Subjects};

/// Which schema a serde writes with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WriteSchema {
    /// Its own, which it registers if it is not there. Confluent's `auto.register.schemas=true`, and the default.
    #[default]
    Register,
    /// Its own, which has to be there. `auto.register.schemas=false`.
    Registered,
    /// The latest of the subject, whatever its own is. `use.latest.version=true`.
    Latest,
}

/// A registry, and how a serde is to use it: from [`Registry::values`] or [`Registry::keys`].
#[derive(Debug, Clone)]
pub struct Binding {
    registry: Registry,
    role: Role,
    subjects: Subjects,
    write: WriteSchema,
}

impl Binding {
    pub(super) fn new(registry: Registry, role: Role) -> Self {
        Self {
            registry,
            role,
            subjects: Subjects::default(),
            write: WriteSchema::default(),
        }
    }

    /// The same, with other subjects.
    pub fn subjects(mut self, subjects: Subjects) -> Self {
        self.subjects = subjects;
        self
    }

    /// The same, with another schema to write with.
    pub fn write(mut self, write: WriteSchema) -> Self {
        self.write = write;
        self
    }
}

/// The schema that one serde writes with, by topic: its id is asked for once per topic.
pub(crate) struct SchemaWriter {
    binding: Binding,
    schema: Arc<Schema>,
    record: String,
    chosen: Lookups<String, Chosen>,
}

/// The schema to write with.
#[derive(Clone)]
pub(crate) struct Chosen {
    pub(crate) id: u32,
    /// The schema, if it is not the serde's own.
    #[cfg_attr(
        not(feature = "avro"),
        expect(dead_code, reason = "only Avro writes by the schema")
    )]
    pub(crate) other: Option<Arc<Schema>>,
}

impl SchemaWriter {
    /// For a schema of the type whose full name is `record`.
    pub(crate) fn new(binding: Binding, schema: Schema, record: String) -> Self {
        Self {
            binding,
            schema: Arc::new(schema),
            record,
            chosen: Lookups::new(MAX_SCHEMAS),
        }
    }

    #[cfg_attr(
        not(feature = "avro"),
        expect(dead_code, reason = "only Avro reads by the schema")
    )]
    pub(crate) fn registry(&self) -> &Registry {
        &self.binding.registry
    }

    /// The schema to write with on `topic`.
    pub(crate) fn choose(&self, topic: &str) -> Result<Chosen, RegistryError> {
        self.chosen.get(topic, || {
            let Binding {
                registry,
                role,
                subjects,
                write,
            } = &self.binding;
            let subject = subjects.subject(topic, *role, &self.record);
            let id = match write {
                WriteSchema::Register => registry.register(&subject, &self.schema)?,
                WriteSchema::Registered => registry.lookup(&subject, &self.schema)?,
                WriteSchema::Latest => {
                    let id = registry.latest(&subject)?;
                    let latest = registry.schema(id)?;
                    if latest.schema_type != self.schema.schema_type {
                        let (theirs, ours) = (latest.schema_type, self.schema.schema_type);
                        let reason = format!(
                            "the latest of subject {subject} is {theirs:?}, and not {ours:?}"
                        );
                        return Err(RegistryError::Schema { id, reason });
                    }
                    let other = (latest.text != self.schema.text).then_some(latest);
                    return Ok(Chosen { id, other });
                }
            };
            Ok(Chosen { id, other: None })
        })
    }
}
