//! OpenSSH's configuration where the OpenSSH client is not installed to read it: the options that
//! [`crate::Target`] has, as ssh_config(5) says. The first value counts.
//!
//! What is read has the form that `ssh -G` prints, so that both come from here on the same way.

mod matching;
mod words;

use std::path::{Path, PathBuf};

use crate::destination::Destination;
use crate::pattern::{any_matches, glob};
use crate::settings::Settings;
use crate::tokens::{TokenError, Tokens, home, local_user, tilde};
use matching::Criteria;

/// The system's configuration.
const SYSTEM: &str = "/etc/ssh/ssh_config";
/// How deep Include may go, as in OpenSSH.
const DEPTH: usize = 16;

/// Why a configuration cannot be read. The texts begin with file and line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was asked for.
    #[error("the SSH configuration {} cannot be read", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is wrong, or needs the OpenSSH client.
    #[error("{}:{line}: {reason}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that cannot be made complete.
    #[error("{keyword} of {host} in the SSH configuration is wrong")]
    Value {
        /// The host as it was named.
        host: String,
        /// The option.
        keyword: &'static str,
        /// Why.
        #[source]
        source: TokenError,
    },
}

/// Reads the configuration for a destination: `file` alone, or else the user's, then the system's.
pub(crate) fn read(
    destination: &Destination,
    file: Option<&Path>,
) -> Result<Settings, ConfigError> {
    let mut reader = Reader::new(destination);
    match file {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read {
                file: file.to_owned(),
                source,
            })?;
            reader.file(file, &text, Activity::from(true), true, 0)?;
        }
        None => {
            let user = home().map(|home| home.join(".ssh/config"));
            for (file, is_users) in user
                .map(|file| (file, true))
                .into_iter()
                .chain([(PathBuf::from(SYSTEM), false)])
            {
                // Without a file there is nothing to read.
                if let Ok(text) = std::fs::read_to_string(&file) {
                    reader.file(&file, &text, Activity::from(true), is_users, 0)?;
                }
            }
        }
    }
    let mut settings = reader.settings;
    finish(&mut settings, destination).map_err(|(keyword, source)| ConfigError::Value {
        host: destination.host.clone(),
        keyword,
        source,
    })?;
    Ok(settings)
}

/// Makes names and paths complete, as far as `ssh -G` does.
fn finish(
    settings: &mut Settings,
    destination: &Destination,
) -> Result<(), (&'static str, TokenError)> {
    let mut tokens = Tokens {
        name: destination.host.clone(),
        host: destination.host.clone(),
        ..Tokens::default()
    };
    if let Some(name) = settings.first("hostname") {
        tokens.host = tokens
            .expand(name, "h")
            .map_err(|error| ("HostName", error))?;
    }
    tokens.host.make_ascii_lowercase();
    settings.replace("hostname", vec![tokens.host.clone()]);
    if let Some(alias) = settings.first("hostkeyalias").map(str::to_ascii_lowercase) {
        settings.replace("hostkeyalias", vec![alias.clone()]);
        tokens.key_alias = Some(alias);
    }
    tokens.port = settings.number("port").unwrap_or(22);
    let user = settings.first("user").map(str::to_owned);
    tokens.user = user.or_else(local_user).unwrap_or_default();
    if let Some(jump) = settings.first("proxyjump") {
        tokens.jump = jump.to_owned();
    }
    let paths = [
        ("userknownhostsfile", "UserKnownHostsFile"),
        ("globalknownhostsfile", "GlobalKnownHostsFile"),
        ("identityagent", "IdentityAgent"),
    ];
    for (keyword, shown) in paths {
        let Some(values) = settings.all(keyword) else {
            continue;
        };
        let is_word = |value: &String| {
            value == "none" || keyword == "identityagent" && value == "SSH_AUTH_SOCK"
        };
        let is_users = keyword != "globalknownhostsfile";
        let paths = values.iter().map(|value| {
            if is_word(value) || !is_users {
                return Ok(value.clone());
            }
            let path = tokens.path(value).map_err(|error| (shown, error))?;
            Ok(path.to_string_lossy().into_owned())
        });
        let paths = paths.collect::<Result<Vec<_>, _>>()?;
        settings.replace(keyword, paths);
    }
    Ok(())
}

/// Whether the lines of a block count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Active,
    /// Until the next Host or Match.
    Inactive,
    /// Whatever comes: the file was included by a block that does not count.
    Never,
}

impl From<bool> for Activity {
    fn from(active: bool) -> Self {
        if active { Self::Active } else { Self::Inactive }
    }
}

