//! The subscriptions of a foreign-key join, beside the table that is subscribed to.
//!
//! ```text
//! length(4) foreign key  primary key     timestamp(8) subscription
//! ```
//!
//! The rows of a foreign key are neighbours: a change of its row finds its subscribers in one scan. The key is laid
//! out as Kafka Streams' combined key.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::subscription::{Instruction, Subscription, SubscriptionSerde};
use crate::key::Key;
use crate::serde::Serde;
use crate::store::{StoreError, StoreId, StoreKind, StoreSpec, Stores};
use crate::topology::{Builder, NodeId};

/// The handle on the store.
#[derive(Clone)]
pub(super) struct Subscriptions {
    id: StoreId,
    name: String,
    row: Vec<u8>,
    stored: Vec<u8>,
}

impl Subscriptions {
    pub(super) fn declare(builder: &Builder, node: NodeId, name: &str) -> Self {
        Self {
            id: builder.store(node, StoreSpec::new(name, StoreKind::KeyValue)),
            name: name.to_owned(),
            row: Vec::new(),
            stored: Vec::new(),
        }
    }

    /// Adds or removes a subscription, as it instructs.
    pub(super) fn update<L: Key>(
        &mut self,
        stores: &mut Stores,
        foreign_key: &L,
        subscription: &Subscription,
        timestamp: i64,
    ) -> Result<(), StoreError> {
        self.seek(foreign_key);
        self.row.extend_from_slice(&subscription.primary_key);
        let store = stores.get_mut(self.id);
        store.observe(timestamp);
        if matches!(
            subscription.instruction,
            Instruction::DeleteAndRespond | Instruction::DeleteAndSayNothing
        ) {
            store.put(&self.row, None, timestamp);
            return Ok(());
        }
        self.stored.clear();
        self.stored.extend_from_slice(&timestamp.to_be_bytes());
        let written = SubscriptionSerde.serialize("", subscription, &mut self.stored);
        match written {
            Ok(_) => {
                store.put(&self.row, Some(&self.stored), timestamp);
                Ok(())
            }
            Err(source) => Err(StoreError::Serde {
                store: self.name.clone(),
                source,
            }),
        }
    }

    /// Up to `limit` subscriptions of a foreign key, in order of the primary keys' bytes, those behind `after`.
    pub(super) fn subscribers<L: Key>(
        &mut self,
        stores: &mut Stores,
        foreign_key: &L,
        after: Option<&Bytes>,
        limit: usize,
    ) -> Result<Vec<Subscription>, StoreError> {
        self.seek(foreign_key);
        let prefix = self.row.len();
        let behind = successor(&self.row);
        let from = match after {
            Some(primary_key) => {
                self.row.extend_from_slice(primary_key);
                Bound::Excluded(self.row.as_slice())
            }
            None => Bound::Included(self.row.as_slice()),
        };
        let to = match &behind {
            Some(behind) => Bound::Excluded(behind.as_slice()),
            None => Bound::Unbounded,
        };
        let mut found = Vec::new();
        let stopped = stores.get_mut(self.id).scan(from, to, |row, stored| {
            debug_assert!(row.len() >= prefix);
            match SubscriptionSerde.deserialize("", stored.get(8..).unwrap_or_default()) {
                Ok(subscription) => found.push(subscription),
                Err(error) => return ControlFlow::Break(Some(error)),
            }
            if found.len() == limit {
                return ControlFlow::Break(None);
            }
            ControlFlow::Continue(())
        })?;
        match stopped {
            ControlFlow::Break(Some(source)) => Err(StoreError::Serde {
                store: self.name.clone(),
                source,
            }),
            _ => Ok(found),
        }
    }

    /// Writes what all rows of a foreign key begin with.
    fn seek<L: Key>(&mut self, foreign_key: &L) {
        self.row.clear();
        self.row.extend_from_slice(&[0; 4]);
        foreign_key.write(&mut self.row);
        let length = u32::try_from(self.row.len() - 4).expect("a key is far below 4 GiB");
        self.row[..4].copy_from_slice(&length.to_be_bytes());
    }
}

/// The first bytes behind all that begin with `prefix`; none if nothing is.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_alike_ends_before_its_successor() {
        assert_eq!(successor(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(successor(&[1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(successor(&[0xff]), None);
    }
}
