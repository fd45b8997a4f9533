//! `%h` and the other tokens of ssh_config(5), section TOKENS, `${NAME}` and `~`.

use std::path::PathBuf;

/// What tokens stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens {
    /// `%n`: the host as it was named.
    pub(crate) name: String,
    /// `%h`: the host to connect to.
    pub(crate) host: String,
    /// `%p`
    pub(crate) port: u16,
    /// `%r`: the user on the host.
    pub(crate) user: String,
    /// `%k`: the name under which keys of the host are known.
    pub(crate) key_alias: Option<String>,
    /// `%j`: the way there through other hosts, as it is written.
    pub(crate) jump: String,
}

/// Why a value could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is no such token, or dfab does not know it.
    #[error("the token %{0} is not known here")]
    Token(char),
    /// The value ends with a lone `%`.
    #[error("a % at the end; write %%")]
    End,
    /// A variable of the environment is not set.
    #[error("${{{0}}} is not set")]
    Variable(String),
    /// A brace is open.
    #[error("${{ is not closed")]
    Brace,
}

impl Tokens {
    /// Replaces the tokens that `allowed` names; `%%` always.
    pub(crate) fn expand(&self, text: &str, allowed: &str) -> Result<String, TokenError> {
        let mut out = String::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                out.push(character);
                continue;
            }
            let token = characters.next().ok_or(TokenError::End)?;
            if token == '%' {
                out.push('%');
                continue;
            }
            if !allowed.contains(token) {
                return Err(TokenError::Token(token));
            }
            match token {
                'h' => out.push_str(&self.host),
                'n' => out.push_str(&self.name),
                'p' => out.push_str(&self.port.to_string()),
                'r' => out.push_str(&self.user),
                'k' => out.push_str(self.key_alias.as_ref().unwrap_or(&self.name)),
                'j' => out.push_str(&self.jump),
                'd' => out.push_str(
                    &home().map_or_else(String::new, |home| home.to_string_lossy().into_owned()),
                ),
                'u' => out.push_str(&local_user().unwrap_or_default()),
                'i' => out.push_str(&rustix::process::getuid().as_raw().to_string()),
                'l' => out.push_str(&local_host()),
                'L' => out.push_str(local_host().split('.').next().unwrap_or_default()),
                other => return Err(TokenError::Token(other)),
            }
        }
        Ok(out)
    }

    /// A path: `~` first, then `${NAME}` and all tokens.
    pub(crate) fn path(&self, text: &str) -> Result<PathBuf, TokenError> {
        let text = variables(&tilde(text))?;
        self.expand(&text, "dhijkLlnpru").map(PathBuf::from)
    }
}

/// Replaces `~/` at the front by the home folder.
pub(crate) fn tilde(text: &str) -> String {
    match (text.strip_prefix("~/"), home()) {
        (Some(rest), Some(home)) => home.join(rest).to_string_lossy().into_owned(),
        _ => text.to_owned(),
    }
}

/// Replaces `${NAME}`.
fn variables(text: &str) -> Result<String, TokenError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or(TokenError::Brace)?;
        out.push_str(before);
        out.push_str(&std::env::var(name).map_err(|_| TokenError::Variable(name.to_owned()))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The home folder.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

/// The user of this process.
pub(crate) fn local_user() -> Option<String> {
    ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|user| !user.is_empty())
        .or_else(|| {
            let number = rustix::process::getuid().as_raw().to_string();
            let users = std::fs::read_to_string("/etc/passwd").ok()?;
            users.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                (fields.nth(1)? == number).then(|| name.to_owned())
            })
        })
}

fn local_host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_replaced_and_others_refused() {
        let tokens = Tokens {
            name: "web1".into(),
            host: "10.0.0.7".into(),
            port: 2222,
            user: "me".into(),
            ..Tokens::default()
        };
        assert_eq!(
            tokens.expand("%n %h:%p %r%%", "nhpr").as_deref(),
            Ok("web1 10.0.0.7:2222 me%")
        );
        assert_eq!(tokens.expand("%h", "n"), Err(TokenError::Token('h')));
        assert_eq!(tokens.expand("100%", "n"), Err(TokenError::End));
        assert_eq!(tokens.path("/k/%k"), Ok(PathBuf::from("/k/web1")));
        assert!(matches!(
            tokens.path("/${SURELY_NOT_SET}/x"),
            Err(TokenError::Variable(_))
        ));
    }
}
