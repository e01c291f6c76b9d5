//! The wire format against itself, against another implementation, against bytes of real clients
//! and against bytes of no good will.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocation;
mod apis;
mod captured;
mod derive;
mod differential;
mod error_response;
mod frame;
mod hostile;
mod round_trip;
mod sample;
mod versions;
