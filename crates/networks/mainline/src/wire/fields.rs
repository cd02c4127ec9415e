//! One pass over a datagram: every key that any message uses, before it is known which message it
//! is (in sorted order the arguments precede the method).

use core::net::SocketAddr;

use super::bencode::{Fault, MAX_DEPTH, MAX_VALUE_DEPTH, Reader};
use super::compact::{Values, read_address};
use super::id::Id;
use super::query::{Query, Want};
use super::response::{ErrorReply, Response};
use super::{MAX_TRANSACTION_BYTES, Message, Reason};

/// What the top-level dictionary holds.
#[derive(Default)]
pub(super) struct Fields<'a> {
    transaction: Option<&'a [u8]>,
    /// What `y` says; `Some(Kind::Unknown)` if it says something else.
    stated: Option<Kind>,
    /// What the keys `a`, `q`, `r` and `e` imply.
    implied: Option<Kind>,
    /// Whose `body` it is: of `a` or of `r`.
    body_of: Option<Kind>,
    pub(super) body: Body<'a>,
    pub(super) method: Option<&'a [u8]>,
    error: Option<(i64, &'a [u8])>,
    pub(super) version: Option<&'a [u8]>,
    pub(super) external: Option<SocketAddr>,
    pub(super) read_only: bool,
}

/// What the dictionary `a` of a query or `r` of a response holds: the union of both.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "so the protocol has them")]
pub(super) struct Body<'a> {
    pub(super) id: Option<Id>,
    pub(super) target: Option<Id>,
    pub(super) info_hash: Option<Id>,
    pub(super) token: Option<&'a [u8]>,
    pub(super) nodes: Option<&'a [u8]>,
    pub(super) nodes6: Option<&'a [u8]>,
    pub(super) values: Option<Values<'a>>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) public_key: Option<&'a [u8; 32]>,
    pub(super) signature: Option<&'a [u8; 64]>,
    pub(super) salt: Option<&'a [u8]>,
    pub(super) samples: Option<&'a [u8]>,
    pub(super) seeds: Option<&'a [u8; 256]>,
    pub(super) downloaders: Option<&'a [u8; 256]>,
    pub(super) seq: Option<i64>,
    pub(super) cas: Option<i64>,
    pub(super) port: Option<i64>,
    pub(super) interval: Option<i64>,
    pub(super) num: Option<i64>,
    pub(super) implied_port: bool,
    pub(super) seed: bool,
    pub(super) noseed: bool,
    pub(super) scrape: bool,
    pub(super) want: Want,
    /// The first known key with a value of the wrong type or size.
    pub(super) fault: Option<Reason>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Query,
    Response,
    Error,
    Unknown,
}

impl<'a> Fields<'a> {
    /// Reads all fields. What was read before a fault stays.
    pub(super) fn read(&mut self, datagram: &'a [u8]) -> Result<(), Reason> {
        let mut reader = Reader::new(datagram);
        reader.dictionary()?;
        while !reader.end() {
            match reader.string()? {
                b"t" => self.transaction = string(&mut reader)?,
                b"y" => self.stated = string(&mut reader)?.map(Kind::from_letter),
                b"q" => {
                    self.method = string(&mut reader)?;
                    self.implied.get_or_insert(Kind::Query);
                }
                b"a" => self.read_body(&mut reader, Kind::Query)?,
                b"r" => self.read_body(&mut reader, Kind::Response)?,
                b"e" => {
                    self.error = read_error(&mut reader)?;
                    self.implied.get_or_insert(Kind::Error);
                }
                b"v" => self.version = string(&mut reader)?,
                b"ip" => self.external = string(&mut reader)?.and_then(read_address),
                b"ro" => self.read_only = flag(&mut reader)?,
                _ => {
                    reader.element(MAX_DEPTH - 1)?;
                }
            }
        }
        Ok(())
    }

    fn read_body(&mut self, reader: &mut Reader<'a>, kind: Kind) -> Result<(), Fault> {
        if self.body_of.is_some() || reader.peek() != Some(b'd') {
            reader.element(MAX_DEPTH - 1)?;
            return Ok(());
        }
        self.body_of = Some(kind);
        self.implied.get_or_insert(kind);
        self.body.read(reader)
    }

    pub(super) fn transaction(&self) -> Option<&'a [u8]> {
        self.transaction.filter(|id| (1..=MAX_TRANSACTION_BYTES).contains(&id.len()))
    }

    pub(super) fn is_query(&self) -> bool {
        self.stated.or(self.implied) == Some(Kind::Query)
    }

    /// The message that the fields make up.
    pub(super) fn message(&self) -> Result<Message<'a>, Reason> {
        let transaction = self.transaction().ok_or(Reason::Transaction)?;
        let kind = self.stated.or(self.implied);
        match kind {
            Some(Kind::Query | Kind::Response) if self.body_of != kind => Err(Reason::Kind),
            Some(Kind::Query) => Query::from_fields(transaction, self).map(Message::Query),
            Some(Kind::Response) => Response::from_fields(transaction, self).map(Message::Response),
            Some(Kind::Error) => {
                let (code, message) = self.error.ok_or(Reason::ErrorCode)?;
                Ok(Message::Error(ErrorReply {
                    external: self.external,
                    version: self.version,
                    ..ErrorReply::new(transaction, code, message)
                }))
            }
            Some(Kind::Unknown) | None => Err(Reason::Kind),
        }
    }
}

impl Kind {
    fn from_letter(letter: &[u8]) -> Self {
        match letter {
            b"q" => Self::Query,
            b"r" => Self::Response,
            b"e" => Self::Error,
            _ => Self::Unknown,
        }
    }
}

