//! Stores that keep next to nothing of what was committed in memory, against a map: whatever changes beneath the
//! overlay, it never tells of a row what is no longer so.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::*;
use crate::store::layout::Layout;

const RETENTION_MS: i64 = 130_000;

/// Runs of three hundred steps for each kind, backend and budget.
const SEEDS: u64 = 2;
const STEPS: usize = 300;

/// Small numbers of a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    /// Some begin with others, and some do not fit into a cell.
    fn key(&mut self) -> Vec<u8> {
        let long = [&[7; 60][..], &[8; 60]].concat();
        let keys: [&[u8]; 8] = [
            b"",
            b"a",
            b"a\0",
            b"a\0\0\0\0\0\0\0\0",
            &[0xff; 9],
            &long[..31],
            &long[..40],
            &long,
        ];
        keys[self.below(keys.len())].to_vec()
    }

    /// A row and its time: somewhat older than this one, or younger.
    fn row(&mut self, layout: Layout, clock: i64) -> (Vec<u8>, i64) {
        let step = clock.max(0) / 20_000 + self.below(13) as i64 - 9;
        let (key, time) = (self.key(), step.max(0) * 20_000);
        let segment = layout.segment(time).to_be_bytes();
        let row = match layout {
            Layout::Plain => key,
            Layout::TimeFirst => [&segment[..], &key].concat(),
            _ => [&segment[..], &key, &time.to_be_bytes()].concat(),
        };
        (row, time)
    }

    /// A timestamp and something behind it.
    fn value(&mut self, timestamp: i64) -> Vec<u8> {
        let lengths = [0, 1, 4, 22, 23, 24, 31, 32, 200, 30_000, 60_000];
        let length = lengths[self.below(lengths.len())];
        let mut value = timestamp.to_be_bytes().to_vec();
        value.resize(8 + length, self.below(256) as u8);
        value
    }
}

#[derive(Clone)]
struct Model {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    clock: i64,
}

impl Model {
    fn is_alive(&self, layout: Layout, row: &[u8]) -> bool {
        layout == Layout::Plain || row[..8] >= self.front(layout)[..]
    }

    fn front(&self, layout: Layout) -> [u8; 8] {
        let oldest = self.clock.saturating_sub(RETENTION_MS) + 1;
        layout.front(oldest).to_be_bytes()
    }
}

fn change(rig: &mut Rig, dice: &mut Dice, model: &mut Model, timestamp: i64) {
    let layout = rig.store().layout;
    let (row, time) = dice.row(layout, model.clock);
    if layout != Layout::Plain {
        rig.store().observe(time);
        model.clock = model.clock.max(time);
    }
    if !model.is_alive(layout, &row) {
        return;
    }
    if dice.below(3) == 0 {
        assert_eq!(
            rig.store().get(&row).expect("read"),
            model.rows.get(&row).map(|value| &value[..])
        );
    }
    if dice.below(3) == 0 {
        rig.store().put(&row, None, timestamp);
        model.rows.remove(&row);
        if dice.below(2) == 0 {
            return;
        }
    }
    let value = dice.value(timestamp);
    rig.store().put(&row, Some(&value), timestamp);
    model.rows.insert(row, value);
}

fn look(rig: &mut Rig, dice: &mut Dice, model: &Model) {
    let layout = rig.store().layout;
    let (mut row, _) = dice.row(layout, model.clock);
    if !model.rows.is_empty() && dice.below(2) == 0 {
        let rows: Vec<_> = model.rows.keys().collect();
        row.clone_from(rows[dice.below(rows.len())]);
    }
    let found = rig.store().get(&row).expect("read");
    // One that is too old may be told of or not; it is not too old any more after an abort.
    if model.is_alive(layout, &row) {
        assert!(
            found == model.rows.get(&row).map(|value| &value[..]),
            "row {row:?}"
        );
    }
    let (low, high) = (
        dice.row(layout, model.clock).0,
        dice.row(layout, model.clock).0,
    );
    let mut found = Vec::new();
    let each = |row: &[u8], value: &[u8]| {
        found.push((row.to_vec(), value.to_vec()));
        ControlFlow::<()>::Continue(())
    };
    let (low, high) = if let Some(prefix) = layout.prefix_of(&row) {
        let (low, high) = ([prefix, &[0; 8]].concat(), [prefix, &[0xff; 8]].concat());
        let _ = rig
            .store()
            .scan_prefix(prefix, &low, &high, each)
            .expect("read");
        found.retain(|(other, _)| other.len() == row.len());
        (low, high)
    } else {
        let bounds = (Bound::Included(&low[..]), Bound::Included(&high[..]));
        let _ = rig.store().scan(bounds.0, bounds.1, each).expect("read");
        (low, high)
    };
    let mut expected = Vec::new();
    if low <= high {
        for (other, value) in model.rows.range(low..=high) {
            let of_key = layout.prefix_of(&row).is_none() || other.len() == row.len();
            if of_key && model.is_alive(layout, other) {
                expected.push((other.clone(), value.clone()));
            }
        }
    }
    assert!(
        found == expected,
        "{} rows for {}",
        found.len(),
        expected.len()
    );
}

