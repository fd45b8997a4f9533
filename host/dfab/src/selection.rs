//! Which hosts a command is about: names, patterns and groups, from the command line to a list.

use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};
use wildmatch::WildMatch;

use crate::arguments::Common;
use crate::failure::Failure;

/// More candidates than these are not told.
const MANY: usize = 30;

/// The names that a project has for its hosts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inventory {
    /// Hosts by name, in the order of the files.
    pub(crate) hosts: Vec<String>,
    /// Groups: names and patterns of hosts, and names of other groups.
    pub(crate) groups: IndexMap<String, Vec<String>>,
}

impl Inventory {
    /// The hosts that the command line names with `-H` and `-g`, each once and in its order; none where
    /// it names none. What is neither a known name nor a pattern stays as it is, for a destination.
    ///
    /// # Errors
    /// Where a pattern means no host, or there is no such group.
    pub(crate) fn named(&self, common: &Common) -> Result<Vec<String>, Failure> {
        let mut named = IndexSet::new();
        for word in &common.hosts {
            if self.hosts.contains(word) || !is_pattern(word) {
                named.insert(word.clone());
            } else {
                named.extend(self.matching(word, &self.hosts)?);
            }
        }
        for group in &common.groups {
            named.extend(self.members(group, &mut Vec::new())?);
        }
        Ok(named.into_iter().collect())
    }

    /// The groups that a host is in, also by a group in them.
    pub(crate) fn groups_of(&self, host: &str) -> Vec<&str> {
        let has_it = |group: &str| {
            let members = self.members(group, &mut Vec::new());
            members.is_ok_and(|members| members.iter().any(|member| member == host))
        };
        let groups = self.groups.keys().map(String::as_str);
        groups.filter(|group| has_it(group)).collect()
    }

    /// The hosts that words mean of which a plugin is allowed: names, patterns, groups and destinations.
    ///
    /// # Errors
    /// Where a pattern means no host.
    pub(crate) fn meant_by(&self, words: &[String]) -> Result<BTreeSet<String>, Failure> {
        let mut meant = BTreeSet::new();
        for word in words {
            if self.groups.contains_key(word) || is_pattern(word) {
                meant.extend(self.meaning(word, &[])?);
            } else {
                meant.insert(word.clone());
            }
        }
        Ok(meant)
    }

    /// What is left of hosts by `--limit` and `--exclude`.
    ///
    /// # Errors
    /// Where a word means none of these hosts and no host at all, or nothing is left.
    pub(crate) fn narrowed(
        &self,
        hosts: Vec<String>,
        common: &Common,
    ) -> Result<Vec<String>, Failure> {
        if hosts.is_empty() || common.limit.is_empty() && common.exclude.is_empty() {
            return Ok(hosts);
        }
        let meant = |words: &[String]| -> Result<IndexSet<String>, Failure> {
            let mut meant = IndexSet::new();
            for word in words {
                meant.extend(self.meaning(word, &hosts)?);
            }
            Ok(meant)
        };
        let (limit, exclude) = (meant(&common.limit)?, meant(&common.exclude)?);
        let stays = |host: &String| {
            (common.limit.is_empty() || limit.contains(host)) && !exclude.contains(host)
        };
        let left: Vec<String> = hosts.iter().filter(|host| stays(host)).cloned().collect();
        if left.is_empty() {
            return Err(Failure::usage("no host is left by --limit and --exclude")
                .hint(format!("without them: {}", listed(&hosts))));
        }
        Ok(left)
    }

    /// The hosts of a group, with those of the groups in it.
    fn members(&self, group: &str, within: &mut Vec<String>) -> Result<Vec<String>, Failure> {
        let Some(words) = self.groups.get(group) else {
            let known: Vec<String> = self.groups.keys().cloned().collect();
            let failure = Failure::usage(format!("there is no group {group}"));
            return Err(if known.is_empty() {
                failure.hint("name hosts under `groups` in dfab.yaml")
            } else {
                failure.hint(format!("there is: {}", listed(&known)))
            });
        };
        if within.iter().any(|known| known == group) {
            within.push(group.to_owned());
            return Err(Failure::usage(format!(
                "groups are in each other: {}",
                within.join(" -> ")
            )));
        }
        within.push(group.to_owned());
        let mut members = Vec::new();
        for word in words {
            if self.hosts.contains(word) {
                members.push(word.clone());
            } else if self.groups.contains_key(word) {
                members.extend(self.members(word, within)?);
            } else if is_pattern(word) {
                members.extend(self.matching(word, &self.hosts)?);
            } else {
                members.push(word.clone());
            }
        }
        within.pop();
        Ok(members)
    }

