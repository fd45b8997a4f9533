//! Words in command lines of hosts.

/// One word for any POSIX shell; left as it is where no shell takes it for more.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_word_is_one_for_a_shell() {
        assert_eq!(quoted("/usr/bin/socat"), "/usr/bin/socat");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        for word in [
            "", "a b", "$HOME", "~", "*", "a;b", "`id`", "it's", "\"\\", "!x", "#", "a\nb",
        ] {
            let line = format!("printf %s {}", quoted(word));
            let output = Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(output.stdout, word.as_bytes(), "{line}");
        }
    }
}
