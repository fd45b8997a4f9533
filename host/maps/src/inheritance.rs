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
        let own = std::mem::take(&mut self.containers);
        let mut inheritance = Inheritance {
            extended: vec![None; own.len()],
            own,
        };
        for index in 0..inheritance.own.len() {
            inheritance.extend(index, &mut Vec::new(), report);
        }
        let Inheritance { own, extended } = inheritance;
        self.containers = own
            .into_keys()
            .zip(extended)
            .filter_map(|(name, config)| Some((name, config?)))
            .filter(|(_, config)| !config.is_abstract)
            .collect();
    }
}

/// Configurations as they are written, and those that are done; an own one is moved there.
struct Inheritance {
    own: IndexMap<String, ContainerConfig>,
    extended: Vec<Option<ContainerConfig>>,
}

impl Inheritance {
    /// Computes one configuration, after those that it extends. A cycle is reported with its path.
    fn extend(&mut self, index: usize, path: &mut Vec<usize>, report: &mut Report) {
        if self.done(index).is_some() {
            return;
        }
        let Some((_, own)) = self.own.get_index_mut(index) else {
            return;
        };
        if path.len() >= DEPTH_LIMIT {
            report.error(
                own.at,
                "configurations extend each other too often to follow",
            );
            return;
        }
        let mut own = std::mem::take(own);
        let bases = std::mem::take(&mut own.extends);
        let extends = !bases.is_empty();
        let mut result = ContainerConfig {
            at: own.at,
            ..ContainerConfig::default()
        };
        path.push(index);
        for (base, at) in bases {
            let Some(found) = self.own.get_index_of(&base) else {
                let known: Vec<_> = self.own.keys().map(String::as_str).collect();
                report.unknown(at, "configuration", &base, &known);
                continue;
            };
            if path.contains(&found) {
                let names = path.iter().filter_map(|index| self.own.get_index(*index));
                let names: Vec<_> = names.map(|(name, _)| name.as_str()).collect();
                let cycle = format!("{} -> {base}", names.join(" -> "));
                report.error(
                    at,
                    format!("configurations extend each other in a circle: {cycle}"),
                );
                continue;
            }
            self.extend(found, path, report);
            if let Some(base) = self.done(found) {
                result.merge(base.clone());
            }
        }
        path.pop();
        if extends {
            result.is_abstract = own.is_abstract;
            result.client_names.clone_from(&own.client_names);
            result.merge(own);
        } else {
            // As it is: what it says twice is joined to nothing.
            result = own;
        }
        if let Some(place) = self.extended.get_mut(index) {
            *place = Some(result);
        }
    }

    fn done(&self, index: usize) -> Option<&ContainerConfig> {
        self.extended.get(index)?.as_ref()
    }
}

impl ContainerConfig {
    /// Takes over what the other one gives: lists are joined, the rest is replaced.
    pub(crate) fn merge(&mut self, other: Self) {
        fn replace<T>(mine: &mut Option<T>, theirs: Option<T>) {
            if theirs.is_some() {
                *mine = theirs;
            }
        }
        fn join<T>(mine: &mut Vec<T>, theirs: Vec<T>, replaces: impl Fn(&T, &T) -> bool) {
            for item in theirs {
                match mine.iter_mut().find(|known| replaces(&item, known)) {
                    Some(known) => *known = item,
                    None => mine.push(item),
                }
            }
        }
        fn union(mine: &mut Vec<String>, theirs: Vec<String>) {
            join(mine, theirs, |one, other| one == other);
        }
        fn by_first<R: Record>(mine: &mut Vec<R>, theirs: Vec<R>) {
            join(mine, theirs, R::replaces);
        }
        fn update(mine: &mut Vec<ContainerOption>, theirs: Vec<ContainerOption>) {
            join(mine, theirs, |one, other| one.name() == other.name());
        }
        let replaced = [
            ("user", other.user.is_some()),
            ("permissions", other.permissions.is_some()),
            ("healthcheck", other.healthcheck.is_some()),
        ];
        let is_replaced = |key: &str| replaced.contains(&(key, true));
        self.unset.retain(|(key, _)| !is_replaced(key));
        replace(&mut self.image, other.image);
        union(&mut self.instances, other.instances);
        union(&mut self.clients, other.clients);
        union(&mut self.shares, other.shares);
        by_first(&mut self.binds, other.binds);
        by_first(&mut self.attaches, other.attaches);
        by_first(&mut self.uses, other.uses);
        by_first(&mut self.links, other.links);
        by_first(&mut self.exposes, other.exposes);
        replace(&mut self.user, other.user);
        replace(&mut self.permissions, other.permissions);
        replace(&mut self.stop_timeout, other.stop_timeout);
        replace(&mut self.stop_signal, other.stop_signal);
        replace(&mut self.start_delay, other.start_delay);
        replace(&mut self.network_mode, other.network_mode);
        by_first(&mut self.networks, other.networks);
        by_first(&mut self.exec_commands, other.exec_commands);
        replace(&mut self.healthcheck, other.healthcheck);
        replace(&mut self.persistent, other.persistent);
        update(&mut self.create_options, other.create_options);
        update(&mut self.host_config, other.host_config);
        self.wrong_keys.extend(other.wrong_keys);
        self.unset.extend(other.unset);
    }
}
