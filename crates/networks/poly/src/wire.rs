//! What nodes say to each other: bytes to typed messages and back, and nothing else does that.
//!
//! One message is one CBOR map (RFC 8949) of definite length with small unsigned keys; in what a
//! node writes the keys ascend. Unknown keys are ignored, a key that comes twice makes the message
//! malformed. `docs/poly-protocol.md` is the specification, with the numbers below; the vectors in
//! `vectors/` are written and read by the test suite.
//!
//! Decoding borrows: values, contacts and lists stay where they are until somebody walks them.

mod cbor;
mod encode;
mod values;

use kademlia::{Contact, Key};

use crate::command::Refusal;
use crate::contact::{Endpoint, PACKED_V4_BYTES, PACKED_V6_BYTES, pack, unpack};
use crate::value::{Kind, Value, Version};
use cbor::fields;
use values::read_value;
pub use values::{Carried, Values, write_value};

/// The version of the protocol that is spoken here.
pub const VERSION: u8 = 1;
/// Bytes of a datagram's message before it is encrypted: 1,200 on the wire without what encryption
/// adds. Longer messages go by [`Way::Bulk`](kademlia::protocol::Way).
pub const MAX_MESSAGE_BYTES: usize = 1152;
/// Bytes of any message: the longest value with all that proves it fits, and so does a batch.
pub const MAX_BULK_BYTES: usize = 128 << 10;
/// Contacts that one answer names, at most.
pub const MAX_CONTACTS: usize = 24;
/// Values that are fetched by one request, at most.
pub const MAX_FETCHED: usize = 64;
/// Parts that a range of values is split into where two nodes differ: 6 bits of their marks.
pub const PARTS: usize = 64;
/// Values listed one by one where two nodes differ.
pub const MAX_LISTED: usize = 40;
/// Values that are offered by one request, at most.
pub const MAX_OFFERED: usize = 64;

/// What goes with a request that makes others send something elsewhere, so that they never send
/// more than they were sent: a first datagram is as long.
pub const PADDING: [u8; 640] = [0; 640];

/// Keys of a message's map.
mod key {
    pub(super) const VERSION: u8 = 0;
    pub(super) const TYPE: u8 = 1;
    pub(super) const TRANSACTION: u8 = 2;
    pub(super) const SENDER: u8 = 3;
    pub(super) const TARGET: u8 = 4;
    pub(super) const COUNT: u8 = 5;
    pub(super) const KIND: u8 = 6;
    pub(super) const ROOM: u8 = 7;
    pub(super) const VALUE: u8 = 8;
    pub(super) const VALUES: u8 = 9;
    pub(super) const CONTACTS_V4: u8 = 10;
    pub(super) const CONTACTS_V6: u8 = 11;
    pub(super) const EXPECTED: u8 = 12;
    pub(super) const PURPOSE: u8 = 13;
    pub(super) const LEASE: u8 = 14;
    pub(super) const KNOWN: u8 = 15;
    pub(super) const CODE: u8 = 16;
    pub(super) const DETAIL: u8 = 17;
    pub(super) const SEQ: u8 = 18;
    pub(super) const BODY: u8 = 19;
    pub(super) const EXPIRES: u8 = 20;
    pub(super) const SIZE: u8 = 21;
    pub(super) const TOTAL: u8 = 22;
    pub(super) const RADIUS: u8 = 23;
    pub(super) const DEPTH: u8 = 24;
    pub(super) const PREFIX: u8 = 25;
    pub(super) const FINGERPRINT: u8 = 26;
    pub(super) const PARTS: u8 = 27;
    pub(super) const LISTED: u8 = 28;
    pub(super) const MARKS: u8 = 29;
    pub(super) const STORED: u8 = 30;
    pub(super) const OFFSET: u8 = 31;
    pub(super) const UPTIME: u8 = 32;
    pub(super) const PADDING: u8 = 33;
    pub(super) const CALLS: u8 = 34;
    pub(super) const MAGNITUDE: u8 = 35;
    pub(super) const KEEP: u8 = 36;
}

