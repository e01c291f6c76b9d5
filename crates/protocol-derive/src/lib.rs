//! `#[derive(Message)]`: the Kafka wire codec of a struct, from its version ranges.
//!
//! The derive owns the translation of attributes into a table of fields and two short functions
//! that walk it. It never holds wire logic itself: every byte is written by `headwater-protocol`,
//! so that the code generated for a field is one call.
//!
//! ```text
//! #[derive(Debug, Clone, PartialEq, Message)]
//! #[message(flexible = 9)]                       // left out: never flexible
//! pub struct ProduceRequest {
//!     pub transactional_id: Option<String>,      // an `Option` may be null at every version ...
//!     #[field(nullable = 7..)]                   // ... unless told otherwise
//!     pub protocol: Option<String>,
//!     #[field(versions = ..=12, ignorable)]      // absent elsewhere; a value there is dropped
//!     pub name: String,
//!     #[field(versions = 5.., default = -1)]     // absent elsewhere; a value there is an error
//!     pub log_start_offset: i64,
//!     #[field(versions = 10.., tag = 0)]         // a tagged field; `tagged = RANGE` if not always
//!     pub current_leader: LeaderIdAndEpoch,
//! }
//! ```

mod generate;
mod parse;

use proc_macro::TokenStream;

/// Implements `Message` and `Default` for a struct with named fields.
#[proc_macro_derive(Message, attributes(message, field))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    parse::Message::parse(&input)
        .map_or_else(syn::Error::into_compile_error, |message| {
            generate::message(&message)
        })
        .into()
}
