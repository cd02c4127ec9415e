//! The disk store of values: killed in a loop, measured beside the embedded databases that it was
//! chosen over, and how soon a node serves what is in it.

use std::path::PathBuf;

use poly::store::Head;
use poly::value::{Kind, Slot, Version};

use crate::options::Options;
use crate::random::Random;

mod kill;
mod restart;
mod speed;

pub(crate) use kill::child;

/// Kills a process that writes, again and again, and checks what is left.
pub(crate) fn kill(options: &Options) -> Result<(), String> {
    kill::run(&folder(options)?, options.or("kills", 20_000)?, options.or("seed", 1)?)
}

/// Measures inserts, stalls and restarts.
pub(crate) fn speed(options: &Options) -> Result<(), String> {
    let values = options.or("values", 1_000_000)?;
    let bytes = options.or("bytes", 200)?;
    speed::run(&folder(options)?, values, bytes, options.text("only"))
}

/// Measures how soon a node serves after it was killed.
pub(crate) fn restart(options: &Options) -> Result<(), String> {
    let (values, bytes) = (options.or("values", 1_000_000)?, options.or("bytes", 200)?);
    restart::run(&folder(options)?, values, bytes, options).map_err(|error| error.to_string())
}

/// The node of [`mod@restart`].
pub(crate) fn node(options: &Options) -> Result<(), String> {
    restart::node(&folder(options)?).map_err(|error| error.to_string())
}

fn folder(options: &Options) -> Result<PathBuf, String> {
    options.required("folder")
}

/// A slot whose key is like those of real values: a hash.
fn slot(number: u64) -> Slot {
    let mut random = Random::new(number);
    let words = [random.next(), random.next(), random.next(), random.next()];
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(words.iter().flat_map(|word| word.to_be_bytes())) {
        *to = from;
    }
    Slot::of(kademlia::Key::new(key))
}

fn head(length: usize, seq: u64) -> Head {
    Head {
        kind: Kind::Record,
        expires: u64::MAX,
        version: Version { seq, body: seq, expires: 0 },
        length: u32::try_from(length).unwrap_or(u32::MAX),
        origin: 1,
        cached: false,
    }
}

/// The bytes that belong to a number.
fn value(number: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(!number);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}
