//! A recipe component with a recipe that logs, and one that never ends.

wit_bindgen::generate!({ path: "../../../wit", world: "dfab:plugin/recipe-plugin", generate_all });

use dfab::log::log::{self, Level};
use exports::dfab::recipe::recipe::{Argument, Error, Facts, Guest, RecipeInfo, Step};

#[unsafe(link_section = "dfab:manifest")]
#[used]
static MANIFEST: [u8; include_bytes!("../manifest.json").len()] =
    *include_bytes!("../manifest.json");

struct Endless;

impl Guest for Endless {
    fn recipes() -> Vec<RecipeInfo> {
        let recipe = |name: &str| RecipeInfo {
            name: name.to_owned(),
            summary: "Misbehaves".to_owned(),
            parameters: Vec::new(),
            systems: Vec::new(),
            looks_for: Vec::new(),
        };
        vec![recipe("tell"), recipe("spin")]
    }

    fn plan(recipe: String, _: Facts, _: Vec<Argument>) -> Result<Vec<Step>, Error> {
        log::write(Level::Info, "planning");
        if recipe == "spin" {
            let mut count = 0_u64;
            loop {
                count = std::hint::black_box(count.wrapping_add(1));
            }
        }
        Ok(Vec::new())
    }
}

export!(Endless);
