//! Bytes between engines and this machine: images and files of containers. They are handed on as they
//! come; nothing is kept in memory or on the way.

mod packing;
mod pipe;
mod place;
mod remote;
mod source;

use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Component, Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dfab_engine::{BuildRequest, Download, Engine, EngineError};
use dfab_maps::{Permissions, PermissionsError};
use dfab_runtime::task::{Form, Selection};
use dfab_runtime::{RemotePath, Transferred};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;

use self::packing::Packing;
use self::pipe::{Reader, Writer, pipe};
pub use self::place::Place;
pub use self::remote::{download, upload};
use crate::execute::Stop;
use crate::temporary::Temporary;
use crate::unpack::unpack;

/// How long who reads for an upload may take to say why it ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why something was not transferred.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// What is wanted cannot be.
    #[error("{0}")]
    Invalid(String),
    /// The permissions are none.
    #[error(transparent)]
    Permissions(#[from] PermissionsError),
    /// There is nothing to read.
    #[error("cannot read {place}")]
    Read {
        /// The file or folder.
        place: Place,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be stored.
    #[error("cannot write {place}")]
    Write {
        /// The file or folder.
        place: Place,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What the engine gave is no archive.
    #[error("cannot read what the Docker Engine gave of {what}")]
    Archive {
        /// The container.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The engine did not do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The host did not do it.
    #[error("cannot copy {path} of the host: {reason}")]
    Remote {
        /// The file.
        path: RemotePath,
        /// In the words of the host.
        reason: String,
    },
    /// The host has no such file.
    #[error("there is no file {0} on the host")]
    Missing(RemotePath),
    /// The host runs no command.
    #[error(transparent)]
    Session(#[from] dfab_ssh::OpenError),
}

/// Writes images to a file, compressed where its name ends in `gz`.
///
/// # Errors
/// Where the engine refuses, or the file cannot be written; then there is none.
///
/// # Cancellation
/// When dropped, there is no file.
pub async fn save_images(
    engine: &Engine,
    images: &[String],
    to: &Place,
) -> Result<Transferred, TransferError> {
    let download = engine.save_images(images)?;
    let (writer, mut reader) = pipe();
    let place = to.clone();
    let compressed = place.to_string().ends_with("gz");
    let writing = in_thread(move || {
        reader.wait()?;
        place.write(|file| {
            if compressed {
                let mut encoder = GzEncoder::new(file, Compression::default());
                io::copy(&mut reader, &mut encoder)?;
                encoder.finish().map(drop)
            } else {
                io::copy(&mut reader, file).map(drop)
            }
        })
    });
    let (fed, written) = tokio::join!(feed(download, writer), writing);
    let bytes = fed?;
    written.map_err(|source| TransferError::Write {
        place: to.clone(),
        source,
    })?;
    Ok(Transferred {
        bytes,
        ..Transferred::default()
    })
}

/// Loads the images of a file, which may be compressed.
///
/// # Errors
/// Where the file cannot be read, or the engine finds no images in it.
pub async fn load_images(engine: &Engine, file: &Place) -> Result<Transferred, TransferError> {
    let (writer, reader) = pipe();
    let reading = source::send_file(file.clone(), writer);
    let loading = engine.load_images(reader.into_upload());
    let (read, loaded) = both_ends(reading, loading).await;
    Ok(Transferred {
        images: sent(read, loaded, |source| TransferError::Read {
            place: file.clone(),
            source,
        })?,
        ..Transferred::default()
    })
}

/// Copies a file, or the contents of a folder, into a folder of a container.
///
/// # Errors
/// Where they cannot be read, or the engine refuses.
pub async fn copy_to_container(
    engine: &Engine,
    local: &Place,
    container: &str,
    folder: &str,
) -> Result<Transferred, TransferError> {
    let (writer, reader) = pipe();
    let reading = source::send_packed(local.clone(), writer);
    let writing = engine.upload_archive(container, folder, reader.into_upload());
    let (read, written) = both_ends(reading, writing).await;
    sent(read, written, |source| TransferError::Read {
        place: local.clone(),
        source,
    })?;
    Ok(Transferred::default())
}

/// Copies files of a container to a folder, or into one file.
///
/// # Errors
/// Where the engine refuses, or something cannot be written.
///
/// # Cancellation
/// When dropped, there is no file; a folder may have a part of what was copied.
pub async fn copy_from_container(
    engine: &Engine,
    files: &Selection,
    to: &Place,
    form: Form,
) -> Result<Transferred, TransferError> {
    let place = to.clone();
    let packed = match form {
        Form::Tar => {
            pack(engine, files, move |packing, mut parts| {
                wait_for_first(&mut parts)?;
                place.write(|file| {
                    let (mut out, left_out) = fill(packing, parts, BufWriter::new(file))?;
                    out.flush()?;
                    Ok(left_out)
                })
            })
            .await
        }
        Form::TarGz => {
            pack(engine, files, move |packing, mut parts| {
                wait_for_first(&mut parts)?;
                place.write(|file| {
                    let encoder = GzEncoder::new(file, Compression::default());
                    let (encoder, left_out) = fill(packing, parts, encoder)?;
                    encoder.finish()?;
                    Ok(left_out)
                })
            })
            .await
        }
        Form::Folder => {
            let (writer, mut reader) = pipe();
            let unpacking = in_thread(move || {
                reader.wait()?;
                let folder = place.make_folder()?;
                let mut reader = BufReader::new(reader);
                let left_out = unpack(&mut reader, folder, 0)?;
                io::copy(&mut reader, &mut io::sink())?;
                Ok(left_out)
            });
            let packing = pack(engine, files, move |packing, parts| {
                to_pipe(packing, parts, writer)
            });
            match tokio::join!(packing, unpacking) {
                // Why nobody takes what is packed, who should take it can tell.
                (Err(Packed::Cut(source)), Ok(_)) => Err(Packed::Cut(source)),
                (Err(Packed::Cut(_)) | Ok(_), Err(source)) => Err(Packed::Cut(source)),
                (Err(error), _) => Err(error),
                (Ok((bytes, mut left_out)), Ok(more)) => {
                    left_out.extend(more);
                    Ok((bytes, left_out))
                }
            }
        }
    };
    let (bytes, left_out) = packed.map_err(|error| match error {
        Packed::Cut(source) => TransferError::Write {
            place: to.clone(),
            source,
        },
        Packed::Failed(error) => error,
    })?;
    Ok(Transferred {
        bytes,
        left_out,
        ..Transferred::default()
    })
}

/// Builds an image of a folder. What `.dockerignore` leaves out, the engine leaves out.
///
/// # Errors
/// Where the folder cannot be read, or a step fails.
///
/// # Cancellation
/// When dropped, the build ends.
pub async fn build_image(
    engine: &Engine,
    folder: &Place,
    request: &BuildRequest,
) -> Result<Transferred, TransferError> {
    let archive = source::packed(folder.clone());
    let archive = archive.await.map_err(|source| TransferError::Read {
        place: folder.clone(),
        source,
    })?;
    let mut build = engine.build_image(request, Arc::new(archive)).await?;
    while build.next().await?.is_some() {}
    Ok(Transferred {
        images: vec![build.image()?],
        ..Transferred::default()
    })
}

/// What an image is made of.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// An archive on this machine.
    File(&'a Place),
    /// Files of a container.
    Selection(&'a Selection),
    /// All files of another image.
    Image(&'a str),
}

/// Makes an image of one layer.
///
/// # Errors
/// Where the source cannot be read, or the engine refuses.
///
/// # Cancellation
/// When dropped, a container that was made for it is removed by a task of its own, for which `stop` is
/// held. The engine makes no image of what is not whole.
pub async fn import_image(
    engine: &Engine,
    source: Source<'_>,
    image: &str,
    changes: &[String],
    stop: &Stop,
) -> Result<Transferred, TransferError> {
    let (repository, tag) = dfab_maps::split_tag(image);
    let (writer, reader) = pipe();
    let tag = tag.unwrap_or("latest");
    let importing = engine.import_image(reader.into_upload(), repository, tag, changes.to_vec());
    let id = match source {
        Source::File(file) => {
            let reading = source::send_file(file.clone(), writer);
            let (read, imported) = both_ends(reading, importing).await;
            sent(read, imported, |source| TransferError::Read {
                place: file.clone(),
                source,
            })?
        }
        Source::Selection(files) => {
            let packing = pack(engine, files, move |packing, parts| {
                to_pipe(packing, parts, writer)
            });
            match both_ends(packing, importing).await {
                (Some(Err(Packed::Failed(error))), _) => return Err(error),
                (Some(Err(Packed::Cut(source))), _)
                    if source.kind() != io::ErrorKind::BrokenPipe =>
                {
                    let what = format!("container {}", files.container);
                    return Err(TransferError::Archive { what, source });
                }
                (_, imported) => imported?,
            }
        }
        Source::Image(other) => {
            let name = format!("dfab-flatten-{}", crate::temporary::mark());
            // It is never started: any command will do.
            let body = serde_json::json!({ "Image": other, "Entrypoint": ["/"], "Cmd": [] });
            let mut container = Temporary::create(engine, &name, &body, stop.hold()).await?;
            let exporting = async { feed(engine.export_container(&name)?, writer).await };
            let (fed, imported) = both_ends(exporting, importing).await;
            let removed = container.remove().await;
            if let Some(Err(error)) = fed {
                return Err(error.into());
            }
            let id = imported?;
            removed?;
            id
        }
    };
    Ok(Transferred {
        images: vec![id],
        ..Transferred::default()
    })
}

/// Why there is no archive of a container's files.
enum Packed {
    /// Nobody takes it.
    Cut(io::Error),
    /// It is none.
    Failed(TransferError),
}

/// Gets the parts of a selection one after the other, and gives them to a thread.
async fn pack(
    engine: &Engine,
    files: &Selection,
    write: impl FnOnce(Wanted, Vec<(Reader, PathBuf)>) -> io::Result<Vec<String>> + Send + 'static,
) -> Result<(u64, Vec<String>), Packed> {
    let invalid = |text: String| Packed::Failed(TransferError::Invalid(text));
    let permissions = files.permissions.as_deref().map(str::parse::<Permissions>);
    let wanted = Wanted {
        owner: files.owner,
        permissions: permissions
            .transpose()
            .map_err(|error| Packed::Failed(error.into()))?,
    };
    let (mut writers, mut readers) = (Vec::new(), Vec::new());
    for part in &files.parts {
        if !part.path.starts_with('/') {
            return Err(invalid(format!("{} is no absolute path", part.path)));
        }
        let target = Path::new(&part.target);
        let mut names = target.components();
        if !names.all(|name| matches!(name, Component::Normal(_))) {
            return Err(invalid(format!(
                "{} cannot be the name of {}: it leads elsewhere",
                part.target, part.path
            )));
        }
        let (writer, reader) = pipe();
        writers.push((&part.path, writer));
        readers.push((reader, target.to_owned()));
    }
    let feeding = async {
        let mut bytes = 0;
        for (path, writer) in writers {
            let download = engine.download_archive(&files.container, path)?;
            bytes += feed(download, writer).await?;
        }
        Ok::<_, EngineError>(bytes)
    };
    let writing = in_thread(move || write(wanted, readers));
    let (fed, written) = tokio::join!(feeding, writing);
    let bytes = fed.map_err(|error| Packed::Failed(error.into()))?;
    match written {
        Ok(left_out) => Ok((bytes, left_out)),
        Err(source) => Err(Packed::Cut(source)),
    }
}

/// Waits until there is something to write: what the engine refuses leaves no folder behind.
fn wait_for_first(parts: &mut [(Reader, PathBuf)]) -> io::Result<()> {
    parts
        .first_mut()
        .map_or(Ok(()), |(reader, _)| reader.wait())
}

/// What all that is packed gets.
struct Wanted {
    owner: Option<(u32, u32)>,
    permissions: Option<Permissions>,
}

/// Packs all parts, in a thread.
fn fill<W: io::Write>(
    wanted: Wanted,
    parts: Vec<(Reader, PathBuf)>,
    out: W,
) -> io::Result<(W, Vec<String>)> {
    let mut packing = Packing::new(out, wanted.owner, wanted.permissions);
    for (reader, target) in parts {
        packing.add(BufReader::new(reader), &target)?;
    }
    packing.finish()
}

fn to_pipe(
    wanted: Wanted,
    mut parts: Vec<(Reader, PathBuf)>,
    writer: Writer,
) -> io::Result<Vec<String>> {
    // An archive that is given up still gets an end.
    wait_for_first(&mut parts)?;
    let out = BufWriter::with_capacity(64 << 10, writer);
    let (out, left_out) = fill(wanted, parts, out)?;
    let writer = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    writer.finish()?;
    Ok(left_out)
}

/// Hands on what comes from the engine, to its end; the bytes of it. Where nobody takes it any more, who
/// does not can tell why.
async fn feed(mut download: Download, writer: Writer) -> Result<u64, EngineError> {
    let mut bytes = 0;
    while let Some(piece) = download.next().await {
        let piece = piece?;
        bytes += piece.len() as u64;
        if !writer.send(piece).await {
            return Ok(bytes);
        }
    }
    writer.end().await;
    Ok(bytes)
}

/// Waits for both ends of an upload. Where the engine has refused it and takes nothing any more, who reads
/// for it may never learn that: it is given up then.
async fn both_ends<R, T>(
    reading: impl Future<Output = R>,
    sending: impl Future<Output = Result<T, EngineError>>,
) -> (Option<R>, Result<T, EngineError>) {
    let (mut reading, mut sending) = (pin!(reading), pin!(sending));
    let mut read = None;
    let sent = loop {
        tokio::select! {
            done = &mut reading, if read.is_none() => read = Some(done),
            sent = &mut sending => break sent,
        }
    };
    if read.is_none() {
        read = tokio::time::timeout(LAST_WORDS, reading).await.ok();
    }
    (read, sent)
}

/// What came of the two ends of an upload. The cause is what was read, unless it was given up since the
/// engine took no more.
fn sent<T>(
    read: Option<io::Result<()>>,
    sent: Result<T, EngineError>,
    unread: impl FnOnce(io::Error) -> TransferError,
) -> Result<T, TransferError> {
    match read {
        Some(Err(source)) if source.kind() != io::ErrorKind::BrokenPipe => Err(unread(source)),
        _ => Ok(sent?),
    }
}

/// Work on files, which may wait for them.
async fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(io::Error::other(error)),
    }
}
