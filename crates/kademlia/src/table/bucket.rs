//! One bucket: who holds a place, who waits for one, and who gives way to whom.

use core::cmp::Reverse;

use super::{Member, Placement, TableSettings};
use crate::contact::Address;
use crate::protocol::Moment;

/// The contacts that share a prefix with us, and no more.
#[derive(Clone, Debug)]
pub(super) struct Bucket<A> {
    pub(super) live: Vec<Member<A>>,
    pub(super) spare: Vec<Member<A>>,
    /// Whether one that holds a place may have failed when it was asked last: nobody is looked at
    /// to find out that all are well.
    pub(super) may_fail: bool,
    /// Whether one that holds a place may give way to a newcomer: see [`Bucket::loser_against`].
    pub(super) may_give_way: bool,
    /// Nobody who holds a place needs a check before this, except who is being asked already: see
    /// [`Table::next_check`](super::Table::next_check).
    pub(super) check_from: Moment,
}

impl<A> Default for Bucket<A> {
    fn default() -> Self {
        Self {
            live: Vec::new(),
            spare: Vec::new(),
            may_fail: false,
            may_give_way: false,
            check_from: Moment::START,
        }
    }
}

impl<A> Bucket<A> {
    /// Who holds a place and who waits for one.
    pub(super) fn all(&self) -> impl Iterator<Item = &Member<A>> + Clone {
        self.live.iter().chain(&self.spare)
    }

    /// Finds out whether somebody who holds a place has failed, or may give way.
    pub(super) fn review(&mut self, settings: &TableSettings) {
        self.may_fail = self.live.iter().any(|member| member.standing.failures > 0);
        self.may_give_way = self.live.iter().any(|member| member.may_give_way(settings));
    }
}

impl<A: Address> Bucket<A> {
    pub(super) fn retain(&mut self, keep: impl Fn(&Member<A>) -> bool) {
        self.live.retain(&keep);
        self.spare.retain(&keep);
    }

    pub(super) fn place(&mut self, member: Member<A>, settings: &TableSettings) -> Placement {
        if self.live.len() < settings.bucket_size {
            self.may_fail |= member.standing.failures > 0;
            self.may_give_way |= member.may_give_way(settings);
            self.live.push(member);
            return Placement::Added;
        }
        if let Some(loser) = self.loser_against(&member, settings) {
            let loser = core::mem::replace(loser, member);
            self.review(settings);
            if loser.standing.failures == 0 {
                self.reserve(loser, settings);
            }
            return Placement::Added;
        }
        self.reserve(member, settings);
        Placement::Spare
    }

    /// The member of a full bucket that gives way to `newcomer`: a bad one, else one whose id is
    /// not verified if the newcomer's is, else a young one that takes more than twice as long to
    /// answer; of these the slowest.
    fn loser_against(
        &mut self,
        newcomer: &Member<A>,
        settings: &TableSettings,
    ) -> Option<&mut Member<A>> {
        if !self.may_give_way {
            return None;
        }
        let gives_way = |member: &Member<A>| {
            let standing = &member.standing;
            let age = standing.last_answer().since(standing.first_answer());
            standing.failures >= settings.failures_until_bad
                || newcomer.standing.verified && !standing.verified
                || age < settings.settled_after
                    && newcomer.standing.rtt.smoothed() * 2 < standing.rtt.smoothed()
        };
        self.live.iter_mut().filter(|member| gives_way(member)).max_by_key(
            |Member { standing, .. }| {
                (standing.failures, !standing.verified, standing.rtt.smoothed())
            },
        )
    }

    /// Keeps a contact in reserve; of too many the slowest is forgotten.
    fn reserve(&mut self, member: Member<A>, settings: &TableSettings) {
        if self.spare.len() < settings.spares {
            self.spare.push(member);
            return;
        }
        let slowest = self.spare.iter_mut().max_by_key(|spare| spare.standing.rtt.smoothed());
        let is_faster =
            |spare: &&mut Member<A>| member.standing.rtt.smoothed() < spare.standing.rtt.smoothed();
        if let Some(slowest) = slowest.filter(is_faster) {
            *slowest = member;
        }
    }

    /// The one in reserve that was heard of last, to the minute, and of these the fastest; verified
    /// ones first.
    pub(super) fn take_best_spare(&mut self) -> Option<Member<A>> {
        let minute = |m: &Member<A>| m.standing.last_seen().as_micros() / 60_000_000;
        let best = (0..).zip(&self.spare).max_by_key(|(_, m)| {
            (m.standing.verified, minute(m), Reverse(m.standing.rtt.smoothed()))
        });
        best.map(|(at, _)| at).map(|at| self.spare.swap_remove(at))
    }
}

impl<A> Member<A> {
    /// Whether there could be a newcomer that it gives way to: see [`Bucket::loser_against`].
    pub(super) fn may_give_way(&self, settings: &TableSettings) -> bool {
        let age = self.standing.last_answer().since(self.standing.first_answer());
        self.standing.failures > 0 || !self.standing.verified || age < settings.settled_after
    }
}
