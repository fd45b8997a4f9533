//! The engine that a task runs for.

use wasmtime::component::Resource;

use super::{CurrentEngine, Failure, State};
use crate::bindings::task_world::dfab::docker::docker;
use crate::call_error::CallError;
use crate::host_call::{Change, HostCall, ImageSource, Object, Transfer, Transferred};
use crate::local_path::LocalPath;

impl docker::Host for State {
    async fn current(&mut self) -> Result<Resource<CurrentEngine>, Failure> {
        self.host()?;
        Ok(self.table.push(CurrentEngine)?)
    }
}

impl docker::HostEngine for State {
    async fn name(&mut self, engine: Resource<CurrentEngine>) -> wasmtime::Result<String> {
        self.table.get(&engine)?;
        self.host_name()
    }

    async fn version(&mut self, engine: Resource<CurrentEngine>) -> Result<String, Failure> {
        self.table.get(&engine)?;
        let (permit, host) = self.authorize(HostCall::Version)?;
        self.wait("docker.version", host.version(permit)).await
    }

    async fn info(&mut self, engine: Resource<CurrentEngine>) -> Result<String, Failure> {
        self.table.get(&engine)?;
        let (permit, host) = self.authorize(HostCall::Info)?;
        self.wait("docker.info", host.info(permit)).await
    }

    async fn containers(
        &mut self,
        engine: Resource<CurrentEngine>,
        all: bool,
        filters: Vec<(String, String)>,
    ) -> Result<Vec<docker::ContainerSummary>, Failure> {
        self.table.get(&engine)?;
        let (permit, host) = self.authorize(HostCall::Containers)?;
        self.wait("docker.containers", host.containers(permit, all, &filters))
            .await
    }

    async fn images(
        &mut self,
        engine: Resource<CurrentEngine>,
        all: bool,
        filters: Vec<(String, String)>,
    ) -> Result<Vec<docker::ImageSummary>, Failure> {
        self.table.get(&engine)?;
        let (permit, host) = self.authorize(HostCall::Images)?;
        self.wait("docker.images", host.images(permit, all, &filters))
            .await
    }

    async fn networks(
        &mut self,
        engine: Resource<CurrentEngine>,
        filters: Vec<(String, String)>,
    ) -> Result<Vec<docker::NetworkSummary>, Failure> {
        self.table.get(&engine)?;
        let (permit, host) = self.authorize(HostCall::Networks)?;
        self.wait("docker.networks", host.networks(permit, &filters))
            .await
    }

    async fn volumes(
        &mut self,
        engine: Resource<CurrentEngine>,
        filters: Vec<(String, String)>,
    ) -> Result<Vec<docker::VolumeSummary>, Failure> {
        self.table.get(&engine)?;
        let (permit, host) = self.authorize(HostCall::Volumes)?;
        self.wait("docker.volumes", host.volumes(permit, &filters))
            .await
    }

    async fn inspect_container(
        &mut self,
        engine: Resource<CurrentEngine>,
        container: String,
    ) -> Result<String, Failure> {
        let object = Object::Container(container);
        self.inspect(&engine, "docker.inspect-container", object)
            .await
    }

