//! The replay window: which counters of a session were seen (RFC 6479's idea, one word at a time).

/// Counters behind the highest that may still come. Reordering on real paths spans tens of packets;
/// a burst of bulk requests some hundreds.
pub(super) const WINDOW: u32 = 256;

const WORD_BITS: u32 = u64::BITS;
/// One word more than the window, because the newest is filled only in part.
const WORDS: u32 = WINDOW / WORD_BITS + 1;

/// Remembers which counters arrived.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Window {
    /// One above the highest seen; 0: none seen.
    next: u32,
    /// Bits of the last counters, as a ring of words by `counter / 64`.
    seen: [u64; WORDS as usize],
}

impl Window {
    /// Whether this counter is neither seen nor so old that it might have been.
    pub(super) fn is_new(&self, counter: u32) -> bool {
        if counter >= self.next {
            return counter < u32::MAX;
        }
        let is_recent = self.next - counter <= WINDOW;
        is_recent && self.word(counter) & bit(counter) == 0
    }

    /// Whether a counter lies ahead of all that were seen.
    pub(super) fn is_ahead(&self, counter: u32) -> bool {
        counter >= self.next
    }

    /// Marks a counter that is new, once its message proved genuine.
    pub(super) fn mark(&mut self, counter: u32) {
        if counter >= self.next {
            self.advance(counter);
        }
        if let Some(word) = self.seen.get_mut(place(counter)) {
            *word |= bit(counter);
        }
    }

    /// Clears the words that come into use between the highest so far and `counter`.
    fn advance(&mut self, counter: u32) {
        let newest = self.next.checked_sub(1).map_or(0, |highest| highest / WORD_BITS);
        let words = (counter / WORD_BITS - newest).min(WORDS);
        for step in 1..=words {
            if let Some(word) = self.seen.get_mut(((newest + step) % WORDS) as usize) {
                *word = 0;
            }
        }
        self.next = counter.saturating_add(1);
    }

    fn word(&self, counter: u32) -> u64 {
        self.seen.get(place(counter)).copied().unwrap_or(u64::MAX)
    }
}

const fn place(counter: u32) -> usize {
    (counter / WORD_BITS % WORDS) as usize
}

const fn bit(counter: u32) -> u64 {
    1 << (counter % WORD_BITS)
}

#[cfg(test)]
mod tests;
