//! Owner and permissions of an attached volume, before its container starts.
//!
//! The volume's own folder tells whether anything is to be done; where that fails it is put back, so that
//! it is tried again. What is in the volume is changed first, as `chown -R` and `chmod -R` do: by the
//! `chown` and `chmod` of the container's own image, in a container made for it. An image without them
//! leaves the way through the Engine API, for volumes with little in them that nobody uses.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dfab_engine::{Engine, EngineError, OutputOptions, Ownership};
use dfab_maps::Permissions;
use serde::Serialize;
use serde_json::json;
use tar::EntryType;
use tokio::io::AsyncWrite;

use crate::accounts::{self, AccountError};
use crate::execute::Stop;
use crate::temporary::{Temporary, mark};

/// What a volume's folder and all in it get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preparation {
    /// The volume's name on the engine.
    pub volume: String,
    /// Where it is mounted in the container that attaches it.
    pub path: String,
    /// `USER:GROUP`, each by name or number.
    pub user: Option<String>,
    /// As chmod takes them.
    pub permissions: Option<String>,
}

/// Why a volume is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum PreparationError {
    /// The owner is nobody.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The engine did not do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The operator asked for a stop at once.
    #[error(
        "it was given up, since a stop was asked for; what is in the volume may be changed in part"
    )]
    Stopped,
    /// The command of the image failed.
    #[error(
        "`{command}` on volume {volume} ended with status {status}{output}; mend that, or take the \
         volume's user and permissions out of the map"
    )]
    Command {
        /// The command line.
        command: String,
        /// The volume.
        volume: String,
        /// Its exit status.
        status: i64,
        /// The end of what it printed, after a colon, or nothing.
        output: String,
    },
    /// Without a command there is no way.
    #[error(
        "what is in volume {volume} has other owners or permissions and is left as it is: {reason}, and \
         the image has no `{command}` ({refused}). Set them by `docker run --rm -v {volume}:/v IMAGE \
         {command} …` with another image, or take the volume's user and permissions out of the map"
    )]
    NoWay {
        /// The volume.
        volume: String,
        /// Why it is not done through the Engine API.
        reason: String,
        /// `chown` or `chmod`.
        command: &'static str,
        /// The engine's words.
        refused: String,
    },
}

impl From<dfab_maps::Preparation> for Preparation {
    fn from(of_map: dfab_maps::Preparation) -> Self {
        let dfab_maps::Preparation {
            volume,
            path,
            user,
            permissions,
        } = of_map;
        Self {
            volume,
            path,
            user,
            permissions,
        }
    }
}

/// How long the command of an image may take; a volume may be large.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// How much of a volume goes through memory, in bytes.
const MOST: usize = 16 << 20;

/// Gives a volume its owner and permissions, if its own folder has others, and looks at it afterwards.
///
/// # Errors
/// Where there is no way, or it does not help.
///
/// # Cancellation
/// When dropped, the container of a command is removed by a task of its own, and the volume may be changed
/// in part: where the command changes a folder before what is in it, the next time finds nothing to do.
pub(crate) async fn prepare(
    engine: &Engine,
    container: &str,
    wanted: &Preparation,
    stop: &Stop,
) -> Result<(), PreparationError> {
    let Preparation { volume, path, .. } = wanted;
    let owner = match &wanted.user {
        Some(user) => Some(accounts::resolve(engine, container, user, volume).await?),
        None => None,
    };
    let permissions = wanted.permissions.as_deref().map(parsed).transpose()?;
    let before = engine.ownership(container, path).await?;
    let after = change(&before, owner, permissions.as_ref(), true);
    if after == before {
        return Ok(());
    }
    if !engine.is_empty_directory(container, path).await? {
        let below = Below {
            engine,
            container,
            wanted,
            owner,
            permissions: permissions.as_ref(),
            stop,
        };
        if let Err(error) = below.change().await {
            // The next time it is to be tried again.
            if let Err(error) = set(engine, container, path, &before).await {
                tracing::warn!("the folder of volume {volume} is not as it was: {error}");
            }
            return Err(error);
        }
    }
    set(engine, container, path, &after).await?;
    Ok(())
}

fn parsed(text: &str) -> Result<Permissions, EngineError> {
    text.parse().map_err(|error| EngineError::Argument {
        operation: "set the permissions of a volume".to_owned(),
        reason: format!("{error}"),
    })
}

