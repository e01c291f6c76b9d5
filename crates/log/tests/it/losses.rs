//! Files that someone removed or cut: the start is refused, or goes on with what is left if that is asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_log::disk::{Disk, FaultyDisk, OpenMode, Survival};
use headwater_log::{Durability, JournalSizes, LogDir, LogError};

use crate::store::{NOW, ROOT, append, open, options, partition, partition_id, try_open, values};

fn in_root(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

fn journal_files(disk: &FaultyDisk) -> Vec<PathBuf> {
    let dir = in_root("journal");
    let names = disk.list(&dir).unwrap();
    names.iter().map(|name| dir.join(name)).collect()
}

fn accept_the_loss(disk: &FaultyDisk) {
    disk.open(&in_root("accept-data-loss"), OpenMode::OrCreate)
        .unwrap();
}

/// Three records, each committed on its own, and then the process is gone.
fn killed() -> FaultyDisk {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    for value in ["a", "b", "c"] {
        append(&log, &[value]);
        dir.commit_pending().unwrap();
    }
    drop((log, dir));
    disk.kill()
}

fn stopped() -> FaultyDisk {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    append(&partition(&dir, 0), &["a", "b", "c"]);
    dir.close(NOW).unwrap();
    drop(dir);
    disk
}

fn refused(disk: &FaultyDisk, path: &Path) -> String {
    let error = try_open(disk, Durability::Fsync, 2).unwrap_err();
    let named = match &error {
        LogError::Missing { path, .. } | LogError::Corrupt { path, .. } => path,
        other => panic!("{other}"),
    };
    assert_eq!(named, path, "{error}");
    error.to_string()
}

#[test]
fn a_missing_checkpoint_refuses_the_start_and_deletes_nothing() {
    for disk in [killed(), stopped()] {
        let checkpoint = in_root("checkpoint");
        disk.remove_file(&checkpoint).unwrap();
        let text = refused(&disk, &checkpoint);
        assert!(text.contains("accept-data-loss"), "{text}");
        accept_the_loss(&disk);
        let (dir, report) = open(&disk, 3);
        assert_eq!(report.accepted_losses.len(), 1, "{report:?}");
        assert_eq!(values(&partition(&dir, 0)), ["a", "b", "c"]);
        assert!(
            disk.open(&in_root("accept-data-loss"), OpenMode::Existing)
                .is_err(),
            "accepted once, not for ever"
        );
    }
}

#[test]
fn a_missing_meta_refuses_the_start() {
    for disk in [killed(), stopped()] {
        disk.remove_file(&in_root("meta")).unwrap();
        let text = refused(&disk, &in_root("meta"));
        assert!(text.contains("cluster.id="), "{text}");
        let again = refused(&disk, &in_root("meta"));
        assert_eq!(text, again, "nothing was changed");
    }
}

#[test]
fn a_directory_that_lost_everything_but_the_journal_is_refused() {
    let disk = killed();
    disk.remove_file(&in_root("checkpoint")).unwrap();
    let dir = in_root("partitions").join(partition_id(0).to_string());
    for name in disk.list(&dir).unwrap() {
        disk.remove_file(&dir.join(name)).unwrap();
    }
    disk.remove_dir(&dir).unwrap();
    refused(&disk, &in_root("checkpoint"));
}

#[test]
fn any_journal_file_missing_after_a_crash_refuses_the_start() {
    for at in 0..2 {
        let disk = killed();
        let path = journal_files(&disk).remove(at);
        disk.remove_file(&path).unwrap();
        let text = refused(&disk, &path);
        assert!(text.contains("accept-data-loss"), "{text}");
        refused(&disk, &path);
    }
}

#[test]
fn a_journal_file_cut_short_after_a_crash_refuses_the_start() {
    for at in 0..2 {
        for length in [0, 4096, 16 * 1024] {
            let disk = killed();
            let path = journal_files(&disk).remove(at);
            disk.corrupt(&path, |bytes| bytes.truncate(length));
            refused(&disk, &path);
        }
    }
}

#[test]
fn a_file_that_the_journal_grew_by_since_is_missed_too() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    dir.prepare_journal().unwrap();
    let log = partition(&dir, 0);
    for _ in 0..20 {
        append(&log, &["value"]);
        dir.commit_pending().unwrap();
    }
    drop((log, dir));
    let disk = disk.kill();
    let grown = journal_files(&disk).pop().unwrap();
    assert!(grown.ends_with("0000000002.journal"));
    disk.remove_file(&grown).unwrap();
    refused(&disk, &grown);
}

#[test]
fn an_accepted_loss_keeps_what_the_segments_have() {
    let disk = killed();
    for path in journal_files(&disk) {
        disk.remove_file(&path).unwrap();
    }
    accept_the_loss(&disk);
    let (dir, report) = open(&disk, 2);
    assert_eq!(report.accepted_losses.len(), 2, "{report:?}");
    let log = partition(&dir, 0);
    assert_eq!(values(&log), ["a", "b", "c"]);
    append(&log, &["d"]);
    dir.commit_pending().unwrap();
    drop((log, dir));
    let (dir, report) = open(&disk.power_cut(Survival::Nothing), 3);
    assert_eq!(report.accepted_losses, Vec::<String>::new());
    assert_eq!(values(&partition(&dir, 0)), ["a", "b", "c", "d"]);
}

#[test]
fn what_is_cut_is_reported_by_partition() {
    let disk = killed();
    for path in journal_files(&disk) {
        disk.remove_file(&path).unwrap();
    }
    let log = in_root("partitions").join(partition_id(0).to_string());
    disk.corrupt(&log.join("00000000000000000000.log"), |bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    accept_the_loss(&disk);
    let (dir, report) = open(&disk, 2);
    assert_eq!(values(&partition(&dir, 0)), ["a", "b"]);
    let [cut] = report.cut.as_slice() else {
        panic!("{report:?}");
    };
    assert_eq!((cut.partition, cut.log_end_offset), (partition_id(0), 2));
    assert_eq!(cut.bytes, report.truncated_bytes);
}

#[test]
fn empty_journal_files_are_made_again_after_a_clean_stop() {
    let disk = stopped();
    for path in journal_files(&disk) {
        disk.corrupt(&path, Vec::clear);
    }
    let (dir, _) = open(&disk, 2);
    let log = partition(&dir, 0);
    for _ in 0..40 {
        append(&log, &["more"]);
        dir.commit_pending().unwrap().unwrap();
    }
    assert_eq!(journal_files(&disk).len(), 2, "the empty ones are gone");
    drop((log, dir));
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 3);
    assert_eq!(values(&partition(&dir, 0)).len(), 43);
}

#[test]
fn a_ring_without_room_for_any_commit_is_an_error() {
    let disk = FaultyDisk::new();
    let mut options = options(Durability::Fsync, 1);
    options.journal = JournalSizes {
        initial_files: 1,
        initial_file_bytes: 0,
        files: 1,
        file_bytes: 0,
        queue_bytes: 1 << 20,
    };
    let (dir, _) = LogDir::open(Arc::new(disk), options).unwrap();
    append(&partition(&dir, 0), &["a"]);
    assert!(dir.commit_pending().is_err());
    assert!(dir.poisoned().unwrap().contains("room"));
    assert!(dir.close(NOW).is_err(), "and it can be stopped");
}
