//! Round-trip times: measured ones from a matrix, or a model fitted to measured percentiles.
//!
//! In the model nodes live in a plane, most of them in a few regions, behind access lines of their
//! own. How far two are apart decides their *rank* among all pairs, and the measured percentiles
//! say what round-trip time has that rank. So the distribution is the measured one, and near nodes
//! have near neighbours in common.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use kademlia::ahead::fetch;

use super::about;
use crate::engine::Place;
use crate::random::{Draw, below, mix2, unit};

/// Where round-trip times come from.
#[derive(Clone, Debug)]
pub enum Latency {
    /// The same between all.
    Constant(Duration),
    /// A fitted model.
    Model(Model),
    /// Measured between hosts; each node is one of them.
    Matrix(Matrix),
}

/// As between `PlanetLab` hosts.
impl Default for Latency {
    fn default() -> Self {
        Self::Model(Model::planetlab())
    }
}

impl Latency {
    /// Finds out where the first `places` nodes are, so that it need not be done for each message.
    pub fn survey(&mut self, seed: u64, places: u32) {
        if let Self::Model(model) = self {
            model.pairs = (seed, mix2(seed, about::PAIR));
            model.surveyed = (0..places).map(|place| position(seed, place)).collect();
        }
    }

    /// See [`super::Net::prefetch`].
    pub(super) fn prefetch(&self, place: Place) {
        if let Self::Model(model) = self
            && let Some(position) = model.surveyed.get(place as usize)
        {
            fetch(position);
        }
    }

    /// The round-trip time between two nodes.
    pub fn round_trip(&self, seed: u64, a: Place, b: Place) -> Duration {
        match self {
            Self::Constant(span) => *span,
            Self::Model(_) | Self::Matrix(_) => {
                Duration::from_micros(self.round_trip_micros(seed, a, b))
            }
        }
    }

    /// The same in microseconds.
    pub fn round_trip_micros(&self, seed: u64, a: Place, b: Place) -> u64 {
        match self {
            Self::Constant(span) => u64::try_from(span.as_micros()).unwrap_or(u64::MAX),
            Self::Model(model) => model.round_trip(seed, a, b),
            Self::Matrix(matrix) => matrix.round_trip(seed, a, b),
        }
    }
}

/// A model of round-trip times.
#[derive(Clone, Debug)]
pub struct Model {
    /// For each 1/1024 of the pairs, how far they are apart at most.
    apart: Arc<[f32]>,
    /// For the same, their round-trip times in microseconds.
    micros: Arc<[u32]>,
    /// For each [`CELL`]th of the world's width, the first of these that may be so far apart.
    cells: Arc<[u16]>,
    /// Where the first so many nodes are.
    surveyed: Arc<[Position]>,
    /// A seed, and what is drawn about pairs with it begins with.
    pairs: (u64, u64),
}

/// Where a node is, and how long its access line is, in units of the world's width. None lies on
/// two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
struct Position {
    x: f32,
    y: f32,
    line: f32,
}

/// Shares of pairs at which percentiles are known.
const RANKS: [f64; 11] = [0.0, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0];

/// Pairs drawn to learn how far nodes are apart.
const PAIRS: u32 = 1 << 15;
const BINS: usize = 1024;
/// Parts of the world's width in which distances are looked up, and how many there are.
const CELL: f32 = 1024.0;
const CELLS: u16 = 2048;

impl Model {
    /// Between 490 `PlanetLab` hosts: percentiles of the NetLatency-Data set (Zhu et al., 2017).
    pub fn planetlab() -> Self {
        Self::fitted(&[1.0, 5.8, 19.0, 31.0, 59.0, 134.0, 203.0, 291.0, 326.0, 404.0, 800.0])
    }

    /// Between 99 personal devices (phones, laptops) of the same data set.
    pub fn home() -> Self {
        Self::fitted(&[4.0, 10.0, 30.0, 40.0, 80.0, 170.0, 280.0, 420.0, 460.0, 2280.0, 3500.0])
    }

