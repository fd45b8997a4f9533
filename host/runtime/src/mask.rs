//! Secrets, taken out of what is written down about a call. Nobody can know every secret: what is
//! given as one is taken out, by the name of an option, a variable, a header or a field.

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Programs whose `-p` is a password.
const ASK_WITH_P: [&str; 6] = [
    "mysql",
    "mysqldump",
    "mysqladmin",
    "mariadb",
    "mariadb-dump",
    "sshpass",
];

/// A command line, as it is but for secrets.
pub(crate) fn line(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut masking = Masking::default();
    for piece in pieces(line) {
        match piece {
            Piece::Space(space) => masked.push_str(space),
            Piece::Word(word) => masked.push_str(&masking.word(word)),
        }
    }
    masked
}

/// The words of a command, as a line.
pub(crate) fn words(words: &[String]) -> String {
    line(&shell_words::join(words))
}

/// Which words of a command are secrets, or hold one.
pub(crate) fn are_secret(words: &[String]) -> Vec<bool> {
    let mut masking = Masking::default();
    let is_secret = |word: &String| {
        let quoted = shell_words::quote(word);
        masking.word(&quoted) != *quoted
    };
    words.iter().map(is_secret).collect()
}

/// A path with a query.
pub(crate) fn query(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return target.to_owned();
    };
    let fields = query
        .split('&')
        .map(|field| match field.split_once('=') {
            Some((name, _)) if is_secret(name) || holds_variables(name) => {
                format!("{name}={MASK}")
            }
            _ => field.to_owned(),
        })
        .collect::<Vec<_>>();
    format!("{path}?{}", fields.join("&"))
}

