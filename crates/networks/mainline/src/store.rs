//! PLACEHOLDER so that node.rs compiles: to be replaced wholly by its owner (the parts author).
//! node/*.rs uses exactly these names and signatures; keep them unless there is a good reason.
#![allow(missing_docs, clippy::all, reason = "placeholder")]
use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;
use std::time::Duration;
use kademlia::Moment;
use rand_core::Rng;
use crate::command::Item;
use crate::wire::{Id, compact::write_address};

#[derive(Clone, Copy, Debug, Default)]
pub struct StoreSettings {}
#[derive(Debug)]
pub enum PeerRefused { Full }
#[derive(Debug, PartialEq, Eq)]
pub enum ItemRefused { CasMismatch, SequenceTooLow, Full }
pub use ItemRefused as PutItem;

/// What `ItemStore::get` returns: borrowed, no allocation.
pub enum StoredItem<'a> {
    Immutable { value: &'a [u8] },
    Mutable { public_key: &'a [u8; 32], salt: &'a [u8], signature: &'a [u8; 64], seq: i64, value: &'a [u8] },
}

#[derive(Debug)]
pub struct PeerStore(BTreeMap<Id, BTreeMap<SocketAddr, (bool, Moment)>>);
impl PeerStore {
    pub fn new(_: StoreSettings, _: &mut impl Rng) -> Self { Self(BTreeMap::new()) }
    /// Ok(expiry)
    pub fn announce(&mut self, now: Moment, info_hash: &Id, peer: SocketAddr, seed: bool) -> Result<Moment, PeerRefused> {
        let at = now + Duration::from_secs(1800);
        self.0.entry(*info_hash).or_default().insert(peer, (seed, at));
        Ok(at)
    }
    pub fn restore(&mut self, info_hash: &Id, peer: SocketAddr, seed: bool, expires: Moment) {
        self.0.entry(*info_hash).or_default().insert(peer, (seed, expires));
    }
    /// Appends up to `limit` random peers of one family as bencoded compact strings (`write_address`).
    pub fn write_peers(&self, _now: Moment, info_hash: &Id, v6: bool, noseed: bool, limit: usize, _rng: &mut impl Rng, out: &mut Vec<u8>) {
        for (peer, (seed, _)) in self.0.get(info_hash).into_iter().flatten().filter(|(p, _)| p.is_ipv6() == v6).take(limit) {
            if !(noseed && *seed) { write_address(out, *peer); }
        }
    }
    pub fn peers_of(&self, _now: Moment, info_hash: &Id) -> impl Iterator<Item = (SocketAddr, bool)> {
        self.0.get(info_hash).into_iter().flatten().map(|(p, (s, _))| (*p, *s))
    }
    /// Appends up to `limit` random info-hashes, 20 bytes each.
    pub fn write_sample(&self, limit: usize, _rng: &mut impl Rng, out: &mut Vec<u8>) {
        for id in self.0.keys().take(limit) { out.extend_from_slice(id.as_bytes()); }
    }
    pub fn info_hashes(&self) -> usize { self.0.len() }
    pub fn len(&self) -> usize { self.0.values().map(BTreeMap::len).sum() }
    pub fn is_empty(&self) -> bool { self.0.is_empty() }
    /// Drops what has expired; bounded work per call.
    pub fn expire(&mut self, now: Moment) { for p in self.0.values_mut() { p.retain(|_, (_, at)| *at > now); } self.0.retain(|_, p| !p.is_empty()); }
}

#[derive(Debug)]
pub struct ItemStore(BTreeMap<Id, (Item, Moment)>);
impl ItemStore {
    pub fn new(_: StoreSettings, _: &mut impl Rng) -> Self { Self(BTreeMap::new()) }
    pub fn put_immutable(&mut self, now: Moment, target: &Id, value: &[u8], _from: IpAddr) -> Result<Moment, ItemRefused> {
        let at = now + Duration::from_secs(7200);
        self.0.insert(*target, (Item::Immutable(value.into()), at));
        Ok(at)
    }
    pub fn put_mutable(&mut self, now: Moment, item: &crate::MutableItem, cas: Option<i64>, _from: IpAddr) -> Result<Moment, ItemRefused> {
        if let Some((Item::Mutable(old), _)) = self.0.get(&item.target()) {
            if cas.is_some_and(|cas| cas != old.seq) { return Err(ItemRefused::CasMismatch); }
            if old.seq > item.seq || old.seq == item.seq && old.value != item.value { return Err(ItemRefused::SequenceTooLow); }
        }
        let at = now + Duration::from_secs(7200);
        self.0.insert(item.target(), (Item::Mutable(item.clone()), at));
        Ok(at)
    }
    pub fn restore(&mut self, item: Item, expires: Moment) {
        let target = match &item { Item::Immutable(v) => crate::item::immutable_target(v), Item::Mutable(m) => m.target() };
        self.0.insert(target, (item, expires));
    }
    pub fn get(&self, _now: Moment, target: &Id) -> Option<StoredItem<'_>> {
        self.0.get(target).map(|(item, _)| match item {
            Item::Immutable(value) => StoredItem::Immutable { value },
            Item::Mutable(m) => StoredItem::Mutable { public_key: &m.public_key, salt: m.salt.as_bytes(), signature: &m.signature, seq: m.seq, value: &m.value },
        })
    }
    pub fn len(&self) -> usize { self.0.len() }
    pub fn is_empty(&self) -> bool { self.0.is_empty() }
    pub fn expire(&mut self, now: Moment) { self.0.retain(|_, (_, at)| *at > now); }
}
