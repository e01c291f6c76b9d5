//! The Apache Kafka wire protocol, sans I/O: every message at every version served.
