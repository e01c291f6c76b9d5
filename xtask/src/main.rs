//! The tasks of the project: checks, compatibility suites, benchmarks, a real Apache Kafka.
fn main() {}