    /// What a word of `--limit` or `--exclude` means: a host, a pattern or a group.
    fn meaning(&self, word: &str, hosts: &[String]) -> Result<Vec<String>, Failure> {
        if hosts.iter().any(|host| host == word) || self.hosts.iter().any(|host| host == word) {
            return Ok(vec![word.to_owned()]);
        }
        if self.groups.contains_key(word) {
            return self.members(word, &mut Vec::new());
        }
        let mut known: Vec<String> = hosts.to_vec();
        known.extend(self.hosts.iter().cloned());
        self.matching(word, &known)
    }

    fn matching(&self, pattern: &str, hosts: &[String]) -> Result<Vec<String>, Failure> {
        let matcher = WildMatch::new(pattern);
        let found: Vec<String> = hosts
            .iter()
            .filter(|host| matcher.matches(host))
            .cloned()
            .collect();
        if found.is_empty() {
            let failure = Failure::usage(format!("no host is called {pattern}"));
            let known: IndexSet<&String> = hosts.iter().chain(self.groups.keys()).collect();
            let known: Vec<String> = known.into_iter().cloned().collect();
            return Err(if known.is_empty() {
                failure.hint("name hosts under `hosts` in dfab.yaml, or in a client file")
            } else {
                failure.hint(format!("there is: {}", listed(&known)))
            });
        }
        Ok(found)
    }
}

fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?'])
}

/// Names for people, the first of many.
pub(crate) fn listed(names: &[String]) -> String {
    match names.get(..MANY) {
        Some(first) if names.len() > MANY => {
            format!("{} and {} more", first.join(", "), names.len() - MANY)
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn inventory() -> Inventory {
        let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Inventory {
            hosts: texts(&["web1", "web2", "db1", "db2"]),
            groups: [
                ("web", texts(&["web*"])),
                ("all", texts(&["web", "db1", "root@10.0.0.9"])),
                ("round", texts(&["trip"])),
                ("trip", texts(&["round"])),
            ]
            .map(|(name, words)| (name.to_owned(), words))
            .into(),
        }
    }

    fn selected(line: &[&str]) -> Result<String, String> {
        let command = Common::augment_args(Command::new("dfab")).no_binary_name(true);
        let common = Common::from_arg_matches(&command.get_matches_from(line)).unwrap();
        let inventory = inventory();
        inventory
            .named(&common)
            .and_then(|named| inventory.narrowed(named, &common))
            .map(|hosts| hosts.join(" "))
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn hosts_are_named_by_name_pattern_and_group() {
        for (line, hosts) in [
            (&[][..], ""),
            (&["-H", "web1,root@h"], "web1 root@h"),
            (&["-H", "db?,web1,db1"], "db1 db2 web1"),
            (&["-g", "web", "-H", "web2"], "web2 web1"),
            (&["-g", "all"], "web1 web2 db1 root@10.0.0.9"),
            (&["-g", "all", "--limit", "web"], "web1 web2"),
            (&["-g", "all", "--exclude", "web*,db1"], "root@10.0.0.9"),
            (&["-g", "all", "--limit", "root@*"], "root@10.0.0.9"),
            (
                &["-g", "all", "--limit", "web,db1", "--exclude", "web2,db2"],
                "web1 db1",
            ),
        ] {
            assert_eq!(selected(line).as_deref(), Ok(hosts), "{line:?}");
        }
    }

    #[test]
    fn a_plugin_is_allowed_hosts_as_they_are_called() {
        let meant = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let meant = inventory().meant_by(&words);
            meant.map(|names| names.into_iter().collect::<Vec<_>>().join(" "))
        };
        for (words, names) in [
            (&[][..], ""),
            (&["web"], "web1 web2"),
            (&["db?", "web1"], "db1 db2 web1"),
            (&["all"], "db1 root@10.0.0.9 web1 web2"),
            (&["web9", "root@h"], "root@h web9"),
        ] {
            assert_eq!(meant(words).unwrap(), names, "{words:?}");
        }
        assert!(meant(&["app*"]).is_err() && meant(&["round"]).is_err());
    }

    #[test]
    fn what_means_nothing_is_told_with_what_there_is() {
        let lines = [
            &["-H", "app*"][..],
            &["-g", "wbe"],
            &["-g", "round"],
            &["-g", "all", "--limit", "app*"],
            &["-g", "all", "--exclude", "web3"],
            &["-g", "web", "--exclude", "web"],
        ];
        let told: Vec<String> = lines
            .iter()
            .map(|line| selected(line).unwrap_err())
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        no host is called app*
          hint: there is: web1, web2, db1, db2, web, all, round, trip
        there is no group wbe
          hint: there is: web, all, round, trip
        groups are in each other: round -> trip -> round
        no host is called app*
          hint: there is: web1, web2, db1, root@10.0.0.9, db2, web, all, round, trip
        no host is called web3
          hint: there is: web1, web2, db1, root@10.0.0.9, db2, web, all, round, trip
        no host is left by --limit and --exclude
          hint: without them: web1, web2
        ");
    }
}
