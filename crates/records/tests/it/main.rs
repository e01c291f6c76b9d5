//! Batches as a user of the crate meets them: built, walked, patched, damaged.

mod codecs;
mod hostile;
mod round_trip;
