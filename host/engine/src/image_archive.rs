//! Images as archives: saved with their layers, loaded again, and made of nothing but files.

use bollard::query_parameters::{CreateImageOptionsBuilder, ImportImageOptionsBuilder};
use futures_util::StreamExt as _;

use crate::call::{checked_image, checked_name};
use crate::download::Download;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::upload::{Progress, Upload};

impl Engine {
    /// The archive of images, with names and layers, as `docker load` takes it. Takes a channel of its
    /// own, and no place in the queue of calls.
    ///
    /// # Errors
    /// Where a name is none. Everything else comes within the stream.
    pub fn save_images(&self, images: &[String]) -> Result<Download, EngineError> {
        let operation = format!("save {}", images.join(", "));
        let names = images
            .iter()
            .map(|image| checked_image(&operation, image))
            .collect::<Result<Vec<_>, _>>()?;
        let pieces = self.shared.docker.export_images(&names);
        Ok(self.download(operation, pieces))
    }

    /// Loads the images of an archive, which may be compressed; returns their names, or ids where they
    /// have none. Takes a channel of its own.
    ///
    /// # Errors
    /// [`EngineError::Failed`] or [`EngineError::Refused`] where it is no archive of images,
    /// [`EngineError::Idle`] when nothing moves for too long.
    pub async fn load_images(&self, archive: Upload) -> Result<Vec<String>, EngineError> {
        let operation = "load images";
        let options = ImportImageOptionsBuilder::new().quiet(true).build();
        let (body, progress) = Progress::of(archive);
        let mut messages = Box::pin(self.shared.docker.import_image(options, body, None));
        let mut loaded = Vec::new();
        while let Some(message) = self
            .while_moving(operation, &progress, messages.next())
            .await?
        {
            let message = message.map_err(|error| EngineError::from_bollard(operation, error))?;
            let text = message.stream.unwrap_or_default();
            let name = ["Loaded image: ", "Loaded image ID: "]
                .iter()
                .find_map(|start| text.trim().strip_prefix(start));
            loaded.extend(name.map(str::to_owned));
        }
        Ok(loaded)
    }

    /// The archive of all files of a container, which need not run; what is mounted in it is not among
    /// them. Takes a channel of its own.
    ///
    /// # Errors
    /// Where the name is none. Everything else comes within the stream.
    pub fn export_container(&self, container: &str) -> Result<Download, EngineError> {
        let operation = format!("export container {container}");
        let name = checked_name(&operation, container)?;
        let pieces = self.shared.docker.export_container(name);
        Ok(self.download(operation, pieces))
    }

    /// Makes an image of one layer of an archive of files, which may be compressed; returns its id.
    /// Changes are lines such as `CMD ["app"]`. Takes a channel of its own.
    ///
    /// # Errors
    /// As [`Engine::load_images`].
    pub async fn import_image(
        &self,
        archive: Upload,
        repository: &str,
        tag: &str,
        changes: Vec<String>,
    ) -> Result<String, EngineError> {
        let operation = format!("import image {repository}:{tag}");
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(repository)
            .tag(tag)
            .changes(changes)
            .build();
        let (body, progress) = Progress::of(archive);
        let docker = &self.shared.docker;
        let mut messages = Box::pin(docker.create_image(Some(options), Some(body), None));
        let mut id = None;
        while let Some(message) = self
            .while_moving(&operation, &progress, messages.next())
            .await?
        {
            let message = message.map_err(|error| EngineError::from_bollard(&operation, error))?;
            id = message.status.or(id);
        }
        id.ok_or_else(|| EngineError::Decode {
            operation,
            reason: "it has no id of an image".to_owned(),
        })
    }

    /// Waits for something that goes with an upload.
    pub(crate) async fn while_moving<T>(
        &self,
        operation: &str,
        progress: &Progress,
        work: impl Future<Output = T>,
    ) -> Result<T, EngineError> {
        let idle = self.shared.idle_timeout;
        let done = progress.wait(idle, work).await;
        done.ok_or_else(|| EngineError::Idle {
            operation: operation.to_owned(),
            after: idle,
        })
    }
}
