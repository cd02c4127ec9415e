//! The routing table: who is known, sorted by how much of our own id they share.
//!
//! Bucket `i` holds contacts that share exactly `i` leading bits with us (Maymounkov and Mazières,
//! section 2.4, with one bucket a prefix). The overlay feeds it with answers, queries and failures;
//! it hands out the contacts closest to a target.
//!
//! The rules, and what they defend against:
//! - Only a contact that has answered us enters. Nobody is brought in by hearsay.
//! - A contact that keeps answering keeps its place: nodes that were up long stay up long, and a
//!   flood of new ids displaces nobody (the paper's section 2.2; Jimenez 2011). The one exception
//!   is a young contact that is much slower than the newcomer, for then the bucket fills with near
//!   ones.
//! - One contact a host, few a subnet, except for local addresses. Many ids from one place get few
//!   places.

mod bucket;
mod check;
mod marks;

/// What [`Table::closest`] returns.
pub use arrayvec::ArrayVec;
use std::time::Duration;

use crate::ahead::{fetch, fetch_all};
use crate::contact::{Address, Contact, Rtt, Standing};
use crate::key::{Distance, Key};
use crate::protocol::Moment;
use bucket::Bucket;
use marks::Marks;

/// The shape of a table and its limits.
#[derive(Clone, Copy, Debug)]
pub struct TableSettings {
    /// Contacts a bucket serves from, Kademlia's k. Mainline has 8 (BEP 5).
    pub bucket_size: usize,
    /// Contacts a full bucket keeps in reserve for the day one fails.
    pub spares: usize,
    /// Places for one host in the whole table.
    pub per_host: usize,
    /// Places for one subnet in one bucket.
    pub per_subnet_in_bucket: usize,
    /// Places for one subnet in the whole table.
    pub per_subnet: usize,
    /// Unanswered requests in a row that make a contact bad. BEP 5 says "multiple queries in a
    /// row".
    pub failures_until_bad: u8,
    /// Silence that makes any contact questionable: 15 minutes in BEP 5.
    pub questionable_after: Duration,
    /// The same for our nearest contacts, of which none may be missed for long.
    pub near_after: Duration,
    /// Silence after which the youngest contact is asked for a sign of life: a minute or more.
    pub checked_after: Duration,
    /// Whether a query is as good a sign of life as an answer, because its sender has proven where
    /// he is.
    pub queries_prove: bool,
    /// Age below which a contact may lose its place to a much nearer one.
    pub settled_after: Duration,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self {
            bucket_size: 8,
            spares: 8,
            per_host: 1,
            per_subnet_in_bucket: 2,
            per_subnet: 10,
            failures_until_bad: 2,
            questionable_after: Duration::from_mins(15),
            near_after: Duration::from_mins(15),
            checked_after: Duration::from_mins(1),
            queries_prove: false,
            settled_after: Duration::from_mins(30),
        }
    }
}

/// A contact in the table.
#[derive(Clone, Copy, Debug)]
pub struct Member<A> {
    /// Who and where.
    pub contact: Contact<A>,
    /// What we know of it.
    pub standing: Standing,
}

/// What became of a contact that answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// It was known already.
    Known,
    /// It got a place.
    Added,
    /// Its bucket is full; it waits in reserve.
    Spare,
    /// It has no place here: our own id, a limit, or an id that lives elsewhere.
    Refused,
}

/// How many contacts stand how (BEP 5, routing table).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Census {
    /// Answered, or queried us, lately.
    pub good: usize,
    /// Silent for a while.
    pub questionable: usize,
    /// Left several requests in a row unanswered.
    pub bad: usize,
    /// In reserve.
    pub spare: usize,
}

/// The contacts of one node.
#[derive(Clone, Debug)]
#[repr(C)] // What each turn reads comes first.
pub struct Table<A> {
    me: Key,
    buckets: Vec<Bucket<A>>,
    /// The subnets and the ids of all contacts here, and of some that have gone. A table of a node
    /// that was up for long fills 200 cache lines; to see that somebody is not there, one of its
    /// marks is read.
    marks: Marks,
    settings: TableSettings,
    /// The first bucket of near contacts when checks were looked for last.
    near_from: usize,
}

