//! What the programs on a host are called that carry channels to its engine.

use std::fmt;
use std::sync::Arc;

use dfab_ssh::quoted;

use crate::connect::DEFAULT_SOCKET;

/// How `socat` and `docker` are called on a host.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The name or path of socat.
    pub socat: String,
    /// The name or path of the docker client.
    pub docker: String,
    /// What goes before the docker client, as it stands in a command line: variables, or a program
    /// that runs another.
    pub docker_prefix: Option<String>,
    /// Whether the docker client wants `sudo -n` at once, rather than where the socket is refused.
    pub docker_sudo: bool,
    /// Is told each command line of socat before it is run.
    pub on_socat: Option<CommandNotice>,
}

impl Default for Programs {
    fn default() -> Self {
        Self {
            socat: "socat".to_owned(),
            docker: "docker".to_owned(),
            docker_prefix: None,
            docker_sudo: false,
            on_socat: None,
        }
    }
}

/// Somebody who wants to know of commands on the host.
#[derive(Clone)]
pub struct CommandNotice(Arc<dyn Fn(&str) + Send + Sync>);

impl CommandNotice {
    /// The function is called with each command line; it should not wait.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, command: &str) {
        (self.0)(command);
    }
}

impl fmt::Debug for CommandNotice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CommandNotice")
    }
}

impl Programs {
    /// socat between its standard streams and the socket. With `linger` it waits so many seconds for
    /// the engine's last words once nothing more goes to the engine; by itself half a second.
    pub(crate) fn socat_command(&self, socket: &str, linger: Option<u32>) -> String {
        let mut command = quoted(&self.socat);
        if let Some(seconds) = linger {
            command.push_str(&format!(" -t {seconds}"));
        }
        let address = format!("UNIX-CONNECT:{}", escaped_for_socat(socket));
        command.push_str(" STDIO ");
        command.push_str(&quoted(&address));
        command
    }

    /// The docker client between its standard streams and the socket.
    pub(crate) fn dial_stdio_command(&self, socket: &str, sudo: bool) -> String {
        let mut command = String::new();
        if let Some(prefix) = &self.docker_prefix {
            command.push_str(prefix);
            command.push(' ');
        }
        if sudo {
            command.push_str("sudo -n ");
        }
        command.push_str(&quoted(&self.docker));
        if socket != DEFAULT_SOCKET {
            command.push_str(" -H ");
            command.push_str(&quoted(&format!("unix://{socket}")));
        }
        command.push_str(" system dial-stdio");
        command
    }
}

/// socat gives a meaning to most punctuation in an address.
fn escaped_for_socat(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for character in path.chars() {
        if !character.is_alphanumeric() && !matches!(character, '/' | '.' | '-' | '_') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_socat() {
        assert_eq!(
            escaped_for_socat("/run/a b,c:d.sock"),
            r"/run/a\ b\,c\:d.sock"
        );
    }

    #[test]
    fn programs_are_called_as_they_are_named() {
        let mut programs = Programs::default();
        assert_eq!(
            programs.socat_command("/run/x.sock", None),
            "socat STDIO 'UNIX-CONNECT:/run/x.sock'"
        );
        assert_eq!(
            programs.dial_stdio_command(DEFAULT_SOCKET, true),
            "sudo -n docker system dial-stdio"
        );
        programs.socat = "/opt/my tools/socat; rm".to_owned();
        programs.docker = "/opt/docker".to_owned();
        programs.docker_prefix = Some("DOCKER_CONFIG=/x nice".to_owned());
        assert_eq!(
            programs.socat_command("/x", Some(60)),
            "'/opt/my tools/socat; rm' -t 60 STDIO 'UNIX-CONNECT:/x'"
        );
        assert_eq!(
            programs.dial_stdio_command("/x", false),
            "DOCKER_CONFIG=/x nice /opt/docker -H 'unix:///x' system dial-stdio"
        );
    }
}
