//! A report as one HTML page with inline plots, for people.
#![expect(clippy::format_collect, reason = "a report is written once")]

use std::collections::BTreeMap;

use super::plot::{Line, Plot, bars, escaped};
use super::{PointReport, Report, readable};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2rem auto; }
body { padding: 0 1rem; }
h1 { margin-bottom: 0; } p.about { margin-top: .3rem; opacity: .8; max-width: 70ch; }
.plots { display: grid; gap: 1.5rem; }
.plots { grid-template-columns: repeat(auto-fill, minmax(min(420px, 100%), 1fr)); }
figure { margin: 0; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: currentColor; }
svg line { stroke: var(--line); stroke-width: 1; }
ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
li b { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; }
div.scroll { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
tr:hover td { background: var(--soft); }
td, th { padding: .15rem .8rem; text-align: right; white-space: nowrap; }
td, th { border-bottom: 1px solid var(--soft); }
td:first-child, th:first-child { text-align: left; }
.good { color: #009e73; } .bad { color: #d55e00; font-weight: 600; }
footer { margin-top: 2rem; opacity: .7; }
";

pub(super) fn page(report: &Report) -> String {
    let title = escaped(&report.name);
    let plots: String = plots(report).iter().map(Plot::to_svg).collect();
    let plots = compared(report) + &plots;
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><p class=\"about\">{}</p>{}\
         <div class=\"plots\">{plots}</div>{}{}\
         <footer>{} runs of {} s of virtual time · trace <code>{}</code></footer></html>\n",
        escaped(&report.about),
        verdicts(report),
        metrics(report),
        findings(report),
        report.points.iter().map(|point| point.runs.len()).sum::<usize>(),
        readable(report.duration_s),
        report.trace_hash
    )
}

/// All plots there are data for.
fn plots(report: &Report) -> Vec<Plot> {
    let mut plots = swept(report);
    let names = |pick: fn(&PointReport) -> Vec<String>| {
        let mut names: Vec<String> = report.points.iter().flat_map(pick).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    for name in names(|point| keys(point.runs.first().map(|run| &run.distributions))) {
        let is_time = name.strip_suffix(".hops").is_none();
        let lines = lines(report, |point| {
            let curve = point.runs.first()?.distributions.get(&name)?;
            let unit = if is_time { 1000.0 } else { 1.0 };
            Some(curve.iter().map(|(x, y)| (x / unit, *y)).collect())
        });
        plots.push(Plot {
            title: format!("{name}: share up to"),
            x: if is_time { "ms".into() } else { "hops".into() },
            y: "share".into(),
            logarithmic: is_time,
            lines,
        });
    }
    for name in names(|point| keys(point.runs.first().map(|run| &run.over_time))) {
        let hours = report.duration_s > 3.0 * 3600.0;
        let unit = if hours { 3600.0 } else { 1.0 };
        let lines = lines(report, |point| {
            let curve = point.runs.first()?.over_time.get(&name)?;
            Some(curve.iter().map(|(x, y)| (x / unit, *y)).collect())
        });
        let x = if hours { "hours" } else { "seconds" };
        let title = format!("{} over time", name.replace('_', " "));
        plots.push(Plot { title, x: x.into(), y: String::new(), logarithmic: false, lines });
    }
    plots
}

fn keys(curves: Option<&BTreeMap<String, Vec<(f64, f64)>>>) -> Vec<String> {
    curves.map(|curves| curves.keys().cloned().collect()).unwrap_or_default()
}

/// One line for each point, those with nothing to show too.
fn lines(report: &Report, curve: impl Fn(&PointReport) -> Option<Vec<(f64, f64)>>) -> Vec<Line> {
    let line = |point: &PointReport| Line {
        name: short(&point.label).to_owned(),
        points: curve(point).unwrap_or_default(),
    };
    report.points.iter().map(line).collect()
}

/// What tells a point from the others: of one parameter the value, of several each with its name.
fn short(label: &str) -> &str {
    match label.split_once(" = ") {
        Some((_, value)) if !value.contains(" = ") => value.trim_matches('"'),
        _ => label,
    }
}

/// The parameter swept, if it is one.
fn swept_path(report: &Report) -> Option<&str> {
    let (path, value) = report.points.first()?.label.split_once(" = ")?;
    (!value.contains(" = ")).then_some(path)
}

/// Figures side by side, if it is kinds of something that are compared, and no numbers.
fn compared(report: &Report) -> String {
    let value = |point: &PointReport| short(&point.label).to_owned();
    let is_number = |point: &PointReport| value(point).parse::<f64>().is_ok();
    if swept_path(report).is_none() || report.points.iter().any(is_number) {
        return String::new();
    }
    let bar = |metric: &str| {
        let of = |point: &PointReport| point.metrics.get(metric).map(|estimate| estimate.mean);
        let values: Vec<_> = report.points.iter().map(|point| (value(point), of(point))).collect();
        bars(metric, &values)
    };
    COMPARED.into_iter().map(bar).collect()
}

/// What is compared at a glance.
const COMPARED: [&str; 6] = [
    "before_kill.found",
    "after_kill.found",
    "before_kill.messages_per_search",
    "after_kill.messages_per_search",
    "get.first_p50_ms",
    "load.keys_max_over_mean",
];

/// How figures depend on the parameter swept, if that is a number.
fn swept(report: &Report) -> Vec<Plot> {
    let value = |point: &PointReport| -> Option<f64> {
        point.label.rsplit_once("= ")?.1.trim().parse().ok()
    };
    let series = |point: &PointReport| -> String {
        point.label.rsplit_once(", ").map(|(rest, _)| rest.to_owned()).unwrap_or_default()
    };
    if report.points.len() < 3 || report.points.iter().any(|point| value(point).is_none()) {
        return Vec::new();
    }
    let wanted = |name: &str| {
        let shown = [".messages", ".hops", ".success", ".latency_p50_ms", "bytes_per_s"];
        shown.iter().any(|end| name.ends_with(end)) || name == "load.max_over_mean"
    };
    let Some(first) = report.points.first() else { return Vec::new() };
    let of = first.label.rsplit_once(" =").map(|(path, _)| path).unwrap_or_default();
    let of = of.rsplit(", ").next().unwrap_or_default();
    let (low, high) = report
        .points
        .iter()
        .filter_map(value)
        .fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let plot = |name: &String| {
        let mut series_lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for point in &report.points {
            if let (Some(x), Some(estimate)) = (value(point), point.metrics.get(name)) {
                series_lines.entry(series(point)).or_default().push((x, estimate.mean));
            }
        }
        let lines = series_lines.into_iter().map(|(name, points)| Line { name, points });
        Plot {
            title: format!("{name} by {of}"),
            x: of.to_owned(),
            y: String::new(),
            logarithmic: low > 0.0 && high / low >= 50.0,
            lines: lines.collect(),
        }
    };
    first.metrics.keys().filter(|name| wanted(name)).map(plot).collect()
}

fn verdicts(report: &Report) -> String {
    let line = |checked: &super::Checked| {
        let (class, word) = if checked.holds { ("good", "holds") } else { ("bad", "fails") };
        let bound = |word: &str, bound: Option<f64>| {
            bound.map(|bound| format!(", {word} {}", readable(bound))).unwrap_or_default()
        };
        format!(
            "<li><span class=\"{class}\">{word}</span>: {} = {}{}{} {}</li>",
            escaped(&checked.metric),
            checked.value.map_or("missing".to_owned(), readable),
            bound("at least", checked.at_least),
            bound("at most", checked.at_most),
            escaped(&checked.label)
        )
    };
    let lines: String = report.assertions.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("<ul>{lines}</ul>") }
}

fn metrics(report: &Report) -> String {
    let mut names: Vec<&String> = report.points.iter().flat_map(|p| p.metrics.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let head = |point: &PointReport| format!("<th>{}</th>", escaped(short(&point.label)));
    let heads: String = report.points.iter().map(head).collect();
    let corner = escaped(swept_path(report).unwrap_or("figure"));
    let row = |name: &&String| {
        let cells: String = report
            .points
            .iter()
            .map(|point| {
                let cell = point.metrics.get(*name).map_or("–".to_owned(), |estimate| {
                    let width = estimate.half_width;
                    let mean = readable(estimate.mean);
                    if width > 0.0 { format!("{mean} ± {}", readable(width)) } else { mean }
                });
                format!("<td>{cell}</td>")
            })
            .collect();
        format!("<tr><td>{}</td>{cells}</tr>", escaped(name))
    };
    let rows: String = names.iter().map(row).collect();
    format!("<div class=\"scroll\"><table><tr><th>{corner}</th>{heads}</tr>{rows}</table></div>")
}

fn findings(report: &Report) -> String {
    let line = |(seed, finding): (u64, &crate::checker::Finding)| {
        format!(
            "<li class=\"bad\">{}: node {} {} (seed {seed}, at {} µs)</li>",
            finding.checker,
            finding.place,
            escaped(&finding.what),
            finding.at_micros
        )
    };
    let lines: String = report.findings().map(line).collect();
    if lines.is_empty() { lines } else { format!("<h2>Found by checkers</h2><ul>{lines}</ul>") }
}
