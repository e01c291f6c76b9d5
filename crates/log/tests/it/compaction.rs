//! Compaction as whoever reads the log sees it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use headwater_log::disk::{Disk, FaultyDisk, Survival};
use headwater_log::{
    CleanStep, CleanerOptions, CleanupPolicy, Durability, EndMarker, LogConfig, LogDir,
    PartitionLog, ReadBound, ReadMinimum, TransactionOutcome,
};
use headwater_records::{BatchBuilder, Batches, Compression, RecordBatch};

use crate::store::{CLIENT, NOW, open, partition_id, try_open};

pub(crate) const RETENTION: i64 = 1_000;

pub(crate) fn compacted() -> LogConfig {
    LogConfig {
        cleanup_policy: CleanupPolicy::Compact,
        segment_bytes: 400,
        index_interval_bytes: 100,
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: RETENTION,
        ..LogConfig::default()
    }
}

/// Key and value; no value is a tombstone.
pub(crate) fn keyed(builder: BatchBuilder, records: &[(&str, Option<&str>)]) -> Bytes {
    let mut builder = builder;
    for (key, value) in records {
        builder.append(NOW, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    }
    builder.build(0)
}

pub(crate) fn put(log: &PartitionLog, key: &str, value: Option<&str>) -> i64 {
    let batch = keyed(BatchBuilder::new(), &[(key, value)]);
    log.append(batch, CLIENT).unwrap().base_offset
}

/// Makes everything up to here something that the cleaner may touch.
pub(crate) fn settle(dir: &LogDir, log: &PartitionLog) {
    for n in 0..5 {
        put(log, "filler", Some(&format!("{n} {}", "x".repeat(150))));
    }
    dir.commit_pending().unwrap();
    dir.checkpoint(NOW).unwrap();
}

pub(crate) fn clean(dir: &LogDir, now_ms: i64) -> usize {
    clean_with(dir, now_ms, CleanerOptions::default())
}

/// Cleans once whatever may be cleaned. Returns the rounds.
fn clean_with(dir: &LogDir, now_ms: i64, options: CleanerOptions) -> usize {
    let mut rounds = 0;
    while let Some(mut round) = dir.next_clean(now_ms, options).unwrap() {
        rounds += 1;
        assert!(rounds < 100, "it comes to an end");
        while round.step().unwrap() != CleanStep::Done {}
    }
    rounds
}

/// All records, by offset.
pub(crate) fn records(log: &PartitionLog) -> Vec<(i64, String, Option<String>)> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let mut found = Vec::new();
    for batch in batches(log) {
        if batch.header.is_control() {
            continue;
        }
        for record in batch.records(1 << 20).unwrap() {
            let record = record.unwrap();
            let (key, value) = (record.key.as_ref().map(text), record.value.as_ref());
            found.push((record.offset, key.unwrap_or_default(), value.map(text)));
        }
    }
    found
}

/// All batches, read in small pieces.
pub(crate) fn batches(log: &PartitionLog) -> Vec<RecordBatch> {
    let mut found: Vec<RecordBatch> = Vec::new();
    let mut next = log.log_start_offset();
    loop {
        let bytes = log
            .read(next, 300, ReadBound::HighWatermark, ReadMinimum::OneBatch)
            .unwrap();
        if bytes.is_empty() {
            return found;
        }
        for batch in Batches::new(bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            next = batch.header.next_offset();
            found.push(batch);
        }
    }
}

fn without_filler(log: &PartitionLog) -> Vec<(i64, String, Option<String>)> {
    let mut found = records(log);
    found.retain(|(_, key, _)| key != "filler");
    found
}

fn entry(offset: i64, key: &str, value: Option<&str>) -> (i64, String, Option<String>) {
    (offset, key.to_owned(), value.map(str::to_owned))
}

fn log_in(dir: &LogDir, config: LogConfig) -> Arc<PartitionLog> {
    dir.create_partition(partition_id(0), config)
}

fn files(disk: &FaultyDisk) -> Vec<String> {
    let path = PathBuf::from("/data/partitions").join(partition_id(0).to_string());
    let mut names = disk.list(&path).unwrap();
    names.sort();
    names
}

