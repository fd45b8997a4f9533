//! What clients, settings and the environment say of TLS, as files to read.

use std::path::{Path, PathBuf};

use dfab_engine::{Check, Identity, Tls, TlsOptions};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// The names that docker gives to files of TLS.
const AUTHORITY: &str = "ca.pem";
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";

/// What the environment says, in docker's variables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `DOCKER_TLS_VERIFY`, if not empty.
    pub(crate) verify: bool,
    /// `DOCKER_TLS`, if not empty: TLS without a check.
    pub(crate) tls: bool,
    /// `DOCKER_CERT_PATH`.
    pub(crate) certificates: Option<PathBuf>,
    /// Where docker's own files are: `DOCKER_CONFIG`, or `~/.docker`.
    pub(crate) config: Option<PathBuf>,
}

impl Environment {
    /// That of this process.
    pub(crate) fn current() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            verify: variable("DOCKER_TLS_VERIFY").is_some(),
            tls: variable("DOCKER_TLS").is_some(),
            certificates: variable("DOCKER_CERT_PATH").map(PathBuf::from),
            config: variable("DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| Some(std::env::home_dir()?.join(".docker"))),
        }
    }

    /// TLS where the environment wants it.
    ///
    /// # Errors
    /// Where its files cannot be used.
    pub(crate) fn load(&self) -> Result<Option<Tls>, Failure> {
        if !self.verify && !self.tls {
            return Ok(None);
        }
        let mut options = self.preset()?;
        if !self.verify {
            options.check = Check::Nothing;
        }
        load(
            options,
            "the environment (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)",
        )
        .map(Some)
    }

    /// The files of the folder that is meant: all that docker has put there.
    fn preset(&self) -> Result<TlsOptions, Failure> {
        match (&self.certificates, &self.config) {
            (Some(folder), _) => {
                let options = of_folder(folder);
                if options.authority.is_none() {
                    return Err(Failure::usage(format!(
                        "DOCKER_CERT_PATH is {}, which has no {AUTHORITY}",
                        folder.display()
                    ))
                    .hint(format!(
                        "it should have {AUTHORITY}, {CERTIFICATE} and {KEY}"
                    )));
                }
                Ok(options)
            }
            (None, Some(folder)) => Ok(of_folder(folder)),
            (None, None) => Ok(TlsOptions::default()),
        }
    }
}

/// The files of a folder that has docker's names for them. One half of a pair is taken too: it is
/// told then that the other is missing.
pub(crate) fn of_folder(folder: &Path) -> TlsOptions {
    let file = |name: &str| folder.join(name);
    let (certificate, key) = (file(CERTIFICATE), file(KEY));
    let has_identity = certificate.exists() || key.exists();
    TlsOptions {
        authority: Some(file(AUTHORITY)).filter(|file| file.exists()),
        identity: has_identity.then_some(Identity { certificate, key }),
        check: Check::Host,
    }
}

/// TLS as the `tls` of a client, or the setting `docker_tls`, has it; none where it is off. Files are
/// relative to `folder`.
///
/// # Errors
/// Where it has mistakes, or its files cannot be used.
pub(crate) fn of_client(
    value: &Value,
    place: &str,
    folder: &Path,
    environment: &Environment,
) -> Result<Option<Tls>, Failure> {
    match value {
        Value::Null | Value::Bool(false) => Ok(None),
        Value::Bool(true) => load(environment.preset()?, place).map(Some),
        Value::Object(fields) => load(options(fields, place, folder)?, place).map(Some),
        _ => Err(wrong(place, "is neither true nor a mapping")),
    }
}

/// Reads the files.
///
/// # Errors
/// Where they cannot be used; with the file.
pub(crate) fn load(options: TlsOptions, place: &str) -> Result<Tls, Failure> {
    if options.check == Check::Nothing {
        tracing::warn!(
            "{place}: the engine's certificate is not checked; whoever is in between can read and \
             change everything"
        );
    }
    Tls::load(options)
        .map_err(|error| Failure::usage(format!("{place} cannot have TLS")).because(error))
}

