//! Recipes for machines with CentOS, Fedora and what is made from them.

use dfab_sdk::recipe::{Argument, Change, Error, Facts, File, Recipe, RecipeInfo, Step};
use docker_host::{Key, PACKAGES_OF_DOCKER_COM, Source, Wishes, has, install};

dfab_sdk::manifest!("manifest.json");
dfab_sdk::export_recipe!(SetupCentos);

const SYSTEMS: [&str; 3] = ["centos", "fedora", "rhel"];

struct SetupCentos;

impl Recipe for SetupCentos {
    fn recipes() -> Vec<RecipeInfo> {
        vec![docker_host::docker(&SYSTEMS), docker_host::socat(&SYSTEMS)]
    }

    fn plan(recipe: String, facts: Facts, arguments: Vec<Argument>) -> Result<Vec<Step>, Error> {
        match recipe.as_str() {
            "docker" => {
                let wishes = Wishes::read(&arguments, &facts)?;
                docker_host::steps(&wishes, &facts, || match wishes.source {
                    Some(Source::DockerCom) => from_docker_com(&facts),
                    Some(Source::Distribution) => from_distribution(&facts),
                    None if facts.os_id == "fedora" => from_distribution(&facts),
                    None => from_docker_com(&facts),
                })
            }
            "socat" => Ok(vec![install(&["socat"])]),
            other => Err(docker_host::unknown(other)),
        }
    }
}

fn from_distribution(facts: &Facts) -> Result<Vec<Step>, Error> {
    if facts.os_id == "fedora" {
        Ok(vec![install(&["moby-engine", "docker-cli"])])
    } else {
        Err(Error::Invalid(format!(
            "{} has no Docker Engine of its own: take that of docker.com",
            facts.os_id
        )))
    }
}

/// As <https://docs.docker.com/engine/install/centos/> has it.
fn from_docker_com(facts: &Facts) -> Result<Vec<Step>, Error> {
    let is_like = |system: &str| facts.os_like.iter().any(|like| like == system);
    let system = match facts.os_id.as_str() {
        own @ ("centos" | "fedora" | "rhel") => own,
        _ if is_like("centos") || is_like("rhel") => "centos",
        other => {
            return Err(Error::Invalid(format!(
                "docker.com has no packages for {other}"
            )));
        }
    };
    // Where it names the minor version too, docker.com does not.
    let version = facts.os_version.split('.').next().unwrap_or_default();
    if version.is_empty() || !version.chars().all(|c| c.is_ascii_digit()) {
        return Err(Error::Invalid(format!(
            "the machine's os-release has no version ({:?}), by which docker.com has its packages",
            facts.os_version
        )));
    }
    let key = Key {
        url: &format!("https://download.docker.com/linux/{system}/gpg"),
        fingerprint: "060A61C51B558A7F742B77AAC52FEB6B621E9F35",
        path: "/etc/pki/rpm-gpg/RPM-GPG-KEY-docker-ce",
    };
    let repository = format!(
        "[docker-ce-stable]\nname=Docker CE Stable - $basearch\n\
         baseurl=https://download.docker.com/linux/{system}/{version}/$basearch/stable\n\
         enabled=1\ngpgcheck=1\ngpgkey=file://{}\n",
        key.path
    );
    // A smaller curl of another name does as well.
    let tools: Vec<_> = [("curl", "curl"), ("gpg", "gnupg2")]
        .into_iter()
        .filter(|(command, _)| !has(facts, command))
        .map(|(_, package)| package)
        .collect();
    let mut steps = Vec::new();
    if !tools.is_empty() {
        steps.push(install(&tools));
    }
    steps.extend([
        key.step(),
        Step {
            summary: format!("Take packages of download.docker.com for {system} {version}"),
            change: Change::File(File {
                path: "/etc/yum.repos.d/docker-ce.repo".to_owned(),
                content: repository.into_bytes(),
                mode: 0o644,
            }),
        },
        install(&PACKAGES_OF_DOCKER_COM),
    ]);
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(id: &str, like: &[&str], version: &str) -> Facts {
        Facts {
            os_id: id.to_owned(),
            os_like: like.iter().map(|like| (*like).to_owned()).collect(),
            os_version: version.to_owned(),
            os_codename: String::new(),
            arch: "x86_64".to_owned(),
            kernel: String::new(),
            user: "root".to_owned(),
            groups: Vec::new(),
            can_become_root: true,
            commands: Vec::new(),
        }
    }

    fn plan(facts: Facts, source: &str) -> Result<Vec<Step>, Error> {
        let arguments = vec![("source".to_owned(), source.to_owned())];
        SetupCentos::plan("docker".to_owned(), facts, arguments)
    }

    fn repository(facts: Facts) -> Result<String, Error> {
        let files = plan(facts, "docker.com")?
            .into_iter()
            .filter_map(|step| match step.change {
                Change::File(file) => String::from_utf8(file.content).ok(),
                _ => None,
            });
        Ok(files.collect())
    }

    #[test]
    fn each_system_has_its_repository() {
        let rocky = repository(facts("rocky", &["rhel", "centos", "fedora"], "9.4"));
        insta::assert_snapshot!(rocky.unwrap(), @r"
        [docker-ce-stable]
        name=Docker CE Stable - $basearch
        baseurl=https://download.docker.com/linux/centos/9/$basearch/stable
        enabled=1
        gpgcheck=1
        gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-docker-ce
        ");
        for (id, version) in [("rhel", "9"), ("fedora", "42"), ("centos", "10")] {
            let text = repository(facts(id, &[], version)).unwrap();
            assert!(text.contains(&format!("/linux/{id}/{version}/")), "{text}");
        }
    }

    #[test]
    fn what_docker_com_or_the_distribution_has_not_is_refused() {
        let amazon = facts("amzn", &["fedora"], "2023");
        assert!(plan(amazon, "docker.com").is_err());
        assert!(plan(facts("centos", &[], "stream"), "docker.com").is_err());
        assert!(plan(facts("centos", &[], "9"), "distribution").is_err());
        assert!(plan(facts("fedora", &[], "42"), "distribution").is_ok());
    }
}