#[test]
fn compaction_keeps_offsets_and_the_last_record_of_each_key() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = log_in(&dir, compacted());
    for round in 0..20 {
        for key in ["a", "b", "c"] {
            put(&log, key, Some(&format!("{key}{round}")));
        }
    }
    let before = log.size_in_bytes();
    settle(&dir, &log);
    assert_eq!(clean(&dir, NOW), 1);
    let expected = [
        entry(57, "a", Some("a19")),
        entry(58, "b", Some("b19")),
        entry(59, "c", Some("c19")),
    ];
    assert_eq!(without_filler(&log), expected);
    assert!(log.size_in_bytes() < before);
    assert_eq!(log.log_start_offset(), 0);
    // From wherever a consumer begins it gets to what there is.
    for offset in 0..=57 {
        let bytes = log
            .read(offset, 1, ReadBound::HighWatermark, ReadMinimum::OneBatch)
            .unwrap();
        let first = Batches::new(bytes).next().unwrap().unwrap();
        assert_eq!(first.header.base_offset, 57, "from {offset}");
    }
    assert!(
        !files(&disk)
            .iter()
            .any(|name| name.ends_with("cleaned") || name.ends_with("swap"))
    );
    drop(dir);
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    let log = log_in(&dir, compacted());
    assert_eq!(without_filler(&log), expected);
    let found = log.offset_for_timestamp(NOW).unwrap().unwrap();
    assert_eq!(found.offset, 57);
}

#[test]
fn records_of_one_batch_are_taken_out_of_it_in_every_codec() {
    for codec in Compression::ALL {
        let (dir, _) = open(&FaultyDisk::new(), 1);
        let log = log_in(&dir, compacted());
        let three = [("a", Some("1")), ("b", Some("2")), ("a", Some("3"))];
        let batch = keyed(BatchBuilder::new().compression(codec), &three);
        log.append(batch, CLIENT).unwrap();
        settle(&dir, &log);
        clean(&dir, NOW);
        let expected = [entry(1, "b", Some("2")), entry(2, "a", Some("3"))];
        assert_eq!(without_filler(&log), expected, "{codec}");
        let header = batches(&log)[0].header;
        assert_eq!(
            (header.base_offset, header.last_offset()),
            (0, 2),
            "{codec}"
        );
        assert_eq!(header.attributes.compression(), Ok(codec));
    }
}

#[test]
fn compaction_honours_the_delete_horizon_of_tombstones() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = log_in(&dir, compacted());
    put(&log, "a", Some("1"));
    put(&log, "a", None);
    settle(&dir, &log);
    clean(&dir, NOW);
    assert_eq!(without_filler(&log), [entry(1, "a", None)]);
    let header = batches(&log)[0].header;
    assert_eq!(header.delete_horizon_ms(), Some(NOW + RETENTION));
    assert_eq!(header.max_timestamp, NOW);

    // Later rounds do not put it off.
    settle(&dir, &log);
    clean(&dir, NOW + RETENTION - 1);
    assert_eq!(without_filler(&log), [entry(1, "a", None)]);
    let header = batches(&log)[0].header;
    assert_eq!(header.delete_horizon_ms(), Some(NOW + RETENTION));

    settle(&dir, &log);
    clean(&dir, NOW + RETENTION);
    assert_eq!(without_filler(&log), []);
}

#[test]
fn compaction_keeps_the_last_batch_of_a_producer() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = log_in(&dir, compacted());
    for sequence in 0..3 {
        let producer = BatchBuilder::new().producer(7, 1, sequence);
        log.append(keyed(producer, &[("a", Some("old"))]), CLIENT)
            .unwrap();
    }
    put(&log, "a", Some("new"));
    settle(&dir, &log);
    clean(&dir, NOW);
    assert_eq!(without_filler(&log), [entry(3, "a", Some("new"))]);
    let kept = batches(&log)[0].header;
    assert_eq!((kept.base_offset, kept.record_count), (2, 0));
    assert_eq!((kept.producer_id, kept.last_sequence()), (7, 2));

    // Without its snapshot the producer is learnt from the log.
    dir.close(NOW).unwrap();
    drop(dir);
    let path = PathBuf::from("/data/partitions").join(partition_id(0).to_string());
    for name in files(&disk)
        .iter()
        .filter(|name| name.ends_with("snapshot"))
    {
        disk.corrupt(&path.join(name), |bytes| bytes[7] ^= 1);
    }
    let (dir, _) = open(&disk, 2);
    let log = log_in(&dir, compacted());
    let again = keyed(BatchBuilder::new().producer(7, 1, 2), &[("a", Some("old"))]);
    let again = log.append(again, CLIENT).unwrap();
    assert!(again.duplicate);
    assert_eq!(again.base_offset, 2);
}

fn in_transaction(log: &PartitionLog, sequence: i32, key: &str, value: &str) {
    let builder = BatchBuilder::new().producer(7, 0, sequence).transactional();
    log.append(keyed(builder, &[(key, Some(value))]), CLIENT)
        .unwrap();
}

