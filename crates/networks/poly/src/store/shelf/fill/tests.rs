use kademlia::Key;
use proptest::prelude::*;

use super::*;
use crate::value::Version;

fn kept(mark: u64, at: u64) -> (u64, Kept) {
    let head = Head {
        kind: Kind::Blob,
        expires: at,
        version: Version::default(),
        length: 1,
        origin: 0,
        cached: false,
    };
    let slot = Slot::of(Key::new([0; 32]));
    (mark, Kept { slot, head, fingerprint: at, author: 0 })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Marks spread evenly, and crowded in a few heaps.
    #[test]
    fn sorts_and_loses_nothing(
        marks in prop::collection::vec(any::<u64>(), 0..4000),
        crowded in prop::collection::vec(0..5000u64, 0..2000),
    ) {
        let marks: Vec<u64> = marks.into_iter().chain(crowded).collect();
        let mut sorted: Vec<_> = (0..).zip(&marks).map(|(at, mark)| kept(*mark, at)).collect();
        sort_by_mark(&mut sorted);
        prop_assert!(sorted.is_sorted_by_key(|(mark, _)| *mark));
        let mut found: Vec<u64> = sorted.iter().map(|(_, kept)| kept.fingerprint).collect();
        for (mark, kept) in &sorted {
            prop_assert_eq!(marks[usize::try_from(kept.fingerprint).unwrap()], *mark);
        }
        found.sort_unstable();
        prop_assert!(found.iter().copied().eq(0..marks.len() as u64));
    }

    #[test]
    fn sums_are_those_of_all(parts in prop::collection::vec((0..5u64, 0..9u64), 0..40)) {
        let mut expected = BTreeMap::new();
        for (of, part) in &parts {
            *expected.entry(*of).or_insert(0) += part;
        }
        prop_assert_eq!(sums(parts), expected);
    }
}
