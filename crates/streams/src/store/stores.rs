//! The stores of one task.

use std::sync::Arc;

use super::batch::Batch;
use super::cache_budget::CacheBudget;
use super::error::StoreError;
use super::store::{ChangelogEntry, Store};
use super::table::Table;

/// A store of the topology, by the order in which they were declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreId(pub usize);

impl StoreId {
    /// Its place among the topology's stores.
    pub fn index(self) -> usize {
        self.0
    }
}

/// The stores of one task: those of its sub-topology, in its partition.
#[derive(Debug, Default)]
pub struct Stores {
    stores: Vec<Option<Store>>,
    /// Of the stores.
    budget: Option<Arc<CacheBudget>>,
}

impl Stores {
    /// Adds a store, or replaces it.
    pub fn insert(&mut self, id: StoreId, store: Store) {
        if self.stores.len() <= id.0 {
            self.stores.resize_with(id.0 + 1, || None);
        }
        self.budget = Some(Arc::clone(store.cache_budget()));
        self.stores[id.0] = Some(store);
    }

    /// How many bytes of results one store may have waiting for a commit.
    #[inline]
    pub(crate) fn results_each(&self) -> usize {
        self.budget
            .as_ref()
            .map_or(0, |budget| budget.results_each())
    }

    /// A store of the task.
    ///
    /// # Panics
    ///
    /// If the store is none of this task's: a handle was taken to another sub-topology.
    #[inline]
    pub fn get_mut(&mut self, id: StoreId) -> &mut Store {
        self.stores
            .get_mut(id.0)
            .and_then(Option::as_mut)
            .expect("an operator reaches the stores of its own sub-topology only")
    }

    /// A store of the task, if it has it.
    pub fn get(&self, id: StoreId) -> Option<&Store> {
        self.stores.get(id.0)?.as_ref()
    }

    /// All stores.
    pub fn iter(&self) -> impl Iterator<Item = (StoreId, &Store)> {
        self.stores
            .iter()
            .enumerate()
            .filter_map(|(index, store)| Some((StoreId(index), store.as_ref()?)))
    }

    /// All stores, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (StoreId, &mut Store)> {
        self.stores
            .iter_mut()
            .enumerate()
            .filter_map(|(index, store)| Some((StoreId(index), store.as_mut()?)))
    }

    /// Hands what changed since the last flush to `send`, store by store.
    pub fn flush<E>(
        &mut self,
        mut send: impl FnMut(StoreId, ChangelogEntry<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut sent = 0;
        for (id, store) in self.iter_mut() {
            sent += store.flush(&mut |entry| send(id, entry))?;
        }
        Ok(sent)
    }

    /// Commits the changes of all stores in one atomic batch, each with the offset of the last changelog record that
    /// was written for it; none leaves it where it is. `now_ms` is the wall clock. After an error the stores have to
    /// be opened again.
    pub fn commit(
        &mut self,
        now_ms: i64,
        mut changelog_offset: impl FnMut(StoreId) -> Option<i64>,
    ) -> Result<(), StoreError> {
        let mut batch = self.batch(now_ms);
        for (id, store) in self.iter_mut() {
            store.commit(&mut batch, changelog_offset(id));
        }
        batch.commit()
    }

    /// Drops the changes of all stores since the last commit.
    pub fn abort(&mut self) {
        for (_, store) in self.iter_mut() {
            store.abort();
        }
    }

    /// Bytes of changes that are not committed.
    pub fn dirty_bytes(&self) -> usize {
        self.iter().map(|(_, store)| store.dirty_bytes()).sum()
    }

    /// A batch for these stores.
    pub fn batch(&self, now_ms: i64) -> Batch {
        self.iter()
            .find_map(|(_, store)| match &store.table {
                Table::Disk(table) => Some(table.state().batch(now_ms)),
                Table::Memory(_) => None,
            })
            .unwrap_or_else(|| Batch::in_memory(now_ms))
    }
}
