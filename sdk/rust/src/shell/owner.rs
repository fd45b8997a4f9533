//! Users with groups.

use std::fmt;

use super::Word;

/// A user and a group, as `chown` takes them. A user alone goes with the group of the same name or
/// number.
///
/// ```
/// # use dfab_sdk::shell::Owner;
/// assert_eq!(Owner::from("app").to_string(), "app:app");
/// assert_eq!(Owner::from(2000).to_string(), "2000:2000");
/// assert_eq!(Owner::from("app:web").to_string(), "app:web");
/// assert_eq!(Owner::from(("app", "web")).to_string(), "app:web");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(String);

impl From<&str> for Owner {
    fn from(text: &str) -> Self {
        if text.contains(':') {
            Self(text.to_owned())
        } else {
            Self::from((text, text))
        }
    }
}

impl From<u32> for Owner {
    fn from(number: u32) -> Self {
        Self(format!("{number}:{number}"))
    }
}

impl<U: fmt::Display, G: fmt::Display> From<(U, G)> for Owner {
    fn from((user, group): (U, G)) -> Self {
        Self(format!("{user}:{group}"))
    }
}

impl From<&Owner> for Word {
    fn from(owner: &Owner) -> Self {
        Self::new(&owner.0)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
