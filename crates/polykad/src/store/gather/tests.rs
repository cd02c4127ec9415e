use std::collections::BTreeMap;

use kademlia::Key;
use poly::store::Head;
use poly::value::{Kind, Version};
use proptest::prelude::*;

use super::*;

fn record(hash: u64, slot: u8, seq: u64, is_empty: bool, offset: u32) -> Record {
    let head = Head {
        kind: Kind::Blob,
        expires: 10,
        version: Version::default(),
        length: 0,
        origin: 0,
        cached: false,
    };
    let header = Header {
        slot: Slot::of(Key::new([slot; 32])),
        head: (!is_empty).then_some(head),
        seq,
        guard: 0,
        length: 0,
        value_crc: 0,
    };
    Record::new(hash, &header, Place { file: 1, offset, size: 9, gone: is_empty })
}

/// What counts in each slot if each record is looked at as it comes.
fn one_by_one(records: &[Record]) -> BTreeMap<(u64, u64), u32> {
    let mut newest: BTreeMap<(u64, u64), Record> = BTreeMap::new();
    for record in records {
        let old = newest.get(&(record.hash, record.tag));
        if old.is_none_or(|old| !record.is_older_than(old)) {
            newest.insert((record.hash, record.tag), *record);
        }
    }
    newest.into_iter().map(|(slot, record)| (slot, record.place.offset)).collect()
}

proptest! {
    /// Few hashes, so that slots share one; few numbers, so that copies meet their originals.
    #[test]
    fn the_same_counts_as_one_by_one(
        found in prop::collection::vec((0..3u8, 0..6u64, any::<bool>(), 0..4u64), 0..60),
    ) {
        let records: Vec<Record> = (0u32..)
            .zip(found)
            .map(|(at, (slot, seq, is_empty, hash))| {
                record(hash << HEAP_FROM, slot, seq, is_empty, at)
            })
            .collect();
        let mut gathered = Gathered::default();
        for record in &records {
            gathered.add(*record);
        }
        prop_assert_eq!(gathered.len(), records.len());
        let (mut newest, mut told) = (BTreeMap::new(), vec![0; records.len()]);
        gathered
            .settle(|record, is_newest| {
                told[record.place.offset as usize] += 1;
                if is_newest {
                    newest.insert((record.hash, record.tag), record.place.offset);
                }
                Ok(())
            })
            .unwrap();
        prop_assert_eq!(newest, one_by_one(&records));
        prop_assert!(told.iter().all(|times| *times == 1), "each is told once");
    }
}

#[test]
fn slots_of_one_hash_are_told_apart() {
    let key = |byte: u8| Key::new([byte; 32]);
    let slots = [
        Slot::of(key(1)),
        Slot::of(key(2)),
        Slot { key: key(1), author: [1; 32], number: 0 },
        Slot { key: key(1), author: [2; 32], number: 0 },
        Slot { key: key(1), author: [2; 32], number: 1 },
    ];
    let mut tags = slots.map(|slot| tag(&slot)).to_vec();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), slots.len());
}
