//! What answers to our requests bring: first to the tables, then to whatever they were asked for.

use std::time::Duration;

use kademlia::overlay::Purpose;
use kademlia::requests::TransactionId;
use kademlia::{Contact, Moment, OperationId};

use super::operation::{Operation, Work};
use super::walk::Pace;
use super::{Errand, Job, Node};
use crate::command::{Failure, Outcome, Refusal, Step};
use crate::contact::{Endpoint, Peer};
use crate::store::Store;
use crate::wire::{Answer, Ask, RefusalReply};

impl<S: Store> Node<S> {
    /// Takes in an answer.
    pub(super) fn heard(&mut self, now: Moment, from: Peer, answer: &Answer<'_>) {
        let contact = from.contact();
        let (v4, v6, me) = (self.settings.v4, self.settings.v6, self.me());
        let named = answer.contacts.iter().filter(move |named| {
            let family = if named.address.is_v4() { v4 } else { v6 };
            family && named.key != me
        });
        let transaction = TransactionId(answer.transaction);
        let heard = self.overlay.answered(
            now,
            transaction,
            contact.address,
            contact.key,
            true,
            named.clone(),
        );
        let Some(heard) = heard else {
            self.counters.unsolicited += 1;
            return;
        };
        self.counters.heard += 1;
        let tag = match heard.purpose {
            Purpose::Apart(tag) => {
                self.errands.remove(&tag);
                return;
            }
            Purpose::Own(tag) => Some(tag),
            Purpose::Liveness | Purpose::Lookup(_) => None,
        };
        self.answers(now, &contact, heard.rtt, answer.uptime_min);
        answer.magnitude.into_iter().for_each(|told| self.census.hear(told));
        for named in named.clone() {
            self.known.named(now, named);
        }
        let Some(tag) = tag else { return };
        let Some(errand) = self.errands.remove(&tag) else { return };
        if errand.to.key != contact.key && from_known(&errand) {
            // Somebody else is there now.
            self.known.failed(&errand.to);
            self.failed(now, &errand);
            return;
        }
        match errand.job {
            Job::Step(id) => {
                let Some(mut operation) = self.take_operation(id) else { return };
                self.trace(id, &operation, || answered(from, heard.rtt, named.clone(), answer));
                let pace = |contact: &Contact<Endpoint>| self.pace(contact);
                let hop = operation.walk.answered(&contact, named, pace);
                self.took(now, id, operation, &contact, (answer, hop.unwrap_or(1)));
            }
            Job::Aside(id) => {
                let Some(mut operation) = self.take_operation(id) else { return };
                operation.asides = operation.asides.saturating_sub(1);
                operation.report.answered += 1;
                self.trace(id, &operation, || answered(from, heard.rtt, named, answer));
                self.took(now, id, operation, &contact, (answer, 1));
            }
            Job::Ping(id) => {
                let Some(mut operation) = self.take_operation(id) else { return };
                operation.report.answered += 1;
                operation.report.asked += 1;
                let outcome = Outcome::Pong { peer: from, rtt: heard.rtt };
                self.tell(now, id, &operation, outcome);
                self.forget(&operation);
            }
            Job::Repair => self.repair_heard(now, &contact, answer),
            Job::Offer(batch) => self.offer_heard(now, &contact, batch, answer.marks),
            Job::HandOver(slot) => self.handed_over(&slot, answer.stored.is_some()),
            Job::Lost => self.lost_answers(now, &contact, answer.uptime_min.or(Some(0))),
            Job::Probe => self.help_promised(&contact, answer.calls.unwrap_or(0)),
            Job::Push { .. } | Job::Nothing => {}
        }
    }

    /// A contact answers, and perhaps says how long it has been up.
    fn answers(
        &mut self,
        now: Moment,
        contact: &Contact<Endpoint>,
        rtt: Duration,
        uptime_min: Option<u32>,
    ) {
        if self.known.heard(now, *contact, Some(rtt)) {
            self.lost_answers(now, contact, uptime_min);
        }
        if let Some(minutes) = uptime_min {
            let age = Duration::from_mins(minutes.into());
            self.overlay.says_age(now, contact, age);
            self.known.says_age(now, contact, age);
        }
        self.reach.found_somebody(now);
        self.strangers.observe(rtt);
    }

