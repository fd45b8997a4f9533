//! Paths of the operator's machine as components name them: one plain form, used for the check and for
//! opening, so that what is checked is what is opened.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How long a path may be, in bytes.
const LIMIT: usize = 4096;

/// A file or folder of the operator's machine that a component names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPath {
    /// What it is below of.
    pub root: LocalRoot,
    /// The rest of the way: names, none of them `.` or `..`. Empty for the root itself.
    pub below: PathBuf,
}

/// Where a local path begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalRoot {
    /// A path that the operator gave to this call, as it was typed.
    Given(PathBuf),
    /// The folder of the project.
    Project,
}

/// A folder of the project, for which a grant holds, or one path in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectPath(Vec<String>);

/// Why a text is no path in the project.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no path in the project: {reason}")]
pub struct LocalPathError {
    path: String,
    reason: &'static str,
}

impl LocalPath {
    /// What is meant by a text: a path that the operator gave, what is below it, or a path in the project.
    ///
    /// # Errors
    /// Where it is none of these.
    pub(crate) fn new(text: &str, given: &[String]) -> Result<Self, LocalPathError> {
        let below_given = |given: &String| {
            let rest = text.strip_prefix(given.as_str())?;
            let below = match rest {
                "" => ProjectPath(Vec::new()),
                rest if rest.starts_with('/') || given.ends_with('/') => {
                    rest.trim_start_matches('/').parse().ok()?
                }
                _ => return None,
            };
            Some(Self {
                root: LocalRoot::Given(PathBuf::from(given)),
                below: below.path(),
            })
        };
        let mut given = given.iter().filter(|given| !given.is_empty());
        if let Some(path) = given.find_map(below_given) {
            return Ok(path);
        }
        let path: ProjectPath = text.parse()?;
        Ok(Self {
            root: LocalRoot::Project,
            below: path.path(),
        })
    }
}

impl ProjectPath {
    /// Whether a path of the project is this one, or below it.
    pub fn covers(&self, path: &Path) -> bool {
        path.starts_with(self.path())
    }

    fn path(&self) -> PathBuf {
        self.0.iter().collect()
    }
}

impl FromStr for ProjectPath {
    type Err = LocalPathError;

    fn from_str(text: &str) -> Result<Self, LocalPathError> {
        let refuse = |reason| {
            Err(LocalPathError {
                path: crate::text::shown(text),
                reason,
            })
        };
        if text == "." {
            return Ok(Self(Vec::new()));
        }
        if text.len() > LIMIT {
            return refuse("it is too long");
        }
        if text.starts_with('/') {
            return refuse("it is absolute, and the operator did not give it");
        }
        if text.chars().any(char::is_control) {
            return refuse("it holds a control character");
        }
        let text = text.strip_suffix('/').unwrap_or(text);
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" => return refuse("it has an empty part"),
                "." | ".." => return refuse("it has a part that is `.` or `..`"),
                part => parts.push(part.to_owned()),
            }
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        f.write_str(&self.0.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn project(text: &str) -> Option<PathBuf> {
        let path = LocalPath::new(text, &[]).ok()?;
        (path.root == LocalRoot::Project).then_some(path.below)
    }

    #[test]
    fn a_path_in_the_project_is_made_of_names() {
        assert_eq!(project("backups/a.tar"), Some("backups/a.tar".into()));
        assert_eq!(project("backups/"), Some("backups".into()));
        assert_eq!(project("."), Some(PathBuf::new()));
        for path in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/./b",
            "./a",
            "a//b",
            "a\0b",
            "a\nb",
        ] {
            assert_eq!(project(path), None, "{path:?}");
        }
    }

    #[test]
    fn what_the_operator_gave_goes_first_with_all_below_it() {
        let given = ["/srv/out".to_owned(), "../in/".to_owned(), "a".to_owned()];
        let path = |text: &str| LocalPath::new(text, &given);
        let of = |root: &str, below: &str| {
            Ok(LocalPath {
                root: LocalRoot::Given(root.into()),
                below: below.into(),
            })
        };
        assert_eq!(path("/srv/out"), of("/srv/out", ""));
        assert_eq!(path("/srv/out/a/b"), of("/srv/out", "a/b"));
        assert_eq!(path("../in/"), of("../in/", ""));
        assert_eq!(path("../in/x"), of("../in/", "x"));
        assert_eq!(path("a/b"), of("a", "b"));
        for other in ["/srv/outer", "/srv", "/srv/out/../x", "../in", "../in/../y"] {
            assert!(path(other).is_err(), "{other}");
        }
        let project = path("ab").map(|path| path.root);
        assert_eq!(project, Ok(LocalRoot::Project));
    }

    #[test]
    fn a_folder_covers_what_is_in_it_by_whole_names() {
        let folder: ProjectPath = "backups/daily".parse().expect("a folder");
        for (path, covered) in [
            ("backups/daily", true),
            ("backups/daily/a", true),
            ("backups/dailyx", false),
            ("backups", false),
        ] {
            assert_eq!(folder.covers(Path::new(path)), covered, "{path}");
        }
        let everything: ProjectPath = ".".parse().expect("a folder");
        assert!(everything.covers(Path::new("a/b")));
    }

    proptest! {
        #[test]
        fn no_text_leads_out_of_the_project(text in "[a./\\\\ ]{0,12}") {
            if let Some(path) = project(&text) {
                let plain = |part| matches!(part, std::path::Component::Normal(_));
                prop_assert!(path.components().all(plain), "{path:?}");
            }
        }
    }
}
