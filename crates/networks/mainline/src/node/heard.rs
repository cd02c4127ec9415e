//! What answers bring: to the overlay, and to the operation that asked.

use core::net::SocketAddr;
use std::time::Duration;

use kademlia::overlay::{Heard, LookupId, Purpose};
use kademlia::requests::TransactionId;
use kademlia::{Contact, Moment, OperationId};

use super::Node;
use super::operation::{Found, Phase, Words};
use super::side::Family;
use crate::command::{Command, Event, Failure, Item, Outcome, Progress, Refusal, Sample, Step};
use crate::contact::widened;
use crate::external::id_matches;
use crate::item::{check_value, immutable_target};
use crate::wire::{ErrorReply, Id, Response, code};

impl Node {
    /// A response arrived.
    pub(super) fn heard<A: Family>(&mut self, now: Moment, from: A, response: &Response<'_>) {
        let Some(side) = A::side(&mut self.sides) else { return };
        let transaction = response.transaction.try_into().map(u32::from_be_bytes);
        let key = response.sender.key();
        let verified = id_matches(from.host(), &response.sender);
        let heard = transaction.ok().and_then(|transaction| {
            let transaction = TransactionId(transaction);
            let contacts = A::contacts(response);
            side.overlay.answered(now, transaction, from, key, verified, contacts)
        });
        let Some(heard) = heard else {
            self.core.counters.unsolicited += 1;
            return;
        };
        self.core.counters.responses += 1;
        self.told_own_address(now, from, response.external);
        self.suggest_to_other_side::<A>(now, response);
        match heard.purpose {
            Purpose::Liveness => {}
            Purpose::Lookup(lookup) => {
                if let Some(id) = self.core.walks.get(&(A::V6, lookup)).copied() {
                    self.trace_answer(id, &heard, response);
                    self.collect(now, id, &widened(&heard.contact), response);
                }
            }
            Purpose::Own(tag) | Purpose::Apart(tag) => self.asked(now, tag, &heard, response),
        }
    }

    /// A node that we asked says where it sees us (BEP 42).
    fn told_own_address<A: Family>(&mut self, now: Moment, by: A, seen: Option<SocketAddr>) {
        let (Some(side), Some(seen)) = (A::side(&mut self.sides), seen) else { return };
        let news = side.voted(now, by, seen, &mut self.core.rng);
        if let Some((external, id)) = news {
            self.core.events.push_back(Event::ExternalAddress(external));
            if let Some(id) = id {
                self.id_changed::<A>(id);
            }
        }
    }

    fn id_changed<A: Family>(&mut self, id: Id) {
        self.core.events.push_back(Event::IdChanged { v6: A::V6, id });
        self.core.items.set_home(&self.sides.home());
    }

    /// A bootstrap address refused us: worth another try if our id was the reason and is mended.
    fn refused_introduction<A: Family>(
        &mut self,
        now: Moment,
        by: A,
        lookup: LookupId,
        sent: Moment,
        error: &ErrorReply<'_>,
    ) {
        let (Some(side), Some(seen)) = (A::side(&mut self.sides), error.external) else { return };
        let id = side.id;
        let again = side.may_ask_again(now, sent, seen, &mut self.core.rng);
        if again {
            side.overlay.introduce_again(now, lookup, by, &mut self.core.rng);
        }
        if side.id != id {
            let id = side.id;
            self.id_changed::<A>(id);
        }
    }

    /// Contacts of the other family are welcome where few are known (BEP 32).
    fn suggest_to_other_side<A: Family>(&mut self, now: Moment, response: &Response<'_>) {
        let rng = &mut self.core.rng;
        if A::V6 {
            if let Some(side) = &mut self.sides.v4 {
                response.contacts_v4().for_each(|contact| side.overlay.suggest(now, contact, rng));
            }
        } else if let Some(side) = &mut self.sides.v6 {
            response.contacts_v6().for_each(|contact| side.overlay.suggest(now, contact, rng));
        }
    }

    /// An error arrived.
    pub(super) fn heard_error<A: Family>(&mut self, now: Moment, from: A, error: &ErrorReply<'_>) {
        let Some(side) = A::side(&mut self.sides) else { return };
        let transaction = error.transaction.try_into().map(u32::from_be_bytes);
        let heard = transaction.ok().and_then(|transaction| {
            let transaction = TransactionId(transaction);
            side.overlay.answered_with_error(now, transaction, from)
        });
        let Some(request) = heard else {
            self.core.counters.unsolicited += 1;
            return;
        };
        self.core.counters.responses += 1;
        // Who refuses us for an id that does not fit our address says which address that is.
        self.told_own_address(now, from, error.external);
        self.trace_refusal::<A>(request.purpose, from);
        let tag = match request.purpose {
            Purpose::Own(tag) | Purpose::Apart(tag) => tag,
            Purpose::Lookup(lookup) if request.key.is_none() => {
                self.refused_introduction(now, from, lookup, request.sent, error);
                return;
            }
            Purpose::Lookup(_) | Purpose::Liveness => return,
        };
        let Some(id) = self.core.requests.remove(&tag) else { return };
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        operation.report.answered += 1;
        let message = String::from_utf8_lossy(error.message).into_owned();
        let refusal = Refusal { from: from.into(), code: error.code, message };
        if operation.stores() {
            let found = &mut operation.found;
            let holder = found.holders.iter().find(|holder| holder.address == refusal.from);
            match holder {
                // Some refuse to renew what they hold already.
                Some(holder) if error.code == code::SEQUENCE_TOO_LOW => {
                    found.acknowledgements.stored.push(*holder);
                }
                _ => found.acknowledgements.refused.push(refusal),
            }
            self.asked_one(now, id);
        } else {
            self.finish(now, id, Outcome::Failed(Failure::Refused(refusal)));
        }
    }

