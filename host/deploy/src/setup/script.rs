//! Scripts for a machine's shell.

/// Tells which of several answers follows.
pub(super) const SAY: &str = "say() { printf '\\n@@%s\\n' \"$1\"; }\n";

/// What a machine's `sh` is given.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) text: String,
    /// What it reads.
    pub(super) input: Option<Vec<u8>>,
    pub(super) as_root: bool,
}

impl Script {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            input: None,
            as_root: false,
        }
    }

    pub(super) fn by_root(mut self) -> Self {
        self.as_root = true;
        self
    }
}

/// How a machine stands to what must be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is so.
    So,
    /// It is not so yet.
    Wanting,
    /// It is otherwise, and stays that way: what it is.
    Otherwise(String),
}

impl Standing {
    pub(super) fn of(is_so: bool) -> Self {
        if is_so { Self::So } else { Self::Wanting }
    }
}

/// Quotes a word for a POSIX shell.
pub(super) fn quote(word: &str) -> String {
    shell_words::quote(word).into_owned()
}

/// Assigns a shell variable.
pub(super) fn assign(name: &str, value: &str) -> String {
    format!("{name}={}\n", quote(value))
}

/// The answers in what a script printed, by name.
pub(super) fn sections(printed: &str) -> impl Iterator<Item = (&str, &str)> {
    printed.split("\n@@").skip(1).filter_map(|section| {
        let (name, answer) = section.split_once('\n')?;
        Some((name.trim(), answer))
    })
}
