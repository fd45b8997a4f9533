//! What a container has mounted: binds of the host, volumes, and volumes of other containers.

use serde_json::{Map, Value as Json, json};

use super::{BodyError, Features, Parts};
use crate::map::{Item, ResolvedMap};
use crate::mount::Bind;

/// Puts them into a body.
pub(super) fn mounts(
    map: &ResolvedMap,
    config: &str,
    instance: Option<&str>,
    features: &Features,
    parts: &mut Parts<'_>,
) {
    let Some(container) = map.containers.get(config) else {
        return;
    };
    let mut binds = Vec::new();
    let mut from = Vec::new();
    let mode = |read_only: bool| if read_only { "ro" } else { "rw" };
    for bind in &container.binds {
        let (what, path, host_path, read_only) = match bind {
            Bind::Alias {
                alias, read_only, ..
            } => {
                let path = map
                    .volumes
                    .get(alias)
                    .and_then(|volume| volume.default_path.as_deref());
                (alias, path, map.host.get(alias), read_only)
            }
            Bind::Paths {
                path,
                host_path,
                read_only,
            } => (path, Some(path.as_str()), Some(host_path), read_only),
        };
        let host_path = host_path.and_then(|paths| map.host_path(paths, instance));
        match (path, host_path) {
            (Some(path), Some(host_path)) => {
                binds.push(format!("{host_path}:{path}:{}", mode(*read_only)));
            }
            // Which is told.
            _ if map.waits_for_bind(what, instance) => {}
            _ => parts.faults.push(
                BodyError::NoHostPath {
                    what: what.clone(),
                    instance: instance.map(str::to_owned),
                }
                .into(),
            ),
        }
    }
    let item = |owner: &str, alias: &str| Item::Volume {
        owner: owner.to_owned(),
        alias: alias.to_owned(),
    };
    let own = container
        .attaches
        .iter()
        .map(|volume| (volume, map.engine_name(&item(config, &volume.name))));
    for (volume, name) in own.clone().filter(|_| features.volumes) {
        if let Some(path) = map.attached_path(config, &volume.name) {
            binds.push(format!("{name}:{path}:rw"));
        }
    }
    for used in &container.uses {
        if let Some((owner, alias)) = map.attached_volume(&used.name) {
            if !features.volumes {
                let suffix = if used.read_only { ":ro" } else { "" };
                from.push(format!("{}{suffix}", map.engine_name(&item(owner, alias))));
                continue;
            }
            let path = used
                .path
                .as_deref()
                .or_else(|| map.attached_path(owner, alias));
            if let Some(path) = path {
                let name = map.engine_name(&item(owner, alias));
                binds.push(format!("{name}:{path}:{}", mode(used.read_only)));
            }
        } else {
            let suffix = if used.read_only { ":ro" } else { "" };
            let containers = map.referred(&used.name).unwrap_or_default();
            from.extend(
                containers
                    .iter()
                    .map(|one| format!("{}{suffix}", map.engine_name(one))),
            );
        }
    }
    // Without named volumes, each is that of a container which only has it.
    from.extend(own.filter(|_| !features.volumes).map(|(_, name)| name));
    if !container.shares.is_empty() {
        let volumes: Map<_, _> = container
            .shares
            .iter()
            .map(|path| (path.clone(), json!({})))
            .collect();
        parts
            .body
            .insert("Volumes".to_owned(), Json::Object(volumes));
    }
    if !binds.is_empty() {
        parts.host.insert("Binds".to_owned(), json!(binds));
    }
    if !from.is_empty() {
        parts.host.insert("VolumesFrom".to_owned(), json!(from));
    }
}
