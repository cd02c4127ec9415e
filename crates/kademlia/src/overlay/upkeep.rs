//! What keeps the table fresh: signs of life where silence is overdue, and rounds of lookups that
//! refresh our neighbourhood and fill buckets.
//!
//! A lookup that finds hardly anybody new for the table is not repeated in each round: the pause
//! doubles, up to [`OverlaySettings::refresh_at_most`], and shrinks again when there is more to
//! find. Most buckets near us can never be filled, for there are not so many nodes; newcomers near
//! us turn to us themselves.
//!
//! [`OverlaySettings::refresh_at_most`]: super::OverlaySettings::refresh_at_most

use arrayvec::ArrayVec;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::time::Duration;

use super::{Ask, LookupId, Overlay, Purpose, Question};
use crate::contact::{Address, Contact};
use crate::lookup::Lookup;
use crate::protocol::Moment;

/// What keeps the table fresh.
#[derive(Debug)]
#[repr(C)] // What each turn reads comes first.
pub(super) struct Upkeep<A> {
    /// When a member's silence is overdue next.
    pub(super) check_at: Moment,
    /// When the next round of refreshing begins; `None` before the node has joined.
    pub(super) refresh_at: Option<Moment>,
    /// The lookup of this round that is under way.
    pub(super) refreshing: Option<LookupId>,
    /// The buckets below this one were seen to in this round.
    pub(super) next_bucket: u32,
    /// Rounds in a row that left us with hardly any contacts.
    pub(super) lean_rounds: u32,
    /// Rounds that followed soon because the table grew.
    pub(super) young_rounds: u32,
    /// Whether a contact has got a place in this round.
    pub(super) has_grown: bool,
    /// Contacts being asked for a sign of life, members and newcomers.
    pub(super) checking: ArrayVec<Contact<A>, { MAX_CHECKS }>,
    /// Whether contacts of an earlier run may be in the table: worth asking until others are found.
    pub(super) has_restored: bool,
    /// Contacts that have got a place by answering the lookup of this round that is under way.
    pub(super) found: usize,
    /// When our neighbourhood is looked up again.
    pub(super) home: Visit,
    /// The same of each bucket that was ever looked up.
    pub(super) visits: Vec<Visit>,
    /// Contacts heard of that the table has room for, to be asked for a sign of life: the last
    /// first.
    pub(super) hearsay: Vec<Contact<A>>,
}

/// When something is looked up again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Visit {
    /// Rounds that pass without.
    skipped: u8,
    /// It is looked up once in 2 to the power of this many rounds.
    pause: u8,
    /// Contacts that were there after the last time.
    held: u8,
}

impl Visit {
    /// Whether it is looked up in this round, of which it is told once. `held`: contacts that are
    /// there now; if a quarter of them have gone, it is.
    fn is_due(&mut self, held: usize) -> bool {
        let is_due = self.skipped == 0 || held * 4 < usize::from(self.held) * 3;
        self.skipped = self.skipped.saturating_sub(1);
        is_due
    }

    /// It was looked up, and brought news or not; `held` contacts are there now.
    fn done(&mut self, is_news: bool, held: usize, longest: u8) {
        self.pause =
            if is_news { self.pause.saturating_sub(1) } else { (self.pause + 1).min(longest) };
        self.skipped = (1 << self.pause) - 1;
        self.held = u8::try_from(held).unwrap_or(u8::MAX);
    }
}

/// A lookup is worth repeating soon if more than one in so many contacts was new.
const NEWS_SHARE: usize = 4;
/// Pauses are powers of two of rounds, up to this one.
const LONGEST_PAUSE: u8 = 7;
/// The same of who is new in the network, or in a new network.
const LONGEST_PAUSE_YOUNG: u8 = 2;

impl<A> Default for Upkeep<A> {
    fn default() -> Self {
        Self {
            checking: ArrayVec::new(),
            check_at: Moment::from_micros(u64::MAX),
            refresh_at: None,
            refreshing: None,
            next_bucket: 0,
            lean_rounds: 0,
            young_rounds: 0,
            has_grown: false,
            has_restored: false,
            found: 0,
            home: Visit::default(),
            visits: Vec::new(),
            hearsay: Vec::new(),
        }
    }
}

