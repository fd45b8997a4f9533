//! Paths of a host as grants see them: one plain form, used for the check and for the copy itself.

use std::fmt;
use std::str::FromStr;

/// How long a path may be, in bytes.
const LIMIT: usize = 4096;

/// A file of a host: an absolute path of names, none of them `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemotePath(Vec<String>);

/// Which files a grant covers, such as `/var/log/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemotePattern(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    One,
    Rest,
}

/// Why a text is no path of a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no file of a host: {reason}")]
pub struct RemotePathError {
    path: String,
    reason: &'static str,
}

impl RemotePath {
    /// The folder that it is in.
    #[must_use]
    pub fn folder(&self) -> String {
        let names = self.0.split_last().map(|(_, folder)| folder);
        format!("/{}", names.unwrap_or_default().join("/"))
    }

    /// Its name there.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }
}

impl RemotePattern {
    /// The narrowest pattern that covers a path.
    pub(crate) fn covering(path: &RemotePath) -> Self {
        let segment = |name: &String| {
            if name.contains('*') {
                Segment::One
            } else {
                Segment::Literal(name.clone())
            }
        };
        Self(path.0.iter().map(segment).collect())
    }

    pub(crate) fn covers(&self, path: &RemotePath) -> bool {
        let mut rest = path.0.iter();
        for segment in &self.0 {
            match (segment, rest.next()) {
                (Segment::Rest, Some(_)) => return true,
                (Segment::One, Some(_)) => {}
                (Segment::Literal(literal), Some(name)) if literal == name => {}
                _ => return false,
            }
        }
        rest.next().is_none()
    }
}

impl FromStr for RemotePath {
    type Err = RemotePathError;

    fn from_str(text: &str) -> Result<Self, RemotePathError> {
        let names = names(text)?;
        Ok(Self(names.into_iter().map(str::to_owned).collect()))
    }
}

impl FromStr for RemotePattern {
    type Err = RemotePathError;

    fn from_str(text: &str) -> Result<Self, RemotePathError> {
        let names = names(text)?;
        let last = names.len() - 1;
        let segment = |(index, name): (usize, &str)| match name {
            "*" => Ok(Segment::One),
            "**" if index == last => Ok(Segment::Rest),
            other if other.contains('*') => Err(refused(
                text,
                "`*` stands for a whole name, and `**` for all that follow, at the end only",
            )),
            name => Ok(Segment::Literal(name.to_owned())),
        };
        let segments = names.into_iter().enumerate().map(segment);
        segments.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0.join("/"))
    }
}

impl fmt::Display for RemotePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            f.write_str("/")?;
            f.write_str(match segment {
                Segment::Literal(name) => name,
                Segment::One => "*",
                Segment::Rest => "**",
            })?;
        }
        Ok(())
    }
}

/// At least one.
fn names(text: &str) -> Result<Vec<&str>, RemotePathError> {
    if text.len() > LIMIT {
        return Err(refused(text, "it is too long"));
    }
    let Some(rest) = text.strip_prefix('/') else {
        return Err(refused(text, "it is not absolute"));
    };
    if text.chars().any(char::is_control) {
        return Err(refused(text, "it holds a control character"));
    }
    let names: Vec<&str> = rest.split('/').collect();
    for name in &names {
        match *name {
            "" => return Err(refused(text, "it has an empty part")),
            "." | ".." => return Err(refused(text, "it has a part that is `.` or `..`")),
            _ => {}
        }
    }
    Ok(names)
}

fn refused(text: &str, reason: &'static str) -> RemotePathError {
    RemotePathError {
        path: crate::text::shown(text),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_cover_whole_names() {
        for (pattern, path, covered) in [
            ("/var/log/*", "/var/log/syslog", true),
            ("/var/log/*", "/var/log/nginx/access", false),
            ("/var/log/*", "/var/log", false),
            ("/var/log/**", "/var/log/nginx/access", true),
            ("/var/log/**", "/var/log", false),
            ("/var/log/**", "/var/logs/x", false),
            ("/srv/*/config", "/srv/app/config", true),
            ("/srv/app", "/srv/app", true),
            ("/srv/app", "/srv/App", false),
            ("/**", "/etc/shadow", true),
        ] {
            let path: RemotePath = path.parse().expect("a path");
            let pattern: RemotePattern = pattern.parse().expect("a pattern");
            assert_eq!(pattern.covers(&path), covered, "{pattern}: {path}");
        }
    }

    #[test]
    fn refuses_what_leads_elsewhere() {
        for text in [
            "",
            "/",
            "etc/passwd",
            "~/x",
            "//etc",
            "/etc//x",
            "/etc/",
            "/etc/.",
            "/etc/../x",
            "/..",
            "/a\0b",
            "/a\nb",
        ] {
            assert!(text.parse::<RemotePath>().is_err(), "{text:?}");
            assert!(text.parse::<RemotePattern>().is_err(), "{text:?}");
        }
        for text in ["/a*", "/**/x", "/*.log"] {
            assert!(text.parse::<RemotePattern>().is_err(), "{text:?}");
        }
        assert!(
            format!("/{}", "x".repeat(LIMIT))
                .parse::<RemotePath>()
                .is_err()
        );
        let path: RemotePath = "/srv/app/file".parse().expect("a path");
        assert_eq!((path.folder().as_str(), path.name()), ("/srv/app", "file"));
        let path: RemotePath = "/file".parse().expect("a path");
        assert_eq!((path.folder().as_str(), path.name()), ("/", "file"));
    }

    proptest! {
        #[test]
        fn a_star_never_leaves_its_folder(name in "[a./*%~ ]{0,12}") {
            if let Ok(path) = format!("/srv/{name}/x").parse::<RemotePath>() {
                let pattern: RemotePattern = "/srv/*/x".parse().expect("a pattern");
                prop_assert_eq!(pattern.covers(&path), !name.contains('/'));
                prop_assert!(!path.to_string().contains("/../"));
            }
        }
    }
}
