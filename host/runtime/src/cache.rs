//! The folder of compiled components. What lies in it is run as machine code, so it is used only
//! where nobody else can write into it.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use wasmtime::{Cache, CacheConfig};

/// The cache in that folder, which is made where it is missing. None, with a warning, where it
/// cannot be used: dfab then compiles anew each time.
pub(crate) fn open(folder: &Path) -> Option<Cache> {
    match prepare(folder) {
        Ok(cache) => Some(cache),
        Err(reason) => {
            tracing::warn!(
                folder = %folder.display(),
                reason,
                "compiled components are not kept: the cache folder cannot be used"
            );
            None
        }
    }
}

fn prepare(folder: &Path) -> Result<Cache, String> {
    let text = |error: std::io::Error| error.to_string();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(text)?;
    // wasmtime asks for a path without links and from the root.
    let folder = folder.canonicalize().map_err(text)?;
    let metadata = folder.metadata().map_err(text)?;
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(format!(
            "it belongs to the user {}, not to {user}",
            metadata.uid()
        ));
    }
    if metadata.mode() & 0o077 != 0 {
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).map_err(text)?;
    }
    rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).map_err(|error| error.to_string())?;
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).map_err(|error| format!("{error:#}"))
}
