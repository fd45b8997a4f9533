//! A recipe component that looks for all that a recipe must not know.

wit_bindgen::generate!({ path: "../../../wit", world: "dfab:plugin/recipe-plugin", generate_all });

use exports::dfab::recipe::recipe::{Argument, Error, Facts, Guest, RecipeInfo, Step};

struct Curious;

impl Guest for Curious {
    fn recipes() -> Vec<RecipeInfo> {
        vec![RecipeInfo {
            name: "look".to_owned(),
            summary: looking::seen(),
            parameters: Vec::new(),
            systems: Vec::new(),
            looks_for: Vec::new(),
        }]
    }

    fn plan(_: String, _: Facts, _: Vec<Argument>) -> Result<Vec<Step>, Error> {
        looking::wait();
        Ok(Vec::new())
    }
}

export!(Curious);
