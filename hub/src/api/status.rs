//! Status: the six conditions.

use hub_core::status::Condition;
use proto::v1::{self, status_server};
use tonic::{Request, Response};

use super::convert;
use crate::{
    app::{
        App,
        status::{self as use_case, ClusterStatus},
    },
    identity::problem,
};

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Status(App);

impl Status {
    /// The service for the server.
    #[must_use]
    pub fn server(app: App) -> status_server::StatusServer<Self> {
        status_server::StatusServer::new(Self(app)).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl status_server::Status for Status {
    async fn show(
        &self,
        request: Request<v1::ShowStatusRequest>,
    ) -> Result<Response<v1::ShowStatusResponse>, tonic::Status> {
        super::calling_operator(&request)?;
        let v1::ShowStatusRequest { cluster } = request.into_inner();
        let cluster = super::optional_name("cluster", &cluster)?;
        let statuses =
            use_case::show(&self.0, cluster.as_ref()).await.map_err(|error| problem::of(&error))?;
        Ok(Response::new(v1::ShowStatusResponse {
            clusters: statuses.into_iter().map(cluster_status).collect(),
        }))
    }
}

fn cluster_status(status: ClusterStatus) -> v1::ClusterStatus {
    let ClusterStatus { cluster, platform, config, generation, conditions, objects } = status;
    let (platform, platform_detail) = convert::platform(platform);
    let (config, version) = config.map(|(name, version)| (name.to_string(), version)).unwrap_or_default();
    v1::ClusterStatus {
        cluster: cluster.to_string(),
        platform,
        platform_detail,
        config,
        version,
        generation,
        conditions: conditions.into_iter().map(condition).collect(),
        objects: objects.into_iter().map(convert::object_state).collect(),
    }
}

fn condition(condition: Condition) -> v1::Condition {
    v1::Condition {
        r#type: condition.kind.to_string(),
        status: condition.status.to_string(),
        reason: condition.reason.to_string(),
        message: condition.message,
        hint: condition.hint,
    }
}