/// Values of the type field.
mod kind {
    pub(super) const PING: u8 = 1;
    pub(super) const FIND: u8 = 2;
    pub(super) const GET: u8 = 3;
    pub(super) const PUT: u8 = 4;
    pub(super) const WATCH: u8 = 5;
    pub(super) const PUSH: u8 = 6;
    pub(super) const COMPARE: u8 = 7;
    pub(super) const FETCH: u8 = 8;
    pub(super) const GIVE: u8 = 9;
    pub(super) const PROBE: u8 = 10;
    pub(super) const CALL: u8 = 11;
    pub(super) const HAIL: u8 = 12;
    pub(super) const OFFER: u8 = 13;
    pub(super) const ANSWER: u8 = 32;
    pub(super) const REFUSAL: u8 = 33;
}

/// A message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    /// Somebody wants something.
    Request(Request<'a>),
    /// What came of a request.
    Answer(Answer<'a>),
    /// Why nothing came of it.
    Refusal(RefusalReply),
}

/// A request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    /// What its answer will carry; nobody else can guess it.
    pub transaction: u32,
    /// What the asker is.
    pub sender: Sender,
    /// What it wants.
    pub ask: Ask<'a>,
}

/// What the sender of a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// It cannot or does not want to be asked: it stays out of others' tables.
    pub client: bool,
    /// It wants contacts with IPv4 addresses.
    pub v4: bool,
    /// It wants contacts with IPv6 addresses.
    pub v6: bool,
}

/// What a request wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask<'a> {
    /// A sign of life.
    Ping,
    /// The contacts closest to a key.
    Find {
        /// The key.
        target: Key,
        /// How many, at most [`MAX_CONTACTS`].
        count: u8,
    },
    /// What is stored under a key, and else the contacts closest to it.
    Get {
        /// The key.
        target: Key,
        /// Of what kind.
        kind: Kind,
        /// How many contacts.
        count: u8,
        /// How many bytes of values the answer may carry; of a longer value it says the length.
        room: u32,
        /// How many entries of the topic to pass over: those this holder told before.
        offset: u32,
    },
    /// Store this.
    Put {
        /// The value.
        value: Carried<'a>,
        /// The seq that must be the newest, 0 for no record at all.
        expected: Option<u64>,
        /// What for.
        purpose: Purpose,
        /// How many contacts closest to its key the answer should name.
        count: u8,
    },
    /// Tell changes under a key from now on.
    Watch {
        /// The key.
        target: Key,
        /// Of what kind.
        kind: Kind,
        /// For so many seconds; 0 ends it.
        lease_s: u32,
        /// The sum of the fingerprints of what the watcher knows; 0 for nothing.
        known: u64,
    },
    /// This has changed under a key you watch.
    Push {
        /// What is new.
        value: Carried<'a>,
    },
    /// Do we store the same of what we should both store?
    Compare(Range),
    /// Values by their marks.
    Fetch {
        /// The marks, 8 bytes each, at most [`MAX_FETCHED`].
        marks: &'a [u8],
        /// How many bytes of values the answer may carry.
        room: u32,
    },
    /// You should store these, and I do.
    Give {
        /// The values.
        values: Values<'a>,
    },
    /// Have others call me: can they reach me?
    Probe {
        /// As long as [`PADDING`] at least.
        padding: &'a [u8],
    },
    /// Hail this node, which wants to know whether it can be reached.
    Call {
        /// The node.
        contacts: Contacts<'a>,
        /// As long as [`PADDING`] at least.
        padding: &'a [u8],
    },
    /// You wanted to be called.
    Hail,
    /// Which of these do you lack?
    Offer {
        /// Mark and fingerprint of each value, 8 bytes each, at most [`MAX_OFFERED`] times.
        listed: &'a [u8],
    },
}

impl Ask<'_> {
    /// One more than the highest [`Ask::number`].
    pub const NUMBERS: usize = kind::OFFER as usize + 1;

    /// Its number on the wire, from 1; what counters count by.
    pub fn number(&self) -> usize {
        self.code().into()
    }
}

/// What for something is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Purpose {
    /// To be kept.
    #[default]
    Keep,
    /// To be found sooner for a while, beside the holders.
    Cache,
    /// Not yet: the holder is to take no other swap of the record for a while.
    Claim,
    /// Not at all: what was promised is not needed.
    Release,
}

