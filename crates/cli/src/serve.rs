//! `polykad serve`: a node that runs until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use client::status::{Dropped, MainlineStatus};
use client::{Client, FindError, Status};
use polykad::{Nodes, memory};
use serde::Serialize;
use tokio::time::{Instant, interval_at};

use crate::args::ServeOptions;
use crate::failure::Failure;
use crate::gateway::{Serving, notify};
use crate::node::{self, interrupted, sides};
use crate::output::{Output, complain, count, hex, hex_bytes, short_span};

pub(crate) async fn run(options: ServeOptions, output: Output) -> Result<(), Failure> {
    // From here on a signal ends the node in order.
    let mut stop = core::pin::pin!(interrupted());
    let (node, entries, http) = tokio::select! {
        started = node::serve(&options) => started?,
        () = &mut stop => return Ok(()),
    };
    let status = status_of(&node).await?;
    let folder = status.disk.as_ref().map(|disk| disk.folder.clone());
    let gateway = match http {
        Some(http) => Serving::start(&http, Arc::new(node.clone()), folder).await?,
        None => None,
    };
    introduce(&status, gateway.as_ref(), output)?;
    let watch = async {
        tell_joined(&node, entries, output).await?;
        tokio::select! {
            never = memory::keep_releasing_code() => match never {},
            result = report_on(&node, &options) => result,
        }
    };
    let result = tokio::select! {
        result = watch => result,
        () = &mut stop => Ok(()),
    };
    if result.is_ok() {
        output.line("stopping")?;
    }
    notify("STOPPING=1");
    if let Some(gateway) = gateway {
        gateway.stop().await;
    }
    node.shutdown().await;
    result
}

async fn status_of(node: &Nodes) -> Result<Status, Failure> {
    Ok(node.status().await.map_err(|_| FindError::Stopped)?)
}

/// Who the node is, and where it listens.
fn introduce(status: &Status, gateway: Option<&Serving>, output: Output) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Object {
        version: &'static str,
        pid: u32,
        listen: Vec<String>,
        id_v4: Option<String>,
        id_v6: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id_poly: Option<String>,
        data: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        http: Option<String>,
    }
    let networks = match (&status.mainline, &status.poly) {
        (Some(_), Some(_)) => "a node of BitTorrent's Mainline DHT and of Polykad's own network",
        (None, Some(_)) => "a node of Polykad's own network",
        (_, None) => "a node of BitTorrent's Mainline DHT",
    };
    output.line(format!("polykad {}, {networks}", env!("CARGO_PKG_VERSION")))?;
    for (family, side) in sides(status) {
        output.line(format!("  id         {} on {family}", hex(&side.id)))?;
    }
    for address in &status.listen {
        output.line(format!("  listens    {address}, UDP"))?;
    }
    if let Some(poly) = &status.poly {
        output.line(format!("  id         {} on poly", hex_bytes(poly.id.as_bytes())))?;
    }
    let mut keeps: Vec<String> = status.mainline.iter().map(kept).collect();
    keeps.extend(status.poly.iter().map(|poly| count(poly.values, "value")));
    let keeps = keeps.join(", ");
    output.line(match &status.disk {
        Some(disk) => format!("  data       {}, with {keeps}", disk.folder.display()),
        None => "  data       none is kept; --data DIR would keep it".to_owned(),
    })?;
    if let Some(gateway) = gateway {
        output.line(format!("  dashboard  {}/", gateway.url()))?;
        output.line(format!("  access     {}", gateway.access()))?;
    }
    let id = |wanted| {
        sides(status).iter().find(|(family, _)| *family == wanted).map(|(_, side)| hex(&side.id))
    };
    output.object(&Object {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        listen: status.listen.iter().map(ToString::to_string).collect(),
        id_v4: id("IPv4"),
        id_v6: id("IPv6"),
        id_poly: status.poly.as_ref().map(|poly| hex_bytes(poly.id.as_bytes())),
        data: status.disk.as_ref().map(|disk| disk.folder.display().to_string()),
        http: gateway.map(Serving::url),
    })
}

