//! What a node's owner may ask for, and what it is told.
//!
//! Every wish ends: with what it asked for, or with the reason why not, by its deadline at the
//! latest. All that happens under one wish carries the [`OperationId`] its command returned.

use core::fmt;
use std::time::Duration;

use kademlia::{Key, OperationId};

use crate::contact::Peer;
use crate::value::{
    DEFAULT_LIFETIME_S, Entry, Kind, MAX_LIFETIME_S, MAX_VALUE_BYTES, Record, ValueError,
};

/// What the owner may ask for.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Join through these nodes; [`Peer::unproven`] where only an address is known. Ends with
    /// [`Outcome::Nodes`].
    Bootstrap(Vec<Peer>),
    /// Is this node there? Ends with [`Outcome::Pong`].
    Ping(Peer),
    /// The nodes closest to a key, or the one that has it as its id. Ends with [`Outcome::Nodes`].
    FindNode(Key),
    /// Store immutable bytes. Ends with [`Outcome::Stored`].
    PutBlob {
        /// The bytes, at most [`MAX_VALUE_BYTES`].
        value: Box<[u8]>,
        /// How.
        options: PutOptions,
    },
    /// Store a signed record, or its tombstone. Ends with [`Outcome::Stored`], or
    /// [`Failure::Conflict`].
    PutRecord {
        /// The record.
        record: Box<Record>,
        /// Compare and swap: the seq that must be the newest, 0 for no record at all. Holders
        /// refuse if theirs is another.
        expected: Option<u64>,
        /// How; the record itself says how long it lives.
        options: PutOptions,
    },
    /// Store a signed entry of a topic, or take it away. Ends with [`Outcome::Stored`].
    PutEntry {
        /// The entry.
        entry: Box<Entry>,
        /// How; the entry itself says how long it lives.
        options: PutOptions,
    },
    /// The blob under a key. Ends with [`Outcome::Blob`].
    GetBlob {
        /// The key.
        key: Key,
        /// How.
        options: GetOptions,
    },
    /// The newest version of the record under a key. Ends with [`Outcome::Record`].
    GetRecord {
        /// The key.
        key: Key,
        /// How.
        options: GetOptions,
    },
    /// Entries of a topic, of as many authors as possible; [`Progress::Entries`] as they come in.
    /// Ends with [`Outcome::Entries`].
    ListTopic {
        /// The topic's key.
        topic: Key,
        /// How many entries are enough.
        limit: usize,
        /// How.
        options: GetOptions,
    },
    /// Tell whatever changes under the key of a record or a topic, beginning with what is there:
    /// [`Progress::Changed`], until [`Command::Cancel`].
    Watch {
        /// The key.
        key: Key,
        /// Records or entries.
        kind: Kind,
    },
    /// A search as its owner sees it, told step by step: [`Progress::Step`]. What the node holds
    /// itself ends it no sooner. Ends as the search that `quest` names.
    Trace {
        /// What is looked for.
        target: Key,
        /// What others are asked for.
        quest: Quest,
    },
    /// End an operation. One that watches gives up its leases.
    Cancel(OperationId),
    /// It is this time now, in unix seconds. Call when the machine's clock was set.
    SetClock(u64),
}

/// How to put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PutOptions {
    /// How long a blob lives, in seconds; at most 30 days.
    pub lifetime_s: u32,
    /// How many holders must acknowledge.
    pub quorum: Quorum,
    /// By when to end.
    pub deadline: Duration,
    /// Lookups that share no node, against liars; 1 is an ordinary lookup.
    pub paths: u8,
}

impl Default for PutOptions {
    fn default() -> Self {
        Self {
            lifetime_s: DEFAULT_LIFETIME_S,
            quorum: Quorum::Auto,
            deadline: Duration::from_secs(15),
            paths: 1,
        }
    }
}

/// How many holders must acknowledge a put for it to succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Quorum {
    /// 8, or two thirds of the holders there should be in a smaller network.
    #[default]
    Auto,
    /// So many.
    Count(u8),
    /// Every node of the region.
    All,
}

/// How to get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GetOptions {
    /// By when to end, with what was found by then.
    pub deadline: Duration,
    /// Lookups that share no node, against liars; 1 is an ordinary lookup.
    pub paths: u8,
    /// Of records: replicas that must answer. 7 of the some 20 miss a version that only a quorum of
    /// 8 has stored once in a hundred times, 8 once in 250 times.
    pub replicas: u8,
}

impl Default for GetOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(15), paths: 1, replicas: 7 }
    }
}

