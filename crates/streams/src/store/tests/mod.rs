//! The stores against models: whatever is put, committed, rolled back, reopened and restored, on each backend.

mod buffer;
mod clean_up;
mod durability;
mod forgetful;
mod join_window;
mod key_value;
mod kill;
mod restore;
mod session;
mod versioned;
mod window;
mod workers;

use tempfile::TempDir;

use super::*;

/// The only store of a rig.
const ID: StoreId = StoreId(0);

/// A record of a changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Logged {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    timestamp: i64,
}

/// A store with its changelog, as a task would have them.
struct Rig {
    spec: StoreSpec,
    stores: Stores,
    /// What was committed.
    changelog: Vec<Logged>,
    state: Option<StateDatabase>,
    budget: MemoryBudget,
    directory: TempDir,
    now_ms: i64,
    /// What the task left here when it moved to another instance.
    left: Option<Stores>,
}

/// What may happen to a store between two changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// The transaction commits.
    Commit,
    /// The transaction is aborted.
    Abort,
    /// The process ends without a commit and comes back with its disk: a store in memory is restored.
    Reopen,
    /// The store is lost and restored from its changelog.
    Restore,
    /// The store takes over the latter half of its changelog once more: its task is back from another instance, or it
    /// is a standby.
    Follow,
    /// What was flushed is aborted with its transaction.
    Refuse,
    /// What was flushed is in the changelog, but its commit failed: the task comes back with that.
    Redo,
    /// The process is killed and comes back with its disk.
    Kill,
    /// The task moves to another instance, where it is restored; or it comes back to the store that it left here.
    Move,
}

impl Rig {
    fn new(kind: StoreKind, backend: Backend) -> Self {
        let mut rig = Self {
            spec: StoreSpec::new("store", kind).backend(backend),
            stores: Stores::default(),
            changelog: Vec::new(),
            state: None,
            budget: MemoryBudget::default(),
            directory: tempfile::tempdir().expect("a directory"),
            now_ms: 1,
            left: None,
        };
        rig.open();
        rig
    }

    fn open(&mut self) {
        if self.spec.backend == Backend::Disk && self.state.is_none() {
            let state = StateDatabase::open(self.directory.path(), self.budget);
            self.state = Some(state.expect("the database opens"));
        }
        let store = match &self.state {
            Some(state) => Store::open(self.spec.clone(), 0, state).expect("the store opens"),
            None => Store::in_memory(self.spec.clone()),
        };
        self.stores.insert(ID, store);
    }

    fn store(&mut self) -> &mut Store {
        self.stores.get_mut(ID)
    }

    /// Whether what was not committed is lost.
    fn happen(&mut self, event: Event) -> bool {
        if matches!(event, Event::Reopen | Event::Kill) && self.left.is_some() {
            self.happen(Event::Move);
        }
        match event {
            Event::Commit => {
                self.commit();
                false
            }
            Event::Abort => {
                self.stores.abort();
                true
            }
            Event::Reopen => {
                self.stores = Stores::default();
                self.state = None;
                self.open();
                if self.spec.backend == Backend::Memory {
                    self.restore();
                }
                true
            }
            Event::Restore => {
                self.store().wipe().expect("wiped");
                self.restore();
                true
            }
            Event::Follow => {
                self.stores.abort();
                self.restore_from(self.changelog.len() / 2);
                true
            }
            Event::Move => {
                self.stores.abort();
                self.move_on();
                true
            }
            Event::Refuse => {
                self.flush();
                self.stores.abort();
                true
            }
            Event::Redo => {
                let first = self.changelog.len();
                let mut sent = self.flush();
                self.changelog.append(&mut sent);
                self.stores.abort();
                self.restore_from(first);
                false
            }
            Event::Kill => {
                let Some(state) = self.state.take() else {
                    return self.happen(Event::Reopen);
                };
                let killed = as_killed(&self.directory, &state);
                self.stores = Stores::default();
                drop(state);
                self.directory = killed;
                self.open();
                true
            }
        }
    }

