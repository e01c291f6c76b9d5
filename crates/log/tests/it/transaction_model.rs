//! Random transactions on a partition with small segments, through kills, power cuts and lost indexes.

use headwater_log::disk::{Disk, FaultyDisk, Survival};
use headwater_log::{Durability, LogConfig, LogDir, PartitionLog, TransactionOutcome};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

use crate::ledger::Ledger;
use crate::store::{NOW, ROOT, partition_id, try_open};

const PRODUCERS: [i64; 3] = [5, 6, 7];

#[derive(Debug, Clone)]
enum Deed {
    Plain {
        size: usize,
    },
    Append {
        producer: usize,
        size: usize,
    },
    End {
        producer: usize,
        outcome: TransactionOutcome,
    },
    Commit,
    Checkpoint,
    Retain {
        bytes: i64,
    },
    DeleteRecords {
        back: i64,
    },
    Reopen,
    Kill,
    LoseIndexes,
    PowerCut {
        seed: u64,
    },
}

fn deeds() -> impl Strategy<Value = Deed> {
    let producer = 0..PRODUCERS.len();
    let outcome = prop_oneof![
        1 => Just(TransactionOutcome::Commit),
        2 => Just(TransactionOutcome::Abort),
    ];
    prop_oneof![
        3 => (0_usize..300).prop_map(|size| Deed::Plain { size }),
        8 => (producer.clone(), 0_usize..300).prop_map(|(producer, size)| Deed::Append { producer, size }),
        6 => (producer, outcome).prop_map(|(producer, outcome)| Deed::End { producer, outcome }),
        4 => Just(Deed::Commit),
        2 => Just(Deed::Checkpoint),
        1 => (0_i64..3000).prop_map(|bytes| Deed::Retain { bytes }),
        1 => (0_i64..6).prop_map(|back| Deed::DeleteRecords { back }),
        1 => Just(Deed::Reopen),
        1 => Just(Deed::Kill),
        1 => Just(Deed::LoseIndexes),
        1 => any::<u64>().prop_map(|seed| Deed::PowerCut { seed }),
    ]
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1000,
        index_interval_bytes: 200,
        ..LogConfig::default()
    }
}

struct World {
    disk: FaultyDisk,
    durability: Durability,
    incarnation: u128,
    dir: Option<LogDir>,
    ledger: Ledger,
}

impl World {
    fn new(durability: Durability) -> Self {
        let mut world = Self {
            disk: FaultyDisk::new(),
            durability,
            incarnation: 0,
            dir: None,
            ledger: Ledger::default(),
        };
        world.open();
        world
    }

    /// Opens, and takes the end of the log that is found for that of the ledger.
    fn open(&mut self) {
        self.incarnation += 1;
        let (dir, _) = try_open(&self.disk, self.durability, self.incarnation).unwrap();
        dir.create_partition(partition_id(0), config());
        self.dir = Some(dir);
        let end = self.log().log_end_offset();
        self.ledger.written.truncate(end as usize);
    }

    fn dir(&self) -> &LogDir {
        self.dir.as_ref().unwrap()
    }

    fn log(&self) -> Arc<PartitionLog> {
        self.dir().partition(partition_id(0)).unwrap()
    }

    /// Someone deletes what can be made again, after a clean stop: as long as the log begins with its first batch, since
    /// what began in segments that are gone is in no other place.
    fn lose_indexes(&mut self) {
        if self.log().log_start_offset() > 0 {
            return;
        }
        self.dir().close(NOW).unwrap();
        self.dir = None;
        let partitions = Path::new(ROOT).join("partitions");
        for dir in self.disk.list(&partitions).unwrap_or_default() {
            let dir = partitions.join(dir);
            for name in self.disk.list(&dir).unwrap() {
                // The active segment's index cannot be told from one that never was.
                let is_index = name.ends_with(".snapshot") || name.ends_with(".txnindex");
                let sealed = self.is_sealed(&dir, &name);
                if is_index && (sealed || name.ends_with(".snapshot")) {
                    self.disk.remove_file(&dir.join(name)).unwrap();
                }
            }
        }
        self.open();
    }

    fn is_sealed(&self, dir: &Path, name: &str) -> bool {
        let names = self.disk.list(dir).unwrap();
        let segments = names
            .iter()
            .filter(|name| name.split('.').next_back() == Some("log"));
        let last = segments.max();
        last.is_some_and(|last| name[..20] < last[..20])
    }

    fn do_it(&mut self, deed: &Deed) {
        let log = self.log();
        match deed {
            Deed::Plain { size } => {
                self.ledger.append_plain(&log, *size).unwrap();
            }
            Deed::Append { producer, size } => {
                let appended = self.ledger.append(&log, PRODUCERS[*producer], *size);
                assert!(!appended.unwrap().duplicate);
            }
            Deed::End { producer, outcome } => {
                let producer_id = PRODUCERS[*producer];
                self.ledger
                    .end_transaction(&log, producer_id, *outcome)
                    .unwrap();
            }
            Deed::Commit => drop(self.dir().commit_pending().unwrap()),
            Deed::Checkpoint => self.dir().checkpoint(NOW).unwrap(),
            Deed::Retain { bytes } => {
                log.set_config(LogConfig {
                    retention_bytes: *bytes,
                    ..config()
                });
                self.dir().apply_retention(NOW).unwrap();
                log.set_config(config());
            }
            Deed::DeleteRecords { back } => {
                let before = (log.high_watermark() - back).max(0);
                log.delete_records(before).unwrap();
            }
            Deed::Reopen => {
                self.dir().close(NOW).unwrap();
                self.dir = None;
                self.open();
            }
            Deed::Kill => {
                self.disk = self.disk.kill();
                self.open();
            }
            Deed::LoseIndexes => self.lose_indexes(),
            Deed::PowerCut { seed } => {
                if self.durability == Durability::Fsync {
                    self.disk = self.disk.power_cut(Survival::Some { seed: *seed });
                    self.open();
                }
            }
        }
        self.ledger
            .check(&self.log(), &PRODUCERS, &format!("{deed:?}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn last_stable_offset_and_aborted_transactions_are_those_of_the_ledger(
        deeds in proptest::collection::vec(deeds(), 1..80),
    ) {
        for durability in [Durability::Fsync, Durability::Relaxed] {
            let mut world = World::new(durability);
            for deed in &deeds {
                world.do_it(deed);
            }
        }
    }
}
