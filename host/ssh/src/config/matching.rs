//! The criteria of Match.

use crate::pattern::list_matches;
use crate::tokens::local_user;

/// What Match looks at.
#[derive(Debug)]
pub(super) struct Criteria {
    /// The host as it was named.
    pub(super) named: String,
    /// The host's name as far as it is known.
    pub(super) host: String,
    /// The user on the host as far as it is known.
    pub(super) user: Option<String>,
}

impl Criteria {
    /// Whether all criteria are met. Wrong ones, and those that need the OpenSSH client, are refused
    /// even where the answer is known before.
    pub(super) fn matches(&self, words: &[String]) -> Result<bool, String> {
        let mut words = words.iter();
        let mut matched = true;
        let mut count = 0;
        let mut all = false;
        while let Some(word) = words.next() {
            count += 1;
            let (criterion, attached) = match word.split_once('=') {
                Some((criterion, value)) => (criterion, Some(value)),
                None => (word.as_str(), None),
            };
            let (criterion, negated) = match criterion.strip_prefix('!') {
                Some(criterion) => (criterion, true),
                None => (criterion, false),
            };
            let criterion = criterion.to_ascii_lowercase();
            let met = match criterion.as_str() {
                "all" => {
                    all = true;
                    true
                }
                "canonical" => false,
                "final" | "exec" | "localnetwork" | "tagged" | "command" | "version" => {
                    return Err(format!(
                        "Match {criterion} needs the OpenSSH client (`ssh`), which is not installed"
                    ));
                }
                "host" | "originalhost" | "user" | "localuser" => {
                    let patterns = attached
                        .or_else(|| words.next().map(String::as_str))
                        .filter(|patterns| !patterns.is_empty())
                        .ok_or_else(|| format!("Match {criterion} has no pattern"))?;
                    match criterion.as_str() {
                        "host" => list_matches(patterns, &self.host),
                        "originalhost" => list_matches(patterns, &self.named),
                        "user" => match self.user.clone().or_else(local_user) {
                            Some(user) => user_matches(patterns, &user),
                            None => false,
                        },
                        _ => local_user().is_some_and(|user| user_matches(patterns, &user)),
                    }
                }
                _ => return Err(format!("there is no Match {criterion}")),
            };
            matched &= met != negated;
        }
        if count == 0 {
            return Err("Match needs a criterion".to_owned());
        }
        if all && count > 1 {
            return Err("Match all stands alone".to_owned());
        }
        Ok(matched)
    }
}

/// Names of users are compared with regard to case.
fn user_matches(patterns: &str, user: &str) -> bool {
    crate::pattern::any_matches(patterns.split(',').map(str::to_owned), user)
}
