//! Partitions on disk and the journal that makes them durable.
