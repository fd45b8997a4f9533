//! `dfab key`: keys to sign bundles with.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use dfab_bundles::{KeyError, PrivateKey, PublicKey};
use dfab_ssh::Question;

use super::Context;
use crate::arguments::Form;
use crate::failure::{Code, Failure};
use crate::project::Project;
use crate::prompt::prompter;
use crate::terminal;

/// How large a key file may be that is looked into, in bytes.
const LIMIT: usize = 64 << 10;

/// The command line of `dfab key`.
pub(crate) fn command() -> Command {
    let file = |help: &'static str| {
        Arg::new("file")
            .value_name("FILE")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help(help)
    };
    Command::new("key")
        .about("Make and show keys to sign bundles with")
        .subcommand_required(true)
        .subcommand(
            Command::new("new")
                .about("Make a key (Ed25519): FILE for you alone, FILE.pub for everybody")
                .arg(file("Where to write the private key"))
                .arg(
                    Arg::new("passphrase")
                        .long("passphrase")
                        .action(ArgAction::SetTrue)
                        .help("Ask for a passphrase to encrypt it with"),
                ),
        )
        .subcommand(
            Command::new("show")
                .about("Print the fingerprint of a public key")
                .arg(file("The public key")),
        )
}

/// Runs one of them.
///
/// # Errors
/// Where a key cannot be read or written.
pub(crate) fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    match matches.subcommand() {
        Some(("new", matches)) => new(context, file(matches)?, matches.get_flag("passphrase")),
        Some(("show", matches)) => {
            let file = file(matches)?;
            print(context, &public(file)?, file)
        }
        _ => Err(Failure::usage("a command is wanted").hint("dfab key --help")),
    }
}

/// Reads a public key.
///
/// # Errors
/// Where it cannot be used.
pub(crate) fn public(file: &Path) -> Result<PublicKey, Failure> {
    if begins_with(file, "PRIVATE KEY") {
        let mut public = file.as_os_str().to_owned();
        public.push(".pub");
        return Err(Failure::usage(format!(
            "{} is a private key, and the public one is wanted",
            file.display()
        ))
        .hint(format!(
            "it is {}, where `dfab key new` made it",
            Path::new(&public).display()
        )));
    }
    PublicKey::read(file).map_err(|error| unusable(file, error))
}

/// Whether a file is the PEM of such a thing.
fn begins_with(file: &Path, label: &str) -> bool {
    let text = dfab_bundles::read_file(file, LIMIT).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines().filter(|line| line.starts_with("-----BEGIN "));
    lines.any(|line| line.trim_end().trim_end_matches('-').ends_with(label))
}

/// Reads a private key, and asks for its passphrase where it has one.
///
/// # Errors
/// Where it cannot be used.
pub(crate) fn private(project: &Project, file: &Path) -> Result<PrivateKey, Failure> {
    if begins_with(file, "PUBLIC KEY") {
        let failure = Failure::usage(format!(
            "{} is a public key, and it is the private one that signs",
            file.display()
        ));
        return Err(match file.extension() {
            Some(end) if end == "pub" => {
                failure.hint(format!("--key {}", file.with_extension("").display()))
            }
            _ => failure,
        });
    }
    let question = Question::Passphrase {
        file: file.to_owned(),
    };
    let ask = || {
        let answer = prompter(project).ask(&question).ok()?;
        Some(answer.reveal().to_owned())
    };
    PrivateKey::read(file, ask).map_err(|error| {
        let nobody = matches!(error, KeyError::Passphrase(_));
        let failure = unusable(file, error);
        if nobody {
            failure.hint("DFAB_PASSWORD_COMMAND can name a command that prints it")
        } else {
            failure
        }
    })
}

fn new(context: &Context, file: &Path, encrypt: bool) -> Result<Code, Failure> {
    let passphrase = if encrypt {
        Some(asked_twice(&context.project, file)?)
    } else {
        None
    };
    let unusable = |error| unusable(file, error);
    let key = PrivateKey::generate().map_err(unusable)?;
    let public = key
        .write(file, passphrase.as_deref())
        .map_err(|error| Failure::usage("the key was not written").because(error))?;
    terminal::tell(&format!(
        "{} is the private key: keep it to yourself. {} is for those who are to trust it.",
        file.display(),
        public.display()
    ));
    print(context, key.public(), &public)
}

fn asked_twice(project: &Project, file: &Path) -> Result<String, Failure> {
    let question = Question::Passphrase {
        file: file.to_owned(),
    };
    let ask = || {
        let answer = prompter(project).ask(&question);
        answer.map_err(|error| Failure::usage("there is no passphrase").because(error))
    };
    let (one, other) = (ask()?, ask()?);
    if one.reveal().is_empty() {
        return Err(Failure::usage("an empty passphrase protects nothing"));
    }
    if one.reveal() != other.reveal() {
        return Err(Failure::usage("the two passphrases differ"));
    }
    Ok(one.reveal().to_owned())
}

fn print(context: &Context, key: &PublicKey, file: &Path) -> Result<Code, Failure> {
    let fingerprint = key.fingerprint();
    if context.common.output == Form::Json {
        terminal::json(&serde_json::json!({ "fingerprint": fingerprint, "file": file }))?;
    } else {
        terminal::data(&fingerprint.to_string())?;
    }
    Ok(Code::Done)
}

fn file(matches: &ArgMatches) -> Result<&PathBuf, Failure> {
    matches
        .get_one::<PathBuf>("file")
        .ok_or_else(|| Failure::usage("a file is wanted"))
}

fn unusable(file: &Path, error: KeyError) -> Failure {
    match error {
        // It names the file itself.
        KeyError::File { .. } | KeyError::Open(_) => {
            Failure::usage("the key cannot be used").because(error)
        }
        other => {
            Failure::usage(format!("the key {} cannot be used", file.display())).because(other)
        }
    }
}
