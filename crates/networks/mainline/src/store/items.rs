//! Immutable and mutable items (BEP 44).

use core::net::IpAddr;
use std::time::Duration;

use kademlia::limit::site;
use kademlia::store::{Limits, MemoryStore, Put, Refused, Store, Usage, WhenFull};
use kademlia::{Key, Moment};
use rand_core::Rng;

use super::{PAGES_PER_SWEEP, StoreSettings};
use crate::command::Item;
use crate::item::{MAX_SALT_BYTES, MAX_VALUE_BYTES, MutableItem, Salt, immutable_target};
use crate::wire::Id;

/// Items by their target. Checks versions, not signatures: whoever calls has done that.
#[derive(Clone, Debug)]
pub struct ItemStore {
    store: MemoryStore<{ Id::BYTES }>,
    lifetime: Duration,
}

/// A stored item, borrowed from the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoredItem<'a> {
    /// A value stored under its hash.
    Immutable {
        /// The value, bencoded.
        value: &'a [u8],
    },
    /// A signed item, its parts as in [`MutableItem`].
    Mutable {
        /// The author's key.
        public_key: &'a [u8; 32],
        /// Which of the author's items.
        salt: &'a [u8],
        /// The signature.
        signature: &'a [u8; 64],
        /// The version.
        seq: i64,
        /// The value, bencoded.
        value: &'a [u8],
    },
}

impl StoredItem<'_> {
    /// A copy that owns its parts.
    pub fn to_item(&self) -> Item {
        match *self {
            Self::Immutable { value } => Item::Immutable(value.into()),
            Self::Mutable { public_key, salt, signature, seq, value } => {
                Item::Mutable(MutableItem {
                    public_key: *public_key,
                    // Longer salts are not stored.
                    salt: Salt::new(salt).unwrap_or_default(),
                    seq,
                    value: value.into(),
                    signature: *signature,
                })
            }
        }
    }
}

/// Why an item was not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ItemRefused {
    /// BEP 44's error 301: the stored `seq` is not the one named by `cas`.
    #[error("cas does not match the stored seq")]
    CasMismatch,
    /// BEP 44's error 302: a higher `seq` is stored, or another value with this one.
    #[error("seq is not above the stored one")]
    SequenceTooLow,
    /// Error 205: the value is longer than [`MAX_VALUE_BYTES`].
    #[error("value exceeds {MAX_VALUE_BYTES} bytes")]
    ValueTooLong,
    /// The sender's site has stored as much as one may.
    #[error("too much stored from this network")]
    Quota,
    /// The store is full.
    #[error("the store is full")]
    Full,
}

impl ItemStore {
    /// An empty store, which has allocated nothing; the keys of its hashes come from `rng`.
    pub fn new(settings: StoreSettings, rng: &mut impl Rng) -> Self {
        let limits = Limits {
            entries: settings.items,
            bytes: settings.item_bytes,
            source_bytes: settings.item_bytes_per_site,
            value_bytes: MAX_RECORD_BYTES,
            when_full: WhenFull::FairShare,
        };
        Self { store: MemoryStore::new(limits, rng), lifetime: settings.item_lifetime }
    }

    /// The node's own id: when the store is full, what is near to it gives way last.
    pub fn set_home(&mut self, home: &Id) {
        self.store.set_home(home.key());
    }

    /// Stores a value under `target`, which must be its hash. Returns when it expires.
    pub fn put_immutable(
        &mut self,
        now: Moment,
        target: &Id,
        value: &[u8],
        from: IpAddr,
    ) -> Result<Moment, ItemRefused> {
        let record = Encoded::immutable(value).ok_or(ItemRefused::ValueTooLong)?;
        self.put(now, target, &record, now + self.lifetime, Some(site(from)))
    }

    /// Stores an item whose signature has been checked, unless BEP 44 forbids it: `cas`, if given,
    /// has to be the stored `seq`; a lower `seq` never replaces a higher one, and the same `seq`
    /// only renews the same value. Where nothing is stored, `cas` does not count. Returns when it
    /// expires.
    ///
    /// Checking the signature is the caller's part: the store would take a forged item for a new
    /// version and lose the true one.
    pub fn put_mutable(
        &mut self,
        now: Moment,
        item: &MutableItem,
        cas: Option<i64>,
        from: IpAddr,
    ) -> Result<Moment, ItemRefused> {
        let target = item.target();
        if let Some(StoredItem::Mutable { seq, value, .. }) = self.get(now, &target) {
            if cas.is_some_and(|cas| cas != seq) {
                return Err(ItemRefused::CasMismatch);
            }
            if item.seq < seq || item.seq == seq && *item.value != *value {
                return Err(ItemRefused::SequenceTooLow);
            }
        }
        let record = Encoded::mutable(item).ok_or(ItemRefused::ValueTooLong)?;
        self.put(now, &target, &record, now + self.lifetime, Some(site(from)))
    }

