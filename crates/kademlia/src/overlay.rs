//! Table, requests, lookups and refresh as one machine that a network embeds.
//!
//! The division of labour: the overlay decides whom to ask about what and when, and draws its
//! conclusions; the network puts the question on the wire in its own format. After every call of a
//! `handle_*` or command method the network drains [`Overlay::poll_ask`] and
//! [`Overlay::poll_event`].
//!
//! The life of one lookup: [`Overlay::start_lookup`] seeds it from the table. [`Overlay::poll_ask`]
//! names a contact and a transaction id; the network sends a find. Its answer comes back through
//! [`Overlay::answered`], which tells the network what the answer was for, so that it can take out
//! peers, values or tokens; silence comes back through [`Overlay::handle_timeout`]. At the end
//! there is an [`OverlayEvent::LookupDone`] with the lookup itself.

mod upkeep;

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::collections::VecDeque;
use std::time::Duration;

use crate::ahead::fetch;
use crate::contact::{Address, Contact};
use crate::flat::FlatMap;
use crate::key::Key;
use crate::lookup::{Lookup, LookupSettings};
use crate::protocol::Moment;
use crate::requests::{Overdue, Request, Requests, TransactionId};
use crate::size::SizeEstimate;
use crate::table::{Member, Placement, Table, TableSettings};

use upkeep::{CHECK_SOONEST, MAX_NEWCOMER_CHECKS, REJOIN_MIN, Upkeep, YOUNG_ROUNDS};

/// How an overlay behaves.
#[derive(Clone, Copy, Debug)]
pub struct OverlaySettings {
    /// Length of the network's ids.
    pub bits: u32,
    /// The routing table.
    pub table: TableSettings,
    /// Its lookups.
    pub lookup: LookupSettings,
    /// Those of random ids, to fill buckets: any contacts there will do.
    pub filling: LookupSettings,
    /// Whether contacts that the upkeep's lookups hear of, and do not ask, are asked for a sign of
    /// life while the table has room for them: that takes a tenth of the bytes of asking them for
    /// further contacts. Lookups can be short then, and those of our own id, after the first, find
    /// half as many.
    pub asks_hearsay: bool,
    /// How often the neighbourhood of our own id, and buckets with free places, are looked up.
    pub refresh_every: Duration,
    /// How often they are if that finds hardly anybody new. BEP 5 knows no such pause: "Buckets
    /// that have not been changed in 15 minutes should be 'refreshed'".
    pub refresh_at_most: Duration,
}

impl Default for OverlaySettings {
    fn default() -> Self {
        Self {
            bits: Key::BITS,
            table: TableSettings::default(),
            lookup: LookupSettings::default(),
            filling: LookupSettings::default(),
            asks_hearsay: false,
            refresh_every: Duration::from_mins(15),
            refresh_at_most: Duration::from_mins(15),
        }
    }
}

/// Names a lookup.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LookupId(u64);

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Is the contact alive?
    Liveness,
    /// A step of a lookup.
    Lookup(LookupId),
    /// The network's own, with its tag.
    Own(u64),
    /// The same, to somebody who is no node and shall not become a contact by answering.
    Apart(u64),
}

/// A request that the network must send now.
#[derive(Clone, Copy, Debug)]
pub struct Ask<A> {
    /// What names the request on the wire.
    pub transaction: TransactionId,
    /// To whom.
    pub to: A,
    /// The id we believe it has; `None` for a bare address.
    pub key: Option<Key>,
    /// What to ask.
    pub question: Question,
}

/// What to ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// Are you there?
    Ping,
    /// Whom do you know near `target`? In the words of the lookup's purpose, which the network
    /// knows.
    Find {
        /// The lookup.
        lookup: LookupId,
        /// What it looks for.
        target: Key,
    },
}

/// What an answer was for.
#[derive(Clone, Copy, Debug)]
pub struct Heard<A> {
    /// What the request was for.
    pub purpose: Purpose,
    /// Who answered.
    pub contact: Contact<A>,
    /// How long it took.
    pub rtt: Duration,
    /// Whether its failure was told before.
    pub late: bool,
}

