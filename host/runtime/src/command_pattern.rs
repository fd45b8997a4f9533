//! Commands as grants see them: words, which are quoted again before a shell sees them.

use std::fmt;

/// Which commands a grant covers, such as `systemctl restart *`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandPattern(Vec<Word>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Literal(String),
    One,
    Rest,
}

/// Why a text is no pattern of commands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandPatternError {
    #[error("a quotation is not closed")]
    Quotation,
    #[error("a command begins with the name of a program")]
    Program,
    #[error("`*` stands for a whole word, and `**` for all that follow, at the end only")]
    Wildcard,
}

impl CommandPattern {
    pub(crate) fn covers(&self, words: &[String]) -> bool {
        let mut rest = words.iter();
        for word in &self.0 {
            match (word, rest.next()) {
                (Word::Rest, _) => return true,
                // An option would be more than the argument that was granted.
                (Word::One, Some(given)) if !given.starts_with('-') => {}
                (Word::Literal(literal), Some(given)) if literal == given => {}
                _ => return false,
            }
        }
        rest.next().is_none()
    }
}

impl CommandPattern {
    /// The narrowest pattern that covers a command, as it is written: a word that is a secret, or that
    /// would be read as more than itself, is any word.
    pub(crate) fn covering(words: &[String]) -> String {
        let secret = crate::mask::are_secret(words);
        let mut written: Vec<String> = Vec::new();
        for (word, is_secret) in words.iter().zip(secret) {
            let is_any = !written.is_empty() && (is_secret || word.contains('*'));
            match (is_any, word.starts_with('-')) {
                (true, true) => {
                    written.push("**".to_owned());
                    break;
                }
                (true, false) => written.push("*".to_owned()),
                (false, _) => written.push(crate::text::plain(&shell_words::quote(word))),
            }
        }
        written.join(" ")
    }

    pub(crate) fn parse(text: &str) -> Result<Self, CommandPatternError> {
        let words = shell_words::split(text).map_err(|_| CommandPatternError::Quotation)?;
        if words.first().is_none_or(|program| program.contains('*')) {
            return Err(CommandPatternError::Program);
        }
        let last = words.len() - 1;
        let word = |(index, word): (usize, String)| match word.as_str() {
            "*" => Ok(Word::One),
            "**" if index == last => Ok(Word::Rest),
            other if other.contains('*') => Err(CommandPatternError::Wildcard),
            _ => Ok(Word::Literal(word)),
        };
        let words = words.into_iter().enumerate().map(word);
        words.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for CommandPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match word {
                Word::Literal(literal) => f.write_str(&shell_words::quote(literal))?,
                Word::One => f.write_str("*")?,
                Word::Rest => f.write_str("**")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_words_one_by_one() {
        for (pattern, line, covered) in [
            ("uptime", "uptime", true),
            ("uptime", "uptime -s", false),
            ("systemctl restart *", "systemctl restart nginx", true),
            ("systemctl restart *", "systemctl restart", false),
            ("systemctl restart *", "systemctl restart a b", false),
            ("systemctl restart *", "systemctl restart 'a; b'", true),
            ("systemctl restart *", "systemctl restart --all", false),
            ("systemctl restart *", "systemctl restart -", false),
            ("systemctl restart *", "systemctl restart ''", true),
            ("ls **", "ls", true),
            ("ls **", "ls -l /etc", true),
            ("ls -l", "ls /etc", false),
        ] {
            let words = shell_words::split(line).expect("a command");
            let pattern = CommandPattern::parse(pattern).expect("a pattern");
            assert_eq!(pattern.covers(&words), covered, "{pattern}: {line}");
        }
    }

    #[test]
    fn what_covers_a_command_is_no_wider_than_it_looks_and_tells_no_secret() {
        for (line, covering) in [
            ("systemctl restart nginx", "systemctl restart nginx"),
            ("ls '*'", "ls *"),
            ("ls 'a*' '**' b", "ls * * b"),
            ("tool 'a; b' --password geheim", "tool 'a; b' --password *"),
            ("tool --token=geheim x", "tool **"),
        ] {
            let words = shell_words::split(line).expect("a command");
            let written = CommandPattern::covering(&words);
            assert_eq!(written, covering);
            let pattern = CommandPattern::parse(&written).expect("a pattern");
            assert!(pattern.covers(&words), "{line}");
        }
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for text in ["", "*", "** a", "ls ** a", "ls a*", "ls 'a"] {
            assert!(CommandPattern::parse(text).is_err(), "{text:?}");
        }
    }
}
