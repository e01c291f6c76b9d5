//! JSON in the schema registry's framing, as Confluent's JSON Schema serdes write it.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::registry::{Binding, Schema, SchemaType, SchemaWriter, wire};
use super::{Json, Payload, Serde, SerdeError};

const NAME: &str = "json schema";

/// JSON behind the id of its JSON Schema.
///
/// Values are not checked against the schema, as with Confluent's serdes by default: their type is. Nothing is asked
/// of the registry to read, since JSON needs no schema. Null payloads are those of [`Json`].
pub struct JsonSchema<T> {
    writer: SchemaWriter,
    of: PhantomData<fn() -> T>,
}

impl<T> JsonSchema<T> {
    /// A serde that writes with this JSON Schema, whose `title` is the type's name.
    pub fn new(binding: Binding, schema: &str) -> Result<Self, SerdeError> {
        let parsed: serde_json::Value = serde_json::from_str(schema)
            .map_err(|error| SerdeError::new(NAME, format!("the schema: {error}")))?;
        let title = parsed.get("title").and_then(serde_json::Value::as_str);
        let record = title.unwrap_or(std::any::type_name::<T>()).to_owned();
        let schema = Schema {
            text: schema.to_owned(),
            schema_type: SchemaType::Json,
            references: Vec::new(),
        };
        Ok(Self {
            writer: SchemaWriter::new(binding, schema, record),
            of: PhantomData,
        })
    }
}

impl<T> fmt::Debug for JsonSchema<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonSchema")
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Serde<T> for JsonSchema<T> {
    fn serialize(&self, topic: &str, value: &T, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        let chosen = self
            .writer
            .choose(topic)
            .map_err(|error| error.of_serde(NAME))?;
        let start = into.len();
        wire::write_header(chosen.id, into);
        let written = Json.serialize(topic, value, into);
        if !matches!(written, Ok(Payload::Bytes)) {
            into.truncate(start);
        }
        written
    }

    fn deserialize(&self, topic: &str, bytes: &[u8]) -> Result<T, SerdeError> {
        let (_, json) = wire::read_header(NAME, bytes)?;
        Json.deserialize(topic, json)
    }

    fn deserialize_null(&self) -> Option<T> {
        Json.deserialize_null()
    }
}
