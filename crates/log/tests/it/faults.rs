//! A disk that fails: poison, no room, half-written appends, and acknowledged data that is gone.

use std::path::Path;

use headwater_log::disk::{FaultyDisk, Survival};
use headwater_log::{AppendError, AppendOptions, Durability, LogError, Origin, ReadBound};

use crate::store::{
    CLIENT, NOW, ROOT, append, batch, open, partition, partition_id, read_all, try_append,
    try_open, values,
};

#[test]
fn a_failed_sync_ends_writes_and_leaves_reads() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    append(&log, &["a"]);
    dir.commit_pending().unwrap();
    append(&log, &["b"]);
    disk.fail_sync(disk.syncs());
    assert!(dir.commit_pending().is_err());
    assert!(dir.poisoned().unwrap().contains("sync"));

    // Not retried, though the disk would say yes now: it has forgotten what it should have written.
    assert!(matches!(
        dir.commit_pending(),
        Err(LogError::Poisoned { .. })
    ));
    assert!(matches!(
        dir.checkpoint(NOW),
        Err(LogError::Poisoned { .. })
    ));
    assert!(matches!(dir.close(NOW), Err(LogError::Poisoned { .. })));
    assert!(matches!(
        try_append(&log, "c"),
        Err(AppendError::Storage(LogError::Poisoned { .. }))
    ));
    assert!(log.delete_records(-1).is_err());
    assert_eq!(values(&log), ["a"]);

    drop((log, dir));
    let (dir, report) = open(&disk.power_cut(Survival::Nothing), 2);
    assert!(!report.clean);
    assert_eq!(values(&partition(&dir, 0)), ["a"]);
}

#[test]
fn a_failed_sync_of_a_checkpoint_poisons_too() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    append(&partition(&dir, 0), &["a"]);
    dir.commit_pending().unwrap();
    disk.fail_sync(disk.syncs());
    assert!(dir.checkpoint(NOW).is_err());
    assert!(dir.poisoned().is_some());
    drop(dir);
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    assert_eq!(values(&partition(&dir, 0)), ["a"]);
}

#[test]
fn a_failed_write_of_a_segment_is_cut_back() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    append(&log, &["a"]);
    disk.fail_write(0);
    let error = try_append(&log, "half").unwrap_err();
    assert!(matches!(error, AppendError::Storage(LogError::Io { .. })));
    assert_eq!(log.log_end_offset(), 1);
    assert_eq!(append(&log, &["b"]).base_offset, 1);
    dir.commit_pending().unwrap();
    assert_eq!(values(&log), ["a", "b"]);
    assert_eq!(dir.poisoned(), None);
}

#[test]
fn a_failed_write_of_the_journal_poisons() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    append(&partition(&dir, 0), &["a"]);
    disk.fail_write(0);
    assert!(dir.commit_pending().is_err());
    assert!(dir.poisoned().is_some());
}

#[test]
fn disk_full_is_a_clear_error_to_producers_and_coordinators_go_on() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    append(&log, &["a"]);
    disk.set_capacity(Some(60 << 20));
    // The free room is asked for now and then, not for each append.
    let value = "x".repeat(60_000);
    let refused = (0..64).find_map(|_| {
        dir.commit_pending().unwrap();
        log.append(batch(&[&value]), CLIENT).err()
    });
    assert!(matches!(
        refused,
        Some(AppendError::Storage(LogError::DiskFull { .. }))
    ));
    let coordinator = AppendOptions {
        origin: Origin::Coordinator,
        ..CLIENT
    };
    partition(&dir, 1)
        .append(batch(&["offset"]), coordinator)
        .unwrap();
    dir.commit_pending().unwrap();
    log.delete_records(-1).unwrap();
    dir.commit_pending().unwrap();
    dir.checkpoint(NOW).unwrap();
    disk.set_capacity(None);
    append(&log, &["room again"]);
}

