//! `dfab bundle`: pack, sign, vet, verify and carry bundles of components.

mod description;
mod expiry;
mod vet;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use dfab_bundles::statement::{Claim, Signed};
use dfab_bundles::{
    Artifact, Credential, Digest, Identity, Requirement, Role, Signature, Signer, Source, Trust,
    archive, left_out, pack, read_file, signature, write_file,
};
use jiff::Timestamp;
use serde_json::json;

use super::{Context, key, plugin};
use crate::arguments::Form;
use crate::examination::examine;
use crate::failure::{Code, Failure};
use crate::fetch::{self, Fetched, fetch};
use crate::tls::Environment;
use crate::trust::{beside, signatures_beside, trusted_root};
use crate::{credentials, terminal};

pub(crate) use description::{as_json, describe};

use expiry::{expiry, now};

/// The command line of `dfab bundle`.
pub(crate) fn command() -> Command {
    let path = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .value_name(value)
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::AnyPath)
            .help(help)
    };
    let key = || path("key", "FILE", "The private key").long("key");
    let expires = || {
        Arg::new("expires")
            .long("expires")
            .value_name("WHEN")
            .value_parser(expiry)
            .help("Until when it counts: 90d, or a date such as 2030-01-31")
    };
    let to = |help: &'static str| path("to", "FILE", help).long("to").required(false);
    Command::new("bundle")
        .about("Pack, sign, vet, verify and carry bundles of components")
        .subcommand_required(true)
        .subcommand(
            Command::new("pack")
                .about("Make one file of a folder with components, README and licence")
                .arg(path("folder", "DIR", "The folder"))
                .arg(to("Where to write it, instead of NAME-VERSION.dfab.tar")),
        )
        .subcommand(
            Command::new("sign")
                .about("Stand for a file: writes a signature beside it")
                .arg(path(
                    "file",
                    "FILE",
                    "A bundle, a component, or a list of revocations",
                ))
                .arg(key())
                .arg(expires()),
        )
        .subcommand(
            Command::new("vet")
                .about("Look into a bundle, and attest that it may be used, or must not be")
                .arg(path("file", "FILE", "A bundle or a component"))
                .arg(key())
                .arg(expires())
                .arg(
                    Arg::new("refuse")
                        .long("refuse")
                        .action(ArgAction::SetTrue)
                        .help("Attest that it must not be used, also where it fails the checks"),
                )
                .arg(
                    Arg::new("note")
                        .long("note")
                        .value_name("TEXT")
                        .default_value("")
                        .help("What there is to say about it"),
                ),
        )
        .subcommand(
            Command::new("verify")
                .about("Tell whether the project trusts a bundle, and why")
                .arg(source())
                .arg(plain_http())
                .arg(
                    path("key", "FILE", "Take the signature of this public key alone")
                        .long("key")
                        .required(false),
                )
                .arg(
                    Arg::new("identity")
                        .long("certificate-identity")
                        .value_name("SUBJECT")
                        .requires_all(["issuer", "root"])
                        .conflicts_with("key")
                        .help("Take the signature alone of who is this in a certificate"),
                )
                .arg(
                    Arg::new("issuer")
                        .long("certificate-oidc-issuer")
                        .value_name("URL")
                        .requires("identity")
                        .help("Who says so"),
                )
                .arg(
                    path(
                        "root",
                        "FILE",
                        "Whom to believe it: a trusted_root.json of Sigstore",
                    )
                    .long("trusted-root")
                    .requires("identity")
                    .required(false),
                ),
        )
        .subcommand(
            Command::new("push")
                .about("Put a bundle into a registry, with its signatures")
                .arg(path("file", "FILE", "A bundle or a component"))
                .arg(
                    Arg::new("to")
                        .value_name("oci://HOST/REPOSITORY:TAG")
                        .required(true)
                        .value_parser(|text: &str| text.parse::<Source>())
                        .help("Where to"),
                )
                .arg(plain_http()),
        )
        .subcommand(
            Command::new("pull")
                .about("Get a bundle with its signatures; nothing of it is judged")
                .arg(source())
                .arg(to("Where to write it, instead of NAME-VERSION.dfab.tar"))
                .arg(plain_http()),
        )
        .subcommand(plugin::adding_as("install"))
}

/// The argument that says where an artifact is.
pub(crate) fn source() -> Arg {
    Arg::new("source")
        .value_name("SOURCE")
        .required(true)
        .value_parser(|text: &str| text.parse::<Source>())
        .value_hint(ValueHint::AnyPath)
        .help("A file, https://…, or oci://HOST/REPOSITORY:TAG")
}

