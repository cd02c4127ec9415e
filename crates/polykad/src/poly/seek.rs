//! How a node finds others that nobody named to it: on the local network ([`lan`]), and over
//! BitTorrent's Mainline DHT ([`rendezvous`]).
//!
//! Both bring addresses alone, which prove nothing: the node joins through them as through any that
//! a user gives it, and whoever is there has to prove an id of the same network. Whoever lies
//! costs a few datagrams, because only so many addresses are tried at a time.

use core::fmt::Write as _;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use client::{FindError, Key};
use sha1::{Digest, Sha1};

use super::Request;
use super::calls::Caller;
use crate::bootstrap::Joins;

pub(super) mod lan;
pub(super) mod rendezvous;

/// Addresses tried at a time. A network's bootstrap list is as long.
pub(super) const MAX_TRIED: usize = 16;

/// What goes before a network's name where it becomes a service on the local network or an
/// info-hash of Mainline.
const SERVICE: &[u8] = b"polykad poly mdns 1\n";
const RENDEZVOUS: &[u8] = b"polykad poly rendezvous 1\n";

/// A network as strangers may hear of it: its name if it is public, nothing of its key if not.
#[derive(Clone)]
pub(super) struct Called {
    name: Vec<u8>,
    shared_key: Option<[u8; 32]>,
}

impl Called {
    pub(super) fn new(name: &str, shared_key: Option<[u8; 32]>) -> Self {
        Self { name: name.as_bytes().to_vec(), shared_key }
    }

    /// The type of service that its nodes announce on the local network. Seven hexadecimal digits
    /// tell an observer next to nothing, and if two networks share them a handshake fails.
    fn service(&self) -> String {
        let hash = match self.shared_key {
            None => blake3::hash(&self.after(SERVICE)),
            Some(key) => blake3::keyed_hash(&key, &self.after(SERVICE)),
        };
        let digits = hash.to_hex();
        // A service's name may have 15 letters (RFC 6763, section 7.2).
        format!("_polykad-{}._udp.local.", digits.get(..7).unwrap_or_default())
    }

    /// The info-hash that its nodes announce on Mainline: 160 bits.
    fn info_hash(&self) -> Key {
        let mut bits = [0; 32];
        match self.shared_key {
            None => copy(&mut bits, Sha1::digest(self.after(RENDEZVOUS)).as_slice()),
            Some(key) => {
                let hash = blake3::keyed_hash(&key, &self.after(RENDEZVOUS));
                copy(&mut bits, hash.as_bytes().get(..20).unwrap_or_default());
            }
        }
        Key::new(bits)
    }

    fn after(&self, purpose: &[u8]) -> Vec<u8> {
        [purpose, &self.name].concat()
    }
}

fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// When to look again: soon, and then ever later, while the node knows nobody; seldom otherwise.
#[derive(Debug)]
struct Pace {
    alone: Duration,
}

impl Pace {
    const FIRST: Duration = Duration::from_secs(5);
    const MOST_ALONE: Duration = Duration::from_mins(5);
    const IN_COMPANY: Duration = Duration::from_mins(30);

    const fn new() -> Self {
        Self { alone: Self::FIRST }
    }

    fn next(&mut self, alone: bool) -> Duration {
        if !alone {
            self.alone = Self::FIRST;
            return Self::IN_COMPANY;
        }
        let pause = self.alone;
        self.alone = (pause * 2).min(Self::MOST_ALONE);
        pause
    }
}

/// Joins through what was found, and says whether the node still knows nobody.
async fn join(caller: &Caller, found: BTreeSet<SocketAddr>, how: &str) -> Result<bool, FindError> {
    if !found.is_empty() {
        let addresses = found.len();
        match caller.join(found.into_iter().collect()).await {
            Ok(nodes) => tracing::info!(how, addresses, nodes, "found others"),
            Err(FindError::Stopped) => return Err(FindError::Stopped),
            Err(error) => tracing::debug!(how, addresses, %error, "found nobody"),
        }
    }
    let status = caller.look_at(Request::Status).await?;
    Ok(status.poly.is_none_or(|poly| poly.contacts == 0))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
