//! Greedy routing in a small world (Kleinberg 2000) with caching along the path, as in Freenet.

use kademlia::{Moment, OperationId};

use super::BaselineNode;
use super::message::{Message, Verb};
use crate::engine::Place;

/// Steps a search may go (Freenet's default is 18).
const TTL: u16 = 50;

pub(super) fn begin(node: &mut BaselineNode, now: Moment, id: OperationId) {
    let Some(operation) = node.operations.get(&id) else { return };
    let verb = if operation.stores { Verb::Store } else { Verb::Seek };
    let (search, place, key) = (node.search(id), node.me, operation.key);
    node.asked(id);
    let others = Vec::new();
    let message = Message { verb, search, key, ttl: TTL, hops: 0, place, others };
    let me = node.me;
    take(node, now, me, message);
}

pub(super) fn take(node: &mut BaselineNode, now: Moment, from: Place, message: Message) {
    match message.verb {
        Verb::Seek | Verb::Store => {
            if !node.passes(message.search, from) {
                return;
            }
            if message.verb == Verb::Store {
                node.held.insert(message.key);
            } else if node.held.contains(&message.key) {
                let place = node.me;
                back(node, now, &Message { verb: Verb::Hit, place, ..message });
                return;
            }
            match nearer(node, message.key).filter(|_| message.ttl > 0) {
                Some(next) => {
                    let (ttl, hops) = (message.ttl - 1, message.hops.saturating_add(1));
                    node.send(next, &Message { ttl, hops, ..message });
                }
                None if message.verb == Verb::Store => {
                    let place = node.me;
                    back(node, now, &Message { verb: Verb::Hit, place, ..message });
                }
                None => back(node, now, &Message { verb: Verb::Ask, ..message }),
            }
        }
        Verb::Hit => {
            node.held.insert(message.key);
            back(node, now, &message);
        }
        Verb::Ask => back(node, now, &message),
    }
}

/// Sends a result one step back, or tells the owner.
fn back(node: &mut BaselineNode, now: Moment, message: &Message) {
    if message.origin() == node.me {
        let found = if message.verb == Verb::Hit { vec![message.place] } else { Vec::new() };
        node.end(now, BaselineNode::operation(message.search), found, message.hops);
        return;
    }
    let previous = node.passed.iter().find(|(search, _)| *search == message.search);
    if let Some((_, previous)) = previous.copied() {
        node.send(previous, message);
    }
}

/// The neighbour nearest to a key, if it is nearer than we are.
fn nearer(node: &BaselineNode, key: u64) -> Option<Place> {
    let links = &node.world.links;
    let distance = |place: &Place| {
        let apart = links.point(*place).wrapping_sub(key);
        apart.min(apart.wrapping_neg())
    };
    let best = links.of(node.me).into_iter().min_by_key(distance)?;
    (distance(&best) < distance(&node.me)).then_some(best)
}
