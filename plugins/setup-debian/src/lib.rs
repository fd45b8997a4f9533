//! Recipes for machines with Debian or Ubuntu.

use dfab_sdk::recipe::{Argument, Change, Error, Facts, Recipe, RecipeInfo, Step};

dfab_sdk::manifest!("manifest.json");
dfab_sdk::export_recipe!(SetupDebian);

struct SetupDebian;

impl Recipe for SetupDebian {
    fn recipes() -> Vec<RecipeInfo> {
        vec![RecipeInfo {
            name: "socat".to_owned(),
            summary: "socat, which carries connections to the engine where sshd forwards none"
                .to_owned(),
            parameters: Vec::new(),
            looks_for: Vec::new(),
        }]
    }

    fn plan(recipe: String, facts: Facts, _: Vec<Argument>) -> Result<Vec<Step>, Error> {
        if !is_debian(&facts) {
            let system = if facts.os_id.is_empty() {
                "no system that it knows"
            } else {
                &facts.os_id
            };
            return Err(Error::Invalid(format!(
                "the recipe {recipe} is for Debian and Ubuntu, and this machine has {system}"
            )));
        }
        match recipe.as_str() {
            "socat" => Ok(vec![Step {
                summary: "Install socat".to_owned(),
                change: Change::Packages(vec!["socat".to_owned()]),
            }]),
            other => Err(Error::NotFound(format!("there is no recipe {other}"))),
        }
    }
}

fn is_debian(facts: &Facts) -> bool {
    let systems = std::iter::once(&facts.os_id).chain(&facts.os_like);
    systems
        .into_iter()
        .any(|system| system == "debian" || system == "ubuntu")
}
