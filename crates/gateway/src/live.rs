//! The node live: one look at it a second for all who watch, and the last minutes for those who
//! come.
//!
//! Each watcher reads the latest event when it is ready for one: who reads slowly misses some, and
//! costs nothing.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::response::Response;
use client::Status;
use client::http::json::{self, Contact, StoredKey, millis, poly};
use client::status::{MainlineStatus, Outcomes};
use client::stream::unfold;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::{App, Permit};
use crate::problem::Fault;
use crate::stream::{Layout, event, respond};

/// How often the node is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Looks at its contacts: each so many looks.
const CONTACTS_EVERY: u32 = 3;
/// Points remembered: five minutes, some 30 KiB.
const HISTORY: usize = 300;
/// Keys told of what it stores.
const STORED: usize = 200;

/// What is seen of the node.
#[derive(Debug)]
pub(crate) struct Live {
    status: watch::Sender<Bytes>,
    contacts: watch::Sender<Bytes>,
    history: Mutex<VecDeque<Point>>,
}

impl Default for Live {
    fn default() -> Self {
        let (status, contacts) =
            (watch::Sender::new(Bytes::new()), watch::Sender::new(Bytes::new()));
        Self { status, contacts, history: Mutex::default() }
    }
}

/// What happened within one second.
#[derive(Serialize, Clone, Copy, Debug)]
struct Point {
    /// Milliseconds since 1970.
    at_ms: u64,
    /// Datagrams received and sent, and their bytes, each a second.
    received: f32,
    sent: f32,
    received_bytes: f32,
    sent_bytes: f32,
    /// In the networks that the node takes part in.
    mainline: Option<Part>,
    poly: Option<Part>,
}

/// What happened in one network, each a second.
#[derive(Serialize, Clone, Copy, Debug)]
struct Part {
    /// Queries of others answered, refused with an error, left unanswered.
    answers: f32,
    errors: f32,
    limited: f32,
    /// Operations of the owner that ended, and how long they took on average; null: none ended.
    operations: f32,
    operation_ms: Option<f32>,
    /// The median round-trip time of the contacts.
    rtt_ms: Option<f32>,
}

#[derive(Serialize)]
struct StatusEvent<'a> {
    status: &'a json::Status,
    point: Option<Point>,
    watchers: usize,
}

#[derive(Serialize, Default)]
struct ContactsEvent {
    mainline: Option<Known<Contact, StoredKey>>,
    poly: Option<Known<poly::Contact, poly::Held>>,
}

/// Whom the node knows in one network, and what it stores there for others.
#[derive(Serialize)]
struct Known<C, S> {
    contacts: Vec<C>,
    stored: Vec<S>,
}

/// Median round-trip times by network.
#[derive(Clone, Copy, Default)]
struct Rtts {
    mainline: Option<f32>,
    poly: Option<f32>,
}

#[derive(Serialize)]
struct HistoryEvent<'a> {
    points: &'a VecDeque<Point>,
}

/// Looks at the node until the gateway stops.
pub(crate) async fn look(app: App) {
    let mut stopping = app.stopping.clone();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<Status> = None;
    let mut rtts = Rtts::default();
    for round in 0u32.. {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        let Ok(status) = app.client.status().await else { return };
        if round.is_multiple_of(CONTACTS_EVERY) {
            rtts = look_at_contacts(&app).await;
        }
        let point = before.as_ref().map(|before| Point::between(before, &status, rtts));
        if let Some(point) = point {
            app.live.remember(point);
        }
        if app.live.status.receiver_count() > 0 {
            let told = json::Status::from(&status);
            let watchers = app.streams_open();
            let event = StatusEvent { status: &told, point, watchers };
            app.live.status.send_replace(write("status", &event));
        }
        before = Some(status);
    }
}

/// Tells watchers of the contacts; returns their median round-trip times.
async fn look_at_contacts(app: &App) -> Rtts {
    let mut rtts = Rtts::default();
    let mut event = ContactsEvent::default();
    let is_watched = app.live.contacts.receiver_count() > 0;
    if let Some(network) = app.client.mainline()
        && let Ok(contacts) = network.contacts().await
    {
        let alive = contacts.iter().filter(|contact| contact.failures == 0);
        rtts.mainline = median(alive.map(|contact| contact.rtt).collect());
        if is_watched && let Ok(stored) = network.stored_keys(STORED).await {
            event.mainline = Some(Known {
                contacts: contacts.iter().map(Contact::from).collect(),
                stored: stored.iter().map(StoredKey::from).collect(),
            });
        }
    }
    if let Some(network) = app.client.poly()
        && let Ok(contacts) = network.contacts().await
    {
        let alive = contacts.iter().filter(|contact| contact.failures == 0);
        rtts.poly = median(alive.map(|contact| contact.rtt).collect());
        if is_watched && let Ok(stored) = network.stored(STORED).await {
            event.poly = Some(Known {
                contacts: contacts.iter().map(poly::Contact::from).collect(),
                stored: stored.iter().map(poly::Held::from).collect(),
            });
        }
    }
    if is_watched {
        app.live.contacts.send_replace(write("contacts", &event));
    }
    rtts
}

