//! A policy component with an action that logs, and one that never ends.

wit_bindgen::generate!({ path: "../../../wit", world: "dfab:plugin/policy-plugin", generate_all });

use dfab::log::log::{self, Level};
use dfab::policy::planning::{ActionInfo, Request, Step, Walk};
use exports::dfab::policy::policy::{Error, Guest};

#[unsafe(link_section = "dfab:manifest")]
#[used]
static MANIFEST: [u8; include_bytes!("../manifest.json").len()] =
    *include_bytes!("../manifest.json");

struct Endless;

impl Guest for Endless {
    fn actions() -> Vec<ActionInfo> {
        let action = |name: &str| ActionInfo {
            name: name.to_owned(),
            summary: "Misbehaves".to_owned(),
            options: Vec::new(),
            walk: Walk::Dependencies,
            compares: false,
            configurations: false,
        };
        vec![action("tell"), action("spin")]
    }

    fn plan(request: Request) -> Result<Vec<Step>, Error> {
        log::write(Level::Info, "planning");
        if request.action == "spin" {
            let mut count = 0_u64;
            loop {
                count = std::hint::black_box(count.wrapping_add(1));
            }
        }
        Ok(Vec::new())
    }
}

export!(Endless);
