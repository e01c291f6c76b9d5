//! What one operation on a state store costs: `cargo run --release -p headwater-streams --example store_speed`.
//!
//! Prints nanoseconds per operation, the median of five rounds, one line a row; with an argument, the rows whose name
//! contains it.

use std::time::Instant;

use headwater_streams::SessionWindow;
use headwater_streams::serde::{Codec, Long};
use headwater_streams::store::{
    Backend, ChangelogRecord, JoinWindow, KeyValue, MemoryBudget, SessionStore, StateDatabase,
    Store, StoreId, StoreKind, StoreSpec, Stores, WindowLayout, WindowStore,
};

type Error = Box<dyn std::error::Error>;

const ID: StoreId = StoreId(0);
const OPERATIONS: u64 = 200_000;

struct Bench {
    stores: Stores,
    commit: i64,
}

impl Bench {
    fn open(kind: StoreKind, backend: Backend, state: &StateDatabase) -> Result<Self, Error> {
        let name = format!("{backend:?}-{kind:?}").replace([' ', '{', '}', ':', ','], "");
        let spec = StoreSpec::new(name, kind).backend(backend);
        let mut stores = Stores::default();
        stores.insert(ID, Store::open(spec, 0, state)?);
        Ok(Self { stores, commit: 0 })
    }

