//! A checkup of a host: whether it can be worked with, and what to do where it cannot.

use std::time::{Duration, Instant};

use dfab_engine::{ChannelKind, Engine, with_causes};
use dfab_ssh::Session;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::host::{Address, Host};

/// How long a look through the shell may take.
const LOOK: Duration = Duration::from_secs(20);
/// How much of what the shell answers is read, in bytes.
const ANSWER: usize = 64 << 10;
/// Less free space than this is too little, in parts of a hundred.
const LITTLE: u64 = 5;
/// Less than this is told.
const SCARCE: u64 = 15;
/// More seconds between two clocks break certificates and tokens.
const FAR: i64 = 60;
/// More are told.
const APART: i64 = 2;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Good,
    /// Works, but is worth a look.
    Note,
    /// Does not work.
    Bad,
    /// Could not be looked at.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// What.
    pub name: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Point {
    fn new(name: &'static str, state: State, found: impl Into<String>) -> Self {
        let found = found.into();
        Self {
            name,
            state,
            found,
            advice: None,
        }
    }

    fn advised(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Looks at a host: the SSH session, every way to the engine, its versions, who may use it, its disk
/// and its clock. Changes nothing there.
pub async fn check(host: &Host) -> Vec<Point> {
    let mut points = Vec::new();
    let begun = Instant::now();
    let session = match host.session().await {
        Ok(None) => None,
        Ok(Some(session)) => {
            let found = format!("connected in {} ms", begun.elapsed().as_millis());
            points.push(Point::new("ssh", State::Good, found));
            Some(session)
        }
        Err(error) => {
            let point = Point::new("ssh", State::Bad, with_causes(&error));
            points.push(point.advised(format!(
                "try `ssh {}` by hand; dfab uses the same configuration, keys and known hosts",
                host.address()
            )));
            return points;
        }
    };
    let (ways, engine) = ways(host).await;
    points.extend(ways);
    let Some(engine) = engine else {
        points.push(no_engine(host, session).await);
        return points;
    };
    points.push(versions(&engine).await);
    let before = Timestamp::now();
    match engine.info().await {
        Ok(info) => {
            let after = Timestamp::now();
            let info: Value = serde_json::from_str(&info).unwrap_or_default();
            points.push(clock(&info, before, after));
            let root = info.get("DockerRootDir").and_then(Value::as_str);
            points.push(disk(host, session, root.unwrap_or("/var/lib/docker")).await);
            points.extend(warnings(&info));
        }
        Err(error) => points.push(Point::new("engine", State::Bad, with_causes(&error))),
    }
    points
}

/// Every way that may lead to the engine, and the engine over the first that does.
async fn ways(host: &Host) -> (Vec<Point>, Option<Engine>) {
    let mut tried = Vec::new();
    let mut engine = None;
    for kind in host.ways() {
        match host.engine_over(Some(kind)).await {
            Ok(found) => {
                tried.push((kind, None));
                engine.get_or_insert(found);
            }
            Err(error) => tried.push((kind, Some(with_causes(&error)))),
        }
    }
    // One way is enough; without any, each of them is a reason.
    let otherwise = if engine.is_some() {
        State::Note
    } else {
        State::Bad
    };
    let points = tried.into_iter().map(|(kind, reason)| match reason {
        None => Point::new(kind.name(), State::Good, "leads to the engine"),
        Some(reason) => {
            let point = Point::new(kind.name(), otherwise, reason);
            match kind {
                ChannelKind::Socat => point.advised("`dfab setup socat` installs it"),
                ChannelKind::StreamLocal => {
                    point.advised("set `AllowStreamLocalForwarding yes` in sshd_config")
                }
                _ => point,
            }
        }
    });
    (points.collect(), engine)
}

/// Why no way leads to the engine, as far as a shell there can tell.
async fn no_engine(host: &Host, session: Option<&Session>) -> Point {
    let nothing = Point::new("engine", State::Bad, "cannot be reached");
    let (Some(session), Address::Ssh { socket, .. }) = (session, host.address()) else {
        return nothing
            .advised("look whether the Docker Engine runs, and whether you may use its socket");
    };
    let socket = shell_words::quote(socket);
    let script = format!(
        "if [ ! -S {socket} ]; then echo none; elif [ -r {socket} ] && [ -w {socket} ]; then echo open; \
         else echo closed; fi; id -un; command -v docker || true"
    );
    let Ok(answer) = look(session, &script).await else {
        return nothing;
    };
    let mut lines = answer.lines();
    let (state, user) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or("you"),
    );
    match (state, lines.next()) {
        ("none", None) => Point::new("engine", State::Bad, "Docker is not installed").advised(
            format!("install it: `dfab setup docker -H {}`", host.name()),
        ),
        ("none", Some(_)) => {
            Point::new("engine", State::Bad, format!("there is no socket {socket}")).advised(
                "start it: `systemctl enable --now docker`; or give the client's `base_url`",
            )
        }
        ("closed", _) => Point::new("engine", State::Bad, format!("{user} may not use {socket}"))
            .advised(format!(
                "`usermod -aG docker {user}` as root, and connect anew"
            )),
        _ => nothing.advised("look at `systemctl status docker` and `journalctl -u docker` there"),
    }
}

async fn versions(engine: &Engine) -> Point {
    let spoken = engine.api_version();
    let version: Result<Value, String> = match engine.version().await {
        Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
        Err(error) => Err(with_causes(&error)),
    };
    match version {
        Ok(version) => {
            let text = |name: &str| version.get(name).and_then(Value::as_str).unwrap_or("?");
            Point::new(
                "engine",
                State::Good,
                format!(
                    "Docker {} on {}/{}, API {}, of which {spoken} is spoken",
                    text("Version"),
                    text("Os"),
                    text("Arch"),
                    text("ApiVersion")
                ),
            )
        }
        Err(error) => Point::new("engine", State::Bad, error),
    }
}

/// The engine's clock against this one's.
fn clock(info: &Value, before: Timestamp, after: Timestamp) -> Point {
    let told = info.get("SystemTime").and_then(Value::as_str);
    let Some(there) = told.and_then(|text| text.parse::<Timestamp>().ok()) else {
        return Point::new("clock", State::Unknown, "the engine does not tell its time");
    };
    // Within the call both may be right.
    let apart = if there < before {
        there.duration_since(before).as_secs()
    } else if there > after {
        there.duration_since(after).as_secs()
    } else {
        0
    };
    let found = match apart {
        0 => "goes as the one here".to_owned(),
        apart if apart < 0 => format!("is {} s behind the one here", -apart),
        apart => format!("is {apart} s ahead of the one here"),
    };
    let advice = "set it: `timedatectl set-ntp true`";
    match apart.abs() {
        0..=APART => Point::new("clock", State::Good, found),
        apart if apart <= FAR => Point::new("clock", State::Note, found).advised(advice),
        _ => Point::new("clock", State::Bad, found).advised(advice),
    }
}

async fn disk(host: &Host, session: Option<&Session>, root: &str) -> Point {
    let script = format!("df -Pk -- {}", shell_words::quote(root));
    let answer = match (session, host.address()) {
        (Some(session), _) => look(session, &script).await,
        (None, Address::Socket(_)) => here(root).await,
        (None, _) => return Point::new("disk", State::Unknown, "there is no shell to look with"),
    };
    let free = answer.and_then(|answer| free_space(&answer).ok_or("df answers oddly".to_owned()));
    match free {
        Ok((free, total)) => {
            let percent = free * 100 / total.max(1);
            let found = format!("{} GiB free of {} GiB for {root}", free >> 20, total >> 20);
            let advice =
                "`docker system df` there tells what takes it; `docker system prune` frees it";
            match percent {
                0..LITTLE => Point::new("disk", State::Bad, found).advised(advice),
                LITTLE..SCARCE => Point::new("disk", State::Note, found).advised(advice),
                _ => Point::new("disk", State::Good, found),
            }
        }
        Err(reason) => Point::new("disk", State::Unknown, reason),
    }
}

/// What the engine itself warns of.
fn warnings(info: &Value) -> Vec<Point> {
    let warnings = info.get("Warnings").and_then(Value::as_array);
    let texts = warnings.into_iter().flatten().filter_map(Value::as_str);
    texts
        .map(|text| Point::new("engine", State::Note, text.trim_start_matches("WARNING: ")))
        .collect()
}

/// Free and whole space in KiB, from the last line of `df -Pk`.
fn free_space(answer: &str) -> Option<(u64, u64)> {
    let mut fields = answer.trim_end().lines().last()?.split_whitespace();
    let total = fields.nth(1)?.parse().ok()?;
    Some((fields.nth(1)?.parse().ok()?, total))
}

async fn look(session: &Session, script: &str) -> Result<String, String> {
    let line = format!("sh -c {}", shell_words::quote(script));
    let answer = session.run(&line, None, LOOK, ANSWER).await;
    let answer = answer.map_err(|error| with_causes(&error))?;
    if answer.status == 0 {
        return Ok(String::from_utf8_lossy(&answer.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&answer.stderr).trim().to_owned())
}

/// The same of this machine.
async fn here(root: &str) -> Result<String, String> {
    let mut command = tokio::process::Command::new("df");
    command.args(["-Pk", "--", root]).kill_on_drop(true);
    let output = tokio::time::timeout(LOOK, command.output()).await;
    match output {
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(output)) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Ok(Err(error)) => Err(format!("cannot run df: {error}")),
        Err(_) => Err("df does not answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn free_space_is_read_where_names_are_long() {
        let answer = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 1000 600 400 60% /\n";
        assert_eq!(free_space(answer), Some((400, 1000)));
        assert_eq!(free_space("df: no such file"), None);
    }

    #[test]
    fn clocks_are_apart_by_what_the_call_does_not_explain() {
        let now = Timestamp::now();
        let at = |seconds: i64| {
            let there = now + SignedDuration::from_secs(seconds);
            let info = serde_json::json!({ "SystemTime": there.to_string() });
            clock(&info, now, now + SignedDuration::from_secs(1)).state
        };
        assert_eq!(at(0), State::Good);
        assert_eq!(at(-2), State::Good);
        assert_eq!(at(10), State::Note);
        assert_eq!(at(-61), State::Bad);
        assert_eq!(clock(&Value::Null, now, now).state, State::Unknown);
    }
}
