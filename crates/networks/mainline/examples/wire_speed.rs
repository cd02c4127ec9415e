//! Prints how long decoding and encoding take: `cargo run --release -p polykad-mainline --example
//! wire_speed`.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a measurement has a clock"
)]
#![expect(clippy::cast_precision_loss, reason = "nanoseconds by the million")]

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use kademlia::Contact;
use mainline::wire::{Id, Message, Query, Request, Response, Values, compact};

const TIMES: u32 = 2_000_000;
const ASKER: Id = Id::new(*b"abcdefghij0123456789");
const ANSWERER: Id = Id::new(*b"mnopqrstuvwxyz123456");

fn main() {
    let mut buffer = Vec::with_capacity(2048);
    let nodes = contacts();
    let answer = |transaction| Response {
        external: Some("192.0.2.1:6881".parse().unwrap_or_else(|_| unreachable!())),
        version: Some(b"PK\x00\x01"),
        nodes: Some(&nodes),
        ..Response::new(transaction, ANSWERER)
    };

    let find_node = encoded(|out| query(Request::FindNode { target: ANSWERER }).encode(out));
    measure("decode find_node", || {
        let _ = black_box(Message::decode(black_box(&find_node)));
    });
    measure("encode 8 nodes", || {
        buffer.clear();
        black_box(answer(b"aaaa")).encode(&mut buffer);
        black_box(&buffer);
    });
    measure("decode find_node + encode 8 nodes", || {
        if let Ok(Message::Query(query)) = Message::decode(black_box(&find_node)) {
            buffer.clear();
            answer(query.transaction).encode(&mut buffer);
        }
        black_box(&buffer);
    });

    let mut peers = Vec::new();
    for port in 1..=50 {
        compact::write_address(&mut peers, ([192, 0, 2, 7], port).into());
    }
    let found = |transaction| Response {
        token: Some(b"12345678"),
        values: Some(Values::new(&peers)),
        ..answer(transaction)
    };
    let get_peers = Request::GetPeers { info_hash: ANSWERER, noseed: false, scrape: false };
    let get_peers = encoded(|out| query(get_peers).encode(out));
    measure("decode get_peers + encode 8 nodes, 50 peers", || {
        if let Ok(Message::Query(query)) = Message::decode(black_box(&get_peers)) {
            buffer.clear();
            found(query.transaction).encode(&mut buffer);
        }
        black_box(&buffer);
    });

    let response = encoded(|out| found(b"aaaa").encode(out));
    measure("decode 8 nodes, 50 peers", || {
        let _ = black_box(Message::decode(black_box(&response)));
    });
    measure("the same and read all contacts", || {
        if let Ok(Message::Response(response)) = Message::decode(black_box(&response)) {
            response.contacts_v4().for_each(|contact| {
                black_box(contact);
            });
            response.peers().for_each(|peer| {
                black_box(peer);
            });
        }
    });
}

fn query(request: Request<'_>) -> Query<'_> {
    Query { version: Some(b"LT\x02\x01"), ..Query::new(b"aaaa", ASKER, request) }
}

fn contacts() -> Vec<u8> {
    encoded(|out| {
        for number in 1..=8 {
            let address = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, number), 6881);
            compact::write_contact(out, &Contact { key: ANSWERER.key(), address });
        }
    })
}

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// Prints the best of several rounds: noise only adds.
fn measure(what: &str, mut work: impl FnMut()) {
    let round = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..TIMES).for_each(|_| work());
        start.elapsed().as_nanos() as f64 / f64::from(TIMES)
    };
    let best = (0..7).map(|_| round(&mut work)).fold(f64::INFINITY, f64::min);
    println!("{best:7.1} ns  {what}");
}
