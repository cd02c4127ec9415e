//! The iterative lookup: ever closer contacts, α at a time, until the k closest have answered.
//!
//! Pure bookkeeping: no wire, no time, no randomness. The overlay asks [`Lookup::next_contact`]
//! whom to ask, and reports what came of it. Maymounkov and Mazières, section 2.3; disjoint paths
//! as in Baumgart and Mies, "S/Kademlia" (2007), section 4.4.

use crate::ahead::fetch_all;
use crate::contact::{Address, Contact, is_among};
use crate::key::Key;

/// The shape of a lookup.
#[derive(Clone, Copy, Debug)]
pub struct LookupSettings {
    /// Requests in flight on one path that are not yet slow, Kademlia's α.
    pub parallelism: usize,
    /// Closest contacts that must answer, Kademlia's k.
    pub closest: usize,
    /// Paths that share no contact: what one liar says misleads one path alone. 1: no such defence.
    pub paths: u8,
    /// Candidates with one non-local host.
    pub per_host: usize,
    /// Candidates in one non-local subnet.
    pub per_subnet: usize,
    /// Contacts taken from one answer; the rest is ignored.
    pub per_answer: usize,
}

impl Default for LookupSettings {
    fn default() -> Self {
        Self { parallelism: 3, closest: 8, paths: 1, per_host: 1, per_subnet: 4, per_answer: 20 }
    }
}

/// What a lookup cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LookupStats {
    /// Contacts asked.
    pub asked: u32,
    /// Contacts that answered, late ones included.
    pub answered: u32,
    /// Contacts that did not.
    pub failed: u32,
}

/// A lookup under way, or at its end.
#[derive(Clone, Debug)]
pub struct Lookup<A> {
    target: Key,
    settings: LookupSettings,
    /// In ascending distance from the target. Apart from the contacts, because they are searched,
    /// counted and shifted with every answer: four to a cache line.
    candidates: Vec<Candidate>,
    /// The contacts of the candidates, each in its slot.
    contacts: Vec<Contact<A>>,
    /// Their subnet marks.
    marks: Vec<u16>,
    /// Candidates that are being asked, on all paths.
    asked: usize,
    /// Bare addresses that were asked and may yet introduce us.
    introductions: usize,
    stats: LookupStats,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// The head of its distance from the target.
    distance: u64,
    /// Where its contact is.
    slot: u16,
    state: State,
    path: u8,
    hop: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Not asked yet.
    Fresh,
    /// Asked; the answer is expected.
    Asked,
    /// Asked; the answer is overdue, and somebody else is asked in its stead.
    Slow,
    /// Asked; so much overdue that nobody waits for it.
    Doubtful,
    Answered,
    Failed,
}

impl State {
    /// Whether the candidate is one of those that decide whether a path has converged, if it is
    /// close enough.
    const fn is_deciding(self) -> bool {
        matches!(self, Self::Fresh | Self::Asked | Self::Answered)
    }
}

impl<A: Address> Lookup<A> {
    /// Candidates remembered; the farthest not yet asked are forgotten. Many times what an honest
    /// lookup meets, so that liars cannot make us remember more.
    pub const MAX_CANDIDATES: usize = 256;
    /// Room made at once: about as many as an honest lookup meets.
    const USUAL_CANDIDATES: usize = 64;

    /// A lookup that begins with `seeds`, our own contacts closest to the target.
    pub fn new(
        target: Key,
        settings: LookupSettings,
        seeds: impl IntoIterator<Item = Contact<A>>,
    ) -> Self {
        let stats = LookupStats::default();
        let usual = Self::USUAL_CANDIDATES;
        let mut lookup = Self {
            target,
            settings,
            candidates: Vec::with_capacity(usual),
            contacts: Vec::with_capacity(usual),
            marks: Vec::with_capacity(usual),
            asked: 0,
            introductions: 0,
            stats,
        };
        for (contact, path) in seeds.into_iter().zip((0..settings.paths.max(1)).cycle()) {
            lookup.add(contact, path, 1);
        }
        lookup
    }

