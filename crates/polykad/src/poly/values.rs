//! Where a node's values are: in memory or on disk, as it is told when it starts.

use std::path::Path;

use poly::store::{Head, MemoryStore, Store, StoreFailed};
use poly::value::Slot;

use crate::store::{DiskStore, StoreError, StoreSettings, StoreStatus};

/// Any store of values.
pub(crate) enum Values {
    /// Gone when the node stops.
    Memory(MemoryStore),
    /// In a folder.
    Disk(Box<DiskStore>),
}

impl Values {
    pub(crate) fn in_memory() -> Self {
        Self::Memory(MemoryStore::default())
    }

    /// In a folder, which is made if missing.
    pub(crate) fn on_disk(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self::Disk(Box::new(DiskStore::open(folder, StoreSettings::default())?)))
    }

    /// How they are kept; `None`: in memory.
    pub(crate) fn status(&self) -> Option<StoreStatus> {
        match self {
            Self::Memory(_) => None,
            Self::Disk(store) => Some(store.status()),
        }
    }

    fn store(&self) -> &dyn Store {
        match self {
            Self::Memory(store) => store,
            Self::Disk(store) => &**store,
        }
    }

    fn store_mut(&mut self) -> &mut dyn Store {
        match self {
            Self::Memory(store) => store,
            Self::Disk(store) => &mut **store,
        }
    }
}

impl core::fmt::Debug for Values {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Values")
    }
}

impl Store for Values {
    fn write(&mut self, slot: &Slot, head: &Head, value: &[u8]) -> Result<(), StoreFailed> {
        self.store_mut().write(slot, head, value)
    }

    fn update(&mut self, slot: &Slot, head: &Head) -> Result<(), StoreFailed> {
        self.store_mut().update(slot, head)
    }

    fn read(&self, slot: &Slot, with: &mut dyn FnMut(&[u8])) -> bool {
        self.store().read(slot, with)
    }

    fn remove(&mut self, slot: &Slot) {
        self.store_mut().remove(slot);
    }

    fn values(&self, each: &mut dyn FnMut(&Slot, &Head, &[u8])) {
        self.store().values(each);
    }
}
