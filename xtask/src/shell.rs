//! Running other programs: their output is shown as it comes and kept for reading figures from it.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A program to run from the root of the repository.
pub(crate) struct Run {
    command: Command,
    words: String,
    limit: Duration,
    quiet: bool,
    hushed: bool,
}

/// How a program ended.
pub(crate) struct Output {
    /// Whether it ended with code 0, in time.
    pub(crate) success: bool,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where cargo builds to.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Run {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // What cargo tells its children about this package is not about the one built next.
    let inherited = std::env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_")));
    inherited.fold(Run::new(cargo), |run, (name, _)| run.without(name))
}

impl Run {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(&program);
        command.current_dir(root()).stdin(Stdio::null());
        Self {
            command,
            words: Path::new(&program).file_name().unwrap_or_default().display().to_string(),
            limit: Duration::from_mins(30),
            quiet: false,
            hushed: false,
        }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.words.push(' ');
        self.words.push_str(&argument.as_ref().to_string_lossy());
        self.command.arg(argument);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    fn without(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Ends the program, and what it started, after this time (30 minutes unless told).
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Shows nothing unless it fails.
    pub(crate) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Shows nothing even if it fails: for what is meant to fail.
    pub(crate) fn hushed(mut self) -> Self {
        self.quiet = true;
        self.hushed = true;
        self
    }

    /// Runs to the end; an error only if the program can't be started.
    pub(crate) fn output(mut self) -> Result<Output, String> {
        if !self.quiet {
            eprintln!("$ {}", self.words);
        }
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().map_err(|error| self.cannot_start(&error))?;
        let quiet = self.quiet;
        let stdout = child.stdout.take().map(|pipe| {
            thread::spawn(move || follow(pipe, |text| quiet || echo(io::stdout(), text)))
        });
        let stderr = child.stderr.take().map(|pipe| {
            thread::spawn(move || follow(pipe, |text| quiet || echo(io::stderr(), text)))
        });
        let (success, timed_out) = wait(&mut child, self.limit);
        let [stdout, stderr] = [stdout, stderr]
            .map(|reader| reader.and_then(|reader| reader.join().ok()).unwrap_or_default());
        if quiet && !self.hushed && !success {
            eprintln!("$ {}\n{stdout}{stderr}", self.words);
        }
        if timed_out {
            eprintln!("{} did not end within {} s", self.words, self.limit.as_secs());
        }
        Ok(Output { success, stdout, stderr })
    }

    /// Whether it ran and ended with code 0.
    pub(crate) fn succeeds(self) -> bool {
        self.output().is_ok_and(|output| output.success)
    }

    fn cannot_start(&self, error: &io::Error) -> String {
        format!("cannot run `{}`: {error}", self.words)
    }
}

/// Whether a program is installed.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Where `ip` lives, which is not on every user's path.
    folders.push("/usr/sbin".into());
    folders.iter().any(|folder| folder.join(program).is_file())
}

/// Reads a pipe to its end, line by line, showing each.
fn follow(pipe: impl Read, show: impl Fn(&str) -> bool) -> String {
    let mut reader = BufReader::new(pipe);
    let (mut all, mut line) = (String::new(), Vec::new());
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return all,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        show(&text);
        all.push_str(&text);
    }
}

/// Shows text at once. A closed output is no reason to stop the program that writes to it.
fn echo(mut to: impl Write, text: &str) -> bool {
    to.write_all(text.as_bytes()).and_then(|()| to.flush()).is_ok()
}

/// Waits for the end: (code 0, time was up).
fn wait(child: &mut Child, limit: Duration) -> (bool, bool) {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return (status.success(), false),
            Err(_) => return (false, false),
            Ok(None) if Instant::now() >= deadline => {
                end_tree(child.id());
                // It is reaped here; how it ended is known.
                let _ = child.wait();
                return (false, true);
            }
            Ok(None) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Ends a process and all that descend from it.
fn end_tree(id: u32) {
    let children = format!("/proc/{id}/task/{id}/children");
    let children = std::fs::read_to_string(children).unwrap_or_default();
    // Parents first, so that they can't start others.
    let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        end_tree(child);
    }
}
