//! A container that is made for a while and removed, whatever happens meanwhile.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

use dfab_engine::{Engine, EngineError};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::execute::Hold;

/// Label by which a container is known again of which the engine has not told the identifier. Its
/// value is of this one container.
pub const RUN_LABEL: &str = "dfab.run";

/// How long a container is looked for whose creation was cut off: the engine may still be at it.
const LOOK_FOR: Duration = Duration::from_secs(10);
/// How long is waited between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// The container. Dropping it removes it by a task of its own; [`Temporary::remove`] waits for that.
#[derive(Debug)]
pub(crate) struct Temporary(Option<Guarded>);

#[derive(Debug)]
struct Guarded {
    engine: Engine,
    name: String,
    /// None as long as the engine has not told it.
    id: Option<String>,
    mark: String,
    /// Until it is gone.
    _hold: Hold,
}

impl Temporary {
    /// Creates it. The body gets a label more.
    ///
    /// # Errors
    /// Where the engine refuses or does not answer. What it may have created all the same is removed.
    pub(crate) async fn create(
        engine: &Engine,
        name: &str,
        body: &Value,
        hold: Hold,
    ) -> Result<Self, EngineError> {
        let mark = mark();
        let body = marked(body, &mark);
        // From here on: this future may be dropped while the engine creates it.
        let mut made = Self(Some(Guarded {
            engine: engine.clone(),
            name: name.to_owned(),
            id: None,
            mark,
            _hold: hold,
        }));
        match engine.create_container(name, &body).await {
            Ok(id) => {
                if let Some(guarded) = &mut made.0 {
                    guarded.id = Some(id);
                }
                Ok(made)
            }
            Err(error) => {
                if is_definite(&error) {
                    made.keep();
                } else if let Err(why) = made.remove().await {
                    tracing::warn!("container {name} may be left on the engine: {why}");
                }
                Err(error)
            }
        }
    }

    /// Leaves it there.
    pub(crate) fn keep(&mut self) {
        self.0 = None;
    }

    /// Removes it, with its anonymous volumes, even if it runs.
    ///
    /// # Errors
    /// Where the engine refuses or cannot be reached.
    ///
    /// # Cancellation
    /// When dropped, a task of its own goes on.
    pub(crate) async fn remove(&mut self) -> Result<(), EngineError> {
        let Some(guarded) = &self.0 else {
            return Ok(());
        };
        let removed = guarded.remove().await;
        self.0 = None;
        removed
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let (Some(guarded), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                if let Err(error) = guarded.remove().await {
                    let name = &guarded.name;
                    tracing::warn!("container {name} may be left on the engine: {error}");
                }
            });
        }
    }
}

impl Guarded {
    async fn remove(&self) -> Result<(), EngineError> {
        // By its id: another one of that name is not meant.
        let found = match &self.id {
            Some(id) => Some(id.clone()),
            None => self.find().await?,
        };
        let Some(id) = found else {
            return Ok(());
        };
        let mut removed = self.engine.remove_container(&id, true, true).await;
        // What broke the connection of the run may have broken this as well; the next one is new.
        if matches!(&removed, Err(error) if error.is_unreachable()) {
            removed = self.engine.remove_container(&id, true, true).await;
        }
        match removed {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// The container whose creation was cut off, if it comes to be.
    async fn find(&self) -> Result<Option<String>, EngineError> {
        let end = Instant::now() + LOOK_FOR;
        let filter = ("label".to_owned(), format!("{RUN_LABEL}={}", self.mark));
        loop {
            let found = self
                .engine
                .containers(true, std::slice::from_ref(&filter))
                .await;
            let is_over = Instant::now() >= end;
            match found {
                Ok(found) => match found.into_iter().next() {
                    Some(container) => return Ok(Some(container.id)),
                    None if is_over => return Ok(None),
                    None => {}
                },
                Err(error) if is_over => return Err(error),
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether nothing can have been created.
fn is_definite(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Refused { .. } | EngineError::Invalid { .. } | EngineError::Argument { .. }
    )
}

/// Sixteen digits that nobody else has: the keys of the hasher are random.
pub(crate) fn mark() -> String {
    let number = RandomState::new().build_hasher().finish();
    format!("{number:016x}")
}

fn marked(body: &Value, mark: &str) -> Value {
    let mut body = body.clone();
    if let Some(fields) = body.as_object_mut() {
        let labels = fields.entry("Labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(RUN_LABEL.to_owned(), json!(mark));
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_container_has_a_mark_of_its_own() {
        let marks = [mark(), mark()];
        assert_ne!(marks[0], marks[1]);
        let body = json!({ "Image": "a", "Labels": { "team": "blue" } });
        assert_eq!(
            marked(&body, "7"),
            json!({ "Image": "a", "Labels": { "team": "blue", "dfab.run": "7" } })
        );
    }
}
