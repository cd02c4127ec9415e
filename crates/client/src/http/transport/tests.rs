use super::*;

#[test]
fn addresses_are_read() {
    for (text, expected) in [
        ("http://127.0.0.1:6880", Some("http://127.0.0.1:6880")),
        ("http://localhost:1/", Some("http://localhost:1")),
        ("[::1]:6880", Some("http://[::1]:6880")),
        ("my-host.example:80", Some("http://my-host.example:80")),
        ("https://127.0.0.1:6880", None),
        ("127.0.0.1", None),
        ("127.0.0.1:0", None),
        ("127.0.0.1:70000", None),
        ("::1:6880", None),
        ("a b:1", None),
        ("", None),
    ] {
        let read = text.parse::<Address>();
        assert_eq!(read.as_ref().map(ToString::to_string).ok().as_deref(), expected, "{text}");
        if let Err(error) = read {
            assert!(error.to_string().contains("http://HOST:PORT"));
        }
    }
}
