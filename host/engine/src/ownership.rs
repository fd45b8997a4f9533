//! Owner and mode of a path in a container, set without running anything.
//!
//! The Engine unpacks an archive with one entry, the path itself, whose header carries owner and
//! mode. It does so in containers that were never started, with their volumes in place, so that a
//! volume is ready before its first process runs.

use std::fmt;

use bytes::Bytes;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::tar_header::TarHeader;

/// Who owns a path, and its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The twelve lower bits.
    pub mode: u32,
}

impl fmt::Display for Ownership {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "owner {}:{} and mode {:04o}",
            self.uid, self.gid, self.mode
        )
    }
}

impl Engine {
    /// Reads owner and mode of a path in a container, which need not run. Costs a channel when
    /// there is much below the path, since the rest of the answer is not waited for.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is no such container or path.
    pub async fn ownership(&self, container: &str, path: &str) -> Result<Ownership, EngineError> {
        let operation = format!("read the owner of {path} in container {container}");
        self.archive_header(&operation, container, path)
            .await
            .map(|header| of(&header))
    }

    /// Sets owner and mode of a directory in a container, which need not run, and reads them back.
    /// The mode has the twelve lower bits. What is `None` stays as it is. Returns whether there was
    /// anything to change.
    ///
    /// Only the directory itself is changed, nothing below it.
    ///
    /// # Errors
    /// [`EngineError::NotApplied`] when the Engine took the call without effect,
    /// [`EngineError::is_not_found`] when there is no such container or path.
    pub async fn set_ownership(
        &self,
        container: &str,
        path: &str,
        user: Option<u32>,
        group: Option<u32>,
        mode: Option<u32>,
    ) -> Result<bool, EngineError> {
        let operation = format!("set the owner of {path} in container {container}");
        let current = self.archive_header(&operation, container, path).await?;
        if !current.is_directory {
            return Err(EngineError::Argument {
                operation,
                reason: "it is not a directory".to_owned(),
            });
        }
        let wanted = TarHeader {
            uid: user.unwrap_or(current.uid),
            gid: group.unwrap_or(current.gid),
            mode: mode.unwrap_or(current.mode),
            ..current
        };
        if wanted == current {
            return Ok(false);
        }
        // The entry `/` means the directory that is unpacked into; `.` would be passed over.
        let archive = wanted.archive("/").unwrap_or_default();
        self.put_archive(container, path, Bytes::from(archive))
            .await?;
        let found = self.archive_header(&operation, container, path).await?;
        if of(&found) == of(&wanted) {
            return Ok(true);
        }
        Err(EngineError::NotApplied {
            operation,
            wanted: of(&wanted).to_string(),
            found: of(&found).to_string(),
        })
    }
}

fn of(header: &TarHeader) -> Ownership {
    Ownership {
        uid: header.uid,
        gid: header.gid,
        mode: header.mode,
    }
}
