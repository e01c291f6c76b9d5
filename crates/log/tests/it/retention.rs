//! Retention by time and size, and deletion of records: whole segments go, in the right order.

use headwater_log::disk::{Disk, FaultyDisk, Survival};
use headwater_log::{
    CleanupPolicy, LogConfig, LogDir, PartitionLog, ReadBound, ReadError, ReadMinimum,
};
use std::path::PathBuf;
use std::sync::Arc;

use crate::store::{CLIENT, NOW, append, batch_at, open, partition, partition_id, values};

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 200,
        ..LogConfig::default()
    }
}

/// Ten records in ten times one segment of about two.
fn filled(dir: &LogDir) -> Arc<PartitionLog> {
    filled_partition(dir, 0)
}

fn filled_partition(dir: &LogDir, number: i32) -> Arc<PartitionLog> {
    let log = dir.create_partition(partition_id(number), config());
    for n in 0..10 {
        log.append(batch_at(NOW + n, &format!("value {n}")), CLIENT)
            .unwrap();
    }
    dir.commit_pending().unwrap();
    log
}

fn log_files(disk: &FaultyDisk) -> usize {
    let path = PathBuf::from("/data/partitions").join(partition_id(0).to_string());
    let names = disk.list(&path).unwrap();
    let names = names.iter().map(std::path::Path::new);
    names
        .filter(|name| name.extension() == Some("log".as_ref()))
        .count()
}

#[test]
fn retention_by_time_deletes_whole_segments_and_the_active_one_rolls_by_time_too() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = filled(&dir);
    log.set_config(LogConfig {
        retention_ms: 1000,
        ..config()
    });
    dir.apply_retention(NOW + 1004).unwrap();
    let start = log.log_start_offset();
    assert!(start > 0 && start <= 4, "{start}");
    dir.apply_retention(NOW + 5000).unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset()), (10, 10));
    assert_eq!(log.size_in_bytes(), 0);
    dir.commit_pending().unwrap();
    dir.checkpoint(NOW).unwrap();
    assert_eq!(log_files(&disk), 1);
    assert_eq!(append(&log, &["next"]).base_offset, 10);
    dir.commit_pending().unwrap();
    assert_eq!(values(&log), ["next"]);
}

#[test]
fn retention_by_size_deletes_whole_segments() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = filled(&dir);
    log.set_config(LogConfig {
        retention_bytes: 450,
        ..config()
    });
    dir.apply_retention(NOW).unwrap();
    let size = log.size_in_bytes();
    assert!((450..650).contains(&size), "{size}");
    assert_eq!(values(&log).last().map(String::as_str), Some("value 9"));
    let below = log.read(0, 100, ReadBound::HighWatermark, ReadMinimum::OneBatch);
    assert!(matches!(below, Err(ReadError::OffsetOutOfRange { .. })));
}

#[test]
fn compacted_topics_keep_everything() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = filled(&dir);
    log.set_config(LogConfig {
        cleanup_policy: CleanupPolicy::Compact,
        retention_bytes: 0,
        retention_ms: 0,
        ..config()
    });
    dir.apply_retention(NOW + 10_000).unwrap();
    assert_eq!(log.log_start_offset(), 0);
}

#[test]
fn what_is_not_durable_is_not_deleted() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = dir.create_partition(partition_id(0), config());
    append(&log, &["a"]);
    append(&log, &["b"]);
    log.set_config(LogConfig {
        retention_ms: 0,
        ..config()
    });
    dir.apply_retention(NOW + 10_000).unwrap();
    assert_eq!(log.log_start_offset(), 0);
    dir.commit_pending().unwrap();
    dir.apply_retention(NOW + 10_000).unwrap();
    assert_eq!(log.log_start_offset(), 2);
}

