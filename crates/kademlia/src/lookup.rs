//! The iterative lookup: ever closer contacts, α at a time, until the k closest have answered.
//!
//! Pure bookkeeping: no wire, no time, no randomness. The overlay asks [`Lookup::next_contact`]
//! whom to ask, and reports what came of it. Maymounkov and Mazières, section 2.3; disjoint paths
//! as in Baumgart and Mies, "S/Kademlia" (2007), section 4.4.

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
    /// In ascending distance from the target.
    candidates: Vec<Candidate<A>>,
    /// The subnet marks of all candidates, in no order.
    marks: Vec<u16>,
    /// Bare addresses that were asked and may yet introduce us.
    introductions: usize,
    stats: LookupStats,
}

#[derive(Clone, Copy, Debug)]
struct Candidate<A> {
    contact: Contact<A>,
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
        let (candidates, marks) = (Vec::with_capacity(usual), Vec::with_capacity(usual));
        let mut lookup = Self { target, settings, candidates, marks, introductions: 0, stats };
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
        let path = (0..self.settings.paths.max(1)).find_map(|path| self.next_on(path))?;
        let candidate = self.candidates.get_mut(path)?;
        candidate.state = State::Asked;
        self.stats.asked += 1;
        Some(candidate.contact)
    }

    /// Reads the closest candidates: see [`Table::touch`](crate::table::Table::touch).
    pub fn touch(&self) -> u64 {
        let closest = self.candidates.iter().take(2 * self.settings.closest);
        closest.map(|candidate| u64::from(candidate.hop)).sum()
    }

    /// Whether a candidate has this address.
    pub fn knows_address(&self, address: A) -> bool {
        self.candidates.iter().any(|candidate| candidate.contact.address == address)
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
        if self.candidate_mut(&by).is_none() {
            self.add(by, 0, 0);
        }
        // Another may have named it meanwhile: it need not be asked again.
        if let Some(candidate) = self.candidate_mut(&by) {
            candidate.state = State::Answered;
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
        let Some(candidate) = self.candidate_mut(contact) else { return };
        match candidate.state {
            State::Fresh | State::Answered => return,
            State::Asked | State::Slow | State::Doubtful | State::Failed => {}
        }
        let was_failed = candidate.state == State::Failed;
        candidate.state = State::Answered;
        let (path, hop) = (candidate.path, candidate.hop.saturating_add(1));
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
        let Some(Candidate { state, path, hop, .. }) = self.candidate_mut(asked).copied() else {
            return;
        };
        if matches!(state, State::Fresh | State::Answered) {
            return;
        }
        self.candidates.retain(|candidate| candidate.contact != *asked);
        self.unmark(asked.address);
        let renamed = self.add(by, path, hop).and_then(|at| self.candidates.get_mut(at));
        if let Some(renamed) = renamed {
            renamed.state = state;
            self.answered(&by, contacts);
        } else {
            self.stats.failed += u32::from(state != State::Failed);
        }
    }

    /// A contact takes longer than expected: another may be asked in its stead.
    pub fn slow(&mut self, contact: &Contact<A>) {
        if let Some(candidate) = self.candidate_mut(contact)
            && candidate.state == State::Asked
        {
            candidate.state = State::Slow;
        }
    }

    /// A contact takes so much longer that the lookup may end without it.
    pub fn doubtful(&mut self, contact: &Contact<A>) {
        if let Some(candidate) = self.candidate_mut(contact)
            && matches!(candidate.state, State::Asked | State::Slow)
        {
            candidate.state = State::Doubtful;
        }
    }

    /// A contact did not answer, or is not who we were told it is.
    pub fn failed(&mut self, contact: &Contact<A>) {
        if let Some(candidate) = self.candidate_mut(contact)
            && matches!(candidate.state, State::Asked | State::Slow | State::Doubtful)
        {
            candidate.state = State::Failed;
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
        self.answers().take(self.settings.closest).map(|candidate| candidate.contact).collect()
    }

    /// Steps from our own contacts to the closest one that answered: 1 if it was one of ours.
    pub fn hops(&self) -> u32 {
        self.answers().next().map_or(0, |candidate| u32::from(candidate.hop))
    }

    /// All contacts that answered, closest first: more than k.
    pub fn answered_contacts(&self) -> impl Iterator<Item = Contact<A>> {
        self.answers().map(|candidate| candidate.contact)
    }

    fn answers(&self) -> impl Iterator<Item = &Candidate<A>> {
        self.candidates.iter().filter(|candidate| candidate.state == State::Answered)
    }

    fn on_path(&self, path: u8) -> impl Iterator<Item = (usize, &Candidate<A>)> {
        self.candidates.iter().enumerate().filter(move |(_, candidate)| candidate.path == path)
    }

    /// Those that decide whether a path has converged: its k closest that neither failed nor keep
    /// us waiting.
    fn deciding(&self, path: u8) -> impl Iterator<Item = (usize, &Candidate<A>)> {
        self.on_path(path)
            .filter(|(_, candidate)| {
                matches!(candidate.state, State::Fresh | State::Asked | State::Answered)
            })
            .take(self.settings.closest)
    }

    fn next_on(&self, path: u8) -> Option<usize> {
        let asked = |(_, candidate): &(usize, &Candidate<A>)| candidate.state == State::Asked;
        if self.on_path(path).filter(asked).count() >= self.settings.parallelism {
            return None;
        }
        let mut deciding = self.deciding(path);
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

    fn candidate_mut(&mut self, contact: &Contact<A>) -> Option<&mut Candidate<A>> {
        let at = self.place_of(&contact.key);
        let same_key =
            self.candidates.iter_mut().skip(at).take_while(|c| c.contact.key == contact.key);
        same_key.into_iter().find(|candidate| candidate.contact == *contact)
    }

    /// How many candidates are closer to the target than this key.
    fn place_of(&self, key: &Key) -> usize {
        let closer = |c: &Candidate<A>| self.target.nearer(&c.contact.key, key).is_lt();
        self.candidates.partition_point(closer)
    }

    /// Adds a candidate unless it is known or a limit speaks against it; returns where it stands.
    fn add(&mut self, contact: Contact<A>, path: u8, hop: u8) -> Option<usize> {
        let at = self.place_of(&contact.key);
        // Most contacts are named again and again.
        let is_known = self.candidates.get(at).is_some_and(|known| known.contact == contact);
        if is_known || !contact.address.is_usable() || self.is_crowded(&contact) {
            return None;
        }
        if self.candidates.len() >= Self::MAX_CANDIDATES {
            // Make room by forgetting the farthest that was not asked, if that is farther.
            let last = self.candidates.iter().rposition(|c| c.state == State::Fresh)?;
            if last < at {
                return None;
            }
            let forgotten = self.candidates.remove(last);
            self.unmark(forgotten.contact.address);
        }
        let state = State::Fresh;
        self.marks.push(contact.address.subnet_mark());
        self.candidates.insert(at, Candidate { contact, state, path, hop });
        Some(at)
    }

    fn unmark(&mut self, address: A) {
        let mark = address.subnet_mark();
        if let Some(at) = self.marks.iter().position(|other| *other == mark) {
            self.marks.swap_remove(at);
        }
    }

    fn is_crowded(&self, contact: &Contact<A>) -> bool {
        let address = contact.address;
        if !is_among(address.subnet_mark(), &self.marks) {
            return false;
        }
        if address.is_local() {
            return self.candidates.iter().any(|c| c.contact.address == address);
        }
        let (host, subnet) = (address.host(), address.subnet());
        let (mut same_host, mut same_subnet) = (0, 0);
        for candidate in &self.candidates {
            if candidate.contact.address.subnet() == subnet {
                same_subnet += 1;
                same_host += usize::from(candidate.contact.address.host() == host);
            }
        }
        same_host >= self.settings.per_host || same_subnet >= self.settings.per_subnet
    }
}

#[cfg(test)]
mod tests;
