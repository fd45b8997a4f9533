//! The engine that a task runs for.

use wasmtime::component::Resource;

use super::{CurrentEngine, Failure, State};
use crate::authority;
use crate::bindings::task_world::dfab::docker::docker;
use crate::call_error::CallError;
use crate::effect::{
    Change, ImageSource, Inspect, ListContainers, ListImages, ListNetworks, ListVolumes, ReadInfo,
    ReadVersion, RunInContainer, Transfer, Transferred,
};
use crate::host_call::Free;
use crate::local_path::ProjectPath;

impl docker::Host for State {
    async fn current(&mut self) -> Result<Resource<CurrentEngine>, Failure> {
        if let Err(error) = self.host() {
            return Err(self.refused("docker.current", error)?);
        }
        self.note_free(Free::Engine)?;
        Ok(self.table.push(CurrentEngine)?)
    }
}

impl docker::HostEngine for State {
    async fn name(&mut self, engine: Resource<CurrentEngine>) -> wasmtime::Result<String> {
        self.table.get(&engine)?;
        // A name has no answer that could tell that the audit cannot be written; the next effect has.
        let _ = self.note_free(Free::EngineName);
        self.host_name()
    }

    async fn version(&mut self, engine: Resource<CurrentEngine>) -> Result<String, Failure> {
        self.table.get(&engine)?;
        self.perform(ReadVersion, |host, permit| async move {
            host.version(permit).await
        })
        .await
    }

    async fn info(&mut self, engine: Resource<CurrentEngine>) -> Result<String, Failure> {
        self.table.get(&engine)?;
        self.perform(
            ReadInfo,
            |host, permit| async move { host.info(permit).await },
        )
        .await
    }

    async fn containers(
        &mut self,
        engine: Resource<CurrentEngine>,
        all: bool,
        filters: Vec<(String, String)>,
    ) -> Result<Vec<docker::ContainerSummary>, Failure> {
        self.table.get(&engine)?;
        let list = ListContainers { all, filters };
        let mut containers = self
            .perform(
                list,
                |host, permit| async move { host.containers(permit).await },
            )
            .await?;
        containers.retain(|found| self.authority.may_see(&found.labels));
        Ok(containers)
    }

    async fn images(
        &mut self,
        engine: Resource<CurrentEngine>,
        all: bool,
        filters: Vec<(String, String)>,
    ) -> Result<Vec<docker::ImageSummary>, Failure> {
        self.table.get(&engine)?;
        let list = ListImages { all, filters };
        self.perform(
            list,
            |host, permit| async move { host.images(permit).await },
        )
        .await
    }

    async fn networks(
        &mut self,
        engine: Resource<CurrentEngine>,
        filters: Vec<(String, String)>,
    ) -> Result<Vec<docker::NetworkSummary>, Failure> {
        self.table.get(&engine)?;
        let list = ListNetworks { filters };
        let mut networks = self
            .perform(
                list,
                |host, permit| async move { host.networks(permit).await },
            )
            .await?;
        networks.retain(|found| self.authority.may_see(&found.labels));
        Ok(networks)
    }

    async fn volumes(
        &mut self,
        engine: Resource<CurrentEngine>,
        filters: Vec<(String, String)>,
    ) -> Result<Vec<docker::VolumeSummary>, Failure> {
        self.table.get(&engine)?;
        let list = ListVolumes { filters };
        let mut volumes = self
            .perform(
                list,
                |host, permit| async move { host.volumes(permit).await },
            )
            .await?;
        volumes.retain(|found| self.authority.may_see(&found.labels));
        Ok(volumes)
    }

    async fn inspect_container(
        &mut self,
        engine: Resource<CurrentEngine>,
        container: String,
    ) -> Result<String, Failure> {
        self.inspect(&engine, Inspect::Container(container)).await
    }

