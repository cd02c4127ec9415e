//! Queries.

use super::Reason;
use super::bencode::{write_integer, write_string};
use super::fields::{Body, Fields};
use super::id::Id;

/// A question to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Query<'a> {
    /// Names the query; the answer carries it back. 1 to 32 bytes.
    pub transaction: &'a [u8],
    /// The id of who asks.
    pub sender: Id,
    /// Whether who asks does not answer itself and must stay out of routing tables (BEP 43).
    pub read_only: bool,
    /// Which contacts the answer should bring (BEP 32).
    pub want: Want,
    /// The client: two letters and a version of two bytes.
    pub version: Option<&'a [u8]>,
    /// What is asked.
    pub request: Request<'a>,
}

/// Which families of contacts an answer should bring (BEP 32).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Want {
    /// IPv4 contacts.
    pub nodes: bool,
    /// IPv6 contacts.
    pub nodes6: bool,
    /// Whether the query says so; otherwise the family it travels in counts.
    pub stated: bool,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// Whether the node is there (BEP 5).
    Ping,
    /// The contacts closest to a target (BEP 5).
    FindNode {
        /// The target.
        target: Id,
    },
    /// The peers of a torrent (BEP 5).
    GetPeers {
        /// The torrent.
        info_hash: Id,
        /// Prefer peers that are no seeds (BEP 33).
        noseed: bool,
        /// Bring the Bloom filters (BEP 33).
        scrape: bool,
    },
    /// The asker is a peer of a torrent (BEP 5).
    AnnouncePeer {
        /// The torrent.
        info_hash: Id,
        /// The peer's port; 0 only with `implied_port`.
        port: u16,
        /// The port is the one that the query comes from.
        implied_port: bool,
        /// The peer has the whole content (BEP 33).
        seed: bool,
        /// From an earlier answer to `get_peers`.
        token: &'a [u8],
    },
    /// The item stored under a key (BEP 44).
    Get {
        /// The key.
        target: Id,
        /// Only if its `seq` is above this.
        seq: Option<i64>,
    },
    /// Store an item (BEP 44).
    Put(Put<'a>),
    /// Some of the info-hashes that the node stores (BEP 51).
    SampleInfohashes {
        /// Where the contacts should be close to.
        target: Id,
    },
    /// A method we do not know. By convention one with a target is answered like `find_node`, so
    /// that future methods find their way through old nodes.
    Unknown {
        /// The method.
        method: &'a [u8],
        /// Its `target`, or else its `info_hash`.
        target: Option<Id>,
    },
}

/// An item to store (BEP 44).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Put<'a> {
    /// From an earlier answer to `get`.
    pub token: &'a [u8],
    /// The value: one bencoded element as received, not checked to be canonical.
    pub value: &'a [u8],
    /// What makes the item a mutable one.
    pub mutable: Option<Mutable<'a>>,
    /// The key to store under. BEP 44 has none, since it follows from the rest; some nodes demand
    /// it.
    pub target: Option<Id>,
}

/// What makes an item mutable (BEP 44).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mutable<'a> {
    /// The author's Ed25519 public key.
    pub public_key: &'a [u8; 32],
    /// Over salt, `seq` and value.
    pub signature: &'a [u8; 64],
    /// The version.
    pub seq: i64,
    /// Store only if the stored version is this one.
    pub cas: Option<i64>,
    /// Tells apart the items of one author; empty: none. Its length is not checked.
    pub salt: &'a [u8],
}

impl<'a> Query<'a> {
    /// A plain query, for `..Query::new(…)`: no `want`, no version, not read-only.
    pub const fn new(transaction: &'a [u8], sender: Id, request: Request<'a>) -> Self {
        Self {
            transaction,
            sender,
            read_only: false,
            want: Want { nodes: false, nodes6: false, stated: false },
            version: None,
            request,
        }
    }

    pub(super) fn from_fields(transaction: &'a [u8], fields: &Fields<'a>) -> Result<Self, Reason> {
        let body = &fields.body;
        let method = fields.method.ok_or(Reason::Method)?;
        if let Some(fault) = body.fault {
            return Err(fault);
        }
        Ok(Self {
            transaction,
            sender: body.id.ok_or(Reason::Sender)?,
            read_only: fields.read_only,
            want: body.want,
            version: fields.version,
            request: Request::from_body(method, body)?,
        })
    }

    /// Appends the message, canonically.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"d1:ad");
        if let Request::Put(put) = &self.request {
            put.encode_before_id(out);
        }
        out.extend_from_slice(b"2:id20:");
        out.extend_from_slice(self.sender.as_bytes());
        self.request.encode_after_id(out);
        self.want.encode(out);
        out.extend_from_slice(b"e1:q");
        write_string(out, self.request.method());
        if self.read_only {
            out.extend_from_slice(b"2:roi1e");
        }
        out.extend_from_slice(b"1:t");
        write_string(out, self.transaction);
        if let Some(version) = self.version {
            out.extend_from_slice(b"1:v");
            write_string(out, version);
        }
        out.extend_from_slice(b"1:y1:qe");
    }
}

impl Want {
    fn encode(self, out: &mut Vec<u8>) {
        if self.stated {
            let list: &[u8] = match (self.nodes, self.nodes6) {
                (true, true) => b"4:wantl2:n42:n6e",
                (true, false) => b"4:wantl2:n4e",
                (false, true) => b"4:wantl2:n6e",
                (false, false) => b"4:wantle",
            };
            out.extend_from_slice(list);
        }
    }
}

