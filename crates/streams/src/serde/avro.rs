//! Apache Avro, by a type's own `Serialize` and `Deserialize`: bare, or in the schema registry's framing.

mod aliases;
mod bounds;
mod datum;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use apache_avro::Schema as AvroSchema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::registry::{
    Binding, Lookups, MAX_SCHEMAS, Registry, RegistryError, Schema, SchemaType, SchemaWriter, wire,
};
use super::{Payload, Serde, SerdeError};
use datum::Datum;

const NAME: &str = "avro";

fn failed(error: impl fmt::Display) -> SerdeError {
    SerdeError::new(NAME, error)
}

/// A schema that stands by itself.
fn parse(text: &str) -> Result<AvroSchema, SerdeError> {
    AvroSchema::parse_str(text).map_err(|error| failed(format!("the schema: {error}")))
}

/// A schema of a registry, with those it refers to put into it.
fn fetch(registry: &Registry, id: u32) -> Result<AvroSchema, RegistryError> {
    let wrong = |reason: String| RegistryError::Schema { id, reason };
    let registered = registry.schema(id)?;
    if registered.schema_type != SchemaType::Avro {
        return Err(wrong(format!(
            "it is {:?}, where Avro is expected",
            registered.schema_type
        )));
    }
    let references = registry.references(&registered)?;
    let texts = references.iter().map(|referred| referred.text.as_str());
    let parsed = AvroSchema::parse_str_with_list(&registered.text, texts.collect::<Vec<_>>());
    let (mut schema, referred) = parsed.map_err(|error| wrong(error.to_string()))?;
    schema
        .denormalize(&referred)
        .map_err(|error| wrong(error.to_string()))?;
    Ok(schema)
}

/// Avro without a registry: data of one schema, which reader and writer know.
pub struct BareAvro<T> {
    datum: Datum,
    of: PhantomData<fn() -> T>,
}

impl<T> BareAvro<T> {
    /// A serde of this schema, in Avro's JSON.
    pub fn new(schema: &str) -> Result<Self, SerdeError> {
        Ok(Self {
            datum: Datum::new(parse(schema)?, None)?,
            of: PhantomData,
        })
    }
}

impl<T> fmt::Debug for BareAvro<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BareAvro")
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Serde<T> for BareAvro<T> {
    fn serialize(&self, _: &str, value: &T, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        let start = into.len();
        let written = self.datum.write(value, into);
        if written.is_err() {
            into.truncate(start);
        }
        written.map(|()| Payload::Bytes)
    }

    fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<T, SerdeError> {
        self.datum.read(bytes)
    }
}

/// Avro behind the id of the schema that it was written with, as Confluent's serdes write it.
///
/// What was written with another schema is read by the rules of Avro's schema resolution: fields that are missing get
/// the default of this serde's schema, those it does not have are left out, numbers widen, and fields are known by their aliases
/// (those of types are not).
pub struct Avro<T> {
    own: Datum,
    writer: SchemaWriter,
    /// By id; at most [`MAX_SCHEMAS`].
    others: Lookups<u32, Arc<Datum>>,
    of: PhantomData<fn() -> T>,
}

impl<T> Avro<T> {
    /// A serde whose type has this schema, in Avro's JSON, all types it uses written out.
    pub fn new(binding: Binding, schema: &str) -> Result<Self, SerdeError> {
        let own = Datum::new(parse(schema)?, None)?;
        let record = own.schema().name().map(|name| name.fullname(None));
        let schema = Schema {
            text: schema.to_owned(),
            schema_type: SchemaType::Avro,
            references: Vec::new(),
        };
        let record = record.unwrap_or_else(|| own.schema().to_string());
        Ok(Self {
            own,
            writer: SchemaWriter::new(binding, schema, record),
            others: Lookups::new(MAX_SCHEMAS),
            of: PhantomData,
        })
    }

    /// What reads, or writes, data of the schema of this id.
    fn of_id(&self, id: u32) -> Result<Arc<Datum>, SerdeError> {
        let find = || {
            let wrong = |reason: String| RegistryError::Schema { id, reason };
            let mut schema = fetch(self.writer.registry(), id)?;
            let own = self.own.schema();
            let another = schema != *own;
            if another && let Err(error) = SchemaCompatibility::can_read(&schema, own) {
                return Err(wrong(format!(
                    "what it wrote cannot be read with the schema of this topic: {error}"
                )));
            }
            aliases::apply(&mut schema, own);
            let datum = Datum::new(schema, another.then(|| own.clone()));
            datum
                .map(Arc::new)
                .map_err(|error| wrong(error.to_string()))
        };
        self.others
            .get(&id, find)
            .map_err(|error| error.of_serde(NAME))
    }
}

impl<T> fmt::Debug for Avro<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Avro")
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Serde<T> for Avro<T> {
    fn serialize(&self, topic: &str, value: &T, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        let chosen = self.writer.choose(topic);
        let chosen = chosen.map_err(|error| error.of_serde(NAME))?;
        let start = into.len();
        wire::write_header(chosen.id, into);
        let written = match chosen.other {
            None => self.own.write(value, into),
            Some(_) => self
                .of_id(chosen.id)
                .and_then(|other| other.write(value, into)),
        };
        if written.is_err() {
            into.truncate(start);
        }
        written.map(|()| Payload::Bytes)
    }

    fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<T, SerdeError> {
        let (id, datum) = wire::read_header(NAME, bytes)?;
        self.of_id(id)?.read(datum)
    }
}

#[cfg(test)]
mod tests;
