//! Words, quoted for a POSIX shell.

use std::fmt;
use std::str::Chars;

/// One word of a command line. From a text, it is that text to the last character, whatever is in it;
/// only a zero byte has no place in any command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    quoted: String,
    /// Whether a program could take it for an option.
    dashed: bool,
}

impl Word {
    /// A text, which the shell takes as it is.
    pub fn new(text: &str) -> Self {
        Self {
            quoted: quote(text),
            dashed: text.starts_with('-'),
        }
    }

    /// A pattern of file names: `*`, `?` and `[…]` mean what they mean to the shell, everything else
    /// itself. A backslash takes the meaning of the character after it.
    ///
    /// ```
    /// # use dfab_sdk::shell::Word;
    /// assert_eq!(Word::glob("my logs/*.gz").to_string(), "'my logs/'*.gz");
    /// assert_eq!(Word::glob(r"50\*/[!a-c]?").to_string(), "'50*/'[!a-c]?");
    /// ```
    pub fn glob(pattern: &str) -> Self {
        let (mut quoted, mut literal) = (String::new(), String::new());
        let flush = |quoted: &mut String, literal: &mut String| {
            if !literal.is_empty() {
                quoted.push_str(&quote(literal));
                literal.clear();
            }
        };
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            match character {
                '*' | '?' => {
                    flush(&mut quoted, &mut literal);
                    quoted.push(character);
                }
                '[' => match class(characters.as_str()) {
                    Some((class, after)) => {
                        flush(&mut quoted, &mut literal);
                        quoted.push_str(&class);
                        characters = after;
                    }
                    None => literal.push('['),
                },
                '\\' => literal.push(characters.next().unwrap_or('\\')),
                other => literal.push(other),
            }
        }
        flush(&mut quoted, &mut literal);
        if quoted.is_empty() {
            quoted = quote("");
        }
        Self {
            quoted,
            dashed: pattern.starts_with(['-', '*', '?', '[', '\\']),
        }
    }

    /// Several as one word, with a separator that needs no quotes between them.
    pub(crate) fn joined(words: &[Self], separator: &str) -> Self {
        let texts: Vec<_> = words.iter().map(|word| word.quoted.as_str()).collect();
        Self {
            quoted: texts.join(separator),
            dashed: words.first().is_some_and(Self::is_dashed),
        }
    }

    /// The same as the name of a file: never taken for an option.
    pub(crate) fn path(self) -> Self {
        if self.dashed {
            Self {
                quoted: format!("./{}", self.quoted),
                dashed: false,
            }
        } else {
            self
        }
    }

    pub(crate) fn is_dashed(&self) -> bool {
        self.dashed
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<&String> for Word {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

impl From<&Word> for Word {
    fn from(word: &Word) -> Self {
        word.clone()
    }
}

impl From<u32> for Word {
    fn from(number: u32) -> Self {
        Self::new(&number.to_string())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.quoted)
    }
}

/// Whether no shell sees anything in a character.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_@%+=:,./-".contains(character)
}

/// Quotes a text where it needs it. To zsh, `=name` is a path.
pub(crate) fn quote(text: &str) -> String {
    if !text.is_empty() && !text.starts_with('=') && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What is left of a class of characters after its opening bracket, with that bracket and quoted, and
/// what follows it; nothing where it does not end.
fn class(text: &str) -> Option<(String, Chars<'_>)> {
    let mut quoted = String::from("[");
    let mut rest = text.chars();
    if let Some(after) = text.strip_prefix(['!', '^']) {
        quoted.push('!');
        rest = after.chars();
    }
    let mut is_first = true;
    while let Some(character) = rest.next() {
        match character {
            ']' if !is_first => {
                quoted.push(']');
                return Some((quoted, rest));
            }
            // No name has one, and the shell ends a class there.
            '/' => return None,
            '[' => match kind(rest.as_str()) {
                Some((kind, after)) => {
                    quoted.push_str(&format!("[:{kind}:]"));
                    rest = after.chars();
                }
                None => quoted.push_str(&escape('[')),
            },
            '\\' => match rest.next()? {
                '/' => return None,
                next => quoted.push_str(&escape(next)),
            },
            character if is_plain(character) => quoted.push(character),
            character => quoted.push_str(&escape(character)),
        }
        is_first = false;
    }
    None
}

/// The name of `[:digit:]` after its bracket, and what follows.
fn kind(text: &str) -> Option<(&str, &str)> {
    let (kind, after) = text.strip_prefix(':')?.split_once(":]")?;
    let is_name = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphabetic());
    is_name.then_some((kind, after))
}

/// A character that means only itself, within brackets too.
fn escape(character: char) -> String {
    match character {
        // A backslash before a line's end would take it away.
        '\n' => "'\n'".to_owned(),
        other => format!("\\{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_quoted_where_a_shell_would_see_something_in_it() {
        for (text, quoted) in [
            ("u=rwX,g=rX", "u=rwX,g=rX"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("~root", "'~root'"),
            ("$HOME", "'$HOME'"),
            ("=ls", "'=ls'"),
            ("*", "'*'"),
            ("ä", "'ä'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(Word::new(text).to_string(), quoted);
        }
    }

    #[test]
    fn a_path_is_no_option() {
        assert_eq!(Word::new("-rf").path().to_string(), "./-rf");
        assert_eq!(Word::new("- x").path().to_string(), "./'- x'");
        assert_eq!(Word::glob("*").path().to_string(), "./*");
        assert_eq!(Word::new("/-").path().to_string(), "/-");
    }

    /// Docker-Fabric quoted the pattern too, so that it matched nothing.
    #[test]
    fn b_55_a_pattern_stays_one() {
        for (pattern, quoted) in [
            ("*", "*"),
            ("a b/*.tar.gz", "'a b/'*.tar.gz"),
            ("$x?", "'$x'?"),
            (r"\*", "'*'"),
            ("a[", "'a['"),
            ("[a b]", r"[a\ b]"),
            ("[]x]*", r"[\]x]*"),
            ("[^']", r"[!\']"),
            ("[[:digit:] ]", r"[[:digit:]\ ]"),
            ("[a/b]", "'[a/b]'"),
            ("", "''"),
        ] {
            assert_eq!(Word::glob(pattern).to_string(), quoted, "{pattern}");
        }
    }
}
