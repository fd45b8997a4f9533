//! `--audit FILE`: every host call of every component, a line of JSON each.
//!
//! A thread of its own writes the lines, so that no call waits for a disk. A line is written when its call
//! has ended; [`Audit::close`] writes those of the calls that have not, and returns once all is on the
//! disk. Where a line cannot be written, no further call is done.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dfab_runtime::{AuditedCall, Decision};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// What stands in the place of a secret.
const MASK: &str = "***";
/// A shorter setting is no secret worth its name, and would be found in anything.
const SHORTEST_SECRET: usize = 4;

/// An open audit. There is one in a process.
#[derive(Debug)]
pub(crate) struct Audit {
    /// The same in all lines of this process, and in no other's.
    run: String,
    secrets: Vec<String>,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    /// None once it is closed.
    lines: Option<Sender<String>>,
    writer: Option<JoinHandle<Result<(), String>>>,
    /// Calls that have begun, with what is known of them.
    begun: HashMap<u64, (Map<String, Value>, Instant)>,
    /// Why no more can be written.
    broken: Arc<OnceLock<String>>,
}

static CURRENT: OnceLock<Arc<Audit>> = OnceLock::new();

impl Audit {
    /// Opens a file, to which lines are added; a new one is for its owner only. Settings that are called
    /// like secrets are taken out of all lines.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(crate) fn open(path: &Path, settings: &Map<String, Value>) -> Result<Arc<Self>, Failure> {
        let failed = |error: std::io::Error| {
            Failure::usage(format!("cannot write the audit {}", path.display())).because(error)
        };
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let broken = Arc::new(OnceLock::new());
        let (lines, received) = channel();
        let thread = Arc::clone(&broken);
        let writer = std::thread::Builder::new()
            .name("dfab-audit".to_owned())
            .spawn(move || write(&file, &received, &thread))
            .map_err(failed)?;
        let secrets = settings
            .iter()
            .filter(|(name, _)| dfab_runtime::is_secret(name))
            .filter_map(|(_, value)| value.as_str())
            .filter(|value| value.len() >= SHORTEST_SECRET);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_nanos());
        let audit = Arc::new(Self {
            run: format!("{now:x}-{:x}", std::process::id()),
            secrets: secrets.map(str::to_owned).collect(),
            open: Mutex::new(Open {
                lines: Some(lines),
                writer: Some(writer),
                begun: HashMap::new(),
                broken,
            }),
        });
        // Of a second one nobody would write the last lines.
        let _ = CURRENT.set(Arc::clone(&audit));
        Ok(audit)
    }

    /// Writes all that there is to write. Calls that have not ended are told as cut off.
    ///
    /// # Errors
    /// Where that is not possible, now or before.
    pub(crate) fn close() -> Result<(), Failure> {
        let Some(audit) = CURRENT.get() else {
            return Ok(());
        };
        let writer = {
            let mut open = audit.lock();
            let begun: Vec<_> = open.begun.drain().collect();
            let lines = open.lines.take();
            for (_, (line, started)) in begun {
                if let Some(lines) = &lines {
                    let _ = lines.send(ended(line, "cut off", started.elapsed()));
                }
            }
            open.writer.take()
        };
        match writer.map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(incomplete().because(error)),
            Some(Err(_)) => Err(incomplete()),
        }
    }

    fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret, MASK);
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl dfab_runtime::Audit for Audit {
    fn begin(&self, call: &AuditedCall) -> Result<(), String> {
        let time = Timestamp::try_from(call.at).unwrap_or_default();
        let mut line = Map::new();
        let mut add = |name: &str, value: Value| line.insert(name.to_owned(), value);
        add("time", json!(format!("{time:.3}")));
        add("run", json!(self.run));
        add("call", json!(call.number));
        add("plugin", json!(call.plugin));
        add("digest", json!(format!("sha256:{}", call.digest)));
        add("function", json!(call.function));
        add("host", json!(call.host));
        add("operation", json!(call.operation));
        add("target", json!(self.masked(&call.target)));
        let (decision, grants, given) = match &call.decision {
            Decision::Free => ("free", &[][..], &[][..]),
            Decision::Allowed { grants, given } => ("allowed", grants.as_slice(), given.as_slice()),
            Decision::Denied => ("denied", &[][..], &[][..]),
            Decision::Invalid => ("invalid", &[][..], &[][..]),
        };
        add("decision", json!(decision));
        add("grants", json!(grants));
        add("given", json!(given));
        let mut open = self.lock();
        if let Some(error) = open.broken.get() {
            return Err(error.clone());
        }
        if open.lines.is_none() {
            return Err("it is closed".to_owned());
        }
        open.begun.insert(call.number, (line, Instant::now()));
        Ok(())
    }

    fn end(&self, number: u64, outcome: &str, took: Duration) {
        let mut open = self.lock();
        // Those that have not ended when it is closed have their lines.
        if let Some((line, _)) = open.begun.remove(&number)
            && let Some(lines) = &open.lines
        {
            // That nothing can be written is told by the writer.
            let _ = lines.send(ended(line, outcome, took));
        }
    }
}

