//! What people type, read: addresses, spans of time, targets and keys. Each refusal says what a
//! good value looks like; clap puts the bad one in front of it.

use core::fmt;
use core::net::{Ipv6Addr, SocketAddr};
use core::str::FromStr;
use std::time::Duration;

use client::Key;
use client::poly::Quorum;
use client::poly::value::MAX_LIFETIME_S;
use polykad::networks::mainline::Salt;
use polykad::networks::mainline::magnet::Magnet;
use polykad::networks::mainline::wire::Id;

/// Where a node to join through listens: an address, or a name to resolve when it is needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Endpoint {
    Address(SocketAddr),
    Name { host: String, port: u16 },
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = match address(text) {
            Ok(address) => return Ok(Self::Address(address)),
            Err(error) => error,
        };
        match text.rsplit_once(':') {
            Some((host, digits)) if is_host_name(host) => {
                Ok(Self::Name { host: host.to_owned(), port: port(digits)? })
            }
            _ => Err(error),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// Letters, digits, dashes and dots, and not merely a number: `10.0.0:1` is a slip, not a name.
fn is_host_name(host: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    !host.is_empty()
        && host.bytes().all(legal)
        && host.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Reads an address with its port.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("the port is missing: write [{text}]:6881"));
    }
    match text.rsplit_once(':') {
        None => Err(format!("the port is missing: write {text}:6881")),
        Some((_, digits)) => {
            port(digits)?;
            Err("write an address and a port, such as 192.0.2.7:6881 or [2001:db8::7]:6881".into())
        }
    }
}

/// Reads a port to send to.
pub(crate) fn port(digits: &str) -> Result<u16, String> {
    match digits.parse() {
        Ok(port) => Ok(port),
        Err(_) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("port {digits} is beyond 65535"))
        }
        Err(_) => Err(format!("'{digits}' is no port: a port is a number from 1 to 65535")),
    }
}

/// Reads a span of time: seconds, or a number with one of the units ms, s, m, h, d. At most a year.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    const MOST_SECONDS: f64 = 366.0 * 86_400.0;
    let unit_start = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_start);
    let unit = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        other => return Err(format!("'{other}' is no unit: use ms, s, m, h or d")),
    };
    let number: f64 = number
        .trim()
        .parse()
        .map_err(|_| "write a number of seconds, or one with a unit, such as 90, 1.5s, 5m or 2h")?;
    let seconds = number * unit;
    if !(1e-3..=MOST_SECONDS).contains(&seconds) {
        return Err("a span lies between 1ms and 366d".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// What a lookup is for: an id, or a signed item that says which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// A node id, info-hash or key.
    Id(Key),
    /// What a `btpk` magnet names (BEP 46).
    Item { public_key: [u8; 32], salt: Salt },
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("magnet:")) {
            return match text.parse().map_err(|error| format!("{error}"))? {
                Magnet::Torrent { info_hash } => Ok(Self::Id(info_hash.key())),
                Magnet::Item { public_key, salt } => Ok(Self::Item { public_key, salt }),
            };
        }
        id(text).map(Self::Id)
    }
}

/// Reads a node id, info-hash or key: 40 hexadecimal digits, or 32 of base 32.
pub(crate) fn id(text: &str) -> Result<Key, String> {
    text.parse::<Id>().map(|id| id.key()).map_err(|error| error.to_string())
}

/// Whom to ask for a sample: one node, or those around a target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Samples {
    OfNode(SocketAddr),
    Around(Key),
}

impl FromStr for Samples {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains([':', '.']) {
            return address(text).map(Self::OfNode);
        }
        id(text).map(Self::Around)
    }
}

/// Reads a public key: 64 hexadecimal digits.
pub(crate) fn public_key(text: &str) -> Result<[u8; 32], String> {
    let digits = text.chars().count();
    if digits != 64 {
        return Err(format!("a public key has 64 hexadecimal digits, not {digits}"));
    }
    unhex(text)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| "a public key consists of hexadecimal digits, 0-9 and a-f, alone".to_owned())
}

/// Reads a key of Polykad's own network: 64 hexadecimal digits.
pub(crate) fn key(text: &str) -> Result<Key, String> {
    let digits = text.chars().count();
    if digits != 64 {
        return Err(format!("a key has 64 hexadecimal digits, not {digits}"));
    }
    let bytes = unhex(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes
        .map(Key::new)
        .ok_or_else(|| "a key consists of hexadecimal digits, 0-9 and a-f, alone".to_owned())
}

/// Reads how long a value is to live: 30 days at most.
pub(crate) fn lifetime(text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    let most = Duration::from_secs(MAX_LIFETIME_S.into());
    if span > most || span.as_secs() == 0 {
        return Err("a lifetime lies between 1s and 30d".into());
    }
    Ok(span)
}

/// Reads how many nodes must acknowledge.
pub(crate) fn quorum(text: &str) -> Result<Quorum, String> {
    if text == "all" {
        return Ok(Quorum::All);
    }
    let count = text.parse().ok().filter(|count| *count > 0);
    count.map(Quorum::Count).ok_or_else(|| "write a number from 1 to 255, or all".to_owned())
}

/// Reads a salt: the text's bytes, at most 64.
pub(crate) fn salt(text: &str) -> Result<Salt, String> {
    Salt::new(text.as_bytes()).map_err(|error| format!("{error}: shorten it"))
}

/// The bytes that pairs of hexadecimal digits stand for.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let value = |digit: u8| char::from(digit).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(value(*high)? << 4 | value(*low)?).ok()).collect()
}

#[cfg(test)]
mod tests;
