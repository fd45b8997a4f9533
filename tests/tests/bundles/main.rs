//! Bundles from the folder of an author to a run, and all that must not run.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod authors;
#[cfg(test)]
mod carriers;
#[cfg(test)]
mod keyless;
#[cfg(test)]
mod others;
#[cfg(test)]
mod scene;

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dfab_tests::components::{docker_with, guest};
use dfab_tests::process;
use serde_json::json;

use crate::scene::{Scene, assert_told};

#[test]
fn a_bundle_is_packed_signed_vetted_added_and_run() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    let bytes = fs::read(scene.path(&file))?;
    scene
        .dfab(&["bundle", "pack", "author.d", "--to", "again.tar"])?
        .success()?;
    ensure!(
        bytes == fs::read(scene.path("again.tar"))?,
        "other bytes of the same folder"
    );
    // Any tar program reads it.
    let listed = process::run(
        std::process::Command::new("tar")
            .arg("-tf")
            .arg(scene.path(&file)),
        b"",
        Duration::from_secs(10),
    )?;
    assert_eq!(
        listed.success()?,
        "bundle.json\nLICENSE\nREADME.md\ntasks.wasm\n"
    );

    scene.trust("vetted")?;
    assert_told(
        &scene.dfab(&["plugin", "add", &file, "-y"])?,
        "there is no attestation",
    )?;
    scene
        .dfab(&[
            "bundle",
            "sign",
            &file,
            "--key",
            "author",
            "--expires",
            "90d",
        ])?
        .success()?;
    assert_told(
        &scene.dfab(&["plugin", "add", &file, "-y"])?,
        "it is not vetted",
    )?;
    scene
        .dfab(&[
            "bundle",
            "vet",
            &file,
            "--key",
            "reviewer",
            "--expires",
            "90d",
            "-y",
        ])?
        .success()?;
    let verified = scene.dfab(&["bundle", "verify", &file])?.success()?;
    ensure!(verified.contains("signed by author (SHA256:"), "{verified}");
    ensure!(
        verified.contains("vetted by reviewer (SHA256:"),
        "{verified}"
    );

    // Nothing is changed without a yes.
    assert_told(
        &scene.dfab(&["plugin", "add", &file])?,
        "there is no terminal to ask at",
    )?;
    let dry = scene.dfab(&["plugin", "add", &file, "--dry-run"])?;
    ensure!(
        dry.stderr.contains("asks for docker.read: r"),
        "{}",
        dry.stderr
    );
    ensure!(!scene.path("dfab.lock").exists(), "something was added");
    scene
        .dfab(&["plugin", "add", &file, "-y", "--grant", "docker.read"])?
        .success()?;
    let ran = scene.dfab(&["run", "acme-one", "version"])?.success()?;
    ensure!(ran.contains("API version"), "{ran}");
    let listed = scene.dfab(&["plugin", "list"])?.success()?;
    ensure!(
        listed.contains("acme-one") && listed.contains("docker.read"),
        "{listed}"
    );
    let lock = scene.lock()?;
    assert_eq!(lock["plugins"]["acme-one"]["source"], file);
    assert_eq!(
        lock["plugins"]["acme-one"]["components"]["acme-one"]["grants"],
        json!(["docker.read"])
    );
    scene.dfab(&["plugin", "remove", "acme-one"])?.success()?;
    let gone = scene.dfab(&["run", "acme-one", "version"])?;
    assert_told(&gone, "there is no task plugin acme-one")
}

