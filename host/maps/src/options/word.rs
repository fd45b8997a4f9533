//! Words of which the engine knows a fixed number: a misspelt one is found where it is written.

use crate::diagnostic::{Report, nearest};
use crate::tree::{Node, Value};

/// Those of Linux, as the engine calls them; those of real time are counted from both ends.
const SIGNALS: [&str; 35] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGRTMIN",
];
pub(crate) const LAST_SIGNAL: i64 = 64;

/// Those of Linux, and all of them. An engine may not know the latest.
const CAPABILITIES: [&str; 42] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

const LIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

const MOUNT_TYPES: [&str; 6] = ["bind", "cluster", "image", "npipe", "tmpfs", "volume"];
const PROPAGATIONS: [&str; 6] = [
    "private", "rprivate", "rshared", "rslave", "shared", "slave",
];

/// The words that an option takes.
struct Words {
    what: &'static str,
    known: &'static [&'static str],
    is_known: fn(&str, &[&str]) -> bool,
}

impl Words {
    /// Of an option, or of what is within it.
    fn of(option: &str) -> Option<Self> {
        let exact = |what, known| Self {
            what,
            known,
            is_known: is_one_of,
        };
        Some(match option {
            "stop_signal" => Self {
                what: "signal",
                known: &SIGNALS,
                is_known: is_signal,
            },
            "cap_add" | "cap_drop" => Self {
                what: "capability",
                known: &CAPABILITIES,
                is_known: is_capability,
            },
            "ulimits" => Self {
                what: "limit of processes",
                known: &LIMITS,
                is_known: |word, known| known.contains(&word.to_ascii_lowercase().as_str()),
            },
            "mounts" => exact("type of mounts", &MOUNT_TYPES),
            "propagation" => exact("propagation", &PROPAGATIONS),
            "ipc_mode" => exact(
                "ipc_mode",
                &["none", "private", "shareable", "host", "container:NAME"],
            ),
            // Of `pid_mode`, `uts_mode` and `userns_mode` engines take any, and many mean nothing by it.
            "cgroupns" => exact("cgroupns", &["host", "private"]),
            _ => return None,
        })
    }

    /// Whether it is known. One without letters is the engine's default.
    fn has(&self, word: &str) -> bool {
        word.is_empty() || (self.is_known)(word, self.known)
    }

    /// Tells of a word that is not known. What is no word, or stands for a setting that is not set, is told
    /// elsewhere.
    fn check(&self, node: &Node, report: &mut Report) {
        let Some(word) = node.reading().filter(|word| !self.has(word)) else {
            return;
        };
        if node.is_unset {
            return;
        }
        let message = format!("there is no {} {word}", self.what);
        let is_number = word.parse::<i64>().is_ok();
        let help = match self.nearest(&word) {
            _ if is_number && self.what == "signal" => {
                format!("the numbers of signals are 1 to {LAST_SIGNAL}")
            }
            Some(near) => format!("did you mean {near}?"),
            None => format!("there is: {}", self.known.join(", ")),
        };
        report.error_with_help(node.at, message, help);
    }

    /// Most are taken in capitals and small letters alike, and some with a prefix or without.
    fn nearest(&self, word: &str) -> Option<&'static str> {
        let capitals = word.to_ascii_uppercase();
        let mut spellings = vec![word.to_owned(), word.to_ascii_lowercase()];
        spellings.push(format!("SIG{capitals}"));
        spellings.extend(capitals.strip_prefix("CAP_").map(str::to_owned));
        spellings.push(capitals);
        let near = spellings.iter().filter_map(|word| {
            let near = nearest(word, self.known.iter().copied())?;
            Some((strsim::jaro_winkler(word, near), near))
        });
        near.max_by(|one, other| one.0.total_cmp(&other.0))
            .map(|(_, near)| near)
    }
}

fn is_one_of(word: &str, known: &[&str]) -> bool {
    let is_it = |known: &&str| match known.strip_suffix("NAME") {
        Some(start) => word.len() > start.len() && word.starts_with(start),
        None => *known == word,
    };
    known.iter().any(is_it)
}

/// `SIGTERM`, `TERM` or `15`.
fn is_signal(word: &str, known: &[&str]) -> bool {
    if let Ok(number) = word.parse::<i64>() {
        return (1..=LAST_SIGNAL).contains(&number);
    }
    let word = word.to_ascii_uppercase();
    let name = word.strip_prefix("SIG").unwrap_or(&word);
    // As the engine has them, which knows no `+01`.
    let is_counted = |start: &str, most: u8| {
        let number = name.strip_prefix(start);
        number.is_some_and(|number| (1..=most).any(|known| known.to_string() == number))
    };
    name == "RTMAX"
        || is_counted("RTMIN+", 15)
        || is_counted("RTMAX-", 14)
        || known
            .iter()
            .any(|known| known.strip_prefix("SIG") == Some(name))
}

/// `NET_ADMIN`, or the same with `CAP_` before it; `ALL` stands alone.
fn is_capability(word: &str, known: &[&str]) -> bool {
    let word = word.to_ascii_uppercase();
    let bare = word.strip_prefix("CAP_").filter(|bare| *bare != "ALL");
    known.contains(&bare.unwrap_or(&word))
}

/// The words that an option knows, each in one of its spellings; none where it takes any.
pub(crate) fn known_words(option: &str) -> &'static [&'static str] {
    match Words::of(option) {
        Some(words) => words.known,
        None => &[],
    }
}

/// Whether an option that knows a fixed number of words knows this one; others know any.
pub(crate) fn is_known(option: &str, word: &str) -> bool {
    Words::of(option).is_none_or(|words| words.has(word))
}

/// Tells of words in the value of an option that it does not know.
pub(crate) fn check(option: &str, node: &Node, report: &mut Report) {
    let Some(words) = Words::of(option) else {
        return;
    };
    for item in items(node) {
        match option {
            "ulimits" => {
                field(item, "Name").inspect(|name| words.check(name, report));
            }
            "mounts" => {
                field(item, "Type").inspect(|kind| words.check(kind, report));
                let options = field(item, "BindOptions");
                if let Some(propagation) = options.and_then(|node| field(node, "Propagation")) {
                    check("propagation", propagation, report);
                }
            }
            _ => words.check(item, report),
        }
    }
}

/// The items of a list; what is none counts as the only one.
pub(super) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// A field of a record, however it is written.
pub(super) fn field<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Value::Map(pairs) = &node.value else {
        return None;
    };
    let is_it = |key: &Node| {
        let key = key.key_text().replace('_', "");
        key.eq_ignore_ascii_case(name)
    };
    let found = pairs.iter().find(|(key, _)| is_it(key));
    found.map(|(_, value)| value)
}
