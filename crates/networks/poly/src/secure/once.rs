//! What the curve says of keys, computed each time; while fuzzing once. There each execution uses
//! the keys of the one before, for all randomness comes from a seed, and agreements would take most
//! of its time.

use super::keys::KEY_BYTES;

type Answer = Option<[u8; KEY_BYTES]>;

/// What `compute` says of these keys.
#[cfg(not(fuzzing))]
pub(super) fn once(_keys: [&[u8]; 2], compute: impl FnOnce() -> Answer) -> Answer {
    compute()
}

#[cfg(fuzzing)]
pub(super) fn once(keys: [&[u8]; 2], compute: impl FnOnce() -> Answer) -> Answer {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// Answers remembered at most: some megabytes.
    const MOST: usize = 1 << 15;
    type Answers = RefCell<BTreeMap<Vec<u8>, Answer>>;
    thread_local! {
        static ANSWERS: Answers = const { RefCell::new(BTreeMap::new()) };
    }
    let keys = keys.concat();
    if let Some(known) = ANSWERS.with_borrow(|answers| answers.get(&keys).copied()) {
        return known;
    }
    let answer = compute();
    ANSWERS.with_borrow_mut(|answers| {
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.insert(keys, answer);
    });
    answer
}
