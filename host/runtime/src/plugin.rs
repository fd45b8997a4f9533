//! Loaded components, by kind, and the calls that they answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;

use crate::audit::{Audit, Witness};
use crate::authority::Authority;
use crate::bindings::{
    policy_world::PolicyPluginPre, recipe_world::RecipePluginPre, task_world::TaskPluginPre,
    task_world::dfab::types::types::Error as WitError,
};
use crate::call_error::CallError;
use crate::denial::Denial;
use crate::host_call::HostCall;
use crate::limits::{Limit, Limits, Overrun};
use crate::load::{Origin, Runtime};
use crate::manifest::Manifest;
use crate::planning::{ActionInfo, Request, Step};
use crate::plugin_error::{Place, PluginError};
use crate::recipe::{Facts, RecipeInfo, Step as RecipeStep};
use crate::state::{Caller, Circumstances, State};
use crate::task::{Output, TaskInfo, View};
use crate::task_host::{LogSink, TaskHost};
use crate::text::clean;
use crate::{Level, Parameter};

/// A loaded component.
#[derive(Clone, Debug)]
pub enum Plugin {
    /// Acts at once.
    Task(TaskPlugin),
    /// Decides what must happen to containers.
    Policy(PolicyPlugin),
    /// Decides what must happen to a machine.
    Recipe(RecipePlugin),
}

/// A loaded task component.
#[derive(Clone)]
pub struct TaskPlugin {
    pub(crate) about: Arc<About>,
    pub(crate) component: TaskPluginPre<State>,
}

/// A loaded policy component.
#[derive(Clone)]
pub struct PolicyPlugin {
    pub(crate) about: Arc<About>,
    pub(crate) component: PolicyPluginPre<State>,
}

/// A loaded recipe component.
#[derive(Clone)]
pub struct RecipePlugin {
    pub(crate) about: Arc<About>,
    pub(crate) component: RecipePluginPre<State>,
}

/// What is known of a loaded component, whatever its kind.
pub(crate) struct About {
    pub(crate) runtime: Runtime,
    pub(crate) manifest: Manifest,
    pub(crate) digest: String,
    pub(crate) origin: Origin,
    pub(crate) authority: Arc<Authority>,
    pub(crate) limits: Limits,
    pub(crate) audit: Option<Arc<dyn Audit>>,
}

macro_rules! about {
    ($plugin:ty) => {
        impl $plugin {
            /// What the component says about itself.
            #[must_use]
            pub fn manifest(&self) -> &Manifest {
                &self.about.manifest
            }

            /// The name in the manifest; without one, that of the file.
            #[must_use]
            pub fn name(&self) -> &str {
                &self.about.manifest.name
            }

            /// SHA-256 of the component's bytes, in hexadecimal.
            #[must_use]
            pub fn digest(&self) -> &str {
                &self.about.digest
            }

            /// Where it came from.
            #[must_use]
            pub fn origin(&self) -> &Origin {
                &self.about.origin
            }
        }

        impl fmt::Debug for $plugin {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($plugin))
                    .field("name", &self.about.manifest.name)
                    .field("digest", &self.about.digest)
                    .finish_non_exhaustive()
            }
        }
    };
}

about!(TaskPlugin);
about!(PolicyPlugin);
about!(RecipePlugin);

impl Plugin {
    /// What the component says about itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.about().manifest
    }

    /// The name in the manifest; without one, that of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.about().manifest.name
    }

    /// SHA-256 of the component's bytes, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.about().digest
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.about().origin
    }

    fn about(&self) -> &About {
        match self {
            Self::Task(plugin) => &plugin.about,
            Self::Policy(plugin) => &plugin.about,
            Self::Recipe(plugin) => &plugin.about,
        }
    }
}

impl TaskPlugin {
    /// Whether it may work for a host of that name: to be asked before anything is opened for it.
    /// [`TaskPlugin::run`] asks again.
    ///
    /// # Errors
    /// Where the operator lets it work for others only.
    pub fn may_run_on(&self, host: &str) -> Result<(), Denial> {
        self.about.authority.authorize_host(host)
    }

