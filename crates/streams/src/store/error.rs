//! What can go wrong in a state store, and what is to be done about it.

use std::path::PathBuf;

use crate::serde::SerdeError;

/// An error of a state store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another application in this one, has the directory open.
    #[error(
        "the state directory {} is in use by another process: an application's instances on one machine need a \
         state directory each",
        .directory.display()
    )]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// What is on disk cannot be read.
    #[error(
        "the state in {} is damaged ({reason}). Stop the application and delete the directory: it is restored from \
         the changelog topics",
        .directory.display()
    )]
    Damaged {
        /// The directory.
        directory: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Reading or writing failed: the disk is full or broken. Nothing can be written until the application is
    /// started again; what was committed before is kept.
    #[error("the state in {} cannot be used: {reason}", .directory.display())]
    Disk {
        /// The directory.
        directory: PathBuf,
        /// What happened.
        reason: String,
    },
    /// A view for queries on a store that is restored, or whose task is elsewhere by now, or has ended.
    #[error(
        "store \"{store}\" is not shown any more: its task moved, stopped, or is being restored"
    )]
    Withdrawn {
        /// The store.
        store: String,
    },
    /// A row of a store does not have the form its kind has.
    #[error(
        "a row of store \"{store}\" is malformed: {reason}. Delete the state directory: it is restored from the changelog topic"
    )]
    Malformed {
        /// The store.
        store: String,
        /// What is wrong.
        reason: String,
    },
    /// A key or value of a store could not be written or read.
    #[error("store \"{store}\": {source}")]
    Serde {
        /// The store.
        store: String,
        /// Why.
        source: SerdeError,
    },
    /// What the stores' changes were to be sent to refused them.
    #[error("the changelog of store \"{store}\" could not be written: {reason}")]
    Changelog {
        /// The store.
        store: String,
        /// Why.
        reason: String,
    },
    /// A store is declared in a way that cannot work.
    #[error("store \"{store}\": {reason}")]
    Invalid {
        /// The store.
        store: String,
        /// What is wrong and what to do.
        reason: String,
    },
}
