//! Segments that were damaged while nobody looked: noticed at the start where that is cheap, else when read.

use std::path::{Path, PathBuf};

use headwater_log::disk::{Disk, FaultyDisk};
use headwater_log::{
    Durability, LogConfig, LogError, PartitionLog, ReadBound, ReadError, ReadMinimum,
};
use headwater_records::Batches;

use crate::store::{NOW, ROOT, append, open, partition, partition_id, try_open};

const RECORDS: i64 = 30;

fn segments(disk: &FaultyDisk) -> Vec<PathBuf> {
    let dir = Path::new(ROOT)
        .join("partitions")
        .join(partition_id(0).to_string());
    let names = disk.list(&dir).unwrap();
    let paths = names.iter().map(|name| dir.join(name));
    let log = |path: &PathBuf| path.extension() == Some("log".as_ref());
    let mut logs: Vec<_> = paths.filter(log).collect();
    logs.sort();
    logs
}

/// Batches of one record each, and a clean stop. Returns the size of a batch too.
fn stopped(segment_bytes: usize) -> (FaultyDisk, usize) {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let config = LogConfig {
        segment_bytes,
        index_interval_bytes: 200,
        ..LogConfig::default()
    };
    let log = dir.create_partition(partition_id(0), config);
    for n in 0..RECORDS {
        append(&log, &[&format!("value {n:02}")]);
    }
    let size = log.size_in_bytes() as usize / RECORDS as usize;
    dir.close(NOW).unwrap();
    (disk, size)
}

#[test]
fn a_missing_segment_refuses_a_clean_start() {
    for at in [0, 1, 2] {
        let (disk, _) = stopped(700);
        let path = segments(&disk).remove(at);
        disk.remove_file(&path).unwrap();
        let error = try_open(&disk, Durability::Fsync, 2).unwrap_err();
        assert!(error.to_string().contains(".log"), "{error}");
        assert!(error.to_string().contains("copy"), "{error}");
        assert_eq!(segments(&disk).len(), 3, "nothing was made or removed");
    }
}

#[test]
fn a_sealed_segment_cut_anywhere_refuses_a_clean_start() {
    let (_, size) = stopped(700);
    for cut in [1, size, size + 5] {
        let (disk, _) = stopped(700);
        let path = segments(&disk).remove(1);
        disk.corrupt(&path, |bytes| bytes.truncate(bytes.len() - cut));
        let error = try_open(&disk, Durability::Fsync, 2).unwrap_err();
        let LogError::Corrupt { path: found, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(*found, path, "{error}");
    }
}

/// Reads as a consumer does. Whatever is handed out must lie behind what was before.
fn consume(log: &PartitionLog, max_bytes: usize) -> Result<i64, ReadError> {
    let mut next = log.log_start_offset();
    while next < log.high_watermark() {
        let before = next;
        let bytes = log.read(
            next,
            max_bytes,
            ReadBound::HighWatermark,
            ReadMinimum::OneBatch,
        )?;
        for batch in Batches::new(bytes) {
            let header = batch.expect("whole batches").header;
            assert!(header.base_offset <= next, "{header:?} at {next}");
            assert!(header.last_offset() < RECORDS, "{header:?} at {next}");
            next = header.next_offset();
        }
        assert!(next > before, "it goes on from {before} for ever");
    }
    Ok(next)
}

#[test]
fn a_damaged_header_is_an_error_and_never_garbage() {
    let offset_length_magic_and_delta = (0..12).chain([16]).chain(23..27);
    for field in offset_length_magic_and_delta {
        for damaged in [0, 1, 13, RECORDS as usize - 1] {
            for bit in [0, 3, 7] {
                for max_bytes in [1, 150, 400, 100_000] {
                    let (disk, size) = stopped(100_000);
                    let (dir, _) = open(&disk, 2);
                    let path = segments(&disk).remove(0);
                    disk.corrupt(&path, |bytes| bytes[damaged * size + field] ^= 1 << bit);
                    let result = consume(&partition(&dir, 0), max_bytes);
                    let error = result.expect_err("it is noticed");
                    let ReadError::Storage(LogError::Corrupt { path: found, .. }) = &error else {
                        panic!("{error}");
                    };
                    assert_eq!(*found, path, "{error}");
                }
            }
        }
    }
}

#[test]
fn a_damaged_index_does_not_matter() {
    let (disk, _) = stopped(100_000);
    let (dir, _) = open(&disk, 2);
    let index = segments(&disk).remove(0).with_extension("index");
    disk.corrupt(&index, |bytes| {
        for entry in bytes.chunks_mut(8) {
            entry[7] ^= 5;
        }
    });
    assert_eq!(consume(&partition(&dir, 0), 1).unwrap(), RECORDS);
}
