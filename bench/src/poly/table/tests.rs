use serde_json::json;

use super::*;

#[test]
fn tells_what_is_met_and_what_is_missing() {
    let contenders = [
        Contender {
            name: "polykad",
            figures: json!({"put_ms": 1.4, "get_ms": 0.2, "killed_found": 99, "killed_of": 100}),
        },
        Contender { name: "OpenDHT", figures: json!({"put_ms": 2.4, "too_long": "refused"}) },
    ];
    let text = of(&contenders);
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(line("put, median ms").ends_with("MISSED"), "{text}");
    assert!(line("put, median ms").contains("2.40"), "{text}");
    assert!(line("get, median ms").ends_with("met"), "{text}");
    assert!(line("30 % killed: found").contains("99.0"), "{text}");
    assert!(!line("32 KiB: puts/s").contains("me"), "{text}");
    assert!(text.ends_with("64 KiB + 1 on OpenDHT: refused\n"), "{text}");
}
