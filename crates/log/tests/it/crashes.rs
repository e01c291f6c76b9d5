//! A crash at every write, every sync and every other change, then recovery: what was acknowledged is there.

use headwater_log::disk::{FaultyDisk, Survival};
use headwater_log::{Durability, LogConfig, LogDir, LogError, PartitionLog, Position};

use crate::store::{CLIENT, NOW, batch, partition_id, sequenced, try_open, values};

const PARTITIONS: i32 = 3;
const PRODUCER: i64 = 77;
/// Deleted in the middle of the script.
const DOOMED: i32 = 9;

/// What the script did, as far as it came, and what it was told.
#[derive(Debug, Default)]
struct Story {
    /// Values handed in, per partition, by offset; the last may not have been accepted.
    appended: Vec<Vec<String>>,
    waiting: Vec<(Position, Told)>,
    acknowledged_end: Vec<usize>,
    acknowledged_start: Vec<i64>,
    asked_start: Vec<i64>,
    sequences: i32,
    acknowledged_sequences: i32,
    acknowledged_deletion: bool,
    asked_deletion: bool,
}

#[derive(Debug)]
enum Told {
    End(usize, usize),
    Start(usize, i64),
    Sequences(i32),
    Deleted,
}

impl Story {
    fn new() -> Self {
        let partitions = PARTITIONS as usize;
        Self {
            appended: vec![Vec::new(); partitions],
            acknowledged_end: vec![0; partitions],
            acknowledged_start: vec![0; partitions],
            asked_start: vec![0; partitions],
            ..Self::default()
        }
    }

    fn learn(&mut self, durable: Position) {
        for (position, told) in std::mem::take(&mut self.waiting) {
            if position > durable {
                self.waiting.push((position, told));
                continue;
            }
            match told {
                Told::End(partition, end) => self.acknowledged_end[partition] = end,
                Told::Start(partition, start) => self.acknowledged_start[partition] = start,
                Told::Sequences(count) => self.acknowledged_sequences = count,
                Told::Deleted => self.acknowledged_deletion = true,
            }
        }
    }

    fn append(
        &mut self,
        log: &PartitionLog,
        partition: usize,
        value: String,
    ) -> Result<(), String> {
        let bytes = batch(&[value.as_str()]);
        self.appended[partition].push(value);
        let appended = log.append(bytes, CLIENT).map_err(|e| e.to_string())?;
        let end = self.appended[partition].len();
        assert_eq!(appended.base_offset as usize, end - 1);
        self.waiting
            .push((appended.position, Told::End(partition, end)));
        Ok(())
    }

    /// Partition 0 also has batches of an idempotent producer.
    fn append_sequenced(&mut self, log: &PartitionLog) -> Result<(), String> {
        let value = format!("sequence {}", self.sequences);
        let bytes = sequenced(PRODUCER, 0, self.sequences, &[&value]);
        self.appended[0].push(value);
        self.sequences += 1;
        let appended = log.append(bytes, CLIENT).map_err(|e| e.to_string())?;
        let position = appended.position;
        self.waiting
            .push((position, Told::End(0, self.appended[0].len())));
        self.waiting
            .push((position, Told::Sequences(self.sequences)));
        Ok(())
    }
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 20_000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    }
}

fn commit(dir: &LogDir, story: &mut Story) -> Result<(), String> {
    let result = dir.commit_pending();
    story.learn(dir.durable());
    result.map(drop).map_err(|error| error.to_string())
}

/// A little of everything. Ends with an error when the crash comes.
fn play(disk: &FaultyDisk, incarnation: u128, story: &mut Story) -> Result<(), String> {
    let text = |error: LogError| error.to_string();
    let (dir, _) = try_open(disk, Durability::Fsync, incarnation).map_err(text)?;
    let logs: Vec<_> = (0..PARTITIONS)
        .map(|number| dir.create_partition(partition_id(number), config()))
        .collect();
    let doomed = dir.create_partition(partition_id(DOOMED), config());
    for round in 0..8 {
        for (partition, log) in logs.iter().enumerate() {
            let value = format!("round {round} of {partition} {}", "x".repeat(round * 150));
            story.append(log, partition, value)?;
        }
        story.append_sequenced(&logs[0])?;
        if round == 1 || round == 5 {
            // More than a quarter of a journal file: synced in its segment.
            story.append(&logs[1], 1, "huge ".repeat(3500))?;
        }
        if round < 3 {
            doomed
                .append(batch(&["doomed"]), CLIENT)
                .map_err(|error| error.to_string())?;
        }
        commit(&dir, story)?;
        if round == 2 {
            dir.checkpoint(NOW).map_err(text)?;
            dir.prepare_journal().map_err(text)?;
        }
        if round == 3 {
            story.asked_deletion = true;
            let position = dir.delete_partition(partition_id(DOOMED)).map_err(text)?;
            story.waiting.push((position, Told::Deleted));
        }
        if round == 4 {
            let before = logs[2].high_watermark() - 1;
            story.asked_start[2] = before;
            let deleted = logs[2].delete_records(before).map_err(|e| e.to_string())?;
            story
                .waiting
                .push((deleted.position, Told::Start(2, before)));
            let retained = LogConfig {
                retention_bytes: 20_000,
                ..config()
            };
            logs[1].set_config(retained);
            story.asked_start[1] = i64::MAX;
            dir.apply_retention(NOW).map_err(text)?;
        }
        if round == 6 {
            dir.checkpoint(NOW).map_err(text)?;
        }
    }
    dir.close(NOW).map_err(text)?;
    story.learn(dir.durable());
    Ok(())
}