impl Purpose {
    const ALL: [Self; 4] = [Self::Keep, Self::Cache, Self::Claim, Self::Release];

    fn from_code(code: u64) -> Option<Self> {
        usize::try_from(code).ok().and_then(|code| Self::ALL.get(code).copied())
    }
}

/// A range of the values that two nodes should both store, and what the asker has there.
///
/// A value is in it if its key is nearer than `radius` to both, and the leading bits of its mark
/// are those of `prefix`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The leading 64 bits of the distance that is no longer in the region.
    pub radius: u64,
    /// How many times it was split.
    pub depth: u8,
    /// The leading 6 bits a split of the marks in it, right-aligned.
    pub prefix: u64,
    /// The sum of the fingerprints of the asker's values in it.
    pub fingerprint: u64,
}

/// What came of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answer<'a> {
    /// That of the request.
    pub transaction: u32,
    /// Contacts.
    pub contacts: Contacts<'a>,
    /// The blob or record asked for.
    pub value: Option<Carried<'a>>,
    /// The entries or values asked for, or some of them.
    pub values: Values<'a>,
    /// The version of the record that is held.
    pub version: Option<Version>,
    /// Bytes of what is held and did not fit.
    pub size: Option<u32>,
    /// Entries under the topic.
    pub total: Option<u32>,
    /// For how many seconds changes will be told.
    pub lease_s: Option<u32>,
    /// What of a range differs.
    pub difference: Option<Difference<'a>>,
    /// The marks of those offered that it lacks, 8 bytes each.
    pub marks: &'a [u8],
    /// How many of the values given were stored.
    pub stored: Option<u32>,
    /// Minutes since the node started, as it says.
    pub uptime_min: Option<u32>,
    /// How many others were asked to call.
    pub calls: Option<u32>,
    /// How often one node doubles to make the network as large as the sender takes it to be, in
    /// eighths.
    pub magnitude: Option<u8>,
    /// For how many seconds whoever asked should keep a copy: it is asked for much.
    pub keep_s: Option<u32>,
}

impl Answer<'_> {
    /// Whether whoever sent it has what it was asked for, if it was asked for something.
    pub const fn holds(&self) -> bool {
        let is_there = self.value.is_some() || self.version.is_some() || self.size.is_some();
        is_there || !self.values.is_empty() || matches!(self.total, Some(1..))
    }
}

/// What a node has in a range where another has something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Difference<'a> {
    /// The sums of the fingerprints in each of its [`PARTS`], 8 bytes each.
    Parts(&'a [u8]),
    /// Mark and fingerprint of each value, 8 bytes each, at most [`MAX_LISTED`] times.
    Listed(&'a [u8]),
}

/// Packed contacts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Contacts<'a> {
    /// Those with IPv4 addresses.
    pub v4: &'a [u8],
    /// Those with IPv6 addresses.
    pub v6: &'a [u8],
}

/// Why nothing came of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefusalReply {
    /// That of the request.
    pub transaction: u32,
    /// Why.
    pub refusal: Refusal,
}

/// Why bytes are no message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Longer than any message.
    #[error("longer than {MAX_BULK_BYTES} bytes")]
    TooLong,
    /// Not a CBOR map as required.
    #[error("not a map of integers with definite length, or ends within")]
    Syntax,
    /// A field comes twice.
    #[error("field {0} comes twice")]
    Twice(u8),
    /// A field is missing.
    #[error("field {0} is missing")]
    Missing(u8),
    /// A field's value is not allowed there.
    #[error("field {0} has a value that is not allowed")]
    Field(u8),
    /// Another version of the protocol.
    #[error("version {0} is not spoken here")]
    Version(u64),
    /// A request of no known type; it can be refused by its transaction.
    #[error("unknown request")]
    UnknownRequest {
        /// Its transaction.
        transaction: u32,
    },
}

