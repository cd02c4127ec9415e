//! How messages are written.

use super::cbor::MapWriter;
use super::values::write_value_map;
use super::{Answer, Ask, Difference, RefusalReply, Request, VERSION, key, kind};
use crate::command::Refusal;

impl Request<'_> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut map = MapWriter::new(out);
        map.uint(key::VERSION, VERSION.into());
        map.uint(key::TYPE, self.ask.code().into());
        map.uint(key::TRANSACTION, self.transaction.into());
        map.uint(key::SENDER, self.sender.bits());
        match self.ask {
            Ask::Ping | Ask::Hail => {}
            Ask::Find { target, count } => {
                map.bytes(key::TARGET, target.as_bytes());
                map.uint(key::COUNT, count.into());
            }
            Ask::Get { target, kind, count, room, offset } => {
                map.bytes(key::TARGET, target.as_bytes());
                map.nonzero(key::COUNT, count.into());
                map.uint(key::KIND, kind.code().into());
                map.uint(key::ROOM, room.into());
                map.nonzero(key::OFFSET, offset.into());
            }
            Ask::Put { value, expected, purpose, count } => {
                map.nonzero(key::COUNT, count.into());
                map.nested(key::VALUE, |out| write_value_map(&value, out));
                map.option(key::EXPECTED, expected);
                map.nonzero(key::PURPOSE, purpose as u64);
            }
            Ask::Watch { target, kind, lease_s, known } => {
                map.bytes(key::TARGET, target.as_bytes());
                map.uint(key::KIND, kind.code().into());
                map.uint(key::LEASE, lease_s.into());
                map.nonzero(key::KNOWN, known);
            }
            Ask::Push { value } => map.nested(key::VALUE, |out| write_value_map(&value, out)),
            Ask::Compare(range) => {
                map.uint(key::RADIUS, range.radius);
                map.nonzero(key::DEPTH, range.depth.into());
                map.nonzero(key::PREFIX, range.prefix);
                map.nonzero(key::FINGERPRINT, range.fingerprint);
            }
            Ask::Fetch { marks, room } => {
                map.uint(key::ROOM, room.into());
                map.bytes(key::MARKS, marks);
            }
            Ask::Offer { listed } => map.bytes(key::LISTED, listed),
            Ask::Give { values } => map.bytes(key::VALUES, values.as_bytes()),
            Ask::Probe { padding } => map.bytes(key::PADDING, padding),
            Ask::Call { contacts, padding } => {
                map.nonempty(key::CONTACTS_V4, contacts.v4);
                map.nonempty(key::CONTACTS_V6, contacts.v6);
                map.bytes(key::PADDING, padding);
            }
        }
        map.end();
    }
}

impl Ask<'_> {
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::Ping => kind::PING,
            Self::Find { .. } => kind::FIND,
            Self::Get { .. } => kind::GET,
            Self::Put { .. } => kind::PUT,
            Self::Watch { .. } => kind::WATCH,
            Self::Push { .. } => kind::PUSH,
            Self::Compare(_) => kind::COMPARE,
            Self::Fetch { .. } => kind::FETCH,
            Self::Give { .. } => kind::GIVE,
            Self::Probe { .. } => kind::PROBE,
            Self::Call { .. } => kind::CALL,
            Self::Hail => kind::HAIL,
            Self::Offer { .. } => kind::OFFER,
        }
    }
}

impl Answer<'_> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut map = MapWriter::new(out);
        map.uint(key::VERSION, VERSION.into());
        map.uint(key::TYPE, kind::ANSWER.into());
        map.uint(key::TRANSACTION, self.transaction.into());
        if let Some(value) = &self.value {
            map.nested(key::VALUE, |out| write_value_map(value, out));
        }
        map.nonempty(key::VALUES, self.values.as_bytes());
        map.nonempty(key::CONTACTS_V4, self.contacts.v4);
        map.nonempty(key::CONTACTS_V6, self.contacts.v6);
        map.option(key::LEASE, self.lease_s.map(Into::into));
        if let Some(version) = self.version {
            map.uint(key::SEQ, version.seq);
            map.nonzero(key::BODY, version.body);
            map.nonzero(key::EXPIRES, version.expires);
        }
        map.option(key::SIZE, self.size.map(Into::into));
        map.option(key::TOTAL, self.total.map(Into::into));
        match self.difference {
            Some(Difference::Parts(parts)) => map.bytes(key::PARTS, parts),
            Some(Difference::Listed(listed)) => map.bytes(key::LISTED, listed),
            None => {}
        }
        map.nonempty(key::MARKS, self.marks);
        map.option(key::STORED, self.stored.map(Into::into));
        map.option(key::UPTIME, self.uptime_min.map(Into::into));
        map.option(key::CALLS, self.calls.map(Into::into));
        map.option(key::MAGNITUDE, self.magnitude.map(Into::into));
        map.option(key::KEEP, self.keep_s.map(Into::into));
        map.end();
    }
}

impl RefusalReply {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut map = MapWriter::new(out);
        map.uint(key::VERSION, VERSION.into());
        map.uint(key::TYPE, kind::REFUSAL.into());
        map.uint(key::TRANSACTION, self.transaction.into());
        map.uint(key::CODE, self.refusal.number() as u64);
        map.nonzero(key::DETAIL, detail(&self.refusal));
        map.end();
    }
}

/// What a refusal says beyond its number: a limit, a clock, a seq.
const fn detail(refusal: &Refusal) -> u64 {
    match refusal {
        Refusal::TooLong(detail)
        | Refusal::Expired(detail)
        | Refusal::LivesTooLong(detail)
        | Refusal::Older(detail)
        | Refusal::Swapped(detail)
        | Refusal::Quota(detail) => *detail,
        Refusal::Malformed
        | Refusal::Unknown
        | Refusal::Busy
        | Refusal::BadSignature
        | Refusal::Full
        | Refusal::NotMine
        | Refusal::TooManyWatchers
        | Refusal::Storage => 0,
    }
}