struct Reader<'a> {
    destination: &'a Destination,
    settings: Settings,
}

impl<'a> Reader<'a> {
    fn new(destination: &'a Destination) -> Self {
        let mut settings = Settings::default();
        if let Some(user) = &destination.user {
            settings.set("user", vec![user.clone()]);
        }
        if let Some(port) = destination.port {
            settings.set("port", vec![port.to_string()]);
        }
        Self {
            destination,
            settings,
        }
    }

    fn file(
        &mut self,
        file: &Path,
        text: &str,
        mut activity: Activity,
        is_users: bool,
        depth: usize,
    ) -> Result<(), ConfigError> {
        for (index, line) in text.lines().enumerate() {
            let wrong = |reason: String| ConfigError::Line {
                file: file.to_owned(),
                line: index + 1,
                reason,
            };
            let Some((keyword, rest)) = words::keyword(line) else {
                continue;
            };
            let words = words::words(rest);
            let quoted = || wrong(format!("a quote of {keyword} is not closed"));
            match keyword.as_str() {
                "host" => {
                    let patterns = words.ok_or_else(quoted)?;
                    if activity != Activity::Never {
                        activity = any_matches(patterns, &self.destination.host).into();
                    }
                }
                "match" => {
                    let words = words.ok_or_else(quoted)?;
                    let matched = self.criteria().matches(&words).map_err(wrong)?;
                    if activity != Activity::Never {
                        activity = matched.into();
                    }
                }
                "include" => {
                    for pattern in words.ok_or_else(quoted)? {
                        self.include(&pattern, activity, is_users, depth)
                            .map_err(|error| match error {
                                IncludeError::Deep => {
                                    wrong(format!("more than {DEPTH} Includes within each other"))
                                }
                                IncludeError::Config(error) => error,
                            })?;
                    }
                }
                _ => {
                    // Lines of blocks that do not count are checked as well, as OpenSSH does.
                    let value = value(&keyword, rest, words).map_err(wrong)?;
                    if activity == Activity::Active
                        && let Some(value) = value
                    {
                        self.settings.set(&keyword, value);
                    }
                }
            }
        }
        Ok(())
    }

    fn include(
        &mut self,
        pattern: &str,
        activity: Activity,
        is_users: bool,
        depth: usize,
    ) -> Result<(), IncludeError> {
        if depth + 1 >= DEPTH {
            return Err(IncludeError::Deep);
        }
        let pattern = PathBuf::from(tilde(pattern));
        let pattern = match (pattern.is_absolute(), is_users, home()) {
            (true, _, _) => pattern,
            (false, true, Some(home)) => home.join(".ssh").join(pattern),
            (false, _, _) => Path::new("/etc/ssh").join(pattern),
        };
        let activity = match activity {
            Activity::Active => Activity::Active,
            Activity::Inactive | Activity::Never => Activity::Never,
        };
        for file in files(&pattern) {
            // As in OpenSSH, what cannot be read is passed over.
            if let Ok(text) = std::fs::read_to_string(&file) {
                self.file(&file, &text, activity, is_users, depth + 1)
                    .map_err(IncludeError::Config)?;
            }
        }
        Ok(())
    }

    fn criteria(&self) -> Criteria {
        let named = self.destination.host.clone();
        let tokens = Tokens {
            host: named.clone(),
            ..Tokens::default()
        };
        let host = self.settings.first("hostname").map(|name| {
            // A wrong token is told when the name is used.
            tokens.expand(name, "h").unwrap_or_else(|_| name.to_owned())
        });
        Criteria {
            host: host.unwrap_or_else(|| named.clone()),
            named,
            user: self.settings.first("user").map(str::to_owned),
        }
    }
}

enum IncludeError {
    Deep,
    Config(ConfigError),
}