impl<'a> Contacts<'a> {
    /// The contacts, those with IPv4 addresses first.
    pub fn iter(&self) -> impl Iterator<Item = Contact<Endpoint>> + Clone + use<'a> {
        unpack(self.v4, true).chain(unpack(self.v6, false))
    }

    /// Packs contacts into buffers, which are cleared before: as many as fit, of the families that
    /// `sender` wants.
    pub fn pack(
        contacts: impl IntoIterator<Item = Contact<Endpoint>>,
        sender: Sender,
        v4: &'a mut Vec<u8>,
        v6: &'a mut Vec<u8>,
    ) -> Self {
        v4.clear();
        v6.clear();
        for contact in contacts {
            if contact.address.is_v4() && sender.v4 {
                pack(&contact, v4);
            } else if !contact.address.is_v4() && sender.v6 {
                pack(&contact, v6);
            }
        }
        Self { v4, v6 }
    }
}

/// Whether what answers this message, if anything, has fewer than a hundred bytes.
pub fn asks_little(message: &[u8]) -> bool {
    match Message::decode(message) {
        Ok(Message::Request(request)) => {
            matches!(request.ask, Ask::Ping | Ask::Push { .. } | Ask::Hail)
        }
        Ok(Message::Answer(_) | Message::Refusal(_)) => true,
        Err(_) => false,
    }
}

impl<'a> Message<'a> {
    /// Reads a message.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_BULK_BYTES {
            return Err(Malformed::TooLong);
        }
        let fields = Fields::read(bytes)?;
        let version = fields.version.unwrap_or(VERSION.into());
        if version != u64::from(VERSION) {
            return Err(Malformed::Version(version));
        }
        let transaction = narrow(fields.transaction, key::TRANSACTION)?;
        let kind = fields.kind_of_message.ok_or(Malformed::Missing(key::TYPE))?;
        match u8::try_from(kind) {
            Ok(kind::ANSWER) => Ok(Self::Answer(fields.answer(transaction)?)),
            Ok(kind::REFUSAL) => {
                let refusal = refusal(narrow(fields.code, key::CODE)?, fields.detail.unwrap_or(0));
                Ok(Self::Refusal(RefusalReply { transaction, refusal }))
            }
            Ok(kind) => {
                let ask = fields.ask(kind, transaction)?;
                let sender = Sender::from_bits(fields.sender.unwrap_or(0));
                Ok(Self::Request(Request { transaction, sender, ask }))
            }
            Err(_) => Err(Malformed::UnknownRequest { transaction }),
        }
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request(request) => request.encode(out),
            Self::Answer(answer) => answer.encode(out),
            Self::Refusal(reply) => reply.encode(out),
        }
    }
}

impl Sender {
    const CLIENT: u64 = 1;
    const V4: u64 = 2;
    const V6: u64 = 4;

    fn from_bits(bits: u64) -> Self {
        let has = |bit: u64| bits & bit != 0;
        Self { client: has(Self::CLIENT), v4: has(Self::V4), v6: has(Self::V6) }
    }

    fn bits(self) -> u64 {
        let bit = |set: bool, bit: u64| if set { bit } else { 0 };
        bit(self.client, Self::CLIENT) | bit(self.v4, Self::V4) | bit(self.v6, Self::V6)
    }
}

fields! {
    /// The fields of a message's map, each at most once, of the right CBOR type.
    struct Fields<'a> {
        uint version = key::VERSION,
        uint kind_of_message = key::TYPE,
        uint transaction = key::TRANSACTION,
        uint sender = key::SENDER,
        bytes target = key::TARGET,
        uint count = key::COUNT,
        uint kind = key::KIND,
        uint room = key::ROOM,
        bytes value = key::VALUE,
        bytes values = key::VALUES,
        bytes contacts_v4 = key::CONTACTS_V4,
        bytes contacts_v6 = key::CONTACTS_V6,
        uint expected = key::EXPECTED,
        uint purpose = key::PURPOSE,
        uint lease = key::LEASE,
        uint known = key::KNOWN,
        uint code = key::CODE,
        uint detail = key::DETAIL,
        uint seq = key::SEQ,
        uint body = key::BODY,
        uint expires = key::EXPIRES,
        uint size = key::SIZE,
        uint total = key::TOTAL,
        uint radius = key::RADIUS,
        uint depth = key::DEPTH,
        uint prefix = key::PREFIX,
        uint fingerprint = key::FINGERPRINT,
        bytes parts = key::PARTS,
        bytes listed = key::LISTED,
        bytes marks = key::MARKS,
        uint stored = key::STORED,
        uint offset = key::OFFSET,
        uint uptime = key::UPTIME,
        bytes padding = key::PADDING,
        uint calls = key::CALLS,
        uint magnitude = key::MAGNITUDE,
        uint keep = key::KEEP,
    }
}

