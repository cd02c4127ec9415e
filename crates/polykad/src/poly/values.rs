//! Where a node's values are: in memory or on disk, as it is told when it starts.

use std::path::Path;

use poly::store::{Head, MemoryStore, Store, StoreFailed};
use poly::value::Slot;

use crate::store::{DiskStore, StoreError, StoreSettings};

/// Any store of values.
pub(crate) struct Values(Box<dyn Store + Send>);

impl Values {
    pub(crate) fn in_memory() -> Self {
        Self(Box::new(MemoryStore::default()))
    }

    /// In a folder, which is made if missing.
    pub(crate) fn on_disk(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self(Box::new(DiskStore::open(folder, StoreSettings::default())?)))
    }
}

impl core::fmt::Debug for Values {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Values")
    }
}

impl Store for Values {
    fn write(&mut self, slot: &Slot, head: &Head, value: &[u8]) -> Result<(), StoreFailed> {
        self.0.write(slot, head, value)
    }

    fn update(&mut self, slot: &Slot, head: &Head) -> Result<(), StoreFailed> {
        self.0.update(slot, head)
    }

    fn read(&self, slot: &Slot, with: &mut dyn FnMut(&[u8])) -> bool {
        self.0.read(slot, with)
    }

    fn remove(&mut self, slot: &Slot) {
        self.0.remove(slot);
    }

    fn heads(&self, each: &mut dyn FnMut(&Slot, &Head)) {
        self.0.heads(each);
    }
}
