//! The settings that Docker-Fabric kept in Fabric's `env`: presets of dfab for clients that do not say
//! otherwise. They are read from `settings` of the project file and from `--set`.

use std::time::Duration;

use dfab_maps::{Client, RegistryLogin, Secret};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// Where images are whose name has no host.
const DOCKER_HUB: &str = "docker.io";

/// What the predecessor's settings say, for clients that say nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Presets {
    client: Client,
    /// The port of the first tunnel; those of further hosts follow.
    pub(crate) first_local_port: Option<u16>,
    /// Told once.
    warnings: Vec<String>,
}

/// A setting, and how it is read.
type Reader = fn(&mut Draft, &str, &Value) -> Result<(), Failure>;

/// What is read, before it goes together.
#[derive(Default)]
struct Draft {
    presets: Presets,
    login: RegistryLogin,
    registry: Option<String>,
}

/// Every setting of the predecessor.
const KNOWN: [(&str, Reader); 24] = [
    ("docker_base_url", |draft, name, value| {
        draft.presets.client.base_url = Some(text(name, value)?);
        Ok(())
    }),
    ("docker_tls", |draft, name, value| {
        draft.presets.client.tls = Some(match value {
            Value::Object(_) => value.clone(),
            value => Value::Bool(switch(name, value)?),
        });
        Ok(())
    }),
    ("docker_api_version", |draft, name, value| {
        draft.presets.client.version = Some(text(name, value)?);
        Ok(())
    }),
    ("docker_timeout", |draft, name, value| {
        draft.presets.client.timeout = Some(seconds(name, value)?);
        Ok(())
    }),
    ("docker_tunnel_remote_port", |draft, name, value| {
        draft.presets.client.tunnel_remote_port = Some(port(name, value)?);
        Ok(())
    }),
    ("docker_tunnel_local_port", |draft, name, value| {
        draft.presets.first_local_port = Some(port(name, value)?);
        Ok(())
    }),
    ("docker_registry_user", |draft, name, value| {
        draft.login.username = Some(text(name, value)?);
        Ok(())
    }),
    ("docker_registry_password", |draft, name, value| {
        draft.login.password = Some(Secret::new(text(name, value)?));
        Ok(())
    }),
    ("docker_registry_mail", |draft, name, value| {
        draft.login.email = Some(text(name, value)?);
        Ok(())
    }),
    ("docker_registry_repository", |draft, name, value| {
        draft.registry = Some(text(name, value)?);
        Ok(())
    }),
    ("docker_registry_insecure", |draft, name, value| {
        if switch(name, value)? {
            draft.presets.warn(
                name,
                "engines have a list of registries that they reach in plain text \
                 (`insecure-registries` in daemon.json), and nobody else has a say",
            );
        }
        Ok(())
    }),
    ("docker_default_raise_on_error", |draft, name, value| {
        if !switch(name, value)? {
            draft.presets.warn(
                name,
                "what fails is always told and in the exit code; what does not need it is done all \
                 the same",
            );
        }
        Ok(())
    }),
    ("docker_keep_tags", |_, name, value| {
        let is_list = matches!(value, Value::Array(tags) if tags.iter().all(Value::is_string));
        if is_list {
            return Ok(());
        }
        text(name, value).map(drop)
    }),
    ("docker_cli_prefix", |draft, name, value| {
        draft.presets.client.cmd_prefix = Some(text(name, value)?);
        Ok(())
    }),
    ("docker_cli_bin", |draft, name, value| {
        draft.presets.client.default_bin = Some(text(name, value)?);
        Ok(())
    }),
    ("docker_cli_sudo", |draft, name, value| {
        draft.presets.client.use_sudo = Some(switch(name, value)?);
        Ok(())
    }),
    ("docker_cli_debug", |draft, name, value| {
        draft.presets.client.debug = Some(switch(name, value)?);
        Ok(())
    }),
    ("docker_fabric_implementation", |draft, name, value| {
        if text(name, value)? != "API" {
            draft.presets.warn(
                name,
                "dfab speaks to engines by their API only; `dfab plan ACTION --format sh` has the \
                 command lines",
            );
        }
        Ok(())
    }),
    ("docker_maps", |draft, name, _| {
        draft
            .presets
            .warn(name, "container maps are named under `maps` of dfab.yaml");
        Ok(())
    }),
    ("docker_clients", |draft, name, _| {
        draft.presets.warn(
            name,
            "the client file is named under `clients` of dfab.yaml",
        );
        Ok(())
    }),
    ("socat_quiet", |draft, name, value| {
        draft.presets.client.socat_quiet = Some(switch(name, value)?);
        Ok(())
    }),
    ("socat_path", |draft, name, value| {
        draft.presets.client.socat_path = Some(text(name, value)?);
        Ok(())
    }),
    ("socat_fork", |draft, name, _| {
        draft
            .presets
            .warn(name, "each connection has a socat of its own");
        Ok(())
    }),
    ("socat_version", |draft, name, _| {
        draft.presets.warn(
            name,
            "`dfab setup socat` installs the package of the system",
        );
        Ok(())
    }),
];

