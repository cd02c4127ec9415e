//! The scenarios of the repository.

use std::path::Path;

use simulator::{Overrides, ScenarioFile};

#[test]
fn all_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            ScenarioFile::read(&path, Overrides::default())
                .unwrap_or_else(|error| panic!("{error}"));
            count += 1;
        }
    }
    assert!(count >= 10, "{count} scenarios");
}

#[test]
fn too_much_memory_is_refused_up_front() {
    let text = "name = \"big\"\nnodes = 4000000000\nduration = \"1s\"\n";
    let read = ScenarioFile::parse(Path::new("big"), text, Path::new(""), Overrides::default());
    let error = read.unwrap_err().to_string();
    assert!(error.starts_with("big:2: ") && error.contains("lower nodes"), "{error}");
}