/// Signs of life awaited at once: enough to check a whole table within a minute.
pub(super) const MAX_CHECKS: usize = 8;
/// Of these, how many may be awaited when a newcomer is asked: whoever names contacts that do not
/// exist must not keep us from checking those we have.
pub(super) const MAX_NEWCOMER_CHECKS: usize = 6;
/// Contacts heard of that are remembered at most.
const MAX_HEARSAY: usize = 256;
/// How soon a node that found nobody tries again, at first and at most.
pub(super) const REJOIN_MIN: Duration = Duration::from_secs(2);
pub(super) const REJOIN_MAX: Duration = Duration::from_mins(5);
/// Rounds of refreshing that follow each other soon, at most: some two minutes.
pub(super) const YOUNG_ROUNDS: u32 = 6;
/// No contact needs a check sooner than this after it answered (see `Table::next_check`).
pub(super) const CHECK_SOONEST: Duration = Duration::from_mins(1);

impl<A: Address> Overlay<A> {
    /// Asks for signs of life where silence is overdue.
    pub(super) fn run_checks(&mut self, now: Moment, rng: &mut ChaCha8Rng) {
        for _ in 0..MAX_CHECKS {
            if self.upkeep.check_at > now || self.upkeep.checking.is_full() {
                return;
            }
            match self.table.next_check(now, &self.upkeep.checking) {
                Some((due, contact)) if due <= now => {
                    if !self.check(now, contact, rng) {
                        self.upkeep.check_at = now + CHECK_SOONEST;
                    }
                }
                Some((due, _)) => self.upkeep.check_at = due,
                None => self.upkeep.check_at = now + CHECK_SOONEST,
            }
        }
    }

    /// Asks for a sign of life. False: not now.
    pub(super) fn check(&mut self, now: Moment, contact: Contact<A>, rng: &mut ChaCha8Rng) -> bool {
        let checking = &self.upkeep.checking;
        if Some(contact.address) == self.own_address
            || checking.is_full()
            || checking.iter().any(|other| other.address == contact.address)
        {
            return false;
        }
        let (to, key) = (contact.address, Some(contact.key));
        let Some(transaction) = self.begin(now, to, key, Purpose::Liveness, rng) else {
            return false;
        };
        self.upkeep.checking.push(contact);
        self.asks.push_back(Ask { transaction, to, key, question: Question::Ping });
        true
    }

    /// A lookup of ours has heard of contacts that it did not ask. Those far from its target come
    /// first: they lie scattered over their bucket.
    pub(super) fn take_hearsay(&mut self, lookup: &Lookup<A>) {
        if self.settings.asks_hearsay {
            let room = MAX_HEARSAY.saturating_sub(self.upkeep.hearsay.len());
            let wanted = lookup.unasked().filter(|contact| self.table.has_room(contact));
            self.upkeep.hearsay.extend(wanted.take(room));
        }
    }

    /// Asks some of them for a sign of life.
    pub(super) fn ask_hearsay(&mut self, now: Moment, rng: &mut ChaCha8Rng) {
        while self.upkeep.checking.len() < MAX_NEWCOMER_CHECKS
            && let Some(contact) = self.upkeep.hearsay.pop()
        {
            if self.table.has_room(&contact) {
                self.check(now, contact, rng);
            }
            if self.upkeep.hearsay.is_empty() {
                self.upkeep.hearsay = Vec::new();
            }
        }
    }

    /// Begins a round of refreshing when it is due: our own neighbourhood first.
    pub(super) fn run_refresh(&mut self, now: Moment, rng: &mut ChaCha8Rng) {
        let due = self.upkeep.refresh_at.is_some_and(|at| at <= now);
        if due && self.upkeep.refreshing.is_none() {
            let isolated = self.table.is_isolated();
            self.upkeep.next_bucket = 0;
            self.upkeep.refresh_at = Some(now + self.refresh_period(rng));
            if self.upkeep.home.is_due(self.table.held_near()) || isolated {
                self.upkeep.found = 0;
                let mut shape = self.settings.lookup;
                if self.settings.asks_hearsay && self.upkeep.young_rounds > 0 && !isolated {
                    shape.closest = shape.closest.div_ceil(2);
                }
                self.upkeep.refreshing = self.start(now, self.me(), shape, isolated, rng);
            } else {
                self.refreshed(now, rng);
            }
        }
    }

