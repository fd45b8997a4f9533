//! Recipes for machines with Debian or Ubuntu.

use dfab_sdk::recipe::{Argument, Change, Error, Facts, File, Recipe, RecipeInfo, Step};
use docker_host::{Key, PACKAGES_OF_DOCKER_COM, Source, Wishes, install};

dfab_sdk::manifest!("manifest.json");
dfab_sdk::export_recipe!(SetupDebian);

const SYSTEMS: [&str; 2] = ["debian", "ubuntu"];

struct SetupDebian;

impl Recipe for SetupDebian {
    fn recipes() -> Vec<RecipeInfo> {
        vec![docker_host::docker(&SYSTEMS), docker_host::socat(&SYSTEMS)]
    }

    fn plan(recipe: String, facts: Facts, arguments: Vec<Argument>) -> Result<Vec<Step>, Error> {
        match recipe.as_str() {
            "docker" => {
                let wishes = Wishes::read(&arguments, &facts)?;
                docker_host::steps(&wishes, &facts, || match wishes.source {
                    None | Some(Source::Distribution) => Ok(vec![install(&["docker.io"])]),
                    Some(Source::DockerCom) => from_docker_com(&facts),
                })
            }
            "socat" => Ok(vec![install(&["socat"])]),
            other => Err(docker_host::unknown(other)),
        }
    }
}

/// As <https://docs.docker.com/engine/install/debian/> has it.
fn from_docker_com(facts: &Facts) -> Result<Vec<Step>, Error> {
    let is =
        |system: &str| facts.os_id == system || facts.os_like.iter().any(|like| like == system);
    let system = if is("ubuntu") { "ubuntu" } else { "debian" };
    let codename = &facts.os_codename;
    if codename.is_empty()
        || !codename
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-')
    {
        return Err(Error::Invalid(format!(
            "the machine's os-release has no VERSION_CODENAME ({codename:?}), by which docker.com has \
             its packages: take those of the distribution"
        )));
    }
    let key = Key {
        url: &format!("https://download.docker.com/linux/{system}/gpg"),
        fingerprint: "9DC858229FC7DD38854AE2D88D81803C0EBFCD88",
        path: "/etc/apt/keyrings/docker.asc",
    };
    let source = format!(
        "Types: deb\nURIs: https://download.docker.com/linux/{system}\nSuites: {codename}\n\
         Components: stable\nSigned-By: {}\n",
        key.path
    );
    Ok(vec![
        install(&["ca-certificates", "curl", "gpg"]),
        key.step(),
        Step {
            summary: format!("Take packages of download.docker.com for {system} {codename}"),
            change: Change::File(File {
                path: "/etc/apt/sources.list.d/docker.sources".to_owned(),
                content: source.into_bytes(),
                mode: 0o644,
            }),
        },
        install(&PACKAGES_OF_DOCKER_COM),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(id: &str, like: &[&str], codename: &str) -> Facts {
        Facts {
            os_id: id.to_owned(),
            os_like: like.iter().map(|like| (*like).to_owned()).collect(),
            os_version: String::new(),
            os_codename: codename.to_owned(),
            arch: "x86_64".to_owned(),
            kernel: String::new(),
            user: "root".to_owned(),
            groups: Vec::new(),
            can_become_root: true,
            commands: Vec::new(),
        }
    }

    fn source(facts: Facts) -> Result<String, Error> {
        let arguments = vec![("source".to_owned(), "docker.com".to_owned())];
        let steps = SetupDebian::plan("docker".to_owned(), facts, arguments)?;
        let files = steps.into_iter().filter_map(|step| match step.change {
            Change::File(file) => String::from_utf8(file.content).ok(),
            _ => None,
        });
        Ok(files.collect())
    }

    #[test]
    fn packages_come_from_what_the_system_is_made_from() {
        insta::assert_snapshot!(source(facts("debian", &[], "trixie")).unwrap(), @r"
        Types: deb
        URIs: https://download.docker.com/linux/debian
        Suites: trixie
        Components: stable
        Signed-By: /etc/apt/keyrings/docker.asc
        ");
        let mint = source(facts("linuxmint", &["ubuntu", "debian"], "jammy")).unwrap();
        insta::assert_snapshot!(mint, @r"
        Types: deb
        URIs: https://download.docker.com/linux/ubuntu
        Suites: jammy
        Components: stable
        Signed-By: /etc/apt/keyrings/docker.asc
        ");
    }

    #[test]
    fn a_system_without_a_usual_name_is_refused() {
        for codename in ["", "../x", "a b", "a\nURIs: x"] {
            assert!(
                source(facts("debian", &[], codename)).is_err(),
                "{codename:?}"
            );
        }
    }
}
