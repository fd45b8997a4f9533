//! On which terms a component runs: what the operator grants it, where, how much, and who looks on.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::audit::Audit;
use crate::grant::Grants;
use crate::limit_settings::LimitRules;

/// On which terms a component runs.
#[derive(Clone)]
pub struct Terms {
    /// What it may do, of what it declares.
    pub grants: Grants,
    /// For which hosts.
    pub hosts: Hosts,
    /// What the operator says of limits.
    pub limits: LimitRules,
    /// Who is told of each host call.
    pub audit: Option<Arc<dyn Audit>>,
}

/// The hosts that a task may work for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Those that the operator names when it runs.
    All,
    /// Of these only those.
    Only {
        /// As the operator wrote it: hosts, groups and patterns.
        written: Vec<String>,
        /// What that means: names, as the operator calls hosts.
        names: BTreeSet<String>,
    },
}

impl Terms {
    /// These grants, without anything else that is special.
    #[must_use]
    pub fn new(grants: Grants) -> Self {
        Self {
            grants,
            hosts: Hosts::All,
            limits: LimitRules::default(),
            audit: None,
        }
    }
}

impl Hosts {
    pub(crate) fn have(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            // A name is that name: no case, address or alias is looked through.
            Self::Only { names, .. } => names.contains(host),
        }
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("grants", &self.grants)
            .field("hosts", &self.hosts)
            .field("limits", &self.limits)
            .field("audit", &self.audit.is_some())
            .finish()
    }
}
