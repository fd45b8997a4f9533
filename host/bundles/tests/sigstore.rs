//! Sigstore bundles: those that cosign writes with a key (`sign-blob --key`, and `sign` of version 3), made
//! once by OpenSSL, and real ones with identities of the public instance (`data/README.md`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in what its tests share"
)]

use dfab_bundles::statement::{Claim, Signed};
use std::sync::Arc;

use dfab_bundles::{Credential, Digest, Doubt, Identity, PublicKey, Signature, TrustedRoot};
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
    signature.check(&key.into(), bytes, Digest::of(bytes))
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

const ROOT: &[u8] = include_bytes!("data/trusted_root.json");
const STAGING: &[u8] = include_bytes!("data/trusted_root_staging.json");

/// `cosign sign-blob` of version 3, noted in Rekor's first log, with a time stamp.
const COSIGN: (&str, &[u8]) = (
    include_str!("data/cosign-v3-blob.sigstore.json"),
    include_bytes!("data/cosign-v3-blob.txt"),
);

/// An attestation in Rekor's second log, which tells no time, so that only the time stamp does.
const ATTESTATION: (&str, &[u8]) = (
    include_str!("data/conda-attestation-rekor2.sigstore.json"),
    include_bytes!("data/signed-package-2.1.0-hb0f4dca_0.conda"),
);

const GITHUB: &str = "https://github.com/login/oauth";

fn check_keyless(
    bundle: &Value,
    bytes: &[u8],
    (subject, issuer): (&str, &str),
    root: &[u8],
) -> Result<Claim, Doubt> {
    let read = Signature::read_all(bundle.to_string().as_bytes()).unwrap();
    let root = Arc::new(TrustedRoot::from_json(root).unwrap());
    let identity = Identity::new(subject, issuer).unwrap();
    let credential = Credential::Identity(identity, root);
    read[0].check(&credential, bytes, Digest::of(bytes))
}

fn cosign() -> Value {
    serde_json::from_str(COSIGN.0).unwrap()
}

#[test]
fn what_cosign_signed_for_an_identity_is_taken() {
    let check = |identity| check_keyless(&cosign(), COSIGN.1, identity, ROOT);
    assert_eq!(check(("w.vollprecht@gmail.com", GITHUB)), signed());
    assert_eq!(check(("*@gmail.com", GITHUB)), signed());
    let other = || {
        let found = Identity::new("w.vollprecht@gmail.com", GITHUB).unwrap();
        Err(Doubt::OtherIdentity(found))
    };
    for identity in [
        ("vollprecht@gmail.com", GITHUB),
        ("w.vollprecht@gmail.co", GITHUB),
        ("w.vollprecht@gmail.com", "https://accounts.google.com"),
        // Only the subject may have wildcards.
        ("w.vollprecht@gmail.com", "https://github.com/*"),
    ] {
        assert_eq!(check(identity), other(), "{identity:?}");
    }
}

