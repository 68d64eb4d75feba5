//! Operators: who may call this API.

use std::sync::Arc;

use proto::v1::{self, operators_server};
use tonic::{Code, Request, Response, Status};

use super::convert;
use crate::{
    app::{
        App,
        operators::{self as use_case, Membership, Operator, Revoked, Role},
    },
    identity::{authority::Authority, csr::PublicKey, problem},
    telemetry,
};

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Operators {
    app: App,
    authority: Arc<Authority>,
}

impl Operators {
    /// The service for the server.
    #[must_use]
    pub fn server(app: App, authority: Arc<Authority>) -> operators_server::OperatorsServer<Self> {
        operators_server::OperatorsServer::new(Self { app, authority })
            .max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl operators_server::Operators for Operators {
    async fn add(
        &self,
        request: Request<v1::AddOperatorRequest>,
    ) -> Result<Response<v1::AddOperatorResponse>, Status> {
        let by = super::calling_operator(&request)?;
        let v1::AddOperatorRequest { name, role, csr } = request.into_inner();
        let (name, role) = (super::name("name", &name)?, self::role(&role)?);
        let key = PublicKey::from_request(&csr).map_err(|error| problem::bad_field("csr", error))?;
        let added = use_case::add(&self.app, &by, &name, role).await.map_err(|error| problem::of(&error))?;
        let certified = self.authority.certify_operator(&key, added.id, self.app.clock.now());
        let issued = certified.map_err(|error| {
            tracing::error!(error = telemetry::chain(&error), "an operator could not be certified");
            problem::status(
                Code::Internal,
                "hub.failed",
                "the operator was added and could not be certified",
                format!("look into the hub's log, then `meshfleet operator revoke {name}` and add him again"),
            )
        })?;
        Ok(Response::new(v1::AddOperatorResponse {
            id: added.id.to_string(),
            certificate: issued.certificate,
            ca: self.authority.pem().to_owned(),
            expires_at: issued.expires_at.to_string(),
        }))
    }

    async fn list(
        &self,
        request: Request<v1::ListOperatorsRequest>,
    ) -> Result<Response<v1::ListOperatorsResponse>, Status> {
        let caller = super::calling_operator(&request)?;
        let v1::ListOperatorsRequest {} = request.into_inner();
        let all = use_case::list(&self.app).await.map_err(|error| problem::of(&error))?;
        let operators = all.into_iter().map(|membership| operator(membership, &caller)).collect();
        Ok(Response::new(v1::ListOperatorsResponse { operators }))
    }

    async fn revoke(
        &self,
        request: Request<v1::RevokeOperatorRequest>,
    ) -> Result<Response<v1::RevokeOperatorResponse>, Status> {
        let by = super::calling_operator(&request)?;
        let v1::RevokeOperatorRequest { name } = request.into_inner();
        let name = super::name("name", &name)?;
        let unchanged = match use_case::revoke(&self.app, &by, &name).await {
            Ok(Revoked::Now) => false,
            Ok(Revoked::Before) => true,
            Err(error) => return Err(problem::of(&error)),
        };
        Ok(Response::new(v1::RevokeOperatorResponse { unchanged }))
    }
}

fn role(text: &str) -> Result<Role, Status> {
    let known = Role::ALL.into_iter().find(|role| role.as_str() == text);
    known.ok_or_else(|| problem::bad_field("role", "not one of Viewer, Author, Approver, Admin"))
}

fn operator(membership: Membership, caller: &Operator) -> v1::Operator {
    let Membership { operator, added_at, revoked_at } = membership;
    v1::Operator {
        caller: operator.id == caller.id,
        id: operator.id.to_string(),
        name: operator.name,
        role: operator.role.to_string(),
        added_at: added_at.to_string(),
        revoked_at: convert::time(revoked_at),
    }
}
