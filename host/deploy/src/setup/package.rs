//! Packages of a machine's distribution.

use dfab_runtime::recipe::Facts;

use super::SetupError;
use super::script::{Script, quote};

/// Succeeds where all are installed.
pub(super) fn look(packages: &[String]) -> Script {
    let checks = packages.iter().map(|package| {
        let package = quote(package);
        format!(
            "if command -v dpkg-query >/dev/null; then \
             test \"$(dpkg-query -W -f '${{db:Status-Status}}' {package} 2>/dev/null)\" = installed; \
             else rpm -q {package} >/dev/null 2>&1; fi || exit 1\n"
        )
    });
    Script::new(checks.collect::<String>())
}

/// Installs them, and removes nothing for them: with `-y`, apt would.
pub(super) fn install(packages: &[String], facts: &Facts) -> Result<Script, SetupError> {
    let names: Vec<_> = packages.iter().map(|package| quote(package)).collect();
    let names = names.join(" ");
    let has = |command: &str| facts.commands.iter().any(|(name, _)| name == command);
    let text = if has("apt-get") {
        // A new machine is busy with its own updates at first. The lists are fetched only if the
        // packages are not known yet.
        format!(
            "export DEBIAN_FRONTEND=noninteractive\n\
             install() {{ apt-get install -y --no-install-recommends --no-remove \
             -o DPkg::Lock::Timeout=300 -- {names}; }}\n\
             install || {{ apt-get update && install; }}"
        )
    } else if has("dnf") {
        format!("dnf install -y -- {names}")
    } else if has("yum") {
        format!("yum install -y -- {names}")
    } else {
        return Err(SetupError::NoPackages);
    };
    Ok(Script::new(text).by_root())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn packages_that_are_not_there_are_seen() {
        let script = look(&["surely-no-such-package".to_owned()]);
        let status = Command::new("sh").arg("-c").arg(script.text).status();
        assert!(!status.unwrap().success());
    }
}
