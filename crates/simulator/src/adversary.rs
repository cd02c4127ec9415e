//! Nodes of Mainline that do not play by the rules. Each kind is a file of its own.
//!
//! They are residents like the shipped node, and speak through the same wire. What they have in
//! common is a guild: the list of all of them, which each knows.

mod flooder;
mod liar;
mod polluter;
mod sybil;

use core::fmt;
use core::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;

use kademlia::{Contact, Key, Protocol};
use mainline::command::{Command, Event};
use mainline::external::id_matches;
use mainline::node::{Node, Settings};
use mainline::wire::compact::write_contact;
use mainline::wire::{self, Response};

use crate::engine::Place;
use crate::ids::{Id, Ids};
use crate::random::{Draw, mix2, mix3, unit};
use crate::scenario::{AdversaryFields, AdversaryKind};
use flooder::Flooder;
use liar::Liar;
use polluter::Polluter;
use sybil::Sybil;

/// A resident that does not play by the rules.
pub(crate) trait Rogue:
    Protocol<Peer = SocketAddr, Command = Command, Event = Event> + fmt::Debug
{
}

impl<R> Rogue for R where
    R: Protocol<Peer = SocketAddr, Command = Command, Event = Event> + fmt::Debug
{
}

/// Who is such, and what they know of each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Adversaries {
    seed: u64,
    parties: Vec<Party>,
}

/// The adversaries of one kind.
#[derive(Clone, Debug)]
struct Party {
    fields: AdversaryFields,
    /// Their places, if they are nodes besides the others.
    extra: core::ops::Range<Place>,
    guild: Arc<Guild>,
}

/// All adversaries of a party.
#[derive(Debug, Default)]
pub(crate) struct Guild {
    seed: u64,
    /// Sorted by id.
    members: Vec<Contact<SocketAddrV4>>,
    /// What they are after.
    topic: Id,
    /// Hosts of the network.
    hosts: u32,
    /// Messages a second that each sends.
    rate: f64,
}

/// Names of what is drawn.
const ROGUE: u64 = 0xad_01;
const SYBIL: u64 = 0xad_02;

impl Adversaries {
    /// The adversaries of a scenario; those that come besides are added to `ids`. `topic` makes the
    /// info-hash of a topic.
    pub(crate) fn new(
        seed: u64,
        fields: &[AdversaryFields],
        ids: &mut Ids,
        topic: impl Fn(u64) -> Id,
        mut derive: impl FnMut(SocketAddrV4, &mut Draw) -> Id,
    ) -> Self {
        let mut adversaries = Self { seed, parties: Vec::new() };
        let base = u32::try_from(ids.base()).unwrap_or(u32::MAX);
        for (party, fields) in (0..).zip(fields) {
            let first = u32::try_from(ids.len()).unwrap_or(u32::MAX);
            let target = topic(fields.topic);
            for index in 0..fields.count {
                let mut draw = Draw::new(mix2(seed, SYBIL), party, index.into());
                if fields.kind == AdversaryKind::Sybils {
                    let (address, id) = near(&target, &mut draw);
                    ids.add_at(address, id);
                } else {
                    ids.add(&mut derive);
                }
            }
            let extra = first..first + fields.count;
            let drawn = (0..base).filter(|place| is_drawn(seed, party, *place, fields.share));
            let mut members: Vec<_> = drawn
                .chain(extra.clone())
                .map(|place| Contact { key: ids.key(place), address: ids.address(place) })
                .collect();
            members.sort_unstable();
            // Spoofers send through nobody's node.
            let is_silent = fields.kind == AdversaryKind::Spoofers;
            let rate = if is_silent { 0.0 } else { fields.rate };
            let guild = Guild { seed, members, topic: target, hosts: base, rate };
            let guild = Arc::new(guild);
            adversaries.parties.push(Party { fields: fields.clone(), extra, guild });
        }
        adversaries
    }

    fn party_of(&self, place: Place) -> Option<&Party> {
        (0..).zip(&self.parties).find_map(|(index, party)| {
            let is_one = party.extra.contains(&place)
                || is_drawn(self.seed, index, place, party.fields.share);
            is_one.then_some(party)
        })
    }