fn end(log: &PartitionLog, outcome: TransactionOutcome) {
    let marker = EndMarker {
        producer_id: 7,
        producer_epoch: 0,
        coordinator_epoch: 0,
        outcome,
        transaction_version: 1,
    };
    log.append_end_marker(marker, 0, NOW).unwrap();
}

fn markers(log: &PartitionLog) -> usize {
    let batches = batches(log);
    batches
        .iter()
        .filter(|batch| batch.header.is_control())
        .count()
}

#[test]
fn compaction_takes_aborted_data_and_lets_markers_outlive_their_data() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = log_in(&dir, compacted());
    put(&log, "a", Some("kept"));
    in_transaction(&log, 0, "a", "aborted");
    end(&log, TransactionOutcome::Abort);
    in_transaction(&log, 1, "b", "committed");
    end(&log, TransactionOutcome::Commit);
    in_transaction(&log, 2, "last", "of the producer");
    end(&log, TransactionOutcome::Commit);
    settle(&dir, &log);
    clean(&dir, NOW);
    let data = [
        entry(0, "a", Some("kept")),
        entry(3, "b", Some("committed")),
        entry(5, "last", Some("of the producer")),
    ];
    assert_eq!(without_filler(&log), data);
    assert_eq!(
        markers(&log),
        3,
        "their data was there when the round began"
    );

    // Nothing is left of the aborted one: its marker gets a horizon, and goes after it.
    settle(&dir, &log);
    clean(&dir, NOW);
    assert_eq!(markers(&log), 3);
    put(&log, "b", Some("overwritten"));
    settle(&dir, &log);
    clean(&dir, NOW + RETENTION);
    assert_eq!(markers(&log), 2);
    settle(&dir, &log);
    clean(&dir, NOW + RETENTION);
    assert_eq!(markers(&log), 2, "the data of b has just gone");
    settle(&dir, &log);
    clean(&dir, NOW + 2 * RETENTION);
    assert_eq!(markers(&log), 1);
    assert_eq!(log.last_stable_offset(), log.high_watermark());

    dir.close(NOW).unwrap();
    drop(dir);
    let (dir, _) = open(&disk, 2);
    let log = log_in(&dir, compacted());
    assert_eq!(log.last_stable_offset(), log.high_watermark());
}

#[test]
fn a_reader_of_committed_records_is_told_of_aborted_ones_that_are_still_there() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = log_in(&dir, compacted());
    in_transaction(&log, 0, "a", "aborted, and the last of its producer");
    end(&log, TransactionOutcome::Abort);
    settle(&dir, &log);
    clean(&dir, NOW);
    let aborted = log
        .aborted_transactions(0, log.last_stable_offset())
        .unwrap();
    assert_eq!(aborted.len(), 1);
    assert_eq!((aborted[0].producer_id, aborted[0].first_offset), (7, 0));
}

#[test]
fn an_open_transaction_ends_what_may_be_compacted() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = log_in(&dir, compacted());
    put(&log, "a", Some("1"));
    in_transaction(&log, 0, "b", "open");
    put(&log, "a", Some("2"));
    settle(&dir, &log);
    assert_eq!(clean(&dir, NOW), 0);
    end(&log, TransactionOutcome::Commit);
    settle(&dir, &log);
    clean(&dir, NOW);
    let expected = [entry(1, "b", Some("open")), entry(2, "a", Some("2"))];
    assert_eq!(without_filler(&log), expected);
}

#[test]
fn a_map_too_small_for_the_log_takes_more_rounds_to_the_same_end() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = log_in(&dir, compacted());
    for n in 0..60 {
        put(&log, &format!("key {}", n % 25), Some(&n.to_string()));
    }
    settle(&dir, &log);
    let small = CleanerOptions {
        dedupe_buffer_bytes: 10 * 24,
        load_factor: 0.5,
        io_buffer_bytes: 100,
    };
    assert!(clean_with(&dir, NOW, small) > 3);
    let found: BTreeMap<_, _> = without_filler(&log)
        .into_iter()
        .map(|(offset, key, _)| (key, offset))
        .collect();
    let expected: BTreeMap<_, _> = (35..60)
        .map(|n| (format!("key {}", n % 25), i64::from(n)))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(without_filler(&log).len(), 25);
}

