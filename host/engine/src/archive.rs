//! Files of a container, which need not run: as tar archives, the Engine's own form.

use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::call::checked_name;
use crate::download::Download;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::sending::in_pieces;
use crate::tar_header::{Reading, TarHeader, is_alone};
use crate::upload::{Progress, Upload};

/// What a path in a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStat {
    /// The last part of the path.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// The twelve lower bits: permissions, set-user, set-group and sticky.
    pub mode: u32,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Where a symbolic link leads to.
    pub link_target: Option<String>,
}

impl Engine {
    /// Unpacks a tar archive into a directory of a container, however long that takes, as long as
    /// bytes go there.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is no such container or directory;
    /// [`EngineError::Stalled`] where nothing goes for too long.
    pub async fn put_archive(
        &self,
        container: &str,
        path: &str,
        archive: Bytes,
    ) -> Result<(), EngineError> {
        let operation = format!("write to {path} in container {container}");
        let name = checked_name(&operation, container)?;
        let options = UploadToContainerOptionsBuilder::new().path(path).build();
        let (body, moved) = in_pieces(archive);
        let call = self
            .shared
            .docker
            .upload_to_container(name, Some(options), body);
        self.sending(&operation, moved, call).await
    }

    /// The same, of an archive that is sent as it comes, and may be compressed. Takes a channel of its
    /// own, and no place in the queue of calls.
    ///
    /// # Errors
    /// As [`Engine::put_archive`]; [`EngineError::Idle`] when nothing moves for too long.
    pub async fn upload_archive(
        &self,
        container: &str,
        path: &str,
        archive: Upload,
    ) -> Result<(), EngineError> {
        let operation = format!("write to {path} in container {container}");
        let name = checked_name(&operation, container)?;
        let options = UploadToContainerOptionsBuilder::new().path(path).build();
        let (body, progress) = Progress::of(archive);
        let docker = &self.shared.docker;
        let call = docker.upload_to_container(name, Some(options), body);
        self.while_moving(&operation, &progress, call)
            .await?
            .map_err(|error| EngineError::from_bollard(&operation, error))
    }

    /// The tar archive of a path in a container, as it comes. A link is packed as a link. Takes a channel
    /// of its own, and no place in the queue of calls.
    ///
    /// # Errors
    /// Where the name is none. Everything else comes within the stream.
    pub fn download_archive(&self, container: &str, path: &str) -> Result<Download, EngineError> {
        let operation = format!("read {path} in container {container}");
        let name = checked_name(&operation, container)?;
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(path)
            .build();
        let docker = &self.shared.docker;
        let pieces = docker.download_from_container(name, Some(options));
        Ok(self.download(operation, pieces))
    }

    /// Writes the tar archive of a path in a container. The deadline is for each piece.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is no such container or path;
    /// [`EngineError::Failed`] where it cannot be written.
    pub async fn get_archive(
        &self,
        container: &str,
        path: &str,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), EngineError> {
        let failed = |error: std::io::Error| EngineError::Failed {
            operation: format!("read {path} in container {container}"),
            message: format!("cannot write what was read: {error}"),
        };
        let mut pieces = self.download_archive(container, path)?;
        while let Some(piece) = pieces.next().await {
            to.write_all(&piece?).await.map_err(failed)?;
        }
        to.flush().await.map_err(failed)
    }

    /// Tells what a path in a container is (`HEAD /containers/…/archive`).
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is no such container or path.
    pub async fn path_stat(&self, container: &str, path: &str) -> Result<PathStat, EngineError> {
        let operation = format!("look at {path} in container {container}");
        let name = checked_name(&operation, container)?;
        let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
        let call = self
            .shared
            .docker
            .get_container_archive_info(name, Some(options));
        let stat = self.call(&operation, self.shared.timeout, call).await?;
        Ok(PathStat {
            name: stat.name,
            size: stat.size.try_into().unwrap_or(0),
            mode: unix_mode(stat.file_mode),
            is_directory: stat.file_mode & GO_DIRECTORY != 0,
            link_target: Some(stat.link_target).filter(|target| !target.is_empty()),
        })
    }

    /// Whether there is nothing in a directory of a container, which need not run. As with
    /// [`Engine::ownership`], what is not needed of the answer is not waited for.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is no such container or path.
    pub async fn is_empty_directory(
        &self,
        container: &str,
        path: &str,
    ) -> Result<bool, EngineError> {
        let operation = format!("look into {path} in container {container}");
        self.beginning(
            &operation,
            container,
            path,
            |beginning| match TarHeader::first_of(beginning) {
                Reading::Header(header) if !header.is_directory => Some(Some(false)),
                Reading::Invalid => Some(None),
                Reading::Header(_) | Reading::Incomplete => is_alone(beginning).map(Some),
            },
        )
        .await
    }

    /// The header of a path, from the beginning of its archive; the rest is not read.
    pub(crate) async fn archive_header(
        &self,
        operation: &str,
        container: &str,
        path: &str,
    ) -> Result<TarHeader, EngineError> {
        self.beginning(
            operation,
            container,
            path,
            |beginning| match TarHeader::first_of(beginning) {
                Reading::Header(header) => Some(Some(header)),
                Reading::Invalid => Some(None),
                Reading::Incomplete => None,
            },
        )
        .await
    }

    /// Reads the archive of a path until the answer is found: some, or that it is no archive.
    async fn beginning<T>(
        &self,
        operation: &str,
        container: &str,
        path: &str,
        read: impl Fn(&[u8]) -> Option<Option<T>>,
    ) -> Result<T, EngineError> {
        let name = checked_name(operation, container)?;
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(path)
            .build();
        self.bounded(operation, self.shared.timeout, async {
            let mut pieces = Box::pin(
                self.shared
                    .docker
                    .download_from_container(name, Some(options)),
            );
            let mut beginning = Vec::new();
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|error| EngineError::from_bollard(operation, error))?;
                beginning.extend_from_slice(&piece);
                match read(&beginning) {
                    Some(Some(answer)) => return Ok(answer),
                    Some(None) => break,
                    None => {}
                }
            }
            Err(EngineError::Decode {
                operation: operation.to_owned(),
                reason: "it is not a tar archive".to_owned(),
            })
        })
        .await
    }
}

/// The Engine writes modes as Go's `fs.FileMode`, which has its own bits above the permissions.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_SET_USER: u32 = 1 << 23;
const GO_SET_GROUP: u32 = 1 << 22;
const GO_STICKY: u32 = 1 << 20;

fn unix_mode(mode: u32) -> u32 {
    let mut unix = mode & 0o777;
    for (go, bit) in [
        (GO_SET_USER, 0o4000),
        (GO_SET_GROUP, 0o2000),
        (GO_STICKY, 0o1000),
    ] {
        if mode & go != 0 {
            unix |= bit;
        }
    }
    unix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_translated_from_go() {
        assert_eq!(unix_mode(0o755 | GO_DIRECTORY), 0o755);
        assert_eq!(unix_mode(0o777 | GO_DIRECTORY | GO_STICKY), 0o1777);
        assert_eq!(unix_mode(0o770 | GO_SET_GROUP), 0o2770);
    }
}
