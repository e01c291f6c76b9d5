//! Finding records by time and epochs by number.

use headwater_log::disk::{FaultyDisk, Survival};
use headwater_log::{AppendOptions, Durability, LogConfig, LogDir, PartitionLog, TimestampType};
use headwater_records::{BatchBuilder, Compression};
use std::sync::Arc;

use crate::hooked_disk::HookedDisk;
use crate::store::{CLIENT, NOW, append, batch_at, open, options, partition_id};

fn many_segments(dir: &LogDir) -> Arc<PartitionLog> {
    let config = LogConfig {
        segment_bytes: 500,
        index_interval_bytes: 100,
        ..LogConfig::default()
    };
    dir.create_partition(partition_id(0), config)
}

#[test]
fn the_first_record_at_or_after_a_time_is_found() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = many_segments(&dir);
    for n in 0..100 {
        log.append(batch_at(NOW + n * 10, "v"), CLIENT).unwrap();
    }
    dir.commit_pending().unwrap();
    let check = |log: &PartitionLog| {
        for n in 0..100 {
            for back in [0, 1, 9] {
                let found = log
                    .offset_for_timestamp(NOW + n * 10 - back)
                    .unwrap()
                    .unwrap();
                assert_eq!((found.offset, found.timestamp), (n, NOW + n * 10));
            }
        }
        assert_eq!(log.offset_for_timestamp(NOW + 991).unwrap(), None);
        assert_eq!(log.max_timestamp().unwrap().unwrap().offset, 99);
    };
    check(&log);
    drop((log, dir));
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    check(&many_segments(&dir));
    dir.close(NOW).unwrap();
    drop(dir);
    let (dir, report) = open(&disk.kill(), 3);
    assert!(report.clean);
    check(&many_segments(&dir));
}

#[test]
fn a_time_is_found_though_its_segment_is_deleted_meanwhile() {
    let disk = HookedDisk::new(FaultyDisk::new());
    let options = options(Durability::Fsync, 1);
    let (dir, _) = LogDir::open(Arc::new(disk.clone()), options).unwrap();
    let dir = Arc::new(dir);
    let log = many_segments(&dir);
    for n in 0..100 {
        log.append(batch_at(NOW + n * 10, "v"), CLIENT).unwrap();
    }
    dir.commit_pending().unwrap();
    let (deleting, in_dir) = (Arc::clone(&log), Arc::clone(&dir));
    disk.before(".timeindex", move || {
        deleting.delete_records(-1).unwrap();
        in_dir.apply_retention(NOW).unwrap();
        in_dir.commit_pending().unwrap();
        in_dir.checkpoint(NOW).unwrap();
    });
    let found = log.offset_for_timestamp(NOW + 20).unwrap().unwrap();
    assert!(disk.has_run(), "the index was looked into");
    assert_eq!((found.offset, found.timestamp), (2, NOW + 20));
    assert_eq!(log.log_start_offset(), 100);
    assert_eq!(log.offset_for_timestamp(NOW + 20).unwrap(), None);
}

#[test]
fn times_that_go_back_and_forth_are_found() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = many_segments(&dir);
    let times: Vec<i64> = (0..80).map(|n| NOW + (n * 37) % 50).collect();
    for time in &times {
        log.append(batch_at(*time, "v"), CLIENT).unwrap();
    }
    dir.commit_pending().unwrap();
    for wanted in NOW..NOW + 50 {
        let expected = times.iter().position(|time| *time >= wanted);
        let found = log.offset_for_timestamp(wanted).unwrap();
        assert_eq!(
            found.map(|found| found.offset as usize),
            expected,
            "{wanted}"
        );
    }
    let max = times.iter().max().unwrap();
    let expected = times.iter().position(|time| time == max);
    let found = log.max_timestamp().unwrap().unwrap();
    assert_eq!(
        (Some(found.offset as usize), found.timestamp),
        (expected, *max)
    );
}

#[test]
fn a_record_inside_a_compressed_batch_is_found() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = many_segments(&dir);
    let mut builder = BatchBuilder::new().compression(Compression::Zstd);
    for n in 0..5 {
        builder.append(NOW + n, None, Some(b"v"), &[]);
    }
    log.append(builder.build(0), CLIENT).unwrap();
    dir.commit_pending().unwrap();
    assert_eq!(
        log.offset_for_timestamp(NOW + 3).unwrap().unwrap().offset,
        3
    );
    assert_eq!(log.max_timestamp().unwrap().unwrap().offset, 4);
}

#[test]
fn what_is_not_durable_is_not_found() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = many_segments(&dir);
    assert_eq!(log.max_timestamp().unwrap(), None);
    log.append(batch_at(NOW, "v"), CLIENT).unwrap();
    dir.commit_pending().unwrap();
    log.append(batch_at(NOW + 5, "v"), CLIENT).unwrap();
    assert_eq!(log.offset_for_timestamp(NOW + 1).unwrap(), None);
    assert_eq!(log.max_timestamp().unwrap().unwrap().offset, 0);
}

#[test]
fn what_is_below_the_log_start_is_not_found() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = many_segments(&dir);
    for time in [5, 9, 3] {
        log.append(batch_at(NOW + time, "v"), CLIENT).unwrap();
    }
    dir.commit_pending().unwrap();
    log.delete_records(2).unwrap();
    assert_eq!(log.offset_for_timestamp(NOW).unwrap().unwrap().offset, 2);
    assert_eq!(log.max_timestamp().unwrap().unwrap().offset, 2);
}

#[test]
fn log_append_time_is_answered_and_found() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = many_segments(&dir);
    log.set_config(LogConfig {
        message_timestamp_type: TimestampType::LogAppendTime,
        ..LogConfig::default()
    });
    let appended = log.append(batch_at(5, "v"), CLIENT).unwrap();
    assert_eq!(appended.log_append_time_ms, NOW);
    dir.commit_pending().unwrap();
    assert_eq!(log.max_timestamp().unwrap().unwrap().timestamp, NOW);
}

#[test]
fn epochs_end_where_the_next_begins_also_after_a_restart() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = many_segments(&dir);
    for leader_epoch in [0, 0, 3, 5] {
        let options = AppendOptions {
            leader_epoch,
            ..CLIENT
        };
        log.append(batch_at(NOW, "v"), options).unwrap();
    }
    dir.commit_pending().unwrap();
    let check = |log: &PartitionLog| {
        assert_eq!(log.end_offset_for_epoch(0), Some((0, 2)));
        assert_eq!(log.end_offset_for_epoch(4), Some((3, 3)));
        assert_eq!(log.end_offset_for_epoch(5), Some((5, 4)));
        assert_eq!(log.leader_epoch(), Some(5));
    };
    check(&log);
    drop((log, dir));
    let disk = disk.power_cut(Survival::Nothing);
    let (dir, _) = open(&disk, 2);
    check(&many_segments(&dir));
    dir.close(NOW).unwrap();
    drop(dir);
    let (dir, _) = open(&disk, 3);
    check(&many_segments(&dir));
    append(&many_segments(&dir), &["v"]);
}
