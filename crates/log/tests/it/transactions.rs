//! Transactions on one partition: how far readers may go, what was aborted, and crashes in the middle of them.

use headwater_log::disk::{FaultyDisk, Survival};
use headwater_log::{
    AppendError, Durability, EndMarker, LogConfig, LogError, PartitionLog, Position, ReadBound,
    ReadMinimum, TimestampType, TransactionOutcome,
};
use headwater_records::{BatchBuilder, Compression, RecordBatch};

use crate::ledger::Ledger;
use crate::store::{CLIENT, NOW, open, partition, partition_id, try_open};

const PRODUCERS: [i64; 2] = [5, 6];

fn marker(producer_id: i64, producer_epoch: i16, outcome: TransactionOutcome) -> EndMarker {
    EndMarker {
        producer_id,
        producer_epoch,
        coordinator_epoch: 0,
        outcome,
        transaction_version: 0,
    }
}

fn transactional(producer_id: i64, epoch: i16, sequence: i32) -> bytes::Bytes {
    let builder = BatchBuilder::new().producer(producer_id, epoch, sequence);
    let mut builder = builder.transactional();
    builder.append(NOW, Some(b"key"), Some(b"value"), &[]);
    builder.build(0)
}

fn stable(log: &PartitionLog) -> Vec<RecordBatch> {
    let bytes = log
        .read(0, 1 << 20, ReadBound::LastStable, ReadMinimum::OneBatch)
        .unwrap();
    headwater_records::Batches::new(bytes)
        .map(Result::unwrap)
        .collect()
}

#[test]
fn readers_of_committed_records_stop_at_the_first_open_transaction() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    let mut ledger = Ledger::default();
    ledger.append_plain(&log, 5).unwrap();
    ledger.append(&log, 5, 5).unwrap();
    ledger.append_plain(&log, 5).unwrap();
    dir.commit_pending().unwrap();
    assert_eq!((log.high_watermark(), log.last_stable_offset()), (3, 1));
    assert_eq!(stable(&log).len(), 1);
    assert_eq!(log.open_transaction(5), Some(1));

    ledger
        .end_transaction(&log, 5, TransactionOutcome::Commit)
        .unwrap();
    assert_eq!(log.last_stable_offset(), 1, "the marker is not durable");
    dir.commit_pending().unwrap();
    assert_eq!(log.last_stable_offset(), 4);
    let batches = stable(&log);
    assert_eq!(batches.len(), 4);
    assert!(batches[3].header.is_control());
    assert_eq!(log.aborted_transactions(0, 4).unwrap(), []);
    assert_eq!(log.open_transaction(5), None);
}

#[test]
fn aborted_transactions_come_in_the_order_of_their_first_offsets() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    let mut ledger = Ledger::default();
    for producer in [5, 6, 7] {
        ledger.append(&log, producer, 5).unwrap();
    }
    for producer in [7, 6, 5] {
        ledger
            .end_transaction(&log, producer, TransactionOutcome::Abort)
            .unwrap();
    }
    dir.commit_pending().unwrap();
    let aborted = log.aborted_transactions(0, 6).unwrap();
    let found: Vec<_> = aborted
        .iter()
        .map(|a| (a.producer_id, a.first_offset))
        .collect();
    assert_eq!(found, [(5, 0), (6, 1), (7, 2)]);
    let aborted = log.aborted_transactions(4, 6).unwrap();
    assert_eq!(aborted.len(), 2, "that of 7 had ended at offset 3");
}

#[test]
fn what_was_aborted_is_found_from_any_offset_however_much_there_is() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    let mut ledger = Ledger::default();
    // More than an index keeps in memory and reads at a time.
    for round in 0..1400 {
        ledger.append(&log, 5, 5).unwrap();
        let outcome = match round % 7 {
            0 => TransactionOutcome::Commit,
            _ => TransactionOutcome::Abort,
        };
        ledger.end_transaction(&log, 5, outcome).unwrap();
        if round % 100 == 0 {
            dir.commit_pending().unwrap();
        }
    }
    dir.commit_pending().unwrap();
    let check = |log: &PartitionLog| {
        for from in (0..2800).step_by(97) {
            for to in [from + 1, from + 40, from + 1000, 2800] {
                let to = to.min(2800);
                let found = log.aborted_transactions(from, to).unwrap();
                assert_eq!(found, ledger.aborted(from, to), "{from}..{to}");
            }
        }
    };
    check(&log);
    dir.close(NOW).unwrap();
    drop((log, dir));
    let (dir, _) = open(&disk, 2);
    check(&partition(&dir, 0));
}

