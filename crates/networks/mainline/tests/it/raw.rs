//! Datagrams made and read by hand, for what no node of ours would send.

use std::net::SocketAddr;

use mainline::wire::{ErrorReply, Id, Message, Query, Request, Response};

use crate::world::{Place, World};

/// The id of a stranger.
pub(crate) const STRANGER: Id = Id::new([0x5e; 20]);

/// A query of a stranger's, with a transaction id of 4 bytes. Read-only, so that nobody asks back.
pub(crate) fn query(request: Request<'_>) -> Query<'_> {
    Query { read_only: true, ..Query::new(b"tran", STRANGER, request) }
}

pub(crate) fn encoded(query: &Query<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    query.encode(&mut bytes);
    bytes
}

/// What `to` answers when `bytes` arrive from `from`; `None`: nothing.
pub(crate) fn answer(world: &mut World, from: &str, to: Place, bytes: &[u8]) -> Option<Vec<u8>> {
    let from_address: SocketAddr = from.parse().unwrap();
    let sent = world.inject(from, to, bytes);
    let mut answers = sent.into_iter().filter(|(receiver, message)| {
        *receiver == from_address && !matches!(Message::decode(message), Ok(Message::Query(_)))
    });
    let answer = answers.next().map(|(_, message)| message);
    assert!(answers.next().is_none(), "one query, one answer");
    answer
}

/// The same, for a query that is well-formed and must be answered.
pub(crate) fn ask(world: &mut World, from: &str, to: Place, request: Request<'_>) -> Vec<u8> {
    answer(world, from, to, &encoded(&query(request))).expect("no answer")
}

pub(crate) fn response(bytes: &[u8]) -> Response<'_> {
    match Message::decode(bytes) {
        Ok(Message::Response(response)) => response,
        other => panic!("no response: {other:?}"),
    }
}

pub(crate) fn error(bytes: &[u8]) -> ErrorReply<'_> {
    match Message::decode(bytes) {
        Ok(Message::Error(error)) => error,
        other => panic!("no error: {other:?}"),
    }
}

/// The token that `to` gives to `from` for `key`.
pub(crate) fn token(world: &mut World, from: &str, to: Place, key: Id) -> Vec<u8> {
    let request = Request::GetPeers { info_hash: key, noseed: false, scrape: false };
    response(&ask(world, from, to, request)).token.unwrap().to_vec()
}

/// A response with an id and what `fill` adds.
pub(crate) fn reply<'a>(
    transaction: &'a [u8],
    sender: Id,
    fill: impl FnOnce(&mut Response<'a>),
) -> Vec<u8> {
    let mut response = Response::new(transaction, sender);
    fill(&mut response);
    let mut bytes = Vec::new();
    response.encode(&mut bytes);
    bytes
}

/// Makes `to` know a node that is none: it queries, and answers the ping that follows. Returns
/// whether there was one.
pub(crate) fn befriend(world: &mut World, to: Place, id: Id, at: &str) -> bool {
    let address: SocketAddr = at.parse().unwrap();
    let ping = encoded(&Query::new(b"tran", id, Request::Ping));
    let sent = world.inject(at, to, &ping);
    let asked_back = sent.iter().find_map(|(receiver, message)| match Message::decode(message) {
        Ok(Message::Query(query)) if *receiver == address => Some(query.transaction.to_vec()),
        _ => None,
    });
    if let Some(transaction) = &asked_back {
        world.inject(at, to, &reply(transaction, id, |_| {}));
    }
    asked_back.is_some()
}
