//! The program in test images: answers every HTTP request with its host name and the path that was
//! asked for, on the port in `PORT` or 80. It ends with 0 at SIGTERM, SIGINT or SIGQUIT.
//!
//! With arguments it does one thing and ends, for there is no shell in such an image: `exit CODE`,
//! `write FILE TEXT`, `mode FILE OCTAL`, `link TARGET PATH`, `sleep SECONDS` (which no signal with a
//! handler ends), `report CODE` (words on both outputs and its user's number), `tick MILLISECONDS` (a
//! numbered line each, without an end), `burn` (all of one processor), `cat`, `where NAME` (folder, the
//! variable, and whether there is a terminal), `flood BYTES` (of output, and then it sleeps), `-c LINE` and `run FILE` (such words in a line, and in each line of a file).
//!
//! Called `chown` or `chmod` it knows `-hR -- UID:GID PATH` and `-R -- OCTAL PATH`. Called `serve` it
//! answers requests whatever its arguments are. Called `two` it leaves a process of that name behind and
//! ends well. By any other name it stands for a tool that has nothing to do.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, IsTerminal as _, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};

const FLOOD: [u8; 1024] = [b'y'; 1024];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (
        name.rsplit('/').next().unwrap_or_default(),
        words.as_slice(),
    ) {
        ("app", words) => act(words),
        ("chown", ["-hR", "--", owner, path]) => {
            let (user, group) = owner.split_once(':').ok_or("an owner is UID:GID")?;
            let (user, group) = (user.parse()?, group.parse()?);
            each(Path::new(path), &|path| {
                lchown(path, Some(user), Some(group))
            })?;
            Ok(ExitCode::SUCCESS)
        }
        ("chmod", ["-R", "--", mode, path]) => {
            let mode = u32::from_str_radix(mode, 8)?;
            each(Path::new(path), &|path| set_mode(path, mode))?;
            Ok(ExitCode::SUCCESS)
        }
        ("serve", _) => serve().map(|()| ExitCode::SUCCESS),
        ("two", _) => leave_behind(&name).map(|()| ExitCode::SUCCESS),
        ("chown" | "chmod", other) => Err(format!("unknown arguments: {other:?}").into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Does something to a path, and before that to all below it, without following links.
fn each(path: &Path, act: &dyn Fn(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            each(&entry?.path(), act)?;
        }
    }
    act(path)
}

fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn act(words: &[&str]) -> Result<ExitCode, Box<dyn Error>> {
    match words {
        [] | ["redis-server", ..] => serve()?,
        ["exit", code] => return Ok(ExitCode::from(code.parse::<u8>()?)),
        ["write", file, text] => {
            if let Some(folder) = Path::new(file).parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(file, text)?;
        }
        ["mode", file, mode] => set_mode(Path::new(file), u32::from_str_radix(mode, 8)?)?,
        ["link", target, path] => symlink(target, path)?,
        ["sleep", seconds] => sleep(seconds.parse()?),
        ["report", code] => {
            writeln!(
                std::io::stdout(),
                "out\n{}",
                fs::metadata("/proc/self")?.uid()
            )?;
            writeln!(std::io::stderr(), "err")?;
            return Ok(ExitCode::from(code.parse::<u8>()?));
        }
        ["tick", milliseconds] => {
            let pause = Duration::from_millis(milliseconds.parse()?);
            for number in 1_u64.. {
                writeln!(std::io::stdout(), "tick {number}")?;
                std::thread::sleep(pause);
            }
        }
        ["burn"] => while std::hint::black_box(true) {},
        ["cat"] => {
            std::io::copy(&mut std::io::stdin(), &mut std::io::stdout())?;
        }
        ["where", name] => writeln!(
            std::io::stdout(),
            "{} {} {}",
            std::env::current_dir()?.display(),
            std::env::var(name).unwrap_or_default(),
            std::io::stdin().is_terminal()
        )?,
        ["flood", bytes] => {
            let mut output = std::io::stdout().lock();
            for _ in 0..bytes.parse::<usize>()? / FLOOD.len() {
                output.write_all(&FLOOD)?;
            }
            sleep(600);
        }
        ["-c", line] => return act(&line.split_whitespace().collect::<Vec<_>>()),
        ["run", file] => {
            let mut last = ExitCode::SUCCESS;
            for line in fs::read_to_string(file)?.lines() {
                last = act(&["-c", line])?;
            }
            return Ok(last);
        }
        other => return Err(format!("unknown arguments: {other:?}").into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts itself once more under the same name, which then stays.
fn leave_behind(name: &str) -> Result<(), Box<dyn Error>> {
    const STAYS: &str = "STAYS";
    if std::env::var_os(STAYS).is_some() {
        loop {
            sleep(600);
        }
    }
    Command::new("/proc/self/exe")
        .arg0(name)
        .env(STAYS, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(())
}

fn sleep(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn serve() -> Result<(), Box<dyn Error>> {
    // The first process of a container is not ended by a signal that it does not handle.
    let at_once = Arc::new(AtomicBool::new(true));
    for signal in [SIGTERM, SIGINT, SIGQUIT] {
        signal_hook::flag::register_conditional_shutdown(signal, 0, Arc::clone(&at_once))?;
    }
    let port = match std::env::var("PORT") {
        Ok(port) => port.parse()?,
        Err(_) => 80,
    };
    // Another container of the same network may have it.
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
    for connection in listener.incoming() {
        // A client that went away is no reason to end.
        if let Err(error) = connection.and_then(answer) {
            writeln!(std::io::stderr(), "{error}")?;
        }
    }
    Ok(())
}

fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or("/");
    let name = fs::read_to_string("/etc/hostname").unwrap_or_default();
    let body = format!("{} {path}\n", name.trim());
    let length = body.len();
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}