impl<A: Address> Table<A> {
    /// An empty table around our own id.
    pub fn new(me: Key, settings: TableSettings) -> Self {
        Self { me, settings, buckets: Vec::new(), marks: Marks::default(), near_from: 0 }
    }

    /// Our own id.
    pub fn me(&self) -> Key {
        self.me
    }

    /// Our id has changed: files every contact anew around it.
    pub fn move_to(&mut self, me: Key) {
        let mut moved = Self::new(me, self.settings);
        for member in self.buckets.drain(..).flat_map(|b| b.live.into_iter().chain(b.spare)) {
            moved.place(member);
        }
        *self = moved;
    }

    /// A contact answered a request of ours, `rtt` after we sent it if that is known. `verified`:
    /// its id is proven to be its own.
    pub fn answered(
        &mut self,
        now: Moment,
        contact: Contact<A>,
        rtt: Option<Duration>,
        verified: bool,
    ) -> Placement {
        if let Some(member) = self.member_mut(&contact.key) {
            if member.contact.address == contact.address {
                let was_failing = member.standing.failures > 0;
                member.standing.verified = verified;
                member.standing.answered(now, rtt);
                let index = self.index(&contact.key);
                let Some(bucket) = self.buckets.get_mut(index) else { return Placement::Known };
                if bucket.may_give_way || !verified {
                    bucket.review(&self.settings);
                }
                if was_failing {
                    bucket.check_from = Moment::START;
                }
                return Placement::Known;
            }
            // The id answers from elsewhere: a moved node if the old place is silent, else an
            // impostor at one of the two.
            if member.standing.failures == 0 {
                return Placement::Refused;
            }
            self.remove(&contact.key);
        }
        // The address now answers with another id: whoever was there is gone.
        self.remove_address(contact.address);
        let rtt = Rtt::new(rtt.unwrap_or(Duration::from_secs(1)));
        self.place(Member { contact, standing: Standing::new(now, rtt, verified) })
    }

    /// Brings in a contact that answered in an earlier run of this node.
    pub fn restore(&mut self, contact: Contact<A>) {
        if self.member(&contact.key).is_none() {
            self.remove_address(contact.address);
            self.place(Member { contact, standing: Standing::restored() });
        }
    }

    /// Forgets contacts of an earlier run that have not answered in this one, if so many others
    /// have; whether they have.
    pub fn forget_restored(&mut self, enough: usize) -> bool {
        let answering = self.members().filter(|member| member.standing.failures == 0);
        let has_enough = answering.count() >= enough;
        for bucket in self.buckets.iter_mut().filter(|_| has_enough) {
            bucket.retain(|member| !member.standing.is_restored());
        }
        has_enough
    }

    /// A contact says that it has been up for so long: how often it is asked for a sign of life
    /// goes by that.
    pub fn says_age(&mut self, now: Moment, contact: &Contact<A>, age: Duration) {
        let member = self.member_mut(&contact.key);
        if let Some(member) = member.filter(|member| member.contact.address == contact.address) {
            member.standing.says_age(now, age);
        }
    }

    /// Gives contacts places, or places in reserve, whatever the limits per host and subnet say:
    /// for the simulator, which draws whole tables at once. Buckets keep to their size, and take
    /// no more memory than they need if their contacts come one after the other.
    pub fn seat(&mut self, members: &[Member<A>]) {
        let TableSettings { bucket_size, spares, .. } = self.settings;
        let known = self.buckets.iter().flat_map(Bucket::all);
        let count = known.clone().count() + members.len();
        self.marks = marks_of(known.chain(members), count + Self::AHEAD);
        let mut rest = members;
        let deepest = members.last().map_or(0, |member| self.index(&member.contact.key) + 1);
        self.buckets.reserve_exact(deepest.saturating_sub(self.buckets.len()));
        while let Some(index) = rest.first().map(|member| self.index(&member.contact.key)) {
            let is_here = |member: &&Member<A>| self.index(&member.contact.key) == index;
            let (group, others) = rest.split_at(rest.iter().take_while(is_here).count());
            rest = others;
            if self.buckets.len() <= index && index < Key::BITS as usize {
                self.buckets.resize_with(index + 1, Bucket::default);
            }
            let Some(bucket) = self.buckets.get_mut(index) else { continue };
            let room = bucket_size.saturating_sub(bucket.live.len()).min(group.len());
            let (live, waiting) = group.split_at(room);
            bucket.live.extend_from_slice(live);
            let room = spares.saturating_sub(bucket.spare.len());
            bucket.spare.extend_from_slice(waiting.get(..room).unwrap_or(waiting));
            bucket.check_from = Moment::START;
            bucket.review(&self.settings);
        }
    }

