//! Partitions deleted while a checkpoint is being made.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use headwater_log::disk::{Disk, DiskFile, DiskLock, FaultyDisk, OpenMode};
use headwater_log::{Durability, LogDir};

use crate::store::{NOW, append, options, partition, partition_id, try_open, values};

type Hook = Box<dyn FnOnce() + Send>;

/// Runs something once, right before a checkpoint gets its name.
#[derive(Clone)]
struct HookedDisk {
    disk: FaultyDisk,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl fmt::Debug for HookedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookedDisk").finish_non_exhaustive()
    }
}

impl Disk for HookedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(path, mode)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if to.ends_with("checkpoint") {
            let hook = self.hook.lock().unwrap().take();
            if let Some(hook) = hook {
                hook();
            }
        }
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
}

#[test]
fn a_partition_deleted_during_a_checkpoint_stays_until_the_next_one() {
    for durability in [Durability::Relaxed, Durability::Fsync] {
        let disk = HookedDisk {
            disk: FaultyDisk::new(),
            hook: Arc::default(),
        };
        let (dir, _) = LogDir::open(Arc::new(disk.clone()), options(durability, 1)).unwrap();
        let dir = Arc::new(dir);
        append(&partition(&dir, 0), &["deleted"]);
        append(&partition(&dir, 1), &["kept"]);
        dir.commit_pending().unwrap();
        let deleting = Arc::clone(&dir);
        *disk.hook.lock().unwrap() = Some(Box::new(move || {
            deleting.delete_partition(partition_id(0)).unwrap();
        }));
        dir.checkpoint(NOW).unwrap();
        assert_eq!(dir.partition_ids(), [partition_id(1)], "{durability:?}");
        drop(dir);

        // The checkpoint names the partition, so its files must be there.
        let disk = disk.disk.kill();
        let (dir, _) = try_open(&disk, durability, 2).unwrap();
        assert_eq!(values(&partition(&dir, 1)), ["kept"], "{durability:?}");
        assert_eq!(values(&partition(&dir, 0)), ["deleted"], "{durability:?}");

        dir.delete_partition(partition_id(0)).unwrap();
        dir.commit_pending().unwrap();
        dir.checkpoint(NOW).unwrap();
        drop(dir);
        let disk = disk.kill();
        let (dir, _) = try_open(&disk, durability, 3).unwrap();
        assert_eq!(dir.partition_ids(), [partition_id(1)], "{durability:?}");
    }
}