/// The value of a keyword, in the form that `ssh -G` prints; none for what dfab has no use for.
fn value(
    keyword: &str,
    rest: &str,
    words: Option<Vec<String>>,
) -> Result<Option<Vec<String>>, String> {
    let words = || words.ok_or_else(|| format!("a quote of {keyword} is not closed"));
    let one = |words: Vec<String>| match <[String; 1]>::try_from(words) {
        Ok([word]) if !word.is_empty() => Ok(word),
        Ok(_) => Err(format!("{keyword} has no value")),
        Err(words) if words.is_empty() => Err(format!("{keyword} has no value")),
        Err(_) => Err(format!("{keyword} takes one value")),
    };
    let value = match keyword {
        "proxycommand" | "proxyjump" if rest.is_empty() => {
            return Err(format!("{keyword} has no value"));
        }
        "proxycommand" => vec![rest.to_owned()],
        "proxyjump" => {
            // Checked now, so that the line is known.
            crate::jump::hops(rest)?;
            vec![rest.to_owned()]
        }
        "hostname"
        | "user"
        | "identityfile"
        | "identityagent"
        | "certificatefile"
        | "hostkeyalias"
        | "revokedhostkeys"
        | "ciphers"
        | "preferredauthentications" => vec![one(words()?)?],
        "port" => {
            let port = one(words()?)?;
            match port.parse::<u16>() {
                Ok(1..) => vec![port],
                _ => return Err(format!("{port} is no port")),
            }
        }
        "userknownhostsfile" | "globalknownhostsfile" => {
            let files = words()?;
            if files.is_empty() {
                return Err(format!("{keyword} has no value"));
            }
            if files.len() > 1 && files.iter().any(|file| file == "none") {
                return Err(format!("{keyword} is either none or files"));
            }
            files
        }
        "identitiesonly"
        | "compression"
        | "batchmode"
        | "hashknownhosts"
        | "proxyusefdpass"
        | "pubkeyauthentication"
        | "passwordauthentication"
        | "kbdinteractiveauthentication" => {
            let word = one(words()?)?;
            vec![match word.as_str() {
                "yes" | "no" => word,
                // The one flag that takes no other words.
                other if keyword == "compression" => {
                    return Err(format!("{keyword} is yes or no, not {other}"));
                }
                "true" => "yes".to_owned(),
                "false" => "no".to_owned(),
                // A kind of PubkeyAuthentication that is about which keys are bound to agents.
                "unbound" | "host-bound" if keyword == "pubkeyauthentication" => "yes".to_owned(),
                other => return Err(format!("{keyword} is yes or no, not {other}")),
            }]
        }
        "stricthostkeychecking" => {
            let word = one(words()?)?;
            vec![match word.as_str() {
                "yes" | "true" => "yes".to_owned(),
                "no" | "false" | "off" => "no".to_owned(),
                "ask" | "accept-new" => word,
                other => return Err(format!("{other} is no way to check keys of hosts")),
            }]
        }
        "addressfamily" => {
            let word = one(words()?)?.to_ascii_lowercase();
            if !["any", "inet", "inet6"].contains(&word.as_str()) {
                return Err(format!("{word} is no family of addresses"));
            }
            vec![word]
        }
        "connecttimeout" | "serveraliveinterval" => {
            let word = one(words()?)?;
            if word == "none" {
                // To OpenSSH this is as if nothing was said: a later line may say something.
                return Ok(None);
            }
            let seconds = seconds(&word).ok_or_else(|| format!("{word} is no time"))?;
            vec![seconds.to_string()]
        }
        "serveralivecountmax" | "numberofpasswordprompts" => {
            let word = one(words()?)?;
            vec![
                word.parse::<u32>()
                    .map_err(|_| format!("{word} is no number"))?
                    .to_string(),
            ]
        }
        "canonicalizehostname" if words()?.first().is_some_and(|word| word != "no") => {
            return Err("CanonicalizeHostname needs the OpenSSH client (`ssh`)".to_owned());
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// A time as sshd_config(5), section TIME FORMATS, has it.
fn seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut digits = String::new();
    for character in text.chars() {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        let unit = match character.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return None,
        };
        let count: u64 = digits.parse().ok()?;
        digits.clear();
        total = total.checked_add(count.checked_mul(unit)?)?;
    }
    if digits.is_empty() {
        return (!text.is_empty()).then_some(total);
    }
    total.checked_add(digits.parse().ok()?)
}

/// The files that match, in order of their names (glob(7), without ranges).
fn files(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.components().skip(1) {
        let part = part.as_os_str().to_string_lossy();
        if !part.contains(['*', '?']) {
            for path in &mut found {
                path.push(part.as_ref());
            }
            continue;
        }
        found = found
            .iter()
            .flat_map(|folder| {
                let entries = std::fs::read_dir(folder).into_iter().flatten();
                let mut names: Vec<String> = entries
                    .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                    .filter(|name| name.starts_with('.') <= part.starts_with('.'))
                    .filter(|name| glob(&part, name))
                    .collect();
                names.sort();
                names.into_iter().map(|name| folder.join(name))
            })
            .collect();
    }
    found.retain(|path| path.is_file());
    found
}

#[cfg(test)]
mod tests;
