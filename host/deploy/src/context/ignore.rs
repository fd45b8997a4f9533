//! Ignore files: what of a folder does not go into a build.

use super::pattern::{Pattern, PatternMistake};

/// The patterns of an ignore file, in their order: of those that match a path, or a folder above it, the
/// last one counts.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    patterns: Vec<Pattern>,
    /// Paths that are never ignored.
    exempt: Vec<String>,
}

/// A line that is no pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongLine {
    /// Counted from one.
    pub(super) line: usize,
    /// What stands there.
    pub(super) text: String,
    /// What is wrong with it.
    pub(super) mistake: PatternMistake,
}

/// Which patterns match a path or a folder above it.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    matched: Vec<bool>,
    /// Whether the path is left out.
    pub(super) is_ignored: bool,
}

impl Ignore {
    /// Reads an ignore file.
    pub(super) fn parse(text: &str) -> Result<Self, WrongLine> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let trimmed = line.trim();
            // Docker knows a comment by the first character of the line.
            if trimmed.is_empty() || line.starts_with('#') {
                continue;
            }
            let pattern = Pattern::parse(trimmed).map_err(|mistake| WrongLine {
                line: number,
                text: trimmed.to_owned(),
                mistake,
            })?;
            patterns.push(pattern);
        }
        Ok(Self {
            patterns,
            exempt: Vec::new(),
        })
    }

    /// Takes one path out of all that is ignored.
    pub(super) fn exempt(&mut self, path: &str) {
        self.exempt.push(path.to_owned());
    }

    /// Judges a path below the folder whose verdict is given: the parts of the path stand between
    /// slashes.
    pub(super) fn judge(&self, path: &str, of_parent: &Verdict) -> Verdict {
        let mut verdict = Verdict::default();
        for (index, pattern) in self.patterns.iter().enumerate() {
            let above = of_parent.matched.get(index).copied().unwrap_or(false);
            let is_match = above || pattern.matches(path);
            if is_match {
                verdict.is_ignored = !pattern.is_exception;
            }
            verdict.matched.push(is_match);
        }
        if self.exempt.iter().any(|exempt| exempt == path) {
            verdict.is_ignored = false;
        }
        verdict
    }

    /// Whether something in an ignored folder may not be ignored.
    pub(super) fn may_except_in(&self, folder: &str) -> bool {
        let mut exceptions = self.patterns.iter().filter(|pattern| pattern.is_exception);
        exceptions.any(|exception| exception.may_reach_into(folder))
            || self.exempt.iter().any(|path| is_within(path, folder))
    }
}

/// Whether a path is in a folder, however deep.
pub(super) fn is_within(path: &str, folder: &str) -> bool {
    let below = path.strip_prefix(folder);
    below.is_some_and(|below| below.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Judges a path by way of the folders above it.
    fn is_ignored(ignore: &Ignore, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| at);
        let folders = ends.filter_map(|end| path.get(..end));
        let parent = folders.fold(Verdict::default(), |above, folder| {
            ignore.judge(folder, &above)
        });
        ignore.judge(path, &parent).is_ignored
    }

    #[test]
    fn b_40_ignore_files_are_read_as_docker_reads_them() {
        let text = "\u{feff}# a comment\r\n  docs  \n\n*.md\n!README*.md\nREADME-secret.md\n #x\n";
        let ignore = Ignore::parse(text).unwrap();
        for (path, ignored) in [
            ("docs", true),
            ("docs/a/b", true),
            ("adocs", false),
            ("notes.md", true),
            ("README.md", false),
            ("README-secret.md", true),
            ("a/notes.md", false),
            ("# a comment", false),
            ("#x", true),
        ] {
            assert_eq!(is_ignored(&ignore, path), ignored, "{path}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_counts() {
        for (lines, path, ignored) in [
            (&["!a", "*"][..], "a", true),
            (&["*", "!a"], "a", false),
            (&["*", "!a"], "a/b", false),
            (&["*", "!a", "a/b"], "a/b/c", true),
            (&["a", "!a/b"], "a/b/c", false),
            (&["a", "!a/b"], "a/c", true),
            (&["**", "!a/b/c"], "a/b", true),
            (&["**", "!a/b/c"], "a/b/c/d", false),
            // A folder that is ignored a second time takes with it what was excepted in it before.
            (&["*", "!a/b", "a"], "a/b", true),
            (&["a", "!a/*.md"], "a/x.md", false),
            (&["a", "!a/*.md"], "a/b/x.md", true),
        ] {
            let ignore = Ignore::parse(&lines.join("\n")).unwrap();
            assert_eq!(is_ignored(&ignore, path), ignored, "{lines:?} {path}");
        }
    }

    #[test]
    fn what_is_exempt_is_never_ignored() {
        let mut ignore = Ignore::parse("**\n!x\na").unwrap();
        ignore.exempt("a/[b]");
        assert!(!is_ignored(&ignore, "a/[b]") && is_ignored(&ignore, "a/b"));
        assert!(ignore.may_except_in("a") && !ignore.may_except_in("b"));
    }

    #[test]
    fn a_wrong_line_is_told_with_its_number() {
        let wrong = Ignore::parse("# [\n\na[b\n").unwrap_err();
        assert_eq!((wrong.line, wrong.text.as_str()), (3, "a[b"));
    }

    proptest! {
        #[test]
        fn any_text_is_patterns_or_a_mistake(
            text in r"([a-c\[\]\\*?!/.^#\n -]|\PC){0,40}",
            paths in prop::collection::vec(r"[a-c*\[\\!.-]{1,4}(/[a-c.]{1,3}){0,3}", 1..5),
        ) {
            if let Ok(ignore) = Ignore::parse(&text) {
                for path in &paths {
                    let ignored = is_ignored(&ignore, path);
                    // What is left of an ignored folder can be found.
                    let (folder, _) = path.rsplit_once('/').unwrap_or((path, ""));
                    if folder != path && !ignored && is_ignored(&ignore, folder) {
                        prop_assert!(ignore.may_except_in(folder), "{text:?} {path}");
                    }
                }
            }
        }

        #[test]
        fn a_path_without_special_characters_matches_itself_and_what_is_in_it(
            path in "[a-c.]{0,2}[a-c](/[a-c]{1,3}){0,3}",
        ) {
            let ignore = Ignore::parse(&path).unwrap();
            prop_assert!(is_ignored(&ignore, &path));
            let (below, beside) = (format!("{path}/x"), format!("{path}x"));
            prop_assert!(is_ignored(&ignore, &below));
            prop_assert!(!is_ignored(&ignore, &beside));
        }
    }
}