/// What a traced search asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quest {
    /// Nodes alone.
    Nodes,
    /// A blob.
    Blob,
    /// A record.
    Record,
    /// Entries of a topic.
    Topic,
}

impl Quest {
    /// Entries that a traced search of a topic is content with.
    const ENTRIES: usize = 32;

    /// The search that it stands for.
    pub(crate) fn command(self, target: Key) -> Command {
        match self {
            Self::Nodes => Command::FindNode(target),
            Self::Blob => Command::get_blob(target),
            Self::Record => Command::get_record(target),
            Self::Topic => Command::ListTopic {
                topic: target,
                limit: Self::ENTRIES,
                options: GetOptions::default(),
            },
        }
    }
}

/// What the owner is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A wish has come this far.
    Progress(OperationId, Progress),
    /// A wish has ended.
    Done(OperationId, Outcome, Report),
    /// A put whose outcome was told is complete: these are all who hold the value.
    PutComplete(OperationId, Acknowledgements),
}

/// How far a wish has come.
#[derive(Clone, PartialEq, Debug)]
pub enum Progress {
    /// Entries of a topic that were not known before.
    Entries(Vec<Entry>),
    /// Something under a watched key is new.
    Changed(Change),
    /// This many replicas have promised to tell changes.
    Watching {
        /// How many.
        replicas: usize,
    },
    /// One step of a traced search.
    Step(Step),
}

/// One step of a traced search. Who was asked and is told of no more did not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A request was sent there.
    Asked(Peer),
    /// It was answered.
    Answered {
        /// Who answered.
        by: Peer,
        /// How long it took.
        rtt: Duration,
        /// The contacts it named.
        named: Vec<Peer>,
        /// Whether it has what was asked for.
        holds: bool,
    },
    /// It was refused.
    Refused(Peer),
}

/// What is new under a watched key.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// A newer version of the record, or its tombstone.
    Record(Box<Record>),
    /// An entry that is new, newer, or removed.
    Entry(Box<Entry>),
}

/// How a wish ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// Nodes, closest first.
    Nodes(Vec<Peer>),
    /// The node is there.
    Pong {
        /// Who it is.
        peer: Peer,
        /// How long its answer took.
        rtt: Duration,
    },
    /// Stored by as many as were to acknowledge.
    Stored(Acknowledgements),
    /// The blob, if it was found. Its hash is the key.
    Blob(Option<Box<[u8]>>),
    /// The newest version found, if any; a tombstone has no value. Its signature is checked.
    Record(Option<Box<Record>>),
    /// Entries found, signatures checked, none of them removals.
    Entries(Vec<Entry>),
    /// It failed.
    Failed(Failure),
}

/// Who stores a value and who does not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Acknowledgements {
    /// Those who acknowledged; the node itself is among them if it is a holder.
    pub stored: Vec<Peer>,
    /// Those who refused, and why.
    pub refused: Vec<(Peer, Refusal)>,
    /// How many left the request unanswered so far.
    pub unanswered: u32,
    /// How many nodes the region has, as far as is known.
    pub region: usize,
    /// How many had to acknowledge.
    pub quorum: usize,
}

/// Why a wish failed.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The value itself is not storable.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Too few holders acknowledged. Those who did keep the value until it expires.
    #[error("{} of {} needed holders stored it: {}", .0.stored.len(), .0.quorum, reasons(.0))]
    QuorumMissed(Acknowledgements),
    /// A newer version is there, or not the one expected.
    #[error("seq {} is there already", .0.seq)]
    Conflict(Box<Record>),
    /// A newer version is said to be there, but nobody could show it.
    #[error("holders refuse it for seq {seq}, which none of them could show")]
    ConflictUnseen {
        /// What they say is there.
        seq: u64,
    },
    /// Most holders take the value for expired, or for too long-lived, and their clocks agree.
    #[error(
        "holders' clocks are {} s {} ours: set the clock",
        .ahead_s.unsigned_abs(),
        if *.ahead_s < 0 { "behind" } else { "ahead of" }
    )]
    ClockSkew {
        /// The median by which they are ahead; negative: behind.
        ahead_s: i64,
    },
    /// No node is known.
    #[error("no node is known: bootstrap first")]
    NobodyThere,
    /// There was no answer.
    #[error("no answer in time")]
    Unanswered,
    /// The one node asked refused.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Too much is under way.
    #[error("{limit} operations are under way already")]
    TooManyOperations {
        /// How many may be.
        limit: usize,
    },
    /// The owner cancelled it.
    #[error("cancelled")]
    Cancelled,
    /// Blobs never change.
    #[error("a blob cannot be watched: it never changes")]
    Unwatchable,
}

