//! What keeps the table fresh: signs of life where silence is overdue, and rounds of lookups that
//! refresh our neighbourhood and fill buckets.

use arrayvec::ArrayVec;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::time::Duration;

use super::{Ask, LookupId, Overlay, Purpose, Question};
use crate::contact::{Address, Contact};
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
}

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
        }
    }
}

/// Signs of life awaited at once: enough to check a whole table within a minute.
pub(super) const MAX_CHECKS: usize = 8;
/// Of these, how many may be awaited when a newcomer is asked: whoever names contacts that do not
/// exist must not keep us from checking those we have.
pub(super) const MAX_NEWCOMER_CHECKS: usize = 6;
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
            match self.table.next_check(&self.upkeep.checking) {
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

    /// Begins a round of refreshing when it is due: our own neighbourhood first.
    pub(super) fn run_refresh(&mut self, now: Moment, rng: &mut ChaCha8Rng) {
        let due = self.upkeep.refresh_at.is_some_and(|at| at <= now);
        if due && self.upkeep.refreshing.is_none() {
            let isolated = self.table.is_isolated();
            self.upkeep.refreshing =
                self.start(now, self.me(), self.settings.lookup, isolated, rng);
            self.upkeep.next_bucket = 0;
            self.upkeep.refresh_at = Some(now + self.refresh_period(rng));
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
            return;
        }
        self.upkeep.lean_rounds = 0;
        let from = self.upkeep.next_bucket;
        let Some(bucket) = self.table.unfilled_buckets().find(|bucket| *bucket >= from) else {
            self.round_over(now);
            return;
        };
        self.upkeep.next_bucket = bucket + 1;
        let target = self.me().random_in_bucket(bucket, self.settings.bits, rng);
        self.upkeep.refreshing = self.start(now, target, self.settings.lookup, false, rng);
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
