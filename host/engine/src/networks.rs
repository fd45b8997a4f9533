//! Networks, and containers in them.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::call::checked_name;
use crate::engine::{Engine, with_filters};
use crate::error::EngineError;
use crate::summary::NetworkSummary;

impl Engine {
    /// `GET /networks`. Filters as for [`Engine::containers`].
    ///
    /// # Errors
    /// [`EngineError`] when the call fails.
    pub async fn networks(
        &self,
        filters: &[(String, String)],
    ) -> Result<Vec<NetworkSummary>, EngineError> {
        let path = with_filters("/networks?", filters);
        self.json("list networks", Method::GET, &path, None).await
    }

    /// Creates a network from the body of `POST /networks/create`, and returns its id.
    ///
    /// # Errors
    /// [`EngineError::is_conflict`] when the name is taken.
    pub async fn create_network(&self, body: &Value) -> Result<String, EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            id: String,
        }
        let operation = format!("create network {}", name_in(body));
        let created: Created = self
            .json(&operation, Method::POST, "/networks/create", Some(body))
            .await?;
        Ok(created.id)
    }

    /// Removes a network.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is none; refused while containers are in it.
    pub async fn remove_network(&self, network: &str) -> Result<(), EngineError> {
        let operation = format!("remove network {network}");
        let path = format!("/networks/{}", checked_name(&operation, network)?);
        self.told(&operation, Method::DELETE, &path, None).await
    }

    /// Puts a container into a network. The endpoint is an `EndpointSettings` of the Engine API
    /// (aliases, fixed addresses), or `null`.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when it is in the network already, or one of them does not exist.
    pub async fn connect_network(
        &self,
        network: &str,
        container: &str,
        endpoint: &Value,
    ) -> Result<(), EngineError> {
        let operation = format!("connect container {container} to network {network}");
        let path = format!("/networks/{}/connect", checked_name(&operation, network)?);
        let mut body = json!({ "Container": checked_name(&operation, container)? });
        if let (Some(fields), false) = (body.as_object_mut(), endpoint.is_null()) {
            fields.insert("EndpointConfig".to_owned(), endpoint.clone());
        }
        self.told(&operation, Method::POST, &path, Some(&body))
            .await
    }

    /// Takes a container out of a network.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when it is not in the network, or one of them does not exist.
    pub async fn disconnect_network(
        &self,
        network: &str,
        container: &str,
    ) -> Result<(), EngineError> {
        let operation = format!("disconnect container {container} from network {network}");
        let path = format!(
            "/networks/{}/disconnect",
            checked_name(&operation, network)?
        );
        let body = json!({ "Container": checked_name(&operation, container)? });
        self.told(&operation, Method::POST, &path, Some(&body))
            .await
    }
}

/// The name that a body gives to the object, for messages.
pub(crate) fn name_in(body: &Value) -> &str {
    body.get("Name")
        .and_then(Value::as_str)
        .unwrap_or("without a name")
}
