//! The plugins of dfab.lock: taken from this machine's store by their digests, judged again each time,
//! and loaded with what was granted to exactly these bytes.

use std::path::{Path, PathBuf};

use dfab_bundles::{
    Artifact, Digest, Lock, Locked, Name, Store, StoreError, Trust, TrustError, lock,
};
use dfab_runtime::{Grant, Grants, Origin, Plugin, Runtime};
use jiff::Timestamp;

use crate::examination::examine;
use crate::failure::Failure;
use crate::plugins::Conditions;
use crate::project::{Held, Project};
use crate::terminal;

/// A plugin of the project that is not used.
#[derive(Debug)]
pub(crate) struct Unusable {
    /// Its components and their kinds, where they are known.
    components: Option<Vec<(String, String)>>,
    failure: Failure,
}

impl Unusable {
    /// One with these components and kinds, for that reason.
    pub(crate) fn new(components: Vec<(String, String)>, failure: Failure) -> Self {
        Self {
            components: Some(components),
            failure,
        }
    }

    /// One of which nothing is known.
    pub(crate) fn unknown(failure: Failure) -> Self {
        Self {
            components: None,
            failure,
        }
    }

    /// Whether it has a task component of that name, or may have one.
    pub(crate) fn has_tasks(&self, name: &str) -> bool {
        self.may_have(|known, kind| known == name && kind == "task")
    }

    /// Whether it has a component of that kind, or may have one: what it exports, and so what it goes
    /// before, is not known.
    pub(crate) fn has_kind(&self, wanted: &str) -> bool {
        self.may_have(|_, kind| kind == wanted)
    }

    fn may_have(&self, meant: impl Fn(&str, &str) -> bool) -> bool {
        let Some(components) = &self.components else {
            return true;
        };
        components.iter().any(|(name, kind)| meant(name, kind))
    }

    /// Why it is not used, and what to do.
    pub(crate) fn failure(&self) -> Failure {
        Failure::new(self.failure.code, self.failure.to_string())
    }
}

/// Loads the plugins of dfab.lock. One that is not there, is not what it was, or is not trusted any more
/// is among the others: only what needs it fails.
///
/// # Errors
/// Where the file cannot be read.
pub(crate) fn load(
    runtime: &Runtime,
    conditions: &Conditions<'_>,
) -> Result<(Vec<Plugin>, Vec<Unusable>), Failure> {
    let project = conditions.project;
    let locked = read(project)?;
    let (mut plugins, mut unusable) = (Vec::new(), Vec::new());
    if locked.plugins.is_empty() {
        return Ok((plugins, unusable));
    }
    let store = store()?;
    for (name, locked) in &locked.plugins {
        // Without the lists of revocations nobody knows what must not be used.
        let trust = project.trust.load(project.folder());
        let loaded = trust.and_then(|trust| {
            let artifact = open(&store, &trust, name, locked)?;
            let parts = artifact.parts().iter();
            let loaded = parts.map(|part| load_part(runtime, conditions, name, locked, part));
            loaded.collect::<Result<Vec<_>, _>>()
        });
        match loaded {
            Ok(loaded) => plugins.extend(loaded),
            Err(failure) => {
                let components = locked.components.iter();
                let components =
                    components.map(|(name, about)| (name.to_string(), about.kind.clone()));
                unusable.push(Unusable::new(components.collect(), failure));
            }
        }
    }
    Ok((plugins, unusable))
}

/// The lock file of the project.
///
/// # Errors
/// Where it cannot be used.
pub(crate) fn read(project: &Project) -> Result<Lock, Failure> {
    Lock::read(&file(project))
        .map_err(|error| Failure::usage("cannot use the plugins").because(error))
}

/// Where it is.
pub(crate) fn file(project: &Project) -> PathBuf {
    project.folder().join(lock::FILE)
}

/// This machine's store of artifacts.
///
/// # Errors
/// Where nothing says where it is.
pub(crate) fn store() -> Result<Store, Failure> {
    let variable = std::env::var_os("XDG_DATA_HOME").filter(|folder| !folder.is_empty());
    let base = match variable {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir()
            .ok_or_else(|| Failure::failed("nothing says where plugins are kept").hint("set HOME"))?
            .join(".local/share"),
    };
    Ok(Store::new(base.join("dfab/bundles")))
}

