use std::path::Path;

use kademlia::limit::RateLimit;

use super::super::{Layer, RateLimitLayer};
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
        http: Some(super::super::HttpLayer::default()),
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
    let Layer {
        listen: Some(_),
        bootstrap: Some(_),
        no_default_bootstrap: Some(false),
        data: Some(_),
        no_rate_limit: Some(false),
        read_only: Some(false),
        deadline_ms: Some(30_000),
        http: Some(http),
        ..
    } = layer
    else {
        panic!("a setting is missing: {layer:?}")
    };
    assert!(http.listen.is_some() && http.token_file.is_some() && http.insecure == Some(false));
    assert!(http.hosts.is_some() && http.origins.is_some() && http.read_only == Some(false));
}