impl<'a> Body<'a> {
    fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), Fault> {
        reader.dictionary()?;
        while !reader.end() {
            let key = reader.string()?;
            match key {
                b"id" => self.id = self.sized(reader, Reason::Sender)?.map(|id| Id::new(*id)),
                b"target" => {
                    self.target = self.sized(reader, Reason::Target)?.map(|id| Id::new(*id));
                }
                b"info_hash" => {
                    self.info_hash = self.sized(reader, Reason::InfoHash)?.map(|id| Id::new(*id));
                }
                b"token" => self.token = self.string(reader, Reason::Token)?,
                b"nodes" => self.nodes = self.string(reader, Reason::Field)?,
                b"nodes6" => self.nodes6 = self.string(reader, Reason::Field)?,
                b"values" => self.values = self.values(reader)?,
                b"v" => self.value = Some(reader.element(MAX_VALUE_DEPTH)?),
                b"k" => self.public_key = self.sized(reader, Reason::PublicKey)?,
                b"sig" => self.signature = self.sized(reader, Reason::Signature)?,
                b"salt" => self.salt = self.string(reader, Reason::Salt)?,
                b"samples" => self.samples = self.string(reader, Reason::Field)?,
                b"BFsd" => self.seeds = self.sized(reader, Reason::Field)?,
                b"BFpe" => self.downloaders = self.sized(reader, Reason::Field)?,
                b"seq" => self.seq = self.integer(reader, Reason::Sequence)?,
                b"cas" => self.cas = self.integer(reader, Reason::Sequence)?,
                b"port" => self.port = self.integer(reader, Reason::Port)?,
                b"interval" => self.interval = self.integer(reader, Reason::Field)?,
                b"num" => self.num = self.integer(reader, Reason::Field)?,
                b"implied_port" => self.implied_port = flag(reader)?,
                b"seed" => self.seed = flag(reader)?,
                b"noseed" => self.noseed = flag(reader)?,
                b"scrape" => self.scrape = flag(reader)?,
                b"want" => self.want = read_want(reader)?,
                _ => {
                    reader.element(MAX_VALUE_DEPTH)?;
                }
            }
        }
        Ok(())
    }

    fn string(
        &mut self,
        reader: &mut Reader<'a>,
        reason: Reason,
    ) -> Result<Option<&'a [u8]>, Fault> {
        let found = string(reader)?;
        if found.is_none() {
            self.fault.get_or_insert(reason);
        }
        Ok(found)
    }

    /// A string of `N` bytes.
    fn sized<const N: usize>(
        &mut self,
        reader: &mut Reader<'a>,
        reason: Reason,
    ) -> Result<Option<&'a [u8; N]>, Fault> {
        let found = string(reader)?.and_then(|bytes| bytes.try_into().ok());
        if found.is_none() {
            self.fault.get_or_insert(reason);
        }
        Ok(found)
    }

    fn integer(&mut self, reader: &mut Reader<'a>, reason: Reason) -> Result<Option<i64>, Fault> {
        let found = integer(reader)?;
        if found.is_none() {
            self.fault.get_or_insert(reason);
        }
        Ok(found)
    }

    fn values(&mut self, reader: &mut Reader<'a>) -> Result<Option<Values<'a>>, Fault> {
        let list = reader.element(MAX_VALUE_DEPTH)?;
        let entries = list.strip_prefix(b"l").and_then(|list| list.strip_suffix(b"e"));
        if entries.is_none() {
            self.fault.get_or_insert(Reason::Field);
        }
        Ok(entries.map(Values::new))
    }
}

/// A string; `None` after passing over something else.
#[inline]
fn string<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Fault> {
    if reader.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        return reader.string().map(Some);
    }
    reader.element(MAX_VALUE_DEPTH)?;
    Ok(None)
}

/// An integer of 64 bits; `None` after passing over something else.
fn integer(reader: &mut Reader<'_>) -> Result<Option<i64>, Fault> {
    if reader.peek() != Some(b'i') {
        reader.element(MAX_VALUE_DEPTH)?;
        return Ok(None);
    }
    match reader.integer() {
        Ok(number) => Ok(Some(number)),
        Err(Fault::IntegerRange) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// An integer other than zero. BEPs 5, 33 and 43 define 1; any other such integer means yes too.
fn flag(reader: &mut Reader<'_>) -> Result<bool, Fault> {
    Ok(integer(reader)?.is_some_and(|number| number != 0))
}

/// The list `[code, message]`; `None` if it has no code. A missing message is tolerated.
fn read_error<'a>(reader: &mut Reader<'a>) -> Result<Option<(i64, &'a [u8])>, Fault> {
    if reader.peek() != Some(b'l') {
        reader.element(MAX_DEPTH - 1)?;
        return Ok(None);
    }
    let (mut code, mut message) = (None, None);
    reader.list()?;
    while !reader.end() {
        match reader.peek() {
            Some(b'i') if code.is_none() => code = integer(reader)?,
            Some(b'0'..=b'9') if message.is_none() => message = string(reader)?,
            _ => {
                reader.element(MAX_VALUE_DEPTH)?;
            }
        }
    }
    Ok(code.map(|code| (code, message.unwrap_or_default())))
}

/// The list of BEP 32; what is not a list of strings counts as not stated.
fn read_want(reader: &mut Reader<'_>) -> Result<Want, Fault> {
    let mut want = Want::default();
    if reader.peek() != Some(b'l') {
        reader.element(MAX_VALUE_DEPTH)?;
        return Ok(want);
    }
    want.stated = true;
    reader.list()?;
    while !reader.end() {
        match string(reader)? {
            Some(b"n4") => want.nodes = true,
            Some(b"n6") => want.nodes6 = true,
            _ => {}
        }
    }
    Ok(want)
}
