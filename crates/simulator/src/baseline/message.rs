//! The one message of the baselines: 27 bytes and up to a few places.

use crate::engine::Place;

/// What a message says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    /// Who has this key?
    Seek,
    /// Store this key.
    Store,
    /// Found, or stored, at `place`.
    Hit,
    /// Not here; ask these.
    Ask,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Message {
    pub(super) verb: Verb,
    /// Names the search; its upper half is the place of who searches.
    pub(super) search: u64,
    pub(super) key: u64,
    /// Steps it may still go.
    pub(super) ttl: u16,
    /// Steps it has gone.
    pub(super) hops: u8,
    /// Where something is.
    pub(super) place: Place,
    /// Whom to ask next.
    pub(super) others: Vec<Place>,
}

impl Message {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(match self.verb {
            Verb::Seek => 0,
            Verb::Store => 1,
            Verb::Hit => 2,
            Verb::Ask => 3,
        });
        out.extend_from_slice(&self.search.to_be_bytes());
        out.extend_from_slice(&self.key.to_be_bytes());
        out.extend_from_slice(&self.ttl.to_be_bytes());
        out.push(self.hops);
        out.extend_from_slice(&self.place.to_be_bytes());
        for other in &self.others {
            out.extend_from_slice(&other.to_be_bytes());
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (verb, rest) = bytes.split_first()?;
        let verb = match verb {
            0 => Verb::Seek,
            1 => Verb::Store,
            2 => Verb::Hit,
            3 => Verb::Ask,
            _ => return None,
        };
        let (search, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (ttl, rest) = rest.split_first_chunk()?;
        let (hops, rest) = rest.split_first()?;
        let (place, rest) = rest.split_first_chunk()?;
        let (others, _) = rest.as_chunks();
        Some(Self {
            verb,
            search: u64::from_be_bytes(*search),
            key: u64::from_be_bytes(*key),
            ttl: u16::from_be_bytes(*ttl),
            hops: *hops,
            place: Place::from_be_bytes(*place),
            others: others.iter().map(|other| Place::from_be_bytes(*other)).collect(),
        })
    }

    /// Who searches.
    pub(super) fn origin(&self) -> Place {
        Place::try_from(self.search >> 32).unwrap_or(0)
    }
}