/// What the network must know.
#[derive(Clone, Debug)]
pub enum OverlayEvent<A> {
    /// A lookup has ended.
    LookupDone(LookupId, Lookup<A>),
    /// A request of the network's own, with this tag, went unanswered.
    Unanswered(u64),
}

/// The contacts, requests and lookups of one node in one address family.
#[derive(Debug)]
#[repr(C)] // What each turn reads comes first: among many nodes a turn waits for each cache line.
pub struct Overlay<A> {
    table: Table<A>,
    requests: Requests<A, Purpose>,
    lookups: FlatMap<LookupId, Lookup<A>>,
    /// Lookups that may have somebody to ask, or be done.
    stirred: FlatMap<LookupId, ()>,
    asks: VecDeque<Ask<A>>,
    events: VecDeque<OverlayEvent<A>>,
    /// Where others see us: contacts there are ourselves under an earlier id.
    own_address: Option<A>,
    sent: u64,
    upkeep: Upkeep<A>,
    settings: OverlaySettings,
    next_lookup: u64,
    bootstrap: Vec<A>,
    size: SizeEstimate,
}

impl<A: Address> Overlay<A> {
    /// Lookups that may run at once.
    pub const MAX_LOOKUPS: usize = 1024;
    /// Requests that may await an answer at once.
    pub const MAX_IN_FLIGHT: usize = Requests::<A, Purpose>::MAX_IN_FLIGHT;
    /// Requests in flight at which lookups wait; the rest is for liveness and the network's own.
    const MAX_IN_FLIGHT_OF_LOOKUPS: usize = Requests::<A, Purpose>::MAX_IN_FLIGHT / 4 * 3;
    /// Bootstrap addresses asked by one lookup.
    const MAX_INTRODUCTIONS: usize = 16;

    /// An overlay around our own id, without contacts.
    pub fn new(me: Key, settings: OverlaySettings) -> Self {
        Self {
            settings,
            table: Table::new(me, settings.table),
            requests: Requests::default(),
            lookups: FlatMap::default(),
            stirred: FlatMap::default(),
            next_lookup: 0,
            bootstrap: Vec::new(),
            own_address: None,
            asks: VecDeque::new(),
            events: VecDeque::new(),
            size: SizeEstimate::default(),
            upkeep: Upkeep::default(),
            sent: 0,
        }
    }

    /// The routing table.
    pub fn table(&self) -> &Table<A> {
        &self.table
    }

    /// Asks for what almost every turn of a node reads: see [`ahead`](crate::ahead).
    pub fn prefetch(&self) {
        self.table.prefetch();
        fetch(&self.requests);
        fetch(&self.lookups);
        fetch(&self.asks);
        fetch(&self.sent);
        fetch(&self.upkeep);
        fetch(&self.upkeep.has_grown);
    }

    /// Asks for what the node has under way.
    pub fn prefetch_work(&self) {
        self.requests.prefetch();
        self.lookups.prefetch();
        self.stirred.prefetch();
    }

    /// Asks for the candidates of the lookup that began first.
    pub fn prefetch_lookup(&self) {
        if let Some((_, lookup)) = self.lookups.first() {
            lookup.prefetch();
        }
    }

    /// Our own id.
    pub fn me(&self) -> Key {
        self.table.me()
    }

    /// The estimated size of the network.
    pub fn size(&self) -> &SizeEstimate {
        &self.size
    }

    /// Requests sent so far.
    pub fn requests_sent(&self) -> u64 {
        self.sent
    }

    /// Lookups under way, those of the upkeep included.
    pub fn lookups(&self) -> usize {
        self.lookups.len()
    }

    /// Requests that await an answer.
    pub fn in_flight(&self) -> usize {
        self.requests.in_flight()
    }

    /// Requests in flight, by what they are for; for the simulator's checkers.
    pub fn pending(&self) -> impl Iterator<Item = &Request<A, Purpose>> {
        self.requests.pending()
    }

    /// Adds addresses of nodes to join through.
    pub fn add_bootstrap(&mut self, addresses: impl IntoIterator<Item = A>) {
        for address in addresses.into_iter().filter(Address::is_usable) {
            if !self.bootstrap.contains(&address) {
                self.bootstrap.push(address);
            }
        }
    }

