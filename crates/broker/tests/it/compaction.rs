//! The cleaner thread at work, seen over the wire.

use bytes::Bytes;
use headwater_protocol::messages::fetch::FetchRequest;
use headwater_records::{BatchBuilder, Batches};

use crate::support::batches::now_ms;
use crate::support::wire::{FETCH, Wire, fetch_request};
use crate::support::{DEADLINE, ephemeral_with};

fn keyed(key: &str, value: &str) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.append(now_ms(), Some(key.as_bytes()), Some(value.as_bytes()), &[]);
    builder.build(0)
}

/// Offset and value of all records, read on from wherever the last batch ends.
async fn records(wire: &mut Wire) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    let mut next = 0;
    loop {
        let request = FetchRequest {
            max_wait_ms: 0,
            ..fetch_request("prices", &[(0, next)])
        };
        let mut response = wire.call(FETCH, &request).await;
        let data = response.responses.remove(0).partitions.remove(0);
        assert_eq!(data.error_code, 0);
        let bytes = data.records.unwrap_or_default();
        if bytes.is_empty() {
            return found;
        }
        for batch in Batches::new(bytes).map(Result::unwrap) {
            next = batch.header.next_offset();
            for record in batch.records(1 << 20).unwrap().map(Result::unwrap) {
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                found.push((record.offset, value));
            }
        }
    }
}

#[tokio::test]
async fn a_compacted_topic_comes_to_hold_the_last_value_of_each_key() {
    let broker = ephemeral_with("log.cleaner.backoff.ms", "20").await;
    let mut wire = Wire::to(&broker).await;
    let configs = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("segment.ms", "1"),
    ];
    wire.create_topic_with("prices", 1, &configs).await;
    for n in 0..10 {
        for key in ["a", "b"] {
            wire.produce("prices", 0, keyed(key, &format!("{key}{n}")))
                .await;
            // Each in a segment of its own: it is rolled by the records' time.
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
    }
    wire.produce("prices", 0, keyed("c", "active")).await;
    let compacted = async {
        loop {
            let found = records(&mut wire).await;
            if found.len() == 3 {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(DEADLINE, compacted).await.unwrap();
    let expected = [(18, "a9"), (19, "b9"), (20, "active")];
    assert_eq!(
        found,
        expected.map(|(offset, value)| (offset, value.to_owned()))
    );
    broker.stop().await.unwrap();
}
