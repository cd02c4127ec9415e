//! What a run is measured by: an observer that counts, times, and asks the checkers.

use std::collections::BTreeMap;
use std::time::Duration;

use kademlia::{Moment, OperationId, Protocol};

use crate::checker::Checkers;
use crate::engine::{Agenda, Observer, Place};
use crate::ids::Id;
use crate::net::Fate;
use crate::network::{Ending, Network, News};
use crate::scenario::WorkKind;
use crate::stats::Distribution;

/// A wish under way.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What kind.
    pub kind: WorkKind,
    /// The value or topic.
    pub number: u64,
    /// What it walks towards.
    pub target: Id,
    /// When it began.
    pub started: Moment,
    /// Whether something has been found.
    pub found: bool,
}

/// A wish that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Whose.
    pub place: Place,
    /// What it was.
    pub operation: Operation,
    /// How it ended.
    pub ending: Ending,
    /// When.
    pub at: Moment,
    /// Whether it had ended before, and now all of its holders are known.
    pub is_complete: bool,
}

/// What is counted for each kind of wish.
#[derive(Clone, Debug, Default)]
pub struct Kinds {
    /// Begun.
    pub begun: u64,
    /// Ended as hoped.
    pub fulfilled: u64,
    /// Ended otherwise.
    pub failed: u64,
    /// Requests sent for one.
    pub messages: Distribution,
    /// Requests unanswered in one.
    pub unanswered: Distribution,
    /// Steps to the closest node.
    pub hops: Distribution,
    /// Time to the end.
    pub latency: Distribution,
    /// Time to the first result.
    pub first: Distribution,
    /// Nodes that stored it.
    pub stored: Distribution,
    /// Time until all that were to store it had answered, or were not waited for any more.
    pub complete: Distribution,
    /// Time until nine tenths of those that have stored it in the end had acknowledged it.
    pub most: Distribution,
    /// Nodes that had stored it by then.
    pub holders: Distribution,
}

/// Measures a run.
pub struct Recorder<N: Network> {
    operations: BTreeMap<(Place, OperationId), Operation>,
    /// Puts that have ended and go on behind.
    behind: BTreeMap<(Place, OperationId), Operation>,
    /// When acknowledgements came in at places whose last put goes on.
    acknowledged: BTreeMap<Place, Vec<Moment>>,
    /// Ended before their id was known: in the very step that began them.
    early: Vec<(Place, News)>,
    finished: Vec<Finished>,
    kinds: BTreeMap<WorkKind, Kinds>,
    /// Messages received by each place.
    received: Vec<u32>,
    fates: BTreeMap<Fate, u64>,
    messages: u64,
    bytes: u64,
    keeps_disks: bool,
    /// Events to be written to disk.
    disk: Vec<(Place, <N::Node as Protocol>::Event)>,
    checkers: Option<Checkers<N>>,
    explained: Option<Explained>,
}

/// One operation told step by step.
#[derive(Clone, Debug)]
struct Explained {
    /// The first operation begun at this time or later is it.
    from: Moment,
    whose: Option<Place>,
    id: Option<OperationId>,
    target: Id,
    started: Moment,
    lines: Vec<String>,
    over: bool,
}

/// Lines kept of one explanation.
const MAX_LINES: usize = 10_000;

