//! From bytes to a plugin: looked into, checked against its kind, compiled, and bound to its grants.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Engine};

use crate::authority::Authority;
use crate::bindings::{
    policy_world::{self, PolicyPluginPre},
    recipe_world::{self, RecipePluginPre},
    task_world::{self, TaskPluginPre},
};
use crate::denial::Ledger;
use crate::grant::{Grants, capabilities_for};
use crate::inspect::{InspectError, Inspection};
use crate::kind::{CONTRACT, InterfaceName, Kind, WASI};
use crate::limits::Limits;
use crate::manifest::{Manifest, ManifestError};
use crate::plugin::{About, Plugin, PolicyPlugin, RecipePlugin, TaskPlugin};
use crate::state::State;
use crate::terms::{Hosts, Terms};
use crate::text::plain;
use crate::ticker::Ticker;

/// How components are run.
#[derive(Clone, Debug, Default)]
pub struct RuntimeOptions {
    /// The folder that keeps compiled components, made readable and writable for the user alone.
    /// None, or one that cannot be used: every load compiles.
    pub cache_dir: Option<PathBuf>,
    /// What one call may use, where nobody says anything else.
    pub limits: Limits,
}

/// Loads and runs components. Clones share everything.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

struct Shared {
    engine: Engine,
    ticker: Ticker,
    limits: Limits,
    tasks: OnceLock<Result<Linker<State>, String>>,
    policies: OnceLock<Result<Linker<State>, String>>,
    recipes: OnceLock<Result<Linker<State>, String>>,
}

/// Where a component came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Part of dfab, by its name.
    BuiltIn(&'static str),
    /// A file, as the operator named it.
    File(PathBuf),
    /// Part of an installed bundle, by its own name.
    Bundle(String),
}

/// What the outside of a component shows, checked against its kind. Nothing was compiled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Examined {
    /// What it is by its exports.
    pub kind: Kind,
    /// What it says about itself, if anything.
    pub manifest: Option<Manifest>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
}

/// Why components cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// WebAssembly cannot be run on this machine.
    #[error("the WebAssembly engine does not start")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No thread for the clock.
    #[error("the clock that limits components does not start")]
    Ticker(#[source] std::io::Error),
}

/// Why a component is not loaded.
#[derive(Debug, thiserror::Error)]
#[error("{origin} is not loaded")]
pub struct LoadError {
    /// Which component.
    pub origin: Origin,
    /// What is wrong with it.
    #[source]
    pub reason: LoadReason,
}

/// What is wrong with a component that is not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadReason {
    /// It cannot be looked into.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// Its manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It exports none of the interfaces of the three kinds.
    #[error(
        "it exports none of dfab:task/tasks, dfab:policy/policy and dfab:recipe/recipe, so it is no \
         plugin of dfab; it exports: {exports}"
    )]
    NoKind {
        /// What it exports.
        exports: String,
    },
    /// It exports several of them.
    #[error("it is a {0} and a {1} at once; a component has one kind")]
    TwoKinds(Kind, Kind),
    /// Its manifest names another kind than its exports do.
    #[error("its manifest says that it is a {declared}, but what it exports makes it a {exported}")]
    OtherKind {
        /// In the manifest.
        declared: Kind,
        /// By its exports.
        exported: Kind,
    },
    /// It imports what its kind does not have.
    #[error("it imports `{import}`, which a {kind} does not have; a {kind} may import {allowed}")]
    Import {
        /// What it imports.
        import: String,
        /// What it is.
        kind: Kind,
        /// What it may import.
        allowed: String,
    },
    /// It imports an interface for which it declares no capability.
    #[error(
        "it imports `{import}`, and its manifest declares no capability for that ({capabilities}); whoever \
         made it must declare what it wants to do, or not import it"
    )]
    Undeclared {
        /// What it imports.
        import: String,
        /// Those that there are for it.
        capabilities: String,
    },
    /// Made for a version of the contract that this dfab cannot offer.
    #[error(
        "it was made for `{interface}`, and this dfab has version {CONTRACT} of that; it needs a \
         {} dfab", if *.newer { "newer" } else { "older" }
    )]
    Version {
        /// The interface with its version.
        interface: String,
        /// Whether a newer dfab is needed.
        newer: bool,
    },
    /// It declares or was granted what its kind cannot have.
    #[error(
        "a {kind} decides and does nothing itself, so it can hold no capability; remove {what}"
    )]
    Capability {
        /// What it is.
        kind: Kind,
        /// What stands against it.
        what: String,
    },
    /// It is not valid, or cannot be compiled.
    #[error("it cannot be compiled")]
    Compile(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Its functions have other types than the contract gives them.
    #[error("it does not fit the contract")]
    Misfit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The host's side of the contract cannot be made.
    #[error("the functions for a {kind} cannot be linked: {reason}")]
    Linker {
        /// The kind.
        kind: Kind,
        /// In the words of wasmtime.
        reason: String,
    },
}

