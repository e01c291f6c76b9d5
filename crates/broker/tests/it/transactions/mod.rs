//! Transactions end to end: a real client for what applications do, raw requests for what clients of
//! every age are told.

mod clients;
mod coordinator;
mod produce;
mod tools;