impl<N: Network + 'static> Recorder<N> {
    /// Tells the first operation that begins at `from` or later step by step.
    pub fn explain(&mut self, from: Moment) {
        self.explained = Some(Explained {
            from,
            whose: None,
            id: None,
            target: Id::default(),
            started: from,
            lines: Vec::new(),
            over: false,
        });
    }

    /// The steps told.
    pub fn explanation(&self) -> &[String] {
        self.explained.as_ref().map(|explained| explained.lines.as_slice()).unwrap_or_default()
    }

    /// A message of the operation that is told.
    fn tell(&mut self, births: &N, now: Moment, node: Place, what: &str, other: Place, m: &[u8]) {
        let Some(explained) = &mut self.explained else { return };
        let ours = explained.whose == Some(node);
        if !ours || explained.over || explained.lines.len() >= MAX_LINES {
            return;
        }
        let after = now.since(explained.started).as_secs_f64() * 1000.0;
        let said = births.describe(m, &explained.target);
        explained.lines.push(format!("{after:9.1} ms  {what} {other}: {said}"));
    }

    /// A recorder of a network of so many places.
    pub fn new(places: usize, keeps_disks: bool, checkers: Option<Checkers<N>>) -> Self {
        Self {
            operations: BTreeMap::new(),
            behind: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            early: Vec::new(),
            finished: Vec::new(),
            kinds: BTreeMap::new(),
            received: vec![0; places],
            fates: BTreeMap::new(),
            messages: 0,
            bytes: 0,
            keeps_disks,
            disk: Vec::new(),
            checkers,
            explained: None,
        }
    }

    /// A command is about to be given: what comes before its id is known may be about it.
    pub fn expect(&mut self) {
        self.early.clear();
    }

    /// The command is about an operation that will be watched.
    pub fn expect_operation(&mut self, place: Place, operation: &Operation) {
        self.expect();
        if let Some(explained) = &mut self.explained
            && explained.whose.is_none()
            && operation.started >= explained.from
        {
            explained.whose = Some(place);
            explained.target = operation.target;
            explained.started = operation.started;
            let what = operation.kind.name();
            let target = kademlia::Key::from(operation.target);
            explained.lines.push(format!("node {place} begins: {what} {target:?}"));
        }
    }

    /// Watches an operation from now on.
    pub fn watch(&mut self, place: Place, id: OperationId, operation: Operation) {
        self.kinds.entry(operation.kind).or_default().begun += 1;
        if let Some(explained) = &mut self.explained
            && explained.whose == Some(place)
            && explained.id.is_none()
        {
            explained.id = Some(id);
        }
        let started = operation.started;
        if N::ACKNOWLEDGES && operation.kind == WorkKind::Put {
            self.acknowledged.insert(place, Vec::new());
        }
        self.operations.insert((place, id), operation);
        let early = core::mem::take(&mut self.early);
        for (place, news) in early {
            self.take(started, place, news);
        }
    }

    /// What has ended since this was asked last.
    pub fn finished(&mut self) -> Vec<Finished> {
        core::mem::take(&mut self.finished)
    }

    /// What must be written to disks since this was asked last.
    pub fn disk(&mut self) -> Vec<(Place, <N::Node as Protocol>::Event)> {
        core::mem::take(&mut self.disk)
    }

    /// Operations that have not ended.
    pub const fn operations(&self) -> &BTreeMap<(Place, OperationId), Operation> {
        &self.operations
    }

    /// Forgets the operations of a node that has left.
    pub fn forget(&mut self, place: Place) {
        let mine = (place, OperationId(0))..=(place, OperationId(u64::MAX));
        for under_way in [&mut self.operations, &mut self.behind] {
            let ids: Vec<_> = under_way.range(mine.clone()).map(|(id, _)| *id).collect();
            for id in ids {
                under_way.remove(&id);
            }
        }
    }

    /// What was counted, by kind.
    pub const fn kinds(&self) -> &BTreeMap<WorkKind, Kinds> {
        &self.kinds
    }

    /// Messages received by each place.
    pub fn received(&self) -> &[u32] {
        &self.received
    }

    /// Messages and bytes sent.
    pub const fn traffic(&self) -> (u64, u64) {
        (self.messages, self.bytes)
    }

    /// Messages that did not arrive, by why.
    pub const fn fates(&self) -> &BTreeMap<Fate, u64> {
        &self.fates
    }

    /// The checkers.
    pub const fn checkers(&mut self) -> Option<&mut Checkers<N>> {
        self.checkers.as_mut()
    }

    fn take(&mut self, now: Moment, place: Place, news: News) {
        let id = match &news {
            News::Complete(id, holders) => {
                self.complete(now, (place, *id), holders);
                return;
            }
            News::Found(id) | News::Stored(id, _) | News::Done(id, _) => (place, *id),
        };
        let Some(operation) = self.operations.get_mut(&id) else { return };
        let kinds = self.kinds.entry(operation.kind).or_default();
        match news {
            News::Found(_) => {
                if !operation.found {
                    operation.found = true;
                    kinds.first.add_span(now.since(operation.started));
                }
            }
            News::Stored(_, holders) => {
                let first = !operation.found;
                operation.found = true;
                if first {
                    kinds.count_stored(holders.len());
                    kinds.latency.add_span(now.since(operation.started));
                }
                let ending =
                    Ending { fulfilled: !holders.is_empty(), nodes: holders, ..Ending::default() };
                let operation = operation.clone();
                let is_complete = false;
                self.finished.push(Finished { place, operation, ending, at: now, is_complete });
            }
            News::Complete(..) => {}
            News::Done(_, ending) => {
                if let Some(explained) = &mut self.explained
                    && explained.whose == Some(place)
                    && explained.id == Some(id.1)
                {
                    explained.over = true;
                    explained.lines.push(format!("ends: {ending:?}"));
                }
                let Some(mut operation) = self.operations.remove(&id) else { return };
                // What stays under way was counted when it was stored for the first time.
                let is_counted = matches!(operation.kind, WorkKind::Announce | WorkKind::Keep)
                    && operation.found;
                if ending.fulfilled && !operation.found && operation.kind != WorkKind::Find {
                    operation.found = true;
                    if matches!(operation.kind, WorkKind::Get | WorkKind::Seek) {
                        kinds.first.add_span(now.since(operation.started));
                    }
                }
                if !is_counted {
                    kinds.count(&operation, &ending);
                }
                if operation.kind == WorkKind::Put && ending.fulfilled {
                    self.behind.insert(id, operation.clone());
                }
                let is_complete = false;
                self.finished.push(Finished { place, operation, ending, at: now, is_complete });
            }
        }
    }

    /// A put that has ended has reached all of its holders.
    fn complete(&mut self, now: Moment, id: (Place, OperationId), holders: &[Place]) {
        let Some(operation) = self.behind.remove(&id) else { return };
        let kinds = self.kinds.entry(operation.kind).or_default();
        kinds.complete.add_span(now.since(operation.started));
        let acknowledged = self.acknowledged.remove(&id.0).unwrap_or_default();
        if let Some(most) = acknowledged.get((9 * holders.len()).div_ceil(10).saturating_sub(1)) {
            kinds.most.add_span(most.since(operation.started));
        }
        kinds.holders.add(holders.len() as u64);
        let ending = Ending { fulfilled: true, nodes: holders.to_vec(), ..Ending::default() };
        self.finished.push(Finished { place: id.0, operation, ending, at: now, is_complete: true });
    }
}

