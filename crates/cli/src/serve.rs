//! `polykad serve`: a node that runs until it is told to stop.

use core::convert::Infallible;
use core::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use client::status::{Dropped, MainlineStatus};
use client::{Client, FindError, Status};
use polykad::{Nodes, memory};
use serde::Serialize;
use tokio::time::{Instant, interval_at};

use crate::args::ServeOptions;
use crate::daemon::reach_line;
use crate::failure::Failure;
use crate::gateway::{Serving, notify};
use crate::node::{self, interrupted, sides};
use crate::output::{Output, complain, count, hex, hex_bytes, short_span};

pub(crate) async fn run(options: ServeOptions, output: Output) -> Result<(), Failure> {
    // From here on a signal ends the node in order.
    let mut stop = core::pin::pin!(interrupted());
    let layer = node::settings(&options)?;
    let (node, entries) = tokio::select! {
        started = node::serve(&layer) => started?,
        () = &mut stop => return Ok(()),
    };
    let status = status_of(&node).await?;
    let folder = status.disk.as_ref().map(|disk| disk.folder.clone());
    let client = Arc::new(node.clone());
    let gateway = Serving::start_daemon(layer.http.clone(), client, folder).await?;
    introduce(&status, gateway.as_ref(), output)?;
    let watch = async {
        tell_joined(&node, entries, output).await?;
        tokio::select! {
            never = memory::keep_releasing_code() => match never {},
            result = report_on(&node, &options) => result,
            never = reload(&options, &node, gateway.as_ref()) => match never {},
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

/// Reads the settings again whenever SIGHUP asks for it: limits count from then on.
async fn reload(options: &ServeOptions, node: &Nodes, gateway: Option<&Serving>) -> Infallible {
    let mut asked = Asked::new();
    loop {
        asked.again().await;
        let layer = match node::settings(options) {
            Ok(layer) => layer,
            Err(failure) => {
                complain(&format!("not reloaded, all stays as it was: {}", failure.message));
                continue;
            }
        };
        if let Some(mainline) = &node.mainline {
            mainline.set_rate_limit(layer.rate_limit()).await;
        }
        if let (Some(gateway), Some(http)) = (gateway, &layer.http) {
            gateway.set_limits(http.limits);
        }
        complain("reloaded: the limits are those of the settings now");
    }
}

/// SIGHUPs, where there are any.
struct Asked {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Asked {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    /// Waits for the next.
    async fn again(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        core::future::pending::<()>().await;
    }
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
        networks: Vec<&'static str>,
        listen: Vec<String>,
        id_v4: Option<String>,
        id_v6: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id_poly: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        listen_poly: Option<Vec<String>>,
        data: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        http: Option<String>,
    }
    let (poly, mainline) = (status.poly.as_ref(), status.mainline.as_ref());
    let networks = [poly.map(|_| "poly"), mainline.map(|_| "mainline")];
    let networks: Vec<&str> = networks.into_iter().flatten().collect();
    let text = |addresses: &[SocketAddr]| addresses.iter().map(ToString::to_string).collect();
    let version = env!("CARGO_PKG_VERSION");
    output.line(format!("polykad {version}, a node of {}", networks.join(" and ")))?;
    if let Some(poly) = poly {
        let addresses: Vec<String> = text(&poly.listen);
        output.line(format!("  poly       id {}", hex_bytes(poly.id.as_bytes())))?;
        output.line(format!("             listens on {}, UDP", addresses.join(" and ")))?;
    }
    let mut term = "mainline";
    for (family, side) in sides(status) {
        output.line(format!("  {term:<10} id {} on {family}", hex(&side.id)))?;
        term = "";
    }
    if mainline.is_some() {
        let others = poly.map(|poly| poly.listen.as_slice()).unwrap_or_default();
        let own = status.listen.iter().filter(|address| !others.contains(address));
        let own: Vec<String> = own.map(ToString::to_string).collect();
        output.line(format!("             listens on {}, UDP", own.join(" and ")))?;
    }
    let mut keeps: Vec<String> = poly.map(|poly| count(poly.values, "value")).into_iter().collect();
    keeps.extend(mainline.map(kept));
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
        version,
        pid: std::process::id(),
        networks,
        listen: text(&status.listen),
        id_v4: id("IPv4"),
        id_v6: id("IPv6"),
        id_poly: poly.map(|poly| hex_bytes(poly.id.as_bytes())),
        listen_poly: poly.map(|poly| text(&poly.listen)),
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

/// How many contacts it has found in each network, and how others see it.
async fn tell_joined(node: &Nodes, entries: usize, output: Output) -> Result<(), Failure> {
    let nobody = match entries {
        0 => "nobody yet, waits for nodes that join through this one".to_owned(),
        _ => format!(
            "nobody yet; of {} none answered, tried again and again",
            count(entries, "bootstrap node")
        ),
    };
    let joined = |contacts: usize, size: Option<f64>| match (contacts, size) {
        (0, _) => nobody.clone(),
        (contacts, None) => count(contacts, "contact"),
        (contacts, Some(size)) => format!("{} of about {size:.0}", count(contacts, "contact")),
    };
    let poly = async {
        let Some(poly) = &node.poly else { return Ok(()) };
        poly.joined().await?;
        let Some(poly) = status_of(node).await?.poly else { return Ok(()) };
        output.line(format!("  poly       knows {}", joined(poly.contacts, poly.network_size)))
    };
    let mainline = async {
        let Some(mainline) = &node.mainline else { return Ok(()) };
        mainline.joined().await?;
        let status = status_of(node).await?;
        for (family, side) in sides(&status) {
            let seen = match side.external {
                Some(external) => format!("seen as {external}"),
                None => "nobody has told yet how it is seen".to_owned(),
            };
            let knows = joined(side.good, side.network_size);
            output.line(format!("  mainline   knows {knows}; {seen}, on {family}"))?;
        }
        Ok(())
    };
    let (poly, mainline): (Result<(), Failure>, Result<(), Failure>) = tokio::join!(poly, mainline);
    poly.and(mainline)?;
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
        let reach = |status: &Status| status.poly.as_ref().map(|poly| poly.reachability);
        if let Some(poly) = now.poly.as_ref().filter(|_| reach(&before) != reach(&now)) {
            complain(&format!("poly: {}", reach_line(poly)));
        }
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
