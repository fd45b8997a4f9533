//! Signatures for identities, without a key: through a Sigstore of the tests' own.

use std::fs;

use anyhow::{Result, ensure};
use dfab_tests::sigstore::{GOOD, Sigstore, Times};
use serde_json::Value;

use crate::scene::{Scene, assert_told};

const WORKFLOW: &str = "https://github.com/acme/one/.github/workflows/release.yml@refs/tags/v1.0.0";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

struct Keyless {
    scene: Scene,
    sigstore: Sigstore,
    file: String,
}

impl Keyless {
    /// A bundle, and a project that trusts releases by a workflow.
    fn new() -> Result<Self> {
        let scene = Scene::new()?;
        let sigstore = Sigstore::new()?;
        let file = scene.pack("acme-one", "1.0.0", &[])?;
        let root = sigstore.trusted_root()?.to_string();
        scene.project.write("trusted_root.json", &root)?;
        let text = format!(
            "trust:\n  require: signed\n  sigstore: trusted_root.json\n  signers:\n\
             \x20 - name: release\n    identity: https://github.com/acme/*/release.yml@refs/tags/v*\n\
             \x20   issuer: {ISSUER}\n    may: [sign]\n    for: ['acme-*']\n"
        );
        scene.project.write("dfab.yaml", &text)?;
        Ok(Self {
            scene,
            sigstore,
            file,
        })
    }

    fn bundle(&self, by: &Sigstore, subject: &str, issuer: &str, times: Times) -> Result<Value> {
        by.sign(
            subject,
            issuer,
            times,
            &fs::read(self.scene.path(&self.file))?,
        )
    }

    fn beside(&self, bundle: &Value) -> Result<()> {
        let name = format!("{}.sigstore.json", self.file);
        self.scene
            .project
            .write(&name, &bundle.to_string())
            .map(drop)
    }

    fn add(&self) -> Result<dfab_tests::Output> {
        self.scene.dfab(&["plugin", "add", &self.file, "-y"])
    }
}

#[test]
fn what_a_trusted_identity_signed_is_added_and_run_without_a_network() -> Result<()> {
    let keyless = Keyless::new()?;
    let scene = &keyless.scene;
    keyless.beside(&keyless.bundle(&keyless.sigstore, WORKFLOW, ISSUER, GOOD)?)?;
    scene
        .offline(&["plugin", "add", &keyless.file, "-y"])?
        .success()?;
    let by = format!("https://github.com/acme/*/release.yml@refs/tags/v* via {ISSUER}");
    let locked = scene.lock()?["plugins"]["acme-one"].clone();
    assert_eq!(locked["signed_by"], by);
    scene.offline(&["run", "acme-one"])?.success()?;
    let list = scene.dfab(&["plugin", "list"])?.success()?;
    ensure!(list.contains(&format!("release ({by})")), "{list}");

    // By the words of the command line alone.
    let verify = |subject: &str| {
        scene.offline(&[
            "bundle",
            "verify",
            &keyless.file,
            "--certificate-identity",
            subject,
            "--certificate-oidc-issuer",
            ISSUER,
            "--trusted-root",
            "trusted_root.json",
        ])
    };
    let verified = verify(WORKFLOW)?.success()?;
    ensure!(
        verified.contains(&format!("signed by {WORKFLOW}")),
        "{verified}"
    );
    let other = verify("https://github.com/acme/one")?;
    ensure!(other.status == 1, "{other:?}");

    // A signature of a key in its place is one of somebody else.
    scene.project.write(
        "dfab.yaml",
        "trust: {require: signed, signers: [{name: a, key: author.pub, may: [sign], for: ['*']}]}\n",
    )?;
    assert_told(
        &scene.dfab(&["run", "acme-one"])?,
        "made with a certificate for an identity",
    )?;
    scene
        .dfab(&["bundle", "sign", &keyless.file, "--key", "author"])?
        .success()?;
    assert_told(&keyless.add()?, &format!("instead of {by}"))?;
    Ok(())
}

#[test]
fn other_identities_authorities_and_times_are_refused() -> Result<()> {
    let keyless = Keyless::new()?;
    let other = Sigstore::new()?;
    let own = &keyless.sigstore;
    let late = Times {
        noted: GOOD.valid.1 - 600,
        valid: (GOOD.valid.0 - 1200, GOOD.valid.1 - 1200),
    };
    for (by, subject, issuer, times, wanted) in [
        (
            own,
            "https://github.com/acme/one/.github/workflows/release.yml@refs/heads/main",
            ISSUER,
            GOOD,
            "release.yml@refs/heads/main via https://token",
        ),
        (
            own,
            WORKFLOW,
            "https://gitlab.example.com",
            GOOD,
            "via https://gitlab.example.com is of nobody in `trust`",
        ),
        (
            own,
            "release@acme.example",
            ISSUER,
            GOOD,
            "is of nobody in `trust`",
        ),
        (&other, WORKFLOW, ISSUER, GOOD, "does not count"),
        (own, WORKFLOW, ISSUER, late, "does not count"),
    ] {
        keyless.beside(&keyless.bundle(by, subject, issuer, times)?)?;
        assert_told(&keyless.add()?, wanted)?;
    }
    // The entry of another signature, and none.
    let good = keyless.bundle(own, WORKFLOW, ISSUER, GOOD)?;
    let another = keyless.bundle(own, WORKFLOW, ISSUER, GOOD)?;
    let mut swapped = good.clone();
    let entries = &another["verificationMaterial"]["tlogEntries"];
    swapped["verificationMaterial"]["tlogEntries"] = entries.clone();
    keyless.beside(&swapped)?;
    assert_told(&keyless.add()?, "does not count")?;
    swapped["verificationMaterial"]["tlogEntries"] = Value::Array(Vec::new());
    keyless.beside(&swapped)?;
    assert_told(&keyless.add()?, "does not count")?;
    // Nobody is believed any more.
    keyless.beside(&good)?;
    keyless.add()?.success()?;
    fs::remove_file(keyless.scene.path("trusted_root.json"))?;
    assert_told(
        &keyless.scene.dfab(&["run", "acme-one"])?,
        "the certificates of signers cannot be checked",
    )
}