/// What only the connection may know: neither maps nor plugins get it.
pub(crate) const SECRET: &str = "docker_registry_password";

impl Presets {
    /// Reads the settings. `is_asked` tells whether a map or a client file asks for one by its name:
    /// then it means something, whatever it is called.
    ///
    /// # Errors
    /// Where one of the predecessor's settings cannot be what it says.
    pub(crate) fn read(
        settings: &Map<String, Value>,
        is_asked: &dyn Fn(&str) -> bool,
    ) -> Result<Self, Failure> {
        let mut draft = Draft::default();
        for (name, value) in settings {
            if value.is_null() {
                continue;
            }
            if let Some((_, read)) = KNOWN.iter().find(|(known, _)| known == name) {
                read(&mut draft, name, value)?;
            } else if is_of_predecessor(name)
                && !is_asked(name)
                && let Some(near) = nearest(name)
            {
                draft.presets.warnings.push(format!(
                    "the setting {name} means nothing to dfab: did you mean {near}?"
                ));
            }
        }
        let Draft {
            mut presets,
            mut login,
            registry,
        } = draft;
        if login.username.is_some() || login.password.is_some() {
            let key = registry.unwrap_or_else(|| DOCKER_HUB.to_owned());
            login.registry = Some(key.clone());
            presets.client.auth_configs.insert(key, login);
        }
        Ok(presets)
    }

    /// What is to be told of the settings.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Fills in what a client does not say itself.
    pub(crate) fn complete(&self, mut client: Client) -> Client {
        let preset = &self.client;
        fn fill<T: Clone>(field: &mut Option<T>, preset: &Option<T>) {
            if field.is_none() {
                field.clone_from(preset);
            }
        }
        fill(&mut client.base_url, &preset.base_url);
        fill(&mut client.tls, &preset.tls);
        fill(&mut client.version, &preset.version);
        fill(&mut client.timeout, &preset.timeout);
        fill(&mut client.tunnel_remote_port, &preset.tunnel_remote_port);
        fill(&mut client.cmd_prefix, &preset.cmd_prefix);
        fill(&mut client.default_bin, &preset.default_bin);
        fill(&mut client.use_sudo, &preset.use_sudo);
        fill(&mut client.debug, &preset.debug);
        fill(&mut client.socat_path, &preset.socat_path);
        fill(&mut client.socat_quiet, &preset.socat_quiet);
        for (registry, login) in &preset.auth_configs {
            if !client.auth_configs.contains_key(registry) {
                client.auth_configs.insert(registry.clone(), login.clone());
            }
        }
        client
    }

    fn warn(&mut self, name: &str, why: &str) {
        self.warnings
            .push(format!("the setting {name} does nothing: {why}"));
    }
}

/// Whether it is called as the predecessor's settings are.
pub(crate) fn is_of_predecessor(name: &str) -> bool {
    name.starts_with("docker_") || name.starts_with("socat_")
}

/// Whether it is one of the predecessor's settings.
pub(crate) fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|(known, _)| *known == name)
}

/// The one of the predecessor's settings that is called nearly so.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(name, known);
    KNOWN
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| likeness(known) > 0.7)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// A mistake in a setting. The value is not in it, since it may be a password in the wrong place.
fn wrong(name: &str, wanted: &str) -> Failure {
    Failure::usage(format!("the setting {name} is {wanted}"))
        .hint("settings are in dfab.yaml under `settings`, or given by --set")
}

fn text(name: &str, value: &Value) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(wrong(name, "a text")),
    }
}

fn switch(name: &str, value: &Value) -> Result<bool, Failure> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" | "" => Ok(false),
            _ => Err(wrong(name, "true or false")),
        },
        _ => Err(wrong(name, "true or false")),
    }
}