fn ended(mut line: Map<String, Value>, outcome: &str, took: Duration) -> String {
    line.insert("outcome".to_owned(), json!(outcome));
    let microseconds = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    let milliseconds = f64::from(microseconds) / 1000.0;
    line.insert("duration_ms".to_owned(), json!(milliseconds));
    let mut text = Value::Object(line).to_string();
    text.push('\n');
    text
}

/// Writes lines as they come, until there are no more.
fn write(
    mut file: &File,
    lines: &Receiver<String>,
    broken: &OnceLock<String>,
) -> Result<(), String> {
    while let Ok(mut text) = lines.recv() {
        // All that waits goes in one piece; each piece ends with a line.
        text.extend(lines.try_iter());
        if broken.get().is_none()
            && let Err(error) = file.write_all(text.as_bytes())
        {
            let _ = broken.set(error.to_string());
        }
    }
    let synced = file.sync_data();
    match (broken.get(), synced) {
        (Some(error), _) => Err(error.clone()),
        // A pipe or a device has no disk.
        (None, Err(error)) if error.kind() != std::io::ErrorKind::InvalidInput => {
            Err(error.to_string())
        }
        (None, _) => Ok(()),
    }
}

fn incomplete() -> Failure {
    Failure::failed("the audit is not complete")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use dfab_runtime::Audit as _;

    use super::*;

    fn call(number: u64, target: &str, decision: Decision) -> AuditedCall {
        AuditedCall {
            number,
            at: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            plugin: "backup".to_owned(),
            digest: "ab".repeat(32),
            function: "run save".to_owned(),
            host: Some("web1".to_owned()),
            operation: "ssh.run".to_owned(),
            target: target.to_owned(),
            decision,
        }
    }

    /// The only test that opens one, since there is one in a process.
    #[test]
    fn every_call_is_a_line_also_those_that_have_not_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "earlier\n").unwrap();
        let settings = json!({"registry_password": "geheim", "site": "geh"});
        let audit = Audit::open(&path, settings.as_object().unwrap()).unwrap();
        let allowed = Decision::Allowed {
            grants: vec!["ssh.run".to_owned()],
            given: Vec::new(),
        };
        audit.begin(&call(1, "login geheim", allowed)).unwrap();
        audit
            .begin(&call(2, "reboot\u{1b}\n", Decision::Denied))
            .unwrap();
        audit.end(2, "denied", Duration::from_micros(1234));
        Audit::close().unwrap();
        // Too late: it is told that nothing can be noted, and nothing is written twice.
        assert!(audit.begin(&call(3, "", Decision::Free)).is_err());
        audit.end(1, "done", Duration::ZERO);
        Audit::close().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        let run = audit.run.clone();
        insta::assert_snapshot!(lines[1].replace(&run, "RUN"), @r#"{"time":"2023-11-14T22:13:20.123Z","run":"RUN","call":2,"plugin":"backup","digest":"sha256:abababababababababababababababababababababababababababababababab","function":"run save","host":"web1","operation":"ssh.run","target":"reboot\u001b\n","decision":"denied","grants":[],"given":[],"outcome":"denied","duration_ms":1.234}"#);
        let cut: Value = serde_json::from_str(lines[2]).unwrap();
        assert_eq!(cut["outcome"], "cut off");
        assert_eq!(cut["target"], "login ***");
        assert_eq!(cut["grants"], json!(["ssh.run"]));
        let new = folder.path().join("new.jsonl");
        assert!(Audit::open(&new.join("none"), &Map::new()).is_err());
        assert!(Audit::open(folder.path(), &Map::new()).is_err());
        drop(Audit::open(&new, &Map::new()).unwrap());
        let mode = std::fs::metadata(&new).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let (lines, received) = channel();
        lines.send("line\n".to_owned()).unwrap();
        drop(lines);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let broken = OnceLock::new();
        assert!(write(&full, &received, &broken).is_err());
        assert!(broken.get().is_some());
    }
}