    /// Whether there is anybody to ask.
    pub fn has_anybody(&self) -> bool {
        !self.bootstrap.is_empty() || !self.table.is_empty()
    }

    /// Brings in contacts of an earlier run.
    pub fn restore(&mut self, contacts: impl IntoIterator<Item = Contact<A>>) {
        for contact in contacts {
            self.table.restore(contact);
        }
        if !self.table.is_empty() {
            // They are asked for a sign of life, and who is new near us, as soon as time begins.
            self.upkeep.check_at = Moment::START;
            self.upkeep.refresh_at = Some(Moment::START);
            self.upkeep.has_restored = true;
        }
    }

    /// Makes this the overlay of a node that has been up for long, with this table; its next round
    /// of refreshing begins at `refresh_at`. For the simulator, whose networks are born in steady
    /// state.
    pub fn settle(&mut self, members: impl AsRef<[Member<A>]>, refresh_at: Moment) {
        self.table.seat(members.as_ref());
        let first_check = self.table.next_check(Moment::START, &[]);
        self.upkeep.check_at = first_check.map_or(refresh_at, |(due, _)| due);
        self.upkeep.refresh_at = Some(refresh_at);
        self.upkeep.young_rounds = YOUNG_ROUNDS;
    }

    /// Looks up our own id, through the bootstrap addresses too, and then keeps the table fresh.
    pub fn join(&mut self, now: Moment, rng: &mut ChaCha8Rng) -> Option<LookupId> {
        let lookup = self.start(now, self.me(), self.settings.lookup, true, rng)?;
        self.upkeep.refreshing = Some(lookup);
        self.upkeep.next_bucket = 0;
        self.upkeep.found = 0;
        self.forget_visits();
        self.upkeep.refresh_at = Some(now + self.refresh_period(rng));
        Some(lookup)
    }

    /// Others see us at this address: whoever is named there is nobody to ask.
    pub fn set_own_address(&mut self, address: A) {
        self.table.remove_address(address);
        self.own_address = Some(address);
    }

    /// Our id has changed: the table is sorted anew, and our new neighbourhood is looked up.
    pub fn change_id(&mut self, now: Moment, me: Key) {
        self.table.move_to(me);
        self.upkeep.young_rounds = 0;
        self.forget_visits();
        if self.upkeep.refresh_at.is_some() {
            self.upkeep.refresh_at = Some(now);
        }
    }

    /// Starts a lookup of `target`. `None`: too many run.
    pub fn start_lookup(
        &mut self,
        now: Moment,
        target: Key,
        rng: &mut ChaCha8Rng,
    ) -> Option<LookupId> {
        self.start_lookup_with(now, target, self.settings.lookup, rng)
    }

    /// Starts a lookup of a shape of its own.
    pub fn start_lookup_with(
        &mut self,
        now: Moment,
        target: Key,
        settings: LookupSettings,
        rng: &mut ChaCha8Rng,
    ) -> Option<LookupId> {
        // A node without contacts goes through its bootstrap addresses: no need to wait for the
        // join.
        let introduce = self.table.len() < settings.closest;
        self.start(now, target, settings, introduce, rng)
    }

    /// Forgets a lookup; answers to its requests still feed the table. One that joins or refreshes
    /// is the upkeep's too, and goes on.
    pub fn cancel_lookup(&mut self, lookup: LookupId) {
        if self.upkeep.refreshing == Some(lookup) {
            return;
        }
        self.lookups.remove(&lookup);
        self.stirred.remove(&lookup);
    }

    /// A lookup under way.
    pub fn lookup(&self, lookup: LookupId) -> Option<&Lookup<A>> {
        self.lookups.get(&lookup)
    }

    /// Registers a request of the network's own, which it sends itself under the returned id.
    /// `None`: too many are under way.
    pub fn request(
        &mut self,
        now: Moment,
        to: A,
        key: Option<Key>,
        tag: u64,
        rng: &mut ChaCha8Rng,
    ) -> Option<TransactionId> {
        self.begin(now, to, key, Purpose::Own(tag), rng)
    }

