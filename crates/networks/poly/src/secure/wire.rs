//! The datagrams of the secure layer: their layout, parsed and written. `docs/poly-secure.md`
//! specifies every byte. Integers are big-endian.

use core::mem::size_of;

/// Who is there? Asked when only an address is known.
const HELLO: u8 = 0x10;
/// The answer to a hello.
const IDENTITY: u8 = 0x11;
/// "I cannot take what you sent: begin a handshake with this cookie."
const CHALLENGE: u8 = 0x12;
/// The first message of a handshake.
const INITIATION: u8 = 0x13;
/// The second and last message of a handshake.
const RESPONSE: u8 = 0x14;
/// A message of the inner protocol within a session.
const DATA: u8 = 0x15;
/// A message of this layer within a session.
const CONTROL: u8 = 0x16;

/// The longest datagram, bytes: what passes every path of the Internet unfragmented (IPv6 demands
/// 1,280 with its headers), as QUIC assumes too (RFC 9000 section 14).
pub const MAX_DATAGRAM_BYTES: usize = 1200;
/// What a session adds to a message: header and tag.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;
/// What an initiation adds to the request within.
pub const INITIATION_BYTES: usize = INITIATION_HEADER_BYTES
    + EPHEMERAL_BYTES
    + (KEY_BYTES + TAG_BYTES)
    + (FIRST_PAYLOAD_BYTES + TAG_BYTES)
    + MAC_BYTES;
/// What a response adds to the answer within.
pub const RESPONSE_BYTES: usize =
    TYPE_BYTES + INDEX_BYTES + EPHEMERAL_BYTES + SECOND_PAYLOAD_BYTES + TAG_BYTES;
/// A hello and its answer: one is as long as the other.
pub const HELLO_BYTES: usize = TYPE_BYTES + NONCE_BYTES + KEY_BYTES + COOKIE_BYTES + MAC_BYTES;
/// A challenge: not longer than the shortest datagram it may answer.
pub const CHALLENGE_BYTES: usize = TYPE_BYTES + INDEX_BYTES + COOKIE_BYTES;

const TYPE_BYTES: usize = 1;
const INDEX_BYTES: usize = size_of::<u64>();
const STAMP_BYTES: usize = size_of::<u64>();
const COUNTER_BYTES: usize = size_of::<u32>();
const NONCE_BYTES: usize = 8;
const EPHEMERAL_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
/// Poly1305.
pub(super) const TAG_BYTES: usize = 16;
const MAC_BYTES: usize = 16;
const COOKIE_BYTES: usize = 16;
/// Of data and control.
pub(super) const HEADER_BYTES: usize = TYPE_BYTES + INDEX_BYTES + COUNTER_BYTES;
/// Type, sender's index, stamp, cookie.
pub(super) const INITIATION_HEADER_BYTES: usize =
    TYPE_BYTES + INDEX_BYTES + STAMP_BYTES + COOKIE_BYTES;
/// The id and the length of the request.
const FIRST_PAYLOAD_BYTES: usize = KEY_BYTES + size_of::<u16>();
/// The responder's index and its flags.
const SECOND_PAYLOAD_BYTES: usize = INDEX_BYTES + 1;

const _: () =
    assert!(CHALLENGE_BYTES <= OVERHEAD_BYTES, "a challenge may answer the least of data");
const _: () = assert!(RESPONSE_BYTES <= INITIATION_BYTES, "a response may answer any initiation");

/// Names a session or a handshake at the node that issued it.
pub(super) type Index = u64;
/// Shown to whoever holds an address, so that he can show that he does.
pub(super) type Cookie = [u8; COOKIE_BYTES];
/// "I have none."
pub(super) const NO_COOKIE: Cookie = [0; COOKIE_BYTES];
pub(super) type Mac = [u8; MAC_BYTES];
pub(super) type Nonce = [u8; NONCE_BYTES];