/// Whether something of that name is a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    let name = name.replace('-', "_");
    [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "credential",
        "apikey",
        "api_key",
        "private_key",
        "access_key",
        "authorization",
    ]
    .iter()
    .any(|part| name.contains(part))
        || ["pass", "pwd", "auth"].contains(&name.as_str())
        || ["_pass", "_pwd", "_auth"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Fields of the Engine API that hold variables, or lines with them.
fn holds_variables(field: &str) -> bool {
    ["buildargs", "changes", "authconfig"].contains(&field.to_ascii_lowercase().as_str())
}

#[derive(Default)]
struct Masking {
    /// The next word is a secret.
    next: bool,
    /// `-p` is a password, since such a program runs or something logs in.
    is_p_secret: bool,
}

impl Masking {
    fn word(&mut self, word: &str) -> String {
        let bare: String = word
            .chars()
            .filter(|c| !matches!(c, '\'' | '"' | '\\'))
            .collect();
        if std::mem::take(&mut self.next) {
            // `Authorization: Bearer ...`: the kind stands between.
            self.next = is_scheme(&bare);
            return if self.next {
                word.to_owned()
            } else {
                MASK.to_owned()
            };
        }
        let program = bare.rsplit('/').next().unwrap_or_default();
        self.is_p_secret |= ASK_WITH_P.contains(&program) || bare == "login";
        if self.is_p_secret && bare.starts_with("-p") && !bare.starts_with("--") {
            self.next = bare == "-p";
            return if self.next {
                word.to_owned()
            } else {
                format!("-p{MASK}")
            };
        }
        if let Some(at) = header(&bare) {
            let name = bare.get(..at).unwrap_or_default();
            self.next = bare.len() == at;
            return if self.next {
                word.to_owned()
            } else {
                format!("'{name} {MASK}'")
            };
        }
        if let Some((name, _)) = bare.split_once('=') {
            let variable = name
                .strip_prefix("--env")
                .or_else(|| name.strip_prefix("-e"))
                .filter(|rest| rest.is_empty());
            if variable.is_some() {
                let field = bare.split('=').take(2).collect::<Vec<_>>().join("=");
                return format!("{field}={MASK}");
            }
            if is_secret(name) || is_variable(name) {
                return format!("{name}={MASK}");
            }
        } else if bare.starts_with('-') && is_secret(&bare) || is_scheme(&bare) {
            self.next = true;
        }
        without_login(word)
    }
}

/// Where a header that proves who somebody is ends before its value.
fn header(word: &str) -> Option<usize> {
    let at = word.find(':')?;
    let name = word.get(..at)?;
    let is_name = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    (is_name && (is_secret(name) || name.eq_ignore_ascii_case("cookie"))).then_some(at + 1)
}

fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

/// Names of variables of an environment are in capitals.
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// A word in which a URL has no password.
fn without_login(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else {
        return word.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((login, server)) => {
            let user = login.split(':').next().unwrap_or_default();
            let login = if login.contains(':') {
                format!("{user}:{MASK}")
            } else {
                MASK.to_owned()
            };
            format!("{scheme}://{login}@{server}{path}")
        }
        None => word.to_owned(),
    }
}

enum Piece<'a> {
    Space(&'a str),
    Word(&'a str),
}

/// The words of a line with their quotes, and what is between them.
fn pieces(line: &str) -> Vec<Piece<'_>> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')');
    let mut pieces = Vec::new();
    let (mut start, mut quote, mut escaped, mut in_word) = (0, None, false, false);
    for (at, character) in line.char_indices() {
        let between = quote.is_none() && !escaped && is_between(character);
        if between == in_word && at > start {
            let piece = line.get(start..at).unwrap_or_default();
            pieces.push(if in_word {
                Piece::Word(piece)
            } else {
                Piece::Space(piece)
            });
            start = at;
        }
        in_word = !between;
        let was_escaped = std::mem::take(&mut escaped);
        match (quote, character) {
            (_, _) if was_escaped => {}
            (None | Some('"'), '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    let last = line.get(start..).unwrap_or_default();
    pieces.push(if in_word {
        Piece::Word(last)
    } else {
        Piece::Space(last)
    });
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_as_a_secret_is_taken_out_of_a_line() {
        for (given, masked) in [
            ("uptime", "uptime"),
            ("", ""),
            ("ls -l /srv; echo  done", "ls -l /srv; echo  done"),
            ("tool --password geheim -v", "tool --password *** -v"),
            ("tool --password=geheim -v", "tool --password=*** -v"),
            ("tool --password='ge heim' -v", "tool --password=*** -v"),
            (
                "tool \"--db-password\" 'ge heim'",
                "tool \"--db-password\" ***",
            ),
            ("A_TOKEN=x B=geheim run", "A_TOKEN=*** B=*** run"),
            (
                "docker run -e A=geheim --env=B=geheim app",
                "docker run -e A=*** --env=B=*** app",
            ),
            (
                "docker login -u ann -p geheim r",
                "docker login -u ann -p *** r",
            ),
            ("mysql -pgeheim db", "mysql -p*** db"),
            ("ssh -p 22 host", "ssh -p 22 host"),
            ("docker run -p 80:80 app", "docker run -p 80:80 app"),
            (
                "curl -H 'Authorization: Bearer geheim' u",
                "curl -H 'Authorization: ***' u",
            ),
            (
                "curl -H Authorization: Bearer geheim",
                "curl -H Authorization: Bearer ***",
            ),
            (
                "curl https://ann:geheim@example.com/x",
                "curl https://ann:***@example.com/x",
            ),
            (
                "curl https://geheim@example.com",
                "curl https://***@example.com",
            ),
            ("(tool --token geheim)&&x", "(tool --token ***)&&x"),
            ("tool --pass\\word geheim", "tool --pass\\word ***"),
            ("grep author /etc/x", "grep author /etc/x"),
        ] {
            assert_eq!(line(given), masked);
        }
    }

    #[test]
    fn what_a_query_gives_as_a_secret_is_taken_out() {
        for (given, masked) in [
            ("/containers/web/pause", "/containers/web/pause"),
            ("/x?all=1&token=geheim", "/x?all=1&token=***"),
            ("/build?buildargs=%7B%7D&t=a", "/build?buildargs=***&t=a"),
        ] {
            assert_eq!(query(given), masked);
        }
    }
}