#[test]
fn what_nobody_trusted_has_signed_is_not_added() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    let sidecar = scene.path(&format!("{file}.sig.jsonl"));
    scene.trust("signed")?;
    let add = || scene.dfab(&["plugin", "add", &file, "-y"]);

    scene
        .dfab(&["bundle", "sign", &file, "--key", "stranger"])?
        .success()?;
    assert_told(&add()?, "is of nobody in `trust`, or was changed")?;
    fs::remove_file(&sidecar)?;
    scene.sign_expired(&file, "author")?;
    assert_told(
        &add()?,
        "a signature of author has expired (2020-01-01T00:00:00Z)",
    )?;
    fs::remove_file(&sidecar)?;
    scene
        .dfab(&["bundle", "sign", &file, "--key", "reviewer"])?
        .success()?;
    assert_told(&add()?, "reviewer may not sign")?;
    // The signature of something else of the same author.
    fs::write(scene.path("other"), "other")?;
    scene
        .dfab(&["bundle", "sign", "other", "--key", "author"])?
        .success()?;
    fs::rename(scene.path("other.sig.jsonl"), &sidecar)?;
    assert_told(&add()?, "a signature of author: it signs other bytes")?;
    // The author may not speak for names that are others'.
    let docker = scene.pack("docker", "1.0.0", &[])?;
    scene
        .dfab(&["bundle", "sign", &docker, "--key", "author"])?
        .success()?;
    assert_told(
        &scene.dfab(&["plugin", "add", &docker, "-y"])?,
        "author may not sign docker",
    )?;
    // Nobody may, for those that are part of dfab.
    scene.project.write("dfab.yaml", "{}\n")?;
    let taken = scene.dfab(&["plugin", "add", &docker, "-y"])?;
    assert_told(&taken, "a plugin that is part of dfab is called docker")?;
    // Nor may a plugin come by its path.
    scene.project.write(
        "dfab.yaml",
        "trust: {require: signed}\nplugins: [{path: author.d/tasks.wasm}]\n",
    )?;
    assert_told(
        &scene.dfab(&["run", "docker"])?,
        "takes no plugin that nobody vouches for",
    )?;
    ensure!(!scene.path("dfab.lock").exists(), "something was added");
    Ok(())
}

#[test]
fn what_was_changed_revoked_or_has_expired_after_it_was_added_does_not_run() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    scene.trust("signed")?;
    scene
        .dfab(&["bundle", "sign", &file, "--key", "author"])?
        .success()?;
    scene.dfab(&["plugin", "add", &file, "-y"])?.success()?;
    scene.dfab(&["run", "acme-one"])?.success()?;
    let list = scene.dfab(&["plugin", "list"])?.success()?;
    ensure!(list.contains("author (SHA256:"), "{list}");
    let lock = scene.lock()?;
    let digest = lock["plugins"]["acme-one"]["digest"]
        .as_str()
        .context("a digest")?;
    let stored = scene
        .path("data/dfab/bundles")
        .join(digest.trim_start_matches("sha256:"));
    let good = fs::read(&stored)?;

    // Other bytes in its place, be they those of a good bundle.
    let other = scene.pack("acme-one", "1.0.1", &[])?;
    fs::copy(scene.path(&other), &stored)?;
    assert_told(&scene.dfab(&["run", "acme-one"])?, "has other bytes than")?;
    fs::remove_file(&stored)?;
    assert_told(&scene.dfab(&["run", "acme-one"])?, "is not on this machine")?;
    scene.dfab(&["plugin", "install"])?.success()?;
    scene.dfab(&["run", "acme-one"])?.success()?;

    // A lock file that names other bytes for what was granted.
    scene
        .dfab(&["bundle", "sign", &other, "--key", "author"])?
        .success()?;
    let mut text = lock.clone();
    let component = &mut text["plugins"]["acme-one"]["components"]["acme-one"];
    component["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    scene.project.write("dfab.lock", &text.to_string())?;
    assert_told(
        &scene.dfab(&["run", "acme-one"])?,
        "does not have it with these bytes",
    )?;
    scene.project.write("dfab.lock", &lock.to_string())?;

    // Revoked afterwards, by a list that must be signed itself.
    scene
        .project
        .write("revoked.txt", &format!("{digest}  sends everything home\n"))?;
    let revoke = "  - {name: security, key: stranger.pub, may: [revoke]}\n  revoked: revoked.txt\n";
    scene.trust_also("signed", revoke)?;
    assert_told(
        &scene.dfab(&["run", "acme-one"])?,
        "not signed by anybody who may revoke",
    )?;
    scene
        .dfab(&["bundle", "sign", "revoked.txt", "--key", "stranger"])?
        .success()?;
    assert_told(
        &scene.dfab(&["run", "acme-one"])?,
        "is revoked: sends everything home",
    )?;
    // Only what needs it fails, and it is said what to do.
    let told = scene.dfab(&["run", "acme-one"])?;
    assert_told(&told, "dfab plugin remove acme-one")?;
    scene.dfab(&["run", "docker"])?.success()?;
    scene.dfab(&["startup", "--help"])?.success()?;
    let all = scene.dfab(&["run"])?;
    ensure!(
        all.status == 0 && all.stderr.contains("warning: the plugin acme-one"),
        "{all:?}"
    );

    // The signer is trusted no more.
    scene
        .project
        .write("dfab.yaml", "trust: {require: signed}\n")?;
    assert_told(
        &scene.dfab(&["run", "acme-one"])?,
        "is of nobody in `trust`",
    )?;
    assert_eq!(fs::read(&stored)?, good);
    Ok(())
}

