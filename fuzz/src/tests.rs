use std::path::Path;

type Body = fn(&[u8]);

/// The seeds hold what they are to hold, without libFuzzer.
#[test]
fn every_seed_passes() {
    let bodies: [(&str, Body); 6] = [
        ("bencode", super::bencode),
        ("message", super::message),
        ("node", super::node),
        ("poly_message", super::poly_message),
        ("poly_node", super::poly_node),
        ("secure", super::secure),
    ];
    for (target, body) in bodies {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
        assert!(!seeds.is_empty(), "{target} has no seeds");
        for seed in seeds {
            body(&std::fs::read(seed.path()).unwrap());
        }
    }
}
