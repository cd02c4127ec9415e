//! The command line: `--name value` pairs and bare `--name` flags.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Options that take no value.
const FLAGS: [&str; 3] = ["json", "inside", "cold"];

/// What was given.
#[derive(Debug, Default)]
pub(crate) struct Options(BTreeMap<String, String>);

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = BTreeMap::new();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("unexpected {word:?}"))?;
            let value = if FLAGS.contains(&name) {
                String::new()
            } else {
                words.next().ok_or_else(|| format!("--{name} wants a value"))?.clone()
            };
            options.insert(name.to_owned(), value);
        }
        Ok(Self(options))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of an option that may be left out.
    pub(crate) fn maybe<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let parse =
            |text: &String| text.parse().map_err(|_| format!("--{name} {text}: not understood"));
        self.0.get(name).map(parse).transpose()
    }

    pub(crate) fn or<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        Ok(self.maybe(name)?.unwrap_or(default))
    }

    pub(crate) fn required<T: FromStr>(&self, name: &str) -> Result<T, String> {
        self.maybe(name)?.ok_or_else(|| format!("--{name} is missing"))
    }
}

#[cfg(test)]
mod tests;
