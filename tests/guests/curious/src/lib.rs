//! A policy component that looks for all that a policy must not know.

wit_bindgen::generate!({ path: "../../../wit", world: "dfab:plugin/policy-plugin", generate_all });

use dfab::policy::planning::{ActionInfo, Request, Step, Walk};
use exports::dfab::policy::policy::{Error, Guest};

struct Curious;

impl Guest for Curious {
    fn actions() -> Vec<ActionInfo> {
        vec![ActionInfo {
            name: "look".to_owned(),
            summary: looking::seen(),
            options: Vec::new(),
            walk: Walk::Dependencies,
            compares: false,
            configurations: false,
        }]
    }

    fn plan(_: Request) -> Result<Vec<Step>, Error> {
        looking::wait();
        Ok(Vec::new())
    }
}

export!(Curious);
