//! Tools written in Python, in a folder of their own: what makes Python components, what others read and
//! write bundles with, and the predecessor, for a comparison.

use std::fs;

use anyhow::Result;

use crate::command::Run;

const PACKAGES: [&str; 6] = [
    "PyYAML==6.0.3",
    "componentize-py==0.25.1",
    "docker-map==1.1.1",
    // The last that it knows.
    "docker==5.0.3",
    "oras==0.2.43",
    "sigstore-models==0.0.6",
];

/// Installs them, where they are not there in these versions.
pub(crate) fn build() -> Result<()> {
    let folder = crate::root()?.join("target/python");
    let note = folder.join("packages");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    Run::new("python3", &["-m", "venv", &folder.to_string_lossy()]).show()?;
    let python = folder.join("bin/python");
    let install = ["-m", "pip", "install", "--quiet"];
    Run::new(
        &python.to_string_lossy(),
        &[install.as_slice(), PACKAGES.as_slice()].concat(),
    )
    .show()?;
    Ok(fs::write(note, wanted)?)
}
