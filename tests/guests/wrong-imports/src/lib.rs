//! A policy component that would read from the Docker Engine, which no policy may.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package test:wrong-imports;
        world wrong {
            import dfab:docker/docker@0.1.0;
            export dfab:policy/policy@0.1.0;
        }
    ",
    world: "test:wrong-imports/wrong",
    generate_all,
});

use dfab::policy::planning::{ActionInfo, Request, Step};
use exports::dfab::policy::policy::{Error, Guest};

struct Wrong;

impl Guest for Wrong {
    fn actions() -> Vec<ActionInfo> {
        Vec::new()
    }

    fn plan(_: Request) -> Result<Vec<Step>, Error> {
        let engine = dfab::docker::docker::current()?;
        engine.info().map(|_| Vec::new())
    }
}

export!(Wrong);
