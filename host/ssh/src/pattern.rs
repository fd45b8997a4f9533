//! The patterns of ssh_config(5) and known_hosts: `*` is any text and `?` any character.

/// Whether one of the comma-separated patterns is for this name, and none excludes it with `!`.
/// Without regard to case, as names of hosts are compared.
pub(crate) fn list_matches(patterns: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    any_matches(
        patterns.split(',').map(str::to_ascii_lowercase),
        name.as_str(),
    )
}

/// Whether one of the patterns is for this text, and none excludes it with `!`.
pub(crate) fn any_matches(patterns: impl IntoIterator<Item = String>, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if glob(pattern, text) => return false,
            Some(_) => {}
            None => found |= glob(&pattern, text),
        }
    }
    found
}

/// Whether the whole text matches, without ever trying more than one way back.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a pattern means, said as plainly as possible.
    fn plain(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some((b'*', rest)), _) => {
                plain(rest, text) || text.split_first().is_some_and(|(_, t)| plain(pattern, t))
            }
            (Some((b'?', rest)), Some((_, t))) => plain(rest, t),
            (Some((byte, rest)), Some((first, t))) => byte == first && plain(rest, t),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_it_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(glob(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn one_negated_match_excludes(
            patterns in prop::collection::vec("!?[ab*?]{1,4}", 1..5),
            text in "[ab]{0,5}",
        ) {
            let is = |negated: bool| patterns.iter().any(|pattern| {
                pattern.starts_with('!') == negated
                    && plain(pattern.trim_start_matches('!').as_bytes(), text.as_bytes())
            });
            prop_assert_eq!(list_matches(&patterns.join(","), &text), is(false) && !is(true));
        }
    }

    #[test]
    fn names_of_hosts_match_in_any_case() {
        assert!(list_matches("WEB1", "web1") && list_matches("web?", "WEB1"));
        assert!(list_matches("[10.0.0.?]:22??", "[10.0.0.7]:2222"));
        assert!(!list_matches("web1", "web10"));
    }
}
