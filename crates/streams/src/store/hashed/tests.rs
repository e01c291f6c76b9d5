use super::super::cell::CELL_OVERHEAD;
use super::*;

#[derive(Debug, PartialEq)]
enum Known<'a> {
    Nothing,
    Absent,
    Value(&'a [u8]),
}

fn get<'a>(overlay: &'a mut Hashed, key: &[u8]) -> Known<'a> {
    match overlay.slot(key) {
        None => Known::Nothing,
        Some(slot) => overlay.value(slot).map_or(Known::Absent, Known::Value),
    }
}

fn committed(overlay: &mut Hashed) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut rows = Vec::new();
    overlay.commit(|key, value| rows.push((key.to_vec(), value.map(<[u8]>::to_vec))));
    rows
}

fn flushed(overlay: &mut Hashed) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    overlay
        .flush(|key, _, _| -> Result<(), ()> {
            keys.push(key.to_vec());
            Ok(())
        })
        .expect("nothing fails");
    keys
}

#[test]
fn a_key_is_flushed_once_with_its_last_value_and_again_after_a_further_change() {
    let mut overlay = Hashed::default();
    overlay.put(b"b", Some(b"1"), Logged::At(1));
    overlay.put(b"a", Some(b"1"), Logged::At(1));
    overlay.put(b"b", Some(b"2"), Logged::At(1));
    overlay.put(b"derived", Some(b"x"), Logged::No);
    assert_eq!(flushed(&mut overlay), [b"b", b"a"]);
    assert!(flushed(&mut overlay).is_empty());
    overlay.put(b"b", None, Logged::At(1));
    assert_eq!(flushed(&mut overlay), [b"b"]);
    assert_eq!(
        committed(&mut overlay),
        [
            (b"a".to_vec(), Some(b"1".to_vec())),
            (b"b".to_vec(), None),
            (b"derived".to_vec(), Some(b"x".to_vec())),
        ]
    );
    assert!(committed(&mut overlay).is_empty());
}

#[test]
fn a_failed_flush_leaves_everything_to_be_flushed_again() {
    let mut overlay = Hashed::default();
    overlay.put(b"a", Some(b"1"), Logged::At(1));
    overlay.put(b"b", Some(b"1"), Logged::At(1));
    let mut left = 1;
    let result = overlay.flush(|_, _, _| {
        left -= 1;
        if left < 0 { Err(()) } else { Ok(()) }
    });
    assert_eq!(result, Err(()));
    assert_eq!(flushed(&mut overlay).len(), 2);
}

#[test]
fn aborted_changes_are_unknown_again_and_counted_no_more() {
    let mut overlay = Hashed::default();
    overlay.put(b"a", Some(b"1"), Logged::At(1));
    committed(&mut overlay);
    overlay.put(b"a", Some(b"22"), Logged::At(1));
    overlay.put(b"b", Some(b"1"), Logged::At(1));
    assert!(overlay.uncommitted_bytes() > 0);
    overlay.abort();
    assert_eq!(get(&mut overlay, b"a"), Known::Nothing);
    assert_eq!(get(&mut overlay, b"b"), Known::Nothing);
    assert_eq!((overlay.uncommitted_bytes(), overlay.clean_bytes()), (0, 0));
    assert!(committed(&mut overlay).is_empty());
}

#[test]
fn clean_rows_are_forgotten_when_over_the_limit_and_changes_never() {
    let mut overlay = Hashed::default();
    for key in 0..100_u8 {
        overlay.remember(&[key], Some(&[key; 10]));
    }
    overlay.put(b"changed", Some(&[0; 500]), Logged::At(1));
    assert_eq!(get(&mut overlay, &[7]), Known::Value(&[7; 10]));
    overlay.trim(overlay.clean_bytes() - 1);
    assert_eq!(
        get(&mut overlay, &[7]),
        Known::Value(&[7; 10]),
        "read of late"
    );
    overlay.trim(0);
    assert_eq!(overlay.clean_bytes(), 0);
    assert_eq!(get(&mut overlay, &[7]), Known::Nothing);
    assert_eq!(get(&mut overlay, b"changed"), Known::Value(&[0; 500]));
    overlay.remember(b"absent", None);
    assert_eq!(get(&mut overlay, b"absent"), Known::Absent);
}