#[test]
fn a_log_is_compacted_when_it_is_dirty_enough_or_its_records_wait_too_long() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let half = LogConfig {
        min_cleanable_dirty_ratio: 0.9,
        max_compaction_lag_ms: 10_000,
        ..compacted()
    };
    let log = log_in(&dir, half.clone());
    settle(&dir, &log);
    assert_eq!(clean(&dir, NOW), 1, "all of it is dirty");
    for n in 0..100 {
        put(&log, &format!("key {n}"), Some("value"));
    }
    settle(&dir, &log);
    assert_eq!(clean(&dir, NOW), 1);
    settle(&dir, &log);
    assert_eq!(clean(&dir, NOW), 0, "most of it is clean");
    assert_eq!(clean(&dir, NOW + 10_001), 1, "but its records are old");
}

#[test]
fn records_younger_than_the_least_lag_are_left_alone() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = log_in(
        &dir,
        LogConfig {
            min_compaction_lag_ms: 500,
            ..compacted()
        },
    );
    put(&log, "a", Some("1"));
    put(&log, "a", Some("2"));
    settle(&dir, &log);
    assert_eq!(clean(&dir, NOW + 499), 0);
    assert_eq!(clean(&dir, NOW + 500), 1);
    assert_eq!(without_filler(&log), [entry(1, "a", Some("2"))]);
}

#[test]
fn only_what_is_durable_is_compacted_and_never_the_active_segment() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = log_in(&dir, compacted());
    for _ in 0..20 {
        put(&log, "a", Some("value"));
    }
    assert_eq!(clean(&dir, NOW), 0);
    dir.commit_pending().unwrap();
    assert_eq!(clean(&dir, NOW), 1, "it makes the checkpoint that it needs");
    let last = records(&log);
    assert_eq!(last.last(), Some(&entry(19, "a", Some("value"))));
    assert!(last.len() > 1, "the active segment is as it was");
}

#[test]
fn compaction_and_retention_go_together() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = log_in(
        &dir,
        LogConfig {
            cleanup_policy: CleanupPolicy::CompactDelete,
            retention_ms: 5_000,
            ..compacted()
        },
    );
    for n in 0..20 {
        put(&log, &format!("key {}", n % 3), Some("value"));
    }
    settle(&dir, &log);
    clean(&dir, NOW);
    dir.apply_retention(NOW + 4_000).unwrap();
    assert_eq!(without_filler(&log).len(), 3);
    dir.apply_retention(NOW + 6_000).unwrap();
    dir.commit_pending().unwrap();
    dir.checkpoint(NOW).unwrap();
    assert_eq!(records(&log), []);
    assert_eq!(log.log_start_offset(), log.log_end_offset());
    dir.close(NOW).unwrap();
    drop(dir);
    let (dir, _) = open(&disk, 2);
    assert_eq!(log_in(&dir, compacted()).log_start_offset(), 25);
}

#[test]
fn a_round_gives_way_to_retention_and_to_deletion() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let both = LogConfig {
        cleanup_policy: CleanupPolicy::CompactDelete,
        ..compacted()
    };
    let log = log_in(&dir, both);
    for _ in 0..20 {
        put(&log, "a", Some("value"));
    }
    settle(&dir, &log);
    let mut round = dir
        .next_clean(NOW, CleanerOptions::default())
        .unwrap()
        .unwrap();
    round.step().unwrap();
    let end = log.log_end_offset();
    log.delete_records(end).unwrap();
    dir.apply_retention(NOW).unwrap();
    dir.commit_pending().unwrap();
    dir.checkpoint(NOW).unwrap();
    while round.step().unwrap() != CleanStep::Done {}
    drop(round);
    assert_eq!(log.log_start_offset(), end);
    assert!(
        !files(&disk)
            .iter()
            .any(|name| name.contains("cleaned") || name.contains("swap"))
    );

    settle(&dir, &log);
    let mut round = dir
        .next_clean(NOW, CleanerOptions::default())
        .unwrap()
        .unwrap();
    round.step().unwrap();
    dir.delete_partition(partition_id(0)).unwrap();
    dir.commit_pending().unwrap();
    dir.checkpoint(NOW).unwrap();
    while round.step().unwrap() != CleanStep::Done {}
    drop(round);
    dir.checkpoint(NOW).unwrap();
    assert!(
        disk.list(&PathBuf::from("/data/partitions"))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn small_segments_become_fewer() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = log_in(&dir, compacted());
    for n in 0..60 {
        put(&log, &format!("key {}", n % 12), Some("value"));
    }
    settle(&dir, &log);
    let logs = || {
        let names = files(&disk);
        let logs = names
            .iter()
            .filter(|name| name.split('.').next_back() == Some("log"));
        logs.count()
    };
    let before = logs();
    clean(&dir, NOW);
    // Together they would have been more than a segment holds; now they are small.
    settle(&dir, &log);
    clean(&dir, NOW);
    assert!(logs() < before / 2 + 5, "{before}, then {}", logs());
    assert_eq!(without_filler(&log).len(), 12);
}