    /// What is looked for.
    pub fn target(&self) -> Key {
        self.target
    }

    /// What it cost so far.
    pub fn stats(&self) -> LookupStats {
        self.stats
    }

    /// The contact to ask next, if one should be asked now. Call until `None`.
    pub fn next_contact(&mut self) -> Option<Contact<A>> {
        let at = (0..self.settings.paths.max(1)).find_map(|path| self.next_on(path))?;
        self.set(at, State::Asked);
        self.stats.asked += 1;
        self.candidates.get(at).and_then(|candidate| self.contact(candidate)).copied()
    }

    /// Asks for what an answer will need: see [`ahead`](crate::ahead).
    pub fn prefetch(&self) {
        fetch_all(&self.candidates);
        fetch_all(&self.marks);
        let recent = self.contacts.len().saturating_sub(Self::RECENT);
        fetch_all(self.contacts.get(recent..).unwrap_or_default());
    }

    /// Contacts that are asked for ahead: an answer mostly names those that came in last once more.
    const RECENT: usize = 16;

    /// Whether a candidate has this address.
    pub fn knows_address(&self, address: A) -> bool {
        self.contacts.iter().any(|contact| contact.address == address)
    }

    /// A bare address, whose id is unknown, is being asked.
    pub fn introduction_asked(&mut self) {
        self.introductions += 1;
        self.stats.asked += 1;
    }

    /// A bare address answered, as `by`, and named `contacts`.
    pub fn introduced(&mut self, by: Contact<A>, contacts: impl IntoIterator<Item = Contact<A>>) {
        self.introductions = self.introductions.saturating_sub(1);
        self.stats.answered += 1;
        // Another may have named it meanwhile: it need not be asked again.
        if let Some(at) = self.find(&by).or_else(|| self.add(by, 0, 0)) {
            self.set(at, State::Answered);
        }
        let paths = (0..self.settings.paths.max(1)).cycle();
        for (contact, path) in contacts.into_iter().take(self.settings.per_answer).zip(paths) {
            self.add(contact, path, 1);
        }
    }

    /// A bare address did not answer.
    pub fn introduction_failed(&mut self) {
        self.introductions = self.introductions.saturating_sub(1);
        self.stats.failed += 1;
    }

    /// A contact answered, in time or late, and named `contacts`.
    pub fn answered(
        &mut self,
        contact: &Contact<A>,
        contacts: impl IntoIterator<Item = Contact<A>>,
    ) {
        let Some((at, Candidate { state, path, hop, .. })) = self.candidate(contact) else {
            return;
        };
        match state {
            State::Fresh | State::Answered => return,
            State::Asked | State::Slow | State::Doubtful | State::Failed => {}
        }
        let was_failed = state == State::Failed;
        self.set(at, State::Answered);
        let hop = hop.saturating_add(1);
        self.stats.answered += 1;
        self.stats.failed -= u32::from(was_failed);
        for contact in contacts.into_iter().take(self.settings.per_answer) {
            self.add(contact, path, hop);
        }
    }

    /// A contact answered, and calls itself `by`: it has a new id, or whoever named it was wrong.
    /// It goes on under the id it claims; its answer is worth as much as any.
    pub fn answered_as(
        &mut self,
        asked: &Contact<A>,
        by: Contact<A>,
        contacts: impl IntoIterator<Item = Contact<A>>,
    ) {
        let Some((at, Candidate { state, path, hop, .. })) = self.candidate(asked) else {
            return;
        };
        if matches!(state, State::Fresh | State::Answered) {
            return;
        }
        self.remove_at(at);
        if let Some(renamed) = self.add(by, path, hop) {
            self.set(renamed, state);
            self.answered(&by, contacts);
        } else {
            self.stats.failed += u32::from(state != State::Failed);
        }
    }

