use std::collections::BTreeMap;

use super::*;
use crate::key::PrivateKey;
use crate::statement::Signed;
use crate::testing::{examine, wasm};

struct Scene {
    artifact: Artifact,
    author: PrivateKey,
    reviewer: PrivateKey,
    trust: Trust,
}

fn now() -> Timestamp {
    "2030-06-01T00:00:00Z".parse().unwrap()
}

impl Scene {
    fn new(require: Requirement) -> Self {
        let [author, reviewer] = [(); 2].map(|()| PrivateKey::generate().unwrap());
        let signer = |label: &str, key: &PrivateKey, role| Signer {
            label: label.to_owned(),
            credential: key.public().clone().into(),
            may: BTreeSet::from([role]),
            names: vec!["acme-*".to_owned()],
        };
        let trust = Trust {
            require,
            signers: vec![
                signer("author", &author, Role::Sign),
                signer("reviewer", &reviewer, Role::Vet),
            ],
            revoked: Revocations::default(),
        };
        Self {
            artifact: artifact("acme-web"),
            author,
            reviewer,
            trust,
        }
    }

    fn sign(&self, key: &PrivateKey, claim: Claim) -> Signature {
        Signature::make(key, "acme-web", self.artifact.digest(), &claim).unwrap()
    }

    fn judge(&self, signatures: &[Signature]) -> Result<Approval, String> {
        let judged = self.trust.judge(&self.artifact, signatures, now());
        judged.map_err(|error| {
            [&self.author, &self.reviewer]
                .into_iter()
                .fold(error.to_string(), |text, key| {
                    text.replace(&key.public().fingerprint().to_string(), "KEY")
                })
        })
    }
}

fn artifact(name: &str) -> Artifact {
    Artifact::open(wasm(name, "1.0.0", &["docker.read"]).into(), &examine).unwrap()
}

fn signed(expires: Option<&str>) -> Claim {
    Claim::Signed(Signed {
        signed: None,
        expires: expires.map(|it| it.parse().unwrap()),
    })
}

fn vetted(verdict: Verdict, at: &str, expires: Option<&str>) -> Claim {
    Claim::Vetted(Vetted {
        verdict,
        asks: BTreeMap::new(),
        imports: BTreeMap::new(),
        checks: Vec::new(),
        failed: Vec::new(),
        note: "sends everything home".to_owned(),
        vetted: at.parse().unwrap(),
        expires: expires.map(|it| it.parse().unwrap()),
    })
}

#[test]
fn a_signature_of_somebody_trusted_is_enough_to_be_signed() {
    let scene = Scene::new(Requirement::Signed);
    let good = scene.sign(&scene.author, signed(Some("2031-01-01T00:00:00Z")));
    let approval = scene.judge(std::slice::from_ref(&good)).unwrap();
    let by = approval.signed.unwrap();
    assert_eq!(
        (by.label, by.id.to_string()),
        (
            "author".to_owned(),
            scene.author.public().fingerprint().to_string()
        )
    );
    assert_eq!(approval.vetted, None);
    // Other signatures beside it do no harm.
    let stranger = PrivateKey::generate().unwrap();
    assert!(
        scene
            .judge(&[scene.sign(&stranger, signed(None)), good])
            .is_ok()
    );
}

#[test]
fn without_a_signature_that_counts_nothing_is_used() {
    let scene = Scene::new(Requirement::Signed);
    let refused = |signatures: &[Signature]| scene.judge(signatures).unwrap_err();
    insta::assert_snapshot!(refused(&[]), @"it is not signed by anybody who may sign acme-web: there is no signature");
    let wrong_role = scene.sign(&scene.reviewer, signed(None));
    insta::assert_snapshot!(refused(&[wrong_role]), @"it is not signed by anybody who may sign acme-web: reviewer may not sign");
    let expired = scene.sign(&scene.author, signed(Some("2030-06-01T00:00:00Z")));
    insta::assert_snapshot!(refused(&[expired]), @"it is not signed by anybody who may sign acme-web: a signature of author has expired (2030-06-01T00:00:00Z)");
    let swapped =
        Signature::make(&scene.author, "acme-web", Digest::of(b""), &signed(None)).unwrap();
    insta::assert_snapshot!(refused(&[swapped]), @"it is not signed by anybody who may sign acme-web: a signature of author: it signs other bytes (sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855)");
    let stranger = PrivateKey::generate().unwrap();
    let unknown = refused(&[scene.sign(&stranger, signed(None))]);
    let unknown = unknown.replace(&stranger.public().fingerprint().to_string(), "STRANGER");
    insta::assert_snapshot!(unknown, @"it is not signed by anybody who may sign acme-web: a signature of STRANGER is of nobody in `trust`, or was changed");
}

