//! Words for the login shell of a user, of which nobody knows which one it is.

/// A line of these words, in which no shell sees anything else: neither one of POSIX, nor csh, nor fish,
/// to which a backslash means something between quotes too.
pub fn quoted_line<W: AsRef<str>>(words: &[W]) -> String {
    let words: Vec<_> = words.iter().map(|word| quoted(word.as_ref())).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    if word.is_empty() {
        return "''".to_owned();
    }
    let mut quoted = String::with_capacity(word.len());
    for character in word.chars() {
        match character {
            // After a backslash it would be left out.
            '\n' => quoted.push_str("'\n'"),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' | '/' | ':' | ',' | '@' | '+' => {
                quoted.push(character);
            }
            // Nothing beyond ASCII has a meaning of its own.
            character => {
                if character.is_ascii() {
                    quoted.push('\\');
                }
                quoted.push(character);
            }
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_left_to_interpret() {
        let words = ["a", "", r"\'; reboot #", "$(x) `y` ~ * ! ü", "a\nb", "=ls"];
        insta::assert_snapshot!(quoted_line(&words), @r"
        a '' \\\'\;\ reboot\ \# \$\(x\)\ \`y\`\ \~\ \*\ \!\ ü a'
        'b \=ls
        ");
        // In fish, too, a quote is opened and closed by quotes alone where no backslash is between them.
        assert!(!quoted_line(&[r"\'"]).contains("'\\"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_the_words_that_were_meant(words in prop::collection::vec("[^\0\r]{0,12}", 1..4)) {
            let line = format!("printf '%s\\0' {}", quoted_line(&words));
            let printed = Command::new("sh").args(["-c", &line]).output().unwrap().stdout;
            let wanted: String = words.iter().map(|word| format!("{word}\0")).collect();
            prop_assert_eq!(String::from_utf8(printed).unwrap(), wanted);
            prop_assert_eq!(shell_words::split(&quoted_line(&words)).unwrap(), words);
        }
    }
}
