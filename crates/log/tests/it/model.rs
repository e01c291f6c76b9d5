//! Random deeds on several partitions, checked against plain vectors.

use headwater_log::disk::{FaultyDisk, Survival};
use headwater_log::{Durability, LogConfig, LogDir, ReadBound, ReadMinimum};
use headwater_records::Batches;
use proptest::prelude::*;

use crate::store::{CLIENT, NOW, batch, partition_id, try_open, values};

const PARTITIONS: usize = 3;

#[derive(Debug, Clone)]
enum Deed {
    Append {
        partition: usize,
        records: usize,
        size: usize,
    },
    Commit,
    Checkpoint,
    Grow,
    Retain {
        partition: usize,
        bytes: i64,
    },
    DeleteRecords {
        partition: usize,
        back: i64,
    },
    Read {
        partition: usize,
        at: prop::sample::Index,
        max_bytes: usize,
    },
    Reopen {
        clean: bool,
    },
    Kill,
    PowerCut {
        seed: u64,
    },
}

fn deeds() -> impl Strategy<Value = Deed> {
    let partition = 0..PARTITIONS;
    prop_oneof![
        8 => (partition.clone(), 1_usize..5, 0_usize..3000).prop_map(|(partition, records, size)| {
            Deed::Append { partition, records, size }
        }),
        1 => partition.clone().prop_map(|partition| Deed::Append { partition, records: 1, size: 40_000 }),
        4 => Just(Deed::Commit),
        2 => Just(Deed::Checkpoint),
        1 => Just(Deed::Grow),
        1 => (partition.clone(), 0_i64..30_000).prop_map(|(partition, bytes)| Deed::Retain { partition, bytes }),
        1 => (partition.clone(), 0_i64..10).prop_map(|(partition, back)| Deed::DeleteRecords { partition, back }),
        4 => (partition, any::<prop::sample::Index>(), 1_usize..9000).prop_map(|(partition, at, max_bytes)| {
            Deed::Read { partition, at, max_bytes }
        }),
        1 => any::<bool>().prop_map(|clean| Deed::Reopen { clean }),
        1 => Just(Deed::Kill),
        1 => any::<u64>().prop_map(|seed| Deed::PowerCut { seed }),
    ]
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 50_000,
        index_interval_bytes: 500,
        ..LogConfig::default()
    }
}

#[derive(Debug, Default, Clone)]
struct Model {
    records: Vec<String>,
    committed: usize,
}

struct World {
    disk: FaultyDisk,
    dir: Option<LogDir>,
    durability: Durability,
    incarnation: u128,
    models: Vec<Model>,
}

impl World {
    fn new(durability: Durability) -> Self {
        let mut world = Self {
            disk: FaultyDisk::new(),
            dir: None,
            durability,
            incarnation: 0,
            models: vec![Model::default(); PARTITIONS],
        };
        world.open();
        world
    }

    fn open(&mut self) {
        self.incarnation += 1;
        let (dir, _) = try_open(&self.disk, self.durability, self.incarnation).unwrap();
        for number in 0..PARTITIONS {
            dir.create_partition(partition_id(number as i32), config());
        }
        self.dir = Some(dir);
    }

    fn dir(&self) -> &LogDir {
        self.dir.as_ref().unwrap()
    }

    fn log(&self, partition: usize) -> std::sync::Arc<headwater_log::PartitionLog> {
        self.dir()
            .partition(partition_id(partition as i32))
            .unwrap()
    }

    /// After a restart: everything committed is there, and of the rest a prefix or nothing.
    fn come_back(&mut self) {
        self.open();
        for number in 0..PARTITIONS {
            let end = self.log(number).log_end_offset() as usize;
            let model = &mut self.models[number];
            assert!(end >= model.committed && end <= model.records.len());
            model.records.truncate(end);
            model.committed = end;
        }
    }

