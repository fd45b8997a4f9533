//! Commands, joined.

use std::fmt;

use super::Word;

/// A line of commands. Joining keeps together what was together.
///
/// ```
/// # use dfab_sdk::shell::{Command, Line};
/// let run = |program| Line::from(Command::new(program));
/// assert_eq!(run("a").and(run("b").or(run("c"))).to_string(), "a && { b || c; }");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    text: String,
    bond: Bond,
}

/// What a line is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bond {
    Command,
    /// Nothing but commands with `&&` between them.
    And,
    Or,
    /// Both.
    AndOr,
    List,
    /// May end with a comment or a document, which only the line's end closes.
    Script,
}

impl Line {
    /// A line of your own, as the shell is to read it: nothing in it is quoted.
    pub fn script(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            bond: Bond::Script,
        }
    }

    /// All of them one after another, as long as they succeed. Nothing where there are none.
    pub fn all<L: Into<Self>>(lines: impl IntoIterator<Item = L>) -> Option<Self> {
        lines.into_iter().map(Into::into).reduce(Self::and)
    }

    /// The next one where this one succeeds.
    pub fn and(self, next: impl Into<Self>) -> Self {
        self.join(Bond::And, "&&", next.into())
    }

    /// The next one where this one fails.
    pub fn or(self, next: impl Into<Self>) -> Self {
        self.join(Bond::Or, "||", next.into())
    }

    /// The next one in any case. What this one's end was is lost.
    pub fn then(self, next: impl Into<Self>) -> Self {
        let next = next.into();
        let bond = if next.bond == Bond::Script {
            Bond::Script
        } else {
            Bond::List
        };
        Self {
            text: format!("{}{}{}", self.text, self.end(), next.text),
            bond,
        }
    }

    /// Without what it prints.
    pub fn silent(self) -> Self {
        Self::command(format!("{} > /dev/null 2>&1", self.grouped(&[]).text))
    }

    /// As root, by a sudo that asks for no password.
    pub fn as_root(&self) -> Self {
        Self::command(format!("sudo -n sh -c {}", Word::new(&self.text)))
    }

    pub(crate) fn command(text: String) -> Self {
        Self {
            text,
            bond: Bond::Command,
        }
    }

    /// The shell takes `&&` and `||` from left to right, none before the other.
    fn join(self, bond: Bond, operator: &str, next: Self) -> Self {
        let left = self.grouped(&[Bond::And, Bond::Or, Bond::AndOr]);
        let right = next.grouped(&[bond]);
        let text = format!("{} {operator} {}", left.text, right.text);
        let is_pure = left.bond == Bond::Command || left.bond == bond;
        Self {
            text,
            bond: if is_pure { bond } else { Bond::AndOr },
        }
    }

    /// In braces, where it is neither a command nor one of these.
    fn grouped(self, allowed: &[Bond]) -> Self {
        if self.bond == Bond::Command || allowed.contains(&self.bond) {
            return self;
        }
        Self::command(format!("{{ {}{}}}", self.text, self.end()))
    }

    /// What ends it before something else.
    fn end(&self) -> &'static str {
        if self.bond == Bond::Script {
            "\n"
        } else {
            "; "
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Line> for String {
    fn from(line: Line) -> Self {
        line.text
    }
}
