//! One pattern of an ignore file: Go's `filepath.Match`, and `**` for any number of folders
//! (<https://docs.docker.com/build/concepts/context/#syntax>).

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use super::ignore::is_within;

/// The largest that a pattern may become, in bytes; those that people write stay far below.
const LARGEST: usize = 1024 * 1024;

/// A pattern, which paths are compared with as they are below the context.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Whether what it matches is not ignored.
    pub(super) is_exception: bool,
    regex: Regex,
    beginning: Beginning,
}

/// What all paths begin with that a pattern matches.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    /// The path is that, and nothing else.
    Whole(String),
    /// More may follow.
    Part(String),
}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternMistake {
    /// Nothing after an exclamation mark.
    #[error("`!` stands before a pattern")]
    Alone,
    /// A class without an end.
    #[error("`[` begins a class, which `]` does not end; a bracket itself is `\\[`")]
    Unclosed,
    /// A character that a class has another use for.
    #[error("`{0}` in a class is written `\\{0}`")]
    Member(char),
    /// A range that has nothing in it.
    #[error("the range {0}-{1} is backwards")]
    Backwards(char, char),
    /// Nothing after a backslash.
    #[error("nothing follows the backslash; a backslash itself is `\\\\`")]
    Backslash,
    /// Too much of everything.
    #[error("it is too long")]
    TooLong,
}

impl Pattern {
    /// Reads what stands in a line, without blanks around it.
    pub(super) fn parse(line: &str) -> Result<Self, PatternMistake> {
        let (is_exception, pattern) = match line.strip_prefix('!') {
            Some(rest) if rest.trim().is_empty() => return Err(PatternMistake::Alone),
            Some(rest) => (true, rest.trim_start()),
            None => (false, line),
        };
        let cleaned = clean(pattern);
        let (regex, beginning) = translate(&cleaned)?;
        let regex = RegexBuilder::new(&regex)
            .dot_matches_new_line(true)
            .size_limit(LARGEST)
            .build()
            .map_err(|_| PatternMistake::TooLong)?;
        Ok(Self {
            is_exception,
            regex,
            beginning,
        })
    }

    /// Whether it matches the path itself.
    pub(super) fn matches(&self, path: &str) -> bool {
        self.regex.is_match(path)
    }

    /// Whether it may match something in the folder.
    pub(super) fn may_reach_into(&self, folder: &str) -> bool {
        match &self.beginning {
            Beginning::Whole(path) => is_within(path, folder),
            // The rest may lead there.
            Beginning::Part(part) => {
                is_within(part, folder) || format!("{folder}/").starts_with(part)
            }
        }
    }
}

/// Without what is said twice: `./a//b/../c/` is `a/c`. Patterns begin at the context anyway, with a
/// slash or without.
fn clean(pattern: &str) -> String {
    let is_rooted = pattern.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// As a regular expression.
fn translate(pattern: &str) -> Result<(String, Beginning), PatternMistake> {
    let mut regex = String::from("^");
    let mut beginning = String::new();
    let mut is_whole = true;
    let mut chars = pattern.chars().peekable();
    // Docker takes `**` at the front for any beginning where the rest is plain text, as in `**.o`; and
    // everywhere else for folders.
    if let Some(rest) = pattern.strip_prefix("**")
        && !rest.starts_with('/')
        && !rest.contains(['*', '?', '[', ']', '\\'])
    {
        regex.push_str(".*");
        is_whole = false;
        chars = rest.chars().peekable();
    }
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                is_whole = false;
                chars.next_if_eq(&'/');
                let is_last = chars.peek().is_none();
                regex.push_str(if is_last { ".*" } else { "(?:.*/)?" });
            }
            '*' => {
                is_whole = false;
                regex.push_str("[^/]*");
            }
            '?' => {
                is_whole = false;
                regex.push_str("[^/]");
            }
            '[' => {
                is_whole = false;
                class(&mut chars, &mut regex)?;
            }
            c => {
                let c = match c {
                    '\\' => chars.next().ok_or(PatternMistake::Backslash)?,
                    c => c,
                };
                regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
                if is_whole {
                    beginning.push(c);
                }
            }
        }
    }
    regex.push('$');
    let beginning = if is_whole {
        Beginning::Whole(beginning)
    } else {
        Beginning::Part(beginning)
    };
    Ok((regex, beginning))
}

/// A class after its bracket.
fn class(chars: &mut Peekable<Chars<'_>>, regex: &mut String) -> Result<(), PatternMistake> {
    regex.push('[');
    if chars.next_if_eq(&'^').is_some() {
        regex.push('^');
    }
    let mut is_empty = true;
    while is_empty || chars.next_if_eq(&']').is_none() {
        is_empty = false;
        let low = member(chars)?;
        let high = match chars.next_if_eq(&'-') {
            Some(_) => member(chars)?,
            None => low,
        };
        if low > high {
            return Err(PatternMistake::Backwards(low, high));
        }
        let (low, high) = (u32::from(low), u32::from(high));
        regex.push_str(&format!("\\x{{{low:x}}}-\\x{{{high:x}}}"));
    }
    regex.push(']');
    Ok(())
}