#[test]
fn the_room_of_many_changes_is_given_back() {
    let mut overlay = Hashed::default();
    for key in 0..10_000_u32 {
        overlay.put(&key.to_be_bytes(), Some(b"1"), Logged::At(1));
    }
    committed(&mut overlay);
    overlay.trim(200 * CELL_OVERHEAD);
    assert!(overlay.cells.capacity() < 1000);
    let known = (0..10_000_u32)
        .filter(|key| get(&mut overlay, &key.to_be_bytes()) == Known::Value(b"1"))
        .count();
    assert!(known > 50, "{known} rows are still known");
}

#[test]
fn changed_rows_come_in_order_however_late_the_order_is_asked_for() {
    let mut overlay = Hashed::default();
    overlay.remember(b"clean", Some(b""));
    overlay.put(b"c", Some(b"1"), Logged::At(1));
    overlay.put(b"a", Some(b"1"), Logged::At(1));
    let keys = |overlay: &mut Hashed| -> Vec<Vec<u8>> {
        overlay
            .changed(Bound::Unbounded, Bound::Excluded(b"d"))
            .map(|(key, _)| key.to_vec())
            .collect()
    };
    assert_eq!(keys(&mut overlay), [b"a", b"c"]);
    overlay.put(b"b", None, Logged::At(1));
    overlay.put(b"e", None, Logged::At(1));
    assert_eq!(keys(&mut overlay), [b"a", b"b", b"c"]);
    overlay.abort();
    assert!(keys(&mut overlay).is_empty());
}

#[test]
fn what_was_never_forgotten_is_not_below() {
    let mut overlay = Hashed::default();
    for key in 0..100_u64 {
        overlay.put(&key.to_be_bytes(), Some(b"1"), Logged::At(1));
    }
    committed(&mut overlay);
    overlay.remember(&1000_u64.to_be_bytes(), None);
    assert!(!overlay.may_be_below(&7_u64.to_be_bytes()));
    overlay.put(&200_u64.to_be_bytes(), Some(b"1"), Logged::At(1));
    overlay.trim(0);
    assert!((0..100_u64).all(|key| overlay.may_be_below(&key.to_be_bytes())));
    assert!(
        !overlay.may_be_below(&150_u64.to_be_bytes()),
        "only what begins like a row that was forgotten, or with less"
    );
    assert!(
        !overlay.may_be_below(&1000_u64.to_be_bytes()),
        "it was absent"
    );
    overlay.abort();
    assert!(
        overlay.may_be_below(&200_u64.to_be_bytes()),
        "an aborted change may have hidden a row"
    );
    overlay.clear();
    assert!(!overlay.may_be_below(&7_u64.to_be_bytes()));
    overlay.unknown_up_to(7);
    assert!(overlay.may_be_below(&7_u64.to_be_bytes()));
    assert!(!overlay.may_be_below(&8_u64.to_be_bytes()));
}

#[test]
fn a_row_is_changed_where_it_was_read_unless_that_is_another_row_by_now() {
    let mut overlay = Hashed::default();
    overlay.put(b"a", Some(b"1"), Logged::At(1));
    committed(&mut overlay);
    assert_eq!(get(&mut overlay, b"a"), Known::Value(b"1"));
    overlay.put(b"b", Some(b"2"), Logged::At(1));
    overlay.put(b"a", Some(b"3"), Logged::At(1));
    assert_eq!(get(&mut overlay, b"a"), Known::Value(b"3"));
    assert_eq!(get(&mut overlay, b"b"), Known::Value(b"2"));
    overlay.abort();
    overlay.put(b"", Some(b"4"), Logged::At(1));
    overlay.put(b"b", Some(b"5"), Logged::At(1));
    assert_eq!(
        committed(&mut overlay),
        [
            (b"".to_vec(), Some(b"4".to_vec())),
            (b"b".to_vec(), Some(b"5".to_vec())),
        ]
    );
}