fn median(mut rtts: Vec<Duration>) -> Option<f32> {
    rtts.sort_unstable();
    rtts.get(rtts.len() / 2).map(|rtt| short(millis(*rtt)))
}

/// Three digits or so are enough for a plot.
#[expect(clippy::cast_possible_truncation, reason = "rates and times lie far within f32")]
fn short(value: f64) -> f32 {
    ((value * 100.0).round() / 100.0) as f32
}

fn write(name: &str, object: &impl Serialize) -> Bytes {
    serde_json::to_string(object).map_or_else(|_| Bytes::new(), |json| event(name, &json))
}

impl Point {
    fn between(before: &Status, now: &Status, rtts: Rtts) -> Self {
        let span = now.uptime.saturating_sub(before.uptime).as_secs_f64().max(1e-3);
        let rate = |of: fn(&Status) -> u64| per_second(of(before), of(now), span);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let limited = |status: &MainlineStatus| status.limited_by_host + status.limited_by_subnet;
        let mainline = before.mainline.as_ref().zip(now.mainline.as_ref()).map(|(before, now)| {
            let (old, new) = (before.messages, now.messages);
            let outcomes = (&before.outcomes[..], &now.outcomes[..]);
            Part {
                answers: per_second(old.answers, new.answers, span),
                errors: per_second(old.errors, new.errors, span),
                limited: per_second(limited(before), limited(now), span),
                ..Part::of_owner(outcomes, span, rtts.mainline)
            }
        });
        let poly = before.poly.as_ref().zip(now.poly.as_ref()).map(|(before, now)| Part {
            answers: per_second(before.answers, now.answers, span),
            errors: per_second(before.refused, now.refused, span),
            ..Part::of_owner((&before.outcomes, &now.outcomes), span, rtts.poly)
        });
        Self {
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            received: rate(|status| status.traffic.received),
            sent: rate(|status| status.traffic.sent),
            received_bytes: rate(|status| status.traffic.received_bytes),
            sent_bytes: rate(|status| status.traffic.sent_bytes),
            mainline,
            poly,
        }
    }
}

impl Part {
    /// What is known of the owner's operations, before and now.
    fn of_owner((before, now): (&[Outcomes], &[Outcomes]), span: f64, rtt_ms: Option<f32>) -> Self {
        let ended = |all: &[Outcomes]| -> u64 {
            all.iter().map(|kind| kind.done + kind.not_found + kind.failed).sum()
        };
        let taken = |all: &[Outcomes]| -> Duration { all.iter().map(|kind| kind.elapsed).sum() };
        let operations = per_second(ended(before), ended(now), span);
        let took = taken(now).saturating_sub(taken(before));
        let count = f64::from(operations) * span;
        Self {
            answers: 0.0,
            errors: 0.0,
            limited: 0.0,
            operations,
            operation_ms: (count > 0.5).then(|| short(millis(took) / count)),
            rtt_ms,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "what happens within seconds")]
fn per_second(before: u64, now: u64, span: f64) -> f32 {
    short(now.saturating_sub(before) as f64 / span)
}

impl Live {
    fn remember(&self, point: Point) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if history.len() >= HISTORY {
            history.pop_front();
        }
        history.push_back(point);
    }

    fn past(&self) -> Bytes {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        write("history", &HistoryEvent { points: &history })
    }
}

struct Watcher {
    first: Option<Bytes>,
    status: watch::Receiver<Bytes>,
    contacts: watch::Receiver<Bytes>,
    stopping: watch::Receiver<bool>,
    _permit: Permit,
}

/// Answers with what is seen of the node from now on.
pub(crate) fn watch(app: &App) -> Result<Response, Fault> {
    let watcher = Watcher {
        _permit: app.stream()?,
        first: Some(app.live.past()),
        status: app.live.status.subscribe(),
        contacts: app.live.contacts.subscribe(),
        stopping: app.stopping.clone(),
    };
    Ok(respond(Layout::Events, unfold(watcher, Watcher::step)))
}

impl Watcher {
    async fn step(mut self) -> Option<(Bytes, Self)> {
        if let Some(first) = self.first.take() {
            return Some((first, self));
        }
        let event = tokio::select! {
            changed = self.status.changed() => {
                changed.ok()?;
                self.status.borrow_and_update().clone()
            }
            changed = self.contacts.changed() => {
                changed.ok()?;
                self.contacts.borrow_and_update().clone()
            }
            _ = self.stopping.wait_for(|stopping| *stopping) => return None,
        };
        Some((event, self))
    }
}
