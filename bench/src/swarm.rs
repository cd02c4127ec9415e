//! Many nodes in one process, so that what is measured has a full routing table.
//!
//! Node `n` lives at the base address plus `n` × 256: one a /24, since nodes limit what one subnet
//! may have in their tables. All share one socket and one port.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::batch::{Batch, Ends};
use crate::message::{self, Kind};
use crate::options::Options;
use crate::random::Random;

/// Contacts in an answer (BEP 5: K = 8).
const CONTACTS: usize = 8;
/// Addresses between two nodes.
const SPACING: u32 = 256;
/// Queries a second by which the nodes make themselves known.
const INTRODUCTIONS: u64 = 1_000;

/// The nodes.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    base: SocketAddrV4,
    ids: Vec<[u8; 20]>,
}

/// `polykad-bench swarm`.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let swarm = Swarm::new(options.required("listen")?, options.or("nodes", 4096)?);
    let seconds = Duration::from_secs(options.or("seconds", 3600)?);
    let target = options.required("target")?;
    let end = Instant::now() + seconds;
    swarm.serve(&[target], &AtomicBool::new(true), || Instant::now() < end)
}

impl Swarm {
    pub(crate) fn new(base: SocketAddrV4, nodes: usize) -> Self {
        let mut random = Random::new(7);
        Self { base, ids: (0..nodes).map(|_| random.id()).collect() }
    }

    /// Where the nodes are.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddrV4> {
        (0u32..).zip(&self.ids).map(|(number, _)| self.address(number))
    }

    fn address(&self, number: u32) -> SocketAddrV4 {
        let ip = u32::from(*self.base.ip()).wrapping_add(number.wrapping_mul(SPACING));
        SocketAddrV4::new(Ipv4Addr::from(ip), self.base.port())
    }

    fn id_at(&self, ip: Ipv4Addr) -> Option<&[u8; 20]> {
        let number = u32::from(ip).checked_sub(u32::from(*self.base.ip()))? / SPACING;
        self.ids.get(usize::try_from(number).ok()?)
    }

    /// Answers everyone while `goes_on`, and asks the targets while `introduce` is set.
    pub(crate) fn serve(
        &self,
        targets: &[SocketAddrV4],
        introduce: &AtomicBool,
        goes_on: impl Fn() -> bool,
    ) -> Result<(), String> {
        let everywhere = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, self.base.port());
        let mut batch = Batch::bind(everywhere).map_err(|e| format!("{everywhere}: {e}"))?;
        let mut random = Random::new(11);
        let (start, mut asked) = (Instant::now(), 0u64);
        let mut answers: Vec<(Ends, Vec<u8>)> = Vec::new();
        while goes_on() {
            let got = batch.receive(|ends, data| {
                answers.extend(self.answer(ends, data).map(|answer| (ends, answer)));
            });
            for (ends, answer) in answers.drain(..) {
                batch.push(ends, |data| message::join(data, &[&answer]));
            }
            batch.send();
            let due = u128::from(INTRODUCTIONS) * start.elapsed().as_millis() / 1000;
            if introduce.load(Ordering::Relaxed) {
                while u128::from(asked) < due && batch.has_room() {
                    self.introduce(&mut batch, targets, asked, &mut random);
                    asked += 1;
                }
                batch.send();
            } else {
                asked = u64::try_from(due).unwrap_or(u64::MAX);
            }
            if got == 0 {
                batch.wait(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// One node asks one target.
    fn introduce(&self, batch: &mut Batch, to: &[SocketAddrV4], turn: u64, random: &mut Random) {
        let count = u64::try_from(self.ids.len() * to.len()).unwrap_or(1).max(1);
        let turn = usize::try_from(turn % count).unwrap_or(0);
        let target = to.get(turn % to.len().max(1));
        let number = turn / to.len().max(1);
        if let (Some(peer), Some(id)) = (target, self.ids.get(number)) {
            let local = *self.address(u32::try_from(number).unwrap_or(0)).ip();
            let wanted = random.id();
            let ends = Ends { peer: *peer, local };
            batch.push(ends, |data| Kind::FindNode.write(data, id, &wanted, 0));
        }
    }

    /// What the node at our end answers; `None` to what is no query.
    fn answer(&self, ends: Ends, query: &[u8]) -> Option<Vec<u8>> {
        let id = self.id_at(ends.local)?;
        if !query.ends_with(b"1:y1:qe") && message::after(query, b"1:y1:q").is_none() {
            return None;
        }
        let tid = message::after(query, b"1:t").and_then(message::string)?;
        let mut answer = b"d1:rd2:id20:".to_vec();
        answer.extend_from_slice(id);
        let target = message::after(query, b"6:target")
            .or_else(|| message::after(query, b"9:info_hash"))
            .and_then(message::string)
            .and_then(|target| <[u8; 20]>::try_from(target).ok());
        if let Some(target) = target {
            let nodes = self.closest(&target);
            answer.extend_from_slice(format!("5:nodes{}:", nodes.len()).as_bytes());
            answer.extend_from_slice(&nodes);
            answer.extend_from_slice(b"5:token4:swrm");
        }
        answer.extend_from_slice(format!("e1:t{}:", tid.len()).as_bytes());
        answer.extend_from_slice(tid);
        answer.extend_from_slice(b"1:y1:re");
        Some(answer)
    }

    /// The compact contacts of the nodes closest to a target.
    fn closest(&self, target: &[u8; 20]) -> Vec<u8> {
        let distance = |id: &[u8; 20]| {
            let mut distance = *id;
            distance.iter_mut().zip(target).for_each(|(byte, other)| *byte ^= other);
            distance
        };
        let mut all: Vec<(u32, &[u8; 20])> = (0..).zip(&self.ids).collect();
        if all.len() > CONTACTS {
            all.select_nth_unstable_by_key(CONTACTS, |(_, id)| distance(id));
            all.truncate(CONTACTS);
        }
        all.sort_unstable_by_key(|(_, id)| distance(id));
        let contact = |(number, id): (u32, &[u8; 20])| {
            let address = self.address(number);
            let (ip, port) = (address.ip().octets(), address.port().to_be_bytes());
            [&id[..], &ip, &port].concat()
        };
        all.into_iter().flat_map(contact).collect()
    }
}

#[cfg(test)]
mod tests;
