//! A Chord ring (Stoica and others, 2001): iterative lookups over fingers, one replica at the
//! successor of the key.

use kademlia::{Moment, OperationId};

use super::message::{Message, Verb};
use super::{BaselineNode, PATIENCE};
use crate::engine::Place;

/// Nodes named in an answer, so that a dead one can be gone around.
const NAMED: usize = 4;

pub(super) fn begin(node: &mut BaselineNode, now: Moment, id: OperationId) {
    let Some(operation) = node.operations.get(&id) else { return };
    let ahead = route(node, operation.key);
    if let Some(operation) = node.operations.get_mut(&id) {
        operation.ahead = ahead;
    }
    next(node, now, id);
}

/// Asks the best node not yet tried.
pub(super) fn next(node: &mut BaselineNode, now: Moment, id: OperationId) {
    let search = node.search(id);
    let Some(operation) = node.operations.get_mut(&id) else { return };
    let Some(to) = operation.ahead.iter().find(|place| !operation.tried.contains(place)).copied()
    else {
        node.end(now, id, Vec::new(), 0);
        return;
    };
    operation.tried.insert(to);
    operation.asked += 1;
    operation.impatient = now + PATIENCE;
    let (key, hops) = (operation.key, operation.hops);
    let verb = if operation.stores { Verb::Store } else { Verb::Seek };
    let place = node.me;
    node.deliver(now, to, Message { verb, search, key, ttl: 0, hops, place, others: Vec::new() });
}

pub(super) fn take(node: &mut BaselineNode, now: Moment, from: Place, message: Message) {
    let id = BaselineNode::operation(message.search);
    match message.verb {
        Verb::Seek | Verb::Store => answer(node, now, from, message),
        Verb::Ask => {
            let Some(operation) = node.operations.get_mut(&id) else { return };
            operation.hops = operation.hops.saturating_add(1);
            // What is nearer comes first; what was known stays for when that is dead.
            let mut ahead = message.others;
            ahead.extend_from_slice(&operation.ahead);
            operation.ahead = ahead;
            next(node, now, id);
        }
        Verb::Hit => {
            let hops = node.operations.get(&id).map_or(0, |operation| operation.hops + 1);
            node.end(now, id, vec![message.place], hops);
        }
    }
}

fn answer(node: &mut BaselineNode, now: Moment, from: Place, message: Message) {
    let links = &node.world.links;
    let own = links.point(node.me);
    // Responsible is who comes first at or after the key: no link lies between the key and us.
    let to_us = own.wrapping_sub(message.key);
    let nearer = |place: &Place| links.point(*place).wrapping_sub(message.key) < to_us;
    let is_ours = !links.of(node.me).iter().any(nearer) && to_us < u64::MAX / 2;
    if node.held.contains(&message.key) || message.verb == Verb::Store && is_ours {
        node.held.insert(message.key);
        let place = node.me;
        node.deliver(now, from, Message { verb: Verb::Hit, place, ..message });
        return;
    }
    let others = if is_ours { Vec::new() } else { route(node, message.key) };
    node.deliver(now, from, Message { verb: Verb::Ask, others, ..message });
}

/// The known nodes that bring a search nearest to its key: the successor of the key if it is among
/// ours, else the closest before it.
fn route(node: &BaselineNode, key: u64) -> Vec<Place> {
    let links = &node.world.links;
    let own = links.point(node.me);
    let to_key = key.wrapping_sub(own);
    let successors = links.successors(node.me);
    let ahead = |place: &Place| links.point(*place).wrapping_sub(own);
    let mut route: Vec<Place> =
        successors.iter().filter(|place| ahead(place) >= to_key).copied().collect();
    let mut before: Vec<Place> =
        links.of(node.me).into_iter().filter(|place| ahead(place) < to_key).collect();
    before.sort_unstable_by_key(|place| core::cmp::Reverse(ahead(place)));
    route.extend(before);
    route.truncate(NAMED);
    route
}
