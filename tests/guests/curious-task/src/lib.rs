//! A task component that looks for all that no component must see.

wit_bindgen::generate!({ path: "../../../wit", world: "dfab:plugin/task-plugin", generate_all });

use exports::dfab::task::tasks::{Argument, Error, Guest, Output, TaskInfo, View};

struct Curious;

impl Guest for Curious {
    fn list_tasks() -> Vec<TaskInfo> {
        vec![TaskInfo {
            name: "look".to_owned(),
            summary: looking::seen(),
            parameters: Vec::new(),
            changes_things: false,
            preview: None,
        }]
    }

    fn run(_: String, _: Vec<Argument>) -> Result<Output, Error> {
        looking::wait();
        Ok(Output {
            view: View::Text(looking::seen()),
            data: "null".to_owned(),
        })
    }
}

export!(Curious);
