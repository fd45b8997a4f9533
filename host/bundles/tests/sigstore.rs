//! Sigstore bundles in the form that cosign writes with a key (`sign-blob --key`, and `sign` of version
//! 3). The keys and signatures were made once, by OpenSSL, and stay as they are.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in what its tests share"
)]

use dfab_bundles::statement::{Claim, Signed};
use dfab_bundles::{Digest, Doubt, PublicKey, Signature};
use serde_json::{Value, json};

const ARTIFACT: &[u8] = b"An artifact.\n";

const P256: &[u8] = b"-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElJs3y151EQksuAk1+FWnb1seJrFj
6tsKDDpQtvhXbIfkUAaNOHVqI4XoJCESPzqxm65Lk30Ad3OO+ptJGEFfew==
-----END PUBLIC KEY-----
";

const ED25519: &[u8] = b"-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA4SmYR5827P+NewBRj6IBncBVBcYQIzImD/zsuQ93dCg=
-----END PUBLIC KEY-----
";

/// Of the bytes, with ECDSA P-256 and SHA-256.
fn of_bytes() -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": { "hint": "8y3NfhzMHSK5Va1wmtT65cZtuG/cyDzLQrUZj0428Zw=" },
        },
        "messageSignature": {
            "messageDigest": {
                "algorithm": "SHA2_256",
                "digest": "7WHIzJ9p/+9hzS+o5iHgs3BocTKccbw2Se+mKzbmGpg=",
            },
            "signature": "MEQCIGGAeE9CtItX4MZA3am+0MU2WDDfRyf3/eGPIRg47d8iAiBKUcsX49j5IVTGonyY\
                          //uHabRtRSKnqxamKZnyrnsWgw==",
        },
    })
}

/// The same with Ed25519.
fn of_bytes_by_ed25519() -> Value {
    let mut bundle = of_bytes();
    bundle["messageSignature"]["signature"] = json!(
        "ZkNpFyIxLw/TrMDEkk8pNxt5OGvcOwY0ALqu8r9wo6b6fY7cQFr+W0F1VxBjSZKrUelZMPKjG+xknEsrftK7Bw=="
    );
    bundle
}

/// Of a statement with the digest of the bytes, with ECDSA P-256.
fn of_a_statement() -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": { "hint": "8y3NfhzMHSK5Va1wmtT65cZtuG/cyDzLQrUZj0428Zw=" },
        },
        "dsseEnvelope": {
            "payload": "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJk\
                        aWdlc3QiOnsic2hhMjU2IjoiZWQ2MWM4Y2M5ZjY5ZmZlZjYxY2QyZmE4ZTYyMWUwYjM3MDY4NzEz\
                        MjljNzFiYzM2NDllZmE2MmIzNmU2MWE5OCJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3Np\
                        Z3N0b3JlLmRldi9jb3NpZ24vc2lnbi92MSIsInByZWRpY2F0ZSI6e319",
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{
                "sig": "MEQCIGrdaUVbyxyn9e9qCAt+tCT+tIGPPBjMYibU41YHyt4FAiBIKwGs4WqIUQdCtXTBMMkI1SzyBQk\
                        9wkCmuIPT57Wb/Q==",
            }],
        },
    })
}

fn check(bundle: &Value, key: &[u8], bytes: &[u8]) -> Result<Claim, Doubt> {
    let read = Signature::read_all(bundle.to_string().as_bytes()).unwrap();
    let [signature] = read.as_slice() else {
        panic!("{read:?}")
    };
    let key = PublicKey::from_pem(key).unwrap();
    signature.check(&key, bytes, Digest::of(bytes))
}

fn signed() -> Result<Claim, Doubt> {
    Ok(Claim::Signed(Signed::default()))
}

#[test]
fn signatures_by_a_key_are_taken() {
    assert_eq!(check(&of_bytes(), P256, ARTIFACT), signed());
    assert_eq!(check(&of_bytes_by_ed25519(), ED25519, ARTIFACT), signed());
    assert_eq!(check(&of_a_statement(), P256, ARTIFACT), signed());
}

#[test]
fn other_bytes_and_other_keys_are_not() {
    let other = b"An artifact!\n";
    assert_eq!(check(&of_bytes(), P256, other), Err(Doubt::OtherKey));
    let by_ed25519 = check(&of_bytes_by_ed25519(), ED25519, other);
    assert_eq!(by_ed25519, Err(Doubt::OtherKey));
    assert!(matches!(
        check(&of_a_statement(), P256, other),
        Err(Doubt::OtherBytes(_))
    ));
    for bundle in [of_bytes(), of_a_statement()] {
        assert_eq!(check(&bundle, ED25519, ARTIFACT), Err(Doubt::OtherKey));
    }
    let by_p256 = check(&of_bytes_by_ed25519(), P256, ARTIFACT);
    assert_eq!(by_p256, Err(Doubt::OtherKey));
}

#[test]
fn what_is_said_beside_the_signature_counts_for_nothing() {
    // The digest that the bundle names is not what was signed.
    let mut bundle = of_bytes();
    bundle["messageSignature"]["messageDigest"]["digest"] = json!("");
    bundle["verificationMaterial"]["publicKey"]["hint"] = json!("somebody");
    assert_eq!(check(&bundle, P256, ARTIFACT), signed());
    assert_eq!(check(&bundle, P256, b"other"), Err(Doubt::OtherKey));
}

#[test]
fn a_certificate_for_an_identity_is_not_a_key() {
    for material in [
        json!({ "certificate": { "rawBytes": "AAAA" } }),
        json!({ "x509CertificateChain": { "certificates": [] } }),
    ] {
        for mut bundle in [of_bytes(), of_a_statement()] {
            bundle["verificationMaterial"] = material.clone();
            assert_eq!(check(&bundle, ED25519, ARTIFACT), Err(Doubt::Keyless));
        }
    }
}

#[test]
fn one_changed_character_of_a_signature_is_none() {
    let mut bundle = of_a_statement();
    let sig = &mut bundle["dsseEnvelope"]["signatures"][0]["sig"];
    let changed = sig.as_str().unwrap().replacen("rdaU", "rdaV", 1);
    assert_ne!(sig.as_str(), Some(changed.as_str()));
    *sig = json!(changed);
    assert_eq!(check(&bundle, P256, ARTIFACT), Err(Doubt::OtherKey));
    // Another statement under the signature.
    let mut bundle = of_a_statement();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let changed = payload.replacen("eyJf", "eyJg", 1);
    bundle["dsseEnvelope"]["payload"] = json!(changed);
    assert_eq!(check(&bundle, P256, ARTIFACT), Err(Doubt::OtherKey));
}
