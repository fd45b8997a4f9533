//! The ways in which bytes reach a Docker Engine.
//!
//! A kind is only a name; what a kind needs to open a channel is in [`crate::connector`].

use std::fmt;
use std::str::FromStr;

/// A way to reach the Engine's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChannelKind {
    /// The Unix socket of this machine.
    Local,
    /// A channel that sshd forwards to the Engine's socket (`direct-streamlocal@openssh.com`).
    StreamLocal,
    /// `socat` on the host, run over SSH.
    Socat,
    /// `docker system dial-stdio` on the host, run over SSH.
    DialStdio,
    /// The Engine's TCP port, directly or forwarded by sshd.
    Tcp,
}

impl ChannelKind {
    /// Every kind, in the order in which they are tried.
    pub const ALL: [Self; 5] = [
        Self::Local,
        Self::StreamLocal,
        Self::Socat,
        Self::DialStdio,
        Self::Tcp,
    ];

    /// The name that users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::StreamLocal => "stream-local",
            Self::Socat => "socat",
            Self::DialStdio => "dial-stdio",
            Self::Tcp => "tcp",
        }
    }

    /// Whether each channel is a process on the host, which counts against sshd's `MaxSessions`.
    #[must_use]
    pub const fn is_process(self) -> bool {
        matches!(self, Self::Socat | Self::DialStdio)
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for ChannelKind {
    type Err = UnknownChannelKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownChannelKind {
                name: name.to_owned(),
            })
    }
}

/// The name is not that of a channel kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a kind of channel: choose local, stream-local, socat, dial-stdio or tcp")]
pub struct UnknownChannelKind {
    /// What was given.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for kind in ChannelKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!(
            "ssh"
                .parse::<ChannelKind>()
                .unwrap_err()
                .to_string()
                .contains("dial-stdio")
        );
    }
}