    /// Takes back what an earlier run had stored, until it expires; it is charged to no site. What
    /// is in the store already is newer and stays.
    pub fn restore(&mut self, item: Item, expires: Moment) {
        let (target, record) = match item {
            Item::Immutable(value) => (immutable_target(&value), Encoded::immutable(&value)),
            Item::Mutable(item) => (item.target(), Encoded::mutable(&item)),
        };
        let known = self.get(Moment::START, &target).is_some();
        if let Some(record) = record.filter(|_| !known) {
            // What has expired since, or finds no room, is dropped: it is counted by the store.
            let _ = self.put(Moment::START, &target, &record, expires, None);
        }
    }

    /// The item stored under `target`.
    pub fn get(&self, now: Moment, target: &Id) -> Option<StoredItem<'_>> {
        decode(self.store.get(now, &target.key())?.value)
    }

    /// All items with their targets and when they expire: for a snapshot.
    pub fn iter(&self, now: Moment) -> impl Iterator<Item = (Id, StoredItem<'_>, Moment)> {
        self.store.iter(now).filter_map(|(key, entry)| {
            Some((Id::new(key.id()), decode(entry.value)?, entry.expires))
        })
    }

    /// How many items are stored, expired ones that still take room included.
    pub fn len(&self) -> usize {
        self.usage().entries
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How full the store is, and what it had to turn away.
    pub fn usage(&self) -> Usage {
        self.store.usage()
    }

    /// Frees what expired items hold; a bounded number a call.
    pub fn expire(&mut self, now: Moment) {
        for _ in 0..PAGES_PER_SWEEP {
            if self.next_expiry().is_none_or(|next| next > now) {
                break;
            }
            self.store.expire(now);
        }
    }

    /// When [`ItemStore::expire`] wants to be called next.
    pub fn next_expiry(&self) -> Option<Moment> {
        self.store.next_expiry()
    }

    fn put(
        &mut self,
        now: Moment,
        target: &Id,
        record: &Encoded,
        expires: Moment,
        source: Option<u64>,
    ) -> Result<Moment, ItemRefused> {
        let key: Key = target.key();
        let value = record.as_bytes();
        match self.store.put(now, &key, Put { value, expires, source }) {
            Ok(_) => Ok(expires),
            Err(Refused::TooLong { .. }) => Err(ItemRefused::ValueTooLong),
            Err(Refused::Quota { .. }) => Err(ItemRefused::Quota),
            Err(_) => Err(ItemRefused::Full),
        }
    }
}

/// First byte of an immutable record; the value follows.
const IMMUTABLE: u8 = 0;

/// First byte of a mutable record without salt; with salt, its length more. Then come `seq`
/// (little-endian), signature, public key, salt, value.
const MUTABLE: u8 = 1;

const MAX_RECORD_BYTES: usize = 1 + 8 + 64 + 32 + MAX_SALT_BYTES + MAX_VALUE_BYTES;

/// A record in the making, on the stack.
struct Encoded {
    bytes: [u8; MAX_RECORD_BYTES],
    len: usize,
}

impl Encoded {
    /// `None`: the value is too long.
    fn immutable(value: &[u8]) -> Option<Self> {
        Self::concat(&[&[IMMUTABLE]], value)
    }

    /// `None`: the value is too long.
    fn mutable(item: &MutableItem) -> Option<Self> {
        let salt = item.salt.as_bytes();
        let kind = MUTABLE.checked_add(u8::try_from(salt.len()).ok()?)?;
        let seq = item.seq.to_le_bytes();
        Self::concat(&[&[kind], &seq, &item.signature, &item.public_key, salt], &item.value)
    }

    fn concat(head: &[&[u8]], value: &[u8]) -> Option<Self> {
        let mut encoded = Self { bytes: [0; MAX_RECORD_BYTES], len: 0 };
        if value.len() > MAX_VALUE_BYTES {
            return None;
        }
        for part in head.iter().chain([&value]) {
            let end = encoded.len + part.len();
            encoded.bytes.get_mut(encoded.len..end)?.copy_from_slice(part);
            encoded.len = end;
        }
        Some(encoded)
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

fn decode(record: &[u8]) -> Option<StoredItem<'_>> {
    let (kind, rest) = record.split_first()?;
    let Some(salt_len) = kind.checked_sub(MUTABLE) else {
        return Some(StoredItem::Immutable { value: rest });
    };
    let (seq, rest) = rest.split_first_chunk()?;
    let (signature, rest) = rest.split_first_chunk()?;
    let (public_key, rest) = rest.split_first_chunk()?;
    let (salt, value) = rest.split_at_checked(salt_len.into())?;
    let seq = i64::from_le_bytes(*seq);
    Some(StoredItem::Mutable { public_key, salt, signature, seq, value })
}

#[cfg(test)]
mod tests;
