//! The thread that writes rows to disk, merges tables and drops old ones, so that no stream's thread has to.
//!
//! Buffers come first: as long as they are not on disk, commits may have to wait. Decides nothing about what is
//! written; a disk that fails is remembered, and everybody who commits is told.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::commit_log::CommitLog;
use super::error::StoreError;
use super::tree::{Tree, store_error};

/// How many stores may wait to have old rows dropped; further ones ask again at a later commit.
const WAITING: usize = 64;

/// How long somebody waits for progress before looking again.
const PATIENCE: Duration = Duration::from_millis(50);

/// What is to be done: each tree is in a list once, so they are as long as there are trees.
#[derive(Default)]
struct Jobs {
    flush: VecDeque<Arc<Tree>>,
    compact: VecDeque<Arc<Tree>>,
    expire: VecDeque<(Arc<Tree>, u64)>,
    /// Deletes tables that nobody needs, while none is being written.
    clean: Option<Box<dyn FnOnce() + Send>>,
    /// One that was taken is being done.
    busy: bool,
    stopping: bool,
    /// Why the disk is of no use any more.
    failed: Option<String>,
}

impl Jobs {
    fn take(&mut self) -> Option<Job> {
        let flush = self.flush.pop_front().map(Job::Flush);
        flush
            .or_else(|| {
                let (tree, front) = self.expire.pop_front()?;
                Some(Job::DropBefore(tree, front))
            })
            .or_else(|| self.clean.take().map(Job::Clean))
            .or_else(|| self.compact.pop_front().map(Job::Compact))
    }

    #[cfg(test)]
    fn is_idle(&self) -> bool {
        !self.busy
            && self.flush.is_empty()
            && self.compact.is_empty()
            && self.expire.is_empty()
            && self.clean.is_none()
    }
}