/// The option for registries without TLS.
pub(crate) fn plain_http() -> Arg {
    Arg::new("plain-http")
        .long("plain-http")
        .action(ArgAction::SetTrue)
        .help("Reach the registry without TLS: whoever is in between can read the password")
}

/// Runs one of them.
///
/// # Errors
/// Where something is not there, or not what it should be.
pub(crate) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    match matches.subcommand() {
        Some(("pack", matches)) => make(context, matches),
        Some(("sign", matches)) => sign(context, matches),
        Some(("vet", matches)) => vet::run(context, matches).await,
        Some(("verify", matches)) => verify(context, matches).await,
        Some(("push", matches)) => push(context, matches).await,
        Some(("pull", matches)) => pull(context, matches).await,
        Some(("install", matches)) => plugin::add(context, matches).await,
        _ => Err(Failure::usage("a command is wanted").hint("dfab bundle --help")),
    }
}

/// Opens what was fetched, and tells where it came from if it cannot be.
///
/// # Errors
/// Where it is neither a bundle nor a component that dfab takes.
pub(crate) fn open(fetched: &Fetched) -> Result<Artifact, Failure> {
    Artifact::open(fetched.bytes.clone(), &examine)
        .map_err(|error| Failure::usage(format!("{} is refused", fetched.source)).because(error))
}

fn make(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let folder = named(matches, "folder")?;
    let artifact = pack(folder, &examine)
        .map_err(|error| Failure::usage("nothing was packed").because(error))?;
    let left_out =
        left_out(folder).map_err(|error| Failure::usage("nothing was packed").because(error))?;
    let file = target(matches, &artifact);
    write(&file, artifact.bytes())?;
    terminal::tell(&describe(&artifact));
    for name in left_out {
        terminal::tell(&terminal::plain(&format!("  left out: {name}")));
    }
    print(context, &file, artifact.digest())
}

fn sign(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let file = named(matches, "file")?;
    let bytes = read(file)?;
    let key = key::private(&context.project, named(matches, "key")?)?;
    let claim = Claim::Signed(Signed {
        signed: Some(now()),
        expires: matches.get_one::<Timestamp>("expires").copied(),
    });
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let signature = Signature::make(&key, &name, Digest::of(&bytes), &claim)
        .map_err(|error| Failure::failed("nothing was signed").because(error))?;
    add(file, signature)?;
    terminal::tell(&format!(
        "Signed {} ({}) by {}.",
        file.display(),
        Digest::of(&bytes),
        key.public().fingerprint()
    ));
    Ok(Code::Done)
}

/// Who is to be trusted whatever dfab.yaml says, with what to call them.
fn alone(matches: &ArgMatches) -> Result<Option<(String, Credential)>, Failure> {
    if let Some(file) = matches.get_one::<PathBuf>("key") {
        let key = key::public(file)?;
        return Ok(Some((file.display().to_string(), key.into())));
    }
    let text = |name: &str| matches.get_one::<String>(name);
    let (Some(subject), Some(issuer)) = (text("identity"), text("issuer")) else {
        return Ok(None);
    };
    let identity = Identity::new(subject, issuer)
        .map_err(|error| Failure::usage("nobody can be known by that").because(error))?;
    let root = trusted_root(named(matches, "root")?)?;
    let credential = Credential::Identity(identity, root);
    Ok(Some((subject.clone(), credential)))
}

async fn verify(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let project = &context.project;
    let mut trust = project.trust.load(project.folder())?;
    if let Some((label, credential)) = alone(matches)? {
        trust = Trust {
            require: Requirement::Signed,
            signers: vec![Signer {
                label,
                credential,
                may: [Role::Sign, Role::Vet].into(),
                names: vec!["*".to_owned()],
            }],
            revoked: trust.revoked,
        };
    } else if trust.signers.is_empty() {
        return Err(Failure::usage("dfab.yaml names nobody who may sign")
            .hint("name them under `trust: {signers: …}`, or give --key FILE"));
    }
    let fetched = fetched(matches, Path::new("")).await?;
    let artifact = open(&fetched)?;
    let approval = trust
        .judge(&artifact, &fetched.signatures, Timestamp::now())
        .map_err(|error| {
            Failure::failed(format!("{} is not trusted", fetched.source)).because(error)
        })?;
    terminal::tell(&describe(&artifact));
    let by = |by: Option<&dfab_bundles::By>| by.map(ToString::to_string);
    let (signed, vetted) = (by(approval.signed.as_ref()), by(approval.vetted.as_ref()));
    if context.common.output == Form::Json {
        terminal::json(&json!({
            "digest": artifact.digest(), "signed": signed, "vetted": vetted,
        }))?;
    } else {
        let nobody = || "nobody who counts".to_owned();
        terminal::data(&format!(
            "signed by {}\nvetted by {}",
            signed.unwrap_or_else(nobody),
            vetted.unwrap_or_else(nobody)
        ))?;
    }
    Ok(Code::Done)
}

