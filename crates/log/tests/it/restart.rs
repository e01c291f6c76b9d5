//! Stopping and starting: cleanly, killed, with the power cut, and in another mode.

use std::path::Path;

use headwater_log::disk::{Disk, FaultyDisk, OpenMode, Survival};
use headwater_log::{Durability, LogConfig, LogError};

use crate::store::{NOW, ROOT, append, open, partition, partition_id, try_open, values};

fn partition_path(name: &str) -> std::path::PathBuf {
    Path::new(ROOT)
        .join("partitions")
        .join(partition_id(0).to_string())
        .join(name)
}

fn is_log(name: &str) -> bool {
    Path::new(name).extension() == Some("log".as_ref())
}

fn small_segments() -> LogConfig {
    LogConfig {
        segment_bytes: 400,
        index_interval_bytes: 100,
        ..LogConfig::default()
    }
}

#[test]
fn a_graceful_stop_leaves_a_clean_mark_and_the_next_start_reads_nothing_again() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    append(&partition(&dir, 0), &["a", "b"]);
    dir.close(crate::store::NOW).unwrap();
    drop(dir);
    let (dir, report) = open(&disk, 2);
    assert!(report.clean);
    assert_eq!(
        (report.partitions, report.commits, report.truncated_bytes),
        (1, 0, 0)
    );
    assert_eq!(values(&partition(&dir, 0)), ["a", "b"]);
    assert_eq!(dir.cluster_id(), "a-cluster");
}

#[test]
fn appends_are_refused_once_closed() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    dir.close(crate::store::NOW).unwrap();
    assert!(crate::store::try_append(&log, "a").is_err());
}

#[test]
fn a_killed_process_loses_what_was_not_committed_and_nothing_else() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    append(&log, &["a"]);
    dir.commit_pending().unwrap();
    append(&log, &["never acknowledged"]);
    drop((log, dir));
    let disk = disk.kill();
    let (dir, report) = open(&disk, 2);
    assert!(!report.clean);
    assert!(report.truncated_bytes > 0, "cut although its CRC is right");
    let log = partition(&dir, 0);
    assert_eq!(values(&log), ["a"]);
    assert_eq!(log.log_end_offset(), 1);
    assert_eq!(append(&log, &["b"]).base_offset, 1);
}

#[test]
fn after_a_power_cut_the_journal_has_what_the_segments_lost() {
    for survival in [
        Survival::Nothing,
        Survival::Everything,
        Survival::Some { seed: 7 },
    ] {
        let disk = FaultyDisk::new();
        let (dir, _) = open(&disk, 1);
        let log = dir.create_partition(partition_id(0), small_segments());
        let expected: Vec<String> = (0..40).map(|n| format!("value {n}")).collect();
        for value in &expected {
            append(&log, &[value]);
            dir.commit_pending().unwrap();
        }
        drop((log, dir));
        let disk = disk.power_cut(survival);
        let (dir, report) = open(&disk, 2);
        assert!(report.applied_entries > 0);
        assert_eq!(values(&partition(&dir, 0)), expected, "{survival:?}");
    }
}

#[test]
fn a_start_after_a_kill_reads_again_only_what_is_not_checkpointed() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    append(&log, &["a"]);
    dir.commit_pending().unwrap();
    dir.checkpoint(crate::store::NOW).unwrap();
    append(&log, &["b"]);
    dir.commit_pending().unwrap();
    drop((log, dir));
    let (dir, report) = open(&disk.power_cut(Survival::Nothing), 2);
    assert_eq!((report.commits, report.applied_entries), (1, 1));
    assert_eq!(values(&partition(&dir, 0)), ["a", "b"]);
}

#[test]
fn an_idle_checkpoint_writes_nothing() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    append(&partition(&dir, 0), &["a"]);
    dir.commit_pending().unwrap();
    dir.checkpoint(crate::store::NOW).unwrap();
    let operations = disk.operations();
    dir.checkpoint(crate::store::NOW).unwrap();
    assert_eq!(disk.operations(), operations);
}