    /// A contact sent us a query. Returns whether it is known.
    pub fn queried(&mut self, now: Moment, contact: &Contact<A>) -> bool {
        // Most who query are strangers: their bucket need not be read to see it.
        if !self.is_marked(contact.address) {
            return false;
        }
        match self.member_mut(&contact.key) {
            Some(member) if member.contact.address == contact.address => {
                member.standing.queried(now);
                true
            }
            _ => false,
        }
    }

    /// A contact left a request unanswered. A bad one gives its place to one in reserve.
    pub fn failed(&mut self, contact: &Contact<A>) {
        let until_bad = self.settings.failures_until_bad;
        let index = self.index(&contact.key);
        let Some(bucket) = self.buckets.get_mut(index) else {
            return;
        };
        bucket.spare.retain(|spare| spare.contact != *contact);
        let Some(at) = bucket.live.iter().position(|member| member.contact == *contact) else {
            return;
        };
        let Some(member) = bucket.live.get_mut(at) else {
            return;
        };
        let was_restored = member.standing.is_restored();
        member.standing.failed();
        (bucket.may_fail, bucket.may_give_way) = (true, true);
        bucket.check_from = Moment::START;
        let failures = member.standing.failures;
        if failures < until_bad {
            return;
        }
        if let Some(spare) = bucket.take_best_spare() {
            if let Some(member) = bucket.live.get_mut(at) {
                *member = spare;
            }
            bucket.review(&self.settings);
        } else if (was_restored || failures >= until_bad.saturating_mul(Self::BAD_KEPT_FACTOR))
            && !self.is_isolated()
        {
            self.remove(&contact.key);
        }
    }

    /// Whether nobody answers, if there is anybody. Then it is likely we who are cut off: no
    /// contact is forgotten for it, and all are worth asking again.
    pub fn is_isolated(&self) -> bool {
        self.members().all(|member| member.standing.failures > 0)
    }

    /// Forgets whoever is at this address.
    pub fn remove_address(&mut self, address: A) {
        if !self.is_marked(address) {
            return;
        }
        for bucket in &mut self.buckets {
            bucket.retain(|member| member.contact.address != address);
        }
    }

    /// A bad contact without a successor stays until it has failed this many times as often as
    /// makes it bad; one of an earlier run that has never answered in this one does not.
    const BAD_KEPT_FACTOR: u8 = 3;

    /// Whether an answer from this contact, unknown so far, could give it a place.
    pub fn wants(&self, contact: &Contact<A>) -> bool {
        if contact.key == self.me || !contact.address.is_usable() {
            return false;
        }
        let index = self.index(&contact.key);
        let has_room = self.buckets.get(index).is_none_or(|bucket| {
            bucket.live.len() < self.settings.bucket_size
                || bucket.spare.len() < self.settings.spares
                || bucket.may_fail && bucket.live.iter().any(|member| self.is_bad(member))
        });
        has_room && self.member(&contact.key).is_none() && self.within_limits(contact, index)
    }

    /// Whether there is a free place for this contact, unknown so far.
    pub(crate) fn has_room(&self, contact: &Contact<A>) -> bool {
        let held = self.buckets.get(self.index(&contact.key)).map_or(0, |bucket| bucket.live.len());
        held < self.settings.bucket_size && self.wants(contact)
    }

    /// The `N` contacts closest to `target` that are not known to be failing, closest first.
    pub fn closest<const N: usize>(&self, target: &Key) -> ArrayVec<Contact<A>, N> {
        self.closest_members::<N>(target).into_iter().map(|(_, member)| member.contact).collect()
    }

