//! What the demo's seed decides is drawn with these: the same seed, the same demo.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

/// So many random bytes.
pub(super) fn bytes<const N: usize>(rng: &mut ChaCha8Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A number below `bound`; the bias is below 2^-32 for what the demo draws.
pub(super) fn below(bound: usize, rng: &mut ChaCha8Rng) -> usize {
    usize::try_from(rng.next_u64() % bound.max(1) as u64).unwrap_or(0)
}

/// One of them; 0 if there is none.
pub(super) fn pick(from: &[usize], rng: &mut ChaCha8Rng) -> usize {
    from.get(below(from.len(), rng)).copied().unwrap_or(0)
}

/// Fisher and Yates.
pub(super) fn shuffle(order: &mut [usize], rng: &mut ChaCha8Rng) {
    for last in (1..order.len()).rev() {
        order.swap(last, below(last + 1, rng));
    }
}
