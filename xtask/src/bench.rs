//! `cargo xtask bench mainline`: builds what is measured and hands over to the bench crate.

use std::time::Duration;

use crate::build;
use crate::shell::{Run, installed};
use crate::tools;

const LIMIT: Duration = Duration::from_hours(1);

/// `cargo xtask bench NETWORK [OPTION...]`; the options are the bench program's.
pub(crate) fn run(arguments: &[&str]) -> Result<bool, String> {
    let Some((&"mainline", options)) = arguments.split_first() else {
        return Err("usage: cargo xtask bench mainline [--rounds N] [--seconds S] [--json]".into());
    };
    if !installed("unshare") || !installed("ip") {
        return Err("needs `unshare` (util-linux) and `ip` (iproute2)".into());
    }
    let polykad = build::release("polykad-cli", "polykad")?;
    let bench = build::release("polykad-bench", "polykad-bench")?;
    let python = tools::python();
    let mut run = Run::new(bench).args(["mainline", "--polykad"]).arg(polykad);
    if let Some(echo) = build::example("polykad", "echo") {
        run = run.arg("--echo").arg(echo);
    }
    match python {
        Ok(python) => run = run.arg("--python").arg(python),
        Err(reason) => eprintln!("without libtorrent: {reason}"),
    }
    Ok(run.args(options).limit(LIMIT).output()?.success)
}
