//! `--audit FILE`: every host call of every component, as lines of JSON.
//!
//! A thread of its own makes and writes the lines, so that no call waits for a disk. What is allowed has a
//! line when it begins, so that also after a process that was killed the file tells what was under way, and
//! every call has one when it has ended. [`Audit::close`] writes those of the calls that have not, and
//! returns once all is on the disk. Where a line cannot be written, no further call is done.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dfab_runtime::{AuditedCall, Decision};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::secrets::Secrets;

/// How many notes may wait for the disk. A component that calls faster than lines are written waits then.
const BACKLOG: usize = 16_384;

/// An open audit. There is one in a process.
#[derive(Debug)]
pub(crate) struct Audit {
    open: Mutex<Open>,
    /// Why no more can be written.
    broken: Arc<OnceLock<String>>,
}

#[derive(Debug)]
struct Open {
    /// None once it is closed.
    notes: Option<SyncSender<Note>>,
    writer: Option<JoinHandle<Result<(), String>>>,
}

/// What the writer is told of a call.
#[derive(Debug)]
enum Note {
    Begun(AuditedCall, Instant),
    Ended(u64, String, Duration),
}

/// Makes lines of notes.
struct Lines {
    /// The same in all lines of this process, and in no other's.
    run: String,
    secrets: Secrets,
    /// Calls that have not ended: how their lines begin, and when they did.
    begun: BTreeMap<u64, (String, Instant)>,
}

static CURRENT: OnceLock<Arc<Audit>> = OnceLock::new();