#[test]
fn an_update_that_wants_more_or_is_of_others_stops() -> Result<()> {
    let scene = Scene::new()?;
    let one = scene.pack("acme-one", "1.0.0", &[])?;
    let more = scene.pack("acme-one", "1.1.0", &[("settings.read", "token")])?;
    let same = scene.pack("acme-one", "1.0.1", &[])?;
    let add =
        |file: &str, more: &[&str]| scene.dfab(&[&["plugin", "add", file, "-y"], more].concat());
    add(&one, &[])?.success()?;
    add(&same, &[])?.success()?;
    let stopped = add(&more, &[])?;
    assert_told(&stopped, "+ acme-one: settings.read token")?;
    assert_told(&stopped, "--accept-changes adds it all the same")?;
    assert_told(&add(&one, &[])?, "! older: 1.0.0 instead of 1.0.1")?;
    assert_eq!(scene.lock()?["plugins"]["acme-one"]["version"], "1.0.1");
    scene.dfab(&["run", "acme-one"])?.success()?;
    add(&more, &["--accept-changes"])?.success()?;
    let grants = &scene.lock()?["plugins"]["acme-one"]["components"]["acme-one"]["grants"];
    ensure!(
        grants.to_string().contains("settings.read token"),
        "{grants}"
    );

    // What was withheld stays withheld.
    add(&more, &["--no-grant"])?.success()?;
    let next = scene.pack("acme-one", "1.1.1", &[("settings.read", "token")])?;
    add(&next, &[])?.success()?;
    let component = &scene.lock()?["plugins"]["acme-one"]["components"]["acme-one"];
    assert_eq!(component["grants"], json!([]));
    let denied = scene.dfab(&["run", "acme-one", "version"])?;
    ensure!(
        denied.status == 1 && denied.stderr.contains("not granted"),
        "{denied:?}"
    );

    // Signed by somebody else who is trusted as well.
    scene.project.write(
        "dfab.yaml",
        "trust:\n  signers:\n\
         \x20 - {name: author, key: author.pub, may: [sign], for: ['*']}\n\
         \x20 - {name: stranger, key: stranger.pub, may: [sign], for: ['*']}\n",
    )?;
    let mut signed = Vec::new();
    for (version, key) in [("2.0.0", "author"), ("2.0.1", "stranger")] {
        let file = scene.pack("acme-two", version, &[])?;
        scene
            .dfab(&["bundle", "sign", &file, "--key", key])?
            .success()?;
        signed.push(file);
    }
    let [by_author, by_stranger] = signed.as_slice() else {
        anyhow::bail!("two files");
    };
    add(by_author, &[])?.success()?;
    assert_told(&add(by_stranger, &[])?, "! signed by SHA256:")
}

#[test]
fn a_component_that_wants_more_than_it_says_is_refused() -> Result<()> {
    let scene = Scene::new()?;
    let component = docker_with(|manifest| {
        if let Some(capabilities) = manifest["capabilities"].as_array_mut() {
            capabilities
                .retain(|one| !one["capability"].as_str().unwrap_or("").starts_with("ssh."));
        }
    })?;
    fs::write(scene.path("sly.wasm"), component)?;
    let wanted = "it imports `dfab:ssh/ssh@0.1.0`, and its manifest declares no capability for that \
                  (ssh.run, ssh.sudo, ssh.upload, ssh.download)";
    assert_told(&scene.dfab(&["plugin", "add", "sly.wasm", "-y"])?, wanted)?;
    assert_told(
        &scene.dfab(&["bundle", "vet", "sly.wasm", "--key", "reviewer", "-y"])?,
        wanted,
    )?;
    // Nor is it used from where it is.
    scene
        .project
        .write("dfab.yaml", "plugins: [{path: sly.wasm, digest: any}]\n")?;
    assert_told(&scene.dfab(&["run", "docker"])?, wanted)?;
    scene.project.write("dfab.yaml", "{}\n")?;
    for (bytes, wanted) in [
        (b"\x7fELF\x02\x01\x01".as_slice(), "it is machine code"),
        (b"\x1f\x8b\x08\x00", "it is compressed"),
        (
            b"PK\x03\x04",
            "it is neither a bundle nor a WebAssembly component",
        ),
        (b"\0asm\x01\0\0\0", "it is a core WebAssembly module"),
        (b"", "it is neither a bundle nor a WebAssembly component"),
    ] {
        fs::write(scene.path("odd"), bytes)?;
        assert_told(&scene.dfab(&["plugin", "add", "odd", "-y"])?, wanted)?;
    }
    // A file with holes, larger than anything that is read.
    fs::File::create(scene.path("huge"))?.set_len(1 << 40)?;
    assert_told(
        &scene.dfab(&["plugin", "info", "huge"])?,
        "it has more than",
    )?;
    Ok(())
}

