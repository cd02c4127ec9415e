//! The sessions of a node: found by index and by peer, bounded, the least used one given up first.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kademlia::{Key, Moment};

use super::session::Session;
use super::wire::Index;
use crate::contact::Peer;

/// Sessions of peers that have shown nothing may take this part of the table.
const UNSETTLED_PART: usize = 4;
/// A responder uses a session that its peer has not confirmed only after this time: until then the
/// response may still be on its way.
const RESPONSE_TRAVELS: Duration = Duration::from_secs(1);
/// Of two sessions made within this time, in one handshake of either side, both sides prefer the
/// one of the node with the lower id.
const SIMULTANEOUS: Duration = Duration::from_secs(10);

/// All sessions, and what leads to a peer.
#[derive(Debug)]
pub(super) struct Table {
    own: Key,
    max: usize,
    sessions: BTreeMap<u32, Session>,
    links: BTreeMap<(SocketAddr, Key), Link>,
    /// Sessions by the second of their last use: settled ones, others.
    ages: [BTreeSet<(u64, u32)>; 2],
}

/// What leads to a peer.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Link {
    /// The session to send by.
    current: Option<u32>,
    /// The one before, or one that is not confirmed yet.
    other: Option<u32>,
    /// The newest handshake under way.
    pub(super) attempt: Option<u32>,
}

impl Table {
    pub(super) fn new(own: Key, max: usize) -> Self {
        let ages = [BTreeSet::new(), BTreeSet::new()];
        Self { own, max: max.max(1), sessions: BTreeMap::new(), links: BTreeMap::new(), ages }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.sessions.contains_key(&number)
    }

    pub(super) fn session(&mut self, number: u32) -> Option<&mut Session> {
        self.sessions.get_mut(&number)
    }

    /// Adds a session, and gives up others if there are too many. Returns how many.
    pub(super) fn insert(&mut self, now: Moment, number: u32, mut session: Session) -> usize {
        session.used = second(now);
        let is_settled = session.is_settled();
        let before = self.sessions.len();
        self.ages(is_settled).insert((session.used, number));
        let peer = session.peer;
        let link = self.link(peer);
        if let (Some(current), Some(other)) = (link.current, link.other) {
            // The oldest goes. Of two handshakes at once both sides keep both.
            let made = |number| self.sessions.get(&number).map(|session| session.made);
            self.remove(if made(current) < made(other) { current } else { other });
        }
        let outranks = self.outranks(&session, self.link(peer).current);
        self.sessions.insert(number, session);
        let link = self.links.entry((peer.address, peer.id)).or_default();
        if outranks {
            link.other = link.current.replace(number);
        } else {
            link.other = Some(number);
        }
        self.shrink(is_settled);
        (before + 1).saturating_sub(self.sessions.len())
    }

    /// Whether a session should be used in place of the one that is.
    fn outranks(&self, session: &Session, current: Option<u32>) -> bool {
        let Some(current) = current.and_then(|number| self.sessions.get(&number)) else {
            return true;
        };
        if !session.is_confirmed || !current.is_confirmed {
            return session.is_confirmed;
        }
        let gap = session.made.since(current.made).max(current.made.since(session.made));
        if gap > SIMULTANEOUS || session.is_initiator == current.is_initiator {
            return session.made >= current.made;
        }
        session.is_initiator == (self.own < session.peer.id)
    }

    fn shrink(&mut self, is_settled: bool) {
        if !is_settled && self.ages(false).len() > (self.max / UNSETTLED_PART).max(1) {
            self.remove_oldest(false);
        }
        while self.sessions.len() > self.max {
            let has_unsettled = !self.ages(false).is_empty();
            self.remove_oldest(!has_unsettled);
        }
    }

