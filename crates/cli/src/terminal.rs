//! What the terminal can show: colours, a display that changes in place, letters beyond ASCII.

use std::env;
use std::io::{self, IsTerminal};

/// Abilities of whatever stdout goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Terminal {
    /// Lines can be drawn again in place.
    pub(crate) live: bool,
    /// Colours are shown, and wanted (<https://no-color.org>).
    pub(crate) colour: bool,
    /// Letters beyond ASCII are shown.
    pub(crate) unicode: bool,
}

/// Colours that go with dark and light backgrounds (ECMA-48, SGR).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Green,
    Red,
    Yellow,
    Cyan,
}

impl Terminal {
    /// That of stdout.
    pub(crate) fn of_stdout() -> Self {
        let variable = |name: &str| env::var(name).unwrap_or_default();
        Self::new(io::stdout().is_terminal(), variable)
    }

    /// As the environment tells it.
    fn new(is_terminal: bool, variable: impl Fn(&str) -> String) -> Self {
        let live = is_terminal && variable("TERM") != "dumb";
        let colour = live && variable("NO_COLOR").is_empty();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(variable);
        let locale = locale.iter().find(|value| !value.is_empty());
        let utf8 = locale.is_some_and(|name| {
            let name = name.to_ascii_lowercase();
            name.contains("utf-8") || name.contains("utf8")
        });
        Self { live, colour, unicode: utf8 || cfg!(windows) }
    }

    /// Columns and rows; 80 × 24 if that can't be told.
    pub(crate) fn size(self) -> (usize, usize) {
        let told = if self.live { crossterm::terminal::size().ok() } else { None };
        match told {
            Some((columns, rows)) if columns > 0 && rows > 0 => (columns.into(), rows.into()),
            _ => (80, 24),
        }
    }

    /// `text` in a colour, if colours are shown.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Bold => 1,
            Paint::Dim => 2,
            Paint::Red => 31,
            Paint::Green => 32,
            Paint::Yellow => 33,
            Paint::Cyan => 36,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// `pretty`, or `plain` where letters beyond ASCII are not shown.
    pub(crate) fn pick<T>(self, pretty: T, plain: T) -> T {
        if self.unicode { pretty } else { plain }
    }
}

#[cfg(test)]
mod tests;
