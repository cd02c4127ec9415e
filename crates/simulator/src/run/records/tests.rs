use super::*;
use crate::network::Ending;
use crate::recorder::Operation;

const NOBODY: fn(Place) -> bool = |_| false;

fn at(second: u64) -> Moment {
    Moment::from_micros(second * 1_000_000)
}

/// An operation on record 7 that began at one second and ended at another.
fn ended(place: Place, kind: WorkKind, began: u64, ends: u64, seq: Option<u64>) -> Finished {
    let (target, started) = (Id::default(), at(began));
    let operation = Operation { kind, number: 7, target, started, found: false };
    // The version of a swap is the one that was in its way, if any was.
    let fulfilled = seq.is_some() == (kind == WorkKind::Read);
    let ending = Ending { fulfilled, seq, ..Ending::default() };
    Finished { place, operation, ending, at: at(ends), is_complete: false }
}

fn swap(expected: u64, attempt: u64) -> Wish {
    Wish::Swap(Swap { number: 7, expected, seq: expected + 1, attempt })
}

/// Begins what the owner wants next, at a node.
fn begin(records: &mut Records, place: Place) -> Wish {
    let wish = records.next(7, NOBODY).unwrap();
    records.begins(place, &wish, Id::default());
    wish
}

#[test]
fn versions_follow_each_other() {
    let mut records = Records::default();
    assert_eq!(begin(&mut records, 3), swap(0, 1));
    assert_eq!(records.next(7, |place| place == 3), None, "one at a time");
    records.ended(&ended(3, WorkKind::Swap, 1, 2, None));
    assert!(records.has(7) && !records.has(8));
    assert_eq!(begin(&mut records, 4), swap(1, 2));
    records.ended(&ended(4, WorkKind::Swap, 3, 4, Some(5)));
    assert_eq!(begin(&mut records, 4), Wish::Read(7), "what failed may be there");
    records.ended(&ended(4, WorkKind::Read, 5, 6, None));
    assert_eq!(begin(&mut records, 4), Wish::Read(7), "less than was acknowledged");
    records.ended(&ended(4, WorkKind::Read, 7, 8, Some(5)));
    assert_eq!(begin(&mut records, 5), swap(5, 3));
    assert_eq!(begin(&mut records, 6), Wish::Read(7), "its node has left");
    assert_eq!(records.reads, (0, 0), "owners are no readers");
}

#[test]
fn readers_are_to_get_what_was_acknowledged_before() {
    let mut records = Records::default();
    begin(&mut records, 3);
    records.ended(&ended(3, WorkKind::Swap, 1, 10, None));
    records.ended(&ended(4, WorkKind::Read, 9, 12, None));
    assert_eq!(records.reads, (1, 0), "it began before");
    records.ended(&ended(4, WorkKind::Read, 11, 12, Some(1)));
    records.ended(&ended(4, WorkKind::Read, 11, 12, None));
    assert_eq!(records.reads, (3, 1));
}
