use super::*;

fn toml(text: &str) -> Result<Layer, String> {
    Layer::from_toml(text, Path::new("node.toml")).map_err(|error| error.to_string())
}

fn env(variables: &[(&str, &str)]) -> Result<Layer, String> {
    let find = |name: &'static str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    Layer::from_variables(find).map_err(|error| error.to_string())
}

#[test]
fn a_file_is_read() {
    let layer = toml(
        r#"
        listen = ["0.0.0.0:6881", "[::]:6881"]
        bootstrap = ["router.example:6881", "192.0.2.1:1"]
        no_default_bootstrap = true
        data = "/var/lib/polykad"
        deadline_ms = 5000
        [rate_limit]
        host_burst = 7
        "#,
    )
    .unwrap();
    assert_eq!(layer.listen.as_ref().unwrap().len(), 2);
    assert_eq!(layer.rate_limit.unwrap().host_burst, Some(7));
    layer.builder().unwrap();
    assert_eq!(toml(""), Ok(Layer::default()));
}

#[test]
fn mistakes_in_a_file_name_their_line() {
    for (text, expected) in [
        ("\n\nlisen = []", "node.toml:3: unknown field `lisen`, expected one of `networks`"),
        ("data = 7", "node.toml:1: invalid type: integer `7`"),
        ("listen = [\"nowhere\"]", "node.toml:1: invalid socket address syntax"),
        ("[rate_limit]\nburst = 1", "node.toml:2: unknown field `burst`"),
        ("read_only = true\nread_only = true", "node.toml:2: duplicate key"),
        ("x", "node.toml:1: "),
    ] {
        let error = toml(text).unwrap_err();
        assert!(error.starts_with(expected), "{text:?}: {error}");
        assert!(error.ends_with("; correct or remove that line"), "{error}");
    }
}

#[test]
fn the_environment_is_read() {
    let layer = env(&[
        ("POLYKAD_LISTEN", "127.0.0.1:1, [::1]:2"),
        ("POLYKAD_READ_ONLY", "true"),
        ("POLYKAD_NO_RATE_LIMIT", ""),
        ("POLYKAD_DATA", ""),
        ("POLYKAD_DEADLINE_MS", "70"),
    ])
    .unwrap();
    let listen = ["127.0.0.1:1", "[::1]:2"].map(|address| address.parse().unwrap());
    assert_eq!(layer.listen, Some(listen.to_vec()));
    assert_eq!((layer.read_only, layer.no_rate_limit), (Some(true), None));
    assert_eq!((layer.deadline_ms, layer.data), (Some(70), None));
    assert_eq!(
        env(&[("POLYKAD_READ_ONLY", "maybe")]).unwrap_err(),
        "environment variable POLYKAD_READ_ONLY: 'maybe' is not true or false; correct or unset it"
    );
}

#[test]
fn higher_layers_go_before() {
    let file = toml("read_only = true\ndeadline_ms = 1\n[rate_limit]\nhost_burst = 1").unwrap();
    let environment =
        env(&[("POLYKAD_DEADLINE_MS", "2"), ("POLYKAD_RATE_LIMIT_SUBNET_BURST", "3")]).unwrap();
    let flags = Layer { read_only: Some(false), ..Layer::default() };
    let all = flags.over(environment).over(file);
    assert_eq!((all.read_only, all.deadline_ms), (Some(false), Some(2)));
    let limit = all.rate_limit.unwrap();
    assert_eq!((limit.host_burst, limit.subnet_burst), (Some(1), Some(3)));
}

#[test]
fn bootstrap_entries_need_a_port() {
    for (entry, good) in [
        ("192.0.2.1:6881", true),
        ("[2001:db8::1]:6881", true),
        ("router.example:6881", true),
        ("router.example", false),
        ("192.0.2.1", false),
        ("2001:db8::1", false),
        (":6881", false),
        ("http://router.example:6881", false),
        ("router.example:70000", false),
    ] {
        let layer = Layer { bootstrap: Some(vec![entry.into()]), ..Layer::default() };
        assert_eq!(layer.builder().is_ok(), good, "{entry}");
    }
}