fn port(name: &str, value: &Value) -> Result<u16, Failure> {
    let port = text(name, value).ok().and_then(|text| text.parse().ok());
    port.filter(|port| *port > 0)
        .ok_or_else(|| wrong(name, "a port, from 1 to 65535"))
}

fn seconds(name: &str, value: &Value) -> Result<Duration, Failure> {
    let number = text(name, value).ok().and_then(|text| text.parse().ok());
    number
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| wrong(name, "a number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(settings: Value) -> Result<Presets, Failure> {
        Presets::read(settings.as_object().unwrap(), &|name| name == "docker_tls_")
    }

    #[test]
    fn settings_go_to_clients_that_say_nothing() {
        let presets = read(json!({
            "docker_base_url": "tcp://10.0.0.1", "docker_tls": "yes", "docker_api_version": 1.41,
            "docker_timeout": "90", "docker_tunnel_remote_port": 2376, "docker_tunnel_local_port": "22375",
            "docker_cli_prefix": "nice", "docker_cli_bin": "podman", "docker_cli_sudo": true,
            "docker_cli_debug": "1", "docker_keep_tags": ["latest"], "socat_quiet": false,
            "socat_path": "/opt/socat", "docker_fabric_implementation": "API",
        }))
        .unwrap();
        assert!(presets.warnings().is_empty(), "{:?}", presets.warnings());
        let client = presets.complete(Client {
            timeout: Some(Duration::from_secs(5)),
            use_sudo: Some(false),
            ..Client::default_client()
        });
        assert_eq!(client.base_url.as_deref(), Some("tcp://10.0.0.1"));
        assert_eq!(client.tls, Some(Value::Bool(true)));
        assert_eq!(client.version.as_deref(), Some("1.41"));
        assert_eq!(client.timeout, Some(Duration::from_secs(5)));
        assert_eq!(client.tunnel_remote_port, Some(2376));
        assert_eq!(client.cmd_prefix.as_deref(), Some("nice"));
        assert_eq!(client.default_bin.as_deref(), Some("podman"));
        assert_eq!((client.use_sudo, client.debug), (Some(false), Some(true)));
        assert_eq!(client.socat_path.as_deref(), Some("/opt/socat"));
        assert_eq!(client.socat_quiet, Some(false));
        assert_eq!(presets.first_local_port, Some(22375));
    }

    #[test]
    fn a_login_is_for_its_registry_and_its_password_is_not_shown() {
        let presets = read(json!({
            "docker_registry_user": "u", "docker_registry_password": "geheim",
            "docker_registry_repository": "registry.example.com",
        }))
        .unwrap();
        assert!(!format!("{presets:?}").contains("geheim"));
        let client = presets.complete(Client::default_client());
        let (server, login) = client.registry_login("registry.example.com/a").unwrap();
        assert_eq!(server, "registry.example.com");
        assert_eq!(login.password.as_ref().unwrap().reveal(), "geheim");
        assert!(client.registry_login("other.example.com/a").is_none());
        let hub = read(json!({ "docker_registry_user": "u" })).unwrap();
        let client = hub.complete(Client::default_client());
        assert!(client.registry_login("nginx").is_some());
        let failure = read(json!({ "docker_registry_password": ["geheim"] }));
        assert!(!failure.unwrap_err().to_string().contains("geheim"));
    }

    #[test]
    fn b_50_what_means_nothing_is_told_with_what_may_have_been_meant() {
        let presets = read(json!({
            "docker_tiemout": 3, "docker_folder": "/x", "docker_tls_": "/x", "site": 1, "socat_quiet": "no",
            "docker_registry_insecure": true, "docker_default_raise_on_error": false,
            "docker_fabric_implementation": "CLI",
        }))
        .unwrap();
        let warnings = presets.warnings().join("\n");
        assert!(
            warnings.contains("did you mean docker_timeout?"),
            "{warnings}"
        );
        for name in [
            "docker_registry_insecure",
            "docker_default_raise_on_error",
            "docker_fabric_implementation",
        ] {
            assert!(warnings.contains(name), "{warnings}");
        }
        assert_eq!(presets.warnings().len(), 4, "{warnings}");
        for wrong in [
            json!({ "docker_timeout": "soon" }),
            json!({ "docker_tunnel_remote_port": 70000 }),
            json!({ "docker_cli_sudo": "perhaps" }),
        ] {
            assert!(read(wrong).is_err());
        }
    }
}