/// What a node stores for others.
fn kept(mainline: &MainlineStatus) -> String {
    let MainlineStatus { info_hashes, peers, items, .. } = mainline;
    format!(
        "{} of {}, {}",
        count(*peers, "peer"),
        count(*info_hashes, "torrent"),
        count(*items, "value")
    )
}

/// How many contacts it has found, and how others see it.
async fn tell_joined(node: &Nodes, entries: usize, output: Output) -> Result<(), Failure> {
    node.joined().await?;
    let status = status_of(node).await?;
    let contacts: usize = sides(&status).iter().map(|(_, side)| side.good).sum();
    let contacts = contacts + status.poly.as_ref().map_or(0, |poly| poly.contacts);
    if contacts > 0 {
        output.line(format!("  joined     {}", count(contacts, "contact")))?;
    } else if entries == 0 {
        output.line("  joined     nobody yet: waits for nodes that join through this one")?;
    } else {
        output.line(format!(
            "  joined     nobody yet: of {} none answered, tried again and again",
            count(entries, "bootstrap node")
        ))?;
    }
    for (family, side) in sides(&status) {
        output.line(match side.external {
            Some(external) => format!("  seen as    {external}, as others on {family} say"),
            None => format!("  seen as    not known yet on {family}: too few others have told"),
        })?;
    }
    notify("READY=1");
    output.line("ready; ctrl-c stops it")
}

/// Tells now and then how the node is doing.
async fn report_on(node: &Nodes, options: &ServeOptions) -> Result<(), Failure> {
    if options.quiet {
        return core::future::pending().await;
    }
    let every = options.status_every;
    let mut ticks = interval_at(Instant::now() + every, every);
    let mut before = status_of(node).await?;
    loop {
        ticks.tick().await;
        let now = status_of(node).await?;
        complain(&status_line(&before, &now));
        before = now;
    }
}

/// One line: contacts, what is stored, datagrams that came and went since the last line.
fn status_line(before: &Status, now: &Status) -> String {
    let mut parts = vec![format!("up {}", short_span(now.uptime))];
    for (family, side) in sides(now) {
        let size = side.network_size.map_or(String::new(), |size| format!(" of about {size:.0}"));
        parts.push(format!("{}{size} on {family}", count(side.good, "contact")));
    }
    parts.extend(now.mainline.as_ref().map(kept));
    if let Some(poly) = &now.poly {
        let size = poly.network_size.map_or(String::new(), |size| format!(" of about {size:.0}"));
        parts.push(format!("{}{size} on poly", count(poly.contacts, "contact")));
        parts.push(count(poly.values, "value"));
    }
    let span = now.uptime.saturating_sub(before.uptime).max(Duration::from_millis(1));
    let rate = |now: u64, before: u64| per_second(now.saturating_sub(before), span);
    parts.push(format!(
        "in {}/s, out {}/s",
        rate(now.traffic.received, before.traffic.received),
        rate(now.traffic.sent, before.traffic.sent)
    ));
    let dropped = dropped_since(&before.dropped, &now.dropped);
    if dropped > 0 {
        parts.push(format!("dropped {dropped}"));
    }
    if let Some(trouble) = now.disk.as_ref().and_then(|disk| disk.trouble.as_ref()) {
        parts.push(format!("disk: {trouble}"));
    }
    parts.join(" | ")
}

fn dropped_since(before: &Dropped, now: &Dropped) -> u64 {
    let sum = |dropped: &Dropped| {
        dropped.oversized
            + dropped.rate_limited
            + dropped.malformed
            + dropped.send_full
            + dropped.send_failed
            + dropped.untold
            + dropped.unpersisted
    };
    sum(now).saturating_sub(sum(before))
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn per_second(number: u64, span: Duration) -> String {
    format!("{:.1}", number as f64 / span.as_secs_f64())
}
