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
const LITTLE: u128 = 5;
/// Less than this is told.
const SCARCE: u128 = 15;
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
    let (tried, engine) = ways(host).await;
    let Some(engine) = engine else {
        let fault = Fault::find(host, session).await;
        // What is wrong with a way matters only where the engine itself could be reached.
        let is_advised = fault == Fault::Unknown;
        let ways = tried
            .into_iter()
            .map(|way| way.point(State::Bad, is_advised));
        points.extend(ways);
        points.push(fault.point(host));
        return points;
    };
    // One way is enough.
    let ways = tried.into_iter().map(|way| way.point(State::Note, true));
    points.extend(ways);
    points.push(versions(&engine).await);
    points.push(permissions(host, session).await);
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

/// What lets sshd forward to sockets. The second turns off every forwarding, whatever else is said.
const FORWARDING: &str = "in sshd_config, set `AllowStreamLocalForwarding yes`, and see that there is no \
    `DisableForwarding yes`; for a key, that its line in authorized_keys is not `restrict`ed";

/// A way to the engine that was tried.
struct Way {
    kind: ChannelKind,
    /// Why it does not lead there.
    reason: Option<String>,
}

impl Way {
    fn point(self, otherwise: State, is_advised: bool) -> Point {
        let name = self.kind.name();
        let Some(reason) = self.reason else {
            return Point::new(name, State::Good, "leads to the engine");
        };
        let point = Point::new(name, otherwise, reason);
        match self.kind {
            ChannelKind::Socat if is_advised => point.advised("`dfab setup socat` installs it"),
            ChannelKind::StreamLocal if is_advised => point.advised(FORWARDING),
            _ => point,
        }
    }
}

/// Every way that may lead to the engine, and the engine over the first that does.
async fn ways(host: &Host) -> (Vec<Way>, Option<Engine>) {
    let mut tried = Vec::new();
    let mut engine = None;
    for kind in host.ways() {
        let found = host.engine_over(Some(kind)).await;
        let reason = found.as_ref().err().map(|error| with_causes(error));
        tried.push(Way { kind, reason });
        if let (Ok(found), None) = (found, &engine) {
            engine = Some(found);
        }
    }
    (tried, engine)
}

/// Why no way leads to the engine, as far as can be seen.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// There is neither a socket nor docker.
    NotInstalled,
    /// There is no socket.
    NoSocket(String),
    /// There is one, and nobody listens on it.
    Down,
    /// This user may not open it.
    Closed { user: String, socket: String },
    /// None of these.
    Unknown,
}

impl Fault {
    async fn find(host: &Host, session: Option<&Session>) -> Self {
        let (socket, answer) = match (session, host.address()) {
            (Some(session), Address::Ssh { socket, .. }) => {
                (socket.clone(), look(session, &script(socket)).await)
            }
            (None, Address::Socket(path)) => {
                let socket = path.display().to_string();
                let answer = here("sh", &["-c", &script(&socket)]).await;
                (socket, answer)
            }
            _ => return Self::Unknown,
        };
        answer.map_or(Self::Unknown, |answer| Self::read(&answer, &socket))
    }

    fn read(answer: &str, socket: &str) -> Self {
        let mut lines = answer.lines();
        let state = lines.next().unwrap_or_default();
        let user = lines.next().unwrap_or("you").to_owned();
        let socket = socket.to_owned();
        match (state, lines.next()) {
            ("none", None) => Self::NotInstalled,
            ("none", Some(_)) => Self::NoSocket(socket),
            ("closed", _) => Self::Closed { user, socket },
            ("down", _) => Self::Down,
            _ => Self::Unknown,
        }
    }

