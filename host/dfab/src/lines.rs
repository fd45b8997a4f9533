//! Output of several at once: whole lines, each with the name of whose it is, and nothing in them
//! that could steer a terminal.

use std::fmt::Write as _;
use std::io;

use crate::terminal::Output;

/// Longer lines are cut in pieces, in bytes: a stream without line breaks must not fill the memory.
const LONGEST: usize = 64 * 1024;

/// Cuts a stream in lines, without their ends.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes bytes, and hands every line out that is whole.
    ///
    /// # Errors
    /// That of the taker.
    pub(crate) fn push<E>(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.rest.extend_from_slice(part);
            let is_whole = parts.peek().is_some();
            while self.rest.len() > LONGEST {
                let rest = self.rest.split_off(LONGEST);
                take(&std::mem::replace(&mut self.rest, rest))?;
            }
            if is_whole {
                let line = std::mem::take(&mut self.rest);
                take(line.strip_suffix(b"\r").unwrap_or(&line))?;
            }
        }
        Ok(())
    }

    /// The last line, where it had no end.
    pub(crate) fn finish(&mut self) -> Option<Vec<u8>> {
        (!self.rest.is_empty()).then(|| std::mem::take(&mut self.rest))
    }
}

/// A line of output as text in which control characters can be seen: `^[` for an escape.
pub(crate) fn visible(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push('\t'),
            '\u{7f}' => shown.push_str("^?"),
            '\0'..='\u{1f}' => {
                shown.push('^');
                let letter = u32::from(c) + u32::from('@');
                shown.extend(char::from_u32(letter));
            }
            // Controls of the upper half, and what turns the direction of writing.
            '\u{80}'..='\u{9f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{200e}'
            | '\u{200f}' => {
                // Writing to a string cannot fail.
                let _ = write!(shown, "<U+{:04X}>", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// The colours of names, as terminals number them; none of them is red, which means an error.
const COLOURS: [u8; 10] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];

/// Puts a name before each line.
#[derive(Debug, Clone)]
pub(crate) struct Prefix {
    plain: String,
    coloured: String,
}

impl Prefix {
    /// Prefixes for these names, as wide as the widest.
    pub(crate) fn for_all<S: AsRef<str>>(names: &[S]) -> Vec<Self> {
        let names: Vec<String> = names
            .iter()
            .map(|name| visible(name.as_ref().as_bytes()))
            .collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or(0);
        let colours = COLOURS.iter().cycle();
        let prefix = |(name, colour): (&String, &u8)| Self {
            plain: format!("{name:width$} | "),
            coloured: format!("\u{1b}[{colour}m{name:width$} |\u{1b}[0m "),
        };
        names.iter().zip(colours).map(prefix).collect()
    }

    /// Writes a line with its prefix, in one piece.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(crate) fn write(&self, output: Output, line: &[u8]) -> io::Result<()> {
        let prefix = if output.has_colours() {
            &self.coloured
        } else {
            &self.plain
        };
        output.write(format!("{prefix}{}\n", visible(line)).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for part in parts {
            let taken: Result<(), ()> = lines.push(part, |line| {
                found.push(String::from_utf8_lossy(line).into_owned());
                Ok(())
            });
            taken.unwrap();
        }
        let rest = lines.finish();
        found.extend(rest.map(|line| format!("{}…", String::from_utf8_lossy(&line))));
        found
    }

    #[test]
    fn lines_come_whole_however_the_bytes_come() {
        let text = b"one\ntwo\r\n\nthree";
        for cut in 0..text.len() {
            let (first, second) = text.split_at(cut);
            assert_eq!(
                lines(&[first, second]),
                ["one", "two", "", "three…"],
                "{cut}"
            );
        }
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let long = vec![b'x'; LONGEST * 2 + 1];
        let cut: Vec<usize> = lines(&[&long[..10], &long[10..]])
            .iter()
            .map(|line| line.trim_end_matches('…').len())
            .collect();
        assert_eq!(cut, [LONGEST, LONGEST, 1]);
    }

    #[test]
    fn what_steers_a_terminal_is_seen() {
        assert_eq!(
            visible(b"\x1b]0;title\x07\tred\x7f\r"),
            "^[]0;title^G\tred^?^M"
        );
        assert_eq!(
            visible("\u{9b}31m\u{202e}ä".as_bytes()),
            "<U+009B>31m<U+202E>ä"
        );
        assert_eq!(visible(b"\xff"), "\u{fffd}");
    }

    #[test]
    fn prefixes_line_up() {
        let prefixes = Prefix::for_all(&["web1", "a"]);
        let plain: Vec<_> = prefixes
            .iter()
            .map(|prefix| prefix.plain.as_str())
            .collect();
        assert_eq!(plain, ["web1 | ", "a    | "]);
        assert_ne!(prefixes[0].coloured[..5], prefixes[1].coloured[..5]);
    }
}