    async fn inspect_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        image: String,
    ) -> Result<String, Failure> {
        self.inspect(&engine, "docker.inspect-image", Object::Image(image))
            .await
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
        self.change(&engine, "docker.stop-container", change).await
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
        self.change(&engine, "docker.remove-container", change)
            .await
    }

    async fn copy_from_container(
        &mut self,
        engine: Resource<CurrentEngine>,
        files: docker::Selection,
        to: String,
        form: docker::Form,
    ) -> Result<docker::Copied, Failure> {
        let to = self.local_path(&to)?;
        let transfer = Transfer::CopyFromContainer { files, to, form };
        let done = self
            .transfer(&engine, "docker.copy-from-container", transfer)
            .await?;
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
            local: self.local_path(&local)?,
            container,
            folder,
        };
        self.transfer(&engine, "docker.copy-to-container", transfer)
            .await
            .map(drop)
    }

    async fn remove_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        image: String,
        force: bool,
    ) -> Result<(), Failure> {
        let change = Change::RemoveImage { image, force };
        self.change(&engine, "docker.remove-image", change).await
    }

    async fn tag_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        image: String,
        name: String,
    ) -> Result<(), Failure> {
        let change = Change::TagImage { image, name };
        self.change(&engine, "docker.tag-image", change).await
    }

    async fn save_images(
        &mut self,
        engine: Resource<CurrentEngine>,
        images: Vec<String>,
        to: String,
    ) -> Result<u64, Failure> {
        let to = self.local_path(&to)?;
        let transfer = Transfer::SaveImages { images, to };
        let done = self
            .transfer(&engine, "docker.save-images", transfer)
            .await?;
        Ok(done.bytes)
    }

    async fn load_images(
        &mut self,
        engine: Resource<CurrentEngine>,
        file: String,
    ) -> Result<Vec<String>, Failure> {
        let file = self.local_path(&file)?;
        let transfer = Transfer::LoadImages { file };
        let done = self
            .transfer(&engine, "docker.load-images", transfer)
            .await?;
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
            docker::ImageSource::File(file) => ImageSource::File(self.local_path(&file)?),
            docker::ImageSource::Selection(files) => ImageSource::Selection(files),
            docker::ImageSource::Image(image) => ImageSource::Image(image),
        };
        let transfer = Transfer::ImportImage {
            source,
            image,
            changes,
        };
        let done = self
            .transfer(&engine, "docker.import-image", transfer)
            .await?;
        Ok(done.images.into_iter().next().unwrap_or_default())
    }

    async fn pull_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        image: String,
    ) -> Result<(), Failure> {
        let change = Change::PullImage { image };
        self.change(&engine, "docker.pull-image", change).await
    }

    async fn push_image(
        &mut self,
        engine: Resource<CurrentEngine>,
        image: String,
    ) -> Result<(), Failure> {
        let change = Change::PushImage { image };
        self.change(&engine, "docker.push-image", change).await
    }

    async fn remove_network(
        &mut self,
        engine: Resource<CurrentEngine>,
        network: String,
    ) -> Result<(), Failure> {
        let change = Change::RemoveNetwork { network };
        self.change(&engine, "docker.remove-network", change).await
    }

    async fn remove_volume(
        &mut self,
        engine: Resource<CurrentEngine>,
        volume: String,
    ) -> Result<(), Failure> {
        let change = Change::RemoveVolume { volume };
        self.change(&engine, "docker.remove-volume", change).await
    }

    async fn request(
        &mut self,
        engine: Resource<CurrentEngine>,
        method: String,
        path: String,
        body: Option<String>,
    ) -> Result<String, Failure> {
        self.table.get(&engine)?;
        let (permit, request) = self.authority.authorize_request(&method, &path)?;
        let (host, target) = (self.host()?, request.target());
        let effect = host.request(permit, request.method(), &target, body.as_deref());
        self.wait("docker.request", effect).await
    }

    async fn drop(&mut self, engine: Resource<CurrentEngine>) -> wasmtime::Result<()> {
        self.table.delete(engine)?;
        Ok(())
    }
}

impl State {
    fn local_path(&self, text: &str) -> Result<LocalPath, Failure> {
        let path = LocalPath::new(text, self.host()?.given_paths());
        Ok(path.map_err(|error| CallError::Invalid(error.to_string()))?)
    }

    async fn inspect(
        &mut self,
        engine: &Resource<CurrentEngine>,
        name: &'static str,
        object: Object,
    ) -> Result<String, Failure> {
        self.table.get(engine)?;
        let (permit, host) = self.authorize(HostCall::Inspect(object.clone()))?;
        self.wait(name, host.inspect(permit, &object)).await
    }

    async fn change(
        &mut self,
        engine: &Resource<CurrentEngine>,
        name: &'static str,
        change: Change,
    ) -> Result<(), Failure> {
        self.table.get(engine)?;
        let (permit, host) = self.authorize(HostCall::Change(change.clone()))?;
        self.wait(name, host.change(permit, &change)).await
    }

    async fn transfer(
        &mut self,
        engine: &Resource<CurrentEngine>,
        name: &'static str,
        transfer: Transfer,
    ) -> Result<Transferred, Failure> {
        self.table.get(engine)?;
        let (permit, host) = self.authorize(HostCall::Transfer(transfer.clone()))?;
        self.wait(name, host.transfer(permit, &transfer)).await
    }
}
