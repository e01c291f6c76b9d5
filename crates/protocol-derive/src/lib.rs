//! Derives the Kafka wire codec of a struct from its version ranges.
