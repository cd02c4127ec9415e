//! The programs that are measured: started on one core, watched through `/proc`, ended when
//! dropped.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running program.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
}

/// How much memory a process has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident, in bytes, shared libraries among it.
    pub(crate) resident: u64,
    /// Resident and its own, in bytes.
    pub(crate) private: u64,
}

impl Server {
    /// Starts a program on one core; its output goes to a file.
    pub(crate) fn start(core: usize, words: &[String], log: &Path) -> Result<Self, String> {
        let file = fs::File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
        let errors = file.try_clone().map_err(|e| format!("{}: {e}", log.display()))?;
        let child = Command::new("taskset")
            .args(["--cpu-list", &core.to_string()])
            .args(words)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("cannot run taskset {}: {error}", words.join(" ")))?;
        Ok(Self { child })
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// CPU time of all its threads so far, user and system.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(&self.child.id().to_string())
    }

    /// The part of its CPU time so far that was spent outside the kernel, by clock ticks.
    pub(crate) fn user_cpu(&self) -> Duration {
        let path = format!("/proc/{}/stat", self.child.id());
        user_time(&fs::read_to_string(path).unwrap_or_default())
    }

    pub(crate) fn memory(&self) -> Memory {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        memory(&fs::read_to_string(path).unwrap_or_default())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of all threads of a process so far, user and system; `self`: of this one.
pub(crate) fn cpu_of(process: &str) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
    texts.map(|text| on_cpu(&text)).sum()
}

/// The first figure of a `schedstat`: nanoseconds on a CPU (Linux, Documentation/scheduler).
fn on_cpu(text: &str) -> Duration {
    let nanos = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Reads `utime`, the 14th field of a `stat` (proc(5)), in ticks of 10 ms.
fn user_time(text: &str) -> Duration {
    // The program's name, the second field, may hold spaces; it ends with the last parenthesis.
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let ticks: Option<u64> =
        after_name.split_whitespace().nth(11).and_then(|word| word.parse().ok());
    Duration::from_millis(10 * ticks.unwrap_or(0))
}

/// Reads `smaps_rollup`.
fn memory(text: &str) -> Memory {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    };
    Memory { resident: bytes("Rss:"), private: bytes("Private_Clean:") + bytes("Private_Dirty:") }
}

#[cfg(test)]
mod tests;
