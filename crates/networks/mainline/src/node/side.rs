//! One address family of a node: its id there, its table and lookups, and how others see it.

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use kademlia::overlay::{Overlay, OverlaySettings};
use kademlia::table::Member;
use kademlia::{Contact, Moment};
use rand_chacha::ChaCha8Rng;

use super::FamilyStatus;
use crate::contact::{canonical, widened};
use crate::external::{ExternalVote, derive_id, id_matches};
use crate::wire::{Compact, Id, Nodes, Response, Want};

/// The sides a node has; one may be missing.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Sides {
    pub(super) v4: Option<Side<SocketAddrV4>>,
    /// In a box, because a million simulated nodes have none.
    pub(super) v6: Option<Box<Side<SocketAddrV6>>>,
}

/// A node in one address family.
#[derive(Debug)]
#[repr(C)] // What each turn reads comes first.
pub(super) struct Side<A> {
    pub(super) id: Id,
    pub(super) overlay: Overlay<A>,
    vote: ExternalVote,
    /// When the id last changed.
    id_since: Moment,
    /// Whether the id was once changed on a single node's word.
    believed_one: bool,
}

/// An address family: how code that serves both finds what belongs to it.
pub(super) trait Family: Compact + Into<SocketAddr> {
    /// Whether this is IPv6.
    const V6: bool;

    fn side(sides: &mut Sides) -> Option<&mut Side<Self>>;
    fn of(address: SocketAddr) -> Option<Self>;
    /// The contacts of this family that a response names.
    fn contacts<'a>(response: &Response<'a>) -> Nodes<'a, Self>;
}

impl Family for SocketAddrV4 {
    const V6: bool = false;

    fn side(sides: &mut Sides) -> Option<&mut Side<Self>> {
        sides.v4.as_mut()
    }

    fn of(address: SocketAddr) -> Option<Self> {
        match address {
            SocketAddr::V4(address) => Some(address),
            SocketAddr::V6(_) => None,
        }
    }

    fn contacts<'a>(response: &Response<'a>) -> Nodes<'a, Self> {
        response.contacts_v4()
    }
}

impl Family for SocketAddrV6 {
    const V6: bool = true;

    fn side(sides: &mut Sides) -> Option<&mut Side<Self>> {
        sides.v6.as_deref_mut()
    }

    fn of(address: SocketAddr) -> Option<Self> {
        match address {
            SocketAddr::V4(_) => None,
            SocketAddr::V6(address) => Some(canonical(address)),
        }
    }

    fn contacts<'a>(response: &Response<'a>) -> Nodes<'a, Self> {
        response.contacts_v6()
    }
}

impl Sides {
    pub(super) fn restore<A: Family>(&mut self, contact: Contact<A>) {
        if let Some(side) = A::side(self) {
            side.overlay.restore([contact]);
        }
    }

    /// Whether the node has a side of that family.
    pub(super) fn has(&self, v6: bool) -> bool {
        if v6 { self.v6.is_some() } else { self.v4.is_some() }
    }

    /// Whether that many requests can be sent on each side now.
    pub(super) fn have_room(&self, requests: usize) -> bool {
        self.v4.as_ref().is_none_or(|side| side.overlay.room() >= requests)
            && self.v6.as_ref().is_none_or(|side| side.overlay.room() >= requests)
    }

    /// Where items are kept the longest when room is scarce: near the id under which most nodes
    /// know us.
    pub(super) fn home(&self) -> Id {
        let v4 = self.v4.as_ref().map(|side| side.id);
        v4.or(self.v6.as_ref().map(|side| side.id)).unwrap_or_default()
    }

    /// Whether the node takes part in that family but knows few nodes there: others are then asked
    /// for contacts of both (BEP 32).
    fn lacks_contacts(&self, v6: bool) -> bool {
        const ENOUGH: usize = 8;
        if v6 {
            self.v6.as_ref().is_some_and(|side| side.overlay.table().len() < ENOUGH)
        } else {
            self.v4.as_ref().is_some_and(|side| side.overlay.table().len() < ENOUGH)
        }
    }

    /// What to want from a node of that family.
    pub(super) fn want<A: Family>(&self) -> Want {
        let other = self.lacks_contacts(!A::V6);
        if !other {
            // The family that a query travels in is what is meant.
            return Want::default();
        }
        Want { nodes: true, nodes6: true, stated: true }
    }
}

impl<A: Family> Side<A> {
    pub(super) fn new(id: Id, settings: OverlaySettings) -> Self {
        Self {
            id,
            overlay: Overlay::new(id.key(), settings),
            vote: ExternalVote::new(),
            id_since: Moment::START,
            believed_one: false,
        }
    }

    /// Contacts that answered when they were last asked.
    pub(super) fn good_contacts(&self) -> impl Iterator<Item = Contact<SocketAddr>> {
        let members = self.overlay.table().members();
        members.filter(|member| member.standing.failures == 0).map(|m| widened(&m.contact))
    }

    /// All contacts, with what is known of each.
    pub(super) fn members(&self) -> impl Iterator<Item = Member<SocketAddr>> {
        let members = self.overlay.table().members();
        members.map(|m| Member { contact: widened(&m.contact), standing: m.standing })
    }

    pub(super) fn status(&self, now: Moment) -> FamilyStatus {
        FamilyStatus {
            id: self.id,
            external: self.vote.winner(),
            census: self.overlay.table().census(now),
            network_size: self.overlay.size().size(),
        }
    }

    /// Bytes on the heap, of the table and the votes on our own address.
    pub(super) fn heap_bytes(&self) -> usize {
        self.overlay.table().heap_bytes() + self.vote.heap_bytes()
    }

    /// Asks for the votes on our own address: see [`kademlia::ahead`].
    pub(super) fn prefetch_votes(&self) {
        self.vote.prefetch();
    }

    /// `voter` says that it sees us at `seen`. Returns what is news: the address, and a new id if
    /// ours does not belong to it (BEP 42).
    pub(super) fn voted(
        &mut self,
        now: Moment,
        voter: A,
        seen: SocketAddr,
        rng: &mut ChaCha8Rng,
    ) -> Option<(SocketAddr, Option<Id>)> {
        let external = self.vote.vote(now, voter.into(), seen)?;
        if let Some(address) = A::of(external) {
            self.overlay.set_own_address(address);
        }
        if id_matches(external.ip(), &self.id) {
            return Some((external, None));
        }
        self.take_id(now, derive_id(external.ip(), rng));
        Some((external, Some(self.id)))
    }

    /// `by` refused a request sent at `sent`; if it is one of those that insist on BEP 42, and our
    /// id was wrong then, asking again helps. A node that knows nobody takes the word of the first
    /// that refuses it, once: all it can lose is a random id.
    pub(super) fn may_ask_again(
        &mut self,
        now: Moment,
        sent: Moment,
        seen: SocketAddr,
        rng: &mut ChaCha8Rng,
    ) -> bool {
        let is_ours = A::of(seen).is_some();
        let is_wrong = is_ours && !id_matches(seen.ip(), &self.id);
        if is_wrong && !self.believed_one && self.overlay.table().is_empty() {
            self.believed_one = true;
            self.take_id(now, derive_id(seen.ip(), rng));
        }
        self.id_since > sent && id_matches(seen.ip(), &self.id)
    }

    fn take_id(&mut self, now: Moment, id: Id) {
        self.id = id;
        self.id_since = now;
        self.overlay.change_id(now, id.key());
    }
}
