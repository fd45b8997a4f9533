//! The only place that prints: text for people on stderr, data on stdout.

mod json;

use std::io::{BufWriter, IsTerminal, Write};

use serde::Serialize;

use crate::deadline::Deadline;
use crate::failure::{Code, Failure};

/// Prints a line of data.
///
/// # Errors
/// Where stdout cannot be written; a reader that has gone is no error.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    written(writeln!(
        std::io::stdout().lock(),
        "{}",
        text.trim_end_matches('\n')
    ))
}

/// Prints JSON, indented.
///
/// # Errors
/// As [`data`].
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    written(
        json::write(&mut out, value)
            .and_then(|()| writeln!(out))
            .and_then(|()| out.flush()),
    )
}

/// Prints output of a container as it is, but for what could steer a terminal.
pub(crate) fn raw(text: &str) {
    // A reader that has gone is told by the next line of data.
    let _ = std::io::stdout().lock().write_all(plain(text).as_bytes());
}

/// The same for its standard error.
pub(crate) fn raw_error(text: &str) {
    let _ = std::io::stderr().lock().write_all(plain(text).as_bytes());
}

/// Tells a person something.
pub(crate) fn tell(text: &str) {
    // There is nobody to tell that nobody can be told.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// One of the two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Data,
    People,
}

impl Output {
    /// Writes bytes as they are, at once and in one piece.
    ///
    /// # Errors
    /// Where that cannot be done; also where the reader has gone, so that a stream can end.
    pub(crate) fn write(self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Data => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::People => std::io::stderr().lock().write_all(bytes),
        }
    }

    /// Whether a person sees it on a terminal that may show colours (<https://no-color.org>).
    pub(crate) fn has_colours(self) -> bool {
        let terminal = match self {
            Self::Data => std::io::stdout().is_terminal(),
            Self::People => std::io::stderr().is_terminal(),
        };
        terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}

/// Whether there is a terminal to ask at, for what has to be found out before the question.
///
/// # Errors
/// Where there is none: a change is then refused.
pub(crate) fn can_ask() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(
        Failure::usage("this changes something, and there is no terminal to ask at")
            .hint("give -y (or DFAB_YES=1) to go ahead, or --dry-run to see the plan only"),
    )
}

/// Asks a person; anything but yes is no. Who says no is told that nothing was done, and the command
/// ends with [`DECLINED`].
///
/// # Errors
/// As [`can_ask`], and where the time is over before there is an answer.
pub(crate) async fn confirm(question: &str, deadline: Deadline) -> Result<bool, Failure> {
    can_ask()?;
    {
        let mut stderr = std::io::stderr().lock();
        written(write!(stderr, "{question} [y/N] "))?;
        written(stderr.flush())?;
    }
    // Reading cannot be broken off: the thread ends with the process.
    let reading = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let unread = || Failure::failed("cannot read the answer");
    let answer = deadline.within(async {
        let read = reading.await.map_err(|error| unread().because(error))?;
        read.map_err(|error| unread().because(error))
    });
    let answer = answer.await.inspect_err(|_| tell(""))?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

/// The exit code where a person has said no: what was asked for was not done.
pub(crate) const DECLINED: Code = Code::Failed;

/// Lays out rows in columns, two blanks apart, under headings in capitals.
pub(crate) fn columns(headings: &[String], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if !headings.is_empty() {
        table.set_header(headings.iter().map(|heading| plain(heading).to_uppercase()));
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Text from outside without what could steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .filter(|it| !dfab_runtime::steers(*it))
        .collect()
}

fn written<T>(result: std::io::Result<T>) -> Result<T, Failure>
where
    T: Default,
{
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(T::default()),
        other => other.map_err(|error| Failure::failed("cannot write the output").because(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_steer_a_terminal() {
        assert_eq!(plain("\u{9b}a\u{202e}b\n"), "ab\n");
    }

    #[test]
    fn columns_line_up_and_carry_no_escapes() {
        let rows = [
            vec!["a\u{1b}[31m".to_owned(), "1".to_owned()],
            vec!["bbbb".into(), "2".into()],
        ];
        insta::assert_snapshot!(columns(&["name".into(), "n".into()], &rows), @"
        NAME   N
        a[31m  1
        bbbb   2
        ");
    }
}