    async fn inspect_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        image: String,
    ) -> Result<String, Failure> {
        self.inspect(&engine, Inspect::Image(image)).await
    }

    async fn stop_container(
        &mut self,
        engine: Resource<CurrentEngine>,
        container: String,
        timeout_s: Option<u32>,
    ) -> Result<(), Failure> {
        let change = Change::StopContainer {
            container,
            timeout_s,
        };
        self.change(&engine, change).await
    }

    async fn remove_container(
        &mut self,
        engine: Resource<CurrentEngine>,
        container: String,
        force: bool,
        volumes: bool,
    ) -> Result<(), Failure> {
        let change = Change::RemoveContainer {
            container,
            force,
            volumes,
        };
        self.change(&engine, change).await
    }

    async fn copy_from_container(
        &mut self,
        engine: Resource<CurrentEngine>,
        files: docker::Selection,
        to: String,
        form: docker::Form,
    ) -> Result<docker::Copied, Failure> {
        let to = self.local_path("docker.copy-from-container", &to)?;
        let transfer = Transfer::CopyFromContainer { files, to, form };
        let done = self.transfer(&engine, transfer).await?;
        Ok(docker::Copied {
            bytes: done.bytes,
            left_out: done.left_out,
        })
    }

    async fn copy_to_container(
        &mut self,
        engine: Resource<CurrentEngine>,
        local: String,
        container: String,
        folder: String,
    ) -> Result<(), Failure> {
        let transfer = Transfer::CopyToContainer {
            local: self.local_path("docker.copy-to-container", &local)?,
            container,
            folder,
        };
        self.transfer(&engine, transfer).await.map(drop)
    }

    async fn run_in_container(
        &mut self,
        engine: Resource<CurrentEngine>,
        container: String,
        command: docker::ContainerCommand,
    ) -> Result<docker::ContainerOutcome, Failure> {
        self.table.get(&engine)?;
        let docker::ContainerCommand {
            words,
            user,
            timeout_s,
        } = command;
        let checked = authority::check_words(&words);
        self.meant("docker.run-in-container", &container, checked)?;
        let effect = RunInContainer {
            container,
            words,
            user,
            timeout_s,
        };
        self.perform(effect, |host, permit| async move {
            host.run_in_container(permit).await
        })
        .await
    }

    async fn remove_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        image: String,
        force: bool,
    ) -> Result<(), Failure> {
        let change = Change::RemoveImage { image, force };
        self.change(&engine, change).await
    }

    async fn tag_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        image: String,
        name: String,
    ) -> Result<(), Failure> {
        let change = Change::TagImage { image, name };
        self.change(&engine, change).await
    }

    async fn save_images(
        &mut self,
        engine: Resource<CurrentEngine>,
        images: Vec<String>,
        to: String,
    ) -> Result<u64, Failure> {
        let to = self.local_path("docker.save-images", &to)?;
        let transfer = Transfer::SaveImages { images, to };
        let done = self.transfer(&engine, transfer).await?;
        Ok(done.bytes)
    }

    async fn load_images(
        &mut self,
        engine: Resource<CurrentEngine>,
        file: String,
    ) -> Result<Vec<String>, Failure> {
        let file = self.local_path("docker.load-images", &file)?;
        let transfer = Transfer::LoadImages { file };
        let done = self.transfer(&engine, transfer).await?;
        Ok(done.images)
    }

    async fn import_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        source: docker::ImageSource,
        image: String,
        changes: Vec<String>,
    ) -> Result<String, Failure> {
        let source = match source {
            docker::ImageSource::File(file) => {
                ImageSource::File(self.local_path("docker.import-image", &file)?)
            }
            docker::ImageSource::Selection(files) => ImageSource::Selection(files),
            docker::ImageSource::Image(image) => ImageSource::Image(image),
        };
        let transfer = Transfer::ImportImage {
            source,
            image,
            changes,
        };
        let done = self.transfer(&engine, transfer).await?;
        Ok(done.images.into_iter().next().unwrap_or_default())
    }

    async fn build_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        folder: String,
        names: Vec<String>,
        options: docker::BuildOptions,
    ) -> Result<String, Failure> {
        let operation = "docker.build-image";
        if let Some(dockerfile) = &options.dockerfile {
            let checked = dockerfile.parse::<ProjectPath>().map(drop);
            let checked = checked.map_err(|error| CallError::Invalid(error.to_string()));
            self.meant(operation, dockerfile, checked)?;
        }
        let transfer = Transfer::BuildImage {
            folder: self.local_path(operation, &folder)?,
            names,
            options,
        };
        let done = self.transfer(&engine, transfer).await?;
        Ok(done.images.into_iter().next().unwrap_or_default())
    }

    async fn pull_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        image: String,
    ) -> Result<(), Failure> {
        let change = Change::PullImage { image };
        self.change(&engine, change).await
    }

    async fn push_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        image: String,
    ) -> Result<(), Failure> {
        let change = Change::PushImage { image };
        self.change(&engine, change).await
    }

    async fn remove_network(
        &mut self,
        engine: Resource<CurrentEngine>,
        network: String,
    ) -> Result<(), Failure> {
        let change = Change::RemoveNetwork { network };
        self.change(&engine, change).await
    }

    async fn remove_volume(
        &mut self,
        engine: Resource<CurrentEngine>,
        volume: String,
    ) -> Result<(), Failure> {
        let change = Change::RemoveVolume { volume };
        self.change(&engine, change).await
    }

    async fn request(
        &mut self,
        engine: Resource<CurrentEngine>,
        method: String,
        path: String,
        body: Option<String>,
    ) -> Result<String, Failure> {
        self.table.get(&engine)?;
        let written = format!("{method} {path}");
        let effect = authority::request(&method, &path, body);
        let effect = self.meant("docker.request", &written, effect)?;
        self.perform(
            effect,
            |host, permit| async move { host.request(permit).await },
        )
        .await
    }

    async fn drop(&mut self, engine: Resource<CurrentEngine>) -> wasmtime::Result<()> {
        self.table.delete(engine)?;
        Ok(())
    }
}

impl State {
    async fn inspect(
        &mut self,
        engine: &Resource<CurrentEngine>,
        object: Inspect,
    ) -> Result<String, Failure> {
        self.table.get(engine)?;
        self.perform(
            object,
            |host, permit| async move { host.inspect(permit).await },
        )
        .await
    }

    async fn change(
        &mut self,
        engine: &Resource<CurrentEngine>,
        change: Change,
    ) -> Result<(), Failure> {
        self.table.get(engine)?;
        self.perform(
            change,
            |host, permit| async move { host.change(permit).await },
        )
        .await
    }

    async fn transfer(
        &mut self,
        engine: &Resource<CurrentEngine>,
        transfer: Transfer,
    ) -> Result<Transferred, Failure> {
        self.table.get(engine)?;
        self.perform(transfer, |host, permit| async move {
            host.transfer(permit).await
        })
        .await
    }
}