#[test]
fn a_disk_without_any_room_takes_nothing_and_loses_nothing() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    let coordinator = AppendOptions {
        origin: Origin::Coordinator,
        ..CLIENT
    };
    log.append(batch(&["a"]), coordinator).unwrap();
    dir.commit_pending().unwrap();
    disk.set_capacity(Some(0));
    assert!(log.append(batch(&["b"]), coordinator).is_err());
    assert!(dir.checkpoint(NOW).is_err());
    assert_eq!(dir.poisoned(), None, "no room is not a broken disk");
    disk.set_capacity(None);
    log.append(batch(&["c"]), coordinator).unwrap();
    dir.commit_pending().unwrap();
    dir.checkpoint(NOW).unwrap();
    drop((log, dir));
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    assert_eq!(values(&partition(&dir, 0)), ["a", "c"]);
}

#[test]
fn a_commit_lost_in_the_middle_of_the_journal_refuses_the_start() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    for value in ["a", "b", "c"] {
        append(&log, &[value]);
        dir.commit_pending().unwrap();
    }
    drop((log, dir));
    let disk = disk.kill();
    let journal = Path::new(ROOT).join("journal/0000000001.journal");
    disk.corrupt(&journal, |bytes| bytes[4096 + 100] ^= 1);
    let error = try_open(&disk, Durability::Fsync, 2).unwrap_err();
    let LogError::Corrupt { path, position, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((path, *position), (&journal, 8192), "{error}");
}

#[test]
fn a_torn_last_commit_is_the_end_of_the_journal() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    for value in ["a", "b"] {
        append(&log, &[value]);
        dir.commit_pending().unwrap();
    }
    drop((log, dir));
    let disk = disk.kill();
    let journal = Path::new(ROOT).join("journal/0000000001.journal");
    disk.corrupt(&journal, |bytes| bytes[4096 + 100] ^= 1);
    let (dir, _) = open(&disk, 2);
    assert_eq!(values(&partition(&dir, 0)), ["a"]);
}

#[test]
fn bytes_that_look_like_a_commit_of_another_incarnation_are_not_one() {
    let disk = FaultyDisk::new();
    let journal = Path::new(ROOT).join("journal/0000000001.journal");
    let (dir, _) = open(&disk, 1);
    append(&partition(&dir, 0), &["a"]);
    dir.commit_pending().unwrap();
    append(&partition(&dir, 0), &["b"]);
    dir.commit_pending().unwrap();
    let mut commits = Vec::new();
    disk.corrupt(&journal, |bytes| commits = bytes[..8192].to_vec());
    drop(dir);
    let (dir, _) = open(&disk.kill(), 2);
    append(&partition(&dir, 0), &["c"]);
    dir.commit_pending().unwrap();
    drop(dir);
    let disk = disk.kill();
    // The second commit of the first start lies right behind the first of the second start.
    disk.corrupt(&journal, |bytes| {
        assert_eq!(bytes[4096..8192], commits[4096..], "it was left there");
    });
    let (dir, _) = open(&disk, 3);
    assert_eq!(values(&partition(&dir, 0)), ["a", "b", "c"]);
}

#[test]
fn reading_up_to_the_log_end_is_for_those_who_wait_themselves() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    append(&log, &["a"]);
    assert_eq!(read_all(&log, 0, ReadBound::LogEnd).len(), 1);
    assert!(read_all(&log, 0, ReadBound::HighWatermark).is_empty());
    assert_eq!(dir.partition_ids(), [partition_id(0)]);
}

#[test]
fn too_many_open_files_are_no_failed_sync() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    append(&log, &["a"]);
    dir.commit_pending().unwrap();
    let huge = "x".repeat(100_000);
    append(&log, &[&huge]);
    append(&log, &["c"]);
    disk.set_out_of_handles(true);
    assert!(
        dir.commit_pending().is_err(),
        "its directory is to be synced"
    );
    assert!(dir.checkpoint(NOW).is_err());
    assert!(dir.prepare_journal().is_err());
    assert_eq!(dir.poisoned(), None);
    assert_eq!(values(&log), ["a"], "nothing counts as durable");
    disk.set_out_of_handles(false);
    dir.commit_pending().unwrap().unwrap();
    dir.prepare_journal().unwrap();
    dir.checkpoint(NOW).unwrap();
    assert_eq!(values(&log), ["a", huge.as_str(), "c"]);
    drop((log, dir));
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    assert_eq!(values(&partition(&dir, 0)), ["a", huge.as_str(), "c"]);
}