fn member(chars: &mut Peekable<Chars<'_>>) -> Result<char, PatternMistake> {
    match chars.next() {
        None => Err(PatternMistake::Unclosed),
        Some('\\') => chars.next().ok_or(PatternMistake::Backslash),
        Some(c @ ('-' | ']')) => Err(PatternMistake::Member(c)),
        Some(c) => Ok(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(path)
    }

    #[test]
    fn patterns_match_as_docker_says() {
        for (pattern, yes, no) in [
            // What Docker's documentation has.
            (
                "*/temp*",
                &["somedir/temporary.txt", "somedir/temp"][..],
                &["temp", "a/b/temp"][..],
            ),
            (
                "*/*/temp*",
                &["somedir/subdir/temporary.txt"],
                &["somedir/temporary.txt"],
            ),
            ("temp?", &["tempa", "temp☺"], &["temp", "tempab", "temp/"]),
            (
                "**/*.go",
                &["a.go", "a/b/c.go", "a/.go"],
                &["a.god", "a.go/b"],
            ),
            (
                "*.md",
                &["README.md", ".md"],
                &["docs/README.md", "README.mdx"],
            ),
            // Any number of folders, also none.
            ("**", &["a", "a/b", ".a"], &[]),
            ("**/b", &["b", "a/b", "a/a/b"], &["ab", "a/bb", "b/c"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "ab"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb"]),
            ("a**b", &["ab", "ax/b"], &["axb"]),
            ("**/**/b*", &["b", "a/b", "a/a/bc"], &["a/b/c"]),
            ("**.o", &["a.o", "a/b.o", ".o"], &["a.oo"]),
            ("**a*", &["ab", "b/a"], &["ba"]),
            ("*.txt**", &["a.txt", "a.txt/b", "a.txt.gz"], &["b/a.txt"]),
            // From the context on, and each part once.
            ("/a", &["a"], &["b/a"]),
            ("a/", &["a"], &["a/b"]),
            ("./a//b/../c/.", &["a/c"], &["a/b/c"]),
            ("/../a", &["a"], &[]),
            ("../a", &[], &["a"]),
            (".", &[], &["a", "."]),
            // Classes.
            ("[a-c0]x", &["bx", "0x"], &["dx", "x", "-x"]),
            ("[^a-c]x", &["dx", "ζx"], &["bx"]),
            ("[\\]\\-\\\\]", &["]", "-", "\\"], &["x"]),
            ("[*?&~[]", &["*", "?", "&", "~", "["], &["a"]),
            ("[α-ω]", &["ζ"], &["z"]),
            // What means something elsewhere only.
            ("a.(b)|{c}+$^]", &["a.(b)|{c}+$^]"], &["ax(b)|{c}+$^]"]),
            ("\\*\\d", &["*d"], &["ad", "*1"]),
            ("a b\\#", &["a b#"], &["a"]),
            ("!a", &["a"], &["!a"]),
            ("!!a", &["!a"], &["a"]),
            ("! ./a", &["a"], &[]),
            ("\\!a", &["!a"], &["a"]),
            ("*", &["a\nb"], &["a/b"]),
        ] {
            for path in yes {
                assert!(matches(pattern, path), "{pattern} is not {path}");
            }
            for path in no {
                assert!(!matches(pattern, path), "{pattern} is {path}");
            }
        }
    }

    #[test]
    fn mistakes_are_told() {
        let told: Vec<String> = ["!", "a[", "[^", "[]", "[a-]", "[-a]", "[z-a]", "a\\", "[\\"]
            .iter()
            .map(|pattern| format!("{pattern}: {}", Pattern::parse(pattern).unwrap_err()))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        !: `!` stands before a pattern
        a[: `[` begins a class, which `]` does not end; a bracket itself is `\[`
        [^: `[` begins a class, which `]` does not end; a bracket itself is `\[`
        []: `]` in a class is written `\]`
        [a-]: `]` in a class is written `\]`
        [-a]: `-` in a class is written `\-`
        [z-a]: the range z-a is backwards
        a\: nothing follows the backslash; a backslash itself is `\\`
        [\: nothing follows the backslash; a backslash itself is `\\`
        ");
    }

    #[test]
    fn exceptions_reach_into_folders() {
        for (pattern, folder, reaches) in [
            ("!a/b", "a", true),
            ("!a/b", "a/b", false),
            ("!a/b", "ab", false),
            ("!a", "a", false),
            ("!a/*.md", "a", true),
            ("!a/*.md", "b", false),
            ("!a*/x", "ab", true),
            ("!**/x", "b/c", true),
            ("!a/**", "a/b/c", true),
        ] {
            let pattern_of = Pattern::parse(pattern).unwrap();
            assert!(pattern_of.is_exception);
            assert_eq!(
                pattern_of.may_reach_into(folder),
                reaches,
                "{pattern} {folder}"
            );
        }
    }
}
