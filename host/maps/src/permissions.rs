//! Permissions as `chmod` takes them: `750`, `u=rwX,g=rX,o=`.
//!
//! A parsed value applies to any mode; parsing refuses everything that `chmod` would not take
//! (POSIX.1-2017, chmod, "Extended description").

use std::str::FromStr;

/// A mode, or a change of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions(Change);

impl Permissions {
    /// The mode that follows from the current one. Both hold the twelve lower bits: permissions,
    /// and set-user, set-group and sticky.
    #[must_use]
    pub fn apply(&self, current: u32, is_directory: bool) -> u32 {
        match &self.0 {
            Change::Mode(mode) => *mode,
            Change::Clauses(clauses) => clauses.iter().fold(current & ALL, |mode, clause| {
                clause.apply(mode, is_directory)
            }),
        }
    }
}

impl FromStr for Permissions {
    type Err = PermissionsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| PermissionsError {
            text: text.to_owned(),
            reason,
        };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= ALL);
            return mode
                .map(|mode| Self(Change::Mode(mode)))
                .ok_or_else(|| refuse("a number is octal, up to 7777"));
        }
        let mut clauses = Vec::new();
        for clause in text.split(',') {
            parse_clause(clause, &mut clauses).map_err(refuse)?;
        }
        Ok(Self(Change::Clauses(clauses)))
    }
}

/// The text is no mode and no change of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a permission such as 750 or u=rwX,g=rX,o=: {reason}")]
pub struct PermissionsError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

const ALL: u32 = 0o7777;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Mode(u32),
    Clauses(Vec<Clause>),
}

/// One action for some classes, such as `g=rX`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Clause {
    /// The bits of user, group and others that the clause may touch.
    user: bool,
    group: bool,
    others: bool,
    operator: char,
    /// `rwx` as 4, 2, 1.
    bits: u32,
    /// `X`: execute for directories, and where somebody may execute already.
    execute_if_any: bool,
    set_id: bool,
    sticky: bool,
    /// The class whose bits are copied, as in `g=u`.
    copy: Option<u32>,
}

impl Clause {
    fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        let mut bits = self.copy.map_or(self.bits, |shift| mode >> shift & 7);
        if self.execute_if_any && (is_directory || mode & 0o111 != 0) {
            bits |= 1;
        }
        let mut given = 0;
        let mut touched = 0;
        for (selected, shift, set_id) in [
            (self.user, 6, 0o4000),
            (self.group, 3, 0o2000),
            (self.others, 0, 0),
        ] {
            if selected {
                given |= bits << shift;
                touched |= 7 << shift;
                // Only a bit that is named is taken from a directory, as GNU's chmod does.
                if !is_directory {
                    touched |= set_id;
                }
                if self.set_id {
                    given |= set_id;
                }
            }
        }
        if self.sticky {
            given |= 0o1000;
        }
        match self.operator {
            '+' => mode | given,
            '-' => mode & !given,
            _ => mode & !touched | given,
        }
    }
}

fn parse_clause(clause: &str, clauses: &mut Vec<Clause>) -> Result<(), &'static str> {
    const OPERATORS: [char; 3] = ['+', '-', '='];
    let at = clause
        .find(OPERATORS)
        .ok_or("a part has none of `+`, `-` and `=`")?;
    let (classes, mut actions) = clause.split_at(at);
    let (mut user, mut group, mut others) = (false, false, false);
    for class in classes.chars() {
        match class {
            'u' => user = true,
            'g' => group = true,
            'o' => others = true,
            'a' => (user, group, others) = (true, true, true),
            _ => return Err("classes are `u`, `g`, `o` and `a`"),
        }
    }
    if classes.is_empty() {
        (user, group, others) = (true, true, true);
    }
    while let Some(operator) = actions.chars().next() {
        let rest = actions.get(1..).unwrap_or_default();
        let end = rest.find(OPERATORS).unwrap_or(rest.len());
        let (permissions, next) = rest.split_at(end);
        actions = next;
        let mut parsed = Clause {
            user,
            group,
            others,
            operator,
            bits: 0,
            execute_if_any: false,
            set_id: false,
            sticky: false,
            copy: None,
        };
        match permissions {
            "u" => parsed.copy = Some(6),
            "g" => parsed.copy = Some(3),
            "o" => parsed.copy = Some(0),
            _ => {
                for permission in permissions.chars() {
                    match permission {
                        'r' => parsed.bits |= 4,
                        'w' => parsed.bits |= 2,
                        'x' => parsed.bits |= 1,
                        'X' => parsed.execute_if_any = true,
                        's' => parsed.set_id = true,
                        't' => parsed.sticky = true,
                        _ => return Err("permissions are `r`, `w`, `x`, `X`, `s` and `t`"),
                    }
                }
            }
        }
        clauses.push(parsed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(text: &str, current: u32, is_directory: bool) -> u32 {
        text.parse::<Permissions>()
            .unwrap()
            .apply(current, is_directory)
    }

    /// The expected values are what GNU's `chmod` 9.1 makes of a directory and of a file.
    #[test]
    fn changes_apply_as_chmod_applies_them() {
        for (text, current, directory, file) in [
            ("750", 0o777, 0o750, 0o750),
            ("0644", 0o777, 0o644, 0o644),
            ("2770", 0o755, 0o2770, 0o2770),
            ("u=rwX,g=rX,o=", 0o644, 0o750, 0o640),
            ("u=rwX,g=rX,o=", 0o755, 0o750, 0o750),
            ("a+x", 0o640, 0o751, 0o751),
            ("+r", 0o300, 0o744, 0o744),
            ("go-rwx", 0o777, 0o700, 0o700),
            ("g=u", 0o740, 0o770, 0o770),
            ("u=rw,go=r", 0o777, 0o644, 0o644),
            ("g+s", 0o755, 0o2755, 0o2755),
            ("+t", 0o777, 0o1777, 0o1777),
            ("u+r-w", 0o300, 0o500, 0o500),
            ("o=", 0o777, 0o770, 0o770),
        ] {
            assert_eq!(
                applied(text, current, true),
                directory,
                "{text} on a directory"
            );
            assert_eq!(applied(text, current, false), file, "{text} on a file");
        }
        assert_eq!(
            applied("g=rx", 0o2770, true),
            0o2750,
            "a directory keeps its set-group bit"
        );
        assert_eq!(applied("g=rx", 0o2770, false), 0o750);
    }

    #[test]
    fn what_chmod_refuses_is_refused() {
        for text in [
            "", "8", "77777", "u", "rwx", "u=rwx,", "z=r", "u=q", "u=gr", "-1",
        ] {
            assert!(text.parse::<Permissions>().is_err(), "{text}");
        }
    }
}