    /// Registers a request to somebody who asks and is not asked, as [`Self::request`] does to
    /// nodes: his answer does not make him a contact.
    pub fn request_apart(
        &mut self,
        now: Moment,
        to: A,
        tag: u64,
        rng: &mut ChaCha8Rng,
    ) -> Option<TransactionId> {
        self.begin(now, to, None, Purpose::Apart(tag), rng)
    }

    /// How many requests of the network's own could be registered now.
    pub fn room(&self) -> usize {
        Requests::<A, Purpose>::MAX_IN_FLIGHT.saturating_sub(self.requests.in_flight())
    }

    /// An answer arrived from `from`, which calls itself `key` and names `contacts`. `verified`:
    /// the id is proven to be its own. `None`: it answers nothing we asked.
    pub fn answered(
        &mut self,
        now: Moment,
        transaction: TransactionId,
        from: A,
        key: Key,
        verified: bool,
        contacts: impl IntoIterator<Item = Contact<A>>,
    ) -> Option<Heard<A>> {
        let answered = self.requests.answered(now, transaction, from)?;
        let contact = Contact { key, address: from };
        let (purpose, rtt, late) = (answered.request.purpose, answered.rtt, answered.late);
        let heard = Heard { purpose, contact, rtt, late };
        if matches!(purpose, Purpose::Apart(_)) {
            return Some(heard);
        }
        let asked = answered.request.key.map(|key| Contact { key, address: from });
        if let Some(asked) = asked.filter(|asked| *asked != contact) {
            self.table.failed(&asked);
        }
        let placement = self.table.answered(now, contact, Some(rtt), verified);
        if placement == Placement::Added {
            self.upkeep.has_grown = true;
            if let Purpose::Lookup(id) = purpose {
                self.upkeep.found += usize::from(self.upkeep.refreshing == Some(id));
            }
            self.upkeep.check_at = self.upkeep.check_at.min(now + CHECK_SOONEST);
            // A node that others found before it asked anybody keeps its table fresh all the same.
            self.upkeep.refresh_at.get_or_insert(now + REJOIN_MIN);
        }
        self.upkeep.checking.retain(|checking| checking.address != from);
        if let Purpose::Lookup(id) = purpose {
            self.step_answered(id, asked, contact, contacts);
        }
        Some(heard)
    }

    /// A contact that has answered says that it has been up for so long.
    pub fn says_age(&mut self, now: Moment, contact: &Contact<A>, age: Duration) {
        self.table.says_age(now, contact, age);
    }

    /// An error arrived from `from`. Who answers questions of lookups and upkeep so is no help, and
    /// loses its place like one that is silent; the network's own requests it may well refuse.
    pub fn answered_with_error(
        &mut self,
        now: Moment,
        transaction: TransactionId,
        from: A,
    ) -> Option<Request<A, Purpose>> {
        let answered = self.requests.answered(now, transaction, from)?;
        self.upkeep.checking.retain(|checking| checking.address != from);
        let purpose = answered.request.purpose;
        if let (Purpose::Liveness | Purpose::Lookup(_), Some(key), false) =
            (purpose, answered.request.key, answered.late)
        {
            self.table.failed(&Contact { key, address: from });
        }
        if let Purpose::Lookup(id) = purpose {
            self.step_failed(id, answered.request);
        }
        Some(answered.request)
    }

    /// Asks a bare address once more in a lookup that is under way: it refused, and will not now.
    pub fn introduce_again(&mut self, now: Moment, lookup: LookupId, to: A, rng: &mut ChaCha8Rng) {
        if let Some(mut under_way) = self.lookups.remove(&lookup) {
            self.introduce(now, lookup, &mut under_way, to, rng);
            self.lookups.insert(lookup, under_way);
        }
    }

    /// A query arrived: a sign of life of a contact we know; one we do not know, and would like to,
    /// is asked whether it is really there. Call only for nodes that can be asked.
    pub fn queried(&mut self, now: Moment, contact: Contact<A>, rng: &mut ChaCha8Rng) {
        if !self.table.queried(now, &contact) {
            self.suggest(now, contact, rng);
        }
    }

