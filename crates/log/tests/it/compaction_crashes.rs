//! Compaction cut off at every operation: what was acknowledged and is the last of its key is there, at its offset.

use std::collections::BTreeMap;

use headwater_log::disk::{FaultyDisk, Survival};
use headwater_log::{CleanStep, CleanerOptions, Durability, LogDir, PartitionLog};
use headwater_records::BatchBuilder;
use proptest::prelude::*;

use crate::compaction::{RETENTION, batches, compacted, keyed, records};
use crate::store::{CLIENT, NOW, partition_id, try_open};

/// What was handed in, by offset, and how much of it was acknowledged.
#[derive(Debug, Default, Clone)]
struct Story {
    appended: Vec<(String, Option<String>)>,
    acknowledged: usize,
}

impl Story {
    fn append(&mut self, log: &PartitionLog, key: &str, value: Option<&str>) -> Result<(), String> {
        let batch = keyed(BatchBuilder::new(), &[(key, value)]);
        self.appended
            .push((key.to_owned(), value.map(str::to_owned)));
        let appended = log
            .append(batch, CLIENT)
            .map_err(|error| error.to_string())?;
        assert_eq!(appended.base_offset as usize, self.appended.len() - 1);
        Ok(())
    }

    fn commit(&mut self, dir: &LogDir) -> Result<(), String> {
        let appended = self.appended.len();
        dir.commit_pending().map_err(|error| error.to_string())?;
        self.acknowledged = appended;
        Ok(())
    }

    /// The log holds what was appended up to its end, but for what later records overwrite.
    fn check(&self, log: &PartitionLog, context: &str) {
        let end = log.log_end_offset() as usize;
        assert!(
            end >= self.acknowledged && end <= self.appended.len(),
            "{context}: the log ends at {end}, acknowledged {}",
            self.acknowledged
        );
        let found: BTreeMap<i64, _> = records(log)
            .into_iter()
            .map(|(offset, key, value)| (offset, (key, value)))
            .collect();
        for (offset, record) in &found {
            assert_eq!(
                record, &self.appended[*offset as usize],
                "{context}: offset {offset}"
            );
        }
        let mut last: BTreeMap<&str, (i64, bool)> = BTreeMap::new();
        for (offset, (key, value)) in (0..).zip(&self.appended[..end]) {
            last.insert(key, (offset, value.is_some()));
        }
        for (key, (offset, has_value)) in last {
            let is_there = found.contains_key(&offset);
            assert!(
                is_there || !has_value,
                "{context}: the last of {key} at {offset} is gone"
            );
            // Where a tombstone has gone, so has everything that it deletes.
            let older = found
                .iter()
                .any(|(at, (found, _))| found == key && *at < offset);
            assert!(is_there || !older, "{context}: {key} came back to life");
        }
    }
}

fn clean(dir: &LogDir, now_ms: i64) -> Result<(), String> {
    let options = CleanerOptions {
        dedupe_buffer_bytes: 30 * 24,
        io_buffer_bytes: 300,
        ..CleanerOptions::default()
    };
    let text = |error: headwater_log::LogError| error.to_string();
    for _ in 0..20 {
        let Some(mut round) = dir.next_clean(now_ms, options).map_err(text)? else {
            return Ok(());
        };
        while round.step().map_err(text)? != CleanStep::Done {}
    }
    panic!("it comes to an end");
}

fn play(disk: &FaultyDisk, story: &mut Story) -> Result<(), String> {
    let text = |error: headwater_log::LogError| error.to_string();
    let (dir, _) = try_open(disk, Durability::Fsync, 1).map_err(text)?;
    let log = dir.create_partition(partition_id(0), compacted());
    for round in 0..3_i64 {
        for n in 0..12 {
            let key = format!("key {}", (n * 5 + round) % 9);
            let value = format!("{round} {n} {}", "v".repeat(20 * n as usize));
            let value = (n % 4 != 3).then_some(value);
            story.append(&log, &key, value.as_deref())?;
        }
        story.commit(&dir)?;
        dir.checkpoint(NOW).map_err(text)?;
        clean(&dir, NOW + round * RETENTION)?;
    }
    story.append(&log, "the end", Some("of the story"))?;
    story.commit(&dir)
}

fn operations_of_the_whole_story() -> u64 {
    let disk = FaultyDisk::new();
    let mut story = Story::default();
    play(&disk, &mut story).unwrap();
    let (dir, _) = try_open(&disk.kill(), Durability::Fsync, 2).unwrap();
    let log = dir.create_partition(partition_id(0), compacted());
    story.check(&log, "no crash");
    assert!(
        records(&log).len() < story.appended.len() / 2,
        "it was compacted"
    );
    disk.operations()
}