impl Audit {
    /// Opens a file, to which lines are added; a new one is for its owner only. Settings that are secrets
    /// are taken out of all lines.
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
        let (notes, received) = sync_channel(BACKLOG);
        let thread = Arc::clone(&broken);
        let mut lines = Lines::new(settings);
        let writer = std::thread::Builder::new()
            .name("dfab-audit".to_owned())
            .spawn(move || write(&file, &received, &mut lines, &thread))
            .map_err(failed)?;
        let audit = Arc::new(Self {
            open: Mutex::new(Open {
                notes: Some(notes),
                writer: Some(writer),
            }),
            broken,
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
            open.notes = None;
            open.writer.take()
        };
        match writer.map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(incomplete().because(error)),
            Some(Err(_)) => Err(incomplete()),
        }
    }

    /// Whether the writer gets it.
    fn send(&self, note: Note) -> bool {
        // Whoever waits for room must not keep others from closing it.
        let notes = self.lock().notes.clone();
        notes.is_some_and(|notes| notes.send(note).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl dfab_runtime::Audit for Audit {
    fn begin(&self, call: AuditedCall) -> Result<(), String> {
        if let Some(error) = self.broken.get() {
            return Err(error.clone());
        }
        if self.send(Note::Begun(call, Instant::now())) {
            Ok(())
        } else {
            Err("it is closed".to_owned())
        }
    }

    fn end(&self, number: u64, outcome: &str, took: Duration) {
        // Those that have not ended when it is closed have their lines.
        self.send(Note::Ended(number, outcome.to_owned(), took));
    }
}

impl Lines {
    fn new(settings: &Map<String, Value>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_nanos());
        Self {
            run: format!("{now:x}-{:x}", std::process::id()),
            secrets: Secrets::of(settings),
            begun: BTreeMap::new(),
        }
    }

    /// Adds what a note brings.
    fn add(&mut self, note: Note, text: &mut String) {
        match note {
            Note::Begun(call, started) => {
                let line = self.line(&call);
                // What has no grant is done with already.
                if matches!(call.decision, Decision::Allowed { .. }) {
                    text.push_str(&closed(&line, "begun", None));
                }
                self.begun.insert(call.number, (line, started));
            }
            Note::Ended(number, outcome, took) => {
                if let Some((line, _)) = self.begun.remove(&number) {
                    text.push_str(&closed(&line, &outcome, Some(took)));
                }
            }
        }
    }

    /// The lines of the calls that have not ended.
    fn cut_off(&mut self) -> String {
        let begun = std::mem::take(&mut self.begun).into_values();
        begun
            .map(|(line, started)| closed(&line, "cut off", Some(started.elapsed())))
            .collect()
    }

    /// How the lines of a call begin: all but how it ended.
    fn line(&self, call: &AuditedCall) -> String {
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
        add("target", json!(self.secrets.masked(&call.target)));
        let (decision, grants, given) = match &call.decision {
            Decision::Free => ("free", &[][..], &[][..]),
            Decision::Allowed { grants, given } => ("allowed", grants.as_slice(), given.as_slice()),
            Decision::Denied => ("denied", &[][..], &[][..]),
            Decision::Invalid => ("invalid", &[][..], &[][..]),
        };
        let masked = |texts: &[String]| -> Vec<String> {
            texts.iter().map(|it| self.secrets.masked(it)).collect()
        };
        add("decision", json!(decision));
        add("grants", json!(masked(grants)));
        add("given", json!(masked(given)));
        Value::Object(line).to_string()
    }
}

fn closed(line: &str, outcome: &str, took: Option<Duration>) -> String {
    let open = line.strip_suffix('}').unwrap_or(line);
    let outcome = json!(outcome);
    match took {
        Some(took) => {
            let microseconds = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            let milliseconds = json!(f64::from(microseconds) / 1000.0);
            format!("{open},\"outcome\":{outcome},\"duration_ms\":{milliseconds}}}\n")
        }
        None => format!("{open},\"outcome\":{outcome}}}\n"),
    }
}

/// Writes lines as notes come, until there are no more; then of what has not ended.
fn write(
    mut file: &File,
    notes: &Receiver<Note>,
    lines: &mut Lines,
    broken: &OnceLock<String>,
) -> Result<(), String> {
    let mut write = |text: &str| {
        if broken.get().is_none()
            && let Err(error) = file.write_all(text.as_bytes())
        {
            let _ = broken.set(error.to_string());
        }
    };
    while let Ok(note) = notes.recv() {
        let mut text = String::new();
        lines.add(note, &mut text);
        // All that waits goes in one piece; each piece ends with a line.
        for note in notes.try_iter() {
            lines.add(note, &mut text);
        }
        write(&text);
    }
    write(&lines.cut_off());
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
        let settings = json!({"registry": {"password": "geheim"}, "site": "geh"});
        let audit = Audit::open(&path, settings.as_object().unwrap()).unwrap();
        let allowed = Decision::Allowed {
            grants: vec!["ssh.run login geheim".to_owned()],
            given: vec!["/srv/geheim".to_owned()],
        };
        audit.begin(call(1, "login geheim", allowed)).unwrap();
        // What is killed now leaves its line behind.
        let begun = || std::fs::read_to_string(&path).unwrap();
        while !begun().contains(r#""outcome":"begun""#) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!begun().contains("geheim"), "{}", begun());
        audit
            .begin(call(2, "reboot\u{1b}\n", Decision::Denied))
            .unwrap();
        audit.end(2, "denied", Duration::from_micros(1234));
        Audit::close().unwrap();
        // Too late: it is told that nothing can be noted, and nothing is written twice.
        assert!(audit.begin(call(3, "", Decision::Free)).is_err());
        audit.end(1, "done", Duration::ZERO);
        Audit::close().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        let begun: Value = serde_json::from_str(lines[1]).unwrap();
        let run = begun["run"].as_str().unwrap().to_owned();
        insta::assert_snapshot!(lines[1].replace(&run, "RUN"), @r#"{"time":"2023-11-14T22:13:20.123Z","run":"RUN","call":1,"plugin":"backup","digest":"sha256:abababababababababababababababababababababababababababababababab","function":"run save","host":"web1","operation":"ssh.run","target":"login ***","decision":"allowed","grants":["ssh.run login ***"],"given":["/srv/***"],"outcome":"begun"}"#);
        insta::assert_snapshot!(lines[2].replace(&run, "RUN"), @r#"{"time":"2023-11-14T22:13:20.123Z","run":"RUN","call":2,"plugin":"backup","digest":"sha256:abababababababababababababababababababababababababababababababab","function":"run save","host":"web1","operation":"ssh.run","target":"reboot\u001b\n","decision":"denied","grants":[],"given":[],"outcome":"denied","duration_ms":1.234}"#);
        let cut: Value = serde_json::from_str(lines[3]).unwrap();
        assert_eq!(cut["outcome"], "cut off");
        assert_eq!(cut["target"], "login ***");
        assert_eq!(cut["grants"], json!(["ssh.run login ***"]));
        assert_eq!(cut["given"], json!(["/srv/***"]));
        assert_eq!(cut["call"], begun["call"]);
        let new = folder.path().join("new.jsonl");
        assert!(Audit::open(&new.join("none"), &Map::new()).is_err());
        assert!(Audit::open(folder.path(), &Map::new()).is_err());
        drop(Audit::open(&new, &Map::new()).unwrap());
        let mode = std::fs::metadata(&new).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let (notes, received) = sync_channel(1);
        let call = call(1, "", Decision::Free);
        notes.send(Note::Begun(call, Instant::now())).unwrap();
        drop(notes);
        let mut lines = Lines::new(&Map::new());
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let broken = OnceLock::new();
        assert!(write(&full, &received, &mut lines, &broken).is_err());
        assert!(broken.get().is_some());
    }
}
