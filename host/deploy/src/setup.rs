//! Recipes: what is known of a machine, what must change there, and changing it.
//!
//! A recipe says what must be so. Each change is looked at first, and only what is not so yet is
//! shown and done; afterwards it is looked at again.

use std::time::Duration;

use dfab_runtime::recipe::{Change, Facts, GuardedCommand, RecipeInfo, Step};
use dfab_ssh::{RunError, Session};

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(60);
/// How long one change may take: packages come from far and dpkg is slow.
const CHANGE: Duration = Duration::from_secs(30 * 60);
/// How much of a command's output is kept, in bytes.
const OUTPUT_LIMIT: usize = 1 << 20;
/// Printed by the fact script before each of its answers.
const MARK: &str = "@@";

/// Why a machine could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The command could not be run at all.
    #[error("cannot {what}")]
    Run {
        /// What was attempted.
        what: String,
        /// Why.
        #[source]
        source: RunError,
    },
    /// The command ran and failed.
    #[error("{what} failed with status {status}: {output}")]
    Failed {
        /// What was attempted.
        what: String,
        /// Exit status.
        status: i32,
        /// The end of what it printed.
        output: String,
    },
    /// The machine knows no way to install packages that dfab knows.
    #[error("the machine has none of apt-get, dnf and yum, with which dfab installs packages")]
    NoPackages,
    /// Root is needed, and not to be had.
    #[error(
        "{what} needs root, and the user {user} is neither root nor may become it with `sudo -n`: \
         connect as root, or let {user} use sudo without a password"
    )]
    NotRoot {
        /// What was to be done.
        what: String,
        /// Who the connection's user is.
        user: String,
    },
    /// Everything went well, but it still is not so.
    #[error("{0} went without an error, yet the machine is not as it should be afterwards")]
    NoEffect(String),
}

/// A machine that is being set up.
#[derive(Debug, Clone)]
pub struct Machine {
    session: Session,
    facts: Facts,
}

impl Machine {
    /// Looks at a machine, for a recipe.
    ///
    /// # Errors
    /// Where the connection breaks or the shell is not a usual one.
    pub async fn look(session: &Session, recipe: &RecipeInfo) -> Result<Self, SetupError> {
        let what = "look at the machine".to_owned();
        let output = session
            .run(&fact_script(&recipe.looks_for), None, LOOK, OUTPUT_LIMIT)
            .await
            .map_err(|source| SetupError::Run {
                what: what.clone(),
                source,
            })?;
        if output.status != 0 {
            return Err(failed(&what, output.status, &output.stdout, &output.stderr));
        }
        let facts = read_facts(&String::from_utf8_lossy(&output.stdout));
        Ok(Self {
            session: session.clone(),
            facts,
        })
    }

    /// What is known of it.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether a step's change is in place already.
    ///
    /// # Errors
    /// Where the look itself cannot be made.
    pub async fn is_so(&self, step: &Step) -> Result<bool, SetupError> {
        let line = match &step.change {
            Change::Packages(packages) => installed(packages),
            Change::Run(GuardedCommand {
                unless, as_root, ..
            }) => self.privileged(unless, *as_root, &step.summary)?,
        };
        let what = format!("look whether it is so already: {}", step.summary);
        let output = self
            .session
            .run(&line, None, LOOK, OUTPUT_LIMIT)
            .await
            .map_err(|source| SetupError::Run { what, source })?;
        Ok(output.status == 0)
    }

    /// Makes a step's change and looks whether it is so then.
    ///
    /// # Errors
    /// Where the change fails or has no effect.
    pub async fn change(&self, step: &Step) -> Result<(), SetupError> {
        let what = &step.summary;
        let line = match &step.change {
            Change::Packages(packages) => {
                let install = self.install(packages)?;
                self.privileged(&install, true, what)?
            }
            Change::Run(command) => self.privileged(&command.line, command.as_root, what)?,
        };
        let output = self
            .session
            .run(&line, None, CHANGE, OUTPUT_LIMIT)
            .await
            .map_err(|source| SetupError::Run {
                what: what.clone(),
                source,
            })?;
        if output.status != 0 {
            return Err(failed(what, output.status, &output.stdout, &output.stderr));
        }
        if self.is_so(step).await? {
            Ok(())
        } else {
            Err(SetupError::NoEffect(what.clone()))
        }
    }

    fn install(&self, packages: &[String]) -> Result<String, SetupError> {
        let names: Vec<_> = packages.iter().map(|package| quote(package)).collect();
        let names = names.join(" ");
        let has = |command: &str| self.facts.commands.iter().any(|(name, _)| name == command);
        // The lists are fetched only if the packages are not known yet, as on a new machine.
        if has("apt-get") {
            Ok(format!(
                "export DEBIAN_FRONTEND=noninteractive; \
                 apt-get install -y --no-install-recommends -- {names} || \
                 {{ apt-get update && apt-get install -y --no-install-recommends -- {names}; }}"
            ))
        } else if has("dnf") {
            Ok(format!("dnf install -y -- {names}"))
        } else if has("yum") {
            Ok(format!("yum install -y -- {names}"))
        } else {
            Err(SetupError::NoPackages)
        }
    }

