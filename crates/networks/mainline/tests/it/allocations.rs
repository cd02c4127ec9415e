//! Answering allocates nothing, as the allocator sees it.

use std::net::SocketAddr;
use std::time::Duration;

use counting::allocations;
use kademlia::protocol::{Input, Transport, step};
use kademlia::{Contact, Moment, Transmit};
use mainline::command::Event;
use mainline::item::immutable_target;
use mainline::wire::{Id, Query, Request, Want};
use mainline::{Node, Settings};

use crate::quirks::{TORRENT, laden};
use crate::raw::{STRANGER, encoded};
use crate::world::World;

/// One buffer, used again and again, as a driver has it.
#[derive(Default)]
struct Wire {
    buffer: Vec<u8>,
    sent: u64,
    events: u64,
}

impl Transport<Node> for Wire {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn transmit(&mut self, _: Transmit<SocketAddr>) {
        self.sent += 1;
    }

    fn event(&mut self, _: Event) {
        self.events += 1;
    }
}

const COUNT: u64 = 10_000;

/// Feeds `COUNT` queries, in turn; returns what was allocated and what was sent.
fn feed(
    node: &mut Node,
    now: &mut Moment,
    wire: &mut Wire,
    queries: &[(SocketAddr, Vec<u8>)],
) -> (usize, u64) {
    let (made, sent) = (allocations(), wire.sent);
    for (from, query) in queries.iter().cycle().take(usize::try_from(COUNT).unwrap()) {
        *now = *now + Duration::from_micros(20);
        step(node, *now, Input::Message(*from, query), wire);
    }
    (allocations() - made, wire.sent - sent)
}

#[test]
fn answering_allocates_nothing() {
    let (mut world, place, signed, value) = laden();
    let mut now = world.now;
    let node = world.node_mut(place);
    let contacts: Vec<_> = node.contacts().collect();
    let is_v4 = |contact: &&Contact<SocketAddr>| contact.address.is_ipv4();
    let v4: Vec<_> = contacts.iter().filter(is_v4).collect();
    let v6: Vec<_> = contacts.iter().filter(|contact| !is_v4(contact)).collect();
    assert!(v4.len() >= 40 && v6.len() >= 40, "{} {}", v4.len(), v6.len());
    let get_peers = |info_hash, noseed, scrape| Request::GetPeers { info_hash, noseed, scrape };
    let kinds = [
        ("ping", Request::Ping),
        ("find_node", Request::FindNode { target: STRANGER }),
        ("get_peers, peers", get_peers(TORRENT, false, false)),
        ("get_peers, leechers", get_peers(TORRENT, true, false)),
        ("get_peers, scrape", get_peers(TORRENT, false, true)),
        ("get_peers, none", get_peers(STRANGER, false, false)),
        ("get, signed", Request::Get { target: signed.target(), seq: None }),
        ("get, immutable", Request::Get { target: immutable_target(&value), seq: None }),
        ("get, none", Request::Get { target: STRANGER, seq: None }),
        ("sample_infohashes", Request::SampleInfohashes { target: STRANGER }),
        ("an error", Request::Unknown { method: b"vote", target: None }),
    ];
    let wants = [Want::default(), Want { nodes: true, nodes6: true, stated: true }];
    let mut wire = Wire::default();
    for (name, request) in kinds {
        // From contacts of both families, from a stranger that is no contact, and from one that the
        // full table has no place for.
        let mut queries = Vec::new();
        for want in wants {
            for contact in v4.iter().chain(&v6).step_by(9) {
                let query = Query { want, ..Query::new(b"tran", contact.key.into(), request) };
                queries.push((contact.address, encoded(&query)));
            }
            for (id, read_only) in [(STRANGER, true), (far_from(&v4), false)] {
                let query = Query { want, read_only, ..Query::new(b"tran", id, request) };
                queries.push(("10.99.9.9:9".parse().unwrap(), encoded(&query)));
            }
        }
        feed(node, &mut now, &mut wire, &queries);
        let (made, sent) = feed(node, &mut now, &mut wire, &queries);
        println!("{name}: {made} allocations for {sent} answers");
        assert_eq!((made, sent), (0, COUNT), "{name}");
    }
    assert_eq!(wire.events, 0);
}

/// An id in the fullest part of the table.
fn far_from(contacts: &[&Contact<SocketAddr>]) -> Id {
    let mut bytes = *Id::from(contacts[0].key).as_bytes();
    bytes[19] ^= 1;
    Id::new(bytes)
}

#[test]
fn refusing_allocates_nothing() {
    let mut world = World::new(5);
    let place = world.add("10.77.0.1:6881", Settings::default());
    let mut now = world.now;
    let node = world.node_mut(place);
    let asked = encoded(&Query {
        read_only: true,
        ..Query::new(b"tran", STRANGER, Request::FindNode { target: TORRENT })
    });
    let queries: Vec<_> =
        (0..50).map(|n| (format!("10.99.9.{n}:9").parse().unwrap(), asked.clone())).collect();
    let mut wire = Wire::default();
    feed(node, &mut now, &mut wire, &queries);
    feed(node, &mut now, &mut wire, &queries);
    let (made, sent) = feed(node, &mut now, &mut wire, &queries);
    assert_eq!(made, 0);
    assert!(sent < COUNT / 20, "most are over the limit: {sent}");
    let garbage = [("10.99.9.9:9".parse().unwrap(), b"d1:ad2:id20:".to_vec())];
    assert_eq!(feed(node, &mut now, &mut wire, &garbage), (0, 0));
}
