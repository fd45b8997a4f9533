//! A line of ssh_config(5) as words: blanks between, quotes around, backslashes before, `#` at the end.

/// A keyword in small letters, and what follows it, as it stands.
pub(super) fn keyword(line: &str) -> Option<(String, &str)> {
    let line = line.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{c}');
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (keyword, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => {
            let end = line.find(|c: char| c.is_ascii_whitespace() || c == '=');
            line.split_at(end.unwrap_or(line.len()))
        }
    };
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    Some((keyword.to_ascii_lowercase(), rest))
}

/// The words; none where a quote is open.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        match characters.peek() {
            None | Some('#') => return Some(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(character) = characters.next() {
            match character {
                '\\' => match characters.peek() {
                    Some(&next @ ('"' | '\'' | '\\')) => {
                        word.push(next);
                        characters.next();
                    }
                    Some(' ') if quote.is_none() => {
                        word.push(' ');
                        characters.next();
                    }
                    _ => word.push('\\'),
                },
                ' ' | '\t' if quote.is_none() => break,
                _ if quote == Some(character) => quote = None,
                '"' | '\'' if quote.is_none() => quote = Some(character),
                _ => word.push(character),
            }
        }
        if quote.is_some() {
            return None;
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fall_into_words() {
        assert_eq!(
            keyword("  Host = web1 web2  "),
            Some(("host".into(), "web1 web2"))
        );
        assert_eq!(keyword("\"User\" me"), Some(("user".into(), "me")));
        assert_eq!(keyword("Port=22"), Some(("port".into(), "22")));
        assert_eq!(keyword("# Port 22"), None);
        assert_eq!(
            words(r#"a "b c" d\ e 'f"g' \\h"i # j" # k"#),
            Some(
                ["a", "b c", "d e", "f\"g", "\\hi # j"]
                    .map(String::from)
                    .to_vec()
            )
        );
        assert_eq!(words("\"open"), None);
    }
}
