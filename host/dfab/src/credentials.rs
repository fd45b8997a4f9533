//! Logins to registries, from where docker, podman and oras keep them: `config.json` in docker's
//! folder, or a program that it names (<https://github.com/docker/docker-credential-helpers>).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dfab_bundles::read_file;
use dfab_bundles::registry::Login;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::failure::Failure;

/// How long a program may take: it may ask a person.
const LIMIT: Duration = Duration::from_secs(60);
const SIZE_LIMIT: usize = 1 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth")
    }
}

/// The login to a registry; none where there is none.
///
/// # Errors
/// Where docker's configuration cannot be read, or its program fails.
pub(crate) async fn login(folder: Option<&Path>, host: &str) -> Result<Option<Login>, Failure> {
    let Some(file) = folder.map(|folder| folder.join("config.json")) else {
        return Ok(None);
    };
    let unusable = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("cannot use {}", file.display())).because(why.to_string())
    };
    let config: Config = match read_file(&file, SIZE_LIMIT) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| unusable(&error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(&error)),
    };
    if let Some(helper) = config
        .cred_helpers
        .get(host)
        .or(config.creds_store.as_ref())
    {
        return ask(helper, host).await;
    }
    let names = [
        host.to_owned(),
        format!("https://{host}"),
        format!("https://{host}/v2/"),
    ];
    let Some(auth) = names.iter().find_map(|name| config.auths.get(name)) else {
        return Ok(None);
    };
    let text = STANDARD.decode(&auth.auth).ok();
    let text = text.and_then(|text| String::from_utf8(text).ok());
    match text.as_deref().and_then(|text| text.split_once(':')) {
        Some((user, password)) => Ok(Some(Login::new(user, password.trim_end_matches('\0')))),
        None => Err(unusable(&format!(
            "what it has for {host} is no name with a password"
        ))
        .hint(format!("docker login {host}"))),
    }
}

/// Asks a program that keeps logins.
async fn ask(helper: &str, host: &str) -> Result<Option<Login>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let program = format!("docker-credential-{helper}");
    let failed = |why: String| {
        Failure::failed(format!(
            "{program}, which docker's config.json names, does not help"
        ))
        .because(why)
    };
    if helper.contains('/') {
        return Err(failed("its name has a slash".to_owned()));
    }
    let asked = async {
        let mut child = Command::new(&program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(host.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Err(_) => {
            return Err(failed(format!(
                "it gave no answer in {} s",
                LIMIT.as_secs()
            )));
        }
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        // The words of the protocol for a registry that it does not know.
        if said.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(said.trim().chars().take(200).collect()));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("its answer cannot be read".to_owned()))?;
    if answer.username == "<token>" {
        return Err(failed(
            "it gives an identity token, which dfab does not take".to_owned(),
        ));
    }
    Ok(Some(Login::new(answer.username, answer.secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(config: &str, host: &str) -> Result<bool, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let found = login(Some(folder.path()), host).await;
        found.map(|login| login.is_some()).map_err(|failure| {
            failure
                .to_string()
                .replace(&folder.path().display().to_string(), "DIR")
        })
    }

    #[tokio::test]
    async fn logins_are_found_as_docker_writes_them() {
        let config = r#"{"auths": {"a.example": {"auth": "dTpw"}, "https://b.example": {"auth": "dTpw"}, "c.example": {}}}"#;
        assert_eq!(found(config, "a.example").await, Ok(true));
        assert_eq!(found(config, "b.example").await, Ok(true));
        assert_eq!(found(config, "d.example").await, Ok(false));
        insta::assert_snapshot!(found(config, "c.example").await.unwrap_err(), @"
        cannot use DIR/config.json: what it has for c.example is no name with a password
          hint: docker login c.example
        ");
        insta::assert_snapshot!(found("{", "a.example").await.unwrap_err(), @"cannot use DIR/config.json: EOF while parsing an object at line 1 column 1");
        let helper = r#"{"credsStore": "not-installed-anywhere"}"#;
        insta::assert_snapshot!(found(helper, "a.example").await.unwrap_err(), @"docker-credential-not-installed-anywhere, which docker's config.json names, does not help: No such file or directory (os error 2)");
        assert!(login(None, "a.example").await.unwrap().is_none());
    }
}