    /// Runs `operation` with numbers that go on from round to round, commits every 50,000, and prints the cost of
    /// operation and commit.
    fn run(
        &mut self,
        name: &str,
        mut operation: impl FnMut(&mut Stores, u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !wanted(name) {
            return Ok(());
        }
        let mut rounds = Vec::new();
        for round in 0..5 {
            let start = Instant::now();
            for number in 0..OPERATIONS {
                operation(&mut self.stores, round * OPERATIONS + number)?;
                if number % 50_000 == 49_999 {
                    self.stores.flush(|_, entry| -> Result<(), Error> {
                        std::hint::black_box(entry.key);
                        Ok(())
                    })?;
                    self.commit += 1;
                    let offset = self.commit;
                    self.stores.commit(offset, |_| Some(offset))?;
                }
            }
            rounds.push(start.elapsed().as_nanos() as u64 / OPERATIONS);
        }
        rounds.sort_unstable();
        print(name, rounds[2]);
        Ok(())
    }
}

fn wanted(name: &str) -> bool {
    std::env::args()
        .nth(1)
        .is_none_or(|part| name.contains(&part))
}

#[expect(clippy::print_stdout, reason = "what the example is for")]
fn print(name: &str, nanoseconds: u64) {
    println!("{name:<55} {nanoseconds:>7} ns");
}

fn codec() -> Codec<i64> {
    Codec::Static(&Long)
}

/// Spreads numbers over `keys` keys.
fn key(number: u64, keys: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys
}

fn count(backend: Backend, keys: u64, state: &StateDatabase) -> Result<(), Error> {
    let mut bench = Bench::open(StoreKind::KeyValue, backend, state)?;
    let mut store: KeyValue<String, i64> = KeyValue::new(ID, "s", "s-changelog", codec());
    let names: Vec<String> = (0..keys).map(|key| format!("key-{key}")).collect();
    bench.run(
        &format!("{backend:?}: count, {keys} keys"),
        |stores, number| {
            let name = &names[key(number, keys) as usize];
            let count = store.get(stores, name)?.map_or(0, |(count, _)| count);
            store.put(stores, name, Some(&(count + 1)), number as i64)?;
            Ok(())
        },
    )
}

fn windows(backend: Backend, state: &StateDatabase) -> Result<(), Error> {
    let kind = StoreKind::Window {
        retention_ms: 10_000,
        layout: WindowLayout::TimeFirst,
    };
    let mut bench = Bench::open(kind, backend, state)?;
    let mut store: WindowStore<u64, i64> = WindowStore::new(ID, "s", "s-changelog", codec());
    bench.run(
        &format!("{backend:?}: count per 1 s window, 1000 keys"),
        |stores, number| {
            let (key, time) = (key(number, 1000), number as i64 / 10);
            let start = time / 1000 * 1000;
            let count = store
                .get(stores, &key, start)?
                .map_or(0, |(count, _)| count);
            let _ = store.put(stores, &key, start, Some(&(count + 1)), time)?;
            Ok(())
        },
    )
}

fn sessions(backend: Backend, state: &StateDatabase) -> Result<(), Error> {
    let mut bench = Bench::open(
        StoreKind::Session {
            retention_ms: 120_000,
        },
        backend,
        state,
    )?;
    let mut store: SessionStore<u64, i64> = SessionStore::new(ID, "s", "s-changelog", codec());
    bench.run(
        &format!("{backend:?}: merge into a session, 10000 keys"),
        |stores, number| {
            let (key, time) = (key(number, 10_000), number as i64);
            let mut merged = SessionWindow {
                start: time,
                end: time,
            };
            let mut count = 1;
            for (session, value, _) in store.find(stores, &key, time - 15_000, time + 15_000)? {
                merged = merged.merge(session);
                count += value;
                let _ = store.put(stores, &key, session, None, time)?;
            }
            let _ = store.put(stores, &key, merged, Some(&count), time)?;
            Ok(())
        },
    )
}

fn joins(backend: Backend, state: &StateDatabase) -> Result<(), Error> {
    let mut bench = Bench::open(
        StoreKind::JoinWindow {
            retention_ms: 120_000,
        },
        backend,
        state,
    )?;
    let mut store: JoinWindow<u64, i64> = JoinWindow::new(ID, "s", "s-changelog", codec());
    let mut found = Vec::new();
    bench.run(
        &format!("{backend:?}: join, each key met twice"),
        |stores, number| {
            // The second of a pair comes 10,000 records after the first.
            let time = number as i64;
            let key = if number % 2 == 0 {
                number
            } else {
                number.saturating_sub(10_001)
            };
            store.fetch(stores, &key, (time - 60_000, time + 60_000), &mut found)?;
            std::hint::black_box(&found);
            let _ = store.put(stores, &key, &time, time)?;
            Ok(())
        },
    )
}

fn restore(backend: Backend, state: &StateDatabase) -> Result<(), Error> {
    let name = format!("{backend:?}: restore, a million records");
    if !wanted(&name) {
        return Ok(());
    }
    let spec = StoreSpec::new("restored", StoreKind::KeyValue).backend(backend);
    let mut store = Store::open(spec, 0, state)?;
    let rows: Vec<_> = (0..1_000_000_u64)
        .map(|number| key(number, u64::MAX).to_be_bytes())
        .collect();
    let start = Instant::now();
    store.restore(
        rows.iter()
            .enumerate()
            .map(|(offset, row)| ChangelogRecord {
                key: row,
                value: Some(&[7; 50]),
                timestamp: 1,
                offset: offset as i64,
            }),
    )?;
    store.finish_restore(1)?;
    print(&name, start.elapsed().as_nanos() as u64 / rows.len() as u64);
    Ok(())
}

/// A hundred partitions with 200 MB of rows, written and read all over: the process's memory, on Linux.
fn partitions(state: &StateDatabase) -> Result<(), Error> {
    let name = "Disk: resident memory with 100 partitions";
    if !wanted(name) {
        return Ok(());
    }
    let mut tasks = Vec::new();
    for partition in 0..100 {
        let mut stores = Stores::default();
        let spec = StoreSpec::new("many", StoreKind::KeyValue);
        stores.insert(ID, Store::open(spec, partition, state)?);
        tasks.push(stores);
    }
    let value = [&1_i64.to_be_bytes()[..], &[7; 92]].concat();
    for round in 0..20_u64 {
        for stores in &mut tasks {
            for row in 0..1000 {
                let store = stores.get_mut(ID);
                store.get(&key(round * 1000 / 2 + row, 1 << 40).to_be_bytes())?;
                store.put(
                    &key(round * 1000 + row, 1 << 40).to_be_bytes(),
                    Some(&value),
                    1,
                );
            }
            stores.commit(1, |_| Some(round as i64))?;
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    print_memory(name, &status);
    Ok(())
}

/// Opens a store of ten million keys with a million changes since its tables were written, as after a kill.
fn reopen(directory: &std::path::Path) -> Result<(), Error> {
    let name = "Disk: open a store of 10 million keys";
    if !wanted(name) {
        return Ok(());
    }
    let spec = StoreSpec::new("large", StoreKind::KeyValue);
    let state = StateDatabase::open(directory, MemoryBudget::default())?;
    let mut store = Store::open(spec.clone(), 0, &state)?;
    let mut restored = 0;
    for chunk in 0..100_u64 {
        let keys: Vec<_> = (0..100_000)
            .map(|number| key(chunk * 100_000 + number, u64::MAX).to_be_bytes())
            .collect();
        store.restore(keys.iter().map(|key| {
            restored += 1;
            ChangelogRecord {
                key,
                value: Some(&[7; 50]),
                timestamp: 1,
                offset: restored,
            }
        }))?;
    }
    store.finish_restore(1)?;
    let mut stores = Stores::default();
    stores.insert(ID, store);
    for commit in 0..100_u64 {
        for number in 0..10_000 {
            let row = key(commit * 10_000 + number, u64::MAX).to_be_bytes();
            stores
                .get_mut(ID)
                .put(&row, Some(&[8; 58]), i64::from_be_bytes([8; 8]));
        }
        stores.commit(1, |_| Some(restored + commit as i64))?;
    }
    drop((stores, state));
    let start = Instant::now();
    let state = StateDatabase::open(directory, MemoryBudget::default())?;
    let mut store = Store::open(spec, 0, &state)?;
    assert!(store.get(&key(7, u64::MAX).to_be_bytes())?.is_some());
    print(name, start.elapsed().as_nanos() as u64);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what the example is for")]
fn print_memory(name: &str, status: &str) {
    for field in ["VmRSS", "VmHWM"] {
        let kib = status
            .lines()
            .find(|line| line.starts_with(field))
            .and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        println!(
            "{name:<55} {field} {:>7} MiB",
            kib.unwrap_or_default() / 1024
        );
    }
}

fn main() -> Result<(), Error> {
    for backend in [Backend::Memory, Backend::Disk] {
        let directory = std::env::temp_dir().join(format!("store-speed-{}", std::process::id()));
        let state = StateDatabase::open(&directory, MemoryBudget::default())?;
        for keys in [1, 1000, 1_000_000] {
            count(backend, keys, &state)?;
        }
        windows(backend, &state)?;
        sessions(backend, &state)?;
        joins(backend, &state)?;
        restore(backend, &state)?;
        if backend == Backend::Disk {
            partitions(&state)?;
        }
        drop(state);
        if backend == Backend::Disk {
            reopen(&directory)?;
        }
        std::fs::remove_dir_all(&directory)?;
    }
    Ok(())
}
