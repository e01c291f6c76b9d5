//! Bytes that lie about themselves.

use bytes::Bytes;
use headwater_records::{BatchBuilder, BatchHeader, Batches, Header, RecordBatch, RecordError};
use proptest::prelude::*;

const LENGTH_AT: usize = 8;
const MAGIC_AT: usize = 16;
const COUNT_AT: usize = 57;
const RECORDS_AT: usize = 61;

fn batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new();
    let header = Header {
        key: Bytes::from_static(b"k"),
        value: None,
    };
    builder
        .append(1, Some(b"key"), Some(b"value"), &[header])
        .append(2, None, None, &[]);
    builder.build(3).to_vec()
}

#[test]
fn a_batch_cut_at_any_byte_is_truncated_not_a_panic() {
    let whole = batch();
    for end in 0..whole.len() {
        let cut = Bytes::copy_from_slice(&whole[..end]);
        assert!(
            matches!(RecordBatch::parse(&cut), Err(RecordError::Truncated { .. })),
            "cut at {end}"
        );
    }
}

#[test]
fn every_flipped_bit_under_the_checksum_is_found() {
    let whole = batch();
    for at in 21..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            let damaged = RecordBatch::parse(&damaged.into()).unwrap();
            assert!(
                matches!(damaged.check_crc(), Err(RecordError::BadCrc { .. })),
                "byte {at} bit {bit}"
            );
        }
    }
}

#[test]
fn impossible_lengths_are_refused() {
    for length in [i32::MIN, -1, 0, 48] {
        let mut bytes = batch();
        bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(
            BatchHeader::parse(&bytes),
            Err(RecordError::BadLength {
                base_offset: 3,
                length
            })
        );
    }
}

#[test]
fn the_formats_of_old_producers_are_named() {
    for magic in [0, 1, 3] {
        let mut bytes = batch();
        bytes[MAGIC_AT] = magic;
        assert_eq!(
            BatchHeader::parse(&bytes),
            Err(RecordError::UnsupportedMagic(magic.cast_signed()))
        );
        // A message set of format 0 or 1 may be shorter than a batch's head.
        assert_eq!(
            BatchHeader::parse(&bytes[..20]),
            Err(RecordError::UnsupportedMagic(magic.cast_signed()))
        );
    }
}

#[test]
fn a_count_beyond_the_bytes_is_refused_before_anything_is_read() {
    for count in [i32::MAX, 1_000, -1] {
        let mut bytes = batch();
        bytes[COUNT_AT..COUNT_AT + 4].copy_from_slice(&count.to_be_bytes());
        let batch = RecordBatch::parse(&bytes.into()).unwrap();
        assert!(
            matches!(
                batch.records(1000),
                Err(RecordError::MalformedRecord { .. })
            ),
            "{count}"
        );
    }
}

#[test]
fn fewer_records_than_bytes_are_told() {
    let mut bytes = batch();
    bytes[COUNT_AT + 3] = 1;
    let records: Vec<_> = RecordBatch::parse(&bytes.into())
        .unwrap()
        .records(1000)
        .unwrap()
        .collect();
    assert!(records[0].is_ok());
    assert!(matches!(
        records[1],
        Err(RecordError::MalformedRecord { index: 1, .. })
    ));
    assert_eq!(records.len(), 2);
}

proptest! {
    #[test]
    fn damage_behind_the_head_never_panics(at in RECORDS_AT..100_usize, value: u8) {
        let mut bytes = batch();
        let at = at.min(bytes.len() - 1);
        bytes[at] = value;
        let batch = RecordBatch::parse(&bytes.into()).unwrap();
        let walked = batch.records(1000).map(|records| records.take_while(Result::is_ok).count());
        prop_assert!(walked.is_ok_and(|count| count <= 2));
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let walked = Batches::new(bytes.into()).count();
        prop_assert!(walked <= 4);
    }
}
