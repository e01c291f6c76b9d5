//! Results as text, so that a test reads as what it expects: `key value @timestamp`, `-` for a null.

use std::fmt::Display;

use bytes::Bytes;
use headwater_streams::test_driver::TestDriver;
use headwater_streams::{Headers, Record, Table, Topic};

/// What all these tests read.
pub(crate) const INPUT: Topic<String, i64> = Topic::json("input");

/// Where they write.
pub(crate) const RESULTS: Topic<String, Option<String>> = Topic::json("results");

/// Writes a table's changes with keys and values as text.
pub(crate) fn show<K: Display + Send + 'static, V: Display + Send + 'static>(
    table: Table<'_, K, V>,
) {
    table
        .map(|value| value.to_string())
        .to_stream_with(|key, _| key.to_string())
        .to(RESULTS);
}

/// Pipes a record and processes it, without a commit.
pub(crate) fn pipe(driver: &mut TestDriver, key: &str, value: i64, timestamp: i64) {
    driver.pipe(&INPUT, Record::new(key.to_owned(), value, timestamp));
    driver.process();
}

/// The headers of a record with one header.
pub(crate) fn header(value: &'static str) -> Headers {
    let mut headers = Headers::default();
    headers.push("trace", Bytes::from_static(value.as_bytes()));
    headers
}

/// The results since the last look, after a commit.
pub(crate) fn results(driver: &mut TestDriver) -> Vec<String> {
    driver.run();
    driver.read(&RESULTS).iter().map(text).collect()
}

/// The results of records of key `a` and value 1 at these times.
pub(crate) fn at(driver: &mut TestDriver, timestamps: &[i64]) -> Vec<String> {
    for timestamp in timestamps {
        pipe(driver, "a", 1, *timestamp);
    }
    results(driver)
}

fn text(record: &Record<String, Option<String>>) -> String {
    format!(
        "{} {} @{}",
        record.key.as_deref().unwrap_or("-"),
        record.value.as_deref().unwrap_or("-"),
        record.timestamp
    )
}