#[test]
fn a_plugin_by_its_path_is_held_to_its_bytes() -> Result<()> {
    let scene = Scene::new()?;
    scene.pack("acme-one", "1.0.0", &[])?;
    let digest = || -> Result<String> {
        let info = ["plugin", "info", "author.d/tasks.wasm", "--output", "json"];
        let info = scene.dfab(&info)?.json()?;
        Ok(info["digest"].as_str().context("a digest")?.to_owned())
    };
    let settle = |digest: &str| {
        let entry =
            format!("plugins: [{{path: author.d/tasks.wasm, grant: [docker.read]{digest}}}]\n");
        scene.project.write("dfab.yaml", &entry)
    };
    let run = || scene.dfab(&["run", "acme-one", "version"]);
    let first = digest()?;

    // Nothing is taken without a word on its bytes, and what is told to write is enough.
    settle("")?;
    let told = run()?;
    assert_told(&told, "dfab.yaml does not say which bytes the plugin")?;
    assert_told(&told, &format!("`digest: {first}`"))?;
    settle(&format!(", digest: '{first}'"))?;
    ensure!(run()?.success()?.contains("API version"));
    // What it may do stands beside them.
    let grant = |name: &str| scene.dfab(&["plugin", "grant", name, "docker.read"]);
    let told = grant("acme-one")?;
    assert_told(&told, "dfab.lock has no component acme-one")?;
    assert_told(
        &told,
        "author.d/tasks.wasm: write `grant` and `hosts` in its entry",
    )?;
    assert_told(&grant("acme-two")?, "dfab plugin add SOURCE adds a plugin")?;

    // Replaced bytes run nothing, and have none of its grants.
    scene.pack("acme-one", "1.0.1", &[])?;
    let second = digest()?;
    let told = run()?;
    assert_told(&told, "has other bytes than dfab.yaml says")?;
    assert_told(&told, &format!("it has {second} instead of {first}"))?;
    assert_told(&told, &format!("`digest: {second}` in dfab.yaml takes it"))?;
    ensure!(told.stdout.is_empty(), "{told:?}");
    settle(&format!(", digest: '{second}'"))?;
    run()?.success()?;

    // Whoever works on it says so, and is told so each time.
    settle(", digest: any")?;
    for version in ["1.0.2", "1.0.3"] {
        scene.pack("acme-one", version, &[])?;
        let ran = run()?;
        ensure!(
            ran.stderr.contains("is used whatever it has become")
                && ran.stderr.contains(&digest()?),
            "{}",
            ran.stderr
        );
        ran.success()?;
    }
    settle(", digest: sha256")?;
    assert_told(&run()?, "`digest` is that, or `any`")
}

#[test]
fn a_plugin_by_its_path_that_is_revoked_is_not_used() -> Result<()> {
    let scene = Scene::new()?;
    scene.pack("acme-one", "1.0.0", &[])?;
    let info = ["plugin", "info", "author.d/tasks.wasm", "--output", "json"];
    let info = scene.dfab(&info)?.json()?;
    let digest = info["digest"].as_str().context("a digest")?;
    let run = || scene.dfab(&["run", "acme-one"]);
    for held in [digest, "any"] {
        let entry = format!("plugins: [{{path: author.d/tasks.wasm, digest: '{held}'}}]\n");
        let list = format!("{digest}  sends everything home\n");
        scene.project.write("dfab.yaml", &entry)?;
        run()?.success()?;
        let revoking = format!("{entry}trust: {{revoked: revoked.txt}}\n");
        scene.project.write("dfab.yaml", &revoking)?;
        scene.project.write("revoked.txt", &list)?;
        assert_told(&run()?, "is revoked: sends everything home")?;
        scene
            .project
            .write("revoked.txt", "# nothing is revoked\n")?;
        run()?.success()?;
        // A list that is not signed as it must be says nothing, also not that this is good.
        let signed = format!(
            "{entry}trust:\n  revoked: revoked.txt\n  signers:\n\
             \x20 - {{name: security, key: stranger.pub, may: [revoke]}}\n"
        );
        scene.project.write("dfab.yaml", &signed)?;
        assert_told(&run()?, "not signed by anybody who may revoke")?;
        fs::remove_file(scene.path("revoked.txt"))?;
        assert_told(&run()?, "cannot read the list of revocations")?;
    }
    Ok(())
}

