//! Contacts filed by the leading bits of their ids, so that those near a key lie together.
//!
//! There are about as many in each drawer whatever their number, for ids are random; but in that of
//! our own id there are our neighbours, a bucket of them for each further bit. Whoever makes up ids
//! that begin alike fills one drawer alone, and finds it full.

use kademlia::Key;
use kademlia::ahead::fetch;

use super::Seen;

/// Contacts by id.
#[derive(Debug)]
pub(super) struct Filed {
    /// Our own id.
    me: Key,
    /// A power of two of them.
    drawers: Vec<Vec<(Key, Seen)>>,
    count: usize,
}

/// Contacts in a drawer on average, at most.
const USUAL: usize = 8;
/// Contacts in any drawer at most.
const FULL: usize = 16 * USUAL;
/// The same of our own: full buckets of thirty further bits.
const FULL_AT_HOME: usize = 1024;

impl Filed {
    /// None, around our own id.
    pub(super) const fn new(me: Key) -> Self {
        Self { me, drawers: Vec::new(), count: 0 }
    }

    /// Whether the drawer of this id takes no more.
    pub(super) fn is_full(&self, id: &Key) -> bool {
        let place = self.place(id);
        let most = if place == self.place(&self.me) { FULL_AT_HOME } else { FULL };
        self.drawers.get(place).is_some_and(|drawer| drawer.len() >= most)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, id: &Key) -> Option<&Seen> {
        let drawer = self.drawers.get(self.place(id))?;
        drawer.iter().find(|(key, _)| key == id).map(|(_, seen)| seen)
    }

    pub(super) fn get_mut(&mut self, id: &Key) -> Option<&mut Seen> {
        let place = self.place(id);
        let drawer = self.drawers.get_mut(place)?;
        drawer.iter_mut().find(|(key, _)| key == id).map(|(_, seen)| seen)
    }

    /// Files a contact that is not here yet.
    pub(super) fn insert(&mut self, id: Key, seen: Seen) {
        if self.count >= USUAL * self.drawers.len() {
            self.grow();
        }
        let place = self.place(&id);
        if let Some(drawer) = self.drawers.get_mut(place) {
            drawer.push((id, seen));
            self.count += 1;
        }
    }

    /// Removes a contact; whether it was here.
    pub(super) fn remove(&mut self, id: &Key) -> bool {
        self.retain_beside(id, |key, _| key != id) > 0
    }

    /// Removes those contacts in the drawer of this id that are not to be kept; how many.
    pub(super) fn retain_beside(
        &mut self,
        id: &Key,
        mut keep: impl FnMut(&Key, &Seen) -> bool,
    ) -> usize {
        let place = self.place(id);
        let Some(drawer) = self.drawers.get_mut(place) else { return 0 };
        let before = drawer.len();
        drawer.retain(|(key, seen)| keep(key, seen));
        let removed = before - drawer.len();
        self.count -= removed;
        removed
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Key, Seen)> {
        self.drawers.iter().flatten()
    }

    /// The drawers, that of this id first, then the others by their distance from it: all contacts
    /// in one are nearer than those in the next.
    pub(super) fn from(&self, id: &Key) -> impl Iterator<Item = &[(Key, Seen)]> {
        let place = self.place(id);
        let others = 0..self.drawers.len();
        others.filter_map(move |other| self.drawers.get(place ^ other).map(Vec::as_slice))
    }

    /// Asks for where the contacts beside an id are: see [`kademlia::ahead`].
    pub(super) fn prefetch_drawer(&self, id: &Key) {
        if let Some(drawer) = self.drawers.get(self.place(id)) {
            fetch(drawer);
        }
    }

    fn place(&self, id: &Key) -> usize {
        let bits = self.drawers.len().max(1).trailing_zeros();
        let head = id.head().checked_shr(64 - bits).unwrap_or(0);
        usize::try_from(head).unwrap_or(0)
    }

    fn grow(&mut self) {
        let more = (2 * self.drawers.len()).max(1);
        let all = core::mem::replace(&mut self.drawers, vec![Vec::new(); more]);
        for (id, seen) in all.into_iter().flatten() {
            let place = self.place(&id);
            if let Some(drawer) = self.drawers.get_mut(place) {
                drawer.push((id, seen));
            }
        }
    }
}
