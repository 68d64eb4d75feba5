//! Mesh configs by name, with all their versions.

use std::collections::BTreeSet;

use hub_core::fleet::Name;
use proto::v1::{self, configs_server};
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::{convert, rollouts::traceparent};
use crate::{
    app::{
        App,
        configs::{self as use_case, EffectiveLeaf, HistoryEntry, Overview},
        unassign::{self, Unassign, Unassignment},
    },
    identity::problem,
    telemetry,
};

/// Clusters that may be unassigned at once.
const MOST_CLUSTERS: usize = 5_000;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Configs(App);

impl Configs {
    /// The service for the server.
    #[must_use]
    pub fn server(app: App) -> configs_server::ConfigsServer<Self> {
        configs_server::ConfigsServer::new(Self(app)).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl configs_server::Configs for Configs {
    async fn list(
        &self,
        request: Request<v1::ListConfigsRequest>,
    ) -> Result<Response<v1::ListConfigsResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ListConfigsRequest {} = request.into_inner();
        let configs = use_case::list(&self.0).await.map_err(|error| problem::of(&error))?;
        Ok(Response::new(v1::ListConfigsResponse { configs: configs.into_iter().map(config).collect() }))
    }

    async fn show(
        &self,
        request: Request<v1::ShowConfigRequest>,
    ) -> Result<Response<v1::ShowConfigResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ShowConfigRequest { name, version, cluster } = request.into_inner();
        let name = super::name("name", &name)?;
        let cluster = super::optional_name("cluster", &cluster)?;
        let shown = use_case::show(&self.0, &name, super::optional_number(version), cluster.as_ref()).await;
        let shown = shown.map_err(|error| problem::of(&error))?;
        Ok(Response::new(v1::ShowConfigResponse {
            name: name.to_string(),
            version: shown.version,
            document: String::from_utf8_lossy(&shown.document).into_owned(),
            leaves: shown.leaves.into_iter().map(leaf).collect(),
            published_by: shown.published_by,
            published_at: convert::time(Some(shown.published_at)),
        }))
    }

    async fn history(
        &self,
        request: Request<v1::ConfigHistoryRequest>,
    ) -> Result<Response<v1::ConfigHistoryResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ConfigHistoryRequest { name } = request.into_inner();
        let entries = use_case::history(&self.0, &super::name("name", &name)?).await;
        let entries = entries.map_err(|error| problem::of(&error))?;
        let versions = entries.into_iter().map(version).collect();
        Ok(Response::new(v1::ConfigHistoryResponse { versions }))
    }

    async fn diff(
        &self,
        request: Request<v1::DiffConfigRequest>,
    ) -> Result<Response<v1::DiffConfigResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::DiffConfigRequest { name, from, to } = request.into_inner();
        let name = super::name("name", &name)?;
        let from = super::optional_number(from)
            .ok_or_else(|| problem::bad_field("from", "versions are counted from 1"))?;
        let diff = use_case::diff(&self.0, &name, from, super::optional_number(to)).await;
        let diff = diff.map_err(|error| problem::of(&error))?;
        let changes = diff.changes.into_iter().map(convert::document_change).collect();
        Ok(Response::new(v1::DiffConfigResponse { from: diff.from, to: diff.to, changes }))
    }

    async fn unassign(
        &self,
        request: Request<v1::UnassignRequest>,
    ) -> Result<Response<v1::UnassignResponse>, Status> {
        let operator = super::calling_operator(&request)?;
        let traceparent = traceparent(&request);
        let v1::UnassignRequest { clusters, confirm_deletions, preview } = request.into_inner();
        let clusters = names(&clusters)?;
        let (rollout, unassignments) = if preview {
            (0, unassign::preview(&self.0, &clusters).await.map_err(|error| problem::of(&error))?)
        } else {
            let wanted = Unassign { clusters, confirm_deletions, traceparent };
            let transaction = telemetry::transaction("start removal");
            let started = unassign::start(&self.0, &operator, &wanted).instrument(transaction.clone()).await;
            let (number, unassignments) = started.map_err(|error| problem::of(&error))?;
            transaction.record("rollout.id", number);
            tracing::info!(
                rollout.id = number,
                operator = operator.name,
                traceparent = wanted.traceparent,
                "the removal of a mesh was started"
            );
            (number, unassignments)
        };
        let deletions = unassignments.iter().map(|one| one.deletes.len()).sum::<usize>();
        Ok(Response::new(v1::UnassignResponse {
            rollout,
            clusters: unassignments.into_iter().map(unassignment).collect(),
            deletions: count(deletions),
        }))
    }
}

fn names(clusters: &[String]) -> Result<BTreeSet<Name>, Status> {
    if clusters.is_empty() || clusters.len() > MOST_CLUSTERS {
        let why = format!("name 1 to {MOST_CLUSTERS} clusters; {} are named", clusters.len());
        return Err(problem::bad_field("clusters", why));
    }
    clusters.iter().map(|name| super::name("clusters", name)).collect()
}

fn config(overview: Overview) -> v1::Config {
    let Overview { name, newest, selects, running_newest, published_by, published_at } = overview;
    v1::Config {
        name: name.to_string(),
        newest_version: newest,
        selects: selects.iter().map(ToString::to_string).collect(),
        running_newest: count(running_newest),
        published_by,
        published_at: convert::time(Some(published_at)),
    }
}

fn leaf(leaf: EffectiveLeaf) -> v1::EffectiveLeaf {
    let EffectiveLeaf { path, value, layer, line } = leaf;
    let (file, line) = line.unwrap_or_default();
    v1::EffectiveLeaf { path, value: value.to_string(), layer, file, line }
}

fn version(entry: HistoryEntry) -> v1::ConfigVersion {
    let HistoryEntry { version, published_by, published_at, changes, clusters } = entry;
    v1::ConfigVersion {
        version,
        published_by,
        published_at: convert::time(Some(published_at)),
        changes: count(changes),
        clusters: clusters.iter().map(ToString::to_string).collect(),
    }
}

fn unassignment(unassignment: Unassignment) -> v1::ClusterUnassignment {
    let Unassignment { cluster, deletes, stays } = unassignment;
    v1::ClusterUnassignment { cluster: cluster.to_string(), deletes, stays }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
