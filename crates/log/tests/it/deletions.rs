//! Partitions deleted while a checkpoint is being made.

use std::sync::Arc;

use headwater_log::disk::FaultyDisk;
use headwater_log::{Durability, LogDir};

use crate::hooked_disk::HookedDisk;
use crate::store::{NOW, append, options, partition, partition_id, try_open, values};

#[test]
fn a_partition_deleted_during_a_checkpoint_stays_until_the_next_one() {
    for durability in [Durability::Relaxed, Durability::Fsync] {
        let disk = HookedDisk::new(FaultyDisk::new());
        let (dir, _) = LogDir::open(Arc::new(disk.clone()), options(durability, 1)).unwrap();
        let dir = Arc::new(dir);
        append(&partition(&dir, 0), &["deleted"]);
        append(&partition(&dir, 1), &["kept"]);
        dir.commit_pending().unwrap();
        let deleting = Arc::clone(&dir);
        disk.before("checkpoint", move || {
            deleting.delete_partition(partition_id(0)).unwrap();
        });
        dir.checkpoint(NOW).unwrap();
        assert!(disk.has_run());
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