    /// Hearsay of a contact that belongs to this overlay: asked whether it is really there if we
    /// would like to know it.
    pub fn suggest(&mut self, now: Moment, contact: Contact<A>, rng: &mut ChaCha8Rng) {
        // Under a flood of strangers all these checks are under way, and this costs next to
        // nothing.
        let is_busy = self.upkeep.checking.len() >= MAX_NEWCOMER_CHECKS;
        if !is_busy && self.table.wants(&contact) {
            self.check(now, contact, rng);
        }
    }

    /// Does what has fallen due.
    pub fn handle_timeout(&mut self, now: Moment, rng: &mut ChaCha8Rng) {
        while let Some(overdue) = self.requests.poll_overdue(now) {
            match overdue {
                Overdue::Slow(request) if self.requests.expects_silence() => {
                    self.request_overdue(&request, Lookup::doubtful);
                }
                Overdue::Slow(request) => self.request_overdue(&request, Lookup::slow),
                Overdue::Doubtful(request) => self.request_overdue(&request, Lookup::doubtful),
                Overdue::Expired(request) => self.request_expired(request),
            }
        }
        self.run_checks(now, rng);
        self.run_refresh(now, rng);
    }

    /// When [`Overlay::handle_timeout`] wants to be called next.
    pub fn next_timeout(&self) -> Option<Moment> {
        // Asked after each turn: without iterators, which take longer than all the rest.
        let never = Moment::from_micros(u64::MAX);
        let check = if self.upkeep.checking.is_full() { never } else { self.upkeep.check_at };
        let refresh = self.upkeep.refresh_at.filter(|_| self.upkeep.refreshing.is_none());
        let requests = self.requests.next_timeout().unwrap_or(never);
        let first = requests.min(check).min(refresh.unwrap_or(never));
        (first != never).then_some(first)
    }

