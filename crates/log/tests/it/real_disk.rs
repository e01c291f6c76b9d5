//! The same on the operating system's disk.

use std::sync::Arc;

use headwater_log::disk::RealDisk;
use headwater_log::{Durability, JournalStep, LogConfig, LogDir, LogDirOptions, LogError};
use tempfile::TempDir;

use crate::store::{NOW, SMALL_JOURNAL, append, options, partition, partition_id, values};

fn open(temp: &TempDir, durability: Durability, incarnation: u128) -> LogDir {
    try_open(temp, durability, incarnation).unwrap()
}

fn try_open(temp: &TempDir, durability: Durability, incarnation: u128) -> Result<LogDir, LogError> {
    let options = LogDirOptions {
        root: temp.path().join("new/data"),
        ..options(durability, incarnation)
    };
    LogDir::open(Arc::new(RealDisk), options).map(|(dir, _)| dir)
}

#[test]
fn what_was_committed_is_there_after_a_process_that_just_ended() {
    let temp = TempDir::new().unwrap();
    let expected: Vec<String> = (0..300)
        .map(|n| format!("value {n} {}", "x".repeat(n)))
        .collect();
    {
        let dir = open(&temp, Durability::Fsync, 1);
        let log = dir.create_partition(
            partition_id(0),
            LogConfig {
                segment_bytes: 10_000,
                ..LogConfig::default()
            },
        );
        for value in &expected {
            append(&log, &[value]);
            dir.commit_pending().unwrap();
        }
        append(&log, &["not committed"]);
    }
    let dir = open(&temp, Durability::Fsync, 2);
    assert_eq!(values(&partition(&dir, 0)), expected);
    dir.close(NOW).unwrap();
    drop(dir);
    let dir = open(&temp, Durability::Relaxed, 3);
    let log = partition(&dir, 0);
    assert_eq!(values(&log), expected);
    append(&log, &["relaxed"]);
    drop((log, dir));
    let dir = open(&temp, Durability::Relaxed, 4);
    assert_eq!(values(&partition(&dir, 0)).len(), expected.len() + 1);
}

#[test]
fn large_batches_and_many_small_ones_share_a_commit() {
    let temp = TempDir::new().unwrap();
    let dir = open(&temp, Durability::Fsync, 1);
    let large = "x".repeat(7000);
    for number in 0..30 {
        let log = partition(&dir, number);
        append(&log, &["small"]);
        append(&log, &[&large]);
    }
    dir.commit_pending().unwrap();
    drop(dir);
    let dir = open(&temp, Durability::Fsync, 2);
    for number in 0..30 {
        assert_eq!(values(&partition(&dir, number)), ["small", large.as_str()]);
    }
}

#[test]
fn the_journal_grows_on_disk() {
    let temp = TempDir::new().unwrap();
    let dir = open(&temp, Durability::Fsync, 1);
    let log = partition(&dir, 0);
    for _ in 0..40 {
        append(&log, &["a"]);
        dir.commit_pending().unwrap();
        if dir.prepare_journal().unwrap() == JournalStep::Done {
            dir.checkpoint(NOW).unwrap();
        }
    }
    let files = std::fs::read_dir(temp.path().join("new/data/journal")).unwrap();
    let sizes: Vec<u64> = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .collect();
    assert_eq!(sizes, vec![SMALL_JOURNAL.file_bytes; SMALL_JOURNAL.files]);
}

#[test]
fn a_directory_in_use_is_refused_and_free_again_afterwards() {
    let temp = TempDir::new().unwrap();
    let dir = open(&temp, Durability::Fsync, 1);
    let error = try_open(&temp, Durability::Fsync, 2).unwrap_err();
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    drop(dir);
    assert!(try_open(&temp, Durability::Fsync, 3).is_ok());
}

#[test]
fn the_room_on_the_disk_is_known() {
    let temp = TempDir::new().unwrap();
    let dir = open(&temp, Durability::Fsync, 1);
    assert!(dir.free_bytes().unwrap() > 0);
}
