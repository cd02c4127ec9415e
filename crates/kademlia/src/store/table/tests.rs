use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A poor hash: entries collide now and then, as they will.
fn hash(key: u32) -> u64 {
    u64::from(key / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as the table calls it")]
fn rehash(entry: &(u32, u32)) -> u64 {
    hash(entry.0)
}

fn insert(table: &mut StepTable<(u32, u32)>, key: u32, value: u32) {
    table.insert(hash(key), (key, value), rehash);
}

fn find(table: &StepTable<(u32, u32)>, key: u32) -> Option<u32> {
    table.find(hash(key), |entry| entry.0 == key).map(|(_, value)| value)
}

fn remove(table: &mut StepTable<(u32, u32)>, key: u32) -> bool {
    table.remove(hash(key), |entry| entry.0 == key, rehash)
}

#[test]
fn grows_and_shrinks_without_a_stall() {
    let mut table = StepTable::new();
    for key in 0..100_000 {
        let (old, cursor) = (table.old.len(), table.cursor);
        insert(&mut table, key, key);
        let moved = old.saturating_sub(table.old.len());
        assert!(moved <= STEP || old <= SMALL, "{key}: {moved} {cursor}");
    }
    assert!((0..100_000).all(|key| find(&table, key) == Some(key)));
    assert!(table.capacity() < 400_000);
    for key in 0..99_900 {
        assert!(remove(&mut table, key) && !remove(&mut table, key));
    }
    assert!(table.capacity() < 4000, "{}", table.capacity());
    assert!((99_900..100_000).all(|key| find(&table, key) == Some(key)));
}

#[test]
fn turnover_does_not_grow_it() {
    let mut table = StepTable::new();
    for key in 0..200_000 {
        insert(&mut table, key, key);
        assert_eq!(remove(&mut table, key.wrapping_sub(1000)), key >= 1000);
    }
    assert_eq!(table.len(), 1000);
    assert!(table.capacity() <= 8192, "{}", table.capacity());
}

proptest! {
    #[test]
    fn agrees_with_a_map(
        steps in prop::collection::vec((0u32..3000, 0u8..5), 1..4000),
        grows in any::<bool>(),
    ) {
        let (mut table, mut model) = (StepTable::new(), BTreeMap::new());
        for (count, (key, action)) in (0u32..).zip(steps) {
            let adds = action == 0 || grows && action < 4;
            if adds && !model.contains_key(&key) {
                insert(&mut table, key, count);
                model.insert(key, count);
            } else if adds {
                let entry = table.find_mut(hash(key), |entry| entry.0 == key);
                entry.unwrap().1 = count;
                model.insert(key, count);
            } else {
                prop_assert_eq!(remove(&mut table, key), model.remove(&key).is_some());
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(find(&table, key), model.get(&key).copied());
        }
        for (key, value) in model {
            prop_assert_eq!(find(&table, key), Some(value));
        }
    }
}