    /// The next request to send.
    pub fn poll_ask(&mut self, now: Moment, rng: &mut ChaCha8Rng) -> Option<Ask<A>> {
        self.ask_hearsay(now, rng);
        if let Some(ask) = self.asks.pop_front() {
            return Some(ask);
        }
        // With too much under way, lookups wait for answers to make room.
        while self.requests.in_flight() < Self::MAX_IN_FLIGHT_OF_LOOKUPS
            && let Some((&id, ())) = self.stirred.first()
        {
            if let Some(ask) = self.next_step(now, id, rng) {
                return Some(ask);
            }
            self.stirred.remove(&id);
            if self.lookups.get(&id).is_some_and(Lookup::is_finished) {
                self.finish(now, id, rng);
            }
        }
        None
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<OverlayEvent<A>> {
        self.events.pop_front()
    }

    fn start(
        &mut self,
        now: Moment,
        target: Key,
        settings: LookupSettings,
        introduce: bool,
        rng: &mut ChaCha8Rng,
    ) -> Option<LookupId> {
        if self.lookups.len() >= Self::MAX_LOOKUPS {
            return None;
        }
        let id = LookupId(self.next_lookup);
        self.next_lookup += 1;
        let seeds =
            self.table.seeds(&target, settings.closest * usize::from(settings.paths.max(1)));
        let seeds_lacking = seeds.is_empty();
        let mut lookup = Lookup::new(target, settings, seeds);
        if introduce || seeds_lacking {
            let mut introducers = self.introducers(rng);
            introducers.retain(|to| !lookup.knows_address(*to) && Some(*to) != self.own_address);
            for to in introducers {
                self.introduce(now, id, &mut lookup, to, rng);
            }
        }
        self.lookups.insert(id, lookup);
        self.stirred.insert(id, ());
        Some(id)
    }

    fn introduce(
        &mut self,
        now: Moment,
        id: LookupId,
        lookup: &mut Lookup<A>,
        to: A,
        rng: &mut ChaCha8Rng,
    ) {
        if let Some(transaction) = self.begin(now, to, None, Purpose::Lookup(id), rng) {
            lookup.introduction_asked();
            let question = Question::Find { lookup: id, target: lookup.target() };
            self.asks.push_back(Ask { transaction, to, key: None, question });
        }
    }

    /// Some of the bootstrap addresses, others each time.
    fn introducers(&self, rng: &mut ChaCha8Rng) -> Vec<A> {
        let count = self.bootstrap.len();
        let skip =
            if count > Self::MAX_INTRODUCTIONS { rng.next_u32() as usize % count } else { 0 };
        self.bootstrap
            .iter()
            .cycle()
            .skip(skip)
            .take(count.min(Self::MAX_INTRODUCTIONS))
            .copied()
            .collect()
    }

    fn begin(
        &mut self,
        now: Moment,
        to: A,
        key: Option<Key>,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Option<TransactionId> {
        let member = key.and_then(|key| self.table.member(&key));
        let rtt = member.filter(|m| m.contact.address == to).map(|m| m.standing.rtt);
        let request = Request { to, key, sent: now, purpose };
        let transaction = self.requests.begin(request, rtt, rng)?;
        self.sent += 1;
        Some(transaction)
    }

    fn next_step(&mut self, now: Moment, id: LookupId, rng: &mut ChaCha8Rng) -> Option<Ask<A>> {
        loop {
            let lookup = self.lookups.get_mut(&id)?;
            let target = lookup.target();
            let contact = lookup.next_contact()?;
            if Some(contact.address) == self.own_address {
                // Named before we knew that it is ours.
                lookup.failed(&contact);
                continue;
            }
            let (to, key) = (contact.address, Some(contact.key));
            if let Some(transaction) = self.begin(now, to, key, Purpose::Lookup(id), rng) {
                return Some(Ask {
                    transaction,
                    to,
                    key,
                    question: Question::Find { lookup: id, target },
                });
            }
            // Too much is under way: this contact goes unasked, as if it had not answered.
            self.lookups.get_mut(&id)?.failed(&contact);
        }
    }

    fn step_answered(
        &mut self,
        id: LookupId,
        asked: Option<Contact<A>>,
        by: Contact<A>,
        contacts: impl IntoIterator<Item = Contact<A>>,
    ) {
        let (me, own_address) = (self.me(), self.own_address);
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        let contacts = contacts
            .into_iter()
            .filter(|contact| contact.key != me && Some(contact.address) != own_address);
        match asked {
            None => lookup.introduced(by, contacts),
            Some(asked) if asked == by => lookup.answered(&by, contacts),
            // Somebody claims our own id.
            Some(asked) if by.key == me => lookup.failed(&asked),
            Some(asked) => lookup.answered_as(&asked, by, contacts),
        }
        self.stirred.insert(id, ());
    }

    fn step_failed(&mut self, id: LookupId, request: Request<A, Purpose>) {
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        match request.key {
            Some(key) => lookup.failed(&Contact { key, address: request.to }),
            None => lookup.introduction_failed(),
        }
        self.stirred.insert(id, ());
    }

    /// Tells the lookup that waits for an answer how overdue it is.
    fn request_overdue(
        &mut self,
        request: &Request<A, Purpose>,
        tell: fn(&mut Lookup<A>, &Contact<A>),
    ) {
        if let (Purpose::Lookup(id), Some(key)) = (request.purpose, request.key)
            && let Some(lookup) = self.lookups.get_mut(&id)
        {
            tell(lookup, &Contact { key, address: request.to });
            self.stirred.insert(id, ());
        }
    }

    fn request_expired(&mut self, request: Request<A, Purpose>) {
        if let Some(key) = request.key {
            self.table.failed(&Contact { key, address: request.to });
        }
        self.upkeep.checking.retain(|checking| checking.address != request.to);
        match request.purpose {
            Purpose::Liveness => {}
            Purpose::Lookup(id) => self.step_failed(id, request),
            Purpose::Own(tag) | Purpose::Apart(tag) => {
                self.events.push_back(OverlayEvent::Unanswered(tag));
            }
        }
    }

    fn finish(&mut self, now: Moment, id: LookupId, rng: &mut ChaCha8Rng) {
        let Some(lookup) = self.lookups.remove(&id) else { return };
        let closest = lookup.closest();
        self.size.observe(&lookup.target(), closest.iter().map(|contact| &contact.key));
        if self.upkeep.refreshing == Some(id) {
            self.upkeep.refreshing = None;
            self.take_hearsay(&lookup);
            self.looked_up();
            self.refreshed(now, rng);
        }
        self.events.push_back(OverlayEvent::LookupDone(id, lookup));
    }
}

#[cfg(test)]
mod tests;
