//! The program in test images: answers every HTTP request with its host name and the path that was
//! asked for, on the port in `PORT` or 80. It ends with 0 at SIGTERM, SIGINT or SIGQUIT.
//!
//! With arguments it does one thing and ends, for there is no shell in such an image: `exit CODE`,
//! `write FILE TEXT`, `sleep SECONDS` (which no signal with a handler ends), `report CODE` (words on
//! both outputs and its user's number), `flood BYTES` (of output, and then it sleeps), `-c LINE` and
//! `run FILE` (such words in a line, and in each line of a file).

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};

const FLOOD: [u8; 1024] = [b'y'; 1024];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args();
    // By another name it stands for a tool that has nothing to do.
    if !arguments.next().is_some_and(|name| name.ends_with("app")) {
        return Ok(ExitCode::SUCCESS);
    }
    let arguments: Vec<String> = arguments.collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    act(&words)
}

fn act(words: &[&str]) -> Result<ExitCode, Box<dyn Error>> {
    match words {
        [] | ["redis-server", ..] => serve()?,
        ["exit", code] => return Ok(ExitCode::from(code.parse::<u8>()?)),
        ["write", file, text] => fs::write(file, text)?,
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
