//! The vectors of `vectors/`: what is written here is what stands there, and is read back.

use std::path::Path;

use poly::wire::{Message, Values};

#[path = "../../examples/vectors.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main prints")]
mod generate;

fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn lines(text: &str) -> Vec<(String, Vec<u8>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, hex) = line.split_once(' ').unwrap();
            let hex: Vec<_> = hex.chars().collect();
            let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
            (name.to_owned(), hex.chunks(2).map(byte).collect())
        })
        .collect()
}

#[test]
fn values_are_as_documented() {
    assert_eq!(generate::values(), file("values.txt"));
    let encoded = lines(&file("values.txt"));
    let encoded = encoded.iter().filter(|(name, _)| name.ends_with("-encoded"));
    for (name, bytes) in encoded {
        let value = Values::new(bytes).iter().next().unwrap().value;
        assert_eq!(value.verify(1_899_999_000), Ok(()), "{name}");
    }
}

#[test]
fn messages_are_as_documented() {
    assert_eq!(generate::messages(), file("messages.txt"));
    for (name, bytes) in lines(&file("messages.txt")) {
        let message = Message::decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut again = Vec::new();
        message.encode(&mut again);
        assert_eq!(again, bytes, "{name}");
    }
}
