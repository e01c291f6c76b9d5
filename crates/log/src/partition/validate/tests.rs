use headwater_records::{BatchBuilder, Compression, TimestampType};

use super::*;
use crate::{CleanupPolicy, CompressionType};

const NOW: i64 = 1_700_000_000_000;
const CLIENT: AppendOptions = AppendOptions {
    origin: Origin::Client,
    leader_epoch: 0,
    now_ms: NOW,
};

fn two_records() -> BatchBuilder {
    let mut builder = BatchBuilder::new();
    builder
        .append(NOW, Some(b"k"), Some(b"v"), &[])
        .append(NOW, None, Some(b"w"), &[]);
    builder
}

fn check(batch: &Bytes) -> Result<Vec<RecordBatch>, AppendError> {
    validate(batch, &LogConfig::default(), &CLIENT)
}

/// The batch with some bytes of its head replaced and the CRC made right again.
fn patched(batch: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let mut batch = batch.to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(batch)
}

#[test]
fn a_batch_passes_through_byte_for_byte_in_every_codec() {
    for codec in Compression::ALL {
        let batch = two_records().compression(codec).build(0);
        let accepted = check(&batch).unwrap();
        assert_eq!(accepted[0].bytes, batch, "{codec:?}");
    }
}

#[test]
fn a_wrong_crc_is_corrupt() {
    let mut batch = two_records().build(0).to_vec();
    *batch.last_mut().unwrap() ^= 1;
    let result = check(&Bytes::from(batch));
    assert!(matches!(result, Err(AppendError::CorruptMessage(_))));
}

#[test]
fn a_batch_cut_short_is_corrupt() {
    let batch = two_records().build(0);
    for length in 1..batch.len() {
        let result = check(&batch.slice(..length));
        assert!(
            matches!(result, Err(AppendError::CorruptMessage(_))),
            "{length}"
        );
    }
}

#[test]
fn old_formats_are_refused_by_name() {
    for magic in [0_u8, 1] {
        let result = check(&patched(&two_records().build(0), 16, &[magic]));
        assert!(matches!(
            result,
            Err(AppendError::UnsupportedForMessageFormat { .. })
        ));
    }
}

#[test]
fn a_codec_that_does_not_exist_is_refused() {
    let result = check(&patched(&two_records().build(0), 21, &[0, 5]));
    assert!(matches!(
        result,
        Err(AppendError::UnsupportedCompressionType { id: 5 })
    ));
}

#[test]
fn clients_may_not_write_control_batches() {
    let batch = two_records().control().build(0);
    assert!(matches!(
        check(&batch),
        Err(AppendError::InvalidRecord { .. })
    ));
    let coordinator = AppendOptions {
        origin: Origin::Coordinator,
        ..CLIENT
    };
    assert!(validate(&batch, &LogConfig::default(), &coordinator).is_ok());
}

#[test]
fn a_transactional_batch_needs_a_producer_id() {
    let batch = two_records().transactional().producer(4, 0, 0).build(0);
    check(&batch).expect("whether it may be part of the transaction is the coordinator's business");
    let batch = two_records().transactional().build(0);
    assert!(matches!(
        check(&batch),
        Err(AppendError::InvalidRecord { .. })
    ));
}

#[test]
fn count_and_last_offset_delta_must_agree() {
    let batch = two_records().build(0);
    for (at, value) in [(57, 3_i32), (57, 0), (57, -1), (23, 2), (23, i32::MAX)] {
        let result = check(&patched(&batch, at, &value.to_be_bytes()));
        assert!(
            matches!(result, Err(AppendError::InvalidRecord { .. })),
            "{at} {value}"
        );
    }
}

#[test]
fn more_records_announced_than_there_are_is_refused() {
    let batch = patched(&two_records().build(0), 23, &2_i32.to_be_bytes());
    let batch = patched(&batch, 57, &3_i32.to_be_bytes());
    assert!(check(&batch).is_err());
}

#[test]
fn negative_sequences_are_refused() {
    let batch = two_records().producer(4, 0, -2).build(0);
    assert!(matches!(
        check(&batch),
        Err(AppendError::InvalidRecord { .. })
    ));
}

#[test]
fn a_second_batch_is_refused() {
    let batch = two_records().build(0);
    let two = Bytes::from([batch.as_ref(), batch.as_ref()].concat());
    assert!(matches!(
        check(&two),
        Err(AppendError::InvalidRecord { .. })
    ));
    assert!(check(&Bytes::new()).is_err());
}

