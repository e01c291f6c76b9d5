//! Consumer groups of KIP-848, as scripts in virtual time.

mod bench;
mod classic_members;
mod downgrade;
mod members;
mod offsets;
mod random;
mod regex;
mod static_members;
mod topics;
