//! Write tokens: the proof that whoever stores something receives datagrams at its address.
//!
//! A node hands a token out with its answer to a lookup and demands it back with a store (BEP 5,
//! `announce_peer`). The token is a keyed hash of the asker's host and of the key asked for, so the
//! node keeps no state per token, and a token serves one key only: who wants to store under many
//! keys has to ask for each.
//!
//! Why that is unforgeable enough: SipHash-2-4 is a pseudorandom function (Aumasson and Bernstein,
//! 2012), so tokens seen for one's own addresses say nothing about the token of another. What is
//! left is guessing: 64 bits against two live secrets. A million guesses a second for the ten
//! minutes that a secret lives succeed with probability 6·10⁻¹¹, and a success stores one value.
//! The secrets themselves are `ChaCha8` output of a 32-byte seed that never leaves the node.

use core::net::IpAddr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use siphasher::sip::SipHasher24;

use crate::key::Key;
use crate::protocol::Moment;

/// Proves that its holder was answered at its host address when it asked for a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Token(pub [u8; Token::BYTES]);

/// Issues and checks [`Token`]s.
#[derive(Clone)]
pub struct Tokens {
    /// Where all secrets come from: the stream number is the period. A seed instead of a running
    /// generator, because the latter is 320 bytes and simulations have millions of nodes.
    seed: [u8; 32],
    start: Moment,
    /// The period that `current` belongs to.
    period: u64,
    current: SipHasher24,
    previous: SipHasher24,
}

impl Token {
    /// Length of a token.
    pub const BYTES: usize = 8;

    /// The bytes as they travel.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl Tokens {
    /// How long one secret is used for issuing. Tokens are accepted for this long and up to once
    /// more: BEP 5's "tokens up to ten minutes old are accepted" with "a secret that changes every
    /// five minutes".
    pub const ROTATION: Duration = Duration::from_mins(5);

    /// Takes its seed from `rng`, which must be unguessable in production.
    pub fn new(now: Moment, rng: &mut impl Rng) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Self {
            seed,
            start: now,
            period: 0,
            current: secret(seed, 0),
            // Of a period that never was: nobody has a token of it.
            previous: secret(seed, u64::MAX),
        }
    }

    /// The token for `host`, if it asks about `target` now.
    pub fn issue(&mut self, now: Moment, host: IpAddr, target: &Key) -> Token {
        let period = self.period_at(now);
        if period > self.period {
            self.previous = secret(self.seed, period - 1);
            self.current = secret(self.seed, period);
            self.period = period;
        }
        Token(tag(&self.current, host, target).to_le_bytes())
    }

    /// Whether `token` was issued to `host` for `target` in this period or the one before.
    pub fn accepts(&self, now: Moment, host: IpAddr, target: &Key, token: &[u8]) -> bool {
        let Ok(token) = token.try_into().map(u64::from_le_bytes) else {
            return false;
        };
        // Compared as one word each: how long it takes says nothing about where they differ.
        let current = || token == tag(&self.current, host, target);
        let previous = || token == tag(&self.previous, host, target);
        match self.period_at(now).saturating_sub(self.period) {
            0 => current() || previous(),
            // Nothing was issued since the period ended.
            1 => current(),
            _ => false,
        }
    }

    fn period_at(&self, now: Moment) -> u64 {
        now.since(self.start).as_secs() / Self::ROTATION.as_secs()
    }
}

/// Secrets stay out of logs.
impl core::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Tokens").field("period", &self.period).finish_non_exhaustive()
    }
}

fn secret(seed: [u8; 32], period: u64) -> SipHasher24 {
    let mut rng = ChaCha8Rng::from_seed(seed);
    rng.set_stream(period);
    SipHasher24::new_with_keys(rng.next_u64(), rng.next_u64())
}

/// The keyed hash of host and target. The two families differ in length, so no host of one can
/// pass for a host of the other.
fn tag(secret: &SipHasher24, host: IpAddr, target: &Key) -> u64 {
    match host {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 4 + Key::BYTES];
            let (head, tail) = bytes.split_at_mut(4);
            head.copy_from_slice(&ip.octets());
            tail.copy_from_slice(target.as_bytes());
            secret.hash(&bytes)
        }
        IpAddr::V6(ip) => {
            let mut bytes = [0; 16 + Key::BYTES];
            let (head, tail) = bytes.split_at_mut(16);
            head.copy_from_slice(&ip.octets());
            tail.copy_from_slice(target.as_bytes());
            secret.hash(&bytes)
        }
    }
}

#[cfg(test)]
mod tests;
