//! What is read, and what must hold for any bytes.
#![expect(clippy::panic, reason = "what does not hold is told by panicking")]

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use dfab_bundles::archive;
use dfab_bundles::{
    Artifact, Credential, Digest, FileName, Fingerprint, Identity, Manifest, Name, Reference,
    Revocations, Signature, SignerId, Source, TrustedRoot,
};
use dfab_runtime::{
    Grants, Level, Limits, LogSink, Origin, Plugin, Runtime, RuntimeOptions, examine, with_manifest,
};
use tokio::runtime::Runtime as Executor;

use crate::examination;
use crate::samples;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Manifests of components and bundles, signatures, and the other texts of others.
    Manifest,
    /// A bundle, with its archive.
    Bundle,
    /// A component, up to what it offers.
    Component,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Manifest, Self::Bundle, Self::Component];

    /// Reads these bytes; whether they are taken.
    ///
    /// # Panics
    /// Where something does not hold that must.
    pub fn check(self, bytes: &[u8]) -> bool {
        match self {
            Self::Manifest => manifest(bytes),
            Self::Bundle => bundle(bytes),
            Self::Component => component(bytes),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manifest => "manifest",
            Self::Bundle => "bundle",
            Self::Component => "component",
        })
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.to_string() == text);
        found.ok_or_else(|| format!("there is no target {text}"))
    }
}

fn manifest(bytes: &[u8]) -> bool {
    // Of a component: what can be put into one comes out again, fit to be shown.
    let embedded = with_manifest(samples::TASK, bytes);
    let is_taken = embedded.is_ok();
    if let Ok(component) = embedded {
        let examined = examine(&component).map(|it| it.manifest);
        let Ok(Some(manifest)) = examined else {
            panic!("what was put in does not come out: {examined:?}");
        };
        assert!(!manifest.name.is_empty() && manifest.name.len() <= 64);
        shown(&manifest.summary);
        shown(&manifest.version);
        shown(&manifest.licence);
        for declared in &manifest.capabilities {
            shown(&declared.reason);
        }
        let single = Artifact::open(component.into(), &examination::examine);
        assert!(single.is_ok(), "{single:?}");
    }
    // Of a bundle.
    let _ = Manifest::read(bytes);
    if let Ok(signatures) = Signature::read_all(bytes) {
        let text = Signature::write_all(&signatures);
        let again = Signature::read_all(text.as_bytes());
        assert_eq!(again.map(|it| it.len()).ok(), Some(signatures.len()));
        for signature in &signatures {
            shown(signature.key_hint());
            let by_anybody = |bytes| signature.check(anybody(), bytes, Digest::of(bytes));
            assert!(by_anybody(b"other bytes").is_err());
            if let Err(doubt) = by_anybody(samples::KEYLESS_BYTES) {
                shown(&doubt.to_string());
            }
            assert!(!signature.line().contains('\n'));
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return is_taken;
    };
    let _ = text.parse::<Revocations>();
    as_written::<Digest>(text);
    as_written::<Fingerprint>(text);
    as_written::<SignerId>(text);
    as_written::<Name>(text);
    as_written::<FileName>(text);
    as_written::<Reference>(text);
    as_written::<Source>(text);
    is_taken
}

/// Whoever has a certificate.
fn anybody() -> &'static Credential {
    static ANYBODY: OnceLock<Credential> = OnceLock::new();
    ANYBODY.get_or_init(|| {
        let root = TrustedRoot::from_json(samples::KEYLESS_ROOT);
        let identity = Identity::new("*", "https://github.com/login/oauth");
        match (root, identity) {
            (Ok(root), Ok(identity)) => Credential::Identity(identity, Arc::new(root)),
            other => panic!("{other:?}"),
        }
    })
}

fn bundle(bytes: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(files) = archive::decode(&bytes) {
        assert_eq!(archive::encode(&files).ok().as_ref(), Some(&bytes));
    }
    let Ok(artifact) = Artifact::open(bytes.clone(), &examination::examine) else {
        return false;
    };
    assert_eq!(artifact.bytes(), &bytes);
    assert_eq!(artifact.digest(), Digest::of(&bytes));
    for part in artifact.parts() {
        assert_eq!(part.digest, Digest::of(&part.bytes));
        shown(&part.component.summary);
    }
    if let Some(files) = artifact.files() {
        let again = Artifact::from_files(files.clone(), &examination::examine);
        assert_eq!(again.map(|it| it.digest()).ok(), Some(artifact.digest()));
    }
    true
}

fn component(bytes: &[u8]) -> bool {
    let examined = examine(bytes);
    let loaded = runtime().load(Origin::BuiltIn("anything"), bytes, Grants::Only(Vec::new()));
    let Ok(plugin) = loaded else { return false };
    let Ok(examined) = examined else {
        panic!("it is loaded, and refused when it is looked at: {examined:?}");
    };
    assert_eq!(plugin.digest(), Digest::of(bytes).hex());
    // Nothing that it does may reach anything; that it ends is the limits' affair.
    let silent: LogSink = Arc::new(|_: Level, _: &str| {});
    let kind = executor().block_on(async {
        match &plugin {
            Plugin::Task(plugin) => plugin.tasks(&silent).await.map(|_| "task"),
            Plugin::Policy(plugin) => plugin.actions(&silent).await.map(|_| "policy"),
            Plugin::Recipe(plugin) => plugin.recipes(&silent).await.map(|_| "recipe"),
        }
    });
    if let Ok(kind) = kind {
        assert_eq!(examined.kind.to_string(), kind);
    }
    true
}

/// What is read is written as it was: there is one way to write it.
fn as_written<T: FromStr + fmt::Display>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let written = read.to_string();
        let again = written.parse::<T>().ok().map(|it| it.to_string());
        assert_eq!(again.as_ref(), Some(&written), "{text:?}");
    }
}

/// Nothing that steers a terminal.
fn shown(text: &str) {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!text.contains(steers), "{text:?}");
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let limits = Limits {
            cpu: Duration::from_millis(50),
            wall: Duration::from_secs(5),
            memory_bytes: 16 << 20,
            ..Limits::default()
        };
        let options = RuntimeOptions {
            cache_dir: None,
            limits,
        };
        match Runtime::new(options) {
            Ok(runtime) => runtime,
            Err(error) => panic!("nothing can be tested: {error}"),
        }
    })
}

fn executor() -> &'static Executor {
    static EXECUTOR: OnceLock<Executor> = OnceLock::new();
    EXECUTOR.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        match builder.worker_threads(1).enable_time().build() {
            Ok(executor) => executor,
            Err(error) => panic!("nothing can be tested: {error}"),
        }
    })
}
