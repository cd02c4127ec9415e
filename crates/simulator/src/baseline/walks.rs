//! Random walks, as in later Gnutella: a few walkers, each going from neighbour to neighbour (Lv
//! and others, 2002).

use kademlia::{Moment, OperationId};

use super::BaselineNode;
use super::message::{Message, Verb};
use crate::engine::Place;

/// Walkers of one search.
const WALKERS: u32 = 32;
/// Steps of one walker: together as many messages as a flood of seven steps sends.
const STEPS: u16 = 256;

pub(super) fn begin(node: &mut BaselineNode, now: Moment, id: OperationId) {
    let Some(operation) = node.operations.get(&id) else { return };
    let key = operation.key;
    if operation.stores {
        node.held.insert(key);
        node.end(now, id, vec![node.me], 0);
        return;
    }
    if let Some(operation) = node.operations.get_mut(&id) {
        // A walk takes its time.
        operation.deadline = now + super::DEADLINE * 4;
        operation.impatient = operation.deadline;
    }
    let (search, place) = (node.search(id), node.me);
    let others = Vec::new();
    let message = Message { verb: Verb::Seek, search, key, ttl: STEPS, hops: 0, place, others };
    for _ in 0..WALKERS {
        node.asked(id);
        go_on(node, message.clone());
    }
}

pub(super) fn take(node: &mut BaselineNode, now: Moment, _from: Place, message: Message) {
    match message.verb {
        Verb::Seek if node.held.contains(&message.key) => {
            let hit = Message { verb: Verb::Hit, place: node.me, ..message.clone() };
            node.send(message.origin(), &hit);
        }
        Verb::Seek => go_on(node, message),
        Verb::Hit => {
            let id = BaselineNode::operation(message.search);
            node.end(now, id, vec![message.place], message.hops);
        }
        Verb::Store | Verb::Ask => {}
    }
}

/// One step to any neighbour.
fn go_on(node: &mut BaselineNode, message: Message) {
    let neighbours = node.world.links.of(node.me);
    if message.ttl == 0 || neighbours.is_empty() {
        return;
    }
    let pick = node.draw.below(neighbours.len() as u64);
    let next = usize::try_from(pick).ok().and_then(|pick| neighbours.get(pick)).copied();
    let (ttl, hops) = (message.ttl - 1, message.hops.saturating_add(1));
    if let Some(next) = next {
        node.send(next, &Message { ttl, hops, ..message });
    }
}
