//! Mainline's wire format: datagrams to messages and back (KRPC of BEP 5, with BEPs 32, 33, 42, 43,
//! 44 and 51).
//!
//! [`Message::decode`] borrows everything from the datagram and is the only place where bytes
//! become typed; `encode` appends to a buffer. Neither allocates otherwise. Tolerated, because real
//! clients send it: keys in any order (of doubled ones the last counts), a missing `y`, transaction
//! ids of other lengths than ours, bytes after the message, unknown keys, decorations of the wrong
//! type (`v`, `ip`, `ro`, `want`), node lists with an incomplete entry at the end.

pub mod bencode;
pub mod bloom;
pub mod compact;
mod fields;
mod id;
mod query;
mod response;

pub use bloom::Bloom;
pub use compact::{Compact, Nodes, Values};
pub use id::{Id, IdError};
pub use query::{Mutable, Put, Query, Request, Want};
pub use response::{ErrorReply, Response};

use fields::Fields;

/// The longest transaction id that is echoed. BEP 5 suggests 2 bytes; 4 to 20 are seen.
pub const MAX_TRANSACTION_BYTES: usize = 32;

/// A message, borrowing from the datagram it was read from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Message<'a> {
    /// A question.
    Query(Query<'a>),
    /// An answer.
    Response(Response<'a>),
    /// A refusal.
    Error(ErrorReply<'a>),
}

impl<'a> Message<'a> {
    /// Reads a datagram.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Malformed<'a>> {
        let mut fields = Fields::default();
        let read = fields.read(datagram);
        read.and_then(|()| fields.message()).map_err(|reason| Malformed {
            transaction: fields.transaction(),
            is_query: fields.is_query(),
            reason,
        })
    }

    /// Appends the message, canonically.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Query(query) => query.encode(out),
            Self::Response(response) => response.encode(out),
            Self::Error(error) => error.encode(out),
        }
    }

    /// The transaction id.
    pub fn transaction(&self) -> &'a [u8] {
        match self {
            Self::Query(query) => query.transaction,
            Self::Response(response) => response.transaction,
            Self::Error(error) => error.transaction,
        }
    }
}

/// A datagram that is no message we understand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed<'a> {
    /// Its transaction id, if that could be read.
    pub transaction: Option<&'a [u8]>,
    /// Whether it was meant as a query.
    pub is_query: bool,
    /// What is wrong with it.
    pub reason: Reason,
}

impl<'a> Malformed<'a> {
    /// The answer it deserves: an error for a query, silence for everything else.
    pub fn answer(&self) -> Option<ErrorReply<'a>> {
        let transaction = self.transaction.filter(|_| self.is_query)?;
        let message = self.reason.text().as_bytes();
        Some(ErrorReply::new(transaction, code::PROTOCOL, message))
    }
}

/// What is wrong with a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// It is not bencoded, or ends early.
    Bencode(bencode::Fault),
    /// No transaction id, an empty one, or one beyond [`MAX_TRANSACTION_BYTES`].
    Transaction,
    /// Neither query, response nor error, or without the part that makes it one.
    Kind,
    /// No sender id of 20 bytes.
    Sender,
    /// An error without a code.
    ErrorCode,
    /// A query without a method.
    Method,
    /// No `target` of 20 bytes.
    Target,
    /// No `info_hash` of 20 bytes.
    InfoHash,
    /// No port from 1 to 65535, and no `implied_port`.
    Port,
    /// No token.
    Token,
    /// A `seq` or `cas` that is no 64-bit integer, or a missing `seq`.
    Sequence,
    /// A public key that has not 32 bytes, or none.
    PublicKey,
    /// A signature that has not 64 bytes, or none.
    Signature,
    /// A salt that is no string.
    Salt,
    /// Nothing to store.
    Value,
    /// A known field of the wrong type or size.
    Field,
}

impl Reason {
    /// Words for the sender; fixed, so that answering allocates nothing.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Bencode(_) => "malformed bencoding",
            Self::Transaction => "missing or oversized transaction id",
            Self::Kind => "neither query nor response nor error",
            Self::Sender => "missing or invalid node id",
            Self::ErrorCode => "error without code",
            Self::Method => "missing method",
            Self::Target => "missing or invalid target",
            Self::InfoHash => "missing or invalid info_hash",
            Self::Port => "missing or invalid port",
            Self::Token => "missing token",
            Self::Sequence => "missing or invalid sequence number",
            Self::PublicKey => "missing or invalid public key",
            Self::Signature => "missing or malformed signature",
            Self::Salt => "invalid salt",
            Self::Value => "missing value",
            Self::Field => "field of wrong type or size",
        }
    }
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Self::Bencode(fault) = self {
            return fault.fmt(f);
        }
        f.write_str(self.text())
    }
}

impl From<bencode::Fault> for Reason {
    fn from(fault: bencode::Fault) -> Self {
        Self::Bencode(fault)
    }
}

/// Codes of error replies.
pub mod code {
    /// Generic error (BEP 5).
    pub const GENERIC: i64 = 201;
    /// Server error (BEP 5).
    pub const SERVER: i64 = 202;
    /// Protocol error: a malformed packet, invalid arguments or a bad token (BEP 5); a value that
    /// is not valid bencoding (BEP 44).
    pub const PROTOCOL: i64 = 203;
    /// Method unknown (BEP 5).
    pub const METHOD_UNKNOWN: i64 = 204;
    /// The value is too big (BEP 44).
    pub const VALUE_TOO_BIG: i64 = 205;
    /// The signature does not match (BEP 44).
    pub const INVALID_SIGNATURE: i64 = 206;
    /// The salt is too big (BEP 44).
    pub const SALT_TOO_BIG: i64 = 207;
    /// The stored sequence number is not the one that `cas` demands (BEP 44).
    pub const CAS_MISMATCH: i64 = 301;
    /// The sequence number is below the stored one (BEP 44).
    pub const SEQUENCE_TOO_LOW: i64 = 302;
}

#[cfg(test)]
mod tests;
