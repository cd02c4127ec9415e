//! Whose silence is overdue.

use std::time::Duration;

use super::bucket::Bucket;
use super::{Table, TableSettings};
use crate::contact::{Address, Contact, Standing};
use crate::protocol::Moment;

impl<A: Address> Table<A> {
    /// The contact whose silence is overdue the longest, and since when; it should be asked for a
    /// sign of life once that moment has come.
    ///
    /// Sessions are heavy-tailed, so a contact that was up for `a` and has been silent for `s` is
    /// alive with probability about a / (a + s) (Li 2005): young contacts are asked sooner, when
    /// that falls to two thirds, but not before [`checked_after`], and all after
    /// [`questionable_after`], or [`near_after`]. One that sends us queries
    /// is not silent: in a young network, where all ask all, hardly a check is needed.
    ///
    /// `underway` are left out: they are being asked.
    ///
    /// [`checked_after`]: super::TableSettings::checked_after
    /// [`near_after`]: super::TableSettings::near_after
    /// [`questionable_after`]: super::TableSettings::questionable_after
    pub fn next_check(
        &mut self,
        now: Moment,
        underway: &[Contact<A>],
    ) -> Option<(Moment, Contact<A>)> {
        let near = self.near_from();
        if near != self.near_from {
            self.near_from = near;
            self.buckets.iter_mut().for_each(|bucket| bucket.check_from = Moment::START);
        }
        let soonest = (0..).zip(&self.buckets).filter(|(_, bucket)| !bucket.live.is_empty());
        let (soonest, _) = soonest.min_by_key(|(_, bucket)| bucket.check_from)?;
        let mut first = self.first_check_in(soonest, now, underway);
        for index in 0..self.buckets.len() {
            let from = self.buckets.get(index).map(|bucket| bucket.check_from);
            let is_later = from.is_none_or(|from| first.is_some_and(|(due, _)| due < from));
            if index != soonest && !is_later {
                let other = self.first_check_in(index, now, underway);
                first = first.into_iter().chain(other).min();
            }
        }
        first
    }

    /// The same of one bucket, which notes when it must be looked at again.
    fn first_check_in(
        &mut self,
        index: usize,
        now: Moment,
        underway: &[Contact<A>],
    ) -> Option<(Moment, Contact<A>)> {
        let bucket = self.buckets.get(index)?;
        let is_near = index >= self.near_from;
        let mut first: Option<(Moment, Contact<A>)> = None;
        let mut check_from = Moment::from_micros(u64::MAX);
        for member in &bucket.live {
            let check = (self.check_due(&member.standing, is_near), member.contact);
            if first.is_some_and(|first| check >= first) {
                continue;
            }
            // Hardly any is due before all others: who is underway is looked for then alone.
            if underway.iter().all(|c| c.address != member.contact.address) {
                first = Some(check);
            } else {
                // By then it may have answered: times are kept to the second.
                check_from = now + Self::FAILED_PATIENCE.saturating_sub(Duration::from_secs(1));
            }
        }
        if let Some((due, _)) = first {
            check_from = check_from.min(due);
        }
        if let Some(bucket) = self.buckets.get_mut(index) {
            bucket.check_from = check_from;
        }
        first
    }

    /// In whole microseconds, for it is computed for all members again and again.
    pub(super) fn check_due(&self, standing: &Standing, is_near: bool) -> Moment {
        if standing.is_restored() {
            return Moment::START;
        }
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let TableSettings { questionable_after, near_after, checked_after, .. } = self.settings;
        let longest = micros(if is_near { near_after } else { questionable_after });
        let last_answer = standing.last_answer().as_micros();
        // Many who come go at once: these are found out soon.
        let age = micros(standing.age());
        let first = micros(Self::FIRST_PATIENCE);
        let shortest = if age < first { first } else { micros(checked_after) };
        let patience = (age / 2).clamp(shortest.min(longest), longest);
        // One that just failed is asked again soon, ever less often, to be sure.
        let failures = u64::from(standing.failures);
        if failures > 0 {
            let again = micros(Self::FAILED_PATIENCE) * failures * failures;
            let patience = patience.min(micros(near_after));
            return Moment::from_micros(last_answer.saturating_add(patience).saturating_add(again));
        }
        // Its queries are signs of life too (BEP 5), but where anybody can send them in its name,
        // they put the check off, not for ever.
        let last_seen = standing.last_seen().as_micros();
        let due = last_seen.saturating_add(patience);
        if self.settings.queries_prove {
            return Moment::from_micros(due);
        }
        Moment::from_micros(due.min(last_answer.saturating_add(longest)))
    }

    /// The first of the buckets that hold our nearest contacts, together fewer than a full bucket.
    pub(super) fn near_from(&self) -> usize {
        let mut neighbours = 0;
        let is_near = |bucket: &&Bucket<A>| {
            neighbours += bucket.live.len();
            neighbours < self.settings.bucket_size
        };
        self.buckets.len() - self.buckets.iter().rev().take_while(is_near).count()
    }

    const FIRST_PATIENCE: Duration = Duration::from_mins(1);
    const FAILED_PATIENCE: Duration = Duration::from_mins(1);
}
