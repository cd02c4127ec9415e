//! How long nodes stay and are away.

use std::path::Path;
use std::time::Duration;

use crate::engine::Place;
use crate::random::{Draw, mix2};
use crate::scenario::{Churn, ChurnModel, ScenarioError};

/// Sessions and absences of all nodes.
#[derive(Clone, Debug)]
pub struct Sessions {
    seed: u64,
    model: Model,
    daily_wave: f64,
}

#[derive(Clone, Debug)]
enum Model {
    /// Shape and scale in seconds of sessions, then of absences.
    Weibull([(f64, f64); 2]),
    Trace,
}

/// One line of a trace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Turn {
    /// When, since the start.
    pub at: Duration,
    /// Who.
    pub place: Place,
    /// Whether it joins; else it leaves.
    pub joins: bool,
}

/// Names of what is drawn.
const SESSION: u64 = 0xc4_01;
const DAY: f64 = 86_400.0;

/// Shape, and scale in seconds, of sessions in IPFS: fitted to what Trautwein and others measured
/// ("Design and Evaluation of IPFS", 2022, section 5.3), 87.6 % under 8 hours and 2.5 % over 24.
const IPFS_SESSION: (f64, f64) = (0.518, 116.0 * 60.0);
/// Absences were not measured: of the same shape, and so long that 55 % of the nodes are there, as
/// many as their crawls of 2021 could reach.
const IPFS_ABSENCE: (f64, f64) = (0.518, 95.0 * 60.0);

impl Sessions {
    /// The sessions that a scenario asks for.
    pub fn new(churn: &Churn, seed: u64) -> Self {
        let seconds = |span: Option<crate::scenario::Span>| span.map_or(1.0, |s| s.0.as_secs_f64());
        let model = match churn.model {
            ChurnModel::Exponential => {
                Model::Weibull([(1.0, seconds(churn.session)), (1.0, seconds(churn.absence))])
            }
            ChurnModel::Weibull => Model::Weibull([
                (churn.session_shape.unwrap_or(1.0), seconds(churn.session)),
                (churn.absence_shape.unwrap_or(1.0), seconds(churn.absence)),
            ]),
            // Steiner, En-Najjary and Biersack, 2009: measured in KAD over half a year.
            ChurnModel::Kad => Model::Weibull([(0.615, 169.5 * 60.0), (0.476, 413.7 * 60.0)]),
            ChurnModel::Ipfs => Model::Weibull([IPFS_SESSION, IPFS_ABSENCE]),
            ChurnModel::Trace => Model::Trace,
        };
        Self { seed: mix2(seed, SESSION), model, daily_wave: churn.daily_wave }
    }

    /// The share of time that a node is there.
    pub fn availability(&self) -> f64 {
        match &self.model {
            Model::Weibull([session, absence]) => {
                let (up, down) = (mean(*session), mean(*absence));
                up / (up + down)
            }
            Model::Trace => 1.0,
        }
    }

    /// How long the `turn`-th stay or absence of a node lasts that begins `since` after the start.
    /// `None`: a trace says so.
    pub fn length(
        &self,
        place: Place,
        turn: u32,
        is_session: bool,
        since: Duration,
    ) -> Option<Duration> {
        let Model::Weibull([session, absence]) = &self.model else { return None };
        let (shape, scale) = if is_session { session } else { absence };
        let mut draw = Draw::new(self.seed, place.into(), turn.into());
        let seconds = draw.weibull(*shape, *scale);
        Some(Duration::from_secs_f64(self.waved(seconds, is_session, since).clamp(1.0, 1e9)))
    }

    /// How long the stay or absence that a node is in at the start goes on: it began before, and
    /// long ones are more likely to be met.
    pub fn rest(&self, place: Place, is_session: bool) -> Option<Duration> {
        let Model::Weibull([session, absence]) = &self.model else { return None };
        let (shape, scale) = if is_session { *session } else { *absence };
        let mut draw = Draw::new(self.seed, place.into(), u64::MAX);
        // Weighted by themselves, the lengths' powers have a gamma distribution; the rest is a
        // uniform share.
        let length = scale * draw.gamma(1.0 + 1.0 / shape).powf(1.0 / shape);
        Some(Duration::from_secs_f64((length * draw.unit()).clamp(1.0, 1e9)))
    }

    /// Absences end sooner towards the evening.
    fn waved(&self, seconds: f64, is_session: bool, since: Duration) -> f64 {
        if is_session || self.daily_wave <= 0.0 {
            return seconds;
        }
        let hour = since.as_secs_f64() / DAY * core::f64::consts::TAU;
        seconds * (1.0 + self.daily_wave * hour.sin()).max(0.05)
    }
}

/// The mean of a Weibull distribution: scale · Γ(1 + 1/shape).
fn mean((shape, scale): (f64, f64)) -> f64 {
    scale * gamma(1.0 + 1.0 / shape)
}

/// Γ by Stirling's series, eight steps up the recurrence.
fn gamma(x: f64) -> f64 {
    let mut y = x;
    let mut product = 1.0;
    for _ in 0..8 {
        product *= y;
        y += 1.0;
    }
    let stirling = (core::f64::consts::TAU / y).sqrt()
        * (y / core::f64::consts::E).powf(y)
        * (1.0 + 1.0 / (12.0 * y) + 1.0 / (288.0 * y * y));
    stirling / product
}

/// Reads a trace: lines of `seconds,node,join|leave`.
pub fn read_trace(path: &Path) -> Result<Vec<Turn>, ScenarioError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ScenarioError::Unreadable { path: path.to_owned(), source })?;
    let mut turns = Vec::new();
    for (line, row) in (1..).zip(text.lines()) {
        if row.trim().is_empty() || row.starts_with('#') {
            continue;
        }
        let turn = parse_turn(row).ok_or_else(|| ScenarioError::Trace {
            path: path.to_owned(),
            line,
            what: format!("{row:?} is no turn: write \"seconds,node,join\" or \"…,leave\""),
        })?;
        turns.push(turn);
    }
    turns.sort_unstable();
    Ok(turns)
}

fn parse_turn(row: &str) -> Option<Turn> {
    let mut fields = row.split(',').map(str::trim);
    let at = Duration::try_from_secs_f64(fields.next()?.parse().ok()?).ok()?;
    let place = fields.next()?.parse().ok()?;
    let joins = match fields.next()? {
        "join" => true,
        "leave" => false,
        _ => return None,
    };
    fields.next().is_none().then_some(Turn { at, place, joins })
}

#[cfg(test)]
mod tests;