    /// A model with these percentiles, in milliseconds: 0, 1, 5, 10, 25, 50, 75, 90, 95, 99, 100.
    fn fitted(percentiles_ms: &[f64; 11]) -> Self {
        let drawn = |place| position(about::POSITION, place);
        let pairs = mix2(about::POSITION, about::PAIR);
        let mut apart: Vec<f32> = (0..PAIRS)
            .map(|pair| (2 * pair, 2 * pair + 1))
            .map(|(a, b)| apart(detour(pairs, a, b), drawn(a), drawn(b)))
            .collect();
        apart.sort_unstable_by(f32::total_cmp);
        let step = PAIRS as usize / BINS;
        let apart: Arc<[f32]> = apart.into_iter().skip(step / 2).step_by(step).collect();
        #[expect(clippy::cast_precision_loss, reason = "a thousand bins")]
        let micros =
            (0..BINS).map(|bin| quantile(percentiles_ms, (bin as f64 + 0.5) / BINS as f64));
        let first = |cell: u16| apart.partition_point(|bound| *bound < f32::from(cell) / CELL);
        let cells = (0..CELLS).map(|cell| u16::try_from(first(cell)).unwrap_or(u16::MAX)).collect();
        Self {
            cells,
            micros: micros.collect(),
            apart,
            surveyed: Arc::default(),
            pairs: (0, mix2(0, about::PAIR)),
        }
    }

    fn round_trip(&self, seed: u64, a: Place, b: Place) -> u64 {
        let at = |place: Place| {
            let known = self.surveyed.get(place as usize).copied();
            known.unwrap_or_else(|| position(seed, place))
        };
        let (known, mixed) = self.pairs;
        let mixed = if known == seed { mixed } else { mix2(seed, about::PAIR) };
        let apart = apart(detour(mixed, a, b), at(a), at(b));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few at most"
        )]
        let cell = self.cells.get((apart * CELL) as usize);
        let first = usize::from(cell.copied().unwrap_or(u16::MAX)).min(BINS - 1);
        let beyond = self.apart.iter().skip(first).take_while(|bound| **bound < apart).count();
        self.micros.get((first + beyond).min(BINS - 1)).copied().unwrap_or(0).into()
    }
}

/// Microseconds at a share of pairs, straight lines between logarithms.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times of seconds")]
fn quantile(percentiles_ms: &[f64; 11], rank: f64) -> u32 {
    let known = RANKS.iter().zip(percentiles_ms);
    let mut below = (0.0, 1.0);
    for (&at, &ms) in known {
        if rank < at {
            let (low, low_ms): (f64, f64) = below;
            let share = (rank - low) / (at - low);
            return (1000.0 * (low_ms.ln() * (1.0 - share) + ms.ln() * share).exp()) as u32;
        }
        below = (at, ms);
    }
    (below.1 * 1000.0) as u32
}

/// Regions: their weight, and where they are, in units of the world's width.
const REGIONS: [(f64, f64, f64); 5] = [
    (0.20, 0.15, 0.5),
    (0.40, 0.28, 0.5),
    (0.76, 0.52, 0.55),
    (0.94, 0.85, 0.45),
    (1.0, 0.45, 0.1),
];

/// How far two nodes are apart: the way between them, with its detour, and their access lines.
fn apart(detour: f32, a: Position, b: Position) -> f32 {
    let (dx, dy) = (a.x - b.x, a.y - b.y);
    (dx * dx + dy * dy).sqrt() * detour + a.line + b.line
}

/// How much longer the way between two nodes is than it could be. `mixed`: see [`Model::pairs`].
#[expect(clippy::cast_possible_truncation, reason = "single precision is plenty")]
fn detour(mixed: u64, a: Place, b: Place) -> f32 {
    let pair = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
    (0.8 + 0.4 * unit(mix2(mixed, pair))) as f32
}