#[test]
fn a_keyless_record_to_a_compacted_topic_is_named() {
    let config = LogConfig {
        cleanup_policy: CleanupPolicy::Compact,
        ..LogConfig::default()
    };
    for codec in [Compression::None, Compression::Gzip] {
        let batch = two_records().compression(codec).build(0);
        let Err(AppendError::InvalidRecord { record_errors, .. }) =
            validate(&batch, &config, &CLIENT)
        else {
            panic!("accepted");
        };
        assert_eq!(record_errors.len(), 1);
        assert_eq!(record_errors[0].batch_index, 1);
    }
}

#[test]
fn timestamps_outside_the_limits_are_named() {
    let config = LogConfig {
        message_timestamp_before_max_ms: 1000,
        ..LogConfig::default()
    };
    for codec in [Compression::None, Compression::Zstd] {
        for (timestamp, accepted) in [
            (NOW, true),
            (NOW - 1000, true),
            (NOW - 1001, false),
            (NOW + 3_600_000, true),
            (NOW + 3_600_001, false),
        ] {
            let mut builder = BatchBuilder::new().compression(codec);
            builder.append(timestamp, None, Some(b"v"), &[]);
            let result = validate(&builder.build(0), &config, &CLIENT);
            match result {
                Ok(_) => assert!(accepted, "{timestamp}"),
                Err(AppendError::InvalidTimestamp { record_errors, .. }) => {
                    assert!(!accepted, "{timestamp}");
                    assert_eq!(record_errors.len(), 1);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn the_broker_may_append_after_its_clock_was_set_back() {
    let coordinator = AppendOptions {
        origin: Origin::Coordinator,
        now_ms: NOW - 2 * 3_600_000,
        ..CLIENT
    };
    let client = AppendOptions {
        origin: Origin::Client,
        ..coordinator
    };
    for codec in [Compression::None, Compression::Gzip] {
        let batch = two_records().compression(codec).build(0);
        assert!(validate(&batch, &LogConfig::default(), &coordinator).is_ok());
        assert!(matches!(
            validate(&batch, &LogConfig::default(), &client),
            Err(AppendError::InvalidTimestamp { .. })
        ));
    }
}

#[test]
fn records_without_timestamp_are_accepted() {
    let mut builder = BatchBuilder::new();
    builder.append(-1, None, Some(b"v"), &[]);
    let config = LogConfig {
        message_timestamp_before_max_ms: 1000,
        ..LogConfig::default()
    };
    assert!(validate(&builder.build(0), &config, &CLIENT).is_ok());
}

#[test]
fn the_greatest_timestamp_is_what_the_records_say() {
    const MAX_TIMESTAMP: usize = 35;
    let mut builder = BatchBuilder::new();
    builder
        .append(NOW - 5, None, Some(b"v"), &[])
        .append(NOW, None, Some(b"v"), &[])
        .append(NOW - 9, None, Some(b"v"), &[]);
    let right = builder.build(0);
    for wrong in [i64::MIN, -1, 0, NOW - 5, NOW + 1, i64::MAX] {
        let batch = patched(&right, MAX_TIMESTAMP, &wrong.to_be_bytes());
        assert_eq!(check(&batch).unwrap()[0].bytes, right, "{wrong}");
    }
}

#[test]
fn the_records_of_compressed_batches_are_looked_into_whatever_the_header_says() {
    const MAX_TIMESTAMP: usize = 35;
    for codec in Compression::ALL {
        let right = two_records().compression(codec).build(0);
        for wrong in [i64::MIN, -1, 0, NOW - 1, NOW + 1, i64::MAX] {
            let batch = patched(&right, MAX_TIMESTAMP, &wrong.to_be_bytes());
            assert_eq!(check(&batch).unwrap()[0].bytes, right, "{codec} {wrong}");
        }
        let mut builder = BatchBuilder::new().compression(codec);
        builder
            .append(NOW, None, Some(b"v"), &[])
            .append(NOW + 7_200_000, None, Some(b"w"), &[]);
        let hidden = patched(&builder.build(0), MAX_TIMESTAMP, &NOW.to_be_bytes());
        let result = check(&hidden);
        let Err(AppendError::InvalidTimestamp { record_errors, .. }) = result else {
            panic!("{codec}: {result:?}");
        };
        assert_eq!(record_errors[0].batch_index, 1, "{codec}");
    }
}

#[test]
fn offset_deltas_count_from_0_without_gaps_in_every_codec() {
    for codec in Compression::ALL {
        let right = two_records().compression(codec).build(0);
        let right = RecordBatch::parse(&right).unwrap();
        let mut records: Vec<_> = right.records(1000).unwrap().map(Result::unwrap).collect();
        records[1].offset = 5;
        let wrong = headwater_records::retain_records(&right.header, &records, None);
        let result = check(&wrong);
        assert!(
            matches!(&result, Err(AppendError::InvalidRecord { message, .. }) if message.contains("record 1 has offset delta 5")),
            "{codec}: {result:?}"
        );
    }
}

#[test]
fn a_batch_that_unpacks_beyond_all_measure_is_refused() {
    let config = LogConfig {
        max_message_bytes: 2_000,
        ..LogConfig::default()
    };
    for codec in [Compression::Gzip, Compression::Zstd] {
        let mut builder = BatchBuilder::new().compression(codec);
        builder.append(NOW, None, Some(&vec![0; 1 << 20]), &[]);
        let bomb = builder.build(0);
        assert!(bomb.len() < 2_000, "{codec}");
        let result = validate(&bomb, &config, &CLIENT);
        assert!(
            matches!(result, Err(AppendError::CorruptMessage(_))),
            "{codec}"
        );
    }
}

#[test]
fn message_too_large_and_record_list_too_large_at_the_right_limits() {
    let batch = two_records().build(0);
    let limits = |max_message_bytes, segment_bytes| LogConfig {
        segment_bytes,
        max_message_bytes,
        ..LogConfig::default()
    };
    let size = batch.len();
    assert!(validate(&batch, &limits(size, size), &CLIENT).is_ok());
    assert!(matches!(
        validate(&batch, &limits(size - 1, size), &CLIENT),
        Err(AppendError::MessageTooLarge { .. })
    ));
    assert!(matches!(
        validate(&batch, &limits(size, size - 1), &CLIENT),
        Err(AppendError::RecordListTooLarge { .. })
    ));
}

#[test]
fn log_append_time_is_written_into_the_batch() {
    let config = LogConfig {
        message_timestamp_type: TimestampType::LogAppendTime,
        ..LogConfig::default()
    };
    let mut builder = BatchBuilder::new();
    builder.append(5, None, Some(b"v"), &[]);
    let accepted = validate(&builder.build(0), &config, &CLIENT).unwrap();
    accepted[0].check_crc().unwrap();
    assert_eq!(accepted[0].header.max_timestamp, NOW);
    let record = accepted[0].records(1000).unwrap().next().unwrap().unwrap();
    assert_eq!(record.timestamp, NOW);
}

#[test]
fn a_compression_type_other_than_producer_recompresses_all_four_codecs() {
    for wanted in Compression::ALL {
        let config = LogConfig {
            compression_type: CompressionType::Codec(wanted),
            ..LogConfig::default()
        };
        for sent in Compression::ALL {
            let batch = two_records()
                .compression(sent)
                .producer(4, 1, 7)
                .transactional()
                .build(0);
            let before = RecordBatch::parse(&batch).unwrap();
            let accepted = validate(&batch, &config, &CLIENT).unwrap().remove(0);
            accepted.check_crc().unwrap();
            let header = &accepted.header;
            assert_eq!(header.attributes.compression(), Ok(wanted));
            assert!(header.is_transactional());
            assert_eq!((header.producer_id, header.producer_epoch), (4, 1));
            assert_eq!((header.base_sequence, header.last_sequence()), (7, 8));
            let records = |batch: &RecordBatch| -> Vec<_> {
                batch.records(1000).unwrap().map(Result::unwrap).collect()
            };
            assert_eq!(records(&before), records(&accepted), "{sent} to {wanted}");
        }
    }
}

#[test]
fn recompression_is_at_the_level_of_the_topic() {
    let mut builder = BatchBuilder::new();
    for n in 0..2_000_u32 {
        let value = format!("{} {}", n.wrapping_mul(2_654_435_761), n % 17);
        builder.append(NOW, None, Some(value.as_bytes()), &[]);
    }
    let batch = builder.build(0);
    let size = |codec, level| {
        let config = LogConfig {
            compression_type: CompressionType::Codec(codec),
            compression_levels: crate::CompressionLevels {
                gzip: level,
                zstd: level,
            },
            ..LogConfig::default()
        };
        validate(&batch, &config, &CLIENT).unwrap()[0].bytes.len()
    };
    for codec in [Compression::Gzip, Compression::Zstd] {
        assert_ne!(size(codec, 9), size(codec, 1), "{codec}");
    }
}

#[test]
fn placing_changes_offset_and_epoch_and_leaves_the_crc_right() {
    let batch = RecordBatch::parse(&two_records().build(0)).unwrap();
    let bytes = place(&batch, 42, 7).concat();
    let placed = RecordBatch::parse(&Bytes::from(bytes)).unwrap();
    placed.check_crc().unwrap();
    assert_eq!(placed.header.base_offset, 42);
    assert_eq!(placed.header.partition_leader_epoch, 7);
}
