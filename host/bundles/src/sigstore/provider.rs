//! The cryptography of Sigstore's crates by the OpenSSL that is there anyway.

use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::md::{Md, MdRef};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};
use sha2::digest::Digest as Hash;
use sha2::{Sha256, Sha384, Sha512};
use sigstore_verify::crypto::{
    CryptoProvider, Error, HashContext, KeyAlgorithm, SigningScheme, install_default_provider,
};
use sigstore_verify::types::HashAlgorithm;

type Result<T> = std::result::Result<T, Error>;

/// To be called before anything else of Sigstore's is used.
pub(super) fn install() {
    // Where there is one already, it is this one.
    let _ = install_default_provider(&OpenSsl);
}

#[derive(Debug)]
struct OpenSsl;

struct Hasher<H>(H);

impl<H: Hash + Send> HashContext for Hasher<H> {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

impl CryptoProvider for OpenSsl {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>> {
        match algorithm {
            HashAlgorithm::Sha2256 => Ok(Box::new(Hasher(Sha256::new()))),
            HashAlgorithm::Sha2384 => Ok(Box::new(Hasher(Sha384::new()))),
            HashAlgorithm::Sha2512 => Ok(Box::new(Hasher(Sha512::new()))),
            other => Err(Error::UnsupportedAlgorithm(other.to_string())),
        }
    }

    fn verify_raw(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        data: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        if scheme.key_algorithm() == KeyAlgorithm::Ed25519 {
            return good(scheme, ed25519(key, data, signature));
        }
        let mut hash = self.hash(hash_of(scheme)?)?;
        hash.update(data);
        self.verify_prehashed(scheme, key, &hash.finalize(), signature)
    }

    fn verify_prehashed(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        digest: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        let md = match hash_of(scheme)? {
            HashAlgorithm::Sha2256 => Md::sha256(),
            HashAlgorithm::Sha2384 => Md::sha384(),
            HashAlgorithm::Sha2512 => Md::sha512(),
            other => return Err(Error::UnsupportedAlgorithm(other.to_string())),
        };
        let verified = match scheme {
            SigningScheme::EcdsaP256Sha256 | SigningScheme::EcdsaP256Sha384 => {
                ecdsa(Nid::X9_62_PRIME256V1, key, digest, signature)
            }
            SigningScheme::EcdsaP384Sha256 | SigningScheme::EcdsaP384Sha384 => {
                ecdsa(Nid::SECP384R1, key, digest, signature)
            }
            SigningScheme::RsaPkcs1Sha256
            | SigningScheme::RsaPkcs1Sha384
            | SigningScheme::RsaPkcs1Sha512 => rsa(Padding::PKCS1, md, key, digest, signature),
            SigningScheme::RsaPssSha256
            | SigningScheme::RsaPssSha384
            | SigningScheme::RsaPssSha512 => rsa(Padding::PKCS1_PSS, md, key, digest, signature),
            other => return Err(Error::UnsupportedAlgorithm(other.name().to_owned())),
        };
        good(scheme, verified)
    }
}

fn hash_of(scheme: SigningScheme) -> Result<HashAlgorithm> {
    scheme
        .hash_algorithm()
        .ok_or_else(|| Error::UnsupportedAlgorithm(scheme.name().to_owned()))
}

/// What cannot be checked is not good either.
fn good(scheme: SigningScheme, verified: std::result::Result<bool, ErrorStack>) -> Result<()> {
    match verified {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Error::Verification(format!(
            "{} signature invalid",
            scheme.name()
        ))),
    }
}

fn ed25519(key: &[u8], data: &[u8], signature: &[u8]) -> std::result::Result<bool, ErrorStack> {
    let key = PKey::public_key_from_raw_bytes(key, Id::ED25519)?;
    Verifier::new_without_digest(&key)?.verify_oneshot(signature, data)
}

fn ecdsa(
    curve: Nid,
    key: &[u8],
    digest: &[u8],
    signature: &[u8],
) -> std::result::Result<bool, ErrorStack> {
    let group = EcGroup::from_curve_name(curve)?;
    let mut numbers = BigNumContext::new()?;
    let point = EcPoint::from_bytes(&group, key, &mut numbers)?;
    let key = EcKey::from_public_key(&group, &point)?;
    key.check_key()?;
    let parsed = EcdsaSig::from_der(signature)?;
    // A signature has one form: OpenSSL takes others as well.
    Ok(parsed.to_der()? == signature && parsed.verify(digest, &key)?)
}

