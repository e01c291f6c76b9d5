//! The framings that clients really use, and codecs that lie.

use headwater_records::{Compression, CompressionLevels, RecordError};
use std::io::Write;

const TEXT: &[u8] = b"a stream of events, a stream of events, a stream of events";

#[test]
fn raw_snappy_as_librdkafka_sends_it_is_read() {
    let raw = snap::raw::Encoder::new().compress_vec(TEXT).unwrap();
    assert_eq!(Compression::Snappy.decompress(&raw, 1000).unwrap(), TEXT);
}

#[test]
fn snappy_is_written_in_the_framing_that_java_needs_and_spans_blocks() {
    let long: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
    let framed = Compression::Snappy.compress(&long, CompressionLevels::default());
    assert!(framed.starts_with(b"\x82SNAPPY\0"));
    assert_eq!(
        Compression::Snappy.decompress(&framed, long.len()).unwrap(),
        long
    );
}

#[test]
fn gzip_of_several_members_is_read_whole() {
    let mut twice = Vec::new();
    for _ in 0..2 {
        let mut encoder = flate2::write::GzEncoder::new(&mut twice, flate2::Compression::fast());
        encoder.write_all(TEXT).unwrap();
        encoder.finish().unwrap();
    }
    assert_eq!(
        Compression::Gzip.decompress(&twice, 1000).unwrap(),
        [TEXT, TEXT].concat()
    );
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let zeros = vec![0; 1 << 20];
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let bomb = codec.compress(&zeros, CompressionLevels::default());
        assert_eq!(
            codec.decompress(&bomb, 1000),
            Err(RecordError::TooLarge { codec, limit: 1000 }),
            "{codec}"
        );
    }
}

#[test]
fn damaged_payloads_are_errors_that_name_the_codec() {
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let error = codec
            .decompress(b"\x05\xffnot compressed at all", 1000)
            .unwrap_err();
        assert!(
            matches!(error, RecordError::Decompression { codec: named, .. } if named == codec),
            "{codec}: {error}"
        );
    }
    let mut framed = Compression::Snappy.compress(TEXT, CompressionLevels::default());
    framed.pop();
    assert!(Compression::Snappy.decompress(&framed, 1000).is_err());
}

#[test]
fn names_are_those_of_the_config() {
    for codec in Compression::ALL {
        assert_eq!(codec.name().parse(), Ok(codec));
    }
    assert!(
        "brotli"
            .parse::<Compression>()
            .unwrap_err()
            .contains("brotli")
    );
    assert_eq!(
        Compression::from_id(5),
        Err(RecordError::UnknownCompression(5))
    );
}