#[test]
fn lost_indexes_snapshots_and_epochs_are_made_again() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = dir.create_partition(partition_id(0), small_segments());
    for n in 0..30 {
        let batch = crate::store::sequenced(5, 0, n, &["value"]);
        log.append(batch, crate::store::CLIENT).unwrap();
    }
    dir.close(crate::store::NOW).unwrap();
    drop((log, dir));
    let dir_path = partition_path("");
    for name in disk.list(&dir_path).unwrap() {
        if !is_log(&name) {
            disk.remove_file(&dir_path.join(name)).unwrap();
        }
    }
    let (dir, _) = open(&disk, 2);
    let log = partition(&dir, 0);
    assert_eq!(values(&log).len(), 30);
    assert_eq!(log.leader_epoch(), Some(0));
    let again = log
        .append(
            crate::store::sequenced(5, 0, 27, &["value"]),
            crate::store::CLIENT,
        )
        .unwrap();
    assert!(again.duplicate);
    assert_eq!(again.base_offset, 27);
}

#[test]
fn a_segment_that_lost_synced_bytes_is_refused() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    append(&partition(&dir, 0), &["a"]);
    dir.close(crate::store::NOW).unwrap();
    drop(dir);
    disk.corrupt(&partition_path("00000000000000000000.log"), |bytes| {
        bytes.pop();
    });
    let error = try_open(&disk, Durability::Fsync, 2).unwrap_err();
    assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    dir.close(crate::store::NOW).unwrap();
    drop(dir);
    disk.corrupt(&Path::new(ROOT).join("checkpoint"), |bytes| bytes[20] ^= 1);
    let error = try_open(&disk, Durability::Fsync, 2).unwrap_err();
    assert!(error.to_string().contains("checkpoint"), "{error}");
}

#[test]
fn relaxed_mode_keeps_everything_when_killed_and_cuts_a_torn_tail() {
    let disk = FaultyDisk::new();
    let (dir, _) = try_open(&disk, Durability::Relaxed, 1).unwrap();
    let log = dir.create_partition(partition_id(0), small_segments());
    let expected: Vec<String> = (0..20).map(|n| format!("value {n}")).collect();
    for value in &expected {
        append(&log, &[value]);
    }
    drop((log, dir));
    let disk = disk.kill();
    let names = disk.list(&partition_path("")).unwrap();
    let last = names.iter().filter(|name| is_log(name)).max().unwrap();
    disk.corrupt(&partition_path(last), |bytes| {
        bytes.extend_from_slice(&[0; 70]);
    });
    let (dir, report) = try_open(&disk, Durability::Relaxed, 2).unwrap();
    assert_eq!(report.truncated_bytes, 70);
    let log = partition(&dir, 0);
    assert_eq!(values(&log), expected);
    assert_eq!(append(&log, &["next"]).base_offset, 20);
}

#[test]
fn relaxed_mode_comes_back_without_holes_after_a_power_cut() {
    for seed in 0..50 {
        let disk = FaultyDisk::new();
        let (dir, _) = try_open(&disk, Durability::Relaxed, 1).unwrap();
        let log = dir.create_partition(partition_id(0), small_segments());
        let expected: Vec<String> = (0..30).map(|n| format!("value {n}")).collect();
        for (n, value) in expected.iter().enumerate() {
            append(&log, &[value]);
            if n == 10 {
                dir.checkpoint(crate::store::NOW).unwrap();
            }
        }
        drop((log, dir));
        let disk = disk.power_cut(Survival::Some { seed });
        let (dir, _) = try_open(&disk, Durability::Relaxed, 2).unwrap();
        let found = values(&partition(&dir, 0));
        assert!(found.len() > 10, "what was checkpointed is there");
        assert_eq!(found, expected[..found.len()]);
    }
}

