//! A host as an operator names it: `web1`, `root@10.0.0.7:2222`, `ssh://root@web1`, `[::1]:22`.

use std::fmt;
use std::str::FromStr;

/// Whom to connect to, before OpenSSH's configuration has its say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The user, if one was named.
    pub user: Option<String>,
    /// An alias, a name or an address.
    pub host: String,
    /// The port, if one was named.
    pub port: Option<u16>,
}

/// Why a text is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no SSH destination: {reason}; write USER@HOST:PORT, user and port are optional"
)]
pub struct DestinationError {
    text: String,
    reason: &'static str,
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| DestinationError {
            text: text.to_owned(),
            reason,
        };
        let rest = text.strip_prefix("ssh://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, rest) = match rest.rsplit_once('@') {
            Some(("", _)) => return Err(wrong("the user is empty")),
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, rest),
        };
        let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
            let (host, after) = inner
                .split_once(']')
                .ok_or_else(|| wrong("the bracket is not closed"))?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(wrong("only a port may follow the bracket")),
            }
        } else {
            match rest.split_once(':') {
                // More than one colon: an IPv6 address without brackets.
                Some((_, port)) if port.contains(':') => (rest, None),
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            }
        };
        if host.is_empty() {
            return Err(wrong("the host is empty"));
        }
        // The OpenSSH client would take it for an option.
        if host.starts_with('-') || user.as_deref().is_some_and(|user| user.starts_with('-')) {
            return Err(wrong("a name must not start with a hyphen"));
        }
        let odd =
            |c: char| c.is_whitespace() || c.is_control() || "/\\\"'`$;&|<>(){}*?!".contains(c);
        if host.contains(odd) || user.as_deref().is_some_and(|user| user.contains(odd)) {
            return Err(wrong("it has a character that no host or user name has"));
        }
        let port = match port {
            None => None,
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err(wrong("the port is no number from 1 to 65535")),
                Ok(port) => Some(port),
            },
        };
        Ok(Self {
            user,
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match (&self.host, self.port) {
            (host, Some(port)) if host.contains(':') => write!(f, "[{host}]:{port}"),
            (host, Some(port)) => write!(f, "{host}:{port}"),
            (host, None) => f.write_str(host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_read_and_written() {
        for (text, user, host, port) in [
            ("web1", None, "web1", None),
            ("root@10.0.0.7:2222", Some("root"), "10.0.0.7", Some(2222)),
            ("ssh://u@h:1/", Some("u"), "h", Some(1)),
            ("[::1]:22", None, "::1", Some(22)),
            ("fe80::1", None, "fe80::1", None),
            ("a@b@host", Some("a@b"), "host", None),
        ] {
            let destination: Destination = text.parse().unwrap();
            assert_eq!(destination.user.as_deref(), user, "{text}");
            assert_eq!(destination.host, host, "{text}");
            assert_eq!(destination.port, port, "{text}");
            assert_eq!(destination.to_string().parse(), Ok(destination));
        }
        for text in [
            "",
            "@h",
            "u@",
            "h:0",
            "h:x",
            "-oProxyCommand=x",
            "[::1",
            "a b",
            "h;id",
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }
}
