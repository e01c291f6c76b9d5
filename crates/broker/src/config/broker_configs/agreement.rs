//! What broker configs must be to each other when one changes at run time.

use std::collections::BTreeMap;

use super::super::definition::list_items;
use super::super::effective::{DynamicConfigs, broker_value};

/// Pools whose size Kafka lets grow to twice and shrink to half at a time.
const POOLS: &[&str] = &[
    "background.threads",
    "log.cleaner.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
];

/// Types of groups whose assignment interval lies between two others.
const INTERVALS: &[&str] = &["consumer", "share", "streams"];

const DEDUPE_BYTES_PER_THREAD: i64 = 1 << 20;

/// Checks a resource's values as they would be against those that hold now.
pub(super) fn check(
    next: &BTreeMap<String, String>,
    current: DynamicConfigs<'_>,
) -> Result<(), String> {
    let now = |name: &str| broker_value(name, current);
    let as_number = |value: &str| value.trim().parse::<i64>().ok();
    let now_number = |name: &str| now(name).as_deref().and_then(as_number);
    let given = |name: &str| next.get(name).map(String::as_str).and_then(as_number);
    let number = |name: &str| given(name).or_else(|| now_number(name)).unwrap_or_default();
    for pool in POOLS {
        let (Some(given), Some(now)) = (given(pool), now_number(pool)) else {
            continue;
        };
        if given > now.saturating_mul(2) {
            return Err(format!(
                "{pool}={given}: the value should not be greater than double the current value {now}"
            ));
        }
        if given < (now / 2).max(1) {
            return Err(format!(
                "{pool}={given}: the value should be at least half the current value {now}"
            ));
        }
    }
    let threads = number("log.cleaner.threads").max(1);
    let dedupe = "log.cleaner.dedupe.buffer.size";
    if given(dedupe).is_some_and(|bytes| bytes / threads < DEDUPE_BYTES_PER_THREAD) {
        return Err(format!("{dedupe} must be at least 1MB per cleaner thread."));
    }
    for kind in INTERVALS {
        let name = format!("group.{kind}.assignment.interval.ms");
        let bound = |which: &str| format!("group.{kind}.{which}.assignment.interval.ms");
        let (least, most) = (bound("min"), bound("max"));
        let Some(interval) = given(&name) else {
            continue;
        };
        if interval < number(&least) {
            return Err(format!("{name} must be greater than or equal to {least}"));
        }
        if interval > number(&most) {
            return Err(format!("{name} must be less than or equal to {most}"));
        }
    }
    let cordoned = next.get("cordoned.log.dirs").map_or("", String::as_str);
    let directories = now("log.dirs").unwrap_or_default();
    match list_items(cordoned).find(|cordoned| list_items(&directories).all(|it| it != *cordoned)) {
        Some(missing) => Err(format!(
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : {missing}"
        )),
        None => Ok(()),
    }
}
