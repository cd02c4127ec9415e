//! Namespaces of its own for a benchmark: nothing it starts outlives it, nothing it sends leaves
//! it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Runs this program again in network, mount and process namespaces of its own, behind the words
/// of `wrapper`, with `--inside`. Does not return unless that fails.
pub(crate) fn enter(wrapper: &[&str]) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let is_root = fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:\t0\t")));
    let user: &[&str] = if is_root { &[] } else { &["--user", "--map-root-user"] };
    let error = Command::new("unshare")
        .args(user)
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(wrapper)
        .arg(own)
        .args(std::env::args().skip(1))
        .arg("--inside")
        .exec();
    Err(format!("cannot run unshare: {error}"))
}

/// Puts a network of addresses on `lo`.
pub(crate) fn set_up_addresses(network: &str) -> Result<(), String> {
    let ip = |words: &[&str]| {
        let done = Command::new("ip").args(words).status();
        match done {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("`ip {}` failed", words.join(" "))),
        }
    };
    ip(&["link", "set", "lo", "up"])?;
    ip(&["address", "add", network, "dev", "lo"])
}
