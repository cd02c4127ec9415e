//! Fills a node's store: announcements or items, each with the token the node gave for it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use sha1::{Digest, Sha1};

use crate::batch::{Batch, Ends};
use crate::message;
use crate::random::Random;

const IN_FLIGHT: usize = 128;
const PATIENCE: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_mins(2);
/// A bencoded string of 101 bytes: 105 bytes.
const ITEM_PREFIX: &[u8] = b"101:";
const ITEM_BYTES: usize = 105;

/// What is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Info-hashes with one peer each.
    Announcements,
    /// Immutable items of 105 bytes.
    Items,
}

/// One thing to store, and the token once there is one.
struct Job {
    number: u64,
    token: Option<Vec<u8>>,
}

/// Stores `count` of them from `sources` addresses; how many were acknowledged.
pub(crate) fn fill(
    target: SocketAddrV4,
    source: Ipv4Addr,
    sources: u32,
    what: What,
    count: u64,
) -> Result<u64, String> {
    let local = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let mut batch = Batch::bind(local).map_err(|error| format!("{local}: {error}"))?;
    let mut waiting: BTreeMap<u32, (Job, Instant)> = BTreeMap::new();
    let mut jobs: Vec<Job> = Vec::new();
    let (mut next, mut tid, mut stored) = (0, 0u32, 0);
    let end = Instant::now() + LIMIT;
    while stored < count && Instant::now() < end {
        while waiting.len() < IN_FLIGHT && batch.has_room() {
            let fresh = || {
                (next < count).then(|| {
                    next += 1;
                    Job { number: next, token: None }
                })
            };
            let Some(job) = jobs.pop().or_else(fresh) else { break };
            let turn = u32::try_from(job.number % u64::from(sources)).unwrap_or(0);
            let ends =
                Ends { peer: target, local: Ipv4Addr::from(u32::from(source).wrapping_add(turn)) };
            batch.push(ends, |data| job.write(data, what, tid));
            waiting.insert(tid, (job, Instant::now()));
            tid = tid.wrapping_add(1);
        }
        batch.send();
        let got = batch.receive(|_, data| {
            let answered = message::answer_id(data).and_then(|tid| waiting.remove(&tid));
            let Some((job, _)) = answered else { return };
            match (&job.token, message::token(data)) {
                (Some(_), _) => stored += 1,
                (None, token) => jobs.push(Job { token: token.map(<[u8]>::to_vec), ..job }),
            }
        });
        if got == 0 {
            batch.wait(Duration::from_millis(1));
        }
        give_up(&mut waiting, &mut jobs);
    }
    Ok(stored)
}

/// Queries without an answer, or with an error for one, start again.
fn give_up(waiting: &mut BTreeMap<u32, (Job, Instant)>, jobs: &mut Vec<Job>) {
    while let Some(oldest) = waiting.first_entry() {
        if oldest.get().1.elapsed() < PATIENCE {
            return;
        }
        let (job, _) = oldest.remove();
        jobs.push(Job { token: None, ..job });
    }
}

impl Job {
    fn write(&self, to: &mut [u8], what: What, tid: u32) -> usize {
        let mut random = Random::new(self.number);
        let (id, info_hash) = (random.id(), random.id());
        let value = value(self.number);
        let target: [u8; 20] = Sha1::digest(value).into();
        match (what, &self.token) {
            (What::Announcements, None) => message::Kind::GetPeers.write(to, &id, &info_hash, tid),
            (What::Announcements, Some(token)) => {
                message::write_announce(to, &id, &info_hash, token, tid)
            }
            (What::Items, None) => message::write_get(to, &id, &target, tid),
            (What::Items, Some(token)) => message::write_put(to, &id, &value, token, tid),
        }
    }
}

/// The bencoded item of a number.
fn value(number: u64) -> [u8; ITEM_BYTES] {
    let mut value = [b'.'; ITEM_BYTES];
    let bytes = ITEM_PREFIX.iter().copied().chain(number.to_string().into_bytes());
    value.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
    value
}