#[test]
fn a_plugin_by_its_path_that_is_not_used_stops_what_needs_it() -> Result<()> {
    let scene = Scene::new()?;
    scene.pack("acme-one", "1.0.0", &[])?;
    let settle = |digest: &str| {
        let entry = format!("plugins: [{{path: author.d/tasks.wasm{digest}}}]\n");
        scene.project.write("dfab.yaml", &entry)
    };
    let goes_on = |arguments: &[&str], warning: &str| -> Result<()> {
        let said = scene.dfab(arguments)?;
        ensure!(said.status == 0, "{arguments:?}: {said:?}");
        ensure!(
            said.stderr.contains(warning),
            "{warning:?} is not in: {}",
            said.stderr
        );
        Ok(())
    };
    settle("")?;
    let wanted = "dfab.yaml does not say which bytes";
    assert_told(&scene.dfab(&["run", "acme-one", "version"])?, wanted)?;
    goes_on(&["run", "docker"], "")?;
    goes_on(&["startup", "--help"], "")?;
    for listing in [&["--help"][..], &["run"], &["setup"]] {
        goes_on(listing, &format!("warning: {wanted}"))?;
    }
    // Other bytes than those that are named are in the place of nobody knows what.
    settle(&format!(", digest: 'sha256:{}'", "0".repeat(64)))?;
    let wanted = "has other bytes than dfab.yaml says";
    for command in [
        &["run", "acme-one"][..],
        &["run", "docker"],
        &["startup", "--help"],
        &["setup", "docker", "--help"],
    ] {
        assert_told(&scene.dfab(command)?, wanted)?;
    }
    for listing in [&["--help"][..], &["run"], &["setup"]] {
        goes_on(listing, wanted)?;
    }
    // So is a file that is not there.
    fs::remove_file(scene.path("author.d/tasks.wasm"))?;
    goes_on(&["--help"], "warning: cannot read the plugin")?;
    assert_told(
        &scene.dfab(&["startup", "--help"])?,
        "cannot read the plugin",
    )
}

#[test]
fn no_plugin_of_the_project_takes_the_place_of_another() -> Result<()> {
    let scene = Scene::new()?;
    let file = scene.pack("acme-one", "1.0.0", &[])?;
    scene.dfab(&["plugin", "add", &file, "-y"])?.success()?;
    scene.dfab(&["run", "acme-one"])?.success()?;
    let by_path = "plugins: [{path: author.d/tasks.wasm, digest: any}]\n";
    scene.project.write("dfab.yaml", by_path)?;
    let told = scene.dfab(&["run", "acme-one"])?;
    assert_told(&told, "two task plugins are called acme-one: the component")?;
    assert_told(
        &told,
        "author.d/tasks.wasm and the component acme-one of dfab.lock",
    )?;
    assert_told(&told, "dfab plugin remove")?;
    // Others are not concerned.
    scene.dfab(&["run", "docker"])?.success()?;
    scene.dfab(&["plugin", "remove", "acme-one"])?.success()?;
    scene.dfab(&["run", "acme-one"])?.success()?;

    let policy = guest("endless_policy")?;
    let (one, two) = (scene.path("one.wasm"), scene.path("two.wasm"));
    fs::copy(&policy, &one)?;
    fs::copy(&policy, &two)?;
    let both = "plugins: [{path: one.wasm, digest: any}, {path: two.wasm, digest: any}]\n";
    scene.project.write("dfab.yaml", both)?;
    let told = scene.dfab(&["tell", "--help"])?;
    assert_told(&told, "two policies have the action")?;
    assert_told(&told, "one.wasm and the component")?;
    scene.dfab(&["run", "docker"])?.success().map(drop)
}