impl<'a> Request<'a> {
    /// The method's name on the wire.
    pub const fn method(&self) -> &'a [u8] {
        match self {
            Self::Ping => b"ping",
            Self::FindNode { .. } => b"find_node",
            Self::GetPeers { .. } => b"get_peers",
            Self::AnnouncePeer { .. } => b"announce_peer",
            Self::Get { .. } => b"get",
            Self::Put(_) => b"put",
            Self::SampleInfohashes { .. } => b"sample_infohashes",
            Self::Unknown { method, .. } => method,
        }
    }

    fn from_body(method: &'a [u8], body: &Body<'a>) -> Result<Self, Reason> {
        let target = body.target.ok_or(Reason::Target);
        let info_hash = body.info_hash.ok_or(Reason::InfoHash);
        Ok(match method {
            b"ping" => Self::Ping,
            b"find_node" => Self::FindNode { target: target? },
            b"get_peers" => {
                Self::GetPeers { info_hash: info_hash?, noseed: body.noseed, scrape: body.scrape }
            }
            b"announce_peer" => Self::AnnouncePeer {
                info_hash: info_hash?,
                port: body.peer_port()?,
                implied_port: body.implied_port,
                seed: body.seed,
                token: body.token.ok_or(Reason::Token)?,
            },
            b"get" => Self::Get { target: target?, seq: body.seq },
            b"put" => Self::Put(Put::from_body(body)?),
            b"sample_infohashes" => Self::SampleInfohashes { target: target? },
            _ => Self::Unknown { method, target: body.target.or(body.info_hash) },
        })
    }

    /// The arguments after `id` and before `want`.
    fn encode_after_id(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Ping => {}
            Self::FindNode { target } | Self::SampleInfohashes { target } => {
                write_target(out, target);
            }
            Self::GetPeers { info_hash, noseed, scrape } => {
                write_info_hash(out, info_hash);
                if noseed {
                    out.extend_from_slice(b"6:noseedi1e");
                }
                if scrape {
                    out.extend_from_slice(b"6:scrapei1e");
                }
            }
            Self::AnnouncePeer { info_hash, port, implied_port, seed, token } => {
                if implied_port {
                    out.extend_from_slice(b"12:implied_porti1e");
                }
                write_info_hash(out, info_hash);
                out.extend_from_slice(b"4:port");
                write_integer(out, port.into());
                if seed {
                    out.extend_from_slice(b"4:seedi1e");
                }
                out.extend_from_slice(b"5:token");
                write_string(out, token);
            }
            Self::Get { target, seq } => {
                if let Some(seq) = seq {
                    out.extend_from_slice(b"3:seq");
                    write_integer(out, seq);
                }
                write_target(out, target);
            }
            Self::Put(ref put) => put.encode_after_id(out),
            Self::Unknown { target, .. } => {
                if let Some(target) = target {
                    write_target(out, target);
                }
            }
        }
    }
}

impl<'a> Put<'a> {
    fn from_body(body: &Body<'a>) -> Result<Self, Reason> {
        let is_mutable = body.public_key.is_some() || body.signature.is_some();
        let mutable = || -> Result<Mutable<'a>, Reason> {
            Ok(Mutable {
                public_key: body.public_key.ok_or(Reason::PublicKey)?,
                signature: body.signature.ok_or(Reason::Signature)?,
                seq: body.seq.ok_or(Reason::Sequence)?,
                cas: body.cas,
                salt: body.salt.unwrap_or_default(),
            })
        };
        Ok(Self {
            token: body.token.ok_or(Reason::Token)?,
            value: body.value.ok_or(Reason::Value)?,
            mutable: is_mutable.then(mutable).transpose()?,
            target: body.target,
        })
    }

    fn encode_before_id(&self, out: &mut Vec<u8>) {
        if let Some(cas) = self.mutable.and_then(|mutable| mutable.cas) {
            out.extend_from_slice(b"3:cas");
            write_integer(out, cas);
        }
    }

    fn encode_after_id(&self, out: &mut Vec<u8>) {
        if let Some(mutable) = &self.mutable {
            out.extend_from_slice(b"1:k32:");
            out.extend_from_slice(mutable.public_key);
            if !mutable.salt.is_empty() {
                out.extend_from_slice(b"4:salt");
                write_string(out, mutable.salt);
            }
            out.extend_from_slice(b"3:seq");
            write_integer(out, mutable.seq);
            out.extend_from_slice(b"3:sig64:");
            out.extend_from_slice(mutable.signature);
        }
        if let Some(target) = self.target {
            write_target(out, target);
        }
        out.extend_from_slice(b"5:token");
        write_string(out, self.token);
        out.extend_from_slice(b"1:v");
        out.extend_from_slice(self.value);
    }
}

impl Body<'_> {
    /// With `implied_port`, what `port` says does not matter (BEP 5).
    fn peer_port(&self) -> Result<u16, Reason> {
        let port = self.port.and_then(|port| u16::try_from(port).ok());
        match port {
            Some(port) if port != 0 || self.implied_port => Ok(port),
            _ if self.implied_port => Ok(0),
            _ => Err(Reason::Port),
        }
    }
}

fn write_target(out: &mut Vec<u8>, target: Id) {
    out.extend_from_slice(b"6:target20:");
    out.extend_from_slice(target.as_bytes());
}

fn write_info_hash(out: &mut Vec<u8>, info_hash: Id) {
    out.extend_from_slice(b"9:info_hash20:");
    out.extend_from_slice(info_hash.as_bytes());
}