fn options(fields: &Map<String, Value>, place: &str, folder: &Path) -> Result<TlsOptions, Failure> {
    let file = |value: &Value, name: &str| match value {
        Value::String(path) if !path.is_empty() => Ok(folder.join(expanded(path))),
        _ => Err(wrong(place, &format!("has a {name} that is no file"))),
    };
    let mut options = TlsOptions::default();
    let (mut certificate, mut key) = (None, None);
    let (mut verify, mut name) = (true, None);
    for (field, value) in fields {
        match (field.as_str(), value) {
            (_, Value::Null) => {}
            ("ca_cert", value) => options.authority = Some(file(value, field)?),
            ("client_cert" | "cert", Value::Array(pair)) => match pair.as_slice() {
                [first, second] => {
                    certificate = Some(file(first, field)?);
                    key = Some(file(second, field)?);
                }
                _ => {
                    return Err(wrong(
                        place,
                        &format!("has a {field} that is not [certificate, key]"),
                    ));
                }
            },
            ("client_cert" | "cert", value) => certificate = Some(file(value, field)?),
            ("client_key" | "key", value) => key = Some(file(value, field)?),
            ("verify", Value::Bool(value)) => verify = *value,
            ("assert_hostname", Value::Bool(false)) => name = Some(Check::AnyName),
            ("assert_hostname", Value::Bool(true)) => {}
            ("assert_hostname", Value::String(value)) => name = Some(Check::Name(value.clone())),
            ("verify" | "assert_hostname", _) => {
                return Err(wrong(
                    place,
                    &format!("has a {field} that is neither true nor false"),
                ));
            }
            // The newest that both sides speak, from TLS 1.2 on.
            ("ssl_version", _) => {}
            _ => return Err(wrong(place, &format!("has {field}, which means nothing"))),
        }
    }
    options.identity = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
        (Some(_), None) => return Err(wrong(place, "has a client_cert without its key")),
        (None, Some(_)) => return Err(wrong(place, "has a key without client_cert")),
    };
    options.check = match (verify, name) {
        (false, _) => Check::Nothing,
        (true, Some(check)) => check,
        (true, None) => Check::Host,
    };
    Ok(options)
}

/// `~/` is the home folder.
fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn wrong(place: &str, what: &str) -> Failure {
    Failure::usage(format!("the `tls` of {place} {what}")).hint(
        "`tls: true`, or a mapping of ca_cert: FILE, client_cert: [CERTIFICATE, KEY], verify and \
         assert_hostname",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<TlsOptions, Failure> {
        options(value.as_object().unwrap(), "the client c", Path::new("/p"))
    }

    #[test]
    fn fields_are_those_of_the_python_client() {
        let all = read(json!({
            "ca_cert": "ca.pem", "client_cert": ["/c.pem", "k.pem"], "assert_hostname": "engine",
        }))
        .unwrap();
        assert_eq!(all.authority, Some("/p/ca.pem".into()));
        let identity = all.identity.unwrap();
        assert_eq!(identity.certificate, Path::new("/c.pem"));
        assert_eq!(identity.key, Path::new("/p/k.pem"));
        assert_eq!(all.check, Check::Name("engine".to_owned()));
        let apart = read(json!({ "cert": "c", "key": "k", "assert_hostname": false })).unwrap();
        assert!(apart.identity.is_some() && apart.check == Check::AnyName);
        assert_eq!(
            read(json!({ "verify": false })).unwrap().check,
            Check::Nothing
        );
        for wrong in [
            json!({ "client_cert": ["c"] }),
            json!({ "client_cert": "c" }),
            json!({ "verify": "no" }),
            json!({ "ca": "c" }),
            json!({ "ca_cert": 1 }),
        ] {
            assert!(read(wrong).is_err());
        }
    }
}
