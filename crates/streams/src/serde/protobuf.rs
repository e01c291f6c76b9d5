//! Protocol Buffers, by `prost`: bare, or in the schema registry's framing.

mod message_indexes;

use std::fmt;
use std::marker::PhantomData;

use prost::Message;

use super::registry::{Binding, Schema, SchemaType, SchemaWriter, wire};
use super::{Payload, Serde, SerdeError};

const NAME: &str = "protobuf";

/// Protocol Buffers without a registry, for a message that `prost` made.
#[derive(Debug, Clone, Copy, Default)]
pub struct BareProtobuf;

impl<T: Message + Default + 'static> Serde<T> for BareProtobuf {
    fn serialize(&self, _: &str, value: &T, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        into.reserve(value.encoded_len());
        value.encode_raw(into);
        Ok(Payload::Bytes)
    }

    fn deserialize(&self, _: &str, bytes: &[u8]) -> Result<T, SerdeError> {
        T::decode(bytes).map_err(|error| SerdeError::new(NAME, error))
    }
}

/// Protocol Buffers behind the id of their schema and the message's place in it, as Confluent's serdes write them.
///
/// Nothing is asked of the registry to read, since messages tell their fields themselves.
pub struct Protobuf<T> {
    writer: SchemaWriter,
    message: Vec<u32>,
    of: PhantomData<fn() -> T>,
}

impl<T> Protobuf<T> {
    /// A serde for the first message of a schema: the text of a `.proto` file.
    ///
    /// `record` is the message's full name, as `shop.Order`; subjects may be named after it.
    pub fn new(binding: Binding, schema: &str, record: &str) -> Self {
        Self::nested(binding, schema, record, &[0])
    }

    /// A serde for another message of a schema: `message` has its index among the file's messages and, for a nested
    /// one, its index in each message around it, from 0.
    pub fn nested(binding: Binding, schema: &str, record: &str, message: &[u32]) -> Self {
        let schema = Schema {
            text: schema.to_owned(),
            schema_type: SchemaType::Protobuf,
            references: Vec::new(),
        };
        Self {
            writer: SchemaWriter::new(binding, schema, record.to_owned()),
            message: message.to_vec(),
            of: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Protobuf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protobuf")
    }
}

impl<T: Message + Default + 'static> Serde<T> for Protobuf<T> {
    fn serialize(&self, topic: &str, value: &T, into: &mut Vec<u8>) -> Result<Payload, SerdeError> {
        let chosen = self
            .writer
            .choose(topic)
            .map_err(|error| error.of_serde(NAME))?;
        wire::write_header(chosen.id, into);
        message_indexes::write(&self.message, into);
        BareProtobuf.serialize(topic, value, into)
    }

    fn deserialize(&self, topic: &str, bytes: &[u8]) -> Result<T, SerdeError> {
        let (_, rest) = wire::read_header(NAME, bytes)?;
        let (message, payload) = message_indexes::read(rest)?;
        if message != self.message {
            let expected = &self.message;
            let reason =
                format!("message {message:?} of its schema on {topic}, where {expected:?} is read");
            return Err(SerdeError::new(NAME, reason));
        }
        BareProtobuf.deserialize(topic, payload)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::serde::registry::fake::FakeRegistry;

    const SCHEMA: &str =
        "syntax = \"proto3\";\npackage shop;\nmessage Order { string id = 1; uint64 cents = 2; }";

    #[derive(Clone, PartialEq, prost::Message)]
    struct Order {
        #[prost(string, tag = "1")]
        id: String,
        #[prost(uint64, tag = "2")]
        cents: u64,
    }

    fn order() -> Order {
        Order {
            id: "o-1".into(),
            cents: 350,
        }
    }

    const BYTES: &[u8] = b"\x0a\x03o-1\x10\xde\x02";

    #[test]
    fn a_message_has_the_bytes_of_protocol_buffers() {
        let mut bytes = Vec::new();
        BareProtobuf
            .serialize("orders", &order(), &mut bytes)
            .expect("it is written");
        assert_eq!(bytes, BYTES);
        let read: Order = BareProtobuf
            .deserialize("orders", BYTES)
            .expect("its own bytes");
        assert_eq!(read, order());
    }

    #[test]
    fn a_registered_message_stands_behind_its_schemas_id_and_its_place_in_it() {
        let fake = FakeRegistry::start();
        let registry = fake.client();
        let first = Protobuf::<Order>::new(registry.values(), SCHEMA, "shop.Order");
        let nested = Protobuf::<Order>::nested(registry.values(), SCHEMA, "shop.Order", &[1, 0]);
        for (serde, header) in [
            (&first, b"\0\0\0\0\x01\0".as_slice()),
            (&nested, b"\0\0\0\0\x01\x04\x02\0"),
        ] {
            let mut bytes = Vec::new();
            serde
                .serialize("orders", &order(), &mut bytes)
                .expect("it is written");
            assert_eq!(bytes, [header, BYTES].concat());
            assert_eq!(
                serde.deserialize("orders", &bytes).expect("its own bytes"),
                order()
            );
        }
        let requests = fake.requests();
        assert_eq!(requests.len(), 2, "one for each serde");
        assert!(
            requests[0].body.contains(r#""schemaType":"PROTOBUF""#),
            "{requests:?}"
        );
    }

    #[test]
    fn another_message_of_the_schema_is_refused() {
        let fake = FakeRegistry::start();
        let serde = Protobuf::<Order>::new(fake.client().values(), SCHEMA, "shop.Order");
        let read = serde.deserialize(
            "orders",
            &[b"\0\0\0\0\x01\x02\x02".as_slice(), BYTES].concat(),
        );
        let error = read.expect_err("the second message").to_string();
        assert_eq!(
            error,
            "protobuf: message [1] of its schema on orders, where [0] is read"
        );
    }

    proptest! {
        #[test]
        fn every_message_reads_as_it_was_written(id in ".*", cents: u64) {
            let order = Order { id, cents };
            let mut bytes = Vec::new();
            BareProtobuf.serialize("orders", &order, &mut bytes).expect("it is written");
            let read: Order = BareProtobuf.deserialize("orders", &bytes).expect("its own bytes");
            prop_assert_eq!(read, order);
        }

        #[test]
        fn bytes_that_anybody_may_write_are_read_or_refused(bytes in vec(any::<u8>(), 0..64)) {
            let _: Result<Order, _> = BareProtobuf.deserialize("orders", &bytes);
        }
    }
}
