//! Filling a shelf with what is in its store, when a node starts.
//!
//! All is sorted first, and the trees made of it at once: a million insertions at random into trees
//! that are larger than the processor's caches would keep a node from serving for seconds.

use std::collections::BTreeMap;

use kademlia::Key;

use super::super::{Head, Store};
use super::{Kept, Shelf, author_id, author_of};
use crate::value::{Kind, Slot};
use crate::wire::Values;

/// Heaps that values are put into by their marks before each is sorted: of a million values one
/// fits into the cache of a core.
const HEAPS: usize = 256;

impl<S: Store> Shelf<S> {
    /// Takes in all that is in the store; the shelf must be empty.
    pub(super) fn fill(&mut self) {
        let mut kept = Vec::new();
        self.store.values(&mut |slot, head, value| {
            let author = author_in_store(slot, head, value);
            kept.push((slot.mark(), Kept::new(*slot, *head, author)));
        });
        sort_by_mark(&mut kept);
        // Two slots with one mark: by chance once in 2^64.
        kept.dedup_by_key(|(mark, _)| *mark);
        self.account(&kept);
        self.kept = kept.into_iter().collect();
    }

    /// Notes what is remembered of values beside themselves.
    fn account(&mut self, kept: &[(u64, Kept)]) {
        self.bytes = kept.iter().map(|(_, kept)| kept.cost()).sum();
        let lasting = || kept.iter().map(|(_, kept)| kept).filter(|kept| !kept.head.cached);
        self.by_source = sums(lasting().map(|kept| (kept.head.origin, kept.cost())).collect());
        self.by_author = sums(lasting().map(|kept| (kept.author, kept.cost())).collect());
        self.cached.values = kept.len() - lasting().count();
        self.cached.bytes = self.bytes - lasting().map(Kept::cost).sum::<u64>();
        let mut ends: Vec<_> = kept.iter().map(|(mark, kept)| (kept.head.expires, *mark)).collect();
        ends.sort_unstable();
        self.soonest = ends.first().map(|(soonest, _)| *soonest);
        self.ends = ends.into_iter().collect();
        let entries = kept.iter().filter(|(_, kept)| kept.head.kind == Kind::Entry);
        self.topics = grouped(entries.map(|(mark, kept)| (kept.slot.key, *mark)).collect());
    }
}

/// The author of what is in the store: of records the slot does not tell.
fn author_in_store(slot: &Slot, head: &Head, value: &[u8]) -> u64 {
    if head.kind != Kind::Record {
        return author_id(&slot.author);
    }
    let carried = Values::new(value).iter().next();
    carried.map_or(0, |carried| author_of(&carried.value))
}

fn sort_by_mark(kept: &mut [(u64, Kept)]) {
    if kept.len() <= HEAPS {
        kept.sort_unstable_by_key(|(mark, _)| *mark);
        return;
    }
    let heap_of = |mark: u64| usize::try_from(mark / (u64::MAX / HEAPS as u64 + 1)).unwrap_or(0);
    // Where the next of each heap goes, and where the heap ends.
    let mut heaps = [(0, 0); HEAPS];
    for (mark, _) in &*kept {
        if let Some((_, count)) = heaps.get_mut(heap_of(*mark)) {
            *count += 1;
        }
    }
    let mut start = 0;
    for heap in &mut heaps {
        let end = start + heap.1;
        *heap = (start, end);
        start = end;
    }
    for at in 0..HEAPS {
        // What stands here goes where it belongs, until what belongs here has come.
        while let Some((next, _)) = heaps.get(at).filter(|(next, end)| next < end).copied() {
            let belongs = kept.get(next).map_or(at, |(mark, _)| heap_of(*mark));
            if let Some((to, _)) = heaps.get_mut(belongs) {
                kept.swap(next, *to);
                *to += 1;
            }
        }
    }
    let mut rest = kept;
    let mut start = 0;
    for (end, _) in heaps {
        let (heap, others) = rest.split_at_mut(end - start);
        heap.sort_unstable_by_key(|(mark, _)| *mark);
        (rest, start) = (others, end);
    }
}

/// How much there is of each.
pub(super) fn sums(mut parts: Vec<(u64, u64)>) -> BTreeMap<u64, u64> {
    parts.sort_unstable();
    parts.dedup_by(|(of, more), (last, sum)| {
        let is_same = of == last;
        *sum += if is_same { *more } else { 0 };
        is_same
    });
    parts.into_iter().collect()
}

/// The marks under each key.
fn grouped(mut entries: Vec<(Key, u64)>) -> BTreeMap<Key, Vec<u64>> {
    entries.sort_unstable();
    let topics = entries.chunk_by(|(one, _), (other, _)| one == other);
    let marks = |topic: &[(Key, u64)]| topic.iter().map(|(_, mark)| *mark).collect();
    topics.filter_map(|topic| Some((topic.first()?.0, marks(topic)))).collect()
}

#[cfg(test)]
mod tests;