#[test]
fn deleting_records_past_the_beginning_of_an_open_transaction_leaves_it_open() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    let mut ledger = Ledger::default();
    for _ in 0..3 {
        ledger.append(&log, 5, 5).unwrap();
    }
    dir.commit_pending().unwrap();
    log.delete_records(2).unwrap();
    assert_eq!(log.last_stable_offset(), 2);
    ledger.check(&log, &PRODUCERS, "deleted");
    ledger
        .end_transaction(&log, 5, TransactionOutcome::Abort)
        .unwrap();
    dir.commit_pending().unwrap();
    assert_eq!(log.last_stable_offset(), 4);
    ledger.check(&log, &PRODUCERS, "ended");
}

#[test]
fn a_marker_is_stored_as_it_is_whatever_the_topic_does_with_records() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let config = LogConfig {
        compression_type: headwater_log::CompressionType::Codec(Compression::Zstd),
        message_timestamp_before_max_ms: 0,
        message_timestamp_after_max_ms: 0,
        message_timestamp_type: TimestampType::CreateTime,
        max_message_bytes: 1,
        ..LogConfig::default()
    };
    let log = dir.create_partition(partition_id(0), config);
    log.append_end_marker(marker(5, 0, TransactionOutcome::Abort), 4, NOW)
        .unwrap();
    dir.commit_pending().unwrap();
    let batch = &stable(&log)[0];
    batch.check_crc().unwrap();
    assert!(batch.header.is_control());
    assert_eq!(
        batch.header.attributes.compression().unwrap(),
        Compression::None
    );
    assert_eq!(batch.header.partition_leader_epoch, 4);
    assert_eq!(batch.header.max_timestamp, NOW);
}

#[test]
fn a_stale_marker_changes_nothing() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    log.append(transactional(5, 3, 0), CLIENT).unwrap();
    let stale = log.append_end_marker(marker(5, 2, TransactionOutcome::Abort), 0, NOW);
    assert!(matches!(
        stale,
        Err(AppendError::InvalidProducerEpoch { .. })
    ));
    assert_eq!(
        (log.log_end_offset(), log.open_transaction(5)),
        (1, Some(0))
    );
    let fenced = EndMarker {
        coordinator_epoch: 8,
        ..marker(5, 3, TransactionOutcome::Commit)
    };
    log.append_end_marker(fenced, 0, NOW).unwrap();
    let old = log.append_end_marker(marker(5, 3, TransactionOutcome::Commit), 0, NOW);
    assert!(matches!(
        old,
        Err(AppendError::TransactionCoordinatorFenced { .. })
    ));
    let active = log.active_producers();
    assert_eq!(active.len(), 1);
    assert_eq!(
        (active[0].coordinator_epoch, active[0].producer_epoch),
        (8, 3)
    );
    assert_eq!(active[0].transaction_start_offset, None);
}

#[test]
fn a_transactional_duplicate_gets_its_original_offset_back() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    log.append(transactional(5, 0, 0), CLIENT).unwrap();
    log.append(transactional(5, 0, 1), CLIENT).unwrap();
    let again = log.append(transactional(5, 0, 0), CLIENT).unwrap();
    assert!(again.duplicate);
    assert_eq!(again.base_offset, 0);
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1500,
        index_interval_bytes: 200,
        ..LogConfig::default()
    }
}

/// How far a script came.
#[derive(Debug, Default)]
struct Story {
    ledger: Ledger,
    acknowledged_end: i64,
}

