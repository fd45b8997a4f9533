//! Single files to hosts and from them, through the shell of a session.
//!
//! The shell goes into the folder first and looks where it is: where a symbolic link is on the way, it is
//! somewhere else, and nothing is done. From then on the folder stays the same, whatever happens to its
//! path. A file gets its name once it is whole.

use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use dfab_runtime::{RemotePath, quoted_line};
use dfab_ssh::Session;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use super::pipe::{Writer, pipe};
use super::place::Opened;
use super::{Place, TransferError, in_thread};

/// How long nothing may move.
const IDLE: Duration = Duration::from_mins(10);
/// How long a host may take to end what is done.
const END: Duration = Duration::from_mins(1);
/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// How much of a complaint is told, in bytes.
const COMPLAINT: u64 = 4096;
/// What the scripts end with where there is no such file.
const MISSING: i32 = 66;

/// The folder, the name, the permissions and the size.
const UPLOAD: &str = r#"set -eu
cd -P -- "$1"
test "$(pwd -P)" = "$1" || { echo "$1 leads through a symbolic link" >&2; exit 71; }
umask 077
set -C
temporary="./.$2.dfab-$$"
trap 'rm -f -- "$temporary"' EXIT
trap 'exit 71' HUP INT TERM
cat >"$temporary"
test "$(wc -c <"$temporary")" -eq "$4" || { echo "it broke off before its end" >&2; exit 71; }
chmod "$3" "$temporary"
mv -fT -- "$temporary" "./$2"
trap - EXIT"#;

/// The folder and the name.
const DOWNLOAD: &str = r#"set -eu
cd -P -- "$1"
test "$(pwd -P)" = "$1" || { echo "$1 leads through a symbolic link" >&2; exit 71; }
test ! -L "./$2" || { echo "$2 is a symbolic link" >&2; exit 71; }
test -e "./$2" || exit 66
test -f "./$2" || { echo "$2 is no file" >&2; exit 71; }
exec 3<"./$2"
test "$(readlink /proc/self/fd/3)" = "${1%/}/$2" || { echo "$2 became something else" >&2; exit 71; }
exec cat <&3"#;

/// Copies a file to the host, with these permissions; the bytes of it.
///
/// # Errors
/// Where it cannot be read, or not be stored there; then there is none, or the one of before.
///
/// # Cancellation
/// When dropped, the same.
pub async fn upload(
    session: &Session,
    local: &Place,
    remote: &RemotePath,
    mode: u32,
) -> Result<u64, TransferError> {
    let place = local.clone();
    let unreadable = |source| TransferError::Read {
        place: local.clone(),
        source,
    };
    let opened = in_thread(move || match place.open()? {
        Opened::File(file, _) => {
            let size = file.metadata()?.len();
            Ok((file, size))
        }
        Opened::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
    });
    let (file, size) = opened.await.map_err(unreadable)?;
    let arguments = [
        &remote.folder(),
        remote.name(),
        &format!("{mode:o}"),
        &size.to_string(),
    ];
    let process = session.exec(&line(UPLOAD, &arguments)).await?;
    let (channel, mut errors, exit) = process.into_parts();
    let (mut output, mut input) = tokio::io::split(channel);
    let sending = async {
        let mut file = tokio::fs::File::from_std(file).take(size);
        let mut buffer = vec![0; PIECE];
        loop {
            let count = file.read(&mut buffer).await.map_err(unreadable)?;
            let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
                break;
            };
            let written = within(IDLE, input.write_all(piece)).await;
            if written.is_err() {
                // Who takes no more says why.
                return Ok::<_, TransferError>(());
            }
        }
        let _ = within(IDLE, input.shutdown()).await;
        Ok(())
    };
    let work = async {
        let (mut sending, mut draining) = (pin!(sending), pin!(drain(&mut output)));
        tokio::select! {
            sent = &mut sending => {
                sent?;
                Ok(within(END, draining).await.err())
            }
            // The script has ended before it had all, and says why.
            drained = &mut draining => Ok::<_, TransferError>(drained.err()),
        }
    };
    let (worked, complaint) = beside(work, complaint(&mut errors)).await;
    let failed = worked?;
    let status = tokio::time::timeout(END, exit).await.ok().flatten();
    ended(remote, status, &complaint.unwrap_or_default(), failed)?;
    Ok(size)
}