    fn point(self, host: &Host) -> Point {
        let point = |found: &str| Point::new("engine", State::Bad, found);
        match self {
            Self::NotInstalled => point("Docker is not installed").advised(format!(
                "install it: `dfab setup docker -H {}`",
                host.name()
            )),
            Self::NoSocket(socket) => point(&format!(
                "there is no socket {socket}: the engine does not run, or has another one"
            ))
            .advised("start it: `systemctl enable --now docker`; or give the client's `base_url`"),
            Self::Down => point("the Docker Engine does not run").advised(
                "start it: `systemctl start docker`; `journalctl -u docker` tells why it ended",
            ),
            Self::Closed { user, socket } => point(&format!("{user} may not use {socket}"))
                .advised(format!(
                    "`usermod -aG docker {user}` as root, and log in anew"
                )),
            Self::Unknown => point("cannot be reached").advised(
                "look whether it runs, `systemctl status docker`, and at `journalctl -u docker`",
            ),
        }
    }
}

/// Looks at a socket: what it is like, who looks, and where docker is. An engine may be in a network of
/// its own, where its listening is not seen, but then its process is. /var/run is often a link.
fn script(socket: &str) -> String {
    let socket = shell_words::quote(socket);
    format!(
        "if [ ! -S {socket} ]; then echo none; \
         elif ! {{ [ -r {socket} ] && [ -w {socket} ]; }}; then echo closed; \
         elif cat /proc/[0-9]*/comm 2>/dev/null | grep -qxE 'dockerd|podman'; then echo up; \
         elif [ ! -r /proc/net/unix ]; then echo up; \
         elif grep -qF -e {socket} -e \"$(readlink -f {socket})\" /proc/net/unix; then echo up; \
         else echo down; fi; id -un; command -v docker || true"
    )
}

/// Who uses the engine, where it can be used.
async fn permissions(host: &Host, session: Option<&Session>) -> Point {
    let user = match session {
        Some(session) => look(session, "id -un").await,
        None => here("id", &["-un"]).await,
    };
    match (user, host.address()) {
        (Ok(user), Address::Ssh { socket, .. }) => permitted(user.trim(), Some(socket)),
        (Ok(user), Address::Socket(path)) => {
            permitted(user.trim(), Some(&path.display().to_string()))
        }
        (Ok(user), _) => permitted(user.trim(), None),
        (Err(reason), _) => Point::new(PERMISSIONS, State::Unknown, reason),
    }
}

/// The name of the point.
const PERMISSIONS: &str = "permissions";

fn permitted(user: &str, socket: Option<&str>) -> Point {
    let found = match socket {
        Some(socket) => format!("{user} may use the engine at {socket}"),
        None => "the engine may be used".to_owned(),
    };
    Point::new(PERMISSIONS, State::Good, found)
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
                    "Docker {} on {}/{}, API version {}, of which {spoken} is spoken",
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
    clocks_apart(apart)
}

/// What seconds between the two clocks mean; negative where the engine's is behind.
fn clocks_apart(apart: i64) -> Point {
    let found = match apart {
        0 => "goes as the one here".to_owned(),
        apart if apart < 0 => {
            format!("is {} s behind the one here", apart.unsigned_abs())
        }
        apart => format!("is {apart} s ahead of the one here"),
    };
    let advice = "set it: `timedatectl set-ntp true`";
    match apart.saturating_abs() {
        0..=APART => Point::new("clock", State::Good, found),
        apart if apart <= FAR => Point::new("clock", State::Note, found).advised(advice),
        _ => Point::new("clock", State::Bad, found).advised(advice),
    }
}

async fn disk(host: &Host, session: Option<&Session>, root: &str) -> Point {
    let script = format!("df -Pk -- {}", shell_words::quote(root));
    let answer = match (session, host.address()) {
        (Some(session), _) => look(session, &script).await,
        (None, Address::Socket(_)) => here("df", &["-Pk", "--", root]).await,
        (None, _) => return Point::new("disk", State::Unknown, "there is no shell to look with"),
    };
    let free = answer.and_then(|answer| free_space(&answer).ok_or("df answers oddly".to_owned()));
    match free {
        Ok((free, total)) => space(free, total, root),
        Err(reason) => Point::new("disk", State::Unknown, reason),
    }
}