    /// Tells the owner of a traced walk who answered it.
    fn trace_answer<A: Family>(
        &mut self,
        id: OperationId,
        heard: &Heard<A>,
        response: &Response<'_>,
    ) {
        if !self.core.operations.get(&id).is_some_and(|operation| operation.is_traced()) {
            return;
        }
        let named = A::contacts(response).map(|contact| widened(&contact)).collect();
        let holds = response.value.is_some() || response.peers().next().is_some();
        let by = widened(&heard.contact);
        self.core.trace(id, Step::Answered { by, rtt: heard.rtt, named, holds });
    }

    /// Tells the owner of a traced walk who refused it.
    fn trace_refusal<A: Family>(&mut self, purpose: Purpose, from: A) {
        let Purpose::Lookup(lookup) = purpose else { return };
        let Some(id) = self.core.walks.get(&(A::V6, lookup)).copied() else { return };
        if self.core.operations.get(&id).is_some_and(|operation| operation.is_traced()) {
            self.core.trace(id, Step::Refused(from.into()));
        }
    }

    /// Takes what one step of a walk brought.
    fn collect(
        &mut self,
        now: Moment,
        id: OperationId,
        by: &Contact<SocketAddr>,
        response: &Response<'_>,
    ) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        if let Some(token) = response.token
            && token.len() <= Found::MAX_TOKEN_BYTES
            && operation.stores()
        {
            operation.found.tokens.insert(by.address, token.into());
        }
        match operation.words() {
            Words::FindNode => {}
            Words::GetPeers { scrape: false } => {
                if matches!(operation.command, Command::GetPeers(_)) {
                    self.collect_peers(id, response);
                }
            }
            Words::GetPeers { scrape: true } => operation.found.merge_filters(response),
            Words::Get => self.collect_item(now, id, by, response),
            Words::Sample => {
                if let Some(sample) = sample(by, response) {
                    self.core.events.push_back(Event::Progress(id, Progress::Sample(sample)));
                }
            }
        }
    }

    fn collect_peers(&mut self, id: OperationId, response: &Response<'_>) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        let known = &mut operation.found.peers;
        let mut news = Vec::new();
        for peer in response.peers() {
            if known.len() < Found::MAX_PEERS && known.insert(peer) {
                news.push(peer);
            }
        }
        if !news.is_empty() {
            self.core.events.push_back(Event::Progress(id, Progress::Peers(news)));
        }
    }

    fn collect_item(
        &mut self,
        now: Moment,
        id: OperationId,
        by: &Contact<SocketAddr>,
        response: &Response<'_>,
    ) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        let Some(value) = response.value else { return };
        if let Command::PutMutable { item, .. } = &operation.command
            && response.seq == Some(item.seq)
            && *value == *item.value
        {
            operation.found.holders.push(*by);
        }
        if let Command::GetImmutable(target) = &operation.command {
            // Its hash proves it: no other answer can be better.
            if immutable_target(value) == *target && check_value(value).is_ok() {
                let item = Item::Immutable(value.into());
                self.finish(now, id, Outcome::Item(Some(item)));
            }
        } else if let Some(item) = operation.newer_item(response) {
            operation.found.newest = Some(item.clone());
            if matches!(operation.command, Command::GetMutable { .. }) {
                let progress = Progress::Item(Item::Mutable(item));
                self.core.events.push_back(Event::Progress(id, progress));
            }
        }
    }

    /// A request of an operation's own was answered.
    fn asked<A: Family>(
        &mut self,
        now: Moment,
        tag: u64,
        heard: &Heard<A>,
        response: &Response<'_>,
    ) {
        // A late answer belongs to a request that has failed and is forgotten.
        let Some(id) = self.core.requests.remove(&tag) else { return };
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        operation.report.answered += 1;
        let contact = widened(&heard.contact);
        if operation.stores() {
            operation.found.acknowledgements.stored.push(contact);
            self.asked_one(now, id);
        } else if matches!(operation.command, Command::SampleNode(_)) {
            let outcome = match sample(&contact, response) {
                Some(sample) => Outcome::Sample(sample),
                None => Outcome::Failed(Failure::Refused(Refusal {
                    from: contact.address,
                    code: code::METHOD_UNKNOWN,
                    message: "answers without samples: it does not know BEP 51".to_owned(),
                })),
            };
            self.finish(now, id, outcome);
        } else {
            let version = response.version.and_then(|version| version.try_into().ok());
            self.finish(now, id, Outcome::Pong { contact, rtt: heard.rtt, version });
        }
    }

    /// One of the requests of an operation has ended.
    pub(super) fn asked_one(&mut self, now: Moment, id: OperationId) {
        let Some(operation) = self.core.operations.get_mut(&id) else { return };
        let Phase::Asking { open } = &mut operation.phase else { return };
        *open = open.saturating_sub(1);
        if *open == 0 {
            self.stored(now, id);
        }
    }
}

/// The sample that a node told; `None`: it does not know BEP 51.
fn sample(by: &Contact<SocketAddr>, response: &Response<'_>) -> Option<Sample> {
    response.samples?;
    let seconds = response.interval.unwrap_or(0).clamp(0, 21_600);
    Some(Sample {
        from: *by,
        info_hashes: response.sampled().collect(),
        total: response.num.and_then(|num| num.try_into().ok()).unwrap_or(0),
        interval: Duration::from_secs(seconds.unsigned_abs()),
    })
}
