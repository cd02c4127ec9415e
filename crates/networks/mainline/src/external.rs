//! The address that others see us at, and ids bound to addresses (BEP 42).

use core::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kademlia::ahead::fetch_all;
use kademlia::{Address, Moment};
use rand_core::Rng;

use crate::wire::Id;

/// Whether a node at `ip` may have `id`. On local addresses every id is fine.
pub fn id_matches(ip: IpAddr, id: &Id) -> bool {
    if SocketAddr::new(ip, 0).is_local() {
        return true;
    }
    let [first, second, third, .., last] = *id.as_bytes();
    let [a, b, c, _] = prefix(ip, last).to_be_bytes();
    first == a && second == b && third & FIXED_BITS == c & FIXED_BITS
}

/// A random id that a node at `ip` may have.
pub fn derive_id(ip: IpAddr, rng: &mut impl Rng) -> Id {
    let mut id = [0; Id::BYTES];
    rng.fill_bytes(&mut id);
    let [first, second, third, .., last] = &mut id;
    let [a, b, c, _] = prefix(ip, *last).to_be_bytes();
    (*first, *second) = (a, b);
    *third = c & FIXED_BITS | *third & !FIXED_BITS;
    Id::new(id)
}

/// The bits of an id's third byte that are bound: 21 bits in all are.
const FIXED_BITS: u8 = 0xf8;
/// Of an IPv4 address, the bits that count.
const MASK_V4: u32 = 0x030f_3fff;
/// Of the upper half of an IPv6 address, the bits that count.
const MASK_V6: u64 = 0x0103_070f_1f3f_7fff;

/// What the first 21 bits of an id must be; `last` is its last byte.
fn prefix(ip: IpAddr, last: u8) -> u32 {
    let salt = last & 7;
    match ip {
        IpAddr::V4(ip) => crc32c((ip.to_bits() & MASK_V4 | u32::from(salt) << 29).to_be_bytes()),
        IpAddr::V6(ip) => {
            let upper = (ip.to_bits() >> 64) as u64;
            crc32c((upper & MASK_V6 | u64::from(salt) << 61).to_be_bytes())
        }
    }
}

/// CRC-32C (Castagnoli): RFC 3720, appendix B.4.
fn crc32c<const N: usize>(bytes: [u8; N]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        let [low, ..] = crc.to_le_bytes();
        let entry = CRC_TABLE.get(usize::from(low ^ byte));
        crc >> 8 ^ entry.copied().unwrap_or_default()
    });
    !crc
}

/// The remainders of all single bytes, reflected.
static CRC_TABLE: [u32; 256] = {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let (mut rest, mut byte) = (table.as_mut_slice(), 0);
    while let [entry, others @ ..] = rest {
        let (mut crc, mut bit) = (byte, 0);
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        *entry = crc;
        byte += 1;
        rest = others;
    }
    table
};

/// Finds out our own address, of one family, from what others say.
///
/// One word counts for little: each network (an IPv4 /24, an IPv6 /64; on local networks each
/// address) has one vote, its latest, for an hour. An address is believed while more than half of
/// all votes, and at least three, are for it.
#[derive(Clone, Debug, Default)]
pub struct ExternalVote {
    /// Oldest first.
    votes: Vec<Vote>,
    /// What votes are for, and perhaps what none is for any more. One as a rule: a node that was
    /// up for long would else keep its own address 64 times.
    claims: Vec<SocketAddr>,
    winner: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Vote {
    /// The voter's network, or on local networks its address.
    voter: u64,
    /// When, in seconds.
    at_s: u32,
    /// The claim's place among all.
    claim: u8,
}

impl ExternalVote {
    /// Votes kept; the oldest make room for new ones.
    pub const MAX_VOTES: usize = 64;
    /// Votes for one address below which it is not believed.
    pub const MIN_AGREEING: usize = 3;
    /// How long a vote counts.
    pub const LIFETIME: Duration = Duration::from_hours(1);
    /// Claims at which those without votes are forgotten.
    const MAX_CLAIMS: usize = 2 * Self::MAX_VOTES;

    /// No votes yet.
    pub const fn new() -> Self {
        Self { votes: Vec::new(), claims: Vec::new(), winner: None }
    }

