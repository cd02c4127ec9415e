use super::*;

#[test]
fn reads_endpoints() {
    for good in ["127.0.0.1:6881", "[::1]:6881", "router.example.com:6881", "node-1:1"] {
        assert_eq!(good.parse::<Endpoint>().map(|endpoint| endpoint.to_string()), Ok(good.into()));
    }
    for (bad, reason) in [
        ("10.77.4.1", "write 10.77.4.1:6881"),
        ("::1", "write [::1]:6881"),
        ("10.77.4.1:99999", "port 99999 is beyond 65535"),
        ("nobody:x", "'x' is no port"),
        ("10.0.0:6881", "an address and a port"),
        ("", "the port is missing"),
        (":6881", "an address and a port"),
        ("a b:1", "an address and a port"),
    ] {
        let error = bad.parse::<Endpoint>().unwrap_err();
        assert!(error.contains(reason), "{bad}: {error}");
    }
}

#[test]
fn reads_spans() {
    for (text, millis) in [
        ("30", 30_000),
        ("1.5", 1_500),
        ("250ms", 250),
        ("2s", 2_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
    ] {
        assert_eq!(span(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for (bad, reason) in [
        ("", "a number of seconds"),
        ("soon", "no unit"),
        ("-1", "between"),
        ("0", "between"),
        ("1e30", "no unit"),
        ("NaN", "no unit"),
        ("999d", "between"),
        ("1.2.3", "a number of seconds"),
    ] {
        let error = span(bad).unwrap_err();
        assert!(error.contains(reason), "{bad}: {error}");
    }
}

#[test]
fn reads_targets() {
    let hex = "00112233445566778899aabbccddeeff00112233";
    let key = id(hex).unwrap();
    assert_eq!(hex.parse(), Ok(Target::Id(key)));
    assert_eq!(format!("magnet:?xt=urn:btih:{hex}&dn=x").parse(), Ok(Target::Id(key)));
    let link = format!("magnet:?xs=urn:btpk:{}&s=6e", "ab".repeat(32));
    let item = Target::Item { public_key: [0xab; 32], salt: salt("n").unwrap() };
    assert_eq!(link.parse(), Ok(item));
    for bad in ["xyz", "magnet:?dn=x", "", "magnet:?xt=urn:btih:xyz"] {
        assert!(bad.parse::<Target>().is_err(), "{bad}");
    }
}

#[test]
fn tells_nodes_from_targets() {
    let hex = "00112233445566778899aabbccddeeff00112233";
    assert_eq!(hex.parse(), Ok(Samples::Around(id(hex).unwrap())));
    assert_eq!("[::1]:1".parse(), Ok(Samples::OfNode("[::1]:1".parse().unwrap())));
    assert!("10.0.0.1".parse::<Samples>().unwrap_err().contains("port is missing"));
}

#[test]
fn reads_public_keys_and_salts() {
    assert_eq!(public_key(&"0f".repeat(32)), Ok([0x0f; 32]));
    assert!(public_key("0f").unwrap_err().contains("not 2"));
    assert!(public_key(&"xy".repeat(32)).unwrap_err().contains("0-9"));
    assert!(salt(&"s".repeat(64)).is_ok());
    assert!(salt(&"s".repeat(65)).unwrap_err().contains("64"));
}
