//! The messages that are sent, written by hand, and what is read of the answers (BEP 5, BEP 44).

/// What a query asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ping,
    FindNode,
    GetPeers,
    /// A `find_node` that is only expected to come back.
    Echo,
}

impl Kind {
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        match name {
            "ping" => Ok(Self::Ping),
            "find_node" => Ok(Self::FindNode),
            "get_peers" => Ok(Self::GetPeers),
            "echo" => Ok(Self::Echo),
            _ => Err(format!("--kind {name}: ping, find_node, get_peers or echo")),
        }
    }

    /// Writes the query; its length.
    pub(crate) fn write(self, to: &mut [u8], id: &[u8; 20], target: &[u8; 20], tid: u32) -> usize {
        let tid = tid.to_be_bytes();
        let parts: &[&[u8]] = match self {
            Self::Ping => &[b"d1:ad2:id20:", id, b"e1:q4:ping1:t4:", &tid, b"1:y1:qe"],
            Self::FindNode | Self::Echo => &[
                b"d1:ad2:id20:",
                id,
                b"6:target20:",
                target,
                b"e1:q9:find_node1:t4:",
                &tid,
                b"1:y1:qe",
            ],
            Self::GetPeers => &[
                b"d1:ad2:id20:",
                id,
                b"9:info_hash20:",
                target,
                b"e1:q9:get_peers1:t4:",
                &tid,
                b"1:y1:qe",
            ],
        };
        join(to, parts)
    }
}

/// Writes `get` for a value's hash.
pub(crate) fn write_get(to: &mut [u8], id: &[u8; 20], target: &[u8; 20], tid: u32) -> usize {
    let tid = tid.to_be_bytes();
    join(to, &[b"d1:ad2:id20:", id, b"6:target20:", target, b"e1:q3:get1:t4:", &tid, b"1:y1:qe"])
}

/// Writes `announce_peer`.
pub(crate) fn write_announce(
    to: &mut [u8],
    id: &[u8; 20],
    info_hash: &[u8; 20],
    token: &[u8],
    tid: u32,
) -> usize {
    let (length, tid) = (token.len().to_string(), tid.to_be_bytes());
    join(
        to,
        &[
            b"d1:ad2:id20:",
            id,
            b"9:info_hash20:",
            info_hash,
            b"4:porti6881e5:token",
            length.as_bytes(),
            b":",
            token,
            b"e1:q13:announce_peer1:t4:",
            &tid,
            b"1:y1:qe",
        ],
    )
}

/// Writes `put` of a bencoded value.
pub(crate) fn write_put(
    to: &mut [u8],
    id: &[u8; 20],
    value: &[u8],
    token: &[u8],
    tid: u32,
) -> usize {
    let (length, tid) = (token.len().to_string(), tid.to_be_bytes());
    join(
        to,
        &[
            b"d1:ad2:id20:",
            id,
            b"5:token",
            length.as_bytes(),
            b":",
            token,
            b"1:v",
            value,
            b"e1:q3:put1:t4:",
            &tid,
            b"1:y1:qe",
        ],
    )
}

/// Writes one after another; the length, cut at the buffer's.
pub(crate) fn join(to: &mut [u8], parts: &[&[u8]]) -> usize {
    let bytes = parts.iter().flat_map(|part| part.iter());
    to.iter_mut().zip(bytes).map(|(to, byte)| *to = *byte).count()
}

/// The transaction id of a well-formed answer, not of an error.
pub(crate) fn answer_id(answer: &[u8]) -> Option<u32> {
    if !answer.ends_with(b"1:y1:re") {
        return None;
    }
    after(answer, b"1:t4:").and_then(first_u32)
}

/// The transaction id of a query that came back.
pub(crate) fn echoed_id(datagram: &[u8]) -> Option<u32> {
    after(datagram, b"1:t4:").and_then(first_u32)
}

fn first_u32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The compact contacts of an answer.
pub(crate) fn nodes(answer: &[u8]) -> &[u8] {
    after(answer, b"5:nodes").and_then(string).unwrap_or_default()
}

/// The write token of an answer.
pub(crate) fn token(answer: &[u8]) -> Option<&[u8]> {
    after(answer, b"5:token").and_then(string)
}

/// The bencoded string at the start.
pub(crate) fn string(bytes: &[u8]) -> Option<&[u8]> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(bytes.get(..colon)?).ok()?.parse().ok()?;
    bytes.get(colon + 1..)?.get(..length)
}

/// What follows the last occurrence of a key. Random ids can't hold these keys often enough to
/// matter: 5 given bytes in 20 occur once in 10^10 messages.
pub(crate) fn after<'a>(bytes: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = bytes.windows(key.len()).rposition(|window| window == key)?;
    bytes.get(at + key.len()..)
}

#[cfg(test)]
mod tests;