fn change(
    before: &Ownership,
    owner: Option<(u32, u32)>,
    permissions: Option<&Permissions>,
    is_directory: bool,
) -> Ownership {
    let (uid, gid) = owner.unwrap_or((before.uid, before.gid));
    let mode = permissions.map_or(before.mode, |change| {
        change.apply(before.mode, is_directory)
    });
    Ownership { uid, gid, mode }
}

async fn set(
    engine: &Engine,
    container: &str,
    path: &str,
    to: &Ownership,
) -> Result<bool, EngineError> {
    engine
        .set_ownership(container, path, Some(to.uid), Some(to.gid), Some(to.mode))
        .await
}

/// Where the volume is, and what can be run on it.
struct Source {
    /// The container's image, by its id.
    image: String,
    /// The volume's own name: without named volumes it is another container's anonymous one.
    volume: String,
}

/// What is below the volume's folder.
struct Below<'a> {
    engine: &'a Engine,
    container: &'a str,
    wanted: &'a Preparation,
    owner: Option<(u32, u32)>,
    permissions: Option<&'a Permissions>,
    stop: &'a Stop,
}

impl Below<'_> {
    async fn change(&self) -> Result<(), PreparationError> {
        let mut commands = Vec::new();
        if let Some((uid, gid)) = self.owner {
            // A link is given away itself, not what it leads to.
            commands.push((
                "chown",
                ["-hR".to_owned(), "--".to_owned(), format!("{uid}:{gid}")],
            ));
        }
        if let Some(permissions) = &self.wanted.permissions {
            commands.push((
                "chmod",
                ["-R".to_owned(), "--".to_owned(), permissions.clone()],
            ));
        }
        let source = self.source().await?;
        for (command, arguments) in commands {
            if let Some(refused) = self.run(&source, command, &arguments).await? {
                return self.rewrite(&source, command, refused).await;
            }
        }
        Ok(())
    }

    async fn source(&self) -> Result<Source, EngineError> {
        let Preparation { volume, path, .. } = self.wanted;
        let names = [self.container.to_owned()];
        let inspected = self.engine.inspect_containers(&names).await?;
        let live = inspected.get(self.container);
        let image = live.and_then(|live| live.get("Image")?.as_str());
        let mounts = live.and_then(|live| live.get("Mounts")?.as_array());
        let mount = mounts.into_iter().flatten().find_map(|mount| {
            let is_it = mount.get("Destination")?.as_str()? == path.trim_end_matches('/');
            is_it.then(|| mount.get("Name")?.as_str())?
        });
        Ok(Source {
            image: image.unwrap_or_default().to_owned(),
            volume: mount.unwrap_or(volume).to_owned(),
        })
    }

    /// Runs a command of the image on the volume; the engine's words where the image has none.
    async fn run(
        &self,
        source: &Source,
        command: &'static str,
        arguments: &[String],
    ) -> Result<Option<String>, PreparationError> {
        let path = &self.wanted.path;
        let line = [arguments, std::slice::from_ref(path)].concat();
        let body = json!({
            "Image": source.image,
            "Entrypoint": [command],
            "Cmd": line,
            "User": "0:0",
            "NetworkDisabled": true,
            "HostConfig": {
                "Binds": [format!("{}:{path}", source.volume)],
                "NetworkMode": "none",
            },
        });
        let name = format!("{}.{command}-{}", self.container, mark());
        let mut made = Temporary::create(self.engine, &name, &body, self.stop.hold()).await?;
        let result = tokio::select! {
            result = self.follow(&name, command, &line) => result,
            () = self.stop.asked_at_once() => Err(PreparationError::Stopped),
        };
        let removed = made.remove().await;
        let result = result?;
        removed?;
        Ok(result)
    }

    async fn follow(
        &self,
        name: &str,
        command: &'static str,
        line: &[String],
    ) -> Result<Option<String>, PreparationError> {
        match self.engine.start_container(name).await {
            Err(EngineError::Refused { message, .. }) => return Ok(Some(message)),
            started => started?,
        }
        let status = self.engine.wait_container(name, LONGEST).await?;
        if status == 0 {
            return Ok(None);
        }
        let output = self.engine.output(name, OutputOptions::default()).await;
        let printed: Vec<u8> = output
            .unwrap_or_default()
            .into_iter()
            .flat_map(|piece| piece.bytes.to_vec())
            .collect();
        let printed = String::from_utf8_lossy(&printed);
        let last = printed.lines().rev().find(|line| !line.trim().is_empty());
        Err(PreparationError::Command {
            command: format!("{command} {}", line.join(" ")),
            volume: self.wanted.volume.clone(),
            status,
            output: last.map(|line| format!(": {line}")).unwrap_or_default(),
        })
    }

    /// Reads what is in the volume, and writes it again with other headers where that is needed.
    async fn rewrite(
        &self,
        source: &Source,
        command: &'static str,
        refused: String,
    ) -> Result<(), PreparationError> {
        let Preparation { volume, path, .. } = self.wanted;
        let no_way = |reason: String| PreparationError::NoWay {
            volume: volume.clone(),
            reason,
            command,
            refused: refused.clone(),
        };
        let Some(archive) = self.archive().await? else {
            return Err(no_way(format!("it is more than {} MiB", MOST >> 20)));
        };
        let changed = self
            .rewritten(&archive)
            .map_err(|error| no_way(error.to_string()))?;
        let Some(changed) = changed else {
            return Ok(());
        };
        // A file is made anew by that, under the hands of who has it open.
        let filter = ("volume".to_owned(), source.volume.clone());
        let users = self.engine.containers(false, &[filter]).await?;
        let users: Vec<_> = users
            .into_iter()
            .filter_map(|user| user.names.into_iter().next())
            .collect();
        if !users.is_empty() {
            return Err(no_way(format!("it is in use by {}", users.join(", "))));
        }
        self.engine
            .put_archive(self.container, path, Bytes::from(changed))
            .await?;
        let now = self.archive().await?.unwrap_or_default();
        match self.rewritten(&now) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(no_way("writing it again did not help".to_owned())),
            Err(error) => Err(no_way(error.to_string())),
        }
    }

    /// The volume's contents, if they are few.
    async fn archive(&self) -> Result<Option<Vec<u8>>, EngineError> {
        let mut archive = Limited {
            bytes: Vec::new(),
            is_full: false,
        };
        let path = &self.wanted.path;
        match self
            .engine
            .get_archive(self.container, path, &mut archive)
            .await
        {
            Ok(()) => Ok(Some(archive.bytes)),
            Err(_) if archive.is_full => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The archive of what is below the folder, with owners and modes as they should be; none where they
    /// are so already.
    fn rewritten(&self, archive: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        let mut differs = false;
        let mut into = tar::Builder::new(Vec::new());
        for entry in tar::Archive::new(archive).entries()? {
            let mut entry = entry?;
            let path: PathBuf = entry.path()?.components().skip(1).collect();
            if path.as_os_str().is_empty() {
                continue;
            }
            let mut header = entry.header().clone();
            let id = |id: u64| u32::try_from(id).map_err(std::io::Error::other);
            let before = Ownership {
                uid: id(header.uid()?)?,
                gid: id(header.gid()?)?,
                mode: header.mode()? & 0o7777,
            };
            let kind = header.entry_type();
            // A link has no mode of its own.
            let permissions = self.permissions.filter(|_| kind != EntryType::Symlink);
            let after = change(&before, self.owner, permissions, kind.is_dir());
            differs |= before != after;
            header.set_uid(after.uid.into());
            header.set_gid(after.gid.into());
            header.set_mode(after.mode);
            let link = entry.link_name()?.map(|link| match kind {
                // It is named from where the folder is.
                EntryType::Link => link.components().skip(1).collect::<PathBuf>(),
                _ => link.into_owned(),
            });
            match link {
                Some(link) => into.append_link(&mut header, &path, &link)?,
                None => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content)?;
                    append(&mut into, &mut header, &path, kind, &content)?;
                }
            }
        }
        Ok(if differs {
            Some(into.into_inner()?)
        } else {
            None
        })
    }
}

fn append(
    into: &mut tar::Builder<Vec<u8>>,
    header: &mut tar::Header,
    path: &Path,
    kind: EntryType,
    content: &[u8],
) -> std::io::Result<()> {
    // A folder is known by the end of its name.
    let path = if kind.is_dir() {
        path.join("")
    } else {
        path.to_owned()
    };
    header.set_size(content.len() as u64);
    into.append_data(header, path, content)
}

/// Takes no more than [`MOST`] bytes.
#[derive(Debug)]
struct Limited {
    bytes: Vec<u8>,
    /// More came.
    is_full: bool,
}

impl AsyncWrite for Limited {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        piece: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.bytes.len() + piece.len() > MOST {
            self.is_full = true;
            return Poll::Ready(Err(std::io::Error::other("it is too large")));
        }
        self.bytes.extend_from_slice(piece);
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