    /// Whether the node at a place is one.
    pub(crate) fn holds(&self, place: Place) -> bool {
        !self.parties.is_empty() && self.party_of(place).is_some()
    }

    /// The resident at a place, if it is one.
    pub(crate) fn resident(
        &self,
        place: Place,
        me: Contact<SocketAddrV4>,
        settings: impl FnOnce() -> Settings,
        seed: [u8; 32],
    ) -> Option<Box<dyn Rogue>> {
        let party = self.party_of(place)?;
        let guild = party.guild.clone();
        Some(match party.fields.kind {
            kind
            @ (AdversaryKind::Colluders | AdversaryKind::Adaptive | AdversaryKind::Forgers) => {
                Box::new(Liar::new(kind, me, guild))
            }
            AdversaryKind::Sybils => Box::new(Sybil::new(Node::new(settings(), seed), me, guild)),
            AdversaryKind::Polluters => Box::new(Polluter::new(Node::new(settings(), seed), guild)),
            AdversaryKind::Flooders | AdversaryKind::Spoofers => Box::new(Flooder::new(me, guild)),
        })
    }

    /// The rate at which a place sends in the names of others, if it does.
    pub(crate) fn spoofing_rate(&self, place: Place) -> Option<f64> {
        let party = self.party_of(place)?;
        (party.fields.kind == AdversaryKind::Spoofers).then_some(party.fields.rate)
    }
}

/// A query as spoofers send it.
pub(crate) fn forgery(draw: &mut Draw) -> Vec<u8> {
    let mut query = Vec::new();
    let mut sender = Id::default();
    for (to, from) in sender.iter_mut().zip(draw.seed()) {
        *to = from;
    }
    flooder::write_query(&mut query, sender, draw);
    query
}

/// Whether a node of the beginning is drawn to be one.
fn is_drawn(seed: u64, party: u64, place: Place, share: f64) -> bool {
    share > 0.0 && unit(mix3(mix2(seed, ROGUE), party, place.into())) < share
}

/// An id nearer to `target` than anybody has by chance, and an address that may have it (BEP 42):
/// who attacks needs addresses to choose from, some two million tries for each.
fn near(target: &Id, draw: &mut Draw) -> (SocketAddrV4, Id) {
    let mut id = *target;
    let tail = draw.seed();
    for (to, from) in id.iter_mut().skip(17).zip(tail) {
        *to = from;
    }
    loop {
        let ip = core::net::Ipv4Addr::from_bits(
            FIRST_SYBIL | u32::try_from(draw.below(1 << 28)).unwrap_or(0),
        );
        // The last byte has a say too: with one value of it, half of all prefixes have no address.
        let [.., last] = &mut id;
        *last = draw.next().to_le_bytes()[0];
        if id_matches(ip.into(), &wire::Id::new(id)) {
            return (SocketAddrV4::new(ip, 6881), id);
        }
    }
}

/// 80.0.0.0 to 95.255.255.255, where nobody else lives.
const FIRST_SYBIL: u32 = 80 << 24;

impl Guild {
    /// The members nearest to a target, roughly: those around it in the order of ids.
    fn nearest(&self, target: &Key, count: usize) -> Vec<Contact<SocketAddrV4>> {
        let at = self.members.partition_point(|member| member.key < *target);
        let around = at.saturating_sub(4 * count)..(at + 4 * count).min(self.members.len());
        let mut near = self.members.get(around).unwrap_or_default().to_vec();
        near.sort_unstable_by_key(|member| target.distance(&member.key));
        near.truncate(count);
        near
    }
}

/// Contacts named in an answer.
const NAMED: usize = 8;

/// Writes an answer that names `contacts`.
fn write_answer(
    out: &mut Vec<u8>,
    transaction: &[u8],
    sender: Id,
    to: SocketAddr,
    contacts: &[Contact<SocketAddrV4>],
) {
    let mut nodes = Vec::with_capacity(26 * contacts.len());
    for contact in contacts {
        write_contact(&mut nodes, contact);
    }
    let response = Response {
        external: Some(to),
        nodes: (!nodes.is_empty()).then_some(&nodes),
        token: Some(b"anything"),
        ..Response::new(transaction, wire::Id::new(sender))
    };
    response.encode(out);
}

#[cfg(test)]
mod tests;