/// Opens, checks, cleans and checks again.
fn check(disk: &FaultyDisk, story: &Story, context: &str) {
    let (dir, _) =
        try_open(disk, Durability::Fsync, 9).unwrap_or_else(|error| panic!("{context}: {error}"));
    let log = dir.create_partition(partition_id(0), compacted());
    story.check(&log, context);
    let ends: Vec<_> = batches(&log)
        .iter()
        .map(|batch| batch.header.last_offset())
        .collect();
    assert!(ends.is_sorted(), "{context}: {ends:?}");
    dir.checkpoint(NOW).unwrap();
    clean(&dir, NOW).unwrap_or_else(|error| panic!("{context}: {error}"));
    story.check(&log, &format!("{context}, cleaned again"));
}

#[test]
fn a_power_cut_at_every_operation_of_the_cleaner_loses_no_last_record() {
    for at in 0..operations_of_the_whole_story() {
        for survival in [Survival::Nothing, Survival::Some { seed: at }] {
            let disk = FaultyDisk::new();
            disk.crash_at(at);
            let mut story = Story::default();
            let _crash = play(&disk, &mut story);
            let disk = disk.power_cut(survival);
            check(&disk, &story, &format!("crash at {at}, {survival:?}"));
        }
    }
}

#[test]
fn a_crash_at_every_operation_of_the_recovery_of_a_swap_changes_nothing() {
    let total = operations_of_the_whole_story();
    for at in (5..total).step_by(41) {
        let mut recovery_step = 0;
        loop {
            let disk = FaultyDisk::new();
            disk.crash_at(at);
            let mut story = Story::default();
            let _crash = play(&disk, &mut story);
            let disk = disk.power_cut(Survival::Some { seed: at });
            let first = disk.operations();
            disk.crash_at(first + recovery_step);
            let opened = try_open(&disk, Durability::Fsync, 2);
            let finished = !disk.has_crashed();
            drop(opened);
            let disk = disk.power_cut(Survival::Some {
                seed: recovery_step,
            });
            check(
                &disk,
                &story,
                &format!("crash at {at}, then at {recovery_step}"),
            );
            if finished {
                break;
            }
            recovery_step += 1;
        }
    }
}

#[derive(Debug, Clone)]
enum Deed {
    Append {
        key: u8,
        tombstone: bool,
        size: usize,
    },
    Commit,
    Checkpoint,
    Clean {
        later: i64,
    },
    Retain,
    Kill,
    PowerCut {
        seed: u64,
    },
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        20 => (0_u8..12, prop::bool::weighted(0.2), 0_usize..200)
            .prop_map(|(key, tombstone, size)| Deed::Append { key, tombstone, size }),
        5 => Just(Deed::Commit),
        4 => Just(Deed::Checkpoint),
        3 => (0..3 * RETENTION).prop_map(|later| Deed::Clean { later }),
        1 => Just(Deed::Retain),
        1 => Just(Deed::Kill),
        1 => any::<u64>().prop_map(|seed| Deed::PowerCut { seed }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_compacted_log_is_the_last_value_of_each_key(deeds in proptest::collection::vec(deeds(), 1..150)) {
        let mut disk = FaultyDisk::new();
        let mut incarnation = 1;
        let mut story = Story::default();
        let mut dir = try_open(&disk, Durability::Fsync, incarnation).unwrap().0;
        let mut log = dir.create_partition(partition_id(0), compacted());
        for deed in deeds {
            let restart = match deed {
                Deed::Append { key, tombstone, size } => {
                    let value = format!("{} {}", story.appended.len(), "v".repeat(size));
                    let value = (!tombstone).then_some(value.as_str());
                    story.append(&log, &format!("key {key}"), value).unwrap();
                    None
                }
                Deed::Commit => { story.commit(&dir).unwrap(); None }
                Deed::Checkpoint => { dir.checkpoint(NOW).unwrap(); None }
                Deed::Clean { later } => { clean(&dir, NOW + later).unwrap(); None }
                // A compacted topic loses nothing to it.
                Deed::Retain => { dir.apply_retention(NOW * 2).unwrap(); None }
                Deed::Kill => Some(disk.kill()),
                Deed::PowerCut { seed } => Some(disk.power_cut(Survival::Some { seed })),
            };
            if let Some(next) = restart {
                disk = next;
                incarnation += 1;
                dir = try_open(&disk, Durability::Fsync, incarnation).unwrap().0;
                log = dir.create_partition(partition_id(0), compacted());
                story.check(&log, "after a restart");
                story.appended.truncate(log.log_end_offset() as usize);
                story.acknowledged = story.appended.len();
            }
        }
        story.commit(&dir).unwrap();
        story.check(&log, "at the end");
    }
}
