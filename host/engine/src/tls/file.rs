//! Certificates and keys in files.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::pkey::{PKey, Private};
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::{X509, X509Ref};

use super::{Identity, TlsFileError};

/// Where systems keep the certificates of authorities.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

const AUTHORITY: &str = "certificate of the authority";
const CERTIFICATE: &str = "certificate of the client";
const KEY: &str = "key of the client";

/// The authorities of a file, or those of the system.
pub(super) fn authorities(file: Option<&Path>) -> Result<X509Store, TlsFileError> {
    let (file, is_own) = match file {
        Some(file) => (file.to_owned(), true),
        None => (system().ok_or(TlsFileError::NoAuthorities)?, false),
    };
    let certificates = certificates(&file, AUTHORITY)?;
    if is_own && let [only] = certificates.as_slice() {
        valid(only, &file, AUTHORITY)?;
    }
    let mut store = X509StoreBuilder::new()?;
    for certificate in certificates {
        store.add_cert(certificate)?;
    }
    Ok(store.build())
}

/// The system's file of authorities.
pub(super) fn system() -> Option<PathBuf> {
    SYSTEM.iter().map(PathBuf::from).find(|file| file.is_file())
}

/// A client's certificates and key, which go together.
pub(super) fn identity(identity: &Identity) -> Result<(Vec<X509>, PKey<Private>), TlsFileError> {
    let Identity { certificate, key } = identity;
    let chain = certificates(certificate, CERTIFICATE)?;
    let Some(own) = chain.first() else {
        return Err(TlsFileError::Content {
            what: "certificate",
            file: certificate.clone(),
        });
    };
    valid(own, certificate, CERTIFICATE)?;
    let private = private_key(key)?;
    let is_pair = own.public_key()?.public_eq(&private);
    if !is_pair {
        return Err(TlsFileError::Mismatch {
            certificate: certificate.clone(),
            key: key.clone(),
        });
    }
    Ok((chain, private))
}

fn certificates(file: &Path, what: &'static str) -> Result<Vec<X509>, TlsFileError> {
    let found = X509::stack_from_pem(&read(file, what)?).unwrap_or_default();
    if found.is_empty() {
        return Err(TlsFileError::Content {
            what: "certificate",
            file: file.to_owned(),
        });
    }
    Ok(found)
}

fn private_key(file: &Path) -> Result<PKey<Private>, TlsFileError> {
    let pem = read(file, KEY)?;
    let mut was_asked = false;
    let key = PKey::private_key_from_pem_callback(&pem, |_| {
        was_asked = true;
        Ok(0)
    });
    key.map_err(|_| {
        let file = file.to_owned();
        if was_asked {
            TlsFileError::Passphrase { file }
        } else {
            TlsFileError::Content {
                what: "private key",
                file,
            }
        }
    })
}

fn valid(certificate: &X509Ref, file: &Path, what: &'static str) -> Result<(), TlsFileError> {
    let now = Asn1Time::days_from_now(0)?;
    if certificate.not_after().compare(&now)? == Ordering::Less {
        return Err(TlsFileError::Expired {
            what,
            file: file.to_owned(),
            since: certificate.not_after().to_string(),
        });
    }
    if certificate.not_before().compare(&now)? == Ordering::Greater {
        return Err(TlsFileError::NotYetValid {
            what,
            file: file.to_owned(),
            from: certificate.not_before().to_string(),
        });
    }
    Ok(())
}

fn read(file: &Path, what: &'static str) -> Result<Vec<u8>, TlsFileError> {
    fs::read(file).map_err(|source| TlsFileError::Read {
        what,
        file: file.to_owned(),
        source,
    })
}
