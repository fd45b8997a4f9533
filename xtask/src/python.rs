//! The plugin written in Python, which is built with tools of its own.

use anyhow::Result;

use crate::command::Run;

/// Makes Python components.
const COMPONENTIZE: &str = "componentize-py==0.25.1";

/// Builds it, where this tree has it.
pub(crate) fn build() -> Result<()> {
    let root = crate::root()?;
    if !root.join("sdk/python").is_dir() {
        return Ok(());
    }
    let environment = root.join("target/python");
    let program = environment.join("bin/componentize-py");
    if !program.is_file() {
        let folder = environment.to_string_lossy();
        Run::new("python3", &["-m", "venv", &folder]).show()?;
        let pip = environment.join("bin/pip");
        Run::new(
            &pip.to_string_lossy(),
            &["install", "--quiet", COMPONENTIZE],
        )
        .show()?;
    }
    Ok(())
}