/// Two producers, whose transactions overlap and end now so, now so, over several segments and checkpoints; one stays
/// open.
fn play(disk: &FaultyDisk, story: &mut Story) -> Result<(), String> {
    let text = |error: LogError| error.to_string();
    let (dir, _) = try_open(disk, Durability::Fsync, 1).map_err(text)?;
    let log = dir.create_partition(partition_id(0), config());
    let mut waiting: Vec<(Position, i64)> = Vec::new();
    for round in 0..10 {
        let ledger = &mut story.ledger;
        let outcome = if round % 3 == 0 {
            TransactionOutcome::Commit
        } else {
            TransactionOutcome::Abort
        };
        let mut appended = vec![
            ledger.append(&log, 5, 100).map_err(|e| e.to_string())?,
            ledger.append_plain(&log, 50).map_err(|e| e.to_string())?,
            ledger.append(&log, 6, 200).map_err(|e| e.to_string())?,
        ];
        if round != 9 {
            let ended = ledger.end_transaction(&log, 5, outcome);
            appended.push(ended.map_err(|e| e.to_string())?);
        }
        if round % 2 == 1 {
            let ended = ledger.end_transaction(&log, 6, TransactionOutcome::Abort);
            appended.push(ended.map_err(|e| e.to_string())?);
        }
        waiting.extend(appended.iter().map(|a| (a.position, a.last_offset + 1)));
        if round == 4 {
            // With appends above the high watermark.
            dir.checkpoint(NOW).map_err(text)?;
        }
        let committed = dir.commit_pending().map_err(text);
        let durable = waiting
            .iter()
            .filter(|(position, _)| *position <= dir.durable());
        story.acknowledged_end = durable.map(|(_, end)| *end).max().unwrap_or(0);
        committed?;
        if round == 2 || round == 6 {
            dir.checkpoint(NOW).map_err(text)?;
            dir.prepare_journal().map_err(text)?;
        }
    }
    dir.close(NOW).map_err(text)
}

fn check(disk: &FaultyDisk, story: &Story, context: &str) {
    let (dir, _) =
        try_open(disk, Durability::Fsync, 2).unwrap_or_else(|error| panic!("{context}: {error}"));
    let log = dir.create_partition(partition_id(0), config());
    let end = log.log_end_offset();
    assert!(
        end >= story.acknowledged_end && end <= story.ledger.end(),
        "{context}"
    );
    let mut ledger = story.ledger.clone();
    ledger.written.truncate(end as usize);
    ledger.check(&log, &PRODUCERS, context);
    // And what is open can be ended, which lets readers go on.
    for producer in PRODUCERS {
        ledger
            .end_transaction(&log, producer, TransactionOutcome::Abort)
            .unwrap();
    }
    dir.commit_pending().unwrap();
    assert_eq!(log.last_stable_offset(), ledger.end(), "{context}");
    ledger.check(&log, &PRODUCERS, context);
    // A second restart finds it so, too.
    dir.close(NOW).unwrap();
    drop((log, dir));
    let (dir, _) = try_open(disk, Durability::Fsync, 3).unwrap();
    let log = dir.create_partition(partition_id(0), config());
    ledger.check(&log, &PRODUCERS, context);
}

fn operations_of_the_whole_script() -> u64 {
    let disk = FaultyDisk::new();
    let mut story = Story::default();
    play(&disk, &mut story).expect("no crash, no error");
    assert_eq!(story.acknowledged_end, story.ledger.end());
    check(&disk, &story, "no crash");
    disk.operations()
}

#[test]
fn last_stable_offset_and_aborted_transactions_survive_a_crash_at_every_operation() {
    for at in 0..operations_of_the_whole_script() {
        let survivals = [
            Some(Survival::Nothing),
            Some(Survival::Everything),
            Some(Survival::Some { seed: at }),
            None,
        ];
        for survival in survivals {
            let disk = FaultyDisk::new();
            disk.crash_at(at);
            let mut story = Story::default();
            let _crash = play(&disk, &mut story);
            let disk = survival.map_or_else(|| disk.kill(), |survival| disk.power_cut(survival));
            check(&disk, &story, &format!("crash at {at}, {survival:?}"));
        }
    }
}
