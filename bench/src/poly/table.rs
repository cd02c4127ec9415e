//! The table of networks side by side, and whether ours reaches its goals.

use std::fmt::Write;

use serde_json::Value;

/// One network's figures, by name.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) figures: Value,
}

/// A line of the table.
struct Line {
    what: &'static str,
    figure: &'static str,
    /// What ours is to reach: at most so much, or at least.
    goal: Option<(char, f64)>,
}

const fn line(what: &'static str, figure: &'static str, goal: Option<(char, f64)>) -> Line {
    Line { what, figure, goal }
}

const LINES: [Line; 17] = [
    line("CPU of all nodes a put, ms", "cpu_per_put_ms", Some(('≤', 0.5))),
    line("CPU of all nodes a get, ms", "cpu_per_get_ms", Some(('≤', 0.1))),
    line("put, median ms", "put_ms", Some(('≤', 1.0))),
    line("put, p99 ms", "put_p99_ms", None),
    line("get, median ms", "get_ms", Some(('≤', 0.3))),
    line("get, p99 ms", "get_p99_ms", None),
    line("puts/s, 64 in flight", "puts_per_s", Some(('≥', 3000.0))),
    line("gets/s, 64 in flight", "gets_per_s", Some(('≥', 10_000.0))),
    line("64 in flight: CPU a put, ms", "puts_per_s_cpu_ms", None),
    line("64 in flight: CPU a get, ms", "gets_per_s_cpu_ms", None),
    line("32 KiB: puts/s", "long_puts_per_s", Some(('≥', 500.0))),
    line("32 KiB: gets/s", "long_gets_per_s", Some(('≥', 1500.0))),
    line("30 % killed: found, %", "killed", Some(('≥', 100.0))),
    line("30 % killed: p99 ms", "killed_p99_ms", Some(('≤', 300.0))),
    line("waves to 10 %: found, %", "waves", Some(('≥', 100.0))),
    line("kill -9 of all, restart: found, %", "restart", Some(('≥', 100.0))),
    line("64 KiB + 1: ms until told", "too_long_ms", None),
];

/// The table, and below it what was not reached.
pub(crate) fn of(contenders: &[Contender]) -> String {
    let mut text = format!("{:36}", "");
    for contender in contenders {
        // A String takes all that is written.
        let _ = write!(text, "{:>12}", contender.name);
    }
    text.push_str("        goal\n");
    for line in &LINES {
        let _ = write!(text, "{:36}", line.what);
        for contender in contenders {
            let told = figure(&contender.figures, line.figure).map_or("–".to_owned(), short);
            let _ = write!(text, "{told:>12}");
        }
        if let Some((sign, goal)) = line.goal {
            let ours = contenders.iter().find(|one| one.name == "polykad");
            let ours = ours.and_then(|one| figure(&one.figures, line.figure));
            let _ = write!(text, "  {sign} {:>8}  {}", short(goal), verdict(ours, sign, goal));
        }
        text.push('\n');
    }
    for contender in contenders {
        if let Some(told) = contender.figures.get("too_long").and_then(Value::as_str) {
            let _ = writeln!(text, "64 KiB + 1 on {}: {told}", contender.name);
        }
    }
    text
}

/// A figure; of two that belong together the share in percent.
fn figure(figures: &Value, name: &str) -> Option<f64> {
    let number = |name: &str| figures.get(name).and_then(Value::as_f64);
    let share = || {
        let (found, of) = (number(&format!("{name}_found"))?, number(&format!("{name}_of"))?);
        (of > 0.0).then_some(100.0 * found / of)
    };
    number(name).or_else(share)
}

fn verdict(ours: Option<f64>, sign: char, goal: f64) -> &'static str {
    match ours {
        None => "",
        Some(ours) if (sign == '≤' && ours <= goal) || (sign == '≥' && ours >= goal) => "met",
        Some(_) => "MISSED",
    }
}

/// Three digits or so.
fn short(number: f64) -> String {
    match number.abs() {
        ..0.1 => format!("{number:.4}"),
        0.1..10.0 => format!("{number:.2}"),
        10.0..1000.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests;