enum Job {
    Flush(Arc<Tree>),
    Compact(Arc<Tree>),
    DropBefore(Arc<Tree>, u64),
    Clean(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
struct Desk {
    jobs: Mutex<Jobs>,
    /// Something is to be done, or was done.
    changed: Condvar,
    /// Bytes that are sealed and not on disk.
    sealed: AtomicU64,
}

/// The thread.
pub(crate) struct Compactor {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl Compactor {
    /// Starts it for the trees in `directory`, whose commits go to `log`.
    pub(crate) fn start(directory: &Path, log: Arc<Mutex<CommitLog>>) -> Result<Self, StoreError> {
        let desk = Arc::new(Desk::default());
        let at = Arc::clone(&desk);
        let thread = std::thread::Builder::new()
            .name("streams-state".to_owned())
            .spawn(move || at.work(&log))
            .map_err(|error| StoreError::Disk {
                directory: directory.to_owned(),
                reason: format!("no thread could be started: {error}"),
            })?;
        Ok(Self {
            desk,
            thread: Some(thread),
        })
    }

    /// Has a tree written to disk of which `bytes` more are sealed.
    pub(crate) fn flush(&self, tree: &Arc<Tree>, bytes: u64) {
        self.desk.sealed.fetch_add(bytes, Ordering::Relaxed);
        let mut jobs = self.desk.jobs();
        enqueue(&mut jobs.flush, tree);
        self.desk.changed.notify_all();
    }

    /// Sealed bytes went without having been written.
    pub(crate) fn dropped(&self, bytes: u64) {
        self.desk.drop_sealed(bytes);
    }

    /// Looks whether a tree's tables are to be merged.
    pub(crate) fn compact(&self, tree: &Arc<Tree>) {
        let mut jobs = self.desk.jobs();
        enqueue(&mut jobs.compact, tree);
        self.desk.changed.notify_all();
    }

    /// Has whole tables of rows before `front` dropped.
    pub(crate) fn drop_before(&self, tree: &Arc<Tree>, front: u64) {
        let mut jobs = self.desk.jobs();
        if jobs.expire.len() < WAITING {
            jobs.expire.push_back((Arc::clone(tree), front));
            self.desk.changed.notify_all();
        }
    }

    /// Calls this when no table is being written, unless an earlier one is still waiting.
    pub(crate) fn clean(&self, clean: impl FnOnce() + Send + 'static) {
        let mut jobs = self.desk.jobs();
        jobs.clean.get_or_insert_with(|| Box::new(clean));
        self.desk.changed.notify_all();
    }

    /// Waits until no more than `limit` bytes are sealed, or `ready` says so: ten seconds at most, after which the
    /// disk's slowness is its own to report.
    pub(crate) fn wait(&self, limit: u64, ready: impl Fn() -> bool) {
        let mut jobs = self.desk.jobs();
        for _ in 0..200 {
            let fits = self.desk.sealed.load(Ordering::Relaxed) <= limit;
            if (fits && ready()) || jobs.failed.is_some() {
                return;
            }
            let waited = self.desk.changed.wait_timeout(jobs, PATIENCE);
            jobs = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until there is nothing to do: what is on disk stays as it is until the next commit.
    #[cfg(test)]
    pub(crate) fn rest(&self) {
        let mut jobs = self.desk.jobs();
        while !jobs.is_idle() {
            let waited = self.desk.changed.wait_timeout(jobs, PATIENCE);
            jobs = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether the disk still works.
    pub(crate) fn check(&self, directory: &Path) -> Result<(), StoreError> {
        match &self.desk.jobs().failed {
            None => Ok(()),
            Some(reason) => Err(StoreError::Disk {
                directory: directory.to_owned(),
                reason: reason.clone(),
            }),
        }
    }

    /// From here on nothing can be committed.
    pub(crate) fn fail(&self, reason: String) {
        self.desk.fail(reason);
    }

    /// Forgets what is to be done for a tree that goes.
    pub(crate) fn forget(&self, tree: &Arc<Tree>) {
        let mut jobs = self.desk.jobs();
        jobs.flush.retain(|other| !Arc::ptr_eq(other, tree));
        jobs.compact.retain(|other| !Arc::ptr_eq(other, tree));
        jobs.expire.retain(|(other, _)| !Arc::ptr_eq(other, tree));
    }
}

impl Drop for Compactor {
    fn drop(&mut self) {
        self.desk.jobs().stopping = true;
        self.desk.changed.notify_all();
        // While it cleans up it may be the last that has the database.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs();
        jobs.busy = false;
        self.changed.notify_all();
        loop {
            if jobs.stopping || jobs.failed.is_some() {
                return None;
            }
            if let Some(job) = jobs.take() {
                jobs.busy = true;
                return Some(job);
            }
            jobs = self
                .changed
                .wait(jobs)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn work(&self, log: &Mutex<CommitLog>) {
        while let Some(job) = self.next() {
            let done = catch_unwind(AssertUnwindSafe(|| self.perform(job, log)));
            if done.is_err() {
                self.fail("the thread that writes the state panicked".to_owned());
            }
        }
    }

    fn perform(&self, job: Job, log: &Mutex<CommitLog>) {
        let (tree, done) = match job {
            Job::Clean(clean) => return clean(),
            Job::Flush(tree) => {
                let flushed = self.flush(&tree);
                (tree, flushed)
            }
            Job::Compact(tree) => {
                let compacted = self.compact(&tree);
                (tree, compacted)
            }
            Job::DropBefore(tree, front) => {
                if let Err(error) = tree.drop_before(front) {
                    // Nothing is lost but room on disk, and the next attempt may go better.
                    tracing::warn!(table = %tree.name, %error, "expired rows could not be dropped from disk");
                }
                (tree, Ok(()))
            }
        };
        let _no_commit = log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = done.and_then(|()| tree.forget_past()) {
            let told = store_error(Path::new(&*tree.name), &error);
            tracing::error!(table = %tree.name, %error, "the state cannot be written");
            self.fail(format!("writing {}: {told}", tree.name));
        }
    }

    fn flush(&self, tree: &Arc<Tree>) -> lsm_tree::Result<()> {
        let bytes = tree.flush()?;
        self.drop_sealed(bytes);
        enqueue(&mut self.jobs().compact, tree);
        Ok(())
    }

    fn compact(&self, tree: &Arc<Tree>) -> lsm_tree::Result<()> {
        if tree.compact()? {
            enqueue(&mut self.jobs().compact, tree);
        }
        Ok(())
    }

    fn drop_sealed(&self, bytes: u64) {
        let less = |sealed: u64| Some(sealed.saturating_sub(bytes));
        let _ = self
            .sealed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn fail(&self, reason: String) {
        self.jobs().failed.get_or_insert(reason);
        self.changed.notify_all();
    }
}

fn enqueue(trees: &mut VecDeque<Arc<Tree>>, tree: &Arc<Tree>) {
    if !trees.iter().any(|waiting| Arc::ptr_eq(waiting, tree)) {
        trees.push_back(Arc::clone(tree));
    }
}