#[test]
fn files_go_only_once_the_new_log_start_is_checkpointed() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = filled(&dir);
    let before = log_files(&disk);
    log.set_config(LogConfig {
        retention_ms: 0,
        ..config()
    });
    dir.apply_retention(NOW + 10_000).unwrap();
    assert_eq!(log_files(&disk), before + 1);
    dir.commit_pending().unwrap();
    assert_eq!(log_files(&disk), before + 1);
    dir.checkpoint(NOW).unwrap();
    assert_eq!(log_files(&disk), 1);
}

#[test]
fn a_partition_that_fails_does_not_hold_up_the_others() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let logs = [0, 1, 2].map(|number| filled_partition(&dir, number));
    for log in &logs {
        log.set_config(LogConfig {
            retention_ms: 0,
            ..config()
        });
    }
    // The first partition cannot write the index of the segment that it rolls away.
    disk.fail_write(0);
    assert!(dir.apply_retention(NOW + 10_000).is_err());
    assert_eq!(
        logs.each_ref().map(|log| log.log_start_offset()),
        [0, 10, 10]
    );
    dir.apply_retention(NOW + 10_000).unwrap();
    assert_eq!(logs.each_ref().map(|log| log.log_start_offset()), [10; 3]);
}

#[test]
fn the_active_segment_rolls_by_time_without_appends() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    append(&log, &["a"]);
    dir.commit_pending().unwrap();
    let size = log.size_in_bytes();
    log.set_config(LogConfig {
        segment_ms: 1000,
        retention_bytes: 0,
        ..config()
    });
    dir.apply_retention(NOW + 2000).unwrap();
    assert!(size > 0);
    assert_eq!(log.log_start_offset(), 1, "rolled, so it could go by size");
}

#[test]
fn delete_records_moves_the_log_start_and_below_it_offsets_are_out_of_range() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = filled(&dir);
    let deleted = log.delete_records(5).unwrap();
    assert_eq!(deleted.low_watermark, 5);
    assert!(deleted.position > dir.durable());
    assert!(matches!(
        log.delete_records(11),
        Err(ReadError::OffsetOutOfRange { .. })
    ));
    assert_eq!(
        log.delete_records(3).unwrap().low_watermark,
        5,
        "it never moves back"
    );
    dir.commit_pending().unwrap();
    drop((log, dir));
    let disk = disk.power_cut(Survival::Nothing);
    let (dir, _) = open(&disk, 2);
    let log = dir.create_partition(partition_id(0), config());
    assert_eq!(log.log_start_offset(), 5);
    assert_eq!(values(&log).len(), 5);
    dir.apply_retention(NOW).unwrap();
    dir.checkpoint(NOW).unwrap();
    assert_eq!(log.log_start_offset(), 5, "within a segment, which stays");
    assert_eq!(log.delete_records(-1).unwrap().low_watermark, 10);
    dir.apply_retention(NOW).unwrap();
    dir.commit_pending().unwrap();
    dir.checkpoint(NOW).unwrap();
    assert_eq!(log_files(&disk), 1);
}

#[test]
fn segment_jitter_rolls_partitions_at_different_times_and_never_late() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let config = LogConfig {
        segment_ms: 1_000,
        segment_jitter_ms: 900,
        ..LogConfig::default()
    };
    for number in 0..20 {
        let log = dir.create_partition(partition_id(number), config.clone());
        log.append(batch_at(NOW, "first"), CLIENT).unwrap();
    }
    let rolled = || {
        let segments = |number| {
            let path = PathBuf::from("/data/partitions").join(partition_id(number).to_string());
            let names = disk.list(&path).unwrap();
            let is_log = |name: &&String| name.split('.').next_back() == Some("log");
            names.iter().filter(is_log).count()
        };
        (0..20).filter(|number| segments(*number) == 2).count()
    };
    dir.apply_retention(NOW + 100).unwrap();
    assert_eq!(rolled(), 0);
    dir.apply_retention(NOW + 550).unwrap();
    assert!((1..20).contains(&rolled()), "{}", rolled());
    dir.apply_retention(NOW + 1_001).unwrap();
    assert_eq!(rolled(), 20);
}