    /// `voter` says that it sees us at `claim`. Call it only for answers to our own queries, which
    /// nobody can send unasked.
    ///
    /// Returns the address now believed if that has changed by this vote. Its port is 0 if the
    /// voters do not agree on one, as behind a NAT that maps every connection anew.
    pub fn vote(
        &mut self,
        now: Moment,
        voter: SocketAddr,
        claim: SocketAddr,
    ) -> Option<SocketAddr> {
        // A neighbour behind our own NAT sees an address that nobody else does.
        let misplaced = claim.is_local() && !voter.is_local();
        if !claim.is_usable() || misplaced || claim.is_ipv4() != voter.is_ipv4() {
            return None;
        }
        let voter = if voter.is_local() { host(voter.ip()) } else { voter.subnet() };
        let oldest_s = seconds(now - Self::LIFETIME);
        // The oldest stands first; hardly any has to go, and that is quicker to see than to do.
        let is_old = self.votes.first().is_some_and(|vote| vote.at_s < oldest_s);
        let has_voted = self.votes.iter().any(|vote| vote.voter == voter);
        if is_old || has_voted {
            self.votes.retain(|vote| vote.voter != voter && vote.at_s >= oldest_s);
        }
        if self.votes.len() >= Self::MAX_VOTES {
            self.votes.remove(0);
        }
        let claim = self.intern(claim);
        self.votes.push(Vote { voter, at_s: seconds(now), claim });
        let elected = self.elected()?;
        (self.winner.replace(elected) != Some(elected)).then_some(elected)
    }

    /// The address believed, if any.
    pub const fn winner(&self) -> Option<SocketAddr> {
        self.winner
    }

    /// The place of a claim among all.
    fn intern(&mut self, claim: SocketAddr) -> u8 {
        if self.claims.len() >= Self::MAX_CLAIMS {
            let claims = core::mem::take(&mut self.claims);
            for at in 0..self.votes.len() {
                let claim = self.votes.get(at).and_then(|vote| claims.get(usize::from(vote.claim)));
                let place = claim.copied().map(|claim| self.place(claim));
                if let (Some(vote), Some(place)) = (self.votes.get_mut(at), place) {
                    vote.claim = place;
                }
            }
        }
        self.place(claim)
    }

    fn place(&mut self, claim: SocketAddr) -> u8 {
        let known = self.claims.iter().position(|other| *other == claim);
        let place = known.unwrap_or_else(|| {
            self.claims.push(claim);
            self.claims.len() - 1
        });
        u8::try_from(place).unwrap_or(u8::MAX)
    }

    fn elected(&self) -> Option<SocketAddr> {
        if let [claim] = *self.claims {
            // All votes are for it.
            return (self.votes.len() >= Self::MIN_AGREEING).then_some(claim);
        }
        let mut counts = [0_usize; Self::MAX_CLAIMS];
        for vote in &self.votes {
            if let Some(count) = counts.get_mut(usize::from(vote.claim)) {
                *count += 1;
            }
        }
        let claims = || self.claims.iter().zip(counts);
        let ip = majority(claims().map(|(claim, count)| (claim.ip(), count)), self.votes.len())?;
        let agreeing = || claims().filter(|(claim, _)| claim.ip() == ip);
        let count = agreeing().map(|(_, count)| count).sum();
        if count < Self::MIN_AGREEING {
            return None;
        }
        let port = majority(agreeing().map(|(claim, count)| (claim.port(), count)), count);
        Some(SocketAddr::new(ip, port.unwrap_or(0)))
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.votes.capacity() * size_of::<Vote>() + self.claims.capacity() * size_of::<SocketAddr>()
    }

    /// Asks for the votes: see [`kademlia::ahead`].
    pub(crate) fn prefetch(&self) {
        fetch_all(&self.votes);
        fetch_all(&self.claims);
    }
}

/// A number for a host on a local network that no subnet of a global one has.
fn host(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()) | 1 << 62,
        // Within one such network the lower half tells hosts apart.
        IpAddr::V6(ip) => {
            let [.., a, b, c, d] = ip.segments().map(u64::from);
            (a << 48 | b << 32 | c << 16 | d) & !(1 << 63)
        }
    }
}

fn seconds(moment: Moment) -> u32 {
    u32::try_from(moment.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}

/// The one that more than half of `total` votes are for, given what there is and how many are for
/// it.
fn majority<T: Copy + Eq>(
    claims: impl Iterator<Item = (T, usize)> + Clone,
    total: usize,
) -> Option<T> {
    // Boyer and Moore: if there is a majority, it survives pairing off unequal claims.
    let (mut candidate, mut lead) = (None, 0_usize);
    for (claim, count) in claims.clone() {
        if candidate == Some(claim) {
            lead += count;
        } else if count > lead {
            (candidate, lead) = (Some(claim), count - lead);
        } else {
            lead -= count;
        }
    }
    let candidate = candidate?;
    let count: usize =
        claims.filter(|(claim, _)| *claim == candidate).map(|(_, count)| count).sum();
    (2 * count > total).then_some(candidate)
}

#[cfg(test)]
mod tests;