#[test]
fn the_mode_can_change_at_each_start_clean_or_not() {
    let mut disk = FaultyDisk::new();
    let mut expected = Vec::new();
    let modes = [Durability::Fsync, Durability::Relaxed];
    for (start, mode) in (0_u128..12).zip(modes.into_iter().cycle()) {
        let (dir, _) = try_open(&disk, mode, start + 1).unwrap();
        let log = partition(&dir, 0);
        assert_eq!(values(&log), expected, "start {start}");
        expected.push(format!("value {start}"));
        append(&log, &[expected.last().unwrap()]);
        dir.commit_pending().unwrap();
        if start % 3 == 0 {
            dir.close(crate::store::NOW).unwrap();
        }
        drop((log, dir));
        disk = match mode {
            Durability::Fsync => disk.power_cut(Survival::Some { seed: start as u64 }),
            Durability::Relaxed => disk.kill(),
        };
    }
}

#[test]
fn a_deleted_partition_stays_deleted_and_its_entries_are_void() {
    for survival in [Survival::Nothing, Survival::Everything] {
        for checkpoint in [false, true] {
            let disk = FaultyDisk::new();
            let (dir, _) = open(&disk, 1);
            append(&partition(&dir, 0), &["a"]);
            append(&partition(&dir, 1), &["b"]);
            dir.commit_pending().unwrap();
            if checkpoint {
                dir.checkpoint(crate::store::NOW).unwrap();
            }
            append(&partition(&dir, 0), &["c"]);
            dir.delete_partition(partition_id(0)).unwrap();
            dir.commit_pending().unwrap();
            drop(dir);
            let disk = disk.power_cut(survival);
            let (dir, _) = open(&disk, 2);
            assert_eq!(dir.partition_ids(), [partition_id(1)]);
            assert!(
                disk.list(&partition_path("")).is_err(),
                "its directory is gone"
            );
        }
    }
}

#[test]
fn a_deletion_that_was_not_committed_did_not_happen() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    append(&partition(&dir, 0), &["a"]);
    dir.commit_pending().unwrap();
    dir.checkpoint(crate::store::NOW).unwrap();
    append(&partition(&dir, 0), &["b"]);
    dir.commit_pending().unwrap();
    dir.delete_partition(partition_id(0)).unwrap();
    dir.checkpoint(crate::store::NOW).unwrap();
    drop(dir);
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    assert_eq!(values(&partition(&dir, 0)), ["a", "b"]);
}

#[test]
fn the_files_of_a_deleted_partition_go_at_the_checkpoint() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    append(&log, &["a"]);
    dir.delete_partition(partition_id(0)).unwrap();
    assert!(crate::store::try_append(&log, "b").is_err());
    assert!(crate::store::try_append(&partition(&dir, 0), "b").is_err());
    dir.commit_pending().unwrap();
    assert_eq!(values(&log), ["a"], "readers that have it may go on");
    dir.checkpoint(crate::store::NOW).unwrap();
    assert!(
        disk.open(
            &partition_path("00000000000000000000.log"),
            OpenMode::Existing
        )
        .is_err()
    );
}

#[test]
fn relaxed_mode_syncs_after_flush_messages_and_after_flush_ms() {
    let disk = FaultyDisk::new();
    let (dir, _) = try_open(&disk, Durability::Relaxed, 1).unwrap();
    let by_count = LogConfig {
        flush_messages: 3,
        ..LogConfig::default()
    };
    let by_time = LogConfig {
        flush_ms: 1_000,
        ..LogConfig::default()
    };
    let counted = dir.create_partition(partition_id(0), by_count);
    let timed = dir.create_partition(partition_id(1), by_time);
    for value in ["a", "b", "c", "d"] {
        append(&counted, &[value]);
    }
    append(&timed, &["e"]);
    dir.flush_due(NOW).unwrap();
    append(&timed, &["f"]);
    dir.flush_due(NOW + 999).unwrap();
    drop(dir);
    let (dir, _) = try_open(&disk.power_cut(Survival::Nothing), Durability::Relaxed, 2).unwrap();
    assert_eq!(values(&partition(&dir, 0)), ["a", "b", "c"]);
    assert_eq!(values(&partition(&dir, 1)), ["e"]);
}