    /// The same where they lie, each with the head of its distance.
    ///
    /// Buckets are visited in the order of their distance to the target, so only as many contacts
    /// as are returned get sorted, plus the rest of the last bucket.
    pub fn closest_members<const N: usize>(&self, target: &Key) -> ArrayVec<(u64, &Member<A>), N> {
        let mut found = ArrayVec::<(u64, &Member<A>), N>::new();
        for bucket in self.buckets_by_distance(target) {
            if found.is_full() {
                break;
            }
            // All of this bucket is farther than all of the buckets before it.
            let first = found.len();
            for member in bucket.live.iter().filter(|member| member.standing.failures == 0) {
                insert_sorted(&mut found, first, target, member);
            }
        }
        found
    }

    /// The `count` contacts closest to `target` that are not bad (or are, if nobody answers),
    /// closest first: where a lookup of our own begins.
    pub fn seeds(&self, target: &Key, count: usize) -> Vec<Contact<A>> {
        let is_isolated = self.is_isolated();
        let mut seeds: Vec<(Distance, Contact<A>)> = Vec::with_capacity(count);
        for bucket in self.buckets_by_distance(target) {
            // All of this bucket is farther than all of the buckets before it.
            let first = seeds.len();
            if first >= count {
                break;
            }
            let members = bucket.live.iter().filter(|m| is_isolated || !self.is_bad(m));
            seeds.extend(members.map(|m| (target.distance(&m.contact.key), m.contact)));
            seeds.get_mut(first..).unwrap_or_default().sort_unstable();
        }
        seeds.truncate(count);
        seeds.into_iter().map(|(_, contact)| contact).collect()
    }

    /// The member with this id, if it is in the table or in reserve.
    pub fn member(&self, key: &Key) -> Option<&Member<A>> {
        if !self.marks.may_contain(mark_of(key)) {
            return None;
        }
        let bucket = self.buckets.get(self.index(key))?;
        bucket.all().find(|member| member.contact.key == *key)
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let places = |bucket: &Bucket<A>| bucket.live.capacity() + bucket.spare.capacity();
        self.buckets.capacity() * size_of::<Bucket<A>>()
            + self.buckets.iter().map(places).sum::<usize>() * size_of::<Member<A>>()
            + self.marks.heap_bytes()
    }

    /// Asks for the words that tell whether a contact is here, and for the bucket where it would
    /// be: see [`ahead`](crate::ahead).
    pub fn prefetch_place(&self, contact: &Contact<A>) {
        self.marks.prefetch(contact.address.subnet());
        self.marks.prefetch(mark_of(&contact.key));
        self.prefetch_bucket(&contact.key);
    }

    /// Asks for a bucket, but not for who is in it.
    pub fn prefetch_bucket(&self, key: &Key) {
        if let Some(bucket) = self.buckets.get(self.index(key)) {
            fetch(bucket);
        }
    }

    /// Asks for what an answer of this contact needs.
    pub fn prefetch_for_answer(&self, contact: &Contact<A>) {
        let Some(bucket) = self.buckets.get(self.index(&contact.key)) else { return };
        if bucket.may_give_way || self.marks.may_contain(mark_of(&contact.key)) {
            fetch_all(&bucket.live);
        }
        fetch_all(&bucket.spare);
    }

    /// Asks for the contacts closest to a target.
    pub fn prefetch_closest(&self, target: &Key) {
        let mut found = 0;
        for bucket in self.buckets_by_distance(target) {
            fetch_all(&bucket.live);
            found += bucket.live.len();
            if found >= self.settings.bucket_size {
                return;
            }
        }
    }

    /// All members that hold a place.
    pub fn members(&self) -> impl Iterator<Item = &Member<A>> {
        self.buckets.iter().flat_map(|bucket| &bucket.live)
    }

    /// How many of our nearest contacts have not failed: those of the deepest buckets.
    pub(crate) fn held_near(&self) -> usize {
        let near = self.buckets.iter().skip(self.near_from()).flat_map(|bucket| &bucket.live);
        near.filter(|member| member.standing.failures == 0).count()
    }

    /// How many contacts hold a place in a bucket.
    pub(crate) fn held_in(&self, bucket: u32) -> usize {
        self.buckets.get(bucket as usize).map_or(0, |bucket| bucket.live.len())
    }

