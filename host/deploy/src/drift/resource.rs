//! Networks and volumes compared with the bodies of their creations.

use std::collections::BTreeSet;

use dfab_runtime::planning::{Difference, Remedy};
use serde_json::{Value, json};

use super::form::{is_empty, is_same, text_of};
use super::{difference, entries};
use crate::labels;

/// Fields of a network that are on or off, and what they are where nothing is said of them.
const FLAGS: [(&str, bool); 4] = [
    ("EnableIPv4", true),
    ("EnableIPv6", false),
    ("Attachable", false),
    ("Ingress", false),
];

/// How a network differs from the body of its creation.
pub(crate) fn network(wanted: &Value, live: &Value) -> Vec<Difference> {
    let mut comparison = Comparison::of(wanted, live);
    comparison.with_default("Driver", &json!("bridge"));
    comparison.with_default("Internal", &json!(false));
    comparison.options();
    comparison.flags();
    comparison.labels();
    comparison.addresses();
    comparison.found
}

/// How a volume differs from the body of its creation.
pub(crate) fn volume(wanted: &Value, live: &Value) -> Vec<Difference> {
    let mut comparison = Comparison::of(wanted, live);
    comparison.with_default("Driver", &json!("local"));
    comparison.compare("Options", &wanted["DriverOpts"], &live["Options"]);
    comparison.labels();
    comparison.found
}

struct Comparison<'a> {
    wanted: &'a Value,
    live: &'a Value,
    /// What dfab gave when it made it; nothing for someone else's.
    given: BTreeSet<&'a str>,
    found: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    fn of(wanted: &'a Value, live: &'a Value) -> Self {
        let specification = live["Labels"][labels::SPECIFICATION].as_str();
        let given = specification.and_then(labels::given_fields);
        Self {
            wanted,
            live,
            given: given.unwrap_or_default(),
            found: Vec::new(),
        }
    }

    fn was_given(&self, field: &str) -> bool {
        self.given.contains(field)
    }

    /// The names of fields that dfab gave below one.
    fn given_below(&self, prefix: &str) -> Vec<&'a str> {
        let given = self.given.iter();
        given.filter_map(|name| name.strip_prefix(prefix)).collect()
    }

    fn differ(&mut self, field: &str, wanted: &Value, live: &Value) {
        let found = difference(field, wanted, live, Remedy::Recreate);
        self.found.push(found);
    }

    fn compare(&mut self, field: &str, wanted: &Value, live: &Value) {
        if !is_same(wanted, live) {
            self.differ(field, wanted, live);
        }
    }

    fn with_default(&mut self, field: &str, usual: &Value) {
        let (wanted, live) = (self.wanted, self.live);
        self.compare(field, wanted.get(field).unwrap_or(usual), &live[field]);
    }

    fn flags(&mut self) {
        let (wanted, live) = (self.wanted, self.live);
        for (name, usual) in FLAGS {
            let wanted = match wanted.get(name) {
                Some(value) => value.clone(),
                None if self.was_given(name) => json!(usual),
                None => continue,
            };
            // An engine that does not know it has it always.
            if usual && live[name].is_null() {
                continue;
            }
            self.compare(name, &wanted, &live[name]);
        }
    }

    /// Engines and drivers have options of their own.
    fn options(&mut self) {
        let (wanted, live) = (&self.wanted["Options"], &self.live["Options"]);
        for (name, value) in entries(Some(wanted)) {
            self.compare(&format!("Options.{name}"), value, &live[name]);
        }
        let names = self.given_below("Options.");
        // Of older networks only is known that there were some.
        let were_all = names.is_empty() && self.was_given("Options") && is_empty(wanted);
        for (name, value) in entries(Some(live)) {
            let was_given = were_all || names.contains(&name.as_str());
            if was_given && wanted.get(name.as_str()).is_none() {
                self.differ(&format!("Options.{name}"), &Value::Null, value);
            }
        }
    }

    fn labels(&mut self) {
        let (wanted, live) = (&self.wanted["Labels"], &self.live["Labels"]);
        for (name, value) in entries(Some(wanted)) {
            let field = format!("Labels.{name}");
            match live.get(name.as_str()) {
                Some(found) if text_of(found) == text_of(value) => {}
                Some(_) => self.differ(&field, &json!("the map's value"), &json!("another value")),
                None => self.differ(&field, &json!("set"), &json!("not set")),
            }
        }
        if self.was_given("Labels") {
            for (name, _) in entries(Some(live)) {
                if !labels::is_own(name) && wanted.get(name.as_str()).is_none() {
                    self.differ(&format!("Labels.{name}"), &json!("not set"), &json!("set"));
                }
            }
        }
    }

    /// Pools of addresses, and who hands them out.
    fn addresses(&mut self) {
        let (wanted, live) = (&self.wanted["IPAM"], &self.live["IPAM"]);
        if is_empty(wanted) {
            if self.was_given("IPAM") {
                self.differ("IPAM", &Value::Null, live);
            }
            return;
        }
        let usual = json!("default");
        if let Some(driver) = wanted.get("Driver") {
            self.compare("IPAM.Driver", driver, &live["Driver"]);
        } else if self.was_given("IPAM.Driver") {
            self.compare("IPAM.Driver", &usual, &live["Driver"]);
        }
        if !is_empty(&wanted["Options"]) || self.was_given("IPAM.Options") {
            self.compare("IPAM.Options", &wanted["Options"], &live["Options"]);
        }
        self.pools(&wanted["Config"], &live["Config"]);
    }

    /// The engine adds what the map leaves to it.
    fn pools(&mut self, wanted: &Value, live: &Value) {
        for pool in list(wanted) {
            let is_it = |known: &Value| {
                entries(Some(pool)).all(|(name, value)| is_same(value, &known[name]))
            };
            if !list(live).any(is_it) {
                self.compare("IPAM.Config", pool, &Value::Null);
            }
        }
        if is_empty(wanted) {
            if self.was_given("IPAM.Config") {
                self.differ("IPAM.Config", wanted, live);
            }
            return;
        }
        // To those of the map the engine adds no other of the same family.
        let count = |pools: &Value, family: Family| {
            let pools = list(pools);
            pools.filter(|pool| Family::of(pool) == family).count()
        };
        for family in [Family::Four, Family::Six] {
            let (wanted_count, live_count) = (count(wanted, family), count(live, family));
            if !self.given.is_empty() && wanted_count > 0 && live_count > wanted_count {
                self.differ("IPAM.Config", wanted, live);
            }
        }
        for name in self.given_below("IPAM.Config.") {
            let is_there = |pools: &Value| list(pools).any(|pool| !is_empty(&pool[name]));
            if is_there(live) && !is_there(wanted) {
                self.differ(&format!("IPAM.Config.{name}"), &Value::Null, live);
            }
        }
    }
}

/// Of the addresses of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Four,
    Six,
}

impl Family {
    fn of(pool: &Value) -> Self {
        match pool["Subnet"].as_str() {
            Some(subnet) if subnet.contains(':') => Self::Six,
            _ => Self::Four,
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