fn rsa(
    padding: Padding,
    md: &MdRef,
    key: &[u8],
    digest: &[u8],
    signature: &[u8],
) -> std::result::Result<bool, ErrorStack> {
    let key: PKey<Public> = PKey::from_rsa(Rsa::public_key_from_der_pkcs1(key)?)?;
    let mut context = PkeyCtx::new(&key)?;
    context.verify_init()?;
    context.set_rsa_padding(padding)?;
    context.set_signature_md(md)?;
    if padding == Padding::PKCS1_PSS {
        context.set_rsa_mgf1_md(md)?;
        context.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
    }
    context.verify(digest, signature)
}

#[cfg(test)]
mod tests {
    use openssl::ec::PointConversionForm;
    use openssl::hash::MessageDigest;
    use openssl::sign::Signer;

    use super::*;

    /// Signs, and takes the signature apart in each way that must be noticed.
    fn judged(
        scheme: SigningScheme,
        raw: &[u8],
        sign: impl Fn(&[u8]) -> Vec<u8>,
        other: SigningScheme,
    ) {
        let signature = sign(b"message");
        let check = |scheme, data: &[u8], signature: &[u8]| {
            OpenSsl.verify_raw(scheme, raw, data, signature).is_ok()
        };
        assert!(check(scheme, b"message", &signature), "{scheme:?}");
        assert!(!check(scheme, b"another", &signature), "{scheme:?}");
        assert!(!check(scheme, b"message", b""), "{scheme:?}");
        assert!(!check(other, b"message", &signature), "{scheme:?}");
        let mut changed = signature.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(!check(scheme, b"message", &changed), "{scheme:?}");
        let longer = [&signature[..], &[0]].concat();
        assert!(!check(scheme, b"message", &longer), "{scheme:?}");
    }

    #[test]
    fn signatures_of_each_kind_are_told_from_others() {
        for (curve, md, scheme, other) in [
            (
                Nid::X9_62_PRIME256V1,
                MessageDigest::sha256(),
                SigningScheme::EcdsaP256Sha256,
                SigningScheme::EcdsaP256Sha384,
            ),
            (
                Nid::SECP384R1,
                MessageDigest::sha384(),
                SigningScheme::EcdsaP384Sha384,
                SigningScheme::EcdsaP384Sha256,
            ),
        ] {
            let group = EcGroup::from_curve_name(curve).unwrap();
            let key = EcKey::generate(&group).unwrap();
            let form = PointConversionForm::UNCOMPRESSED;
            let mut context = BigNumContext::new().unwrap();
            let raw = key.public_key().to_bytes(&group, form, &mut context);
            let key = PKey::from_ec_key(key).unwrap();
            let sign = |data: &[u8]| {
                let mut signer = Signer::new(md, &key).unwrap();
                signer.sign_oneshot_to_vec(data).unwrap()
            };
            judged(scheme, &raw.unwrap(), sign, other);
        }
        let key = PKey::generate_ed25519().unwrap();
        let sign = |data: &[u8]| {
            let mut signer = Signer::new_without_digest(&key).unwrap();
            signer.sign_oneshot_to_vec(data).unwrap()
        };
        let raw = key.raw_public_key().unwrap();
        judged(SigningScheme::Ed25519, &raw, sign, SigningScheme::MlDsa44);
        let rsa = Rsa::generate(2048).unwrap();
        let raw = rsa.public_key_to_der_pkcs1().unwrap();
        let key = PKey::from_rsa(rsa).unwrap();
        for (padding, scheme, other) in [
            (
                Padding::PKCS1,
                SigningScheme::RsaPkcs1Sha256,
                SigningScheme::RsaPssSha256,
            ),
            (
                Padding::PKCS1_PSS,
                SigningScheme::RsaPssSha256,
                SigningScheme::RsaPkcs1Sha256,
            ),
        ] {
            let sign = |data: &[u8]| {
                let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
                signer.set_rsa_padding(padding).unwrap();
                if padding == Padding::PKCS1_PSS {
                    signer
                        .set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)
                        .unwrap();
                }
                signer.sign_oneshot_to_vec(data).unwrap()
            };
            judged(scheme, &raw, sign, other);
        }
    }
}
