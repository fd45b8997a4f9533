//! `dfab bundle vet`: what a reviewer finds of a bundle, attested.

use bytes::Bytes;
use clap::ArgMatches;
use dfab_bundles::statement::{Claim, Verdict, Vetted};
use dfab_bundles::{Artifact, Digest, Signature};
use jiff::Timestamp;

use super::description::describe;
use super::expiry::now;
use super::{add, named, read};
use crate::commands::{Context, key};
use crate::components::{self, CHECKS};
use crate::examination::examine;
use crate::failure::{self, Code, Failure};
use crate::{plugins, terminal};

/// How much of why something failed is attested, in characters.
const FAILED_LIMIT: usize = 1000;

/// Looks into a bundle, and attests what came of it.
///
/// # Errors
/// Where it is not taken, or nothing can be attested.
pub(super) async fn run(context: &Context, matches: &ArgMatches) -> Result<Code, Failure> {
    let file = named(matches, "file")?;
    let bytes = read(file)?;
    let digest = Digest::of(&bytes);
    let refuse = matches.get_flag("refuse");
    let (artifact, failure) = look_into(context, bytes).await?;
    if let Some(artifact) = &artifact {
        terminal::tell(&describe(artifact));
    }
    let failed = match failure {
        None => {
            for check in CHECKS {
                terminal::tell(&format!("  checked: {check}"));
            }
            Vec::new()
        }
        Some(failure) if refuse => {
            let failed: String = failure.to_string().chars().take(FAILED_LIMIT).collect();
            terminal::tell(&terminal::plain(&format!("  failed: {failed}")));
            vec![failed]
        }
        Some(failure) if artifact.is_some() => return Err(failure),
        Some(failure) => {
            return Err(Failure::usage(format!("{} is refused", file.display()))
                .because(failure.to_string()));
        }
    };
    let question = if refuse {
        "Attest that it must not be used?"
    } else {
        "Attest that it may be used?"
    };
    if context.common.dry_run {
        terminal::tell("This is a dry run: nothing was attested.");
        return Ok(Code::Done);
    }
    if !context.common.yes && !terminal::confirm(question, context.deadline).await? {
        terminal::tell("Nothing was attested.");
        return Ok(terminal::DECLINED);
    }
    let key = key::private(&context.project, named(matches, "key")?)?;
    let parts = artifact.as_ref().map(Artifact::parts).unwrap_or_default();
    let about = || parts.iter().map(|part| &part.component);
    let checks = if failed.is_empty() {
        CHECKS.map(str::to_owned).to_vec()
    } else {
        Vec::new()
    };
    let claim = Claim::Vetted(Vetted {
        verdict: if refuse {
            Verdict::Refused
        } else {
            Verdict::Accepted
        },
        asks: about()
            .map(|about| (about.name.clone(), about.asks.keys().cloned().collect()))
            .collect(),
        imports: about()
            .map(|about| (about.name.clone(), about.imports.clone()))
            .collect(),
        checks,
        failed,
        note: matches
            .get_one::<String>("note")
            .cloned()
            .unwrap_or_default(),
        vetted: now(),
        expires: matches.get_one::<Timestamp>("expires").copied(),
    });
    let name = match &artifact {
        Some(artifact) => artifact.name().to_string(),
        None => file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
    };
    let signature = Signature::make(&key, &name, digest, &claim)
        .map_err(|error| Failure::failed("nothing was attested").because(error))?;
    add(file, signature)?;
    let verdict = if refuse { "Refused" } else { "Accepted" };
    terminal::tell(&format!("{verdict} by {}.", key.public().fingerprint()));
    Ok(Code::Done)
}

/// What the bytes are, if dfab takes them at all, and which check they failed, if they did.
async fn look_into(
    context: &Context,
    bytes: Bytes,
) -> Result<(Option<Artifact>, Option<Failure>), Failure> {
    let artifact = match Artifact::open(bytes, &examine) {
        Ok(artifact) => artifact,
        Err(error) => return Ok((None, Some(Failure::usage(failure::describe(&error))))),
    };
    let failure = components::check(&plugins::runtime()?, &context.conditions(), &artifact)
        .await
        .err();
    Ok((Some(artifact), failure))
}
