//! Images to deploy, made on this machine's engine from one small static program: no registry can
//! be reached from tests.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::docker::{self, docker};
use crate::folders;
use crate::hexadecimal;

/// What an image was made of, so that a change of it makes the image anew.
const LABEL: &str = "dfab-test.made-of";

/// Users of the images, which are groups as well.
const ACCOUNTS: &str = "root:x:0:0::/:\nu1:x:1234:1234::/:\n";

/// Other names of the program, of which its own documentation tells.
const TOOLS: [&str; 6] = ["chmod", "chown", "migrate", "one", "serve", "two"];

static MAKING: Mutex<()> = Mutex::new(());

/// Makes sure that this machine's engine has an image of that name with the test program, which
/// answers HTTP on the port in `PORT`, or 80.
///
/// # Errors
/// Where the program is not built, or the engine refuses the image.
pub fn ensure(name: &str) -> Result<()> {
    ensure_with(name, &[])
}

/// The same, with changes as `docker import --change` takes them, such as `ENV A=b`.
///
/// # Errors
/// As [`ensure`].
pub fn ensure_with(name: &str, changes: &[&str]) -> Result<()> {
    let program = folders::built(&folders::target()?.join("app/release/dfab-test-app"))?;
    let mut digest = Sha256::new_with_prefix(std::fs::read(&program)?);
    digest.update(ACCOUNTS);
    changes.iter().for_each(|change| digest.update(change));
    let digest = hexadecimal(&digest.finalize());
    let _one_at_a_time = MAKING.lock();
    let format = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
    if docker(&["image", "inspect", "-f", &format, name]).is_ok_and(|made_of| made_of == digest) {
        return Ok(());
    }
    let staged = stage(&program)?;
    let mut tar = Command::new("tar");
    tar.args(["--owner=0", "--group=0", "-c", "."]);
    tar.current_dir(staged.path());
    let made_of = format!("LABEL {LABEL}={digest}");
    let mut arguments = vec![
        "import",
        "--change",
        r#"ENTRYPOINT ["/app"]"#,
        "--change",
        &made_of,
    ];
    for change in changes {
        arguments.extend(["--change", change]);
    }
    arguments.extend(["-", name]);
    docker::pipe(&mut tar, &mut docker::command(&arguments))
        .with_context(|| format!("cannot make the image {name}"))
}

/// The files of an image.
fn stage(program: &Path) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    let inside = |path: &str| folder.path().join(path);
    std::fs::copy(program, inside("app"))?;
    for directory in ["bin", "etc", "tmp"] {
        std::fs::create_dir(inside(directory))?;
    }
    for file in ["etc/passwd", "etc/group"] {
        std::fs::write(inside(file), ACCOUNTS)?;
    }
    for tool in TOOLS {
        symlink("/app", inside("bin").join(tool))?;
    }
    Ok(folder)
}
