use serde_json::Value;

use super::*;

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.push(reference);
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_description_is_whole() {
    let description: Value = serde_json::from_str(&describe()).unwrap();
    assert_eq!(description["openapi"], "3.1.0");
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut found = Vec::new();
    references(&description, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn each_path_is_described_once_and_says_what_may_go_wrong() {
    let description: Value = serde_json::from_str(&describe()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    assert_eq!(all().count(), paths.len());
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let ok = responses.keys().any(|status| status.starts_with('2'));
            assert!(ok && responses.contains_key("429"), "{method} {path}");
        }
    }
}

#[test]
fn values_may_be_empty_and_what_is_checked_may_not() {
    let description: Value = serde_json::from_str(&describe()).unwrap();
    for (operation, expected) in [
        ("/paths/~1v1~1poly~1values/post", false),
        ("/paths/~1v1~1mainline~1items/post", false),
        ("/paths/~1v1~1mainline~1signed~1{public_key}/put", true),
        ("/paths/~1routing~1v1~1ipns~1{name}/put", true),
    ] {
        let body = description.pointer(&format!("{operation}/requestBody")).unwrap();
        let is_required = body.get("required").and_then(Value::as_bool).unwrap_or_default();
        assert_eq!(is_required, expected, "{operation}");
    }
}

#[test]
fn tags_are_compared_as_http_does() {
    let name = header::IF_NONE_MATCH;
    for (given, expected) in [
        ("\"a\"", true),
        ("W/\"a\"", true),
        ("\"b\", \"a\"", true),
        ("*", true),
        ("\"b\"", false),
        ("a", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(name.clone(), given.parse().unwrap());
        assert_eq!(names_tag(&headers, name.clone(), "\"a\""), expected, "{given}");
    }
}
