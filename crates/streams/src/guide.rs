//! The guide, docs/streams.md, so that its examples are run by the tests.
#![doc = ""]
#![doc = include_str!("../../../docs/streams.md")]