    /// The lookup of this round that was under way has ended.
    pub(super) fn looked_up(&mut self) {
        let every = self.settings.refresh_every.as_secs().max(1);
        let longest = (self.settings.refresh_at_most.as_secs() / every).checked_ilog2();
        let longest = longest.map_or(0, |rounds| u8::try_from(rounds).unwrap_or(LONGEST_PAUSE));
        let mut longest = longest.min(LONGEST_PAUSE);
        if self.upkeep.young_rounds < YOUNG_ROUNDS {
            longest = longest.min(LONGEST_PAUSE_YOUNG);
        }
        let is_news = |of: usize| self.upkeep.found * NEWS_SHARE > of;
        let Some(bucket) = self.upkeep.next_bucket.checked_sub(1) else {
            let is_news = is_news(self.settings.lookup.closest);
            self.upkeep.home.done(is_news, self.table.held_near(), longest);
            return;
        };
        let held = self.table.held_in(bucket);
        let is_news = is_news(held);
        if let Some(visit) = self.upkeep.visits.get_mut(bucket as usize) {
            visit.done(is_news, held, longest);
        }
    }

    /// Goes on with the round: a random id in each bucket that has room, one after the other. A
    /// node that found nobody, or hardly anybody, tries again soon.
    pub(super) fn refreshed(&mut self, now: Moment, rng: &mut ChaCha8Rng) {
        if self.table.len() < self.settings.lookup.closest || self.table.is_isolated() {
            let pause = REJOIN_MIN * 2u32.saturating_pow(self.upkeep.lean_rounds.min(16));
            self.upkeep.lean_rounds += 1;
            self.upkeep.young_rounds = 0;
            self.upkeep.refresh_at = Some(now + pause.min(REJOIN_MAX));
            self.forget_visits();
            return;
        }
        self.upkeep.lean_rounds = 0;
        if self.upkeep.has_restored && self.table.forget_restored(self.settings.lookup.closest) {
            self.upkeep.has_restored = false;
        }
        let Some(bucket) = self.next_bucket() else {
            self.round_over(now);
            return;
        };
        self.upkeep.next_bucket = bucket + 1;
        self.upkeep.found = 0;
        let target = self.me().random_in_bucket(bucket, self.settings.bits, rng);
        self.upkeep.refreshing = self.start(now, target, self.settings.filling, false, rng);
    }

    /// The next bucket to look up in this round.
    fn next_bucket(&mut self) -> Option<u32> {
        let from = self.upkeep.next_bucket;
        let visits = &mut self.upkeep.visits;
        let unfilled = self.table.unfilled_buckets().filter(|(bucket, _)| *bucket >= from);
        for (bucket, held) in unfilled {
            let index = bucket as usize;
            if visits.len() <= index {
                visits.resize(index + 1, Visit::default());
            }
            if visits.get_mut(index).is_some_and(|visit| visit.is_due(held)) {
                return Some(bucket);
            }
        }
        None
    }

    /// All is looked up again in the next round.
    pub(super) fn forget_visits(&mut self) {
        self.upkeep.home = Visit::default();
        self.upkeep.visits.clear();
    }

    /// While the network around a newcomer is still being found, or is young itself, the next round
    /// follows soon.
    pub(super) fn round_over(&mut self, now: Moment) {
        let has_grown = core::mem::take(&mut self.upkeep.has_grown);
        if has_grown && self.upkeep.young_rounds < YOUNG_ROUNDS {
            let pause = REJOIN_MIN * 2u32.saturating_pow(self.upkeep.young_rounds);
            self.upkeep.young_rounds += 1;
            self.upkeep.refresh_at = Some(now + pause);
        }
    }

    /// The period with a jitter of a tenth, so that a network born at once does not refresh at
    /// once.
    pub(super) fn refresh_period(&self, rng: &mut ChaCha8Rng) -> Duration {
        let share = f64::from(rng.next_u32()) / f64::from(u32::MAX);
        self.settings.refresh_every.mul_f64(0.9 + 0.2 * share)
    }
}