    /// Whether it may make a call, for a host that it may work for. Where a grant depends on labels, it may
    /// not: they are looked at when the call is made.
    ///
    /// # Errors
    /// Where it did not declare what the call needs, or was not granted it.
    pub fn may_call(&self, call: HostCall<'_>) -> Result<(), Denial> {
        self.about.authority.check(call, None)
    }

    /// The tasks that it offers. Cancel safe.
    ///
    /// # Errors
    /// Where the component does not answer.
    pub async fn tasks(&self, log: &LogSink) -> Result<Vec<TaskInfo>, PluginError> {
        let mut call = self
            .about
            .call("list-tasks", Caller::Nobody(Arc::clone(log)));
        let work = async {
            let instance = self.component.instantiate_async(&mut call.store).await?;
            instance
                .dfab_task_tasks()
                .call_list_tasks(&mut call.store)
                .await
                .map(Ok)
        };
        let answer = tokio::time::timeout(call.limits.wall, work).await;
        let mut tasks = call.end(answer)?;
        for task in &mut tasks {
            clean(&mut task.name);
            clean(&mut task.summary);
            task.preview.iter_mut().for_each(clean);
            clean_parameters(&mut task.parameters);
        }
        Ok(tasks)
    }

    /// Runs a task for a host. Cancel safe: dropping the future ends the component and drops the
    /// host call that it waits for.
    ///
    /// # Errors
    /// Where the task gives up, or does not keep to its limits.
    pub async fn run(
        &self,
        task: &str,
        arguments: &[(String, String)],
        host: Arc<dyn TaskHost>,
    ) -> Result<Output, PluginError> {
        self.may_run_on(&host.name())
            .map_err(|denial| PluginError::Call {
                place: self.about.place(&format!("run {task}")),
                source: denial.into(),
            })?;
        let mut call = self.about.call(&format!("run {task}"), Caller::Host(host));
        let wall = call.limits.task_wall;
        let work = async {
            let instance = self.component.instantiate_async(&mut call.store).await?;
            instance
                .dfab_task_tasks()
                .call_run(&mut call.store, task, arguments)
                .await
        };
        let answer = tokio::time::timeout(wall, work).await;
        let mut output = call.within(wall).end(answer)?;
        match &mut output.view {
            View::Nothing => {}
            View::Text(text) => clean(text),
            View::Table(table) => {
                table.columns.iter_mut().for_each(clean);
                table.rows.iter_mut().flatten().for_each(clean);
            }
        }
        Ok(output)
    }
}

impl PolicyPlugin {
    /// The actions that it offers. Cancel safe.
    ///
    /// # Errors
    /// Where the component does not answer.
    pub async fn actions(&self, log: &LogSink) -> Result<Vec<ActionInfo>, PluginError> {
        let mut call = self.about.call("actions", Caller::Nobody(Arc::clone(log)));
        let work = async {
            let instance = self.component.instantiate_async(&mut call.store).await?;
            instance
                .dfab_policy_policy()
                .call_actions(&mut call.store)
                .await
                .map(Ok)
        };
        let answer = tokio::time::timeout(call.limits.wall, work).await;
        let mut actions = call.end(answer)?;
        for action in &mut actions {
            clean(&mut action.name);
            clean(&mut action.summary);
            clean_parameters(&mut action.options);
        }
        Ok(actions)
    }

    /// The steps that an action takes. Cancel safe.
    ///
    /// # Errors
    /// Where the policy gives up, or does not keep to its limits.
    pub async fn plan(&self, request: &Request, log: &LogSink) -> Result<Vec<Step>, PluginError> {
        let function = format!("plan {}", request.action);
        let mut call = self.about.call(&function, Caller::Nobody(Arc::clone(log)));
        let work = async {
            let instance = self.component.instantiate_async(&mut call.store).await?;
            instance
                .dfab_policy_policy()
                .call_plan(&mut call.store, request)
                .await
        };
        let answer = tokio::time::timeout(call.limits.wall, work).await;
        let mut steps = call.end(answer)?;
        steps.iter_mut().for_each(|step| clean(&mut step.reason));
        Ok(steps)
    }
}

