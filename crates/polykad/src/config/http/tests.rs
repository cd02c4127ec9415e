use std::path::Path;

use super::super::Layer;

#[test]
fn file_and_environment_are_read() {
    let text = "[http]\nlisten = \"127.0.0.1:6880\"\nhosts = [\"node.example\"]";
    let file = Layer::from_toml(text, Path::new("node.toml")).unwrap();
    let variables = [("POLYKAD_HTTP", "[::1]:1"), ("POLYKAD_HTTP_READ_ONLY", "true")];
    let find = |name: &'static str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).into())
    };
    let environment = Layer::from_variables(find).unwrap();
    let http = environment.over(file).http.unwrap();
    assert_eq!(http.listen, Some("[::1]:1".parse().unwrap()));
    assert_eq!(http.hosts.as_deref(), Some(&["node.example".to_owned()][..]));
    assert_eq!((http.read_only, http.insecure), (Some(true), None));
    assert_eq!(Layer::from_variables(|_| None).unwrap().http, None);
}

#[test]
fn who_names_an_address_wants_it_served() {
    let read = |text| Layer::from_toml(text, Path::new("node.toml")).unwrap();
    let off = "[http]\noff = true";
    let at = "[http]\nlisten = \"127.0.0.1:1\"";
    assert_eq!(read("[http]\nread_only = true").over(read(off)).http.unwrap().off, Some(true));
    assert_eq!(read(at).over(read(off)).http.unwrap().off, None);
    let http = read(off).over(read(at)).http.unwrap();
    assert_eq!((http.off, http.listen.is_some()), (Some(true), true));
}

#[test]
fn mistakes_name_their_line() {
    for (text, expected) in [
        ("[http]\nlisten = \"6880\"", "node.toml:2: invalid socket address syntax"),
        ("[http]\n\ntokenfile = \"x\"", "node.toml:3: unknown field `tokenfile`"),
    ] {
        let error = Layer::from_toml(text, Path::new("node.toml")).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
