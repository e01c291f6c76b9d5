//! The event store: one durable node that speaks the Apache Kafka protocol.