impl RecipePlugin {
    /// The recipes that it offers. Cancel safe.
    ///
    /// # Errors
    /// Where the component does not answer.
    pub async fn recipes(&self, log: &LogSink) -> Result<Vec<RecipeInfo>, PluginError> {
        let mut call = self.about.call("recipes", Caller::Nobody(Arc::clone(log)));
        let work = async {
            let instance = self.component.instantiate_async(&mut call.store).await?;
            instance
                .dfab_recipe_recipe()
                .call_recipes(&mut call.store)
                .await
                .map(Ok)
        };
        let answer = tokio::time::timeout(call.limits.wall, work).await;
        let mut recipes = call.end(answer)?;
        for recipe in &mut recipes {
            clean(&mut recipe.name);
            clean(&mut recipe.summary);
            clean_parameters(&mut recipe.parameters);
        }
        Ok(recipes)
    }

    /// The steps of a recipe for a machine. Cancel safe.
    ///
    /// # Errors
    /// Where the recipe gives up, or does not keep to its limits.
    pub async fn plan(
        &self,
        recipe: &str,
        facts: &Facts,
        arguments: &[(String, String)],
        log: &LogSink,
    ) -> Result<Vec<RecipeStep>, PluginError> {
        let mut call = self
            .about
            .call(&format!("plan {recipe}"), Caller::Nobody(Arc::clone(log)));
        let work = async {
            let instance = self.component.instantiate_async(&mut call.store).await?;
            let guest = instance.dfab_recipe_recipe();
            guest
                .call_plan(&mut call.store, recipe, facts, arguments)
                .await
        };
        let answer = tokio::time::timeout(call.limits.wall, work).await;
        let mut steps = call.end(answer)?;
        steps.iter_mut().for_each(|step| clean(&mut step.summary));
        Ok(steps)
    }
}

fn clean_parameters(parameters: &mut [Parameter]) {
    for parameter in parameters {
        clean(&mut parameter.name);
        clean(&mut parameter.summary);
    }
}

/// One call: its store, and the ticker that runs as long as it does.
struct Call<'a> {
    place: Place,
    store: Store<State>,
    limits: &'a Limits,
    wall: Duration,
    _running: crate::ticker::Running,
}

impl About {
    fn place(&self, function: &str) -> Place {
        Place {
            plugin: self.manifest.name.clone(),
            function: crate::text::shown(function),
        }
    }

    fn call(&self, function: &str, caller: Caller) -> Call<'_> {
        let place = self.place(function);
        let limits = &self.limits;
        let witness = self.audit.as_ref().map(|audit| Witness {
            audit: Arc::clone(audit),
            plugin: place.plugin.clone(),
            digest: self.digest.clone(),
            function: place.function.clone(),
            host: caller.host_name(),
        });
        // The ticker first: time counts from the making of the store.
        let running = self.runtime.ticker().run();
        let store = State::store(
            self.runtime.engine(),
            limits,
            Circumstances {
                authority: Arc::clone(&self.authority),
                caller,
                witness,
                is_pure: self.manifest.kind.is_pure(),
            },
        );
        Call {
            place,
            store,
            limits,
            wall: limits.wall,
            _running: running,
        }
    }
}

impl Call<'_> {
    fn within(mut self, wall: Duration) -> Self {
        self.wall = wall;
        self
    }

    /// Takes the store apart, whatever happened in it.
    fn end<T>(
        self,
        answer: Result<wasmtime::Result<Result<T, WitError>>, tokio::time::error::Elapsed>,
    ) -> Result<T, PluginError> {
        let Self {
            place,
            store,
            limits,
            wall,
            _running,
        } = self;
        let state = store.data();
        match answer {
            Ok(Ok(Ok(value))) => {
                let printed = state.console.text();
                if !printed.trim().is_empty() {
                    state.tell(Level::Debug, &format!("printed: {printed}"));
                }
                Ok(value)
            }
            Ok(Ok(Err(error))) => Err(PluginError::Call {
                place,
                source: CallError::from_component(&error),
            }),
            Ok(Err(trap)) => {
                tracing::debug!(plugin = place.plugin, function = place.function, "{trap:?}");
                Err(PluginError::from_trap(place, &trap, state, limits))
            }
            Err(_) => {
                let overrun = Box::new(Overrun {
                    waiting_for: state.waiting_for,
                    ..limits.overrun(Limit::Wall, &place.plugin, wall)
                });
                Err(PluginError::Limit { place, overrun })
            }
        }
    }
}