    fn remove_oldest(&mut self, settled: bool) {
        if let Some(&(_, number)) = self.ages(settled).first() {
            self.remove(number);
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        let Some(session) = self.sessions.remove(&number) else {
            return;
        };
        self.ages(session.is_settled()).remove(&(session.used, number));
        self.unlink(session.peer.address, session.peer.id, number);
        if let Some(candidate) = session.candidate {
            self.unlink(candidate.address, session.peer.id, number);
        }
    }

    fn unlink(&mut self, address: SocketAddr, id: Key, number: u32) {
        let Some(link) = self.links.get_mut(&(address, id)) else {
            return;
        };
        if link.other == Some(number) {
            link.other = None;
        }
        if link.current == Some(number) {
            link.current = link.other.take();
        }
        if link.current.is_none() && link.attempt.is_none() {
            self.links.remove(&(address, id));
        }
    }

    /// Notes that a session was used. To the second, so that this is rarely work.
    pub(super) fn touch(&mut self, now: Moment, number: u32) {
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        let (before, used) = (session.used, second(now));
        if before != used {
            session.used = used;
            let is_settled = session.is_settled();
            let ages = self.ages(is_settled);
            ages.remove(&(before, number));
            ages.insert((used, number));
        }
    }

    /// Notes that the peer has the session's keys for certain.
    pub(super) fn confirm(&mut self, number: u32) {
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        session.is_confirmed = true;
        let (peer, used) = (session.peer, session.used);
        self.ages(false).remove(&(used, number));
        self.ages(true).insert((used, number));
        let link = self.link(peer);
        if link.other == Some(number)
            && let Some(session) = self.sessions.get(&number)
            && self.outranks(session, link.current)
            && let Some(link) = self.links.get_mut(&(peer.address, peer.id))
        {
            core::mem::swap(&mut link.current, &mut link.other);
        }
    }

    /// The session to reach a peer by; any at its address if its id is not known.
    pub(super) fn choose(&self, now: Moment, to: Peer) -> Option<u32> {
        let link = self.link(to);
        let (current, other) = (link.current?, link.other);
        let session = self.sessions.get(&current)?;
        let fresh = other.filter(|other| {
            self.sessions.get(other).is_some_and(|other| {
                !other.is_confirmed
                    && other.made > session.heard
                    && now.since(other.made) > RESPONSE_TRAVELS
            })
        });
        Some(fresh.unwrap_or(current))
    }

    /// What leads to a peer; if its id is not known, to any at its address.
    pub(super) fn link(&self, to: Peer) -> Link {
        if to.is_proven() {
            return self.links.get(&(to.address, to.id)).copied().unwrap_or_default();
        }
        let mut links = self.at(to.address).map(|(_, link)| link);
        let first = links.next().unwrap_or_default();
        links.fold(first, |best, link| if best.current.is_some() { best } else { link })
    }

    fn at(&self, address: SocketAddr) -> impl Iterator<Item = (Key, Link)> {
        let last = Key::new([u8::MAX; Key::BYTES]);
        let links = self.links.range((address, Key::ZERO)..=(address, last));
        links.map(|((_, id), link)| (*id, *link))
    }

    /// Notes the newest handshake with a peer.
    pub(super) fn set_attempt(&mut self, to: Peer, number: u32) {
        self.links.entry((to.address, to.id)).or_default().attempt = Some(number);
    }

    /// The newest handshake with exactly this peer.
    pub(super) fn exact_attempt(&self, to: Peer) -> Option<u32> {
        self.links.get(&(to.address, to.id)).and_then(|link| link.attempt)
    }

    /// Forgets a handshake with a peer.
    pub(super) fn end_attempt(&mut self, to: Peer, number: u32) {
        if let Some(link) = self.links.get_mut(&(to.address, to.id)) {
            if link.attempt == Some(number) {
                link.attempt = None;
            }
            if link.attempt.is_none() && link.current.is_none() {
                self.links.remove(&(to.address, to.id));
            }
        }
    }

    /// The session that the peer at an address calls so.
    pub(super) fn by_remote(&self, address: SocketAddr, remote: Index) -> Option<u32> {
        let numbers = self.at(address).flat_map(|(_, link)| [link.current, link.other]);
        let mut numbers = numbers.flatten();
        numbers.find(|number| {
            self.sessions.get(number).is_some_and(|session| session.remote == remote)
        })
    }

    /// Whether the peer was seen at its address.
    pub(super) fn is_proven(&self, peer: Peer) -> bool {
        let link = self.link(peer);
        [link.current, link.other].into_iter().flatten().any(|number| {
            self.sessions.get(&number).is_some_and(|session| {
                session.peer == peer && session.allowance.is_none() && session.is_confirmed
            })
        })
    }

    /// Whether somebody has a session there that is confirmed, and has shown to hear us.
    pub(super) fn knows(&self, address: SocketAddr) -> bool {
        let links = self.links.range((address, Key::ZERO)..);
        let mut there = links.take_while(|((at, _), _)| *at == address);
        there.any(|((_, id), _)| self.is_proven(Peer::new(*id, address)))
    }

    /// Makes a session reachable by an address that its peer may have moved to, in place of a
    /// former such address. Whether it is: an address with a session of its own is left alone.
    pub(super) fn link_candidate(&mut self, number: u32, address: SocketAddr) -> bool {
        let Some(session) = self.sessions.get(&number) else {
            return false;
        };
        let (id, former) = (session.peer.id, session.candidate);
        if let Some(former) = former {
            self.unlink(former.address, id, number);
        }
        let link = self.links.entry((address, id)).or_default();
        let is_free = link.current.is_none();
        if is_free {
            link.current = Some(number);
        }
        is_free
    }

    /// Moves a session to the address that its peer has proven.
    pub(super) fn relocate(&mut self, number: u32, address: SocketAddr) {
        let Some(session) = self.sessions.get_mut(&number) else {
            return;
        };
        let former = core::mem::replace(&mut session.peer.address, address);
        let id = session.peer.id;
        session.candidate = None;
        session.allowance = None;
        self.unlink(former, id, number);
        let link = self.links.get(&(address, id)).copied().unwrap_or_default();
        if link.current != Some(number) && link.other != Some(number) {
            // A newer session has taken the place in the meantime.
            self.remove(number);
        }
    }

    /// Gives up sessions not used for `idle`. Returns how many.
    pub(super) fn expire(&mut self, now: Moment, idle: Duration) -> usize {
        let before = self.sessions.len();
        while let Some((used, settled)) = self.oldest()
            && ends(used, idle) <= now
        {
            self.remove_oldest(settled);
        }
        before - self.sessions.len()
    }

    /// When the next session will have been idle for so long.
    pub(super) fn next_expiry(&self, idle: Duration) -> Option<Moment> {
        self.oldest().map(|(used, _)| ends(used, idle))
    }

    /// The second of the last use of the least used session, and whether that is settled.
    fn oldest(&self) -> Option<(u64, bool)> {
        let [settled, others] = &self.ages;
        let settled = settled.first().map(|(used, _)| (*used, true));
        let others = others.first().map(|(used, _)| (*used, false));
        settled.into_iter().chain(others).min()
    }

    fn ages(&mut self, settled: bool) -> &mut BTreeSet<(u64, u32)> {
        let [of_settled, of_others] = &mut self.ages;
        if settled { of_settled } else { of_others }
    }
}

const fn second(now: Moment) -> u64 {
    now.as_micros() / 1_000_000
}

/// When a session last used in this second will have been idle for so long.
fn ends(used: u64, idle: Duration) -> Moment {
    Moment::from_micros(used.saturating_add(1).saturating_mul(1_000_000)) + idle
}

#[cfg(test)]
impl Table {
    /// Panics if the parts do not agree.
    pub(super) fn check(&self) {
        let [settled, others] = &self.ages;
        assert_eq!(settled.len() + others.len(), self.sessions.len());
        for (number, session) in &self.sessions {
            let ages = if session.is_settled() { settled } else { others };
            assert!(ages.contains(&(session.used, *number)));
            let link = self.links[&(session.peer.address, session.peer.id)];
            assert!(link.current == Some(*number) || link.other == Some(*number), "unreachable");
        }
        for ((address, id), link) in &self.links {
            assert!(link.current.is_some() || link.attempt.is_some(), "leads nowhere");
            assert!(link.current.is_some() || link.other.is_none());
            for number in [link.current, link.other].into_iter().flatten() {
                let session = &self.sessions[&number];
                assert_eq!(session.peer.id, *id);
                let candidate = session.candidate.map(|candidate| candidate.address);
                assert!(session.peer.address == *address || candidate == Some(*address));
            }
        }
        assert!(self.sessions.len() <= self.max);
    }
}