    /// How many contacts hold a place.
    pub fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.live.len()).sum()
    }

    /// Whether no contact holds a place.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many contacts stand how.
    pub fn census(&self, now: Moment) -> Census {
        let mut census = Census::default();
        for member in self.members() {
            let silent = now.since(member.standing.last_seen());
            if self.is_bad(member) {
                census.bad += 1;
            } else if silent >= self.settings.questionable_after {
                census.questionable += 1;
            } else {
                census.good += 1;
            }
        }
        census.spare = self.buckets.iter().map(|bucket| bucket.spare.len()).sum();
        census
    }

    /// The buckets, from the one of nothing in common to that of our farthest neighbour, that hold
    /// fewer contacts than they could, and how many each holds. Those still deeper hold neighbours
    /// alone, whom a lookup of our own id finds all; ids made up to be close to ours cause no
    /// further lookups.
    pub fn unfilled_buckets(&self) -> impl Iterator<Item = (u32, usize)> {
        (0u32..).zip(self.buckets.iter().take(self.near_from())).filter_map(|(index, bucket)| {
            let held = bucket.live.len();
            (held < self.settings.bucket_size).then_some((index, held))
        })
    }

    /// Asks for what almost every turn reads.
    pub fn prefetch(&self) {
        fetch(&self.me);
        fetch(&self.marks);
        fetch(&self.settings);
    }

    /// Checks what must always hold; for tests and the simulator's checkers.
    pub fn check_invariants(&self) -> Result<(), &'static str> {
        let mut hosts: Vec<_> = Vec::new();
        for (index, bucket) in self.buckets.iter().enumerate() {
            let all = || bucket.live.iter().chain(&bucket.spare);
            if bucket.live.len() > self.settings.bucket_size {
                return Err("a bucket holds more than its size");
            }
            if bucket.spare.len() > self.settings.spares {
                return Err("a bucket holds more spares than allowed");
            }
            if all().any(|member| self.index(&member.contact.key) != index) {
                return Err("a contact is in the wrong bucket");
            }
            let fails = |member: &Member<A>| member.standing.failures > 0;
            if !bucket.may_fail && bucket.live.iter().any(fails) {
                return Err("a failing contact goes unnoticed");
            }
            let gives_way = |member: &Member<A>| member.may_give_way(&self.settings);
            if !bucket.may_give_way && bucket.live.iter().any(gives_way) {
                return Err("a contact that may give way goes unnoticed");
            }
            let is_marked = |member: &Member<A>| {
                self.is_marked(member.contact.address)
                    && self.marks.may_contain(mark_of(&member.contact.key))
            };
            if !all().all(is_marked) {
                return Err("a contact is not marked");
            }
            hosts.extend(bucket.live.iter().map(|member| member.contact.address));
        }
        if self.member(&self.me).is_some() {
            return Err("the table holds its owner");
        }
        hosts.sort_unstable();
        if hosts.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err("two contacts have one address");
        }
        let global = |a: &&A| !a.is_local();
        let mut subnets: Vec<u64> = hosts.iter().filter(global).map(Address::subnet).collect();
        subnets.sort_unstable();
        let crowded = subnets
            .windows(self.settings.per_subnet + 1)
            .any(|together| together.first() == together.last());
        if crowded { Err("a subnet holds more than its share") } else { Ok(()) }
    }

    fn is_bad(&self, member: &Member<A>) -> bool {
        member.standing.failures >= self.settings.failures_until_bad
    }

    fn index(&self, key: &Key) -> usize {
        self.me.shared_prefix(key) as usize
    }

    fn member_mut(&mut self, key: &Key) -> Option<&mut Member<A>> {
        if !self.marks.may_contain(mark_of(key)) {
            return None;
        }
        let index = self.index(key);
        let bucket = self.buckets.get_mut(index)?;
        bucket.live.iter_mut().chain(&mut bucket.spare).find(|m| m.contact.key == *key)
    }

    fn remove(&mut self, key: &Key) {
        let index = self.index(key);
        if let Some(bucket) = self.buckets.get_mut(index) {
            bucket.retain(|member| member.contact.key != *key);
        }
    }

    fn place(&mut self, member: Member<A>) -> Placement {
        let index = self.index(&member.contact.key);
        if member.contact.key == self.me
            || !member.contact.address.is_usable()
            || !self.within_limits(&member.contact, index)
        {
            return Placement::Refused;
        }
        if self.buckets.len() <= index {
            self.buckets.resize_with(index + 1, Bucket::default);
        }
        let settings = self.settings;
        let Some(bucket) = self.buckets.get_mut(index) else {
            return Placement::Refused;
        };
        bucket.check_from = Moment::START;
        let placement = bucket.place(member, &settings);
        self.mark(&member.contact);
        placement
    }

    /// Whether somebody here may share the subnet of this address.
    fn is_marked(&self, address: A) -> bool {
        self.marks.may_contain(address.subnet())
    }

    /// Marks a contact that came in; drops the marks of those that have gone when
    /// they are many.
    fn mark(&mut self, contact: &Contact<A>) {
        if self.marks.has_room() {
            add_marks(&mut self.marks, contact);
            return;
        }
        let all = self.buckets.iter().flat_map(Bucket::all);
        let count = all.clone().count();
        self.marks = marks_of(all, count + count / 4 + Self::AHEAD);
    }

    /// Room for marks of contacts to come, besides a quarter of those that are there.
    const AHEAD: usize = 32;

    /// Whether one more contact at this address keeps to the limits per host and subnet. Contacts
    /// in reserve count: else one subnet could own the reserve.
    fn within_limits(&self, contact: &Contact<A>, index: usize) -> bool {
        if contact.address.is_local() {
            return true;
        }
        let (host, subnet) = (contact.address.host(), contact.address.subnet());
        let (mut same_host, mut same_subnet, mut same_bucket) = (0, 0, 0);
        let is_marked = self.is_marked(contact.address);
        for (at, bucket) in self.buckets.iter().enumerate().filter(|_| is_marked) {
            for member in bucket.live.iter().chain(&bucket.spare) {
                if member.contact.address.subnet() == subnet {
                    same_subnet += 1;
                    same_bucket += usize::from(at == index);
                    same_host += usize::from(member.contact.address.host() == host);
                }
            }
        }
        same_host < self.settings.per_host
            && same_subnet < self.settings.per_subnet
            && same_bucket < self.settings.per_subnet_in_bucket
    }

    /// Buckets in ascending order of the distance of their contacts to `target`: those at which the
    /// target's bit differs from ours, from the top; then the others, from the bottom.
    fn buckets_by_distance(&self, target: &Key) -> impl Iterator<Item = &Bucket<A>> {
        let differs = self.me.distance(target);
        let buckets = self.buckets.iter().enumerate();
        let shared = differs.leading_zeros() as usize;
        let near = buckets.clone().skip(shared).filter(move |(index, _)| differs.bit(*index));
        let far = buckets.rev().filter(move |(index, _)| !differs.bit(*index));
        near.chain(far).map(|(_, bucket)| bucket)
    }
}

