//! A central index, as Napster had: one node knows who holds what.

use kademlia::{Moment, OperationId};

use super::BaselineNode;
use super::message::{Message, Verb};
use crate::engine::Place;

/// The node that knows.
const INDEX: Place = 0;

pub(super) fn begin(node: &mut BaselineNode, now: Moment, id: OperationId) {
    let Some(operation) = node.operations.get(&id) else { return };
    let (key, stores) = (operation.key, operation.stores);
    if stores {
        node.held.insert(key);
    }
    let verb = if stores { Verb::Store } else { Verb::Seek };
    let search = node.search(id);
    let place = node.me;
    node.asked(id);
    node.deliver(
        now,
        INDEX,
        Message { verb, search, key, ttl: 1, hops: 1, place, others: Vec::new() },
    );
}

pub(super) fn take(node: &mut BaselineNode, now: Moment, from: Place, message: Message) {
    let key = message.key;
    match message.verb {
        Verb::Store => {
            node.index.insert(key, from);
            node.deliver(now, from, Message { verb: Verb::Hit, place: from, ..message });
        }
        Verb::Seek if node.held.contains(&key) => {
            let place = node.me;
            node.deliver(now, from, Message { verb: Verb::Hit, place, ..message });
        }
        Verb::Seek => {
            // The index says where to fetch it.
            let others = node.index.get(&key).copied().into_iter().collect();
            node.deliver(now, from, Message { verb: Verb::Ask, others, ..message });
        }
        Verb::Ask => {
            let id = BaselineNode::operation(message.search);
            match message.others.first() {
                Some(holder) => {
                    node.asked(id);
                    let verb = Verb::Seek;
                    node.deliver(
                        now,
                        *holder,
                        Message { verb, hops: 2, others: Vec::new(), ..message },
                    );
                }
                None => node.end(now, id, Vec::new(), 1),
            }
        }
        Verb::Hit => {
            let id = BaselineNode::operation(message.search);
            node.end(now, id, vec![message.place], message.hops);
        }
    }
}
