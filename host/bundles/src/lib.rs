//! Bundles of dfab's components: packed, signed, vetted, verified, locked, and carried.
//!
//! What holds here:
//! * An [`Artifact`] is bytes, and known by their [`Digest`]. Names and tags say where to look; they
//!   prove nothing.
//! * The same folder packs to the same bytes, and there is one archive for the same files
//!   ([`archive`]).
//! * Signatures stand beside what they sign ([`signature`]) and are about a digest ([`statement`]).
//!   Whether one counts is decided by the operator's [`Trust`] alone, offline.
//! * What was granted is kept with digests ([`lock`]). Other bytes have no grants.
//! * Nothing is read without a limit, whoever it comes from.
//! * This crate knows nothing of WebAssembly: who opens an artifact brings along who looks into
//!   components ([`Examine`]).

pub mod archive;
pub mod lock;
pub mod registry;
pub mod signature;
pub mod statement;

mod artifact;
mod component;
mod credential;
mod digest;
mod file;
mod key;
mod name;
mod pack;
mod revocation;
mod sigstore;
mod source;
mod store;
mod trust;
mod web;

#[cfg(test)]
mod testing;

pub use artifact::{Artifact, ArtifactError, Entry, Manifest, Part};
pub use component::{Component, Examine, Refusal};
pub use credential::{Credential, SignerId};
pub use digest::{Digest, DigestError};
pub use file::{FileError, read_file, write_file};
pub use key::{Fingerprint, FingerprintError, KeyError, PrivateKey, PublicKey};
pub use lock::{Change, Lock, LockError, Locked, LockedComponent};
pub use name::{FileName, Name, NameError};
pub use pack::{PackError, left_out, pack};
pub use revocation::{RevocationError, Revocations};
pub use signature::{Doubt, Signature, SignatureError};
pub use sigstore::{Identity, IdentityError, TrustedRoot, TrustedRootError};
pub use source::{Reference, Source, SourceError};
pub use store::{Store, StoreError};
pub use trust::{Approval, By, Finding, Requirement, Role, Signer, Trust, TrustError};
pub use web::{Web, WebError};
