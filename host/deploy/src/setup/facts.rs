//! What is known of a machine.

use dfab_runtime::recipe::Facts;

use super::script::{SAY, quote, sections};

/// Package managers that matter to whoever installs packages.
const ALWAYS: [&str; 3] = ["apt-get", "dnf", "yum"];

/// One command line that prints every fact, each answer after a marked line with its name.
pub(super) fn script(looks_for: &[String]) -> String {
    let mut script = format!(
        "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; {SAY}\
         say os; cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null; \
         say arch; uname -m; say kernel; uname -r; \
         say user; id -un; say groups; id -Gn; \
         say root; if test \"$(id -u)\" = 0 || sudo -n true 2>/dev/null; then echo yes; fi; ",
    );
    let looks_for = looks_for.iter().map(String::as_str);
    for command in ALWAYS.into_iter().chain(looks_for) {
        let command = quote(command);
        script.push_str(&format!(
            "say command; command -v {command} && echo {command}; "
        ));
    }
    script.push_str("true");
    format!("sh -c {}", quote(&script))
}

/// Reads what the script printed.
pub(super) fn read(printed: &str) -> Facts {
    let mut facts = Facts {
        os_id: String::new(),
        os_like: Vec::new(),
        os_version: String::new(),
        os_codename: String::new(),
        arch: String::new(),
        kernel: String::new(),
        user: String::new(),
        groups: Vec::new(),
        can_become_root: false,
        commands: Vec::new(),
    };
    for (name, answer) in sections(printed) {
        let answer = answer.trim();
        match name {
            "os" => read_os_release(answer, &mut facts),
            "arch" => answer.clone_into(&mut facts.arch),
            "kernel" => answer.clone_into(&mut facts.kernel),
            "user" => answer.clone_into(&mut facts.user),
            "groups" => facts.groups = answer.split_whitespace().map(str::to_owned).collect(),
            "root" => facts.can_become_root = answer == "yes",
            "command" => {
                if let Some((path, command)) = answer.split_once('\n') {
                    facts
                        .commands
                        .push((command.trim().to_owned(), path.trim().to_owned()));
                }
            }
            _ => {}
        }
    }
    facts
}

/// Reads the assignments of os-release(5); the first of a name counts.
pub(super) fn read_os_release(text: &str, facts: &mut Facts) {
    let values = || {
        text.lines().filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let value = value.trim().trim_matches(|c| c == '"' || c == '\'');
            Some((name.trim(), value))
        })
    };
    let value = |wanted: &str| {
        let mut found = values().filter(|(name, _)| *name == wanted);
        found.next().map(|(_, value)| value)
    };
    let text = |wanted: &str| value(wanted).unwrap_or_default().to_owned();
    facts.os_id = text("ID");
    facts.os_version = text("VERSION_ID");
    facts.os_like = text("ID_LIKE")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    // A derivative has a name of its own, and packages of what it is made from.
    facts.os_codename = ["UBUNTU_CODENAME", "DEBIAN_CODENAME", "VERSION_CODENAME"]
        .iter()
        .find_map(|name| value(name))
        .unwrap_or_default()
        .to_owned();
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The script is run by the shell of this machine, as on a host.
    #[test]
    fn the_script_answers() {
        let script = script(&["sh".to_owned(), "no such'command".to_owned()]);
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let facts = read(&String::from_utf8(output.stdout).unwrap());
        assert!(output.status.success());
        assert!(!facts.arch.is_empty() && !facts.kernel.is_empty() && !facts.user.is_empty());
        let found: Vec<_> = facts
            .commands
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert!(found.contains(&"sh"));
        assert!(!found.contains(&"no such'command"));
    }

    #[test]
    fn os_release_is_read() {
        let facts = read(
            "\n@@os\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID='21.3'\nID=second\n\
             VERSION_CODENAME=virginia\nUBUNTU_CODENAME=jammy\n\n@@root\nyes\n",
        );
        assert_eq!(facts.os_id, "linuxmint");
        assert_eq!(facts.os_like, ["ubuntu", "debian"]);
        assert_eq!(facts.os_version, "21.3");
        assert_eq!(facts.os_codename, "jammy");
        assert!(facts.can_become_root);
    }
}
