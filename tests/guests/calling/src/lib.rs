//! A task component that makes one host call many times. It has no manifest: measurements give it theirs.

wit_bindgen::generate!({ path: "../../../wit", world: "dfab:plugin/task-plugin", generate_all });

use dfab::docker::docker;
use dfab::settings::settings;
use exports::dfab::task::tasks::{Argument, Error, Guest, Output, TaskInfo, View};

struct Calling;

impl Guest for Calling {
    fn list_tasks() -> Vec<TaskInfo> {
        Vec::new()
    }

    fn run(task: String, arguments: Vec<Argument>) -> Result<Output, Error> {
        let count = arguments.iter().find(|(given, _)| given == "count");
        let count: u32 = count
            .and_then(|(_, count)| count.parse().ok())
            .ok_or_else(|| Error::Invalid("how many times?".to_owned()))?;
        match task.as_str() {
            // Asks for a capability.
            "settings" => {
                for _ in 0..count {
                    settings::get("bench")?;
                }
            }
            // Needs none.
            "names" => {
                let engine = docker::current()?;
                for _ in 0..count {
                    std::hint::black_box(engine.name());
                }
            }
            other => return Err(Error::NotFound(other.to_owned())),
        }
        Ok(Output {
            view: View::Nothing,
            data: "null".to_owned(),
        })
    }
}

export!(Calling);