/// Where a node is.
#[expect(clippy::cast_possible_truncation, reason = "single precision is plenty")]
fn position(seed: u64, place: Place) -> Position {
    let mut draw = Draw::new(seed, about::POSITION, place.into());
    let region = draw.unit();
    let (_, x, y) = REGIONS.iter().find(|(until, ..)| region < *until).copied().unwrap_or_default();
    // The sum of three is close to normal.
    let mut spread = || (draw.unit() + draw.unit() + draw.unit() - 1.5) * 0.12;
    let (x, y) = (x + spread(), y + spread());
    let line = draw.unit();
    Position { x: x as f32, y: y as f32, line: (0.04 * line * line * line) as f32 }
}

/// Measured round-trip times between hosts.
#[derive(Clone, Debug)]
pub struct Matrix {
    size: usize,
    micros: Arc<[u32]>,
}

/// Why a matrix cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// The file cannot be read.
    #[error("cannot be read ({0}): give the path of a CSV file, gzip or not")]
    Unreadable(#[from] std::io::Error),
    /// A field is no number of milliseconds.
    #[error("line {line}: {field:?} is no number of milliseconds: write one below 1e6, or nothing")]
    Field {
        /// The line, from 1.
        line: usize,
        /// What is there.
        field: String,
    },
    /// It is not square.
    #[error(
        "line {line} has {fields} fields where the first has {expected}, so the matrix is not \
         square: give each line as many fields as there are lines"
    )]
    Shape {
        /// The line, from 1.
        line: usize,
        /// Its fields.
        fields: usize,
        /// The fields of the first line, and the number of lines there should be.
        expected: usize,
    },
}

/// A measurement that is missing counts as this.
const UNKNOWN_MS: f64 = 1000.0;
/// Two nodes on one host, and the least between any two.
const SAME_HOST_MICROS: u32 = 500;

impl Matrix {
    /// Reads milliseconds, comma-separated, without a header; gzip is recognised.
    pub fn read(mut file: impl Read) -> Result<Self, MatrixError> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain)?;
            bytes = plain;
        }
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    fn parse(text: &str) -> Result<Self, MatrixError> {
        let mut micros = Vec::new();
        let (mut expected, mut lines) = (0, 0);
        for (line, row) in (1..).zip(text.lines().filter(|row| !row.trim().is_empty())) {
            let before = micros.len();
            for field in row.split(',') {
                micros.push(parse_field(field, line)?);
            }
            let fields = micros.len() - before;
            if line == 1 {
                expected = fields;
            } else if fields != expected {
                return Err(MatrixError::Shape { line, fields, expected });
            }
            lines = line;
        }
        if lines != expected || lines == 0 {
            return Err(MatrixError::Shape { line: lines, fields: lines, expected });
        }
        Ok(Self { size: expected, micros: micros.into() })
    }

    fn round_trip(&self, seed: u64, a: Place, b: Place) -> u64 {
        let host = |place: Place| {
            let hash = mix2(mix2(seed, about::POSITION), place.into());
            usize::try_from(below(hash, self.size as u64)).unwrap_or(0)
        };
        let micros = self.micros.get(host(a) * self.size + host(b)).copied().unwrap_or(0);
        micros.max(SAME_HOST_MICROS).into()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be small")]
fn parse_field(field: &str, line: usize) -> Result<u32, MatrixError> {
    let field = field.trim();
    if field.is_empty() || field.eq_ignore_ascii_case("nan") {
        return Ok((UNKNOWN_MS * 1000.0) as u32);
    }
    let ms: Option<f64> = field.parse().ok().filter(|ms| (0.0..1e6).contains(ms));
    let ms = ms.ok_or_else(|| MatrixError::Field { line, field: field.to_owned() })?;
    Ok((ms * 1000.0) as u32)
}

#[cfg(test)]
mod tests;
