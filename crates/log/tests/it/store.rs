//! A log directory under test, and how to make batches and read them back.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use headwater_log::disk::{Disk, FaultyDisk};
use headwater_log::{
    AppendError, AppendOptions, Appended, Durability, JournalSizes, LogConfig, LogDir,
    LogDirOptions, LogError, Origin, PartitionId, PartitionLog, ReadBound, ReadMinimum,
    RecoveryReport,
};
use headwater_records::{BatchBuilder, Batches};

pub(crate) const NOW: i64 = 1_700_000_000_000;
pub(crate) const ROOT: &str = "/data";

/// Small enough to go round the ring in a few commits.
pub(crate) const SMALL_JOURNAL: JournalSizes = JournalSizes {
    initial_files: 2,
    initial_file_bytes: 32 * 1024,
    files: 3,
    file_bytes: 64 * 1024,
    queue_bytes: 1 << 20,
};

pub(crate) fn options(durability: Durability, incarnation: u128) -> LogDirOptions {
    LogDirOptions {
        root: PathBuf::from(ROOT),
        durability,
        incarnation,
        new_cluster_id: "a-cluster".to_owned(),
        now_ms: NOW,
        journal: SMALL_JOURNAL,
    }
}

pub(crate) fn try_open(
    disk: &FaultyDisk,
    durability: Durability,
    incarnation: u128,
) -> Result<(LogDir, RecoveryReport), LogError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    LogDir::open(disk, options(durability, incarnation))
}

pub(crate) fn open(disk: &FaultyDisk, incarnation: u128) -> (LogDir, RecoveryReport) {
    try_open(disk, Durability::Fsync, incarnation).expect("it opens")
}

pub(crate) fn partition_id(number: i32) -> PartitionId {
    PartitionId {
        topic_id: [3; 16],
        partition: number,
    }
}

pub(crate) fn partition(dir: &LogDir, number: i32) -> Arc<PartitionLog> {
    dir.create_partition(partition_id(number), LogConfig::default())
}

pub(crate) const CLIENT: AppendOptions = AppendOptions {
    origin: Origin::Client,
    leader_epoch: 0,
    now_ms: NOW,
};

/// One record per value.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.append(NOW, None, Some(value.as_bytes()), &[]);
    }
    builder.build(0)
}

pub(crate) fn batch_at(timestamp: i64, value: &str) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.append(timestamp, None, Some(value.as_bytes()), &[]);
    builder.build(0)
}

pub(crate) fn sequenced(producer_id: i64, epoch: i16, sequence: i32, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new().producer(producer_id, epoch, sequence);
    for value in values {
        builder.append(NOW, None, Some(value.as_bytes()), &[]);
    }
    builder.build(0)
}

pub(crate) fn append(log: &PartitionLog, values: &[&str]) -> Appended {
    log.append(batch(values), CLIENT).expect("it is accepted")
}

pub(crate) fn try_append(log: &PartitionLog, value: &str) -> Result<Appended, AppendError> {
    log.append(batch(&[value]), CLIENT)
}

/// Offsets and values from `offset` to the bound, read in small pieces.
pub(crate) fn read_all(log: &PartitionLog, offset: i64, bound: ReadBound) -> Vec<(i64, String)> {
    let mut records = Vec::new();
    let mut next = offset;
    loop {
        let bytes = log
            .read(next, 300, bound, ReadMinimum::OneBatch)
            .expect("it can be read");
        if bytes.is_empty() {
            return records;
        }
        for batch in Batches::new(bytes) {
            let batch = batch.expect("whole batches");
            batch.check_crc().expect("the right CRC");
            for record in batch.records(1 << 20).unwrap() {
                let record = record.unwrap();
                if record.offset >= next {
                    let value = record.value.unwrap_or_default();
                    records.push((record.offset, String::from_utf8(value.to_vec()).unwrap()));
                }
            }
            next = batch.header.next_offset();
        }
    }
}

/// Values below the high watermark, whose offsets must have no holes.
pub(crate) fn values(log: &PartitionLog) -> Vec<String> {
    let start = log.log_start_offset();
    let records = read_all(log, start, ReadBound::HighWatermark);
    for ((offset, _), expected) in records.iter().zip(start..) {
        assert_eq!(*offset, expected, "offsets have no holes");
    }
    records.into_iter().map(|(_, value)| value).collect()
}
