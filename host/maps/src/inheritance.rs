//! How configurations extend each other.

use indexmap::IndexMap;

use crate::config::ContainerConfig;
use crate::diagnostic::Report;
use crate::map::ResolvedMap;
use crate::options::ContainerOption;
use crate::record::Record;

/// How many configurations may extend each other in a row.
const DEPTH_LIMIT: usize = 500;

impl ResolvedMap {
    /// Replaces every configuration by what it is with all that it extends.
    pub(crate) fn extend(&mut self, report: &mut Report) {
        let mut extended: IndexMap<String, ContainerConfig> = IndexMap::new();
        for name in self.containers.keys() {
            self.extended(name, &mut Vec::new(), &mut extended, report);
        }
        self.containers = self
            .containers
            .keys()
            .filter_map(|name| Some((name.clone(), extended.get(name)?.clone())))
            .filter(|(_, config)| !config.is_abstract)
            .collect();
    }

    /// Computes one configuration, after those that it extends. A cycle is reported with its path.
    fn extended<'a>(
        &'a self,
        name: &'a str,
        path: &mut Vec<&'a str>,
        done: &mut IndexMap<String, ContainerConfig>,
        report: &mut Report,
    ) {
        let Some(own) = self.containers.get(name) else {
            return;
        };
        if done.contains_key(name) {
            return;
        }
        if own.extends.is_empty() {
            done.insert(name.to_owned(), own.clone());
            return;
        }
        if path.len() >= DEPTH_LIMIT {
            report.error(
                own.at,
                "configurations extend each other too often to follow",
            );
            return;
        }
        path.push(name);
        let mut result = ContainerConfig {
            at: own.at,
            ..ContainerConfig::default()
        };
        for (base, at) in &own.extends {
            if path.contains(&base.as_str()) {
                let cycle = format!("{} -> {base}", path.join(" -> "));
                report.error(
                    *at,
                    format!("configurations extend each other in a circle: {cycle}"),
                );
            } else if self.containers.contains_key(base) {
                self.extended(base, path, done, report);
                if let Some(base) = done.get(base) {
                    result.merge(base);
                }
            } else {
                let known: Vec<_> = self.containers.keys().map(String::as_str).collect();
                report.unknown(*at, "configuration", base, &known);
            }
        }
        result.merge(own);
        result.is_abstract = own.is_abstract;
        result.client_names.clone_from(&own.client_names);
        path.pop();
        done.insert(name.to_owned(), result);
    }
}

impl ContainerConfig {
    /// Takes over what the other one gives: lists are joined, the rest is replaced.
    pub(crate) fn merge(&mut self, other: &Self) {
        fn replace<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        fn union(mine: &mut Vec<String>, theirs: &[String]) {
            for item in theirs {
                if !mine.contains(item) {
                    mine.push(item.clone());
                }
            }
        }
        fn by_first<R: Record>(mine: &mut Vec<R>, theirs: &[R]) {
            for item in theirs {
                match mine.iter_mut().find(|known| item.replaces(known)) {
                    Some(known) => known.clone_from(item),
                    None => mine.push(item.clone()),
                }
            }
        }
        fn update(mine: &mut Vec<ContainerOption>, theirs: &[ContainerOption]) {
            for option in theirs {
                match mine.iter_mut().find(|known| known.name() == option.name()) {
                    Some(known) => known.clone_from(option),
                    None => mine.push(option.clone()),
                }
            }
        }
        replace(&mut self.image, &other.image);
        union(&mut self.instances, &other.instances);
        union(&mut self.clients, &other.clients);
        union(&mut self.shares, &other.shares);
        by_first(&mut self.binds, &other.binds);
        by_first(&mut self.attaches, &other.attaches);
        by_first(&mut self.uses, &other.uses);
        by_first(&mut self.links, &other.links);
        by_first(&mut self.exposes, &other.exposes);
        replace(&mut self.user, &other.user);
        replace(&mut self.permissions, &other.permissions);
        replace(&mut self.stop_timeout, &other.stop_timeout);
        replace(&mut self.stop_signal, &other.stop_signal);
        replace(&mut self.start_delay, &other.start_delay);
        replace(&mut self.network_mode, &other.network_mode);
        by_first(&mut self.networks, &other.networks);
        by_first(&mut self.exec_commands, &other.exec_commands);
        replace(&mut self.healthcheck, &other.healthcheck);
        replace(&mut self.persistent, &other.persistent);
        update(&mut self.create_options, &other.create_options);
        update(&mut self.host_config, &other.host_config);
    }
}