/// A datagram, borrowed from its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Datagram<'a> {
    Hello { nonce: Nonce, covered: &'a [u8], mac: Mac },
    Identity { nonce: Nonce, id: [u8; KEY_BYTES], cookie: Cookie, covered: &'a [u8], mac: Mac },
    Challenge { echo: Index, cookie: Cookie },
    Initiation(Initiation<'a>),
    Response { to: Index, noise: &'a [u8] },
    Sealed(Sealed<'a>),
}

/// The first message of a handshake.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Initiation<'a> {
    pub(super) header: &'a [u8; INITIATION_HEADER_BYTES],
    /// The index by which the initiator wants to be answered.
    pub(super) sender: Index,
    /// When it was made by the initiator's clock, milliseconds of Unix time; 0: it has none.
    pub(super) stamp_ms: u64,
    pub(super) cookie: Cookie,
    pub(super) ephemeral: &'a [u8; EPHEMERAL_BYTES],
    /// From the ephemeral key on.
    pub(super) noise: &'a [u8],
    /// All that the MAC covers.
    pub(super) covered: &'a [u8],
    pub(super) mac: Mac,
}

/// A message within a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sealed<'a> {
    pub(super) kind: Kind,
    pub(super) to: Index,
    pub(super) counter: u32,
    pub(super) header: &'a [u8; HEADER_BYTES],
    /// Ciphertext and tag.
    pub(super) body: &'a [u8],
}

/// Whom a message within a session is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The inner protocol.
    Data,
    /// This layer.
    Control,
}

/// What this layer says within a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Control {
    /// Nothing: that it arrives is what matters.
    Here,
    /// Send this back, so that I see that you are where you seem to be.
    Prove(Nonce),
    /// Sent back.
    Proof(Nonce),
}

/// Plaintext of the first handshake message.
pub(super) struct FirstPayload<'a> {
    pub(super) id: &'a [u8; KEY_BYTES],
    pub(super) request: &'a [u8],
}

/// Plaintext of the second handshake message.
pub(super) struct SecondPayload<'a> {
    pub(super) sender: Index,
    /// The responder has more to say once the initiator has shown its address.
    pub(super) holds_more: bool,
    pub(super) answer: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a datagram; `None` for what is none.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > MAX_DATAGRAM_BYTES {
            return None;
        }
        let (&kind, rest) = bytes.split_first()?;
        match kind {
            HELLO => Self::hello(bytes, rest),
            IDENTITY => Self::identity(bytes, rest),
            CHALLENGE => {
                let (echo, cookie) = split_u64(rest)?;
                Some(Self::Challenge { echo, cookie: cookie.try_into().ok()? })
            }
            INITIATION => Initiation::parse(bytes).map(Self::Initiation),
            RESPONSE => {
                let (to, noise) = split_u64(rest)?;
                (bytes.len() >= RESPONSE_BYTES).then_some(Self::Response { to, noise })
            }
            DATA => Sealed::parse(bytes, Kind::Data).map(Self::Sealed),
            CONTROL => Sealed::parse(bytes, Kind::Control).map(Self::Sealed),
            _ => None,
        }
    }

    fn hello(bytes: &'a [u8], rest: &'a [u8]) -> Option<Self> {
        if bytes.len() != HELLO_BYTES {
            return None;
        }
        let (covered, mac) = bytes.split_last_chunk()?;
        let (nonce, _) = rest.split_first_chunk()?;
        Some(Self::Hello { nonce: *nonce, covered, mac: *mac })
    }

    fn identity(bytes: &'a [u8], rest: &'a [u8]) -> Option<Self> {
        if bytes.len() != HELLO_BYTES {
            return None;
        }
        let (covered, mac) = bytes.split_last_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (cookie, _) = rest.split_first_chunk()?;
        Some(Self::Identity { nonce: *nonce, id: *id, cookie: *cookie, covered, mac: *mac })
    }
}

impl<'a> Initiation<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < INITIATION_BYTES {
            return None;
        }
        let (covered, mac) = bytes.split_last_chunk()?;
        let (header, noise) = covered.split_first_chunk()?;
        let (ephemeral, _) = noise.split_first_chunk()?;
        let (sender, rest) = split_u64(header.get(TYPE_BYTES..)?)?;
        let (stamp_ms, cookie) = split_u64(rest)?;
        let cookie = cookie.try_into().ok()?;
        Some(Self { header, sender, stamp_ms, cookie, ephemeral, noise, covered, mac: *mac })
    }
}

impl<'a> Sealed<'a> {
    fn parse(bytes: &'a [u8], kind: Kind) -> Option<Self> {
        if bytes.len() < OVERHEAD_BYTES {
            return None;
        }
        let (header, body) = bytes.split_first_chunk()?;
        let (to, counter) = split_u64(header.get(TYPE_BYTES..)?)?;
        let counter = u32::from_be_bytes(counter.try_into().ok()?);
        Some(Self { kind, to, counter, header, body })
    }
}

impl Kind {
    /// The header of a message within a session; also what its tag covers besides the message.
    pub(super) fn header(self, to: Index, counter: u32) -> [u8; HEADER_BYTES] {
        let kind = match self {
            Self::Data => DATA,
            Self::Control => CONTROL,
        };
        let mut header = [kind; HEADER_BYTES];
        if let Some((_, rest)) = header.split_first_mut()
            && let Some((index, rest)) = rest.split_first_chunk_mut()
        {
            *index = to.to_be_bytes();
            rest.copy_from_slice(&counter.to_be_bytes());
        }
        header
    }
}