/// Takes a plugin from the store, and judges it.
///
/// # Errors
/// Where it is not there, not what it was, or not trusted.
pub(crate) fn open(
    store: &Store,
    trust: &Trust,
    name: &Name,
    locked: &Locked,
) -> Result<Artifact, Failure> {
    let unusable = || Failure::usage(format!("the plugin {name} of {} is not used", lock::FILE));
    let (bytes, signatures) = store.get(locked.digest).map_err(|error| {
        let again = format!("dfab plugin install gets it again from {}", locked.source);
        match &error {
            StoreError::Missing(_) | StoreError::Changed { .. } => {
                unusable().because(error).hint(again)
            }
            _ => unusable().because(error),
        }
    })?;
    let artifact = Artifact::open(bytes, &examine).map_err(|error| unusable().because(error))?;
    if artifact.name() != name {
        return Err(unusable().because(format!("its own name is {}", artifact.name())));
    }
    trust
        .judge(&artifact, &signatures, Timestamp::now())
        .map_err(|error| {
            unusable()
                .because(error)
                .hint(format!("dfab plugin remove {name} does without it"))
                .hint("dfab plugin add SOURCE takes another version, or one that is vouched for")
        })?;
    Ok(artifact)
}

fn load_part(
    runtime: &Runtime,
    conditions: &Conditions<'_>,
    name: &Name,
    locked: &Locked,
    part: &dfab_bundles::Part,
) -> Result<Plugin, Failure> {
    let component = &part.component.name;
    let unusable = || {
        Failure::usage(format!(
            "the component {component} of the plugin {name} of {} is not used",
            lock::FILE
        ))
    };
    let granted = locked
        .components
        .get(component)
        .filter(|entry| entry.digest == part.digest)
        .ok_or_else(|| {
            unusable()
                .because("the file does not have it with these bytes")
                .hint(format!("dfab plugin add {}", locked.source))
        })?;
    let grants = granted
        .grants
        .iter()
        .map(|grant| grant.parse::<Grant>())
        .collect::<Result<_, _>>()
        .map_err(|error| unusable().because(error))?;
    let terms = conditions.terms(Grants::Only(grants), locked.hosts.clone())?;
    let plugin = runtime
        .load_under(Origin::Bundle(component.to_string()), &part.bytes, terms)
        .map_err(|error| unusable().because(error))?;
    // What was judged and what runs are the same bytes, by the account of who runs them.
    if plugin.digest() != granted.digest.hex() {
        return Err(unusable().because("other bytes were loaded than were judged"));
    }
    Ok(plugin)
}

/// Refuses a plugin that is named by its path where that is not enough, or where its bytes are revoked or
/// not those that are named. That they may be any is told each time.
///
/// # Errors
/// Then.
pub(crate) fn check_path(
    project: &Project,
    path: &Path,
    held: Option<Held>,
    bytes: &[u8],
) -> Result<(), Failure> {
    if project.trust.require != dfab_bundles::Requirement::Nothing {
        return Err(Failure::usage(format!(
            "the plugin {} is named by its path, and `trust` in dfab.yaml takes no plugin that \
             nobody vouches for",
            path.display()
        ))
        .hint(format!("dfab plugin add {}", path.display())));
    }
    let is = Digest::of(bytes);
    let shown = path.display();
    // Without the lists of revocations nobody knows what must not be used.
    let trust = project.trust.load(project.folder())?;
    if let Some(reason) = trust.revoked.reason(is) {
        let what = format!("the component {shown}");
        let reason = reason.to_owned();
        let digest = is;
        return Err(
            Failure::usage(format!("the plugin {shown} of dfab.yaml is not used"))
                .because(TrustError::Revoked {
                    what,
                    digest,
                    reason,
                })
                .hint("without its entry under `plugins` in dfab.yaml the project does without it"),
        );
    }
    match held {
        Some(Held::To(wanted)) if wanted == is => Ok(()),
        Some(Held::To(wanted)) => Err(Failure::usage(format!(
            "the plugin {shown} has other bytes than dfab.yaml says; it is not used"
        ))
        .because(format!("it has {is} instead of {wanted}"))
        .hint(format!("dfab plugin info {shown} shows what it is and asks for now"))
        .hint(format!("`digest: {is}` in dfab.yaml takes it"))),
        Some(Held::ToAny) => {
            let text = format!(
                "warning: the plugin {shown} is used whatever it has become (`digest: any`); its digest is {is}"
            );
            terminal::tell(&terminal::plain(&text));
            Ok(())
        }
        None => Err(Failure::usage(format!(
            "dfab.yaml does not say which bytes the plugin {shown} has, so that anything could take its place \
             and what was granted to it; it is not used"
        ))
        .hint(format!("dfab plugin info {shown} shows what it is and asks for"))
        .hint(format!("`digest: {is}` beside its path takes exactly that"))
        .hint("`digest: any` takes whatever is there, while you work on it")),
    }
}
