//! Words of a command line that stand where others are wanted.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// Where a command begins that lacks its `--`, after a host: it would be taken for hosts that nobody
/// reaches, while the tunnel waits for its end.
pub(super) fn command(
    words: &[&str],
    has_host: bool,
    is_host: &dyn Fn(&str) -> bool,
    is_program: &dyn Fn(&str) -> bool,
) -> Option<usize> {
    let first = usize::from(!has_host);
    let mut rest = words.iter().enumerate().skip(first);
    let found = rest.find(|(_, word)| is_program(word) && !is_host(word));
    found.map(|(at, _)| at)
}

/// Whether a shell would find a program of that name.
pub(super) fn is_program(name: &str) -> bool {
    let is_executable = |file: PathBuf| {
        std::fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return is_executable(PathBuf::from(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| is_executable(folder.join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_among_hosts_is_seen() {
        let is_host = |word: &str| word == "docker2";
        let is_program = |word: &str| word.starts_with("docker");
        let at = |line: &str, has_host| {
            let words: Vec<&str> = line.split(' ').collect();
            command(&words, has_host, &is_host, &is_program)
        };
        assert_eq!(at("h1 docker ps", false), Some(1));
        assert_eq!(at("h1 h2 docker", false), Some(2));
        assert_eq!(at("docker ps", true), Some(0));
        // A host may be called as a program is.
        assert_eq!(at("docker h2", false), None);
        assert_eq!(at("h1 docker2", false), None);
    }
}