/// Opens and checks that what the story was told is true.
fn check(disk: &FaultyDisk, incarnation: u128, story: &Story, context: &str) {
    let (dir, _) = try_open(disk, Durability::Fsync, incarnation)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    for number in 0..PARTITIONS as usize {
        let log = dir.create_partition(partition_id(number as i32), config());
        let appended = &story.appended[number];
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        assert!(
            end as usize >= story.acknowledged_end[number] && end as usize <= appended.len(),
            "{context}: partition {number} ends at {end}, acknowledged {}",
            story.acknowledged_end[number]
        );
        assert!(
            start >= story.acknowledged_start[number]
                && start <= story.asked_start[number].min(end),
            "{context}: partition {number} starts at {start}"
        );
        assert_eq!(log.high_watermark(), end, "{context}");
        assert_eq!(
            values(&log),
            appended[start as usize..end as usize],
            "{context}: partition {number}"
        );
    }
    let doomed = dir.partition_ids().contains(&partition_id(DOOMED));
    assert!(
        !(doomed && story.acknowledged_deletion),
        "{context}: deleted, but there"
    );
    check_producer(&dir, story, context);
    // And it goes on from there.
    let log = dir.create_partition(partition_id(2), config());
    let end = log.log_end_offset();
    let appended = log.append(batch(&["goes on"]), CLIENT).unwrap();
    assert_eq!(appended.base_offset, end, "{context}");
    dir.commit_pending().unwrap();
    assert_eq!(values(&log).last().map(String::as_str), Some("goes on"));
}

/// The producer sends its last acknowledged batch again, and then everything after it.
fn check_producer(dir: &LogDir, story: &Story, context: &str) {
    let log = dir.create_partition(partition_id(0), config());
    let acknowledged = story.acknowledged_sequences;
    let found = values(&log);
    let found = found.iter().filter(|value| value.starts_with("sequence"));
    // It never has more than five in flight, so it sends none again that is further back.
    let oldest = found.count().max(acknowledged as usize) as i32 - 5;
    for sequence in oldest.max(0)..story.sequences {
        let value = format!("sequence {sequence}");
        let offset = story.appended[0]
            .iter()
            .position(|known| *known == value)
            .unwrap();
        let end = log.log_end_offset();
        let again = log
            .append(sequenced(PRODUCER, 0, sequence, &[&value]), CLIENT)
            .unwrap_or_else(|error| panic!("{context}: sequence {sequence}: {error}"));
        if sequence < acknowledged || again.duplicate {
            assert!(
                again.duplicate,
                "{context}: sequence {sequence} was written twice"
            );
            assert_eq!(again.base_offset as usize, offset, "{context}");
        } else {
            assert_eq!(again.base_offset, end, "{context}");
        }
    }
}

fn operations_of_the_whole_script() -> u64 {
    let disk = FaultyDisk::new();
    let mut story = Story::new();
    play(&disk, 1, &mut story).expect("no crash, no error");
    assert_eq!(
        story.acknowledged_end,
        story.appended.iter().map(Vec::len).collect::<Vec<_>>()
    );
    check(&disk, 2, &story, "no crash");
    disk.operations()
}

#[test]
fn a_power_cut_at_every_operation_loses_nothing_acknowledged() {
    for at in 0..operations_of_the_whole_script() {
        for survival in [
            Survival::Nothing,
            Survival::Everything,
            Survival::Some { seed: at },
            Survival::Some {
                seed: at + 1_000_000,
            },
        ] {
            let disk = FaultyDisk::new();
            disk.crash_at(at);
            let mut story = Story::new();
            let _crash = play(&disk, 1, &mut story);
            let disk = disk.power_cut(survival);
            check(&disk, 2, &story, &format!("crash at {at}, {survival:?}"));
        }
    }
}

#[test]
fn a_kill_at_every_operation_and_a_power_cut_later_lose_nothing_acknowledged() {
    for at in 0..operations_of_the_whole_script() {
        let disk = FaultyDisk::new();
        disk.crash_at(at);
        let mut story = Story::new();
        let _crash = play(&disk, 1, &mut story);
        let disk = disk.kill();
        let context = format!("killed at {at}");
        // The next process finds what was never synced, and must not take it for acknowledged.
        let opened = try_open(&disk, Durability::Fsync, 2);
        drop(opened.unwrap_or_else(|error| panic!("{context}: {error}")));
        let disk = disk.power_cut(Survival::Some { seed: at });
        check(&disk, 3, &story, &context);
    }
}

#[test]
fn a_crash_at_every_operation_of_the_recovery_changes_nothing() {
    let total = operations_of_the_whole_script();
    for at in (5..total).step_by(29).chain([total - 1]) {
        let mut recovery_step = 0;
        loop {
            let disk = FaultyDisk::new();
            disk.crash_at(at);
            let mut story = Story::new();
            let _crash = play(&disk, 1, &mut story);
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
                3,
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