async fn push(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let file = named(matches, "file")?;
    let to = matches.get_one::<Source>("to");
    let Some(Source::Registry(reference)) = to.filter(|source| {
        matches!(source, Source::Registry(reference) if reference.tag.is_some() && reference.digest.is_none())
    }) else {
        return Err(Failure::usage("a bundle is pushed to oci://HOST/REPOSITORY:TAG"));
    };
    let artifact = Artifact::open(read(file)?, &examine)
        .map_err(|error| Failure::usage(format!("{} is refused", file.display())).because(error))?;
    let signatures = signatures_beside(file)?;
    let login =
        credentials::login(Environment::current().config.as_deref(), &reference.host).await?;
    let manifest = fetch::registries(matches.get_flag("plain-http"))?
        .push(reference, &artifact, &signatures, login.as_ref())
        .await
        .map_err(|error| fetch::of_registry(format!("cannot push to oci://{reference}"), error))?;
    terminal::tell(&format!(
        "Pushed {} {} with {}.",
        artifact.name(),
        artifact.version(),
        match signatures.len() {
            0 => "no signature".to_owned(),
            1 => "one signature".to_owned(),
            count => format!("{count} signatures"),
        }
    ));
    let place = format!("oci://{}", reference.clone().pinned(manifest));
    if context.common.output == Form::Json {
        terminal::json(&json!({ "source": place, "digest": artifact.digest() }))?;
    } else {
        terminal::data(&place)?;
    }
    Ok(Code::Done)
}

async fn pull(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let fetched = fetched(matches, Path::new("")).await?;
    let artifact = open(&fetched)?;
    let file = target(matches, &artifact);
    write(&file, artifact.bytes())?;
    write(
        &beside(&file, signature::EXTENSION),
        Signature::write_all(&fetched.signatures).as_bytes(),
    )?;
    print(context, &file, artifact.digest())
}

/// Gets what the command names.
///
/// # Errors
/// As [`fetch`].
pub(crate) async fn fetched(matches: &ArgMatches, folder: &Path) -> Result<Fetched, Failure> {
    let source = matches
        .get_one::<Source>("source")
        .ok_or_else(|| Failure::usage("a source is wanted"))?;
    fetch(source, folder, matches.get_flag("plain-http")).await
}

fn target(matches: &ArgMatches, artifact: &Artifact) -> PathBuf {
    let extension = if artifact.files().is_some() {
        "dfab.tar"
    } else {
        "wasm"
    };
    matches
        .get_one::<PathBuf>("to")
        .cloned()
        .unwrap_or_else(|| {
            // Of a component its version may be anything.
            let version: String = artifact
                .version()
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || ".-+".contains(c) {
                        c
                    } else {
                        '_'
                    }
                })
                .collect();
            PathBuf::from(format!("{}-{version}.{extension}", artifact.name()))
        })
}

/// Says which file has which digest.
///
/// # Errors
/// Where standard output is closed.
pub(crate) fn print(context: &Context, file: &Path, digest: Digest) -> Result<Code, Failure> {
    if context.common.output == Form::Json {
        terminal::json(&json!({ "file": file, "digest": digest }))?;
    } else {
        terminal::data(&format!("{digest}  {}", file.display()))?;
    }
    Ok(Code::Done)
}

/// Adds a signature to those beside a file.
fn add(file: &Path, signature: Signature) -> Result<(), Failure> {
    let beside = beside(file, signature::EXTENSION);
    let mut all = match read_file(&beside, signature::SIZE_LIMIT) {
        Ok(text) => Signature::read_all(&text).map_err(|error| {
            Failure::usage(format!("{} cannot be used", beside.display())).because(error)
        })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Err(Failure::usage(format!("cannot read {}", beside.display())).because(error));
        }
    };
    all.push(signature);
    write(&beside, Signature::write_all(&all).as_bytes())
}

/// A file or folder that the command line names.
fn named<'a>(matches: &'a ArgMatches, name: &str) -> Result<&'a PathBuf, Failure> {
    matches
        .get_one::<PathBuf>(name)
        .ok_or_else(|| Failure::usage(format!("a {name} is wanted")))
}

fn read(file: &Path) -> Result<Bytes, Failure> {
    read_file(file, archive::SIZE_LIMIT)
        .map_err(|error| Failure::usage(format!("cannot read {}", file.display())).because(error))
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_file(file, bytes)
        .map_err(|error| Failure::failed(format!("cannot write {}", file.display())).because(error))
}
