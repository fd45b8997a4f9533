//! A program and its words.

use std::fmt;

use super::word::quote;
use super::{Line, Word};

/// A program, its options and what they are for. However the calls are ordered, options go first, and
/// what is no option is never taken for one.
///
/// ```
/// # use dfab_sdk::shell::Command;
/// let grep = Command::new("grep").operand("-v").option("-i").option_with("-m", 1).operand("my file");
/// assert_eq!(grep.to_string(), "grep -i -m 1 -- -v 'my file'");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    program: String,
    options: Vec<Word>,
    operands: Vec<Word>,
}

impl Command {
    /// A program, by its name or path.
    pub fn new(program: &str) -> Self {
        Self {
            program: program.to_owned(),
            options: Vec::new(),
            operands: Vec::new(),
        }
    }

    /// Adds an option such as `-r`, or `--name=value` in one word.
    pub fn option(mut self, option: impl Into<Word>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Adds an option where a condition holds.
    pub fn option_if(self, condition: bool, option: impl Into<Word>) -> Self {
        if condition { self.option(option) } else { self }
    }

    /// Adds an option with its value as the next word.
    pub fn option_with(self, option: impl Into<Word>, value: impl Into<Word>) -> Self {
        self.option(option).option(value)
    }

    /// Adds what the command is about.
    pub fn operand(mut self, operand: impl Into<Word>) -> Self {
        self.operands.push(operand.into());
        self
    }

    /// Adds several.
    pub fn operands<W: Into<Word>>(mut self, operands: impl IntoIterator<Item = W>) -> Self {
        self.operands.extend(operands.into_iter().map(Into::into));
        self
    }

    /// Adds a file or folder, which keeps its meaning where its name begins with a dash.
    pub fn path(self, path: impl Into<Word>) -> Self {
        let path = path.into().path();
        self.operand(path)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Else an assignment, or a word of the shell's own.
        if self.program.contains('=') || RESERVED.contains(&self.program.as_str()) {
            write!(f, "'{}'", self.program.replace('\'', r"'\''"))?;
        } else {
            f.write_str(&quote(&self.program))?;
        }
        for option in &self.options {
            write!(f, " {option}")?;
        }
        if self.operands.iter().any(Word::is_dashed) {
            f.write_str(" --")?;
        }
        for operand in &self.operands {
            write!(f, " {operand}")?;
        }
        Ok(())
    }
}

impl From<Command> for Line {
    fn from(command: Command) -> Self {
        Self::command(command.to_string())
    }
}

/// Words that begin or end something of the shell where a command could stand.
const RESERVED: &[&str] = &[
    "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "select", "then", "time", "until", "while",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_no_assignment_and_no_keyword() {
        for (program, line) in [
            ("/opt/my tools/x", "'/opt/my tools/x'"),
            ("A=b", "'A=b'"),
            ("if", "'if'"),
            ("ls", "ls"),
        ] {
            assert_eq!(Command::new(program).to_string(), line);
        }
    }
}