/// Copies a file of the host; the bytes of it.
///
/// # Errors
/// Where there is none, or it cannot be stored; then there is no local file, or the one of before.
///
/// # Cancellation
/// When dropped, the same.
pub async fn download(
    session: &Session,
    remote: &RemotePath,
    to: &Place,
) -> Result<u64, TransferError> {
    let arguments = [&remote.folder(), remote.name()];
    let process = session.exec(&line(DOWNLOAD, &arguments)).await?;
    let (mut channel, mut errors, exit) = process.into_parts();
    let (writer, mut reader) = pipe();
    let place = to.clone();
    let writing = in_thread(move || place.write(|file| io::copy(&mut reader, file).map(drop)));
    let feeding = async {
        let reading = read(&mut channel, &writer);
        let (bytes, complaint) = beside(reading, complaint(&mut errors)).await;
        let status = tokio::time::timeout(END, exit).await.ok().flatten();
        let (bytes, failed) = match bytes {
            Ok(bytes) => (bytes, None),
            Err(error) => (0, Some(error)),
        };
        ended(remote, status, &complaint.unwrap_or_default(), failed)?;
        writer.end().await;
        Ok::<_, TransferError>(bytes)
    };
    let (fed, written) = tokio::join!(feeding, writing);
    let bytes = fed?;
    written.map_err(|source| TransferError::Write {
        place: to.clone(),
        source,
    })?;
    Ok(bytes)
}

/// Hands on what comes; the bytes of it. Where nobody takes it, who does not can tell why.
async fn read(from: &mut (impl AsyncRead + Unpin), writer: &Writer) -> io::Result<u64> {
    let mut bytes = 0;
    let mut buffer = vec![0; PIECE];
    loop {
        let count = within(IDLE, from.read(&mut buffer)).await?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
            return Ok(bytes);
        };
        bytes += piece.len() as u64;
        if !writer.send(Bytes::copy_from_slice(piece)).await {
            return Ok(bytes);
        }
    }
}

/// Does some work, and something beside it that ends soon after the work, or not at all.
async fn beside<T, U>(
    work: impl Future<Output = T>,
    other: impl Future<Output = U>,
) -> (T, Option<U>) {
    let (mut work, mut other) = (pin!(work), pin!(other));
    let mut done = None;
    let worked = loop {
        tokio::select! {
            worked = &mut work => break worked,
            result = &mut other, if done.is_none() => done = Some(result),
        }
    };
    if done.is_none() {
        done = tokio::time::timeout(END, other).await.ok();
    }
    (worked, done)
}

async fn drain(from: &mut (impl AsyncRead + Unpin)) -> io::Result<u64> {
    tokio::io::copy(from, &mut tokio::io::sink()).await
}

/// What a script complains about. It says nothing while all is well.
async fn complaint(errors: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    // Half a complaint is better than none.
    let _ = errors.take(COMPLAINT).read_to_end(&mut text).await;
    let _ = drain(errors).await;
    String::from_utf8_lossy(&text).trim().to_owned()
}

fn ended(
    remote: &RemotePath,
    status: Option<i32>,
    complaint: &str,
    failed: Option<io::Error>,
) -> Result<(), TransferError> {
    let reason = match (status, failed) {
        (Some(0), None) => return Ok(()),
        (Some(MISSING), _) => return Err(TransferError::Missing(remote.clone())),
        (Some(status), _) if complaint.is_empty() => format!("the shell ended with {status}"),
        (Some(_), _) => complaint.to_owned(),
        (None, Some(error)) => error.to_string(),
        (None, None) => "the connection broke; whether it was done is not known".to_owned(),
    };
    Err(TransferError::Remote {
        path: remote.clone(),
        reason,
    })
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("nothing moved for {} s", limit.as_secs()),
        )),
    }
}