impl<'a> Fields<'a> {
    fn ask(&self, kind: u8, transaction: u32) -> Result<Ask<'a>, Malformed> {
        Ok(match kind {
            kind::PING => Ask::Ping,
            kind::FIND => Ask::Find { target: self.target()?, count: self.count() },
            kind::GET => Ask::Get {
                target: self.target()?,
                kind: self.kind()?,
                count: self.count(),
                room: narrow_or(self.room, 0),
                offset: narrow_or(self.offset, 0),
            },
            kind::PUT => Ask::Put {
                value: self.value()?.ok_or(Malformed::Missing(key::VALUE))?,
                expected: self.expected,
                purpose: Purpose::from_code(self.purpose.unwrap_or(0))
                    .ok_or(Malformed::Field(key::PURPOSE))?,
                count: self.count(),
            },
            kind::WATCH => Ask::Watch {
                target: self.target()?,
                kind: self.kind()?,
                lease_s: narrow_or(self.lease, 0),
                known: self.known.unwrap_or(0),
            },
            kind::PUSH => Ask::Push { value: self.value()?.ok_or(Malformed::Missing(key::VALUE))? },
            kind::COMPARE => Ask::Compare(self.range()?),
            kind::FETCH => Ask::Fetch {
                marks: self.marks()?.ok_or(Malformed::Missing(key::MARKS))?,
                room: narrow_or(self.room, 0),
            },
            kind::GIVE => Ask::Give {
                values: Values::new(self.values.ok_or(Malformed::Missing(key::VALUES))?),
            },
            kind::PROBE => Ask::Probe { padding: self.padding()? },
            kind::CALL => Ask::Call { contacts: self.contacts()?, padding: self.padding()? },
            kind::HAIL => Ask::Hail,
            kind::OFFER => Ask::Offer {
                listed: self
                    .listed
                    .filter(|listed| listed.len() <= 16 * MAX_OFFERED && listed.len() % 16 == 0)
                    .ok_or(Malformed::Field(key::LISTED))?,
            },
            _ => return Err(Malformed::UnknownRequest { transaction }),
        })
    }

    fn contacts(&self) -> Result<Contacts<'a>, Malformed> {
        Ok(Contacts {
            v4: packed(self.contacts_v4, PACKED_V4_BYTES, key::CONTACTS_V4)?,
            v6: packed(self.contacts_v6, PACKED_V6_BYTES, key::CONTACTS_V6)?,
        })
    }

    fn marks(&self) -> Result<Option<&'a [u8]>, Malformed> {
        let is_sound =
            |marks: &[u8]| marks.len() <= 8 * MAX_FETCHED && marks.len().is_multiple_of(8);
        if self.marks.is_none_or(is_sound) {
            Ok(self.marks)
        } else {
            Err(Malformed::Field(key::MARKS))
        }
    }

    fn padding(&self) -> Result<&'a [u8], Malformed> {
        let padding = self.padding.ok_or(Malformed::Missing(key::PADDING))?;
        if padding.len() < PADDING.len() {
            return Err(Malformed::Field(key::PADDING));
        }
        Ok(padding)
    }

    fn answer(&self, transaction: u32) -> Result<Answer<'a>, Malformed> {
        let contacts = self.contacts()?;
        let version = self.seq.map(|seq| Version {
            seq,
            body: self.body.unwrap_or(0),
            expires: self.expires.unwrap_or(0),
        });
        let difference = match (self.parts, self.listed) {
            (Some(parts), None) if parts.len() == 8 * PARTS => Some(Difference::Parts(parts)),
            (None, Some(listed)) if listed.len() <= 16 * MAX_LISTED && listed.len() % 16 == 0 => {
                Some(Difference::Listed(listed))
            }
            (None, None) => None,
            _ => return Err(Malformed::Field(key::PARTS)),
        };
        Ok(Answer {
            transaction,
            contacts,
            value: self.value()?,
            values: Values::new(self.values.unwrap_or_default()),
            version,
            size: narrow_opt(self.size, key::SIZE)?,
            total: narrow_opt(self.total, key::TOTAL)?,
            lease_s: narrow_opt(self.lease, key::LEASE)?,
            difference,
            marks: self.marks()?.unwrap_or_default(),
            stored: narrow_opt(self.stored, key::STORED)?,
            uptime_min: narrow_opt(self.uptime, key::UPTIME)?,
            calls: narrow_opt(self.calls, key::CALLS)?,
            // Of more than 2³¹ nodes there is no need to tell apart.
            magnitude: self.magnitude.map(|eighths| u8::try_from(eighths).unwrap_or(u8::MAX)),
            keep_s: narrow_opt(self.keep, key::KEEP)?,
        })
    }

    fn target(&self) -> Result<Key, Malformed> {
        let bytes = self.target.ok_or(Malformed::Missing(key::TARGET))?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| Malformed::Field(key::TARGET))?;
        Ok(Key::new(bytes))
    }

    fn kind(&self) -> Result<Kind, Malformed> {
        let code = self.kind.ok_or(Malformed::Missing(key::KIND))?;
        let code = u8::try_from(code).ok();
        code.and_then(Kind::from_code).ok_or(Malformed::Field(key::KIND))
    }

    /// How many contacts are wanted; more than there may be are as many as there may be.
    fn count(&self) -> u8 {
        let count = self.count.unwrap_or(0).min(MAX_CONTACTS as u64);
        u8::try_from(count).unwrap_or(0)
    }

    fn value(&self) -> Result<Option<Carried<'a>>, Malformed> {
        self.value.map(read_value).transpose()
    }

    fn range(&self) -> Result<Range, Malformed> {
        let depth = narrow_or(self.depth, 0);
        Ok(Range {
            radius: self.radius.ok_or(Malformed::Missing(key::RADIUS))?,
            depth: u8::try_from(depth).map_err(|_| Malformed::Field(key::DEPTH))?,
            prefix: self.prefix.unwrap_or(0),
            fingerprint: self.fingerprint.unwrap_or(0),
        })
    }
}