#[test]
fn a_signer_counts_for_their_own_names_only() {
    let mut scene = Scene::new(Requirement::Signed);
    scene.artifact = artifact("docker");
    let signature = scene.sign(&scene.author, signed(None));
    insta::assert_snapshot!(scene.judge(&[signature]).unwrap_err(), @"it is not signed by anybody who may sign docker: author may not sign docker");
}

#[test]
fn vetted_is_what_a_reviewer_accepted() {
    let scene = Scene::new(Requirement::Vetted);
    let refused = |signatures: &[Signature]| scene.judge(signatures).unwrap_err();
    let accepted = scene.sign(
        &scene.reviewer,
        vetted(
            Verdict::Accepted,
            "2030-01-01T00:00:00Z",
            Some("2031-01-01T00:00:00Z"),
        ),
    );
    let approval = scene.judge(std::slice::from_ref(&accepted)).unwrap();
    assert_eq!(approval.vetted.unwrap().label, "reviewer");
    // The author's word is not a reviewer's.
    let signature = scene.sign(&scene.author, signed(None));
    insta::assert_snapshot!(refused(&[signature]), @"it is not vetted by anybody who may vet acme-web: there is no attestation");
    let own = scene.sign(
        &scene.author,
        vetted(Verdict::Accepted, "2030-01-01T00:00:00Z", None),
    );
    insta::assert_snapshot!(refused(&[own]), @"it is not vetted by anybody who may vet acme-web: author may not vet");
    let stale = scene.sign(
        &scene.reviewer,
        vetted(
            Verdict::Accepted,
            "2029-01-01T00:00:00Z",
            Some("2030-01-01T00:00:00Z"),
        ),
    );
    insta::assert_snapshot!(refused(&[stale]), @"it is not vetted by anybody who may vet acme-web: a signature of reviewer has expired (2030-01-01T00:00:00Z)");
    let no = scene.sign(
        &scene.reviewer,
        vetted(Verdict::Refused, "2030-02-01T00:00:00Z", None),
    );
    insta::assert_snapshot!(refused(&[accepted.clone(), no.clone()]), @"reviewer has vetted it and refused it: sends everything home");
    let changed_mind = scene.sign(
        &scene.reviewer,
        vetted(Verdict::Accepted, "2030-03-01T00:00:00Z", None),
    );
    assert!(scene.judge(&[accepted, no, changed_mind]).is_ok());
}

#[test]
fn a_no_counts_where_nothing_is_required() {
    let scene = Scene::new(Requirement::Nothing);
    assert_eq!(scene.judge(&[]), Ok(Approval::default()));
    let no = scene.sign(
        &scene.reviewer,
        vetted(Verdict::Refused, "2030-02-01T00:00:00Z", None),
    );
    assert!(scene.judge(&[no]).is_err());
}

#[test]
fn what_is_revoked_is_not_used_whoever_signed_it() {
    let mut scene = Scene::new(Requirement::Signed);
    let digest = scene.artifact.digest();
    scene.trust.revoked = format!("{digest}  leaks passwords\n").parse().unwrap();
    let signature = scene.sign(&scene.author, signed(None));
    let told = scene
        .judge(&[signature])
        .unwrap_err()
        .replace(&digest.to_string(), "DIGEST");
    insta::assert_snapshot!(told, @"acme-web (DIGEST) is revoked: leaks passwords");
}