    fn do_it(&mut self, deed: &Deed) {
        match deed {
            Deed::Append {
                partition,
                records,
                size,
            } => self.append(*partition, *records, *size),
            Deed::Commit => {
                self.dir().commit_pending().unwrap();
                self.all_committed();
            }
            Deed::Checkpoint => self.dir().checkpoint(NOW).unwrap(),
            Deed::Grow => drop(self.dir().prepare_journal().unwrap()),
            Deed::Retain { partition, bytes } => {
                let log = self.log(*partition);
                log.set_config(LogConfig {
                    retention_bytes: *bytes,
                    ..config()
                });
                self.dir().apply_retention(NOW).unwrap();
                log.set_config(config());
            }
            Deed::DeleteRecords { partition, back } => {
                let log = self.log(*partition);
                let before = (log.high_watermark() - back).max(0);
                log.delete_records(before).unwrap();
                assert!(log.log_start_offset() >= before);
            }
            Deed::Read {
                partition,
                at,
                max_bytes,
            } => self.read(*partition, *at, *max_bytes),
            Deed::Reopen { clean } => {
                if *clean {
                    self.dir().close(NOW).unwrap();
                    self.all_committed();
                }
                self.dir = None;
                self.come_back();
            }
            Deed::Kill => {
                self.disk = self.disk.kill();
                self.come_back();
            }
            Deed::PowerCut { seed } => {
                if self.durability == Durability::Relaxed {
                    return;
                }
                self.disk = self.disk.power_cut(Survival::Some { seed: *seed });
                self.come_back();
            }
        }
        self.check();
    }

    fn append(&mut self, partition: usize, records: usize, size: usize) {
        let log = self.log(partition);
        let next = self.models[partition].records.len();
        let values: Vec<String> = (next..next + records)
            .map(|n| format!("{partition}/{n}/{}", "x".repeat(size)))
            .collect();
        let bytes = batch(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let appended = log.append(bytes, CLIENT).unwrap();
        assert_eq!(appended.base_offset as usize, next);
        self.models[partition].records.extend(values);
        if self.durability == Durability::Relaxed {
            self.all_committed();
        }
    }

    fn all_committed(&mut self) {
        for model in &mut self.models {
            model.committed = model.records.len();
        }
    }

    fn read(&self, partition: usize, at: prop::sample::Index, max_bytes: usize) {
        let log = self.log(partition);
        let (start, end) = (log.log_start_offset(), log.high_watermark());
        if start == end {
            return;
        }
        let offset = start + at.index((end - start) as usize) as i64;
        let bytes = log
            .read(
                offset,
                max_bytes,
                ReadBound::HighWatermark,
                ReadMinimum::OneBatch,
            )
            .unwrap();
        let batches: Vec<_> = Batches::new(bytes.clone()).map(Result::unwrap).collect();
        assert!(bytes.len() <= max_bytes || batches.len() == 1);
        let first = &batches[0].header;
        assert!(first.base_offset <= offset && offset <= first.last_offset());
        let nothing = log
            .read(
                offset,
                max_bytes,
                ReadBound::HighWatermark,
                ReadMinimum::Nothing,
            )
            .unwrap();
        assert!(nothing.len() <= max_bytes);
    }

    fn check(&self) {
        for (number, model) in self.models.iter().enumerate() {
            let log = self.log(number);
            assert_eq!(log.log_end_offset() as usize, model.records.len());
            assert_eq!(log.high_watermark() as usize, model.committed);
            let start = log.log_start_offset() as usize;
            assert_eq!(values(&log), model.records[start..model.committed]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_durable_log_is_a_vector(deeds in proptest::collection::vec(deeds(), 1..60)) {
        let mut world = World::new(Durability::Fsync);
        for deed in &deeds {
            world.do_it(deed);
        }
    }

    #[test]
    fn a_relaxed_log_is_a_vector_too(deeds in proptest::collection::vec(deeds(), 1..60)) {
        let mut world = World::new(Durability::Relaxed);
        for deed in &deeds {
            world.do_it(deed);
        }
    }
}
