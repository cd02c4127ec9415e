//! What a run plans, as a code on the engine's agenda.

use crate::engine::Place;

/// An entry of the agenda.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Plan {
    /// The next wish of a workload.
    Wish(u32),
    /// A node comes.
    Join(Place),
    /// A node goes.
    Leave(Place),
    /// Something happens once.
    Happen(u32),
    /// A message in the name of another, from a place.
    Spoof(Place),
    /// A look at how things are.
    Sample,
}

impl Plan {
    pub(super) fn encode(self) -> u64 {
        let (kind, number) = match self {
            Self::Wish(index) => (0, index),
            Self::Join(place) => (1, place),
            Self::Leave(place) => (2, place),
            Self::Happen(index) => (3, index),
            Self::Spoof(place) => (4, place),
            Self::Sample => (5, 0),
        };
        kind << 32 | u64::from(number)
    }

    pub(super) fn decode(code: u64) -> Self {
        let number = u32::try_from(code & u64::from(u32::MAX)).unwrap_or(0);
        match code >> 32 {
            0 => Self::Wish(number),
            1 => Self::Join(number),
            2 => Self::Leave(number),
            3 => Self::Happen(number),
            4 => Self::Spoof(number),
            _ => Self::Sample,
        }
    }
}
