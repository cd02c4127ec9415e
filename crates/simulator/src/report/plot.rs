//! Plots as inline SVG: lines over axes, with a legend, and nothing from elsewhere.
#![expect(clippy::format_push_string, reason = "a report is written once")]

use super::readable;

/// A line of a plot. One without points is not drawn, and keeps its colour for other plots.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Powers of ten on one axis that leave no room for threes between them.
const MANY_POWERS: f64 = 3.5;

/// What a plot shows.
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) x: String,
    pub(super) y: String,
    /// Whether the x axis counts by powers of ten.
    pub(super) logarithmic: bool,
    pub(super) lines: Vec<Line>,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;
/// Colours that those with impaired colour vision tell apart (Okabe and Ito).
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];
/// The most over the least shown on an axis of powers of ten.
const MOST_SPREAD: f64 = 1e5;
/// Points drawn of one line.
const MAX_POINTS: usize = 400;

impl Plot {
    /// The figure; empty if there is nothing to draw.
    pub(super) fn to_svg(&self) -> String {
        let all = || self.lines.iter().flat_map(|line| &line.points).copied();
        // Zeros have no place on an axis of powers of ten: they stand where it begins.
        let most = all().map(|(x, _)| x).fold(0.0, f64::max);
        let positive = all().map(|(x, _)| x).filter(|x| *x > 0.0).fold(most, f64::min);
        let least = positive.max(most / MOST_SPREAD).max(f64::MIN_POSITIVE);
        let x_of = |x: f64| if self.logarithmic { x.max(least).log10() } else { x };
        let bounds = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        let (x_low, x_high) = bounds(&mut all().map(|(x, _)| x_of(x)));
        let (y_low, y_high) = bounds(&mut all().map(|(_, y)| y));
        if x_low > x_high {
            return String::new();
        }
        let (y_low, y_high) = (y_low.min(0.0), if y_high > y_low { y_high } else { y_low + 1.0 });
        let x_high = if x_high > x_low { x_high } else { x_low + 1.0 };
        let across = |x: f64| LEFT + (x_of(x) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT);
        let down =
            |y: f64| HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<figure><figcaption>{}</figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(&self.title),
            escaped(&self.title)
        );
        for tick in ticks(y_low, y_high) {
            svg += &grid_line(LEFT, down(tick), WIDTH - RIGHT, down(tick));
            svg += &label(LEFT - 6.0, down(tick) + 4.0, "end", &round(tick));
        }
        for tick in self.x_ticks(x_low, x_high) {
            svg += &grid_line(across(tick), TOP, across(tick), HEIGHT - BOTTOM);
            svg += &label(across(tick), HEIGHT - BOTTOM + 16.0, "middle", &round(tick));
        }
        let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
        svg += &label(middle, HEIGHT - 10.0, "middle", &self.x);
        svg += &format!(
            "<text transform=\"translate(13,{}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(TOP, HEIGHT - BOTTOM),
            escaped(&self.y)
        );
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            svg += &polyline(&line.points, colour, across, down);
        }
        svg += "</svg>";
        svg += &self.legend();
        svg += "</figure>";
        svg
    }

    fn x_ticks(&self, low: f64, high: f64) -> Vec<f64> {
        if !self.logarithmic {
            return ticks(low, high);
        }
        let digits: &[f64] = if high - low > MANY_POWERS { &[1.0] } else { &[1.0, 3.0] };
        let powers = (-9..12).flat_map(|power| digits.iter().map(move |d| d * 10f64.powi(power)));
        let eps = 1e-6;
        powers.filter(|x| (low - eps..=high + eps).contains(&x.log10())).collect()
    }

    /// The names of the lines that are drawn, if there are several.
    fn legend(&self) -> String {
        if self.lines.len() < 2 {
            return String::new();
        }
        let entry = |(line, colour): (&Line, &&str)| {
            format!("<li><b style=\"background:{colour}\"></b>{}</li>", escaped(&line.name))
        };
        let lines = self.lines.iter().zip(COLOURS.iter().cycle());
        let entries: String =
            lines.filter(|(line, _)| !line.points.is_empty()).map(entry).collect();
        format!("<ul>{entries}</ul>")
    }
}

fn polyline(
    points: &[(f64, f64)],
    colour: &str,
    across: impl Fn(f64) -> f64,
    down: impl Fn(f64) -> f64,
) -> String {
    if points.is_empty() {
        return String::new();
    }
    let step = (points.len() / MAX_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let drawn = points.iter().enumerate().filter(|(i, _)| i.is_multiple_of(step) || *i == last);
    let path: Vec<String> =
        drawn.map(|(_, (x, y))| format!("{:.1},{:.1}", across(*x), down(*y))).collect();
    format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        path.join(" ")
    )
}

/// Figures side by side, one bar for each name, in the colours that lines of that place have.
pub(super) fn bars(title: &str, values: &[(String, Option<f64>)]) -> String {
    let most = values.iter().filter_map(|(_, value)| *value).fold(0.0, f64::max);
    if most <= 0.0 {
        return String::new();
    }
    let mut svg = String::new();
    let mut down = 0.0;
    for ((name, value), colour) in values.iter().zip(COLOURS.iter().cycle()) {
        let middle = down + BAR / 2.0 + 4.0;
        svg += &label(BAR_LEFT - 8.0, middle, "end", name);
        let length = value.unwrap_or(0.0) / most * (WIDTH - BAR_LEFT - BAR_RIGHT);
        svg += &format!(
            "<rect x=\"{BAR_LEFT}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{:.1}\" \
             fill=\"{colour}\"/>",
            down + 3.0,
            BAR - 6.0
        );
        let value = value.map_or("–".to_owned(), readable);
        svg += &label(BAR_LEFT + length + 6.0, middle, "start", &value);
        down += BAR;
    }
    let title = escaped(title);
    format!(
        "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {down}\" \
         role=\"img\" aria-label=\"{title}\">{svg}</svg></figure>"
    )
}

const BAR: f64 = 26.0;
const BAR_LEFT: f64 = 130.0;
const BAR_RIGHT: f64 = 70.0;

fn grid_line(x1: f64, y1: f64, x2: f64, y2: f64) -> String {
    format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>")
}

fn label(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(text))
}

/// Round numbers from `low` to `high`, some five.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let first = (low / step).ceil();
    let nth = |n: u32| (first + f64::from(n)) * step;
    (0..20).map(nth).take_while(|tick| *tick <= high + step * 1e-6).collect()
}

/// A round number, without zeros that say nothing.
fn round(tick: f64) -> String {
    if tick != 0.0 && !(1e-3..1e5).contains(&tick.abs()) {
        return readable(tick);
    }
    let digits = format!("{tick:.4}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text that may stand in HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
