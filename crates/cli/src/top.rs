//! `polykad top`: the running daemon at a glance, again and again.
//!
//! On a terminal a frame redrawn in place; elsewhere one line each time, and with `--json` one
//! object.

use std::collections::VecDeque;
use std::time::Duration;

use client::http::Daemon;
use client::http::json::{Status as StatusObject, millis};
use client::{Client, FindError, Key, Status};
use tokio::time::{MissedTickBehavior, interval};

use crate::args::TopOptions;
use crate::daemon::must_find;
use crate::failure::Failure;
use crate::node::{interrupted, sides};
use crate::output::{Output, hex, hex_bytes, short_span};
use crate::terminal::{Paint, Terminal};

/// Points of a plot.
const PLOT: usize = 40;
/// Lines of a frame beside the contacts.
const OTHER_LINES: usize = 19;

/// What happens a second.
#[derive(Clone, Copy, Debug, Default)]
struct Rates {
    received: f64,
    sent: f64,
    queries: f64,
    answers: f64,
    refused: f64,
    requests: f64,
}

pub(crate) async fn run(options: &TopOptions, output: Output) -> Result<(), Failure> {
    let daemon = must_find(&options.daemon).await?;
    let mut screen = Screen::new(output);
    let result = tokio::select! {
        result = watch(&daemon, options, &mut screen) => result,
        () = interrupted() => Ok(()),
    };
    drop(screen);
    result
}

async fn watch(daemon: &Daemon, options: &TopOptions, screen: &mut Screen) -> Result<(), Failure> {
    let mut ticks = interval(options.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<Status> = None;
    for _ in 0..options.times.unwrap_or(u64::MAX) {
        ticks.tick().await;
        let status = daemon.status().await.map_err(|_| FindError::Stopped)?;
        let near = nearest(daemon, &status).await?;
        let rates = before.as_ref().map(|before| Rates::between(before, &status));
        screen.show(daemon, &status, &near, rates)?;
        before = Some(status);
    }
    Ok(())
}

impl Rates {
    fn between(before: &Status, now: &Status) -> Self {
        let span = now.uptime.saturating_sub(before.uptime).max(Duration::from_millis(1));
        #[expect(clippy::cast_precision_loss, reason = "what happens within seconds")]
        let rate =
            |of: fn(&Status) -> u64| of(now).saturating_sub(of(before)) as f64 / span.as_secs_f64();
        Self {
            received: rate(|status| status.traffic.received),
            sent: rate(|status| status.traffic.sent),
            queries: rate(|status| messages(status).queries),
            answers: rate(|status| messages(status).answers),
            refused: rate(|status| messages(status).errors + status.dropped.rate_limited),
            requests: rate(|status| messages(status).requests),
        }
    }
}

/// What passed between the nodes of all networks and others.
fn messages(status: &Status) -> client::status::Messages {
    let mut sum = status.mainline.as_ref().map(|mainline| mainline.messages).unwrap_or_default();
    if let Some(poly) = &status.poly {
        sum.queries += poly.requests;
        sum.answers += poly.answers;
        sum.errors += poly.refused;
        sum.requests += poly.asked;
        sum.responses += poly.heard;
    }
    sum
}

/// A contact as it is shown.
struct Near {
    network: &'static str,
    shared_bits: u32,
    id: String,
    rtt: Duration,
}

/// The contacts of all networks, nearest first in each.
async fn nearest(daemon: &Daemon, status: &Status) -> Result<Vec<Vec<Near>>, Failure> {
    let mut all = Vec::new();
    if let (Some(network), Some(own)) = (Client::poly(daemon), &status.poly) {
        let mut contacts = network.contacts().await.map_err(|_| FindError::Stopped)?;
        contacts.sort_by_key(|known| own.id.distance(&known.peer.id));
        let near = contacts.iter().map(|known| Near {
            network: "poly",
            shared_bits: own.id.shared_prefix(&known.peer.id),
            id: hex_bytes(known.peer.id.as_bytes()).chars().take(40).collect(),
            rtt: known.rtt,
        });
        all.push(near.collect());
    }
    if let Some(network) = Client::mainline(daemon) {
        let me: Key = sides(status).first().map(|(_, side)| side.id).unwrap_or_default();
        let mut contacts = network.contacts().await.map_err(|_| FindError::Stopped)?;
        contacts.sort_by_key(|known| me.distance(&known.contact.id));
        let near = contacts.iter().map(|known| Near {
            network: "mainline",
            shared_bits: me.shared_prefix(&known.contact.id),
            id: hex(&known.contact.id),
            rtt: known.rtt,
        });
        all.push(near.collect());
    }
    Ok(all)
}

/// Where it is shown.
struct Screen {
    output: Output,
    terminal: Terminal,
    live: bool,
    drawn: usize,
    past: VecDeque<Rates>,
}

impl Screen {
    fn new(output: Output) -> Self {
        let terminal = Terminal::of_stdout();
        let live = terminal.live && !output.is_json();
        Self { output, terminal, live, drawn: 0, past: VecDeque::new() }
    }

    fn show(
        &mut self,
        daemon: &Daemon,
        status: &Status,
        near: &[Vec<Near>],
        rates: Option<Rates>,
    ) -> Result<(), Failure> {
        if let Some(rates) = rates {
            if self.past.len() >= PLOT {
                self.past.pop_front();
            }
            self.past.push_back(rates);
        }
        if self.output.is_json() {
            return self.output.object(&StatusObject::from(status));
        }
        if !self.live {
            return self.output.line(line(status, rates.unwrap_or_default()));
        }
        let frame = self.frame(daemon, status, near);
        let mut text = match self.drawn {
            0 => "\x1b[?25l".to_owned(),
            lines => format!("\x1b[{lines}A"),
        };
        for line in &frame {
            text.push_str("\r\x1b[2K");
            text.push_str(line);
            text.push('\n');
        }
        // What is left of a longer frame.
        text.push_str("\x1b[0J");
        self.drawn = frame.len();
        self.output.draw(&text)
    }

    fn frame(&self, daemon: &Daemon, status: &Status, near: &[Vec<Near>]) -> Vec<String> {
        let terminal = self.terminal;
        let title = format!("polykad at {}, up {}", daemon.address(), short_span(status.uptime));
        let mut lines = vec![terminal.paint(Paint::Bold, &title), String::new()];
        if let Some(poly) = &status.poly {
            let size =
                poly.network_size.map_or(String::new(), |size| format!(" of about {size:.0}"));
            let id: String = hex_bytes(poly.id.as_bytes()).chars().take(40).collect();
            lines.push(format!(
                "  poly  {}  {} contacts{size}, {} values",
                terminal.paint(Paint::Cyan, &id),
                poly.contacts,
                poly.values
            ));
        }
        for (family, side) in sides(status) {
            let size =
                side.network_size.map_or(String::new(), |size| format!(" of about {size:.0}"));
            lines.push(format!(
                "  {family}  {}  {} contacts{size}",
                terminal.paint(Paint::Cyan, &hex(&side.id)),
                side.good
            ));
        }
        lines.push(String::new());
        for (name, of) in [
            ("datagrams in", (|rates| rates.received) as fn(&Rates) -> f64),
            ("datagrams out", |rates| rates.sent),
            ("queries", |rates| rates.queries),
            ("answered", |rates| rates.answers),
            ("refused", |rates| rates.refused),
            ("requests", |rates| rates.requests),
        ] {
            let now = self.past.back().map_or(0.0, of);
            let plot = terminal.paint(Paint::Green, &self.plot(of));
            lines.push(format!("  {name:<14}{now:>9.1}/s  {plot}"));
        }
        lines.push(String::new());
        lines.extend(operations(status, terminal));
        lines.push(String::new());
        lines.extend(self.nearest(near));
        lines
    }

    /// The last seconds as a row of bars.
    fn plot(&self, of: fn(&Rates) -> f64) -> String {
        let bars: Vec<char> = self.terminal.pick("▁▂▃▄▅▆▇█", "_.-=+*%#").chars().collect();
        let most = self.past.iter().map(of).fold(1.0, f64::max);
        let height = |rates: &Rates| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of eight bars"
            )]
            let at = (of(rates) / most * 7.0).round() as usize;
            bars.get(at.min(7)).copied().unwrap_or(' ')
        };
        self.past.iter().map(height).collect()
    }

    fn nearest(&self, near: &[Vec<Near>]) -> Vec<String> {
        let rows = self.terminal.size().1.saturating_sub(OTHER_LINES).clamp(4, 20);
        let each = rows / near.len().max(1);
        let head = "  bits shared  nearest contacts                          round trip";
        let mut lines = vec![self.terminal.paint(Paint::Dim, head)];
        let shown = near.iter().flat_map(|network| network.iter().take(each));
        lines.extend(shown.map(|near| {
            let rtt = short_span(near.rtt);
            format!("  {:>11}  {}  {rtt:>9}  {}", near.shared_bits, near.id, near.network)
        }));
        lines
    }
}