    fn privileged(&self, line: &str, as_root: bool, what: &str) -> Result<String, SetupError> {
        let shell = format!("sh -c {}", quote(line));
        if !as_root || self.facts.user == "root" {
            Ok(shell)
        } else if self.facts.can_become_root {
            Ok(format!("sudo -n {shell}"))
        } else {
            Err(SetupError::NotRoot {
                what: what.to_owned(),
                user: self.facts.user.clone(),
            })
        }
    }
}

/// Quotes a word for a POSIX shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn installed(packages: &[String]) -> String {
    let checks: Vec<_> = packages
        .iter()
        .map(|package| {
            let package = quote(package);
            format!(
                "if command -v dpkg-query >/dev/null; then \
                 test \"$(dpkg-query -W -f '${{db:Status-Status}}' {package} 2>/dev/null)\" = installed; \
                 else rpm -q {package} >/dev/null 2>&1; fi"
            )
        })
        .collect();
    let script = checks
        .iter()
        .map(|check| format!("{check} || exit 1; "))
        .collect::<String>();
    format!("sh -c {}", quote(&script))
}

fn failed(what: &str, status: i32, stdout: &[u8], stderr: &[u8]) -> SetupError {
    let printed = if stderr.is_empty() { stdout } else { stderr };
    let printed = String::from_utf8_lossy(printed);
    let lines: Vec<_> = printed
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let last = lines
        .get(lines.len().saturating_sub(5)..)
        .unwrap_or_default();
    SetupError::Failed {
        what: what.to_owned(),
        status,
        output: last.join("\n"),
    }
}

/// One command line that prints every fact, each answer after a marked line with its name.
fn fact_script(looks_for: &[String]) -> String {
    let mut script = String::from(
        "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; \
         say() { printf '\\n@@%s\\n' \"$1\"; }; \
         say os; cat /etc/os-release /usr/lib/os-release 2>/dev/null; \
         say arch; uname -m; say kernel; uname -r; \
         say user; id -un; say groups; id -Gn; \
         say root; if test \"$(id -u)\" = 0 || sudo -n true 2>/dev/null; then echo yes; fi; ",
    );
    let always = ["apt-get", "dnf", "yum"].map(str::to_owned);
    for command in always.iter().chain(looks_for) {
        let command = quote(command);
        script.push_str(&format!(
            "say command; command -v {command} && echo {command}; "
        ));
    }
    script.push_str("true");
    format!("sh -c {}", quote(&script))
}

fn read_facts(printed: &str) -> Facts {
    let mut facts = Facts {
        os_id: String::new(),
        os_like: Vec::new(),
        os_version: String::new(),
        arch: String::new(),
        kernel: String::new(),
        user: String::new(),
        groups: Vec::new(),
        can_become_root: false,
        commands: Vec::new(),
    };
    for section in printed.split(&format!("\n{MARK}")) {
        let Some((name, answer)) = section.split_once('\n') else {
            continue;
        };
        let answer = answer.trim();
        match name.trim() {
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
fn read_os_release(text: &str, facts: &mut Facts) {
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches(|c| c == '"' || c == '\'');
        match name.trim() {
            "ID" if facts.os_id.is_empty() => value.clone_into(&mut facts.os_id),
            "VERSION_ID" if facts.os_version.is_empty() => value.clone_into(&mut facts.os_version),
            "ID_LIKE" if facts.os_like.is_empty() => {
                facts.os_like = value.split_whitespace().map(str::to_owned).collect();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The script is run by the shell of this machine, as on a host.
    #[test]
    fn the_fact_script_answers() {
        let script = fact_script(&["sh".to_owned(), "no such'command".to_owned()]);
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        let facts = read_facts(&String::from_utf8(output.stdout).unwrap());
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
        let facts = read_facts(
            "\n@@os\nID=ubuntu\nID_LIKE=\"debian other\"\nVERSION_ID='24.04'\nID=second\n\n@@root\nyes\n",
        );
        assert_eq!(facts.os_id, "ubuntu");
        assert_eq!(facts.os_like, ["debian", "other"]);
        assert_eq!(facts.os_version, "24.04");
        assert!(facts.can_become_root);
    }

    #[test]
    fn packages_that_are_not_there_are_seen() {
        let line = installed(&["surely-no-such-package".to_owned()]);
        assert!(
            !Command::new("sh")
                .arg("-c")
                .arg(line)
                .status()
                .unwrap()
                .success()
        );
    }
}
