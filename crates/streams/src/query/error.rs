//! Why a query has no answer, and what is to be done about it.

use std::time::Duration;

use crate::runtime::{State, TopicPartition};
use crate::store::StoreError;

/// A query that has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// The topology has no store of this name that can be queried.
    #[error("there is no store \"{name}\" to be queried: there is {}", listed(.known))]
    UnknownStore {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The store keeps its rows in another way.
    #[error("store \"{store}\" is a {kind} store: it is read as one, not as a {asked} store")]
    WrongKind {
        /// The store.
        store: String,
        /// What it is.
        kind: &'static str,
        /// What was asked for.
        asked: &'static str,
    },
    /// The application has no tasks yet, or not any more.
    #[error("the application is {state}: ask again when it runs, or ask another instance")]
    NotRunning {
        /// What it is doing.
        state: State,
    },
    /// The partition belongs here, and its store is being brought up to date.
    #[error("partition {partition} of store \"{store}\" is being restored here: ask again soon")]
    Restoring {
        /// The store.
        store: String,
        /// The partition.
        partition: i32,
    },
    /// The partition was taken away in the middle of the answer.
    #[error(
        "store \"{store}\" was taken away, or is being restored, since it was asked: ask again"
    )]
    Withdrawn {
        /// The store.
        store: String,
    },
    /// The partition is another instance's.
    #[error(
        "partition {partition} of store \"{store}\" is not in this instance: {}",
        owned_by(.owner.as_deref())
    )]
    NotHere {
        /// The store.
        store: String,
        /// The partition.
        partition: i32,
        /// The `host:port` of the instance that has it, if that is known.
        owner: Option<String>,
    },
    /// The store has not processed what was asked for.
    #[error(
        "after {} ms {partition} is processed {}, and the record at offset {wanted} was asked for: ask again, or \
         wait longer",
        .waited.as_millis(), how_far(*.reached)
    )]
    Behind {
        /// The input's partition.
        partition: TopicPartition,
        /// The offset that was asked for.
        wanted: i64,
        /// The last offset that the committed state reflects, if there is any.
        reached: Option<i64>,
        /// How long was waited.
        waited: Duration,
    },
    /// A position names a topic that says nothing about the store.
    #[error(
        "the position names {topic}, which store \"{store}\" is not made from: it is made from {}",
        listed(.inputs)
    )]
    UnrelatedTopic {
        /// The store.
        store: String,
        /// The topic.
        topic: String,
        /// The topics that the store is made from.
        inputs: Vec<String>,
    },
    /// A position that cannot be read.
    #[error(
        "`{token}` is no position: it is made of `topic:partition:offset`, several separated by commas"
    )]
    Position {
        /// What was given.
        token: String,
    },
    /// The cluster could not be asked how far the application is.
    #[error("how far the application is cannot be told: {reason}")]
    Cluster {
        /// Why.
        reason: String,
    },
    /// The rows cannot be read.
    #[error("{0}")]
    Store(#[from] std::sync::Arc<StoreError>),
}

impl From<StoreError> for QueryError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Withdrawn { store } = error {
            return Self::Withdrawn { store };
        }
        Self::Store(std::sync::Arc::new(error))
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

fn owned_by(owner: Option<&str>) -> String {
    match owner {
        Some(owner) => format!("ask the one at {owner}"),
        None => "which one has it is not known yet, so ask the others, or again".to_owned(),
    }
}

fn how_far(reached: Option<i64>) -> String {
    match reached {
        Some(offset) => format!("as far as offset {offset}"),
        None => "not at all".to_owned(),
    }
}
