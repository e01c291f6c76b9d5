//! Transactions as scripts in virtual time.

mod adding;
mod crashes;
mod ending;
mod expiry;
mod harness;
mod producers;
mod records;
mod tools;
