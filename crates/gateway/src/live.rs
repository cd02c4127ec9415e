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
use client::http::json::{self, Contact, StoredKey, millis};
use client::mainline::KnownContact;
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
/// Points remembered: five minutes, some 40 KiB.
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
    /// Queries of others taken in, answered, refused with an error, left unanswered.
    queries: f32,
    answers: f32,
    errors: f32,
    limited: f32,
    /// Requests of our own, and what came back.
    requests: f32,
    responses: f32,
    /// Operations of the owner that ended, and how long they took on average; null: none ended.
    operations: f32,
    operation_ms: Option<f32>,
    /// The median round-trip time of the contacts.
    rtt_ms: Option<f32>,
    /// Contacts that answered lately.
    contacts: usize,
}

#[derive(Serialize)]
struct StatusEvent<'a> {
    status: &'a json::Status,
    point: Option<Point>,
    watchers: usize,
}

#[derive(Serialize)]
struct ContactsEvent {
    contacts: Vec<Contact>,
    stored: Vec<StoredKey>,
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
    let mut rtt_ms = None;
    for round in 0u32.. {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        let Ok(status) = app.client.status().await else { return };
        if round.is_multiple_of(CONTACTS_EVERY) {
            rtt_ms = look_at_contacts(&app).await;
        }
        let point = before.as_ref().map(|before| Point::between(before, &status, rtt_ms));
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

/// Tells watchers of the contacts; returns their median round-trip time.
async fn look_at_contacts(app: &App) -> Option<f32> {
    let mainline = app.client.mainline()?;
    let contacts = mainline.contacts().await.ok()?;
    if app.live.contacts.receiver_count() > 0 {
        let stored = mainline.stored_keys(STORED).await.ok()?;
        let event = ContactsEvent {
            contacts: contacts.iter().map(Contact::from).collect(),
            stored: stored.iter().map(StoredKey::from).collect(),
        };
        app.live.contacts.send_replace(write("contacts", &event));
    }
    median_rtt(&contacts)
}

fn median_rtt(contacts: &[KnownContact]) -> Option<f32> {
    let alive = contacts.iter().filter(|contact| contact.failures == 0);
    let mut rtts: Vec<Duration> = alive.map(|contact| contact.rtt).collect();
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
    fn between(before: &Status, now: &Status, rtt_ms: Option<f32>) -> Self {
        let span = now.uptime.saturating_sub(before.uptime).as_secs_f64().max(1e-3);
        #[expect(clippy::cast_precision_loss, reason = "what happens within seconds")]
        let rate = |of: fn(&Status) -> u64| short(of(now).saturating_sub(of(before)) as f64 / span);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ended = rate(ended);
        let took = taken(now).saturating_sub(taken(before));
        let count = f64::from(ended) * span;
        Self {
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            received: rate(|status| status.traffic.received),
            sent: rate(|status| status.traffic.sent),
            received_bytes: rate(|status| status.traffic.received_bytes),
            sent_bytes: rate(|status| status.traffic.sent_bytes),
            queries: rate(|status| of_messages(status, |messages| messages.queries)),
            answers: rate(|status| of_messages(status, |messages| messages.answers)),
            errors: rate(|status| of_messages(status, |messages| messages.errors)),
            limited: rate(|status| status.dropped.rate_limited),
            requests: rate(|status| of_messages(status, |messages| messages.requests)),
            responses: rate(|status| of_messages(status, |messages| messages.responses)),
            operations: ended,
            operation_ms: (count > 0.5).then(|| short(millis(took) / count)),
            rtt_ms,
            contacts: good_contacts(now),
        }
    }
}

fn of_messages(status: &Status, of: fn(&client::status::Messages) -> u64) -> u64 {
    status.mainline.as_ref().map_or(0, |mainline| of(&mainline.messages))
}

fn ended(status: &Status) -> u64 {
    let all = status.mainline.iter().flat_map(|mainline| &mainline.outcomes);
    all.map(|kind| kind.done + kind.not_found + kind.failed).sum()
}

fn taken(status: &Status) -> Duration {
    let all = status.mainline.iter().flat_map(|mainline| &mainline.outcomes);
    all.map(|kind| kind.elapsed).sum()
}

fn good_contacts(status: &Status) -> usize {
    let sides = status.mainline.iter().flat_map(|mainline| [&mainline.v4, &mainline.v6]);
    sides.flatten().map(|side| side.good).sum()
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
