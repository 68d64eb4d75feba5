//! Clusters: inviting, listing, showing and detaching them.

mod facts;
mod reconcile;
mod rights;

use hub_core::plan::rights::Extent;
use proto::v1::{self, clusters_server};
use tonic::{Code, Request, Response, Status};

use super::{convert, rollouts};
use crate::{
    app::{
        App,
        checks::{self, Checked},
        clusters::{
            self as use_case, ClusterDetails, ClusterOverview, ClusterState, Detached, NewToken, Present,
        },
        installation::{self, Installation},
        plans::{self, Probed},
    },
    identity::{authority::Authority, problem, token::Token},
};

use std::sync::Arc;

/// How long a token can be used if nobody says otherwise, in seconds: long enough to start a spoke by hand.
const DEFAULT_TTL_S: u32 = 600;

/// The longest that a token can be used, in seconds: a day.
const LONGEST_TTL_S: u32 = 24 * 60 * 60;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clusters {
    app: App,
    authority: Arc<Authority>,
}

impl Clusters {
    /// The service for the server.
    #[must_use]
    pub fn server(app: App, authority: Arc<Authority>) -> clusters_server::ClustersServer<Self> {
        clusters_server::ClustersServer::new(Self { app, authority })
            .max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl clusters_server::Clusters for Clusters {
    async fn enrol(
        &self,
        request: Request<v1::EnrolClusterRequest>,
    ) -> Result<Response<v1::EnrolClusterResponse>, Status> {
        let operator = super::calling_operator(&request)?;
        let v1::EnrolClusterRequest { name, token_ttl_s, spoke_image, hub_address, replace } =
            request.into_inner();
        let name = super::name("name", &name)?;
        let wanted = !spoke_image.is_empty();
        if wanted {
            installation::image(&spoke_image).map_err(|why| problem::bad_field("the spoke's image", why))?;
            installation::hub(&hub_address).map_err(|why| problem::bad_field("the hub's address", why))?;
        }
        let ttl_s = if token_ttl_s == 0 { DEFAULT_TTL_S } else { token_ttl_s };
        if ttl_s > LONGEST_TTL_S {
            return Err(problem::status(
                Code::InvalidArgument,
                "token.ttl",
                format!("a token that lives for {token_ttl_s} s is not issued: a day at most"),
                "say `--ttl` of at most 24h, or leave it out for 10 minutes",
            ));
        }
        let token = Token::new(self.authority.fingerprint());
        let present = if replace { Present::Replace } else { Present::Keep };
        let new = NewToken { id: token.id, secret_hash: token.secret_hash(), ttl_s, present };
        let issued = use_case::issue_token(&self.app, &operator, &name, new).await;
        let issued = issued.map_err(|error| problem::of(&error))?;
        let (token, expires_at) = (token.reveal(), issued.expires_at);
        let manifest = wanted.then(|| {
            let (image, hub) = (spoke_image.as_str(), hub_address.as_str());
            installation::manifest(Installation { image, hub, token: &token, expires_at })
        });
        Ok(Response::new(v1::EnrolClusterResponse {
            cluster_id: issued.cluster_id.to_string(),
            token,
            expires_at: expires_at.to_string(),
            connected: issued.connected,
            manifest: manifest.unwrap_or_default(),
        }))
    }

    async fn list(
        &self,
        request: Request<v1::ListClustersRequest>,
    ) -> Result<Response<v1::ListClustersResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ListClustersRequest {} = request.into_inner();
        let clusters = use_case::list(&self.app).await.map_err(|error| problem::of(&error))?;
        Ok(Response::new(v1::ListClustersResponse { clusters: clusters.into_iter().map(cluster).collect() }))
    }

    async fn show(
        &self,
        request: Request<v1::ShowClusterRequest>,
    ) -> Result<Response<v1::ShowClusterResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ShowClusterRequest { name } = request.into_inner();
        let name = super::name("name", &name)?;
        let details = use_case::show(&self.app, &name).await.map_err(|error| problem::of(&error))?;
        let ClusterDetails { overview, document, spoke_version, enrolled_at, network, spoke_is_ahead } =
            details;
        let document = document.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Response::new(v1::ShowClusterResponse {
            document: document.unwrap_or_default(),
            spoke_version: spoke_version.unwrap_or_default(),
            enrolled_at: convert::time(enrolled_at),
            network: network.map(|network| network.to_string()).unwrap_or_default(),
            spoke_is_ahead,
            variables: overview.cluster.variables.clone().into_iter().collect(),
            cluster: Some(cluster(overview)),
        }))
    }

    async fn facts(
        &self,
        request: Request<v1::ShowClusterRequest>,
    ) -> Result<Response<v1::ClusterFactsResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ShowClusterRequest { name } = request.into_inner();
        let name = super::name("name", &name)?;
        let details = use_case::show(&self.app, &name).await.map_err(|error| problem::of(&error))?;
        Ok(Response::new(facts::response(details.overview)))
    }

    async fn detach(
        &self,
        request: Request<v1::DetachClusterRequest>,
    ) -> Result<Response<v1::DetachClusterResponse>, Status> {
        let operator = super::calling_operator(&request)?;
        let v1::DetachClusterRequest { name } = request.into_inner();
        let name = super::name("name", &name)?;
        let detached = use_case::detach(&self.app, &operator, &name).await;
        let unchanged = match detached.map_err(|error| problem::of(&error))? {
            Detached::Now => false,
            Detached::Before => true,
        };
        Ok(Response::new(v1::DetachClusterResponse { unchanged }))
    }

    async fn reconcile(
        &self,
        request: Request<v1::ReconcileClusterRequest>,
    ) -> Result<Response<v1::ReconcileClusterResponse>, Status> {
        let operator = super::calling_operator(&request)?;
        let traceparent = rollouts::traceparent(&request);
        let request = request.into_inner();
        let name = super::name("name", &request.name)?;
        reconcile::answer(&self.app, &operator, (&name, &request, traceparent)).await.map(Response::new)
    }

    async fn rights(
        &self,
        request: Request<v1::ClusterRightsRequest>,
    ) -> Result<Response<v1::ClusterRightsResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ClusterRightsRequest { name, all } = request.into_inner();
        let name = super::name("name", &name)?;
        let details = use_case::show(&self.app, &name).await.map_err(|error| problem::of(&error))?;
        let namespaces = details.overview.cluster.facts.iter().flat_map(|facts| &facts.namespaces);
        let namespaces = namespaces.map(|namespace| namespace.name.as_str()).collect();
        let preview = plans::of_cluster(&self.app, &name).await.map_err(|error| problem::of(&error))?;
        let extent = if all { Extent::All } else { Extent::Lacked };
        rights::response(preview, &namespaces, extent).map(Response::new)
    }

    async fn check(
        &self,
        request: Request<v1::CheckClustersRequest>,
    ) -> Result<Response<v1::CheckClustersResponse>, Status> {
        super::calling_operator(&request)?;
        let names = request.into_inner().names;
        let names = names.iter().map(|name| super::name("names", name)).collect::<Result<_, _>>()?;
        let checked = checks::check(&self.app, &names).await.map_err(|error| problem::of(&error))?;
        let clusters = checked.into_iter().map(checked_cluster).collect();
        Ok(Response::new(v1::CheckClustersResponse { clusters }))
    }
}