/// The kinds of operations that ran, with their outcomes.
fn operations(status: &Status, terminal: Terminal) -> Vec<String> {
    let head = "  operations         done  not found   failed    mean";
    let mut lines = vec![terminal.paint(Paint::Dim, head)];
    let mainline = status.mainline.iter().flat_map(|mainline| &mainline.outcomes);
    let poly = status.poly.iter().flat_map(|poly| &poly.outcomes);
    let kinds = poly.map(|kind| (kind, "poly")).chain(mainline.map(|kind| (kind, "mainline")));
    for (kind, network) in kinds {
        let all = kind.done + kind.not_found + kind.failed;
        if all == 0 {
            continue;
        }
        let mean = kind.elapsed / u32::try_from(all).unwrap_or(u32::MAX);
        lines.push(format!(
            "  {:<14}{:>9}{:>11}{:>9}{:>8}  {network}",
            kind.kind,
            kind.done,
            kind.not_found,
            kind.failed,
            short_span(mean)
        ));
    }
    lines
}

/// All in one line, for pipes.
fn line(status: &Status, rates: Rates) -> String {
    let contacts: usize = sides(status).iter().map(|(_, side)| side.good).sum();
    let contacts = contacts + status.poly.as_ref().map_or(0, |poly| poly.contacts);
    format!(
        "up_ms={} contacts={contacts} in={:.1}/s out={:.1}/s queries={:.1}/s answers={:.1}/s \
         refused={:.1}/s requests={:.1}/s",
        millis(status.uptime),
        rates.received,
        rates.sent,
        rates.queries,
        rates.answers,
        rates.refused,
        rates.requests
    )
}

/// Whatever happens, the cursor comes back.
impl Drop for Screen {
    fn drop(&mut self) {
        if self.live && self.drawn > 0 {
            // If stdout is gone, so is the cursor.
            let _ = self.output.draw("\x1b[?25h");
        }
    }
}
