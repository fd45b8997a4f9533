//! Writes what the fuzzer begins with: a folder for each target.
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use dfab_fuzz::{Target, found, seeds};

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.context("a folder is wanted")?;
    for target in Target::ALL {
        let folder = folder.join(target.to_string());
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds(target)?.into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
        for (file, bytes) in found(target)? {
            let name = file.file_name().context("a file without a name")?;
            std::fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