#[test]
fn other_bytes_and_changed_evidence_are_not() {
    let check = |bundle: &Value, bytes: &[u8], root: &[u8]| match check_keyless(
        bundle,
        bytes,
        ("*", GITHUB),
        root,
    ) {
        Err(Doubt::Certificate(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let mut told = vec![check(&cosign(), b"other bytes", ROOT)];
    let entry = "/verificationMaterial/tlogEntries/0";
    let swap = |value: &mut Value, (from, to): (&str, &str)| {
        let text = value.as_str().unwrap();
        assert!(text.contains(from), "{text}");
        *value = json!(text.replacen(from, to, 1));
    };
    let time = cosign().pointer(entry).unwrap()["integratedTime"].clone();
    for (pointer, change) in [
        // A time at which the certificate was valid as well.
        ("integratedTime", (time.as_str().unwrap(), "1764787100")),
        ("inclusionPromise/signedEntryTimestamp", ("M", "N")),
        ("inclusionProof/rootHash", ("A", "B")),
        (
            "inclusionProof/checkpoint/envelope",
            ("rekor.sigstore.dev", "rekor.example.com"),
        ),
        ("logId/keyId", ("w", "x")),
        ("canonicalizedBody", ("eyJ", "eyK")),
    ] {
        let mut bundle = cosign();
        swap(
            bundle.pointer_mut(&format!("{entry}/{pointer}")).unwrap(),
            change,
        );
        told.push(format!("{pointer}: {}", check(&bundle, COSIGN.1, ROOT)));
    }
    let mut unlogged = cosign();
    unlogged["verificationMaterial"]["tlogEntries"] = json!([]);
    told.push(format!("no entry: {}", check(&unlogged, COSIGN.1, ROOT)));
    let mut stripped = cosign();
    let message = &mut stripped["messageSignature"]["signature"];
    swap(message, ("M", "N"));
    told.push(format!("signature: {}", check(&stripped, COSIGN.1, ROOT)));
    // Another authority, or another log, than those that are believed.
    for part in ["certificateAuthorities", "tlogs", "ctlogs"] {
        let mut root: Value = serde_json::from_slice(ROOT).unwrap();
        root[part] = json!([]);
        let root = root.to_string();
        told.push(format!(
            "without {part}: {}",
            check(&cosign(), COSIGN.1, root.as_bytes())
        ));
    }
    insta::assert_snapshot!(told.join("\n"), @"
    artifact mismatch: message digest in bundle does not match artifact hash
    integratedTime: invalid inclusion promise: SET verification failed: Verification error: ECDSA_P256_SHA256 signature invalid
    inclusionPromise/signedEntryTimestamp: invalid inclusion promise: SET verification failed: Verification error: ECDSA_P256_SHA256 signature invalid
    inclusionProof/rootHash: Bundle error: inclusion proof root hash does not match checkpoint root hash
    inclusionProof/checkpoint/envelope: invalid checkpoint: No valid Rekor signature found on checkpoint
    logId/keyId: invalid inclusion promise: No log key valid at integrated time 2025-12-03T18:36:43Z for log ID xNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0=
    canonicalizedBody: invalid inclusion promise: SET verification failed: Verification error: ECDSA_P256_SHA256 signature invalid
    no entry: Bundle error: application/vnd.dev.sigstore.bundle.v0.3+json bundle must have an inclusion proof
    signature: invalid RFC 3161 timestamp: TSA timestamp verification failed: Timestamp message hash mismatch: expected baa85fece9ebe7eaeb84f81048043633df3044de12ba7025b770d17ce75e7a6e, got 068449ac6ec8775e1e0cf0fc27f376fba419ac2da6fbb6f809734abaf51fc44c
    without certificateAuthorities: no trusted certificate authority is valid at 2025-12-03T18:36:42Z
    without tlogs: invalid inclusion promise: No log key valid at integrated time 2025-12-03T18:36:43Z for log ID wNI9atQGlz+VWfO6LRygH4QUfY/8W4RFwiT5i5WRgB0=
    without ctlogs: invalid trusted root: no CT log keys in trusted root
    ");
}

#[test]
fn an_attestation_of_something_else_is_no_signature() {
    let bundle = serde_json::from_str(ATTESTATION.0).unwrap();
    let jku = ("jku@goto.fi", GITHUB);
    let other = "https://schemas.conda.org/attestations-publish-1.schema.json";
    assert_eq!(
        check_keyless(&bundle, ATTESTATION.1, jku, STAGING),
        Err(Doubt::Other(other.to_owned()))
    );
    for (bytes, root) in [(&b"other bytes"[..], STAGING), (ATTESTATION.1, ROOT)] {
        let checked = check_keyless(&bundle, bytes, jku, root);
        assert!(matches!(checked, Err(Doubt::Certificate(_))), "{checked:?}");
    }
}

#[test]
fn a_key_and_an_identity_do_not_stand_for_each_other() {
    assert_eq!(check(&cosign(), P256, COSIGN.1), Err(Doubt::Keyless));
    assert_eq!(
        check_keyless(&of_bytes(), ARTIFACT, ("*", GITHUB), ROOT),
        Err(Doubt::OtherKey)
    );
    // Both at once is neither.
    let mut both = of_bytes();
    both["verificationMaterial"]["certificate"] =
        cosign()["verificationMaterial"]["certificate"].clone();
    assert_eq!(check(&both, P256, ARTIFACT), Err(Doubt::Keyless));
    assert!(matches!(
        check_keyless(&both, ARTIFACT, ("*", GITHUB), ROOT),
        Err(Doubt::Certificate(_))
    ));
}

/// By the key of sigstore-conformance, and noted in the public log.
#[test]
fn what_was_signed_by_a_key_and_noted_in_a_log_is_of_the_key() {
    let bundle = serde_json::from_str(include_str!("data/managed-key.sigstore.json")).unwrap();
    let key = include_bytes!("data/managed-key.pub");
    let bytes = include_bytes!("data/managed-key.txt");
    assert_eq!(check(&bundle, key, bytes), signed());
    assert_eq!(check(&bundle, key, b"other"), Err(Doubt::OtherKey));
}

#[test]
fn trusted_roots_that_say_nonsense_are_not_used() {
    let told = |json: &[u8]| TrustedRoot::from_json(json).unwrap_err().to_string();
    let mut root: Value = serde_json::from_slice(ROOT).unwrap();
    root["certificateAuthorities"][0]["certChain"]["certificates"] = json!([]);
    insta::assert_snapshot!(told(root.to_string().as_bytes()), @"invalid trusted root: trusted authority has an empty certificate chain");
    assert!(TrustedRoot::from_json(b"").is_err());
    assert!(TrustedRoot::from_json(b"{}").is_err());
}

#[test]
fn identities_are_read_as_they_are_written() {
    let identity = Identity::new("a@b", "https://c").unwrap();
    assert_eq!(identity.to_string().parse(), Ok(identity));
    for (subject, issuer) in [
        ("", "c"),
        ("a", ""),
        ("a b", "c"),
        ("a", "c d"),
        ("a\u{1b}", "c"),
    ] {
        assert!(
            Identity::new(subject, issuer).is_err(),
            "{subject} {issuer}"
        );
    }
    assert!("a@b".parse::<Identity>().is_err());
    assert!("a via b via c".parse::<Identity>().is_err());
}
