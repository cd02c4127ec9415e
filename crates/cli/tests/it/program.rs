//! Runs the program, and nodes of it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The program with these arguments, untouched by the environment of whoever runs the tests.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polykad"));
    let foreign = |name: &String| name.starts_with("POLYKAD_") || name == "RUST_LOG";
    for (name, _) in std::env::vars().filter(|(name, _)| foreign(name)) {
        command.env_remove(name);
    }
    // Many daemons run at once: those that want the usual address would meet there.
    command.env("POLYKAD_NO_HTTP", "true").args(arguments).stdin(Stdio::null());
    command
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ended {
    /// The one object on stdout.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }

    /// It must have ended well.
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It must have failed with this code and one line on stderr that has these words.
    pub(crate) fn failed(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.err.trim_end().lines().count(), 1, "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "'{word}' is not in {self:?}");
        }
        self
    }
}

pub(crate) fn run(arguments: &[&str]) -> Ended {
    command(arguments).output().unwrap().into()
}

/// A node that serves; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) introduction: Value,
}

impl Server {
    pub(crate) fn start(listen: &str, more: &[&str]) -> Self {
        // What tests find in the network is what they have put there.
        let mut arguments = vec!["serve", "--json", "--no-default-bootstrap", "--no-rendezvous"];
        arguments.extend(["--listen", listen]);
        arguments.extend(more);
        let mut command = command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let introduction: Value = serde_json::from_str(&line).unwrap();
        let address = introduction["listen"][0].as_str().unwrap().to_owned();
        Self { child, address, introduction }
    }

    /// Some nodes that know each other.
    pub(crate) fn network(size: usize) -> Vec<Self> {
        let mut servers = vec![Self::start("127.0.0.1:0", &[])];
        while servers.len() < size {
            let first = servers[0].address.clone();
            servers.push(Self::start("127.0.0.1:0", &["--bootstrap", &first]));
        }
        servers[0].knows(size);
        servers
    }

    /// Waits until so many nodes are found through this one: it asks a newcomer back before it
    /// tells others of it.
    pub(crate) fn knows(&self, size: usize) {
        let target = "00".repeat(20);
        for _ in 0..100 {
            let found = self.mainline(&["find-node", &target, "--json"]).done().json();
            if found["nodes"].as_array().unwrap().len() == size {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("the nodes did not find each other");
    }

    /// Runs a command that joins through this node.
    pub(crate) fn mainline(&self, arguments: &[&str]) -> Ended {
        let join = ["--no-default-bootstrap", "--bootstrap", &self.address, "--timeout", "10s"];
        run(&[&["mainline"], arguments, &join].concat())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