fn all_is_there(rig: &mut Rig, model: &Model) {
    let layout = rig.store().layout;
    let rows: Vec<_> = model.rows.iter().collect();
    for (row, value) in rows {
        if model.is_alive(layout, row) {
            assert!(
                rig.store().get(row).expect("read") == Some(&value[..]),
                "row {row:?}"
            );
        }
    }
}

/// What a store is put through; the rows are those of the last commit if that says so.
fn happen(rig: &mut Rig, dice: &mut Dice) -> bool {
    if dice.below(12) == 0 {
        rig.stores.abort();
        let first = dice.below(rig.changelog.len() + 1);
        rig.restore_from(first);
        return true;
    }
    let event = match dice.below(14) {
        0..=5 => Event::Commit,
        6 => Event::Abort,
        7 => Event::Refuse,
        8 => Event::Redo,
        9 => Event::Reopen,
        10 => Event::Restore,
        11 => Event::Kill,
        _ => Event::Move,
    };
    if dice.below(4) == 0
        && let Some(state) = &rig.state
    {
        state.rest();
    }
    rig.happen(event)
}

fn run(kind: StoreKind, backend: Backend, budget: MemoryBudget, seed: u64) {
    let mut rig = Rig::new(kind, backend);
    rig.budget = budget;
    rig.happen(Event::Reopen);
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut model = Model {
        rows: BTreeMap::new(),
        clock: -1,
    };
    let mut committed = model.clone();
    for step in 0..STEPS {
        match dice.below(10) {
            0..=4 => change(&mut rig, &mut dice, &mut model, step as i64),
            5..=6 => look(&mut rig, &mut dice, &model),
            _ => {
                if happen(&mut rig, &mut dice) {
                    model.clone_from(&committed);
                } else {
                    committed.clone_from(&model);
                }
                for _ in 0..dice.below(4) {
                    look(&mut rig, &mut dice, &model);
                }
                if dice.below(8) == 0 {
                    all_is_there(&mut rig, &model);
                }
            }
        }
    }
    all_is_there(&mut rig, &model);
}

#[test]
fn what_changes_beneath_a_store_is_seen_however_little_it_keeps_in_memory() {
    let window = |layout| StoreKind::Window {
        retention_ms: RETENTION_MS,
        layout,
    };
    let kinds = [
        StoreKind::KeyValue,
        window(WindowLayout::TimeFirst),
        window(WindowLayout::KeyFirst),
    ];
    for seed in 0..SEEDS {
        for kind in kinds {
            for (rows, writes) in [(0, 1000), (2000, 50_000), (1 << 20, 1 << 20)] {
                let budget = MemoryBudget {
                    row_cache_bytes: rows,
                    write_buffer_bytes: writes,
                    ..MemoryBudget::default()
                };
                for backend in [Backend::Memory, Backend::Disk] {
                    let known = std::panic::catch_unwind(|| run(kind, backend, budget, seed));
                    assert!(
                        known.is_ok(),
                        "{kind:?} {backend:?} {rows} {writes} seed {seed}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_row_that_was_too_old_for_a_while_is_there_again_after_an_abort() {
    let kind = StoreKind::Window {
        retention_ms: RETENTION_MS,
        layout: WindowLayout::TimeFirst,
    };
    for backend in [Backend::Memory, Backend::Disk] {
        let mut rig = Rig::new(kind, backend);
        let row = [&7_i64.to_be_bytes()[..], b"a"].concat();
        let value = 1_i64.to_be_bytes();
        rig.store().observe(7);
        rig.store().put(&row, Some(&value), 1);
        rig.commit();
        rig.happen(Event::Reopen);
        rig.store().observe(7 + RETENTION_MS);
        assert_eq!(rig.store().get(&row).expect("read"), None);
        rig.happen(Event::Abort);
        assert_eq!(rig.store().get(&row).expect("read"), Some(&value[..]));
    }
}
