//! Idempotent producers: duplicates, gaps and epochs, also after a restart.

use headwater_log::disk::{FaultyDisk, Survival};
use headwater_log::{AppendError, LogConfig};

use crate::store::{CLIENT, NOW, open, partition, sequenced, values};

#[test]
fn a_duplicate_gets_its_original_offset_and_waits_for_what_it_duplicates() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    let first = log.append(sequenced(1, 0, 0, &["a", "b"]), CLIENT).unwrap();
    let again = log.append(sequenced(1, 0, 0, &["a", "b"]), CLIENT).unwrap();
    assert!(again.duplicate);
    assert_eq!((again.base_offset, again.last_offset), (0, 1));
    assert_eq!(
        again.position, first.position,
        "not durable yet, so not to be told yet"
    );
    dir.commit_pending().unwrap();
    assert_eq!(values(&log), ["a", "b"]);
}

#[test]
fn gaps_and_stale_epochs_are_refused() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    log.append(sequenced(1, 2, 0, &["a"]), CLIENT).unwrap();
    let result = log.append(sequenced(1, 2, 2, &["c"]), CLIENT);
    assert!(matches!(
        result,
        Err(AppendError::OutOfOrderSequence { .. })
    ));
    let result = log.append(sequenced(1, 1, 1, &["b"]), CLIENT);
    assert!(matches!(
        result,
        Err(AppendError::InvalidProducerEpoch { .. })
    ));
    log.append(sequenced(1, 3, 0, &["b"]), CLIENT).unwrap();
    assert_eq!(log.log_end_offset(), 2);
}

#[test]
fn the_last_five_batches_are_known_after_any_restart() {
    let disk = FaultyDisk::new();
    let (dir, _) = open(&disk, 1);
    let log = partition(&dir, 0);
    for sequence in 0..8 {
        log.append(sequenced(1, 0, sequence, &["v"]), CLIENT)
            .unwrap();
        if sequence == 4 {
            dir.commit_pending().unwrap();
            // Above the high watermark when the checkpoint is made.
            log.append(sequenced(2, 0, 0, &["w"]), CLIENT).unwrap();
            dir.checkpoint(NOW).unwrap();
        }
    }
    dir.commit_pending().unwrap();
    let check = |log: &headwater_log::PartitionLog| {
        for sequence in 3..8 {
            let again = log
                .append(sequenced(1, 0, sequence, &["v"]), CLIENT)
                .unwrap();
            let shift = i64::from(sequence > 4);
            assert_eq!(again.base_offset, i64::from(sequence) + shift);
            assert!(again.duplicate);
        }
        assert!(
            log.append(sequenced(2, 0, 0, &["w"]), CLIENT)
                .unwrap()
                .duplicate
        );
        assert!(log.append(sequenced(1, 0, 9, &["v"]), CLIENT).is_err());
    };
    check(&log);
    drop((log, dir));
    let disk = disk.power_cut(Survival::Nothing);
    let (dir, _) = open(&disk, 2);
    check(&partition(&dir, 0));
    dir.close(NOW).unwrap();
    drop(dir);
    let (dir, report) = open(&disk, 3);
    assert!(report.clean);
    check(&partition(&dir, 0));
}

#[test]
fn silent_producers_are_forgotten() {
    let (dir, _) = open(&FaultyDisk::new(), 1);
    let log = partition(&dir, 0);
    log.append(sequenced(1, 0, 0, &["a"]), CLIENT).unwrap();
    dir.commit_pending().unwrap();
    dir.checkpoint(NOW + LogConfig::default().producer_id_expiration_ms)
        .unwrap();
    let appended = log.append(sequenced(1, 0, 5, &["b"]), CLIENT).unwrap();
    assert!(!appended.duplicate);
}
