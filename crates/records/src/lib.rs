//! Kafka record batches (format v2): view, iterate, build, compress, check. No I/O.