    fn move_on(&mut self) {
        if let Some(left) = self.left.take() {
            self.stores = left;
            let next = self.store().checkpoint().map_or(0, |offset| offset + 1);
            self.restore_from(next as usize);
            return;
        }
        self.left = Some(std::mem::take(&mut self.stores));
        let elsewhere = Store::in_memory(self.spec.clone());
        self.stores.insert(ID, elsewhere);
        self.restore();
    }

    /// Flushes; what is to go to the changelog.
    fn flush(&mut self) -> Vec<Logged> {
        let mut sent = Vec::new();
        let flushed = self.stores.flush(|_, entry| -> Result<(), StoreError> {
            sent.push(Logged {
                key: entry.key.to_vec(),
                value: entry.value.map(<[u8]>::to_vec),
                timestamp: entry.timestamp,
            });
            Ok(())
        });
        assert_eq!(flushed.expect("sent"), sent.len());
        sent
    }

    fn commit(&mut self) {
        let mut sent = self.flush();
        self.changelog.append(&mut sent);
        let offset = (self.changelog.len() as i64 - 1).max(0);
        let offset = (!self.changelog.is_empty()).then_some(offset);
        self.now_ms += 1;
        self.stores
            .commit(self.now_ms, |_| offset)
            .expect("committed");
        assert_eq!(self.stores.dirty_bytes(), 0);
        assert_eq!(self.store().checkpoint(), offset);
    }

    fn restore(&mut self) {
        self.restore_from(0);
    }

    fn restore_from(&mut self, first: usize) {
        let changelog = std::mem::take(&mut self.changelog);
        let records = changelog
            .iter()
            .enumerate()
            .skip(first)
            .map(|(offset, logged)| ChangelogRecord {
                key: &logged.key,
                value: logged.value.as_deref(),
                timestamp: logged.timestamp,
                offset: offset as i64,
            });
        let store = self.store();
        store.restore(records).expect("restored");
        store.finish_restore(5).expect("restored");
        self.changelog = changelog;
    }
}

/// All files below a directory.
fn files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A copy of the directory as it is at this moment: what a kill would leave.
fn as_killed(directory: &TempDir, state: &StateDatabase) -> TempDir {
    state.rest();
    let copy = tempfile::tempdir().expect("a directory");
    for path in files(directory.path()) {
        let to = copy
            .path()
            .join(path.strip_prefix(directory.path()).expect("within"));
        std::fs::create_dir_all(to.parent().expect("a parent")).expect("made");
        std::fs::copy(path, to).expect("copied");
    }
    copy
}

/// Cases of a property on a backend: opening a database costs syncs.
fn cases(backend: Backend) -> proptest::test_runner::Config {
    proptest::test_runner::Config {
        cases: if backend == Backend::Disk { 24 } else { 256 },
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    }
}

fn events() -> impl proptest::strategy::Strategy<Value = Event> {
    use proptest::prelude::*;
    prop_oneof![
        6 => Just(Event::Commit),
        2 => Just(Event::Abort),
        1 => Just(Event::Reopen),
        1 => Just(Event::Restore),
        1 => Just(Event::Follow),
        1 => Just(Event::Refuse),
        1 => Just(Event::Redo),
        1 => Just(Event::Kill),
        2 => Just(Event::Move),
    ]
}

/// Keys of which some begin with others: their rows lie side by side.
fn keys() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    prop::sample::select(vec!["", "a", "a\0", "a\0\0\0\0\0\0\0\0", "aa", "b", "zz"])
        .prop_map(str::to_owned)
}

/// Runs a property on both backends.
macro_rules! on_both_backends {
    ($name:ident, $strategy:expr, $property:expr) => {
        mod $name {
            use super::*;

            fn check(backend: Backend) {
                let mut runner = proptest::test_runner::TestRunner::new(super::cases(backend));
                let property = $property;
                runner
                    .run(&$strategy, |steps| {
                        property(backend, steps);
                        Ok(())
                    })
                    .unwrap_or_else(|failure| panic!("{failure}"));
            }

            #[test]
            fn in_memory() {
                check(Backend::Memory);
            }

            #[test]
            fn on_disk() {
                check(Backend::Disk);
            }
        }
    };
}
use on_both_backends;
