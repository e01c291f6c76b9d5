//! Apache Avro, by a type's own `Serialize` and `Deserialize`: bare, or in the schema registry's framing.

mod aliases;
mod bounds;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use apache_avro::Schema as AvroSchema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::registry::{
    Binding, Lookups, MAX_SCHEMAS, Registry, RegistryError, Schema, SchemaType, SchemaWriter, wire,
};
use super::{Payload, Serde, SerdeError};
use bounds::Bounds;

const NAME: &str = "avro";

fn failed(error: impl fmt::Display) -> SerdeError {
    SerdeError::new(NAME, error)
}

/// A schema, with what has to be watched when its data is read.
struct Parsed {
    schema: AvroSchema,
    bounds: Bounds,
}

impl Parsed {
    fn new(schema: AvroSchema) -> Self {
        let bounds = Bounds::of(&schema);
        Self { schema, bounds }
    }

    /// A schema that stands by itself.
    fn parse(text: &str) -> Result<Self, SerdeError> {
        let schema = AvroSchema::parse_str(text);
        schema
            .map(Self::new)
            .map_err(|error| failed(format!("the schema: {error}")))
    }

    /// A schema of a registry, with those it refers to put into it.
    fn fetch(registry: &Registry, id: u32) -> Result<Self, RegistryError> {
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
        Ok(Self::new(schema))
    }

    /// Appends a value's bytes.
    // The names of a schema are resolved for each record, since what is resolved borrows the schema: a map of as many
    // names as the schema defines, often one.
    fn write<T: Serialize>(&self, value: &T, into: &mut Vec<u8>) -> Result<(), SerdeError> {
        let writer = GenericDatumWriter::builder(&self.schema).human_readable(false);
        let writer = writer.build().map_err(failed)?;
        writer.write_ser(into, value).map(drop).map_err(failed)
    }

    /// Reads what was written with this schema, as `own` says where that is another one.
    fn read<T: DeserializeOwned>(
        &self,
        own: Option<&AvroSchema>,
        bytes: &[u8],
    ) -> Result<T, SerdeError> {
        self.bounds.check(&self.schema, bytes)?;
        let reader = GenericDatumReader::builder(&self.schema).human_readable(false);
        let mut rest = bytes;
        let value = match own {
            None => {
                let reader = reader.build().map_err(failed)?;
                reader.read_deser(&mut rest).map_err(failed)?
            }
            Some(own) => {
                let reader = reader.reader_schema(own).build().map_err(failed)?;
                let value = reader.read_value(&mut rest).map_err(failed)?;
                apache_avro::from_value(&value).map_err(failed)?
            }
        };
        match rest.len() {
            0 => Ok(value),
            left => Err(failed(format!(
                "{left} bytes are left behind the value: it has another schema"
            ))),
        }
    }
}

/// Avro without a registry: data of one schema, which reader and writer know.
pub struct BareAvro<T> {
    schema: Parsed,
    of: PhantomData<fn() -> T>,
}

impl<T> BareAvro<T> {
    /// A serde of this schema, in Avro's JSON.
    pub fn new(schema: &str) -> Result<Self, SerdeError> {
        Ok(Self {
            schema: Parsed::parse(schema)?,
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
        let written = self.schema.write(value, into);
        if written.is_err() {
            into.truncate(start);
        }
        written.map(|()| Payload::Bytes)
    }

    fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<T, SerdeError> {
        self.schema.read(None, bytes)
    }
}

/// How data of one writer's schema is read.
struct Reader {
    schema: Parsed,
    /// Whether the data has to be brought into our own schema's form: its writer's is another one.
    resolve: bool,
}

/// Avro behind the id of the schema that it was written with, as Confluent's serdes write it.
///
/// What was written with another schema is read by the rules of Avro's schema resolution: fields that are missing get
/// the default of this serde's schema, those it does not have are left out, numbers widen, and fields are known by their aliases
/// (those of types are not).
pub struct Avro<T> {
    own: Parsed,
    writer: SchemaWriter,
    readers: Lookups<u32, Arc<Reader>>,
    of: PhantomData<fn() -> T>,
}

impl<T> Avro<T> {
    /// A serde whose type has this schema, in Avro's JSON, all types it uses written out.
    pub fn new(binding: Binding, schema: &str) -> Result<Self, SerdeError> {
        let own = Parsed::parse(schema)?;
        let record = own.schema.name().map(|name| name.fullname(None));
        let schema = Schema {
            text: schema.to_owned(),
            schema_type: SchemaType::Avro,
            references: Vec::new(),
        };
        let record = record.unwrap_or_else(|| own.schema.to_string());
        Ok(Self {
            own,
            writer: SchemaWriter::new(binding, schema, record),
            readers: Lookups::new(MAX_SCHEMAS),
            of: PhantomData,
        })
    }

    /// How to read, or write, data of the schema of this id.
    fn reader(&self, id: u32) -> Result<Arc<Reader>, SerdeError> {
        let find = || {
            let mut schema = Parsed::fetch(self.writer.registry(), id)?;
            let resolve = schema.schema != self.own.schema;
            if resolve
                && let Err(error) = SchemaCompatibility::can_read(&schema.schema, &self.own.schema)
            {
                let reason =
                    format!("what it wrote cannot be read with the schema of this topic: {error}");
                return Err(RegistryError::Schema { id, reason });
            }
            aliases::apply(&mut schema.schema, &self.own.schema);
            Ok(Arc::new(Reader { schema, resolve }))
        };
        self.readers.get(&id, find).map_err(failed)
    }
}

impl<T> fmt::Debug for Avro<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Avro")
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Serde<T> for Avro<T> {
    fn serialize(&self, topic: &str, value: &T, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        let chosen = self.writer.choose(topic).map_err(failed)?;
        let start = into.len();
        wire::write_header(chosen.id, into);
        let written = match chosen.other {
            None => self.own.write(value, into),
            Some(_) => self
                .reader(chosen.id)
                .and_then(|other| other.schema.write(value, into)),
        };
        if written.is_err() {
            into.truncate(start);
        }
        written.map(|()| Payload::Bytes)
    }

    fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<T, SerdeError> {
        let (id, datum) = wire::read_header(NAME, bytes)?;
        let reader = self.reader(id)?;
        let own = reader.resolve.then_some(&self.own.schema);
        reader.schema.read(own, datum)
    }
}

#[cfg(test)]
mod tests;
