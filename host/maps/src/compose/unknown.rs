//! Keys of a service that a map has nothing like.

use super::service::Service;
use super::translation::Translation;
use crate::tree::Node;

/// Keys of a service without a counterpart, and what to do about each.
const WITHOUT_COUNTERPART: [(&str, &str); 27] = [
    ("annotations", "labels under create_options may do"),
    (
        "attach",
        "nothing to do: dfab shows no output of containers while they start",
    ),
    (
        "build",
        "build the image and push it, and name it under `image`",
    ),
    ("cgroup", "nothing to do, unless the container relies on it"),
    ("configs", "put the file on the host and bind it"),
    ("cpu_percent", "nothing to do on Linux"),
    (
        "cpu_rt_period",
        "nothing to do, unless the container relies on it",
    ),
    (
        "cpu_rt_runtime",
        "nothing to do, unless the container relies on it",
    ),
    ("credential_spec", "nothing to do on Linux"),
    ("develop", "nothing to do: it is for `docker compose watch`"),
    (
        "env_file",
        "write its variables under create_options.environment; `docker compose config` shows them",
    ),
    (
        "extends",
        "import what `docker compose config` prints: there it is filled in",
    ),
    (
        "external_links",
        "put both containers in one network, or write it under host_config.links",
    ),
    ("label_file", "write its labels under create_options.labels"),
    (
        "models",
        "run the model by itself, and write its address under create_options.environment",
    ),
    ("platform", "name an image of that platform"),
    ("pre_stop", "stop_signal may do"),
    (
        "profiles",
        "name the containers when you start some only; a group of the map stands for several",
    ),
    ("provider", "set it up by itself"),
    (
        "pull_policy",
        "nothing to do: dfab pulls images that are not there",
    ),
    (
        "pull_refresh_after",
        "nothing to do: dfab pulls images that are not there",
    ),
    (
        "secrets",
        "put the file on the host and bind it read-only, or write the value as !env NAME",
    ),
    ("use_api_socket", "bind /var/run/docker.sock"),
    ("volume_driver", "write it under host_config.volume_driver"),
    ("net", "write network_mode"),
    ("log_driver", "write host_config.log_config"),
    ("log_opt", "write host_config.log_config"),
];

impl Service {
    /// Tells of a key that is left out.
    pub(super) fn without_counterpart(
        &self,
        key: &Node,
        name: &str,
        translation: &mut Translation,
    ) {
        let (message, help) = match WITHOUT_COUNTERPART.iter().find(|(known, _)| *known == name) {
            Some((_, help)) => (
                format!(
                    "a map has nothing like {name} of {}; it is left out",
                    self.name
                ),
                *help,
            ),
            None => (
                format!(
                    "Compose has no {name} of a service; it is left out of {}",
                    self.name
                ),
                "look whether it is misspelt",
            ),
        };
        translation.note(key.at, message, help);
    }
}
