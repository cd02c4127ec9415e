//! What the demo's seed decides: who the nodes are, what is written, which processes die.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::words::Value;
use crate::demo::seed::{below, bytes, shuffle};

/// Everything the seed decides, beside who writes and reads what. The same arguments give the same
/// plan.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// One for each node; its id follows from it.
    pub(super) secret_keys: Vec<[u8; 32]>,
    pub(super) processes: usize,
    /// The processes that are killed first, with all their nodes.
    pub(super) victims: Vec<usize>,
    pub(super) blobs: Vec<Value>,
    /// Records, each of an author of its own.
    pub(super) records: usize,
    /// Topics, under each of which [`AUTHORS`] announce something. One more is watched.
    pub(super) topics: usize,
}

/// Processes that the nodes are spread over.
const PROCESSES: usize = 10;
/// Who announces something under each topic.
pub(super) const AUTHORS: usize = 8;
/// The shortest and the longest value, bytes. The longest is what the network takes.
const LEAST_BYTES: usize = 10;
const MOST_BYTES: usize = 64 << 10;

impl Plan {
    pub(super) fn draw(seed: u64, nodes: usize, values: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let secret_keys = (0..nodes).map(|_| bytes(&mut rng)).collect();
        let processes = PROCESSES.min(nodes);
        let mut order: Vec<usize> = (0..processes).collect();
        shuffle(&mut order, &mut rng);
        order.truncate((processes * 3 / 10).max(1));
        let blobs = (0..values).map(|number| {
            let bytes = match number {
                0 => MOST_BYTES,
                1 => LEAST_BYTES,
                _ => draw_length(&mut rng),
            };
            Value::Blob { number, bytes }
        });
        Self {
            seed,
            secret_keys,
            processes,
            victims: order,
            blobs: blobs.collect(),
            records: (values / 10).max(1),
            topics: (values / 40).max(1),
        }
    }
}

/// A length: each doubling is as likely as any other.
fn draw_length(rng: &mut ChaCha8Rng) -> usize {
    let mut most = 2 * LEAST_BYTES;
    while most < MOST_BYTES && below(12, rng) > 0 {
        most *= 2;
    }
    let most = most.min(MOST_BYTES);
    most / 2 + below(most / 2 + 1, rng)
}

#[cfg(test)]
mod tests;