    /// A contact takes longer than expected: another may be asked in its stead.
    pub fn slow(&mut self, contact: &Contact<A>) {
        if let Some((at, Candidate { state: State::Asked, .. })) = self.candidate(contact) {
            self.set(at, State::Slow);
        }
    }

    /// A contact takes so much longer that the lookup may end without it.
    pub fn doubtful(&mut self, contact: &Contact<A>) {
        if let Some((at, candidate)) = self.candidate(contact)
            && matches!(candidate.state, State::Asked | State::Slow)
        {
            self.set(at, State::Doubtful);
        }
    }

    /// A contact did not answer, or is not who we were told it is.
    pub fn failed(&mut self, contact: &Contact<A>) {
        if let Some((at, candidate)) = self.candidate(contact)
            && matches!(candidate.state, State::Asked | State::Slow | State::Doubtful)
        {
            self.set(at, State::Failed);
            self.stats.failed += 1;
        }
    }

    /// Whether nothing that is still to come could change the outcome for the better: on each path
    /// the k closest have answered. Who is slow is waited for if it is closer than one of these,
    /// until it is doubtful; then only while k have not answered.
    pub fn is_finished(&self) -> bool {
        self.introductions == 0 && (0..self.settings.paths.max(1)).all(|path| self.converged(path))
    }

    /// The closest contacts that answered, closest first, at most k.
    pub fn closest(&self) -> Vec<Contact<A>> {
        self.answered_contacts().take(self.settings.closest).collect()
    }

    /// Steps from our own contacts to the closest one that answered: 1 if it was one of ours.
    pub fn hops(&self) -> u32 {
        self.answers().next().map_or(0, |candidate| u32::from(candidate.hop))
    }

    /// All contacts that answered, closest first: more than k.
    pub fn answered_contacts(&self) -> impl Iterator<Item = Contact<A>> {
        let slots = self.answers().map(|candidate| usize::from(candidate.slot));
        slots.filter_map(|slot| self.contacts.get(slot)).copied()
    }

    /// The contacts heard of that were not asked, closest first.
    pub fn unasked(&self) -> impl Iterator<Item = Contact<A>> {
        let fresh = self.candidates.iter().filter(|candidate| candidate.state == State::Fresh);
        fresh.filter_map(|candidate| self.contact(candidate)).copied()
    }