/// A script with its arguments, for whichever shell the user has.
fn line(script: &str, arguments: &[&str]) -> String {
    let words = [&["sh", "-c", script, "dfab"], arguments].concat();
    format!("exec {}", quoted_line(&words))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output, Stdio};

    use super::*;

    fn run(script: &str, arguments: &[&str], input: &str) -> Output {
        use std::io::Write as _;
        let mut child = Command::new("sh")
            .args(["-c", &line(script, arguments)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A script that refuses reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn names(folder: &std::path::Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Somebody who may write in the folder puts a link in the place of the file, at the worst moment.
    #[test]
    fn a_file_that_becomes_a_link_is_not_followed() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        let folder = base.join("folder");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(base.join("secret"), "secret").unwrap();
        std::fs::write(folder.join("it"), "plain").unwrap();
        let arguments = [folder.to_str().unwrap(), "it"];
        assert_eq!(run(DOWNLOAD, &arguments, "").stdout, b"plain");
        let swapped = DOWNLOAD.replacen("exec 3<", "ln -sf ../secret ./it\nexec 3<", 1);
        let output = run(&swapped, &arguments, "");
        assert_eq!(std::fs::read(folder.join("it")).unwrap(), b"secret");
        assert!(!output.status.success());
        assert_eq!(output.stdout, b"");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("it became something else"), "{told}");
    }

    #[test]
    fn a_file_is_stored_whole_and_nowhere_else() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        let (inside, outside) = (base.join("in 'side"), base.join("outside"));
        for folder in [&inside, &outside] {
            std::fs::create_dir(folder).unwrap();
        }
        symlink(&outside, base.join("link")).unwrap();
        symlink(outside.join("secret"), inside.join("file")).unwrap();
        std::fs::write(outside.join("secret"), "s").unwrap();
        let folder = inside.to_str().unwrap();
        // A link in the place of the file makes way for it.
        let stored = run(UPLOAD, &[folder, "file", "640", "5"], "hello");
        assert!(stored.status.success(), "{stored:?}");
        assert_eq!(std::fs::read(inside.join("file")).unwrap(), b"hello");
        assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"s");
        let mode = std::fs::metadata(inside.join("file"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o640);
        // What is cut off is nothing, and leaves nothing.
        let cut = run(UPLOAD, &[folder, "other", "640", "9"], "hello");
        assert_eq!(cut.status.code(), Some(71), "{cut:?}");
        let link = base.join("link");
        let through = run(UPLOAD, &[link.to_str().unwrap(), "x", "640", "5"], "hello");
        assert!(!through.status.success(), "{through:?}");
        let none = run(UPLOAD, &["/none/there", "x", "640", "5"], "hello");
        assert!(!none.status.success(), "{none:?}");
        symlink(&outside, inside.join("folder")).unwrap();
        let replaced = run(UPLOAD, &[folder, "folder", "640", "5"], "hello");
        assert!(replaced.status.success(), "{replaced:?}");
        assert_eq!(names(&inside), ["file", "folder"]);
        assert_eq!(names(&outside), ["secret"]);
    }

    #[test]
    fn no_link_is_read() {
        use std::os::unix::fs::symlink;
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("in")).unwrap();
        std::fs::write(base.join("in/file"), "f").unwrap();
        std::fs::write(base.join("-secret"), "s").unwrap();
        symlink("../-secret", base.join("in/link")).unwrap();
        symlink("in", base.join("other")).unwrap();
        let read = |folder: &str, name: &str| {
            let folder = base.join(folder);
            run(DOWNLOAD, &[folder.to_str().unwrap(), name], "")
        };
        assert_eq!(read("in", "file").stdout, b"f");
        for (folder, name) in [("in", "link"), ("other", "file"), (".", "in")] {
            let output = read(folder, name);
            assert!(
                !output.status.success() && output.stdout.is_empty(),
                "{output:?}"
            );
        }
        assert_eq!(read("in", "none").status.code(), Some(MISSING));
    }
}
