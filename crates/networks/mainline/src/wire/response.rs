//! Responses and errors.

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use super::Reason;
use super::bencode::{write_integer, write_string};
use super::compact::{Nodes, Values, write_address};
use super::fields::Fields;
use super::id::Id;

/// An answer. Which fields it has depends on the query; only the transaction id, known to who
/// asked, tells which query that was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Response<'a> {
    /// That of the query.
    pub transaction: &'a [u8],
    /// The id of who answers.
    pub sender: Id,
    /// The address that the query came from, as seen by who answers (BEP 42).
    pub external: Option<SocketAddr>,
    /// The client: two letters and a version of two bytes.
    pub version: Option<&'a [u8]>,
    /// Allows to announce or put later (BEPs 5 and 44).
    pub token: Option<&'a [u8]>,
    /// IPv4 contacts, 26 bytes each (BEP 5).
    pub nodes: Option<&'a [u8]>,
    /// IPv6 contacts, 38 bytes each (BEP 32).
    pub nodes6: Option<&'a [u8]>,
    /// Peers of a torrent (BEP 5).
    pub values: Option<Values<'a>>,
    /// Bloom filter of the torrent's seeds (BEP 33, `BFsd`).
    pub seeds: Option<&'a [u8; 256]>,
    /// Bloom filter of the torrent's other peers (BEP 33, `BFpe`).
    pub downloaders: Option<&'a [u8; 256]>,
    /// A stored value, one bencoded element (BEP 44, `v`).
    pub value: Option<&'a [u8]>,
    /// Author of a mutable item (BEP 44, `k`).
    pub public_key: Option<&'a [u8; 32]>,
    /// Signature of a mutable item (BEP 44, `sig`).
    pub signature: Option<&'a [u8; 64]>,
    /// Version of a mutable item (BEP 44).
    pub seq: Option<i64>,
    /// Info-hashes, 20 bytes each (BEP 51).
    pub samples: Option<&'a [u8]>,
    /// Seconds until the sample changes (BEP 51).
    pub interval: Option<i64>,
    /// Info-hashes stored in all (BEP 51).
    pub num: Option<i64>,
}

/// A refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorReply<'a> {
    /// That of the query.
    pub transaction: &'a [u8],
    /// The address that the query came from, as seen by who answers (BEP 42).
    pub external: Option<SocketAddr>,
    /// The client: two letters and a version of two bytes.
    pub version: Option<&'a [u8]>,
    /// One of [`code`](super::code), or any other.
    pub code: i64,
    /// Words for humans; not necessarily UTF-8.
    pub message: &'a [u8],
}

impl<'a> Response<'a> {
    /// An answer that has an id and nothing more, for `..Response::new(…)`.
    pub const fn new(transaction: &'a [u8], sender: Id) -> Self {
        Self {
            transaction,
            sender,
            external: None,
            version: None,
            token: None,
            nodes: None,
            nodes6: None,
            values: None,
            seeds: None,
            downloaders: None,
            value: None,
            public_key: None,
            signature: None,
            seq: None,
            samples: None,
            interval: None,
            num: None,
        }
    }

