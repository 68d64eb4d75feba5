//! What all hubs on a database share: its epoch.

use hub_core::digest::Digest;
use proto::v1::{self, hub_server};
use tonic::{Request, Response, Status};

use crate::{
    app::{App, hub as use_case},
    identity::problem,
};

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    app: App,
    ca: Digest,
}

impl Hub {
    /// The service for the server; `ca` is the fingerprint of the hub's CA.
    #[must_use]
    pub fn server(app: App, ca: Digest) -> hub_server::HubServer<Self> {
        hub_server::HubServer::new(Self { app, ca }).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl hub_server::Hub for Hub {
    async fn epoch(&self, request: Request<v1::EpochRequest>) -> Result<Response<v1::EpochResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::EpochRequest {} = request.into_inner();
        let epoch = use_case::epoch(&self.app).await.map_err(|error| problem::of(&error))?;
        Ok(Response::new(v1::EpochResponse { epoch, ca_fingerprint: self.ca.to_string() }))
    }

    async fn new_epoch(
        &self,
        request: Request<v1::NewEpochRequest>,
    ) -> Result<Response<v1::NewEpochResponse>, Status> {
        let operator = super::calling_operator(&request)?;
        let v1::NewEpochRequest {} = request.into_inner();
        let begun = use_case::new_epoch(&self.app, &operator).await;
        let (former, epoch) = begun.map_err(|error| problem::of(&error))?;
        Ok(Response::new(v1::NewEpochResponse { epoch, former }))
    }
}