    fn answers(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| candidate.state == State::Answered)
    }

    fn on_path(&self, path: u8) -> impl Iterator<Item = (usize, &Candidate)> {
        self.candidates.iter().enumerate().filter(move |(_, candidate)| candidate.path == path)
    }

    /// The closest on a path that was not asked, if it is among those that decide whether the path
    /// has converged: the k closest that neither failed nor keep us waiting. `None` too if enough
    /// are being asked.
    fn next_on(&self, path: u8) -> Option<usize> {
        let LookupSettings { parallelism, closest, paths, .. } = self.settings;
        let asked = |(_, candidate): &(usize, &Candidate)| candidate.state == State::Asked;
        let enough_in_all = self.asked >= parallelism;
        if enough_in_all && (paths <= 1 || self.on_path(path).filter(asked).count() >= parallelism)
        {
            return None;
        }
        let mut deciding = self.on_path(path).filter(|(_, c)| c.state.is_deciding()).take(closest);
        deciding.find(|(_, candidate)| candidate.state == State::Fresh).map(|(at, _)| at)
    }

    fn converged(&self, path: u8) -> bool {
        let (mut answered, mut slow, mut doubtful) = (0, 0, 0);
        for (_, candidate) in self.on_path(path) {
            match candidate.state {
                State::Fresh | State::Asked => return false,
                State::Answered => answered += 1,
                State::Slow => slow += 1,
                State::Doubtful => doubtful += 1,
                State::Failed => {}
            }
            if answered >= self.settings.closest {
                return slow == 0;
            }
        }
        slow == 0 && doubtful == 0
    }

    /// A contact as a candidate, and where it stands.
    fn candidate(&self, contact: &Contact<A>) -> Option<(usize, Candidate)> {
        let at = self.find(contact)?;
        Some((at, *self.candidates.get(at)?))
    }

    fn set(&mut self, at: usize, state: State) {
        if let Some(candidate) = self.candidates.get_mut(at) {
            self.asked -= usize::from(candidate.state == State::Asked);
            self.asked += usize::from(state == State::Asked);
            candidate.state = state;
        }
    }

    /// Where a contact stands.
    fn find(&self, contact: &Contact<A>) -> Option<usize> {
        let at = self.place_of(&contact.key);
        let further = self.candidates.iter().skip(at).map(|other| self.contact(other));
        let mut same_key = further.take_while(|other| other.is_some_and(|c| c.key == contact.key));
        same_key.position(|other| other == Some(contact)).map(|further| at + further)
    }

    fn contact(&self, candidate: &Candidate) -> Option<&Contact<A>> {
        self.contacts.get(usize::from(candidate.slot))
    }

    /// How many candidates are closer to the target than this key.
    fn place_of(&self, key: &Key) -> usize {
        let distance = self.target.distance_head(key);
        let at = self.candidates.partition_point(|candidate| candidate.distance < distance);
        // Nearly always nobody has the same head, or the very same contact.
        let from_here = self.candidates.get(at..).unwrap_or_default().iter();
        let closer = |c: &&Candidate| {
            let other = self.contact(c).filter(|other| other.key != *key);
            other.is_some_and(|other| self.target.nearer(&other.key, key).is_lt())
        };
        at + from_here.take_while(|c| c.distance == distance).take_while(closer).count()
    }

    /// Adds a candidate unless it is known or a limit speaks against it; returns where it stands.
    fn add(&mut self, contact: Contact<A>, path: u8, hop: u8) -> Option<usize> {
        let (distance, at) = (self.target.distance_head(&contact.key), self.place_of(&contact.key));
        // Most contacts are named again and again.
        let is_known = self.candidates.get(at).is_some_and(|known| {
            known.distance == distance && self.contact(known) == Some(&contact)
        });
        if is_known || !contact.address.is_usable() || self.is_crowded(&contact) {
            return None;
        }
        if self.candidates.len() >= Self::MAX_CANDIDATES {
            // Make room by forgetting the farthest that was not asked, if that is farther.
            let last = self.candidates.iter().rposition(|c| c.state == State::Fresh)?;
            if last < at {
                return None;
            }
            self.remove_at(last);
        }
        let state = State::Fresh;
        let slot = u16::try_from(self.contacts.len()).unwrap_or(u16::MAX);
        self.contacts.push(contact);
        self.marks.push(contact.address.subnet_mark());
        self.candidates.insert(at, Candidate { distance, slot, state, path, hop });
        Some(at)
    }

    /// Takes a candidate out. The contact in the last slot moves to its slot.
    fn remove_at(&mut self, at: usize) {
        let Candidate { slot, state, .. } = self.candidates.remove(at);
        self.asked -= usize::from(state == State::Asked);
        self.contacts.swap_remove(usize::from(slot));
        self.marks.swap_remove(usize::from(slot));
        let moved = self.contacts.len();
        if let Some(moved) = self.candidates.iter_mut().find(|c| usize::from(c.slot) == moved) {
            moved.slot = slot;
        }
    }

    fn is_crowded(&self, contact: &Contact<A>) -> bool {
        let address = contact.address;
        if !is_among(address.subnet_mark(), &self.marks) {
            return false;
        }
        if address.is_local() {
            return self.knows_address(address);
        }
        let (host, subnet) = (address.host(), address.subnet());
        let (mut same_host, mut same_subnet) = (0, 0);
        for other in self.contacts.iter().map(|contact| contact.address) {
            if other.subnet() == subnet {
                same_subnet += 1;
                same_host += usize::from(other.host() == host);
            }
        }
        same_host >= self.settings.per_host || same_subnet >= self.settings.per_subnet
    }
}

#[cfg(test)]
mod tests;