    /// The usable IPv4 contacts.
    pub fn contacts_v4(&self) -> Nodes<'a, SocketAddrV4> {
        Nodes::new(self.nodes.unwrap_or_default())
    }

    /// The usable IPv6 contacts.
    pub fn contacts_v6(&self) -> Nodes<'a, SocketAddrV6> {
        Nodes::new(self.nodes6.unwrap_or_default())
    }

    /// The usable peers.
    pub fn peers(&self) -> impl Iterator<Item = SocketAddr> + use<'a> {
        self.values.unwrap_or_default().iter()
    }

    /// The info-hashes of a sample.
    pub fn sampled(&self) -> impl Iterator<Item = Id> + use<'a> {
        let (ids, _) = self.samples.unwrap_or_default().as_chunks();
        ids.iter().map(|id| Id::new(*id))
    }

    pub(super) fn from_fields(transaction: &'a [u8], fields: &Fields<'a>) -> Result<Self, Reason> {
        let body = &fields.body;
        if let Some(fault) = body.fault {
            return Err(fault);
        }
        Ok(Self {
            transaction,
            sender: body.id.ok_or(Reason::Sender)?,
            external: fields.external,
            version: fields.version,
            token: body.token,
            nodes: body.nodes,
            nodes6: body.nodes6,
            values: body.values,
            seeds: body.seeds,
            downloaders: body.downloaders,
            value: body.value,
            public_key: body.public_key,
            signature: body.signature,
            seq: body.seq,
            samples: body.samples,
            interval: body.interval,
            num: body.num,
        })
    }

    /// Appends the message, canonically.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'd');
        write_external(out, self.external);
        out.extend_from_slice(b"1:rd");
        if let Some(filter) = self.downloaders {
            out.extend_from_slice(b"4:BFpe256:");
            out.extend_from_slice(filter);
        }
        if let Some(filter) = self.seeds {
            out.extend_from_slice(b"4:BFsd256:");
            out.extend_from_slice(filter);
        }
        out.extend_from_slice(b"2:id20:");
        out.extend_from_slice(self.sender.as_bytes());
        self.encode_after_id(out);
        out.push(b'e');
        write_tail(out, self.transaction, self.version, b"1:y1:re");
    }

    fn encode_after_id(&self, out: &mut Vec<u8>) {
        write_optional_integer(out, b"8:interval", self.interval);
        if let Some(public_key) = self.public_key {
            out.extend_from_slice(b"1:k32:");
            out.extend_from_slice(public_key);
        }
        write_optional_string(out, b"5:nodes", self.nodes);
        write_optional_string(out, b"6:nodes6", self.nodes6);
        write_optional_integer(out, b"3:num", self.num);
        write_optional_string(out, b"7:samples", self.samples);
        write_optional_integer(out, b"3:seq", self.seq);
        if let Some(signature) = self.signature {
            out.extend_from_slice(b"3:sig64:");
            out.extend_from_slice(signature);
        }
        write_optional_string(out, b"5:token", self.token);
        if let Some(value) = self.value {
            out.extend_from_slice(b"1:v");
            out.extend_from_slice(value);
        }
        if let Some(values) = self.values {
            out.extend_from_slice(b"6:valuesl");
            out.extend_from_slice(values.as_bytes());
            out.push(b'e');
        }
    }
}

impl<'a> ErrorReply<'a> {
    /// An error with neither `ip` nor version, for `..ErrorReply::new(…)`.
    pub const fn new(transaction: &'a [u8], code: i64, message: &'a [u8]) -> Self {
        Self { transaction, external: None, version: None, code, message }
    }

    /// Appends the message, canonically.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"d1:el");
        write_integer(out, self.code);
        write_string(out, self.message);
        out.push(b'e');
        write_external(out, self.external);
        write_tail(out, self.transaction, self.version, b"1:y1:ee");
    }
}

#[inline]
fn write_external(out: &mut Vec<u8>, external: Option<SocketAddr>) {
    if let Some(address) = external {
        out.extend_from_slice(b"2:ip");
        write_address(out, address);
    }
}

#[inline]
fn write_tail(out: &mut Vec<u8>, transaction: &[u8], version: Option<&[u8]>, kind: &[u8]) {
    out.extend_from_slice(b"1:t");
    write_string(out, transaction);
    write_optional_string(out, b"1:v", version);
    out.extend_from_slice(kind);
}

#[inline]
fn write_optional_string(out: &mut Vec<u8>, key: &[u8], string: Option<&[u8]>) {
    if let Some(string) = string {
        out.extend_from_slice(key);
        write_string(out, string);
    }
}

#[inline]
fn write_optional_integer(out: &mut Vec<u8>, key: &[u8], number: Option<i64>) {
    if let Some(number) = number {
        out.extend_from_slice(key);
        write_integer(out, number);
    }
}
