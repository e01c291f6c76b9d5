//! A disk on which something happens in the middle of something else.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use headwater_log::disk::{Disk, DiskFile, DiskLock, FaultyDisk, OpenMode};

type Hook = Box<dyn FnOnce() + Send>;

/// Runs something once, right before a file is opened by a certain name or gets it.
#[derive(Clone)]
pub(crate) struct HookedDisk {
    pub(crate) disk: FaultyDisk,
    hook: Arc<Mutex<Option<(&'static str, Hook)>>>,
}

impl HookedDisk {
    pub(crate) fn new(disk: FaultyDisk) -> Self {
        Self {
            disk,
            hook: Arc::default(),
        }
    }

    /// Runs `hook` before the next file whose name ends like this.
    pub(crate) fn before(&self, name_end: &'static str, hook: impl FnOnce() + Send + 'static) {
        *self.hook.lock().unwrap() = Some((name_end, Box::new(hook)));
    }

    pub(crate) fn has_run(&self) -> bool {
        self.hook.lock().unwrap().is_none()
    }

    fn meet(&self, path: &Path) {
        let name = path.to_string_lossy();
        let due = |(name_end, _): &mut (&str, Hook)| name.ends_with(*name_end);
        let hook = self.hook.lock().unwrap().take_if(due);
        if let Some((_, hook)) = hook {
            hook();
        }
    }
}

impl fmt::Debug for HookedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookedDisk").finish_non_exhaustive()
    }
}

impl Disk for HookedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.meet(path);
        self.disk.open(path, mode)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.meet(to);
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        self.disk.lock(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.disk.free_bytes(path)
    }

    fn total_bytes(&self, path: &Path) -> io::Result<u64> {
        self.disk.total_bytes(path)
    }
}
