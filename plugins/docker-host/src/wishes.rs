//! What the operator wants of the recipe `docker`.

use dfab_sdk::recipe::{Argument, Error, Facts};

/// Where an engine comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The packages of the distribution.
    Distribution,
    /// Those of download.docker.com.
    DockerCom,
}

/// The arguments, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// Where a missing engine comes from, if that was said.
    pub source: Option<Source>,
    /// Who may use the engine.
    pub members: Vec<String>,
}

impl Wishes {
    /// Reads the arguments.
    ///
    /// # Errors
    /// Where they contradict each other.
    pub fn read(arguments: &[Argument], facts: &Facts) -> Result<Self, Error> {
        let source = match dfab_sdk::argument(arguments, "source") {
            None => None,
            Some("distribution") => Some(Source::Distribution),
            Some("docker.com") => Some(Source::DockerCom),
            Some(other) => return Err(Error::Invalid(format!("there is no source {other}"))),
        };
        let mut members: Vec<_> = dfab_sdk::arguments(arguments, "group-member")
            .map(str::to_owned)
            .collect();
        let nobody = dfab_sdk::flag(arguments, "skip-group-assignment");
        if nobody && !members.is_empty() {
            return Err(Error::Invalid(
                "--group-member and --skip-group-assignment contradict each other".to_owned(),
            ));
        }
        if members.is_empty() && !nobody && facts.user != "root" {
            members.push(facts.user.clone());
        }
        Ok(Self { source, members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(arguments: &[(&str, &str)], user: &str) -> Result<Vec<String>, Error> {
        let facts = Facts {
            os_id: String::new(),
            os_like: Vec::new(),
            os_version: String::new(),
            os_codename: String::new(),
            arch: String::new(),
            kernel: String::new(),
            user: user.to_owned(),
            groups: Vec::new(),
            can_become_root: true,
            commands: Vec::new(),
        };
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let arguments: Vec<_> = arguments.iter().map(owned).collect();
        Wishes::read(&arguments, &facts).map(|wishes| wishes.members)
    }

    #[test]
    fn the_connections_user_gets_into_the_group_unless_others_or_nobody_shall() {
        let skip = ("skip-group-assignment", "true");
        assert_eq!(members(&[], "ann").unwrap(), ["ann"]);
        assert_eq!(members(&[], "root").unwrap(), [""; 0]);
        assert_eq!(members(&[skip], "ann").unwrap(), [""; 0]);
        let both = [("group-member", "bob"), ("group-member", "eve")];
        assert_eq!(members(&both, "ann").unwrap(), ["bob", "eve"]);
        assert!(members(&[both[0], skip], "ann").is_err());
    }
}