#[test]
fn a_full_disk_ends_a_round_and_leaves_nothing_behind() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = log_in(&dir, compacted());
    for _ in 0..20 {
        put(&log, "a", Some("value"));
    }
    settle(&dir, &log);
    let before = records(&log);
    disk.set_capacity(Some(32 << 20));
    let mut round = dir
        .next_clean(NOW, CleanerOptions::default())
        .unwrap()
        .unwrap();
    let failure = loop {
        match round.step() {
            Ok(CleanStep::Done) => panic!("there is no room"),
            Ok(CleanStep::More { .. }) => {}
            Err(failure) => break failure,
        }
    };
    assert!(failure.to_string().contains("disk is full"), "{failure}");
    drop(round);
    assert_eq!(records(&log), before);
    disk.set_capacity(None);
    for after in 0..12 {
        disk.fail_write(after);
        let mut round = dir.next_clean(NOW, CleanerOptions::default()).unwrap();
        let Some(round) = round.as_mut() else { break };
        while let Ok(CleanStep::More { .. }) = round.step() {}
        let leftover = |name: &String| name.contains("cleaned") || name.contains("swap");
        assert!(
            !files(&disk).iter().any(leftover),
            "{after}: {:?}",
            files(&disk)
        );
    }
    disk.fail_write(u64::MAX / 2);
    clean(&dir, NOW);
    let last = without_filler(&log);
    assert_eq!(last, [entry(19, "a", Some("value"))]);
}

#[test]
fn a_damaged_segment_is_never_compacted_and_the_others_are() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let damaged = log_in(&dir, compacted());
    let sound = dir.create_partition(partition_id(1), compacted());
    for log in [&damaged, &sound] {
        for _ in 0..20 {
            put(log, "a", Some("value"));
        }
        settle(&dir, log);
    }
    let path = PathBuf::from("/data/partitions").join(partition_id(0).to_string());
    disk.corrupt(&path.join("00000000000000000000.log"), |bytes| {
        bytes[70] ^= 1;
    });
    let mut failures = 0;
    while let Some(mut round) = dir.next_clean(NOW, CleanerOptions::default()).unwrap() {
        loop {
            match round.step() {
                Ok(CleanStep::Done) => break,
                Ok(CleanStep::More { .. }) => {}
                Err(error) => {
                    assert!(error.to_string().contains("corrupt"), "{error}");
                    failures += 1;
                    break;
                }
            }
        }
    }
    assert_eq!(failures, 1);
    assert_eq!(without_filler(&sound), [entry(19, "a", Some("value"))]);
}

#[test]
fn relaxed_mode_compacts_too() {
    let disk = FaultyDisk::new();
    let (dir, _) = try_open(&disk, Durability::Relaxed, 1).unwrap();
    let log = log_in(&dir, compacted());
    for _ in 0..20 {
        put(&log, "a", Some("value"));
    }
    settle(&dir, &log);
    clean(&dir, NOW);
    assert_eq!(without_filler(&log), [entry(19, "a", Some("value"))]);
    drop(dir);
    let (dir, _) = try_open(&disk.kill(), Durability::Relaxed, 2).unwrap();
    let log = log_in(&dir, compacted());
    assert_eq!(without_filler(&log), [entry(19, "a", Some("value"))]);
}

#[test]
fn a_reader_always_comes_to_the_end_even_if_no_record_is_left_there() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let rolled = LogConfig {
        segment_ms: 10,
        ..compacted()
    };
    let log = log_in(&dir, rolled);
    put(&log, "a", Some("1"));
    put(&log, "a", None);
    dir.commit_pending().unwrap();
    // The active segment is rolled by time, and is empty from here on.
    dir.apply_retention(NOW + 100).unwrap();
    clean(&dir, NOW + 100);
    put(&log, "a", None);
    dir.commit_pending().unwrap();
    dir.apply_retention(NOW + 100).unwrap();
    clean(&dir, NOW + 100 + RETENTION);
    assert_eq!(records(&log).len(), 1);
    let last = batches(&log).last().unwrap().header;
    assert_eq!(last.next_offset(), log.log_end_offset());
    drop(dir);
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    let log = log_in(&dir, compacted());
    let last = batches(&log).last().unwrap().header;
    assert_eq!(last.next_offset(), log.log_end_offset());
}
