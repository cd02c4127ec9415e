use super::*;

#[test]
fn a_key_is_64_digits_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    for (text, expected) in [
        (format!("{}\n", "0aF1".repeat(16)), Some([[0x0a, 0xf1]; 16].as_flattened().to_vec())),
        ("0a".repeat(31), None),
        ("0a".repeat(33), None),
        (format!("{}zz", "0a".repeat(31)), None),
    ] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(read_key(&file).ok().map(|key| key.to_vec()), expected);
    }
    let missing = read_key(&folder.path().join("none")).unwrap_err();
    assert!(missing.to_string().contains("cannot read"), "{missing}");
}

#[test]
fn what_is_said_of_poly_goes_before() {
    let layer = |network: &str| PolyLayer { name: Some(network.into()), ..PolyLayer::default() };
    let below = PolyLayer { bootstrap: Some(vec!["192.0.2.1:7654".into()]), ..layer("below") };
    let both = layer("above").over(below);
    assert_eq!(both.name.as_deref(), Some("above"));
    assert_eq!(both.bootstrap.unwrap().len(), 1);
    let wrong = PolyLayer { bootstrap: Some(vec!["nowhere".into()]), ..PolyLayer::default() };
    let wrong = Layer { poly: Some(wrong), ..Layer::default() };
    assert!(matches!(wrong.poly_builder(true), Err(ConfigError::Bootstrap { .. })));
}
