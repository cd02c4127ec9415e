use super::*;

fn parse(words: &[&str]) -> Result<Options, String> {
    Options::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
}

#[test]
fn pairs_and_flags() {
    let options = parse(&["--json", "--rate", "50000", "--kind", "ping"]).unwrap();
    assert!(options.has("json") && !options.has("inside"));
    assert_eq!(options.or("rate", 1u64), Ok(50_000));
    assert_eq!(options.or("seconds", 3u64), Ok(3));
    assert_eq!(options.text("kind"), Some("ping"));
    assert!(options.or("kind", 1u64).is_err());
    assert!(options.required::<u64>("target").is_err());
}

#[test]
fn wrong_use() {
    assert!(parse(&["--rate"]).is_err());
    assert!(parse(&["rate"]).is_err());
}
