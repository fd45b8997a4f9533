//! The docker client's contexts: names for engines, in its own files
//! (<https://docs.docker.com/engine/manage-resources/contexts/>).

use std::fs;
use std::path::{Path, PathBuf};

use dfab_engine::Tls;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::tls;

/// The context that means the engine of this machine.
const DEFAULT: &str = "default";

/// Where a context leads.
#[derive(Debug)]
pub(crate) struct Context {
    /// As `DOCKER_HOST` has it.
    pub(crate) url: String,
    pub(crate) tls: Option<Tls>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext", default)]
    current: String,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Endpoints", default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host", default)]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    is_unchecked: bool,
}

/// The name of the context that docker uses where none is named: `DOCKER_CONTEXT`, or what
/// `docker context use` has written. None for the engine of this machine.
///
/// # Errors
/// Where docker's configuration cannot be read.
pub(crate) fn current(folder: &Path, variable: Option<String>) -> Result<Option<String>, Failure> {
    let name = match variable {
        Some(name) => name,
        None => {
            let file = folder.join("config.json");
            let config: Config = match read(&file)? {
                Some(config) => config,
                None => return Ok(None),
            };
            config.current
        }
    };
    Ok(Some(name).filter(|name| !name.is_empty() && name != DEFAULT))
}

/// The context of that name; none for the engine of this machine.
///
/// # Errors
/// Where there is no such context, or it cannot be used.
pub(crate) fn load(folder: &Path, name: &str) -> Result<Option<Context>, Failure> {
    if name == DEFAULT {
        return Ok(None);
    }
    let id = id(name);
    let file = folder.join("contexts/meta").join(&id).join("meta.json");
    let Some(meta) = read::<Meta>(&file)? else {
        return Err(Failure::usage(format!(
            "there is no docker context {name}: no {}",
            file.display()
        ))
        .hint("`docker context ls` lists them; `docker context use default` goes back"));
    };
    let place = format!("the docker context {name}");
    let endpoint = meta.endpoints.docker.filter(|it| !it.host.is_empty());
    let Some(endpoint) = endpoint else {
        return Err(Failure::usage(format!(
            "{place} names no Docker Engine: {}",
            file.display()
        )));
    };
    let mut options = tls::of_folder(&folder.join("contexts/tls").join(id).join("docker"));
    let has_files = options.authority.is_some() || options.identity.is_some();
    let is_tcp = ["tcp://", "https://"]
        .iter()
        .any(|scheme| endpoint.host.starts_with(scheme));
    let wants_tls = has_files || endpoint.is_unchecked;
    let tls = if is_tcp && wants_tls {
        if endpoint.is_unchecked {
            options.check = dfab_engine::Check::Nothing;
        }
        Some(tls::load(options, &place)?)
    } else {
        None
    };
    Ok(Some(Context {
        url: endpoint.host,
        tls,
    }))
}

/// The folder of a context is named after it.
fn id(name: &str) -> String {
    let digest = Sha256::digest(name);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read<T: for<'a> Deserialize<'a>>(file: &PathBuf) -> Result<Option<T>, Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::usage(format!("cannot read {}", file.display())).because(error));
        }
    };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        Failure::usage(format!("{} is not a file of docker's", file.display())).because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, path: &str, text: &str) {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn a_context_is_found_as_docker_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(current(folder, None).unwrap(), None);
        write(
            folder,
            "config.json",
            r#"{"auths": {}, "currentContext": "remote"}"#,
        );
        assert_eq!(current(folder, None).unwrap().as_deref(), Some("remote"));
        let variable = current(folder, Some(DEFAULT.to_owned()));
        assert_eq!(variable.unwrap(), None);
        let missing = load(folder, "remote").unwrap_err().to_string();
        assert!(
            missing.contains("there is no docker context remote"),
            "{missing}"
        );
        // The SHA-256 of "remote", as sha256sum(1) has it.
        let id = "b71199ebd070b36beab7317920c2c2f1d777df8d05e5527d8458fda57cb17a7a";
        let meta = format!("contexts/meta/{id}/meta.json");
        write(
            folder,
            &meta,
            r#"{"Name": "remote", "Metadata": {}, "Endpoints": {"docker": {"Host": "ssh://u@h", "SkipTLSVerify": false}}}"#,
        );
        let context = load(folder, "remote").unwrap().unwrap();
        assert_eq!(context.url, "ssh://u@h");
        assert!(context.tls.is_none());
        assert!(load(folder, DEFAULT).unwrap().is_none());
        write(folder, &meta, r#"{"Name": "remote", "Endpoints": {}}"#);
        assert!(load(folder, "remote").is_err());
    }
}
