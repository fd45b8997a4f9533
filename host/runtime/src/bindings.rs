//! What `bindgen!` makes of the contract in `wit/`. The three worlds share one set of types, so
//! that a value from one kind of component means the same to another.
#![expect(
    missing_docs,
    reason = "the documentation is in wit/, from where this is generated"
)]
#![expect(
    unreachable_pub,
    reason = "generated as public; the crate re-exports what others need"
)]

/// The world of a task component.
pub mod task_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "dfab:plugin/task-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq],
        with: {
            "dfab:docker/docker.engine": crate::state::CurrentEngine,
            "dfab:ssh/ssh.shell": crate::state::CurrentShell,
        },
        trappable_error_type: { "dfab:types/types.error" => crate::state::Failure },
    });
}

/// The world of a policy component.
pub mod policy_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "dfab:plugin/policy-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq],
        with: {
            "dfab:types/types": super::task_world::dfab::types::types,
            "dfab:log/log": super::task_world::dfab::log::log,
        },
    });
}

/// The world of a recipe component.
pub mod recipe_world {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "dfab:plugin/recipe-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq],
        with: {
            "dfab:types/types": super::task_world::dfab::types::types,
            "dfab:log/log": super::task_world::dfab::log::log,
        },
    });
}
