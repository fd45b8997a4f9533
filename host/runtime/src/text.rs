//! Text that came from a component, made safe for a terminal: no control characters but line feed
//! and tab, no escape sequences, no characters that turn the direction of writing.

/// How many characters of a text from outside a message repeats.
const SHOWN: usize = 200;

/// The text without what could steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character == '\u{1b}' {
            match rest.peek() {
                // A control sequence ends with a character from `@` to `~` (ECMA-48, 5.4).
                Some('[') => {
                    rest.next();
                    rest.find(|c| ('@'..='~').contains(c));
                }
                // A command string ends with BEL or with ESC and a backslash.
                Some(']') => {
                    let mut before = ' ';
                    rest.find(|c| {
                        let ended = *c == '\u{7}' || (before == '\u{1b}' && *c == '\\');
                        before = *c;
                        ended
                    });
                }
                _ => {}
            }
        } else if !steers(character) {
            plain.push(character);
        }
    }
    plain
}

/// [`plain`] in place, without a copy where there is nothing to take out.
pub(crate) fn clean(text: &mut String) {
    if text.chars().any(steers) {
        *text = plain(text);
    }
}

/// For a message: plain, and not endless.
pub(crate) fn shown(text: &str) -> String {
    cut(&plain(text), SHOWN)
}

/// The first characters of a text.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The last lines of a text, at most so many, each cut to so many characters.
pub(crate) fn last_lines(text: &str, lines: usize, width: usize) -> String {
    let all: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let start = all.len().saturating_sub(lines);
    let kept: Vec<String> = all
        .iter()
        .skip(start)
        .map(|line| line.chars().take(width).collect())
        .collect();
    kept.join("\n")
}

/// Whether a character could steer a terminal: it controls it, or turns the direction of writing.
pub fn steers(character: char) -> bool {
    (character.is_control() && character != '\n' && character != '\t')
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_escape_sequences_out() {
        assert_eq!(plain("a\u{1b}[31mred\u{1b}[0m\tb\nc"), "ared\tb\nc");
        assert_eq!(plain("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(plain("\u{1b}]8;;http://x\u{1b}\\link"), "link");
        assert_eq!(plain("back\u{8}\r\u{202e}space\u{9b}"), "backspace");
    }

    #[test]
    fn keeps_the_last_lines() {
        assert_eq!(last_lines("1\n\n2\n3333\n", 2, 3), "2\n333");
    }
}