/// Looks into a component without compiling it.
///
/// # Errors
/// Where the bytes are no component, or one that its kind or its manifest do not allow.
pub fn examine(bytes: &[u8]) -> Result<Examined, LoadReason> {
    let inspection = Inspection::of(bytes)?;
    let kind = kind_of(&inspection.exports)?;
    check_imports(kind, &inspection.imports)?;
    let manifest = inspection
        .manifest
        .as_deref()
        .map(Manifest::parse)
        .transpose()?;
    if let Some(manifest) = &manifest {
        if manifest.kind != kind {
            return Err(LoadReason::OtherKind {
                declared: manifest.kind,
                exported: kind,
            });
        }
        check_declared(kind, manifest)?;
    }
    check_imports_declared(manifest.as_ref(), &inspection.imports)?;
    Ok(Examined {
        kind,
        manifest,
        imports: inspection.imports,
        exports: inspection.exports,
    })
}

impl Runtime {
    /// Starts the engine; nothing is compiled yet.
    ///
    /// # Errors
    /// Where WebAssembly cannot be run on this machine. A cache folder that cannot be used is only
    /// warned of.
    pub fn new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        config.cache(options.cache_dir.as_deref().and_then(crate::cache::open));
        let engine = Engine::new(&config)
            .map_err(|error| RuntimeError::Engine(error.into_boxed_dyn_error()))?;
        let ticker = Ticker::start(&engine).map_err(RuntimeError::Ticker)?;
        Ok(Self(Arc::new(Shared {
            engine,
            ticker,
            limits: options.limits,
            tasks: OnceLock::new(),
            policies: OnceLock::new(),
            recipes: OnceLock::new(),
        })))
    }

    /// Loads a component. Blocks while it is compiled: some tens of milliseconds for one in Rust,
    /// seconds for one in Python; less than a millisecond where the cache has it.
    ///
    /// # Errors
    /// Where the bytes are no component, or one that its kind or its manifest do not allow.
    pub fn load(&self, origin: Origin, bytes: &[u8], grants: Grants) -> Result<Plugin, LoadError> {
        self.load_under(origin, bytes, Terms::new(grants))
    }

    /// The same, on terms that say more.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub fn load_under(
        &self,
        origin: Origin,
        bytes: &[u8],
        terms: Terms,
    ) -> Result<Plugin, LoadError> {
        self.check_and_bind(&origin, bytes, terms)
            .map_err(|reason| LoadError { origin, reason })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.0.ticker
    }

    fn check_and_bind(
        &self,
        origin: &Origin,
        bytes: &[u8],
        terms: Terms,
    ) -> Result<Plugin, LoadReason> {
        let examined = examine(bytes)?;
        let kind = examined.kind;
        let component = self.link(&examined, bytes)?;
        let manifest = examined
            .manifest
            .unwrap_or_else(|| Manifest::absent(&origin.stem(), kind));
        let Terms {
            grants,
            hosts,
            limits,
            audit,
        } = terms;
        let authority = authority(kind, &manifest, origin, grants, hosts)?;
        let about = Arc::new(About {
            runtime: self.clone(),
            limits: limits.of(&manifest.name, &manifest.limits, &self.0.limits),
            audit,
            digest: hexadecimal(&Sha256::digest(bytes)),
            manifest,
            origin: origin.clone(),
            authority: Arc::new(authority),
        });
        Ok(match kind {
            Kind::Task => {
                let component = TaskPluginPre::new(component).map_err(misfit)?;
                Plugin::Task(TaskPlugin { about, component })
            }
            Kind::Policy => {
                let component = PolicyPluginPre::new(component).map_err(misfit)?;
                Plugin::Policy(PolicyPlugin { about, component })
            }
            Kind::Recipe => {
                let component = RecipePluginPre::new(component).map_err(misfit)?;
                Plugin::Recipe(RecipePlugin { about, component })
            }
        })
    }

    fn link(&self, examined: &Examined, bytes: &[u8]) -> Result<InstancePre<State>, LoadReason> {
        let linker = self.linker(examined.kind)?;
        let component = Component::from_binary(self.engine(), bytes)
            .map_err(|error| LoadReason::Compile(error.into_boxed_dyn_error()))?;
        linker.instantiate_pre(&component).map_err(|error| {
            // The linker's own words would be that a function is missing; where the component was
            // made for a later version of the contract, that version is the reason.
            let mut names = examined.imports.iter().chain(&examined.exports);
            let later = names.find(|name| {
                InterfaceName::parse(name).is_some_and(|name| {
                    name.interface.starts_with("dfab:") && name.version > CONTRACT
                })
            });
            match later {
                Some(later) => LoadReason::Version {
                    interface: plain(later),
                    newer: true,
                },
                None => misfit(error),
            }
        })
    }

    fn linker(&self, kind: Kind) -> Result<&Linker<State>, LoadReason> {
        let cell = match kind {
            Kind::Task => &self.0.tasks,
            Kind::Policy => &self.0.policies,
            Kind::Recipe => &self.0.recipes,
        };
        let linker = cell.get_or_init(|| {
            build_linker(self.engine(), kind).map_err(|error| format!("{error:#}"))
        });
        linker.as_ref().map_err(|reason| LoadReason::Linker {
            kind,
            reason: reason.clone(),
        })
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

impl Origin {
    /// What a component without a manifest is called.
    fn stem(&self) -> String {
        match self {
            Self::BuiltIn(name) => (*name).to_owned(),
            Self::Bundle(name) => name.clone(),
            Self::File(path) => path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(name) => write!(f, "the built-in component {name}"),
            Self::File(path) => write!(f, "the component {}", path.display()),
            Self::Bundle(name) => write!(f, "the component {name} of dfab.lock"),
        }
    }
}

fn kind_of(exports: &[String]) -> Result<Kind, LoadReason> {
    let mut found = BTreeMap::new();
    for name in exports {
        let Some(parsed) = InterfaceName::parse(name) else {
            continue;
        };
        for kind in Kind::ALL
            .into_iter()
            .filter(|kind| kind.export() == parsed.interface)
        {
            check_version(name, parsed)?;
            found.insert(kind.export(), kind);
        }
    }
    let mut kinds = found.into_values();
    match (kinds.next(), kinds.next()) {
        (Some(kind), None) => Ok(kind),
        (Some(one), Some(other)) => Err(LoadReason::TwoKinds(one, other)),
        (None, _) => {
            let exports: Vec<_> = exports.iter().take(20).map(|name| plain(name)).collect();
            let exports = if exports.is_empty() {
                "nothing".to_owned()
            } else {
                exports.join(", ")
            };
            Err(LoadReason::NoKind { exports })
        }
    }
}

fn check_imports(kind: Kind, imports: &[String]) -> Result<(), LoadReason> {
    for import in imports {
        match InterfaceName::parse(import) {
            Some(name) if kind.imports().contains(&name.interface) => check_version(import, name)?,
            Some(name) if name.is_wasi() => {}
            _ => {
                let allowed = [kind.imports(), WASI.as_slice()].concat().join(", ");
                return Err(LoadReason::Import {
                    import: plain(import),
                    kind,
                    allowed,
                });
            }
        }
    }
    Ok(())
}

/// Whoever reads a manifest must learn from it what a component could do: what it imports, it declares.
fn check_imports_declared(
    manifest: Option<&Manifest>,
    imports: &[String],
) -> Result<(), LoadReason> {
    let declared = manifest.map(Manifest::declared).transpose()?;
    let declared = declared.unwrap_or_default();
    for import in imports {
        let name = InterfaceName::parse(import).filter(InterfaceName::needs_capability);
        let Some(InterfaceName { interface, .. }) = name else {
            continue;
        };
        let mut declared = declared.iter();
        if !declared.any(|grant| grant.interface() == Some(interface)) {
            return Err(LoadReason::Undeclared {
                import: plain(import),
                capabilities: capabilities_for(interface),
            });
        }
    }
    Ok(())
}

fn check_version(written: &str, name: InterfaceName<'_>) -> Result<(), LoadReason> {
    if name.version.fits_contract() {
        return Ok(());
    }
    Err(LoadReason::Version {
        interface: plain(written),
        newer: name.version > CONTRACT,
    })
}

/// A component that does nothing itself can hold no capability.
fn check_declared(kind: Kind, manifest: &Manifest) -> Result<(), LoadReason> {
    let declared = manifest.declared()?;
    match declared.first() {
        Some(first) if kind != Kind::Task => {
            let what = format!("`{first}` from its manifest");
            Err(LoadReason::Capability { kind, what })
        }
        _ => Ok(()),
    }
}

fn authority(
    kind: Kind,
    manifest: &Manifest,
    origin: &Origin,
    granted: Grants,
    hosts: Hosts,
) -> Result<Authority, LoadReason> {
    let declared = manifest.declared()?;
    if kind != Kind::Task
        && let Grants::Only(grants) = &granted
        && let Some(first) = grants.first()
    {
        let what = format!("the grant `{first}`");
        return Err(LoadReason::Capability { kind, what });
    }
    let ledger = match origin {
        Origin::BuiltIn(_) => Ledger::BuiltIn,
        Origin::Bundle(_) => Ledger::Lock,
        Origin::File(path) => Ledger::Project(path.clone()),
    };
    Ok(Authority {
        plugin: manifest.name.clone(),
        ledger,
        declared,
        granted,
        hosts,
    })
}

fn build_linker(engine: &Engine, kind: Kind) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    crate::state::link_wasi(&mut linker, kind.is_pure())?;
    match kind {
        Kind::Task => {
            task_world::TaskPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        }
        Kind::Policy => {
            policy_world::PolicyPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        }
        Kind::Recipe => {
            recipe_world::RecipePlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        }
    }
    Ok(linker)
}

fn misfit(error: wasmtime::Error) -> LoadReason {
    LoadReason::Misfit(error.into_boxed_dyn_error())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