impl Control {
    const PROVE: u8 = 1;
    const PROOF: u8 = 2;
    /// Bytes of the longest as a datagram.
    pub(super) const MAX_BYTES: usize = OVERHEAD_BYTES + 1 + NONCE_BYTES;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let Some((&kind, token)) = bytes.split_first() else {
            return Some(Self::Here);
        };
        let token = token.try_into().ok()?;
        match kind {
            Self::PROVE => Some(Self::Prove(token)),
            Self::PROOF => Some(Self::Proof(token)),
            _ => None,
        }
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        let (kind, token) = match self {
            Self::Here => return,
            Self::Prove(token) => (Self::PROVE, token),
            Self::Proof(token) => (Self::PROOF, token),
        };
        out.push(kind);
        out.extend_from_slice(&token);
    }
}

/// Writes a hello; `mac` is asked for the MAC of what stands before it.
pub(super) fn write_hello(out: &mut Vec<u8>, nonce: Nonce, mac: impl FnOnce(&[u8]) -> Mac) {
    out.push(HELLO);
    out.extend_from_slice(&nonce);
    out.resize(HELLO_BYTES - MAC_BYTES, 0);
    append_mac(out, mac);
}

/// Writes the answer to a hello.
pub(super) fn write_identity(
    out: &mut Vec<u8>,
    nonce: Nonce,
    (id, cookie): (&[u8; KEY_BYTES], Cookie),
    mac: impl FnOnce(&[u8]) -> Mac,
) {
    out.push(IDENTITY);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(id);
    out.extend_from_slice(&cookie);
    append_mac(out, mac);
}

pub(super) fn write_challenge(out: &mut Vec<u8>, echo: Index, cookie: Cookie) {
    out.push(CHALLENGE);
    out.extend_from_slice(&echo.to_be_bytes());
    out.extend_from_slice(&cookie);
}

/// The header of an initiation.
pub(super) fn initiation_header(
    sender: Index,
    stamp_ms: u64,
    cookie: Cookie,
) -> [u8; INITIATION_HEADER_BYTES] {
    let fields = [INITIATION].into_iter().chain(sender.to_be_bytes()).chain(stamp_ms.to_be_bytes());
    let mut bytes = fields.chain(cookie);
    core::array::from_fn(|_| bytes.next().unwrap_or_default())
}

/// The plaintext of an initiation that shall be at least `padded_to` bytes long as a datagram.
pub(super) fn first_payload(id: &[u8; KEY_BYTES], request: &[u8], padded_to: usize) -> Vec<u8> {
    let least = padded_to.min(MAX_DATAGRAM_BYTES).saturating_sub(INITIATION_BYTES);
    let mut payload = Vec::with_capacity(FIRST_PAYLOAD_BYTES + request.len().max(least));
    payload.extend_from_slice(id);
    payload.extend_from_slice(&u16::try_from(request.len()).unwrap_or(u16::MAX).to_be_bytes());
    payload.extend_from_slice(request);
    payload.resize(FIRST_PAYLOAD_BYTES + request.len().max(least), 0);
    payload
}

/// The start of a response, before its Noise message.
pub(super) fn response_header(to: Index) -> [u8; TYPE_BYTES + INDEX_BYTES] {
    let mut bytes = [RESPONSE].into_iter().chain(to.to_be_bytes());
    core::array::from_fn(|_| bytes.next().unwrap_or_default())
}

/// The plaintext of a response.
pub(super) fn second_payload(sender: Index, holds_more: bool, answer: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(SECOND_PAYLOAD_BYTES + answer.len());
    payload.extend_from_slice(&sender.to_be_bytes());
    payload.push(holds_more.into());
    payload.extend_from_slice(answer);
    payload
}

impl<'a> FirstPayload<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let request = rest.get(..u16::from_be_bytes(*length).into())?;
        Some(Self { id, request })
    }
}

impl<'a> SecondPayload<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (sender, rest) = split_u64(bytes)?;
        let (&flags, answer) = rest.split_first()?;
        Some(Self { sender, holds_more: flags & 1 != 0, answer })
    }
}

fn split_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*first), rest))
}

/// Appends the MAC of all that `out` holds.
pub(super) fn append_mac(out: &mut Vec<u8>, mac: impl FnOnce(&[u8]) -> Mac) {
    let mac = mac(out);
    out.extend_from_slice(&mac);
}

#[cfg(test)]
mod tests;
