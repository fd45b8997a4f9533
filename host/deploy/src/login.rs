//! Logins at registries, as an engine is given them.

use dfab_engine::RegistryAuth;
use dfab_maps::RegistryLogin;

use crate::host::Host;

impl Host {
    /// The login for a repository's registry, where its client has one.
    pub fn registry_login(&self, repository: &str) -> Option<RegistryAuth> {
        self.client().registry_login(repository).map(auth)
    }

    /// All logins of its client.
    pub fn registry_logins(&self) -> Vec<RegistryAuth> {
        self.client().registry_logins().map(auth).collect()
    }
}

fn auth((server, login): (&str, &RegistryLogin)) -> RegistryAuth {
    let password = login.password.as_ref();
    RegistryAuth::Password {
        server: server.to_owned(),
        user: login.username.clone().unwrap_or_default(),
        password: password.map_or_else(String::new, |password| password.reveal().to_owned()),
    }
}
