//! The running daemon: found by commands that can go through it, and asked how it is doing.

use std::path::PathBuf;

use client::Client;
use client::http::json::poly::Contact as PolyContact;
use client::http::json::{Contact, Status as StatusObject};
use client::http::{Address, DEFAULT_ADDRESS, Daemon, Unreachable};
use client::poly::{PolyStatus, Reachability};
use serde_json::json;

use crate::args::DaemonOption;
use crate::failure::Failure;
use crate::gateway::{FILE, Whereabouts};
use crate::node::sides;
use crate::output::{Output, count, hex, hex_bytes, short_span};

/// The running daemon; `None`: there is none, and nobody named one.
pub(crate) async fn find(options: &DaemonOption) -> Result<Option<Daemon>, Failure> {
    let known = remembered();
    let token = options.token.clone().or_else(|| known.as_ref().and_then(|k| k.token.clone()));
    if let Some(address) = &options.daemon {
        return Ok(Some(Daemon::connect(address.clone(), token).await?));
    }
    let file = known.and_then(|known| known.url.parse().ok());
    let default = Address::from(core::net::SocketAddr::from(DEFAULT_ADDRESS));
    for address in file.into_iter().chain([default]) {
        match Daemon::connect(address, token.clone()).await {
            Ok(daemon) => return Ok(Some(daemon)),
            // It is there, and says what is wrong: better told than passed over.
            Err(error @ Unreachable::Refused { .. }) => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// What a daemon has left in the data folder.
fn remembered() -> Option<Whereabouts> {
    let folder = std::env::var_os("POLYKAD_DATA").filter(|folder| !folder.is_empty())?;
    let text = std::fs::read(PathBuf::from(folder).join(FILE)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The running daemon, which there must be.
pub(crate) async fn must_find(options: &DaemonOption) -> Result<Daemon, Failure> {
    find(options).await?.ok_or_else(|| {
        Failure::failed(format!(
            "no daemon at http://{DEFAULT_ADDRESS}: start one with `polykad serve`, or name \
             it with --daemon URL"
        ))
    })
}

impl From<Unreachable> for Failure {
    fn from(error: Unreachable) -> Self {
        Self::failed(error.to_string())
    }
}

/// `polykad status`.
pub(crate) async fn status(options: &DaemonOption, output: Output) -> Result<(), Failure> {
    let daemon = must_find(options).await?;
    let status = daemon.status().await.map_err(|_| client::FindError::Stopped)?;
    output.object(&StatusObject::from(&status))?;
    output.line(format!("daemon   {}, up {}", daemon.address(), short_span(status.uptime)))?;
    if let Some(poly) = &status.poly {
        let size = poly.network_size.map_or(String::new(), |size| format!(" of about {size:.0}"));
        output.line(format!("poly     id {}", hex_bytes(poly.id.as_bytes())))?;
        output.line(format!("         {}{size}", count(poly.contacts, "contact")))?;
        output.line(format!("         {}", reach_line(poly)))?;
        let stored = count(poly.values, "value");
        output.line(format!("         stores {stored}, {} bytes", poly.value_bytes))?;
        output.line(format!(
            "         {} asked, {} answered, {} refused; {} sent",
            count(usize::try_from(poly.requests).unwrap_or(usize::MAX), "request"),
            poly.answers,
            poly.refused,
            poly.asked
        ))?;
    }
    for (family, side) in sides(&status) {
        let size = side.network_size.map_or(String::new(), |size| format!(" of about {size:.0}"));
        let seen = match side.external {
            Some(external) => format!("seen as {external}"),
            None => "nobody has told yet how it is seen".to_owned(),
        };
        output.line(format!("mainline id {} on {family}", hex(&side.id)))?;
        output.line(format!("         {}{size}; {seen}", count(side.good, "contact")))?;
    }
    if let Some(mainline) = &status.mainline {
        output.line(format!(
            "         stores {} of {}, {}",
            count(mainline.peers, "peer"),
            count(mainline.info_hashes, "torrent"),
            count(mainline.items, "value")
        ))?;
        let messages = mainline.messages;
        output.line(format!(
            "         {} queries received, {} answered, {} refused; {} requests sent, {} answered",
            messages.queries,
            messages.answers,
            messages.errors,
            messages.requests,
            messages.responses
        ))?;
    }
    for address in &status.listen {
        output.line(format!("listens  {address}, UDP"))?;
    }
    let limited = status.dropped.rate_limited;
    let traffic = status.traffic;
    output.line(format!(
        "traffic  {} datagrams in, {} out, {limited} over the limit",
        traffic.received, traffic.sent
    ))
}

/// Whether others can reach the node, for people.
pub(crate) fn reach_line(poly: &PolyStatus) -> String {
    let reach = match poly.reachability {
        Reachability::Unknown => "whether others reach it nobody has found out",
        Reachability::Reachable => "others reach it",
        Reachability::Unreachable => "others do not reach it: it only asks, and holds nothing",
    };
    let mapped = poly.mapped_port.map(|port| format!("; port {port} of the gateway leads to it"));
    format!("{reach}{}", mapped.unwrap_or_default())
}

/// `polykad peers`.
pub(crate) async fn peers(options: &DaemonOption, output: Output) -> Result<(), Failure> {
    let daemon = must_find(options).await?;
    let stopped = |_| Failure::from(client::FindError::Stopped);
    let status = daemon.status().await.map_err(stopped)?;
    let (mut mainline, mut poly) = (Vec::new(), Vec::new());
    if let Some(network) = Client::mainline(&daemon) {
        mainline = network.contacts().await.map_err(stopped)?;
        let me = sides(&status).first().map(|(_, side)| side.id).unwrap_or_default();
        mainline.sort_by_key(|known| me.distance(&known.contact.id));
    }
    if let (Some(network), Some(own)) = (Client::poly(&daemon), &status.poly) {
        poly = network.contacts().await.map_err(stopped)?;
        poly.sort_by_key(|known| own.id.distance(&known.peer.id));
    }
    output.object(&json!({
        "contacts": mainline.iter().map(Contact::from).collect::<Vec<_>>(),
        "poly": poly.iter().map(PolyContact::from).collect::<Vec<_>>(),
    }))?;
    let line = |id: String, address: core::net::SocketAddr, rtt, known_for, failures: u8| {
        let state = if failures == 0 { "answers" } else { "silent" };
        output.line(format!(
            "{id} {:<22} {:>8}  known {:>8}  {state}",
            address.to_string(),
            short_span(rtt),
            short_span(known_for)
        ))
    };
    for known in &poly {
        let id = hex_bytes(known.peer.id.as_bytes());
        line(id, known.peer.address, known.rtt, known.known_for, known.failures)?;
    }
    for known in &mainline {
        let id = hex(&known.contact.id);
        line(id, known.contact.address, known.rtt, known.known_for, known.failures)?;
    }
    output.note(format!(
        "{} of poly, {} of mainline",
        count(poly.len(), "contact"),
        count(mainline.len(), "contact")
    ));
    Ok(())
}

/// `polykad id`.
pub(crate) async fn id(options: &DaemonOption, output: Output) -> Result<(), Failure> {
    let daemon = must_find(options).await?;
    let status = daemon.status().await.map_err(|_| client::FindError::Stopped)?;
    let sides = sides(&status);
    let id = |wanted| sides.iter().find(|(name, _)| *name == wanted).map(|(_, side)| hex(&side.id));
    let poly = status.poly.as_ref().map(|poly| hex_bytes(poly.id.as_bytes()));
    output.object(&json!({ "id_v4": id("IPv4"), "id_v6": id("IPv6"), "id_poly": poly }))?;
    if let Some(poly) = poly {
        output.line(format!("{poly} poly"))?;
    }
    sides.iter().try_for_each(|(family, side)| output.line(format!("{} {family}", hex(&side.id))))
}
