//! Flooding, as in Gnutella: everybody asks all neighbours, seven steps far. Who shares something
//! keeps it.

use kademlia::{Moment, OperationId};

use super::BaselineNode;
use super::message::{Message, Verb};
use crate::engine::Place;

/// Steps a search may go (Gnutella 0.4).
const TTL: u16 = 7;

pub(super) fn begin(node: &mut BaselineNode, now: Moment, id: OperationId) {
    let Some(operation) = node.operations.get(&id) else { return };
    let key = operation.key;
    if operation.stores {
        node.held.insert(key);
        node.end(now, id, vec![node.me], 0);
        return;
    }
    let (search, place) = (node.search(id), node.me);
    node.passes(search, place);
    let verb = Verb::Seek;
    for neighbour in node.world.links.of(node.me) {
        node.asked(id);
        let others = Vec::new();
        node.send(neighbour, &Message { verb, search, key, ttl: TTL - 1, hops: 1, place, others });
    }
}

pub(super) fn take(node: &mut BaselineNode, now: Moment, from: Place, message: &Message) {
    match message.verb {
        Verb::Seek => {
            if !node.passes(message.search, from) {
                return;
            }
            if node.held.contains(&message.key) {
                let hit = Message { verb: Verb::Hit, place: node.me, ..message.clone() };
                node.send(message.origin(), &hit);
            }
            if message.ttl == 0 {
                return;
            }
            for neighbour in node.world.links.of(node.me) {
                if neighbour != from {
                    let (ttl, hops) = (message.ttl - 1, message.hops.saturating_add(1));
                    node.send(neighbour, &Message { ttl, hops, ..message.clone() });
                }
            }
        }
        Verb::Hit => {
            let id = BaselineNode::operation(message.search);
            node.end(now, id, vec![message.place], message.hops);
        }
        Verb::Store | Verb::Ask => {}
    }
}