fn reasons(acknowledgements: &Acknowledgements) -> String {
    let Acknowledgements { refused, unanswered, .. } = acknowledgements;
    let mut text = format!("{} refused, {unanswered} did not answer", refused.len());
    if let Some((_, first)) = refused.first() {
        text.push_str("; one said: ");
        text.push_str(&first.to_string());
    }
    text
}

/// Why a node did not do what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The request makes no sense to it.
    Malformed,
    /// It does not know such requests.
    Unknown,
    /// Asked too often.
    Busy,
    /// Too many bytes; the limit.
    TooLong(u64),
    /// Already expired, by its clock, which is told in unix seconds.
    Expired(u64),
    /// It would live too long, by its clock.
    LivesTooLong(u64),
    /// The signature is not the author's.
    BadSignature,
    /// It holds a newer version, of this seq.
    Older(u64),
    /// Compare and swap failed: it holds this seq, 0 for none.
    Swapped(u64),
    /// The source or the author has used up its quota of so many bytes.
    Quota(u64),
    /// It has no room.
    Full,
    /// The key belongs to others.
    NotMine,
    /// It serves too many watchers.
    TooManyWatchers,
    /// Its disk failed.
    Storage,
}

impl Refusal {
    /// One more than the highest [`Refusal::number`].
    pub const NUMBERS: usize = 15;

    /// Its number on the wire, from 1; what counters count by.
    pub const fn number(&self) -> usize {
        match self {
            Self::Malformed => 1,
            Self::Unknown => 2,
            Self::Busy => 3,
            Self::TooLong(_) => 4,
            Self::Expired(_) => 5,
            Self::LivesTooLong(_) => 6,
            Self::BadSignature => 7,
            Self::Older(_) => 8,
            Self::Swapped(_) => 9,
            Self::Quota(_) => 10,
            Self::Full => 11,
            Self::NotMine => 12,
            Self::TooManyWatchers => 13,
            Self::Storage => 14,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("it makes no sense"),
            Self::Unknown => f.write_str("unknown request"),
            Self::Busy => f.write_str("asked too often, or another swap is under way"),
            Self::TooLong(limit) => write!(f, "longer than {limit} bytes"),
            Self::Expired(clock) => write!(f, "expired by the holder's clock ({clock})"),
            Self::LivesTooLong(clock) => {
                write!(f, "lives longer than {MAX_LIFETIME_S} s by the holder's clock ({clock})")
            }
            Self::BadSignature => f.write_str("the signature is not the author's"),
            Self::Older(seq) => write!(f, "seq {seq} is there already"),
            Self::Swapped(seq) => write!(f, "not what was expected: seq {seq} is there"),
            Self::Quota(limit) => write!(f, "its source has used up its {limit} bytes"),
            Self::Full => f.write_str("the holder has no room"),
            Self::NotMine => f.write_str("the key belongs to other nodes"),
            Self::TooManyWatchers => f.write_str("too many watchers"),
            Self::Storage => f.write_str("the holder's disk failed"),
        }
    }
}

/// What a wish cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Requests sent.
    pub asked: u32,
    /// Requests answered, refusals included.
    pub answered: u32,
    /// Requests unanswered.
    pub failed: u32,
    /// Steps to whoever had the answer: 1 if our own contacts had it, 0 if we did.
    pub hops: u32,
    /// From the wish to its end.
    pub elapsed: Duration,
}

impl Command {
    /// Puts immutable bytes as by default. They may have [`MAX_VALUE_BYTES`].
    pub fn put_blob(value: &[u8]) -> Self {
        const { assert!(MAX_VALUE_BYTES == 65536) };
        Self::PutBlob { value: value.into(), options: PutOptions::default() }
    }

    /// Puts a record as by default.
    pub fn put_record(record: Record, expected: Option<u64>) -> Self {
        Self::PutRecord { record: Box::new(record), expected, options: PutOptions::default() }
    }

    /// Puts an entry as by default.
    pub fn put_entry(entry: Entry) -> Self {
        Self::PutEntry { entry: Box::new(entry), options: PutOptions::default() }
    }

    /// Gets a blob as by default.
    pub fn get_blob(key: Key) -> Self {
        Self::GetBlob { key, options: GetOptions::default() }
    }

    /// Gets a record as by default.
    pub fn get_record(key: Key) -> Self {
        Self::GetRecord { key, options: GetOptions::default() }
    }
}
