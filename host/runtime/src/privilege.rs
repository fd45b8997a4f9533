//! Commands that are run as another user: which they are, and the lines for them.

use crate::quoting::quoted_line;
use crate::text::shown;

/// Programs that make somebody else of who runs them.
const PROGRAMS: [&str; 8] = [
    "sudo", "sudoedit", "su", "doas", "pkexec", "run0", "runuser", "setpriv",
];
/// The user that is meant where none is named.
pub(crate) const ROOT: &str = "root";

/// Why a command cannot be run as another user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrivilegeError {
    #[error("`{0}` is no name of a user")]
    User(String),
    #[error("a command begins with the name of a program, and not with a hyphen")]
    Program,
}

/// A command for another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsUser {
    user: String,
    words: Vec<String>,
}

/// Whether a word is the name of such a program, with its folders or without.
pub(crate) fn is_program(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or_default();
    PROGRAMS.contains(&name)
}

/// Whether a line for a shell has such a program in it. Quotes hide nothing; what a shell makes of
/// variables and files is not known.
pub(crate) fn is_in(line: &str) -> bool {
    let bare: String = line
        .chars()
        .filter(|c| !matches!(c, '\'' | '"' | '\\'))
        .collect();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | '_' | '-' | '+' | '@');
    bare.split(|c| !is_name(c)).any(is_program)
}

impl AsUser {
    /// # Errors
    /// Where it is no user or no command.
    pub(crate) fn new(user: Option<&str>, words: Vec<String>) -> Result<Self, PrivilegeError> {
        let user = user.unwrap_or(ROOT);
        let is_name = user.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && user.len() <= 32
            && user.bytes().all(|b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.')
            });
        if !is_name {
            return Err(PrivilegeError::User(shown(user)));
        }
        if words
            .first()
            .is_none_or(|program| program.is_empty() || program.starts_with('-'))
        {
            return Err(PrivilegeError::Program);
        }
        Ok(Self {
            user: user.to_owned(),
            words,
        })
    }

    /// What a simple command with `sudo` asks for, where it has no other options than a user.
    pub(crate) fn of_sudo(words: &[String]) -> Option<Self> {
        let (program, mut rest) = words.split_first()?;
        if program != "sudo" {
            return None;
        }
        let mut user = None;
        loop {
            let (first, after) = rest.split_first()?;
            match first.as_str() {
                "-n" | "--non-interactive" => rest = after,
                "-u" | "--user" => {
                    let (name, after) = after.split_first()?;
                    user = Some(name.as_str());
                    rest = after;
                }
                "--" => {
                    rest = after;
                    break;
                }
                // Any other option, and variables, which only an unlimited grant covers.
                other if other.starts_with('-') || other.contains('=') => return None,
                _ => break,
            }
        }
        Self::new(user, rest.to_vec()).ok()
    }

    /// As grants have it: the words, after `-u USER` where it is not root.
    pub(crate) fn granted_as(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.user != ROOT {
            words.extend(["-u".to_owned(), self.user.clone()]);
        }
        words.extend(self.words.iter().cloned());
        words
    }

    /// A line that asks for no password, and needs no `sudo` where the connection's user is the one
    /// that is wanted, or root.
    #[must_use]
    pub fn line(&self) -> String {
        let words = quoted_line(&self.words);
        let user = &self.user;
        let otherwise = if user == ROOT {
            format!("exec sudo -n -- {words}")
        } else {
            format!(
                "if test \"$(id -u)\" = 0 && command -v runuser >/dev/null; then exec runuser -u \
                 {user} -- {words}; else exec sudo -n -u {user} -- {words}; fi"
            )
        };
        format!("if test \"$(id -un)\" = {user}; then exec {words}; fi; {otherwise}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        shell_words::split(line).expect("words")
    }

    #[test]
    fn a_line_that_makes_somebody_else_is_seen() {
        for line in [
            "sudo reboot",
            "cd /; sudo -n reboot",
            "echo $(/usr/bin/sudo id)",
            "echo `su -c id`",
            "s\"u\"do id",
            "su\\do id",
            "env A=1 doas id",
            "x|pkexec id",
            "(sudo id)",
            "a\nsudo id",
        ] {
            assert!(is_in(line), "{line}");
        }
        for line in [
            "uptime",
            "ls /etc/sudoers",
            "systemctl restart sudo-ldap",
            "issue",
        ] {
            assert!(!is_in(line), "{line}");
        }
    }

    #[test]
    fn a_simple_command_of_sudo_is_what_it_runs() {
        for (line, granted) in [
            ("sudo reboot", Some("reboot")),
            ("sudo -n -u app -- rake db", Some("-u app rake db")),
            ("sudo -u root reboot", Some("reboot")),
            ("sudo", None),
            ("sudo -i", None),
            ("sudo -s reboot", None),
            ("sudo A=1 reboot", None),
            ("sudo -u '#0' reboot", None),
            ("sudo -- -u root reboot", None),
            ("/opt/sudo reboot", None),
            ("reboot", None),
        ] {
            let asked = AsUser::of_sudo(&words(line)).map(|asked| asked.granted_as().join(" "));
            assert_eq!(asked.as_deref(), granted, "{line}");
        }
    }

    #[test]
    fn words_stay_words() {
        let line = |user: Option<&str>, line: &str| {
            AsUser::new(user, words(line)).map(|command| command.line())
        };
        assert_eq!(
            line(None, "ls '; reboot'"),
            Ok(
                r#"if test "$(id -un)" = root; then exec ls \;\ reboot; fi; exec sudo -n -- ls \;\ reboot"#
                    .to_owned()
            )
        );
        assert!(line(Some("app"), "id").is_ok_and(|line| line.contains("sudo -n -u app -- id")));
        for user in ["", "-u", "a b", "$(id)", "#0", "App", "a;b"] {
            assert!(line(Some(user), "id").is_err(), "{user:?}");
        }
        assert!(line(None, "-s").is_err() && line(None, "''").is_err());
    }
}
