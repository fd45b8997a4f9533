//! Options of the OpenSSH client with their values, in the form that `ssh -G` prints.

use std::collections::BTreeMap;

/// Keywords in small letters with their values. The first value of a keyword counts, but for those
/// that add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings(BTreeMap<String, Vec<String>>);

impl Settings {
    /// Reads what `ssh -G` prints: one `keyword value` a line.
    pub(crate) fn printed(text: &str) -> Self {
        let mut settings = Self::default();
        for (keyword, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            let value = value.trim();
            let values = match keyword {
                "userknownhostsfile" | "globalknownhostsfile" => {
                    value.split_whitespace().map(str::to_owned).collect()
                }
                _ => vec![value.to_owned()],
            };
            settings.set(keyword, values);
        }
        settings
    }

    /// Gives a keyword its value, unless it has one.
    pub(crate) fn set(&mut self, keyword: &str, values: Vec<String>) {
        match keyword {
            "identityfile" | "certificatefile" => {
                let all = self.0.entry(keyword.to_owned()).or_default();
                for value in values {
                    if !all.contains(&value) {
                        all.push(value);
                    }
                }
            }
            // Whichever of the two comes first excludes the other, but for a jump through none.
            "proxycommand" if self.jumps() => {}
            "proxyjump" if self.0.contains_key("proxycommand") => {}
            _ => {
                self.0.entry(keyword.to_owned()).or_insert(values);
            }
        }
    }

    fn jumps(&self) -> bool {
        self.first("proxyjump")
            .is_some_and(|way| !way.eq_ignore_ascii_case("none"))
    }

    /// Gives a keyword another value.
    pub(crate) fn replace(&mut self, keyword: &str, values: Vec<String>) {
        self.0.insert(keyword.to_owned(), values);
    }

    /// All values, where there are any.
    pub(crate) fn all(&self, keyword: &str) -> Option<&[String]> {
        self.0.get(keyword).map(Vec::as_slice)
    }

    /// The value.
    pub(crate) fn first(&self, keyword: &str) -> Option<&str> {
        self.all(keyword)?.first().map(String::as_str)
    }

    /// Whether it is said to be on; `default` where nothing is said.
    pub(crate) fn flag(&self, keyword: &str, default: bool) -> bool {
        match self.first(keyword) {
            Some("yes" | "true" | "unbound" | "host-bound") => true,
            Some("no" | "false") => false,
            _ => default,
        }
    }

    /// The value as a number, where it is one.
    pub(crate) fn number<T: std::str::FromStr>(&self, keyword: &str) -> Option<T> {
        self.first(keyword)?.parse().ok()
    }
}
