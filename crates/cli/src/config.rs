//! `polykad config`: files that document themselves, and are checked.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use polykad::config::{Layer, TEMPLATE};
use serde_json::json;

use crate::args::ConfigCommand;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(command: &ConfigCommand, output: Output) -> Result<(), Failure> {
    match command {
        ConfigCommand::Init { file } if file.as_os_str() == "-" => {
            output.raw(TEMPLATE.as_bytes())?;
            output.object(&json!({ "text": TEMPLATE }))
        }
        ConfigCommand::Init { file } => init(file, output),
        ConfigCommand::Check { file } => check(file, output),
    }
}

fn init(path: &Path, output: Output) -> Result<(), Failure> {
    let name = path.display();
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(TEMPLATE.as_bytes()));
    written.map_err(|error| {
        Failure::wrong_use(if error.kind() == io::ErrorKind::AlreadyExists {
            format!("{name} exists already and is left as it is: choose another name")
        } else if error.kind() == io::ErrorKind::NotFound {
            format!("cannot make {name}: create its folder first")
        } else {
            format!("cannot make {name}: {error}")
        })
    })?;
    output.line(format!("wrote {name}; use it with `polykad serve --config {name}`"))?;
    output.object(&json!({ "file": name.to_string() }))
}

fn check(path: &Path, output: Output) -> Result<(), Failure> {
    let layer = Layer::from_file(path)?;
    // Bootstrap entries are read when a node is described.
    layer.builder()?;
    layer.poly_builder(false)?;
    output.line(format!("{} is as it should be", path.display()))?;
    output.object(&json!({ "file": path.display().to_string() }))
}
