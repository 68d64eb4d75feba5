//! The drift report.

use proto::v1::{self, drift_server};
use tonic::{Request, Response, Status};

use super::convert;
use crate::{
    app::{
        App,
        drift::{self as use_case, OpenItem},
    },
    identity::problem,
};

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Drift(App);

impl Drift {
    /// The service for the server.
    #[must_use]
    pub fn server(app: App) -> drift_server::DriftServer<Self> {
        drift_server::DriftServer::new(Self(app)).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl drift_server::Drift for Drift {
    async fn report(
        &self,
        request: Request<v1::ReportDriftRequest>,
    ) -> Result<Response<v1::ReportDriftResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ReportDriftRequest { cluster } = request.into_inner();
        let cluster = super::optional_name("cluster", &cluster)?;
        let items = use_case::report(&self.0, cluster.as_ref()).await.map_err(|error| problem::of(&error))?;
        Ok(Response::new(v1::ReportDriftResponse { items: items.into_iter().map(open_item).collect() }))
    }
}

fn open_item(open: OpenItem) -> v1::ClusterDriftItem {
    let OpenItem { cluster, item, first_seen_at } = open;
    v1::ClusterDriftItem {
        cluster: cluster.to_string(),
        item: Some(convert::drift_item(item)),
        first_seen_at: convert::time(Some(first_seen_at)),
    }
}
