//! What the demo's seed decides: who writes, what is written, who reads, who dies.

use client::Key;
use client::mainline::{SignedItem, byte_string};
use ed25519_dalek::SigningKey;
use polykad::networks::mainline::{MutableItem, Salt};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::demo::seed::{bytes, pick, shuffle};
use crate::failure::Failure;
use crate::output::hex_bytes;

/// Everything the seed decides. The same arguments give the same plan.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// One seed for each node; its id follows from it.
    pub(super) node_seeds: Vec<[u8; 32]>,
    pub(super) values: Vec<Value>,
    /// The node that puts all values.
    pub(super) writer: usize,
    /// The nodes that die, the writer among them.
    pub(super) victims: Vec<usize>,
    /// Who reads which value, in the first round and in the second.
    pub(super) readers: [Vec<usize>; 2],
}

/// A value to store, and what to expect under its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Immutable { key: Key, value: Vec<u8> },
    Mutable { key: Key, item: SignedItem },
}

impl Value {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Immutable { key, .. } | Self::Mutable { key, .. } => *key,
        }
    }
}

/// Nodes of `nodes` that die: 30 %.
pub(super) fn victims_of(nodes: usize) -> usize {
    nodes * 3 / 10
}

impl Plan {
    pub(super) fn draw(seed: u64, nodes: usize, values: usize) -> Result<Self, Failure> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let node_seeds = (0..nodes).map(|_| bytes(&mut rng)).collect();
        let values = (0..values)
            .map(|number| draw_value(number, &mut rng))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Failure::failed(format!("cannot make a value: {error}")))?;
        let mut order: Vec<usize> = (0..nodes).collect();
        shuffle(&mut order, &mut rng);
        let (victims, survivors) = order.split_at(victims_of(nodes));
        // With fewer than four nodes nobody would die; `args` asks for at least that many.
        let writer = victims.first().copied().unwrap_or(0);
        let others: Vec<usize> = (0..nodes).filter(|&node| node != writer).collect();
        let readers = [&others, survivors]
            .map(|from: &[usize]| values.iter().map(|_| pick(from, &mut rng)).collect::<Vec<_>>());
        Ok(Self { node_seeds, values, writer, victims: victims.to_vec(), readers })
    }
}

/// Every second value is signed and mutable, each with a key of its own.
fn draw_value(
    number: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Value, polykad::networks::mainline::item::ItemError> {
    let noise: [u8; 32] = bytes(rng);
    let value = byte_string(format!("value {number} {}", hex_bytes(&noise)).as_bytes());
    if number.is_multiple_of(2) {
        let key = polykad::networks::mainline::item::immutable_target(&value).key();
        return Ok(Value::Immutable { key, value });
    }
    let signed = MutableItem::sign(&SigningKey::from_bytes(&bytes(rng)), Salt::none(), 1, &value)?;
    let key = signed.target().key();
    let MutableItem { public_key, salt, seq, value, signature } = signed;
    let (salt, value) = (salt.as_bytes().to_vec(), value.into_vec());
    Ok(Value::Mutable { key, item: SignedItem { public_key, salt, seq, value, signature } })
}

#[cfg(test)]
mod tests;
