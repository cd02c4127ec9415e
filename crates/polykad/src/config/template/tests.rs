use std::path::Path;

use kademlia::limit::RateLimit;

use super::super::{HttpLayer, HttpLimitsLayer, Layer, Network, PolyLayer, RateLimitLayer};
use super::*;

fn read(text: &str) -> Layer {
    Layer::from_toml(text, Path::new("polykad.toml")).unwrap()
}

/// The settings in comments made to count.
fn uncommented() -> String {
    let is_setting = |line: &str| {
        let name = line.trim_start_matches('#').split_once(" = ").map(|(name, _)| name);
        line.starts_with('#') && name.is_some_and(|name| !name.contains(' '))
    };
    let lines = TEMPLATE.lines().map(|line| {
        let text = if is_setting(line) { line.trim_start_matches('#') } else { line };
        format!("{text}\n")
    });
    lines.collect()
}

#[test]
fn as_it_is_it_changes_nothing() {
    let layer = read(TEMPLATE);
    let nothing = Layer {
        rate_limit: Some(RateLimitLayer::default()),
        poly: Some(PolyLayer::default()),
        http: Some(HttpLayer { limits: Some(HttpLimitsLayer::default()), ..HttpLayer::default() }),
        ..Layer::default()
    };
    assert_eq!(layer, nothing);
}

#[test]
fn every_setting_is_in_it_with_its_default() {
    let layer = read(&uncommented());
    let limit = layer.rate_limit.unwrap();
    let default = RateLimit::default();
    assert_eq!(limit.per_host_per_second, Some(default.per_host_per_second));
    assert_eq!(limit.host_burst, Some(default.host_burst));
    assert_eq!(limit.per_subnet_per_second, Some(default.per_subnet_per_second));
    assert_eq!(limit.subnet_burst, Some(default.subnet_burst));
    assert_eq!(layer.networks, Some(Network::ALL.to_vec()));
    let Layer {
        listen: Some(_),
        bootstrap: Some(_),
        no_default_bootstrap: Some(false),
        data: Some(_),
        no_rate_limit: Some(false),
        read_only: Some(false),
        deadline_ms: Some(30_000),
        poly: Some(poly),
        http: Some(http),
        ..
    } = layer
    else {
        panic!("a setting is missing: {layer:?}")
    };
    assert!(http.listen.is_some() && http.token_file.is_some() && http.insecure == Some(false));
    assert!(http.listen.is_some() && http.off == Some(false));
    assert!(http.hosts.is_some() && http.origins.is_some() && http.read_only == Some(false));
    assert!(poly.listen.is_some() && poly.bootstrap.is_some());
    assert!(poly.name.is_some() && poly.key_file.is_some());
    assert!(poly.mdns == Some(true) && poly.rendezvous == Some(true));
    assert_eq!(poly.port_mapping, Some(true));
    let limits = http.limits.unwrap();
    assert!(limits.connections.is_some() && limits.connections_per_host.is_some());
    assert!(limits.operations.is_some() && limits.streams.is_some());
    assert!(limits.requests_per_second.is_some() && limits.burst.is_some());
}
