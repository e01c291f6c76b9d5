//! Rows in order of arrival against a list of them.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put(&'static str, i64),
    Flush,
    Commit,
    Abort,
    Trim(usize),
    Expire(u64),
    Visit(&'static str, i64, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || prop::sample::select(vec!["", "a", "aa", "b"]);
    let step = prop_oneof![
        10 => (key(), 0..300_i64).prop_map(|(key, time)| Step::Put(key, time)),
        1 => Just(Step::Flush),
        2 => Just(Step::Commit),
        1 => Just(Step::Abort),
        1 => (0..2_000_usize).prop_map(Step::Trim),
        1 => (0..3_u64).prop_map(Step::Expire),
        6 => (key(), 0..300_i64, 0..300_i64).prop_map(|(key, from, to)| Step::Visit(key, from, to)),
    ];
    prop::collection::vec(step, 1..120)
}

fn row(key: &str, time: i64, sequence: u32) -> Vec<u8> {
    let segment = (time / 100) as u64;
    [
        &segment.to_be_bytes()[..],
        key.as_bytes(),
        &time.to_be_bytes(),
        &sequence.to_be_bytes(),
    ]
    .concat()
}

/// A value as long as several make a chunk full.
fn value(sequence: u32) -> Vec<u8> {
    vec![sequence as u8; 1 + sequence as usize * 997 % 20_000]
}

fn flushed(arrivals: &mut Arrivals) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    let count = arrivals.flush(|row, _, _| -> Result<(), ()> {
        rows.push(row.to_vec());
        Ok(())
    });
    assert_eq!(count, Ok(rows.len()));
    rows
}

#[derive(Default)]
struct Model {
    /// Key, time, sequence number: what is here, committed first.
    rows: Vec<(&'static str, i64, u32)>,
    committed: usize,
    flushed: usize,
}

impl Model {
    fn bytes(&self, from: usize) -> Vec<Vec<u8>> {
        self.rows[from..]
            .iter()
            .map(|(key, time, sequence)| row(key, *time, *sequence))
            .collect()
    }

    fn forget_first(&mut self) {
        self.rows.remove(0);
        self.committed -= 1;
        self.flushed -= 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_found_flushed_committed_and_forgotten_in_order_of_arrival(steps in steps()) {
        let mut arrivals = Arrivals::default();
        let mut model = Model::default();
        for (sequence, step) in (0_u32..).zip(steps) {
            match step {
                Step::Put(key, time) => {
                    arrivals.put(&row(key, time, sequence), Some(&value(sequence)));
                    model.rows.push((key, time, sequence));
                }
                Step::Flush => {
                    prop_assert_eq!(flushed(&mut arrivals), model.bytes(model.flushed));
                    model.flushed = model.rows.len();
                }
                Step::Commit => {
                    let mut rows = Vec::new();
                    arrivals.commit(|row, value| rows.push((row.to_vec(), value.map(<[u8]>::len))));
                    rows.sort();
                    let mut expected: Vec<_> = model.rows[model.committed..]
                        .iter()
                        .map(|(key, time, sequence)| {
                            (row(key, *time, *sequence), Some(value(*sequence).len()))
                        })
                        .collect();
                    expected.sort();
                    prop_assert_eq!(rows, expected);
                    model.committed = model.rows.len();
                    model.flushed = model.rows.len();
                }
                Step::Abort => {
                    arrivals.abort();
                    model.rows.truncate(model.committed);
                    model.flushed = model.rows.len();
                }
                Step::Trim(limit) => {
                    arrivals.trim(limit * 100);
                    let forgotten = arrivals.take_forgotten();
                    for gone in forgotten {
                        let (key, time, sequence) = model.rows[0];
                        prop_assert_eq!(&*gone, &row(key, time, sequence)[..]);
                        model.forget_first();
                    }
                    prop_assert!(arrivals.clean_bytes() <= limit * 100);
                }
                Step::Expire(front) => {
                    arrivals.expire(front);
                    while model.committed > 0 && ((model.rows[0].1 / 100) as u64) < front {
                        model.forget_first();
                    }
                }
                Step::Visit(key, from, to) => {
                    let mut found = Vec::new();
                    let _ = arrivals.visit::<()>(key.as_bytes(), from, to, |time, sequence, bytes| {
                        found.push((time, sequence, bytes.to_vec()));
                        ControlFlow::Continue(())
                    });
                    let expected: Vec<_> = model
                        .rows
                        .iter()
                        .rev()
                        .filter(|(other, time, _)| *other == key && (from..=to).contains(time))
                        .map(|(_, time, sequence)| (*time, *sequence, value(*sequence)))
                        .collect();
                    prop_assert_eq!(found, expected);
                }
            }
            let sizes = |rows: &[(&str, i64, u32)]| -> usize {
                rows.iter()
                    .map(|(key, _, sequence)| ROW_OVERHEAD + 20 + key.len() + value(*sequence).len())
                    .sum()
            };
            prop_assert_eq!(arrivals.clean_bytes(), sizes(&model.rows[..model.committed]));
            prop_assert_eq!(arrivals.uncommitted_bytes(), sizes(&model.rows[model.committed..]));
            prop_assert_eq!(arrivals.uncommitted(), model.rows.len() - model.committed);
            let held: usize = arrivals.chunks.iter().map(Vec::len).sum();
            let needed = arrivals.clean_bytes() + arrivals.uncommitted_bytes();
            prop_assert!(held <= needed + CHUNK_BYTES, "{} for {}", held, needed);
        }
    }

    #[test]
    fn a_look_back_ends_where_all_that_came_before_is_too_old(times in prop::collection::vec(0..50_i64, 1..40)) {
        let mut arrivals = Arrivals::default();
        for (sequence, time) in (0_u32..).zip(&times) {
            arrivals.put(&row("k", *time, sequence), Some(b"v"));
        }
        for from in 0..50 {
            let mut found = 0;
            let _ = arrivals.visit::<()>(b"k", from, 100, |_, _, _| {
                found += 1;
                ControlFlow::Continue(())
            });
            prop_assert_eq!(found, times.iter().filter(|time| **time >= from).count());
        }
    }
}

#[test]
fn changed_rows_come_in_order_and_deletes_hand_out_no_value() {
    let mut arrivals = Arrivals::default();
    arrivals.put(&row("b", 1, 1), Some(b"one"));
    arrivals.put(&row("a", 2, 2), None);
    let changed: Vec<_> = arrivals
        .changed(Bound::Unbounded, Bound::Unbounded)
        .map(|(row, value)| (row.to_vec(), value.map(<[u8]>::to_vec)))
        .collect();
    assert_eq!(
        changed,
        [
            (row("a", 2, 2), None),
            (row("b", 1, 1), Some(b"one".to_vec()))
        ]
    );
}
