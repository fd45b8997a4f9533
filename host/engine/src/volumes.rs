//! Volumes.

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::call::checked_name;
use crate::engine::{Engine, with_filters};
use crate::error::EngineError;
use crate::networks::name_in;
use crate::summary::{VolumeSummary, nullable};

impl Engine {
    /// `GET /volumes`. Filters as for [`Engine::containers`].
    ///
    /// # Errors
    /// [`EngineError`] when the call fails.
    pub async fn volumes(
        &self,
        filters: &[(String, String)],
    ) -> Result<Vec<VolumeSummary>, EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Volumes {
            #[serde(default, deserialize_with = "nullable")]
            volumes: Vec<VolumeSummary>,
        }
        let path = with_filters("/volumes?", filters);
        let answer: Volumes = self.json("list volumes", Method::GET, &path, None).await?;
        Ok(answer.volumes)
    }

    /// Creates a volume from the body of `POST /volumes/create`. One that exists is
    /// left as it is.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when the driver does.
    pub async fn create_volume(&self, body: &Value) -> Result<(), EngineError> {
        let operation = format!("create volume {}", name_in(body));
        self.told(&operation, Method::POST, "/volumes/create", Some(body))
            .await
    }

    /// Removes a volume with all that is in it.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is none, [`EngineError::is_conflict`] while a
    /// container uses it.
    pub async fn remove_volume(&self, volume: &str) -> Result<(), EngineError> {
        let operation = format!("remove volume {volume}");
        let path = format!("/volumes/{}", checked_name(&operation, volume)?);
        self.told(&operation, Method::DELETE, &path, None).await
    }
}