impl Kinds {
    fn count(&mut self, operation: &Operation, ending: &Ending) {
        let fulfilled = ending.fulfilled || operation.found;
        if fulfilled {
            self.fulfilled += 1;
        } else {
            self.failed += 1;
        }
        self.messages.add(ending.asked.into());
        self.unanswered.add(ending.failed.into());
        if ending.hops > 0 {
            self.hops.add(ending.hops.into());
        }
        self.latency.add_span(ending.elapsed);
        if operation.kind == WorkKind::Put {
            self.stored.add(ending.nodes.len() as u64);
        }
    }

    fn count_stored(&mut self, holders: usize) {
        self.stored.add(holders as u64);
        if holders > 0 {
            self.fulfilled += 1;
        } else {
            self.failed += 1;
        }
    }
}

impl<N: Network + 'static> Observer<N::Node, N> for Recorder<N> {
    fn sent(&mut self, births: &N, now: Moment, from: Place, to: Option<Place>, message: &[u8]) {
        self.tell(births, now, from, "to", to.unwrap_or(u32::MAX), message);
        self.messages += 1;
        self.bytes += message.len() as u64;
        if let Some(checkers) = &mut self.checkers {
            checkers.sent(now, from, to, message);
        }
    }

    fn lost(&mut self, _now: Moment, _from: Place, _to: Place, fate: Fate) {
        *self.fates.entry(fate).or_default() += 1;
    }

    fn arrived(&mut self, births: &N, now: Moment, from: Place, to: Place, message: &[u8]) {
        self.tell(births, now, to, "from", from, message);
        if N::ACKNOWLEDGES
            && let Some(acknowledged) = self.acknowledged.get_mut(&to)
            && N::is_stored(message)
        {
            acknowledged.push(now);
        }
        let at = to as usize;
        if self.received.len() <= at {
            self.received.resize(at + 1, 0);
        }
        if let Some(count) = self.received.get_mut(at) {
            *count = count.saturating_add(1);
        }
        if let Some(checkers) = &mut self.checkers {
            checkers.arrived(now, from, to, message);
        }
    }

    fn stepped(&mut self, births: &N, now: Moment, place: Place, node: &N::Node) {
        if let Some(checkers) = &mut self.checkers {
            checkers.stepped(births, now, place, node);
        }
    }

    fn event(
        &mut self,
        births: &N,
        now: Moment,
        place: Place,
        event: <N::Node as Protocol>::Event,
        _agenda: &mut Agenda,
    ) {
        if let Some(news) = births.news(&event) {
            let id = match &news {
                News::Found(id)
                | News::Stored(id, _)
                | News::Complete(id, _)
                | News::Done(id, _) => (place, *id),
            };
            if self.operations.contains_key(&id) || self.behind.contains_key(&id) {
                self.take(now, place, news);
            } else if self.early.len() < MAX_EARLY {
                self.early.push((place, news));
            }
        } else if self.keeps_disks {
            self.disk.push((place, event));
        }
    }
}

/// News of operations that nobody watches: of joins, mostly.
const MAX_EARLY: usize = 64;

/// How long an operation may take beyond its deadline until it counts as one that never ends.
pub const PATIENCE: Duration = Duration::from_mins(2);
