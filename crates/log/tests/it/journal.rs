//! The ring: going round, filling up, growing, and batches too large for it.

use headwater_log::disk::{FaultyDisk, Survival};
use headwater_log::{AppendError, Durability, JournalSizes, JournalStep, LogDir};
use std::sync::Arc;

use crate::store::{
    CLIENT, NOW, SMALL_JOURNAL, append, batch, open, options, partition, sequenced, values,
};

#[test]
fn the_ring_goes_round_many_times_with_checkpoints_of_its_own() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    // Each commit takes 4 KiB at least, the ring holds 16 of these.
    let expected: Vec<String> = (0..200).map(|n| format!("value {n}")).collect();
    for value in &expected {
        append(&log, &[value]);
        dir.commit_pending().unwrap().unwrap();
    }
    assert_eq!(values(&log), expected);
    drop((log, dir));
    let (dir, report) = open(&disk.power_cut(Survival::Nothing), 2);
    assert!(report.commits <= 16, "{report:?}");
    assert_eq!(values(&partition(&dir, 0)), expected);
}

#[test]
fn a_queue_larger_than_the_ring_is_committed_in_pieces() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    let expected: Vec<String> = (0..60)
        .map(|n| format!("{n} {}", "x".repeat(4000)))
        .collect();
    for value in &expected {
        append(&log, &[value]);
    }
    let commit = dir.commit_pending().unwrap().unwrap();
    assert!(commit.bytes > 200_000);
    assert_eq!(commit.position, log.last_position());
    drop((log, dir));
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    assert_eq!(values(&partition(&dir, 0)), expected);
}

#[test]
fn a_batch_too_large_for_the_journal_is_synced_in_its_segment() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    let huge = "x".repeat(500_000);
    append(&log, &["before"]);
    append(&log, &[&huge]);
    append(&log, &["after"]);
    let commit = dir.commit_pending().unwrap().unwrap();
    assert!(
        commit.bytes < 10_000,
        "{} bytes in the journal",
        commit.bytes
    );
    drop((log, dir));
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    assert_eq!(
        values(&partition(&dir, 0)),
        ["before", huge.as_str(), "after"]
    );
}

#[test]
fn a_full_queue_refuses_appends_until_the_next_commit() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    let value = "x".repeat(100_000);
    let refused = (0..20).find_map(|_| log.append(batch(&[&value]), CLIENT).err());
    assert!(matches!(refused, Some(AppendError::JournalFull { .. })));
    assert!(dir.queued_bytes() <= SMALL_JOURNAL.queue_bytes);
    let end = log.log_end_offset();
    log.delete_records(0).unwrap();
    dir.commit_pending().unwrap();
    assert_eq!(dir.queued_bytes(), 0);
    assert_eq!(append(&log, &["goes on"]).base_offset, end);
}

#[test]
fn refused_appends_give_their_room_back() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    log.append(sequenced(1, 0, 0, &["a"]), CLIENT).unwrap();
    dir.commit_pending().unwrap();
    assert!(log.append(sequenced(1, 0, 5, &["gap"]), CLIENT).is_err());
    assert!(
        log.append(sequenced(1, 0, 0, &["a"]), CLIENT)
            .unwrap()
            .duplicate
    );
    assert_eq!(dir.queued_bytes(), 0);
}

#[test]
fn the_journal_grows_file_by_file_and_drops_the_small_ones() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    let mut expected = Vec::new();
    let mut steps = 0;
    loop {
        expected.push(format!("value {}", expected.len()));
        append(&log, &[expected.last().unwrap()]);
        dir.commit_pending().unwrap();
        let step = dir.prepare_journal().unwrap();
        steps += 1;
        // The small file in use is left once it is full.
        if step == JournalStep::Done && steps > 30 {
            break;
        }
        dir.checkpoint(NOW).unwrap();
    }
    drop((log, dir));
    let disk = disk.power_cut(Survival::Some { seed: 3 });
    let files = headwater_log::disk::Disk::list(&disk, std::path::Path::new("/data/journal"));
    assert_eq!(files.unwrap().len(), SMALL_JOURNAL.files);
    let (dir, _) = open(&disk, 2);
    assert_eq!(values(&partition(&dir, 0)), expected);
}

/// A file of four steps.
const GROWS_BY_A_MEGABYTE: JournalSizes = JournalSizes {
    initial_files: 1,
    initial_file_bytes: 128 << 10,
    files: 2,
    file_bytes: 1 << 20,
    queue_bytes: 1 << 20,
};

#[test]
fn a_new_file_is_synced_in_short_steps_so_that_commits_never_wait_for_all_of_it() {
    let disk = FaultyDisk::new();
    let mut options = options(Durability::Fsync, 1);
    options.journal = GROWS_BY_A_MEGABYTE;
    let (dir, _) = LogDir::open(Arc::new(disk.clone()), options).unwrap();
    let before = disk.syncs();
    dir.prepare_journal().unwrap();
    let steps_and_directory = 4 + 1;
    assert_eq!(disk.syncs() - before, steps_and_directory);
}

#[test]
fn a_power_cut_at_any_step_of_a_new_file_loses_nothing() {
    for at in 0.. {
        let disk = FaultyDisk::new();
        let mut options = options(Durability::Fsync, 1);
        options.journal = GROWS_BY_A_MEGABYTE;
        let (dir, _) = LogDir::open(Arc::new(disk.clone()), options.clone()).unwrap();
        let log = partition(&dir, 0);
        append(&log, &["kept"]);
        dir.commit_pending().unwrap();
        disk.crash_at(disk.operations() + at);
        let grown = dir.prepare_journal();
        drop((log, dir));
        let disk = disk.power_cut(Survival::Some { seed: at });
        options.incarnation = 2;
        let (dir, _) = LogDir::open(Arc::new(disk.clone()), options).unwrap();
        assert_eq!(values(&partition(&dir, 0)), ["kept"], "operation {at}");
        dir.prepare_journal().unwrap();
        if grown.is_ok() {
            assert!(at > 8, "four writes, four syncs, a name");
            return;
        }
    }
}

#[test]
fn a_ring_of_one_small_file_works() {
    let disk = FaultyDisk::new();
    let mut options = options(Durability::Fsync, 1);
    options.journal = JournalSizes {
        initial_files: 1,
        initial_file_bytes: 8192,
        files: 1,
        file_bytes: 8192,
        queue_bytes: 1 << 20,
    };
    let (dir, _) = LogDir::open(Arc::new(disk.clone()), options).unwrap();
    let log = partition(&dir, 0);
    for n in 0..50 {
        append(&log, &[&format!("value {n}")]);
        dir.commit_pending().unwrap().unwrap();
    }
    drop((log, dir));
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    assert_eq!(values(&partition(&dir, 0)).len(), 50);
}

#[test]
fn checkpoints_and_commits_run_beside_each_other() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                dir.checkpoint(NOW).unwrap();
                dir.apply_retention(NOW).unwrap();
                dir.prepare_journal().unwrap();
            }
        });
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Acquire) {
                dir.commit_pending().unwrap();
            }
        });
        let writers: Vec<_> = (0..3)
            .map(|number| {
                let log = partition(&dir, number);
                scope.spawn(move || {
                    for n in 0..300 {
                        append(&log, &[&format!("value {n}")]);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Release);
    });
    dir.commit_pending().unwrap();
    drop(dir);
    let (dir, _) = open(&disk.power_cut(Survival::Nothing), 2);
    for number in 0..3 {
        assert_eq!(values(&partition(&dir, number)).len(), 300);
    }
}