    /// Hands an answer to the operation it belongs to, and goes on with that.
    fn took(
        &mut self,
        now: Moment,
        id: OperationId,
        mut operation: Operation,
        by: &Contact<Endpoint>,
        (answer, hop): (&Answer<'_>, u8),
    ) {
        let is_over = match &mut operation.work {
            Work::Put(_) => {
                Self::put_answered(&mut operation, by, answer, hop);
                false
            }
            Work::Blob(_) => self.blob_answered(now, id, &mut operation, by, (answer, hop)),
            Work::Record(_) => {
                self.record_answered(now, &mut operation, by, (answer, hop));
                false
            }
            Work::List(_) => {
                self.list_answered(now, id, &mut operation, by, (answer, hop));
                false
            }
            Work::Watch(watch) => {
                if answer.lease_s.is_some_and(|lease_s| lease_s > 0) {
                    watch.leases.push(*by);
                    self.lease_told(now, watch, id, answer.values);
                }
                false
            }
            Work::Find => {
                operation.report.hops = operation.report.hops.max(hop.into());
                false
            }
            Work::Ping | Work::Join => false,
        };
        if is_over {
            self.forget(&operation);
        } else {
            self.keep_operation(id, operation);
            self.advance(now, id);
        }
    }

    /// Takes in a refusal.
    pub(super) fn heard_refusal(&mut self, now: Moment, from: Peer, reply: RefusalReply) {
        let contact = from.contact();
        let transaction = TransactionId(reply.transaction);
        let Some(request) = self.overlay.answered_with_error(now, transaction, contact.address)
        else {
            self.counters.unsolicited += 1;
            return;
        };
        self.counters.heard += 1;
        let (Purpose::Own(tag) | Purpose::Apart(tag)) = request.purpose else {
            self.known.heard(now, contact, None);
            return;
        };
        if matches!(request.purpose, Purpose::Own(_)) {
            self.known.heard(now, contact, None);
        }
        let Some(errand) = self.errands.remove(&tag) else { return };
        match errand.job {
            Job::Step(id) => {
                let Some(mut operation) = self.take_operation(id) else { return };
                operation.walk.answered(&contact, [], |_| Pace::new(0, 0));
                self.trace(id, &operation, || Step::Refused(from));
                if let Work::Put(put) = &mut operation.work {
                    put.acknowledgements.refused.push((from, reply.refusal));
                }
                self.keep_operation(id, operation);
                self.advance(now, id);
            }
            Job::Aside(id) => {
                let Some(mut operation) = self.take_operation(id) else { return };
                operation.asides = operation.asides.saturating_sub(1);
                operation.report.answered += 1;
                self.trace(id, &operation, || Step::Refused(from));
                if let Work::Put(put) = &mut operation.work {
                    put.acknowledgements.refused.push((from, reply.refusal));
                }
                self.keep_operation(id, operation);
                self.advance(now, id);
            }
            Job::Ping(id) => {
                let Some(operation) = self.take_operation(id) else { return };
                let failure = Failure::Refused(reply.refusal);
                self.tell(now, id, &operation, Outcome::Failed(failure));
                self.forget(&operation);
            }
            Job::Push { slot, .. } => self.push_refused(&errand, &slot),
            Job::Repair => self.repair_failed(now),
            Job::HandOver(slot) => {
                // Who has a newer version has no need of ours.
                self.handed_over(&slot, matches!(reply.refusal, Refusal::Older(_)));
            }
            Job::Offer(_) | Job::Lost | Job::Probe | Job::Nothing => {}
        }
    }

    /// A request of ours went unanswered. A late answer is still welcome to operations.
    pub(super) fn unanswered(&mut self, now: Moment, tag: u64) {
        let Some(errand) = self.errands.get(&tag).cloned() else { return };
        // What is long may still be on its way: the walk, or the operation's deadline, ends it.
        if errand.is_long && matches!(errand.job, Job::Step(_) | Job::Aside(_)) {
            return;
        }
        if !matches!(errand.job, Job::Step(_)) {
            self.errands.remove(&tag);
        }
        if self.known.failed(&errand.to) {
            // Is it gone? As long as that is open nobody turns to it, and nobody misses it.
            self.ask(now, errand.to, Ask::Ping, Job::Nothing);
        }
        self.failed(now, &errand);
    }

    fn failed(&mut self, now: Moment, errand: &Errand) {
        match &errand.job {
            Job::Step(id) => {
                let Some(mut operation) = self.take_operation(*id) else { return };
                operation.walk.unanswered(&errand.to);
                self.keep_operation(*id, operation);
                self.advance(now, *id);
            }
            Job::Aside(id) => {
                let Some(mut operation) = self.take_operation(*id) else { return };
                operation.asides = operation.asides.saturating_sub(1);
                operation.report.failed += 1;
                self.keep_operation(*id, operation);
                self.advance(now, *id);
            }
            Job::Ping(id) => {
                let Some(operation) = self.take_operation(*id) else { return };
                self.tell(now, *id, &operation, Outcome::Failed(Failure::Unanswered));
                self.forget(&operation);
            }
            Job::Push { slot, tries } => self.push_unanswered(now, errand, *slot, *tries),
            Job::Repair => self.repair_failed(now),
            Job::HandOver(_) | Job::Offer(_) | Job::Lost | Job::Probe | Job::Nothing => {}
        }
    }
}

/// An answer, as the owner of a traced search is told it.
fn answered(
    by: Peer,
    rtt: Duration,
    named: impl Iterator<Item = Contact<Endpoint>>,
    answer: &Answer<'_>,
) -> Step {
    Step::Answered { by, rtt, named: named.map(Peer::from).collect(), holds: answer.holds() }
}

/// Whether we knew whom we asked.
fn from_known(errand: &Errand) -> bool {
    errand.to.key != kademlia::Key::ZERO
}