/// What free space of a whole means, both in KiB.
fn space(free: u64, total: u64, root: &str) -> Point {
    let percent = u128::from(free) * 100 / u128::from(total.max(1));
    let found = format!("{} GiB free of {} GiB for {root}", free >> 20, total >> 20);
    let advice = "`docker system df` there tells what takes it; `docker system prune` frees it";
    match percent {
        0..LITTLE => Point::new("disk", State::Bad, found).advised(advice),
        LITTLE..SCARCE => Point::new("disk", State::Note, found).advised(advice),
        _ => Point::new("disk", State::Good, found),
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
async fn here(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).kill_on_drop(true);
    let output = tokio::time::timeout(LOOK, command.output()).await;
    match output {
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(output)) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Ok(Err(error)) => Err(format!("cannot run {program}: {error}")),
        Err(_) => Err(format!("{program} does not answer")),
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
    fn what_keeps_from_the_engine_is_told_apart() {
        let fault = |answer: &str| Fault::read(answer, "/s");
        let (user, socket) = ("ann".to_owned(), "/s".to_owned());
        assert_eq!(fault("none\nann\n"), Fault::NotInstalled);
        assert_eq!(
            fault("none\nann\n/bin/docker"),
            Fault::NoSocket(socket.clone())
        );
        assert_eq!(
            fault("closed\nann\n/bin/docker"),
            Fault::Closed { user, socket }
        );
        assert_eq!(fault("down\nann\n"), Fault::Down);
        assert_eq!(fault("up\nann\n/bin/docker"), Fault::Unknown);
        assert_eq!(fault(""), Fault::Unknown);
    }

    #[tokio::test]
    async fn a_socket_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s").display().to_string();
        let state = async || {
            let answer = here("sh", &["-c", &script(&socket)]).await.unwrap();
            answer.lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(state().await, "none");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(state().await, "up");
        drop(listener);
        std::fs::remove_file(&socket).unwrap();
        std::fs::write(&socket, "").unwrap();
        assert_eq!(state().await, "none");
    }

    #[test]
    fn little_space_is_told_with_what_frees_it() {
        let whole = 100 << 20;
        let of = |percent: u64| space(percent << 20, whole, "/var/lib/docker");
        for (percent, state) in [
            (0, State::Bad),
            (4, State::Bad),
            (5, State::Note),
            (14, State::Note),
            (15, State::Good),
            (100, State::Good),
        ] {
            let point = of(percent);
            assert_eq!(point.state, state, "{percent}");
            let advised = point
                .advice
                .is_some_and(|it| it.contains("docker system prune"));
            assert_eq!(advised, state != State::Good, "{percent}");
        }
        assert_eq!(of(4).found, "4 GiB free of 100 GiB for /var/lib/docker");
        // A file system that says it has nothing.
        assert_eq!(space(0, 0, "/").state, State::Bad);
    }

    #[test]
    fn clocks_that_are_apart_are_to_be_set() {
        for (apart, state) in [
            (0, State::Good),
            (2, State::Good),
            (-3, State::Note),
            (60, State::Note),
            (-61, State::Bad),
            (i64::MIN, State::Bad),
        ] {
            let point = clocks_apart(apart);
            assert_eq!(point.state, state, "{apart}");
            let advised = point.advice.is_some_and(|it| it.contains("set-ntp true"));
            assert_eq!(advised, state != State::Good, "{apart}");
        }
        assert_eq!(clocks_apart(61).found, "is 61 s ahead of the one here");
        assert_eq!(clocks_apart(-5).found, "is 5 s behind the one here");
    }

    #[test]
    fn forwarding_that_is_off_has_all_that_turns_it_off() {
        let way = Way {
            kind: ChannelKind::StreamLocal,
            reason: Some("refused".to_owned()),
        };
        let advice = way.point(State::Note, true).advice.unwrap_or_default();
        for option in ["AllowStreamLocalForwarding", "DisableForwarding"] {
            assert!(advice.contains(option), "{advice}");
        }
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
