//! Appending, reading and what becomes visible when.

use headwater_log::disk::FaultyDisk;
use headwater_log::{
    AppendError, Durability, LogConfig, Origin, ReadBound, ReadError, ReadMinimum,
};
use headwater_log::{AppendOptions, Position};
use headwater_records::{BatchHeader, Batches};

use crate::store::{
    CLIENT, append, batch, open, partition, partition_id, read_all, try_open, values,
};

#[test]
fn an_append_becomes_visible_with_its_commit() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    let appended = append(&log, &["a", "b"]);
    assert_eq!((appended.base_offset, appended.last_offset), (0, 1));
    assert!(appended.position > dir.durable());
    assert_eq!((log.high_watermark(), log.log_end_offset()), (0, 2));
    assert_eq!(values(&log), Vec::<String>::new());
    assert_eq!(read_all(&log, 0, ReadBound::LogEnd).len(), 2);

    let commit = dir.commit_pending().unwrap().unwrap();
    assert_eq!(commit.position, appended.position);
    assert_eq!(commit.partitions, [partition_id(0)]);
    assert_eq!(log.high_watermark(), 2);
    assert_eq!(values(&log), ["a", "b"]);
    assert_eq!(dir.commit_pending().unwrap(), None);
}

#[test]
fn one_write_and_one_sync_cover_all_partitions() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let logs: Vec<_> = (0..20).map(|number| partition(&dir, number)).collect();
    for log in &logs {
        append(log, &["a"]);
        append(log, &["b"]);
    }
    let (syncs, operations) = (disk.syncs(), disk.operations());
    let commit = dir.commit_pending().unwrap().unwrap();
    assert_eq!(commit.partitions.len(), 20);
    assert_eq!(disk.syncs() - syncs, 1);
    assert_eq!(disk.operations() - operations, 2);
    assert!(logs.iter().all(|log| log.high_watermark() == 2));
}

#[test]
fn nothing_touches_the_disk_before_the_first_append() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let operations = disk.operations();
    for number in 0..50 {
        partition(&dir, number);
    }
    assert_eq!(disk.operations(), operations);
    assert_eq!(dir.partition_ids().len(), 50);
}

#[test]
fn the_owner_is_told_of_each_append() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let told = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&told);
    dir.set_notify(Box::new(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }));
    append(&partition(&dir, 0), &["a"]);
    dir.delete_partition(partition_id(0)).unwrap();
    assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[test]
fn a_read_from_the_middle_of_a_batch_returns_the_whole_batch() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    append(&log, &["a", "b", "c"]);
    append(&log, &["d"]);
    dir.commit_pending().unwrap();
    let bytes = log
        .read(1, 10_000, ReadBound::HighWatermark, ReadMinimum::OneBatch)
        .unwrap();
    assert_eq!(BatchHeader::parse(&bytes).unwrap().base_offset, 0);
    assert_eq!(Batches::new(bytes).count(), 2);
}

#[test]
fn the_first_batch_is_returned_even_above_the_limit() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    append(&log, &["a"]);
    append(&log, &["b"]);
    dir.commit_pending().unwrap();
    let read = |minimum| log.read(0, 10, ReadBound::HighWatermark, minimum).unwrap();
    assert_eq!(Batches::new(read(ReadMinimum::OneBatch)).count(), 1);
    assert!(read(ReadMinimum::Nothing).is_empty());
}

#[test]
fn offsets_outside_the_log_are_out_of_range() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    append(&log, &["a", "b"]);
    let read = |offset| log.read(offset, 100, ReadBound::HighWatermark, ReadMinimum::OneBatch);
    assert!(read(2).unwrap().is_empty(), "the end is in range");
    assert!(read(1).unwrap().is_empty(), "not durable yet, so empty");
    for offset in [-1, 3] {
        assert!(matches!(
            read(offset),
            Err(ReadError::OffsetOutOfRange { .. })
        ));
    }
}

#[test]
fn the_coordinator_appends_several_batches_at_once() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    let two = [batch(&["a", "b"]), batch(&["c"])].concat();
    let options = AppendOptions {
        origin: Origin::Coordinator,
        leader_epoch: 7,
        ..CLIENT
    };
    let appended = log.append(two.into(), options).unwrap();
    assert_eq!((appended.base_offset, appended.last_offset), (0, 2));
    dir.commit_pending().unwrap();
    assert_eq!(values(&log), ["a", "b", "c"]);
    assert_eq!(log.leader_epoch(), Some(7));
    assert_eq!(log.end_offset_for_epoch(9), Some((7, 3)));
}

#[test]
fn a_refused_batch_changes_nothing() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    let config = LogConfig {
        max_message_bytes: 10,
        ..LogConfig::default()
    };
    log.set_config(config);
    let result = log.append(batch(&["a"]), CLIENT);
    assert!(matches!(result, Err(AppendError::MessageTooLarge { .. })));
    assert_eq!((log.log_end_offset(), dir.queued_bytes()), (0, 0));
}

#[test]
fn relaxed_mode_acknowledges_at_once_and_has_no_journal() {
    let disk = FaultyDisk::new();
    let (dir, _) = try_open(&disk, Durability::Relaxed, 1).unwrap();
    let log = partition(&dir, 0);
    let appended = append(&log, &["a"]);
    assert_eq!(appended.position, Position::ZERO);
    assert_eq!(values(&log), ["a"]);
    assert_eq!(dir.commit_pending().unwrap(), None);
}

#[test]
fn a_second_process_is_refused() {
    let disk = FaultyDisk::new();
    let (_dir, _) = open(&disk, 1);
    assert!(try_open(&disk, Durability::Fsync, 2).is_err());
}

#[test]
fn segments_roll_and_reads_go_across_them() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    log.set_config(LogConfig {
        segment_bytes: 300,
        index_interval_bytes: 100,
        ..LogConfig::default()
    });
    let expected: Vec<String> = (0..50).map(|n| format!("value {n}")).collect();
    for value in &expected {
        append(&log, &[value]);
    }
    dir.commit_pending().unwrap();
    assert_eq!(values(&log), expected);
    for offset in 0..50 {
        let records = read_all(&log, offset, ReadBound::HighWatermark);
        assert_eq!(records.len() as i64, 50 - offset);
        assert_eq!(records[0].0, offset);
    }
}