/// The marks of these contacts, with room for those of so many.
fn marks_of<'a, A: Address + 'a>(
    members: impl Iterator<Item = &'a Member<A>>,
    room: usize,
) -> Marks {
    let mut marks = Marks::with_room(2 * room);
    members.for_each(|member| add_marks(&mut marks, &member.contact));
    marks
}

fn add_marks<A: Address>(marks: &mut Marks, contact: &Contact<A>) {
    marks.add(contact.address.subnet());
    marks.add(mark_of(&contact.key));
}

/// What marks an id: its head, for which subnets are too short.
fn mark_of(key: &Key) -> u64 {
    key.head()
}

/// Inserts by distance after the first `first` entries; what falls off the end is dropped. Entries
/// carry the head of their distance.
fn insert_sorted<'a, A, const N: usize>(
    found: &mut ArrayVec<(u64, &'a Member<A>), N>,
    first: usize,
    target: &Key,
    member: &'a Member<A>,
) {
    let is_closer = |(a_head, a): &(u64, &Member<A>), (b_head, b): &(u64, &Member<A>)| {
        let by_head = a_head.cmp(b_head);
        by_head.then_with(|| target.nearer(&a.contact.key, &b.contact.key)).is_lt()
    };
    // Whoever is farther moves on by one, and the last falls off: few are here, and to move them
    // one by one is quicker than to move all behind a place at once.
    let mut moved = (target.distance_head(&member.contact.key), member);
    for place in found.get_mut(first..).unwrap_or_default() {
        if is_closer(&moved, place) {
            core::mem::swap(place, &mut moved);
        }
    }
    if !found.is_full() {
        found.push(moved);
    }
}

#[cfg(test)]
mod tests;
