//! Images and their names: pulled, pushed, named, removed.

use std::fmt;

use bollard::auth::DockerCredentials;
use bollard::query_parameters::{CreateImageOptionsBuilder, PushImageOptionsBuilder};
use futures_util::StreamExt as _;
use http::Method;

use crate::call::checked_image;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::path::query_value;

/// What proves to a registry who is asking.
#[derive(Clone, PartialEq, Eq)]
pub enum RegistryAuth {
    /// A name and a password.
    Password {
        /// The registry, such as `registry.example:5000`.
        server: String,
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that the registry gave out.
    Token {
        /// The registry.
        server: String,
        /// The token.
        token: String,
    },
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { server, user, .. } => {
                write!(formatter, "RegistryAuth({user} at {server})")
            }
            Self::Token { server, .. } => write!(formatter, "RegistryAuth(token for {server})"),
        }
    }
}

/// One message of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullProgress {
    /// The layer, where the message is about one.
    pub layer: Option<String>,
    /// Such as `Downloading`.
    pub status: String,
    /// Bytes done and in all, where they are known.
    pub bytes: Option<(u64, u64)>,
}

impl Engine {
    /// Lets the Engine pull `repository:tag`; a tag may be a digest (`sha256:…`) as well. Ends when
    /// the image is complete, however long that takes, as long as the Engine reports progress.
    /// Takes a channel of its own, and no place in the queue of calls.
    ///
    /// # Errors
    /// [`EngineError::Failed`] when the pull breaks off, [`EngineError::Refused`] when it does not
    /// start, [`EngineError::Idle`] when nothing is reported for too long.
    pub async fn pull_image(
        &self,
        repository: &str,
        tag: &str,
        auth: Option<RegistryAuth>,
    ) -> Result<(), EngineError> {
        self.pull_image_reporting(repository, tag, auth, |_| ())
            .await
    }

    /// The same, with every message of the Engine handed on as it comes.
    ///
    /// # Errors
    /// As for [`Engine::pull_image`].
    pub async fn pull_image_reporting(
        &self,
        repository: &str,
        tag: &str,
        auth: Option<RegistryAuth>,
        mut progress: impl FnMut(PullProgress) + Send,
    ) -> Result<(), EngineError> {
        let operation = format!("pull image {}", named(repository, tag));
        if repository.is_empty() || tag.is_empty() {
            // The Engine takes an empty tag for all tags of the repository.
            return Err(EngineError::Argument {
                operation,
                reason: "repository and tag are both needed".to_owned(),
            });
        }
        let options = CreateImageOptionsBuilder::new()
            .from_image(repository)
            .tag(tag)
            .build();
        let idle = self.shared.idle_timeout;
        let mut messages = Box::pin(self.shared.docker.create_image(
            Some(options),
            None,
            auth.map(credentials),
        ));
        loop {
            let message = match tokio::time::timeout(idle, messages.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return Err(EngineError::from_bollard(&operation, error)),
                Ok(None) => return Ok(()),
                Err(_) => {
                    return Err(EngineError::Idle {
                        operation,
                        after: idle,
                    });
                }
            };
            let bytes = message.progress_detail.and_then(|detail| {
                let total = u64::try_from(detail.total?).ok()?;
                Some((u64::try_from(detail.current?).ok()?, total))
            });
            progress(PullProgress {
                layer: message.id,
                status: message.status.unwrap_or_default(),
                bytes,
            });
        }
    }

    /// Lets the Engine push `repository:tag`, for as long as it reports progress. Takes a channel of its
    /// own, and no place in the queue of calls.
    ///
    /// # Errors
    /// As for [`Engine::pull_image`].
    pub async fn push_image(
        &self,
        repository: &str,
        tag: &str,
        auth: Option<RegistryAuth>,
    ) -> Result<(), EngineError> {
        let operation = format!("push image {}", named(repository, tag));
        let name = checked_image(&operation, repository)?;
        let options = PushImageOptionsBuilder::new().tag(tag).build();
        let idle = self.shared.idle_timeout;
        let docker = &self.shared.docker;
        let mut messages = Box::pin(docker.push_image(name, Some(options), auth.map(credentials)));
        loop {
            match tokio::time::timeout(idle, messages.next()).await {
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Err(EngineError::from_bollard(&operation, error)),
                Ok(None) => return Ok(()),
                Err(_) => {
                    return Err(EngineError::Idle {
                        operation,
                        after: idle,
                    });
                }
            }
        }
    }

    /// Gives an image another name.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is no such image.
    pub async fn tag_image(
        &self,
        image: &str,
        repository: &str,
        tag: &str,
    ) -> Result<(), EngineError> {
        let operation = format!("name image {image} {}", named(repository, tag));
        let path = format!(
            "/images/{}/tag?repo={}&tag={}",
            checked_image(&operation, image)?,
            query_value(repository),
            query_value(tag)
        );
        self.told(&operation, Method::POST, &path, None).await
    }

    /// Removes a name of an image, and the image with its last name; with `force` also one that a stopped
    /// container is of.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is none, [`EngineError::is_conflict`] while it is used.
    pub async fn remove_image(&self, image: &str, force: bool) -> Result<(), EngineError> {
        let operation = format!("remove image {image}");
        let name = checked_image(&operation, image)?;
        let path = format!("/images/{name}?force={force}");
        self.told(&operation, Method::DELETE, &path, None).await
    }
}

fn named(repository: &str, tag: &str) -> String {
    let separator = if tag.contains(':') { '@' } else { ':' };
    format!("{repository}{separator}{tag}")
}

fn credentials(auth: RegistryAuth) -> DockerCredentials {
    match auth {
        RegistryAuth::Password {
            server,
            user,
            password,
        } => DockerCredentials {
            username: Some(user),
            password: Some(password),
            serveraddress: Some(server),
            ..DockerCredentials::default()
        },
        RegistryAuth::Token { server, token } => DockerCredentials {
            identitytoken: Some(token),
            serveraddress: Some(server),
            ..DockerCredentials::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let auth = RegistryAuth::Password {
            server: "registry.example".to_owned(),
            user: "deploy".to_owned(),
            password: "hunter2".to_owned(),
        };
        assert_eq!(
            format!("{auth:?}"),
            "RegistryAuth(deploy at registry.example)"
        );
        let auth = RegistryAuth::Token {
            server: "a".to_owned(),
            token: "hunter2".to_owned(),
        };
        assert!(!format!("{auth:?}").contains("hunter2"));
    }

    #[test]
    fn a_digest_is_named_as_users_write_it() {
        assert_eq!(named("web", "1.2"), "web:1.2");
        assert_eq!(named("web", "sha256:00"), "web@sha256:00");
    }
}