fn checked_cluster(checked: Checked) -> v1::CheckedCluster {
    let Checked { cluster, detection, config, probed, findings } = checked;
    let (platform, platform_detail) = convert::platform(detection);
    let (config, version) = config.map(|(name, number)| (name.to_string(), number)).unwrap_or_default();
    let (probed, not_probed) = match probed {
        Some(Probed::Yes) => (true, String::new()),
        Some(Probed::No(why)) => (false, why),
        None => (false, String::new()),
    };
    v1::CheckedCluster {
        cluster: cluster.to_string(),
        platform,
        platform_detail,
        config,
        version,
        probed,
        not_probed,
        findings: findings.into_iter().map(convert::finding).collect(),
    }
}

fn cluster(overview: ClusterOverview) -> v1::Cluster {
    let ClusterOverview { cluster, state, detection, connected, last_seen_at } = overview;
    let (platform, platform_detail) = convert::platform(detection);
    let state = match state {
        ClusterState::Invited => "Invited",
        ClusterState::Active => "Active",
        ClusterState::Detached => "Detached",
    };
    v1::Cluster {
        id: cluster.id.to_string(),
        name: cluster.name.to_string(),
        labels: cluster.labels.into_iter().collect(),
        platform,
        platform_detail,
        declared_platform: cluster.declared.map(|platform| platform.to_string()).unwrap_or_default(),
        kubernetes_version: cluster.facts.map(|facts| facts.kubernetes_version).unwrap_or_default(),
        state: state.to_owned(),
        connected,
        last_seen_at: convert::time(last_seen_at),
    }
}
