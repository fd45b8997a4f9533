//! What recipes that make a machine a Docker host share, whatever its system.

mod key;
mod wishes;

use dfab_sdk::recipe::{
    Change, Error, Facts, Member, RecipeInfo, Step, ValueKind, flag, parameter,
};

pub use key::Key;

/// The engine and what belongs to it, as docker.com names them on every system.
pub const PACKAGES_OF_DOCKER_COM: [&str; 5] = [
    "docker-ce",
    "docker-ce-cli",
    "containerd.io",
    "docker-buildx-plugin",
    "docker-compose-plugin",
];
pub use wishes::{Source, Wishes};

/// The recipe `docker`, for these systems.
pub fn docker(systems: &[&str]) -> RecipeInfo {
    let mut source = parameter(
        "source",
        "Where a missing engine comes from; the distribution where it has one",
        ValueKind::Choice,
    );
    source.choices = ["distribution", "docker.com"].map(str::to_owned).to_vec();
    let mut member = parameter(
        "group-member",
        "Who may use the engine, which is as good as root; the connection's user unless that is root",
        ValueKind::Text,
    );
    member.many = true;
    RecipeInfo {
        name: "docker".to_owned(),
        summary: "The Docker Engine, running, for who may use it".to_owned(),
        parameters: vec![
            source,
            member,
            flag("skip-group-assignment", "Let nobody else use the engine"),
        ],
        systems: owned(systems),
        looks_for: owned(&["dockerd", "curl", "gpg"]),
    }
}

/// The recipe `socat`, for these systems.
pub fn socat(systems: &[&str]) -> RecipeInfo {
    RecipeInfo {
        name: "socat".to_owned(),
        summary: "socat, which carries connections to the engine where sshd forwards none"
            .to_owned(),
        parameters: Vec::new(),
        systems: owned(systems),
        looks_for: Vec::new(),
    }
}

/// Packages.
pub fn install(packages: &[&str]) -> Step {
    Step {
        summary: format!("Install {}", packages.join(", ")),
        change: Change::Packages(owned(packages)),
    }
}

/// The steps of the recipe `docker`: those that install an engine where there is none, then what is the
/// same everywhere.
///
/// # Errors
/// Where the arguments contradict each other, or those steps cannot be made.
pub fn steps(
    wishes: &Wishes,
    facts: &Facts,
    engine: impl FnOnce() -> Result<Vec<Step>, Error>,
) -> Result<Vec<Step>, Error> {
    // Another engine than the one that is there would end its containers.
    let mut steps = if has(facts, "dockerd") {
        Vec::new()
    } else {
        engine()?
    };
    steps.push(Step {
        summary: "Run the service docker, now and after each boot".to_owned(),
        change: Change::Service("docker".to_owned()),
    });
    steps.extend(wishes.members.iter().map(|user| Step {
        summary: format!("Put {user} into the group docker, from the next login on"),
        change: Change::Member(Member {
            user: user.clone(),
            group: "docker".to_owned(),
        }),
    }));
    Ok(steps)
}

/// Whether a command is there.
pub fn has(facts: &Facts, command: &str) -> bool {
    facts.commands.iter().any(|(name, _)| name == command)
}

/// There is no such recipe.
pub fn unknown(recipe: &str) -> Error {
    Error::NotFound(format!("there is no recipe {recipe}"))
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
