//! The kinds of components, told apart by what they export, and what each kind may import.

use std::fmt;

/// What a component is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Acts at once, through host calls that were granted.
    Task,
    /// Decides what must happen to containers.
    Policy,
    /// Decides what must happen to a machine.
    Recipe,
}

/// Interfaces of the contract whose functions have effects on hosts, or tell of the project.
pub(crate) const DOCKER: &str = "dfab:docker/docker";
pub(crate) const SETTINGS: &str = "dfab:settings/settings";
pub(crate) const SSH: &str = "dfab:ssh/ssh";

/// Those that everybody may import: log lines, and types.
const HARMLESS: [&str; 3] = ["dfab:log/log", "dfab:types/types", "dfab:policy/planning"];

/// The version of every package of the contract that this dfab offers.
pub(crate) const CONTRACT: Version = Version {
    major: 0,
    minor: 1,
    patch: 0,
};

/// What of WASI is linked, with nothing in it: no files, no network, no environment.
pub(crate) const WASI: [&str; 6] = [
    "wasi:cli",
    "wasi:clocks",
    "wasi:filesystem",
    "wasi:io",
    "wasi:random",
    "wasi:sockets",
];

/// A name such as `dfab:ssh/ssh@0.1.0`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InterfaceName<'a> {
    /// `dfab:ssh/ssh`
    pub(crate) interface: &'a str,
    pub(crate) version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Task, Self::Policy, Self::Recipe];

    /// Whether the same question always has the same answer: it has no clock and no randomness.
    pub(crate) fn is_pure(self) -> bool {
        match self {
            Self::Task => false,
            Self::Policy | Self::Recipe => true,
        }
    }

    /// The interface whose export makes a component of this kind.
    pub(crate) fn export(self) -> &'static str {
        match self {
            Self::Task => "dfab:task/tasks",
            Self::Policy => "dfab:policy/policy",
            Self::Recipe => "dfab:recipe/recipe",
        }
    }

    /// The interfaces of the contract that a component of this kind may import.
    pub(crate) fn imports(self) -> &'static [&'static str] {
        match self {
            Self::Task => &["dfab:log/log", SETTINGS, SSH, DOCKER, "dfab:types/types"],
            Self::Policy => &["dfab:log/log", "dfab:types/types", "dfab:policy/planning"],
            Self::Recipe => &["dfab:log/log", "dfab:types/types"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Task => "task",
            Self::Policy => "policy",
            Self::Recipe => "recipe",
        })
    }
}

impl<'a> InterfaceName<'a> {
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let (interface, version) = name.split_once('@')?;
        Some(Self {
            interface,
            version: Version::parse(version)?,
        })
    }

    /// Whether a component that imports it must declare what for.
    pub(crate) fn needs_capability(&self) -> bool {
        !self.is_wasi() && !HARMLESS.contains(&self.interface)
    }

    /// Whether this is of the part of WASI that is linked.
    pub(crate) fn is_wasi(&self) -> bool {
        self.interface
            .split_once('/')
            .is_some_and(|(package, _)| WASI.contains(&package))
            && self.version.major == 0
            && self.version.minor == 2
    }
}

impl Version {
    /// Whether a linker may give a component made for `self` the contract of this dfab: the same
    /// major version and, below 1.0, the same minor version.
    pub(crate) fn fits_contract(self) -> bool {
        self.major == CONTRACT.major && (self.major > 0 || self.minor == CONTRACT.minor)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| part.parse::<u64>().ok());
        let version = Self {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next()??,
        };
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let name = InterfaceName::parse("dfab:ssh/ssh@0.1.2").expect("a name");
        assert_eq!(name.interface, "dfab:ssh/ssh");
        assert!(name.version.fits_contract() && name.version > CONTRACT);
        assert!(
            !InterfaceName::parse("dfab:ssh/ssh@0.2.0")
                .expect("a name")
                .version
                .fits_contract()
        );
        assert!(
            InterfaceName::parse("wasi:cli/exit@0.2.6")
                .expect("a name")
                .is_wasi()
        );
        assert!(
            !InterfaceName::parse("wasi:http/types@0.2.6")
                .expect("a name")
                .is_wasi()
        );
        assert_eq!(InterfaceName::parse("dfab:ssh/ssh@0.1.0-rc.1"), None);
        assert_eq!(InterfaceName::parse("free"), None);
    }
}
