//! Certificates for engines and clients, made when a test wants them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
};
use openssl::x509::{X509, X509NameBuilder};

/// An authority that signs for engines and clients.
#[derive(Debug)]
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    certificate: X509,
    key: PKey<Private>,
}

/// From when to when a certificate is valid, in days from now.
pub type Days = (i32, i32);

/// Valid now, and for some days.
pub const VALID: Days = (-1, 30);

/// Of the past.
pub const EXPIRED: Days = (-30, -1);

/// Of the future.
pub const FUTURE: Days = (2, 30);

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn new(name: &str) -> Result<Self> {
        let key = new_key()?;
        let certificate = sign(name, &key, None, VALID, &[])?;
        Ok(Self { certificate, key })
    }

    /// Signs for a name, with names and addresses that it stands for.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn sign(&self, name: &str, names: &[&str], days: Days) -> Result<Certificate> {
        let key = new_key()?;
        let certificate = sign(name, &key, Some(self), days, names)?;
        Ok(Certificate { certificate, key })
    }

    /// Its certificate (PEM).
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn pem(&self) -> Result<String> {
        Ok(String::from_utf8(self.certificate.to_pem()?)?)
    }
}

impl Certificate {
    /// The certificate (PEM).
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn pem(&self) -> Result<String> {
        Ok(String::from_utf8(self.certificate.to_pem()?)?)
    }

    /// Its key (PEM).
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn key_pem(&self) -> Result<String> {
        Ok(String::from_utf8(self.key.private_key_to_pem_pkcs8()?)?)
    }

    /// Writes the files that docker wants of a client into a folder: ca.pem, cert.pem and key.pem.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn write(&self, authority: &Authority, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("ca.pem"), authority.pem()?)?;
        fs::write(folder.join("cert.pem"), self.pem()?)?;
        fs::write(folder.join("key.pem"), self.key_pem()?)?;
        Ok(folder.to_owned())
    }
}

fn new_key() -> Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

fn sign(
    name: &str,
    key: &PKey<Private>,
    authority: Option<&Authority>,
    (from, to): Days,
    names: &[&str],
) -> Result<X509> {
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(120, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&subject)?;
    let issuer = authority.map_or(&*subject, |it| it.certificate.subject_name());
    builder.set_issuer_name(issuer)?;
    builder.set_pubkey(key)?;
    let day = |days: i32| -> Result<Asn1Time> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let seconds = i64::try_from(now.as_secs())? + i64::from(days) * 24 * 3600;
        Ok(Asn1Time::from_unix(seconds)?)
    };
    builder.set_not_before(&*day(from)?)?;
    builder.set_not_after(&*day(to)?)?;
    if authority.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(
            KeyUsage::new()
                .critical()
                .key_cert_sign()
                .crl_sign()
                .build()?,
        )?;
    } else {
        let mut usage = ExtendedKeyUsage::new();
        builder.append_extension(usage.server_auth().client_auth().build()?)?;
    }
    if !names.is_empty() {
        let mut alternatives = SubjectAlternativeName::new();
        for name in names {
            match name.parse::<std::net::IpAddr>() {
                Ok(_) => alternatives.ip(name),
                Err(_) => alternatives.dns(name),
            };
        }
        let context = builder.x509v3_context(None, None);
        let extension = alternatives.build(&context)?;
        builder.append_extension(extension)?;
    }
    builder.sign(authority.map_or(key, |it| &it.key), MessageDigest::sha256())?;
    Ok(builder.build())
}