fn packed(field: Option<&[u8]>, size: usize, key: u8) -> Result<&[u8], Malformed> {
    let packed = field.unwrap_or_default();
    let is_sound = packed.len().is_multiple_of(size) && packed.len() / size <= MAX_CONTACTS;
    if is_sound { Ok(packed) } else { Err(Malformed::Field(key)) }
}

fn narrow(field: Option<u64>, key: u8) -> Result<u32, Malformed> {
    let field = field.ok_or(Malformed::Missing(key))?;
    u32::try_from(field).map_err(|_| Malformed::Field(key))
}

fn narrow_opt(field: Option<u64>, key: u8) -> Result<Option<u32>, Malformed> {
    field.map(|field| u32::try_from(field).map_err(|_| Malformed::Field(key))).transpose()
}

/// A number that is taken for the largest there is if it is larger.
fn narrow_or(field: Option<u64>, or: u32) -> u32 {
    field.map_or(or, |field| u32::try_from(field).unwrap_or(u32::MAX))
}

/// The refusal of a number; [`Refusal::Unknown`] for numbers of later versions.
const fn refusal(code: u32, detail: u64) -> Refusal {
    match code {
        1 => Refusal::Malformed,
        3 => Refusal::Busy,
        4 => Refusal::TooLong(detail),
        5 => Refusal::Expired(detail),
        6 => Refusal::LivesTooLong(detail),
        7 => Refusal::BadSignature,
        8 => Refusal::Older(detail),
        9 => Refusal::Swapped(detail),
        10 => Refusal::Quota(detail),
        11 => Refusal::Full,
        12 => Refusal::NotMine,
        13 => Refusal::TooManyWatchers,
        14 => Refusal::Storage,
        _ => Refusal::Unknown,
    }
}

impl<'a> From<Value<'a>> for Carried<'a> {
    fn from(value: Value<'a>) -> Self {
        Self { value, origin: None }
    }
}

#[cfg(test)]
mod tests;
