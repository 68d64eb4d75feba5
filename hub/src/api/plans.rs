//! Plans: the preview.

use hub_core::{
    adoption::Adoption,
    digest::Digest,
    plan::{Change, Finding, ObjectDiff, ObjectId, Plan, Severity, rule},
};
use proto::v1::{self, plans_server};
use tonic::{Request, Response, Status};

use super::convert;
use crate::{
    app::{
        App,
        plans::{self as use_case, ClusterPreview, Probed},
    },
    identity::problem,
};

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Plans(App);

impl Plans {
    /// The service for the server.
    #[must_use]
    pub fn server(app: App) -> plans_server::PlansServer<Self> {
        plans_server::PlansServer::new(Self(app)).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl plans_server::Plans for Plans {
    async fn preview(
        &self,
        request: Request<v1::PreviewPlanRequest>,
    ) -> Result<Response<v1::PreviewPlanResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::PreviewPlanRequest { config, version, cluster } = request.into_inner();
        let config = super::name("config", &config)?;
        let cluster = super::optional_name("cluster", &cluster)?;
        let version = super::optional_number(version);
        let preview = use_case::preview(&self.0, &config, version, cluster.as_ref()).await;
        let preview = preview.map_err(|error| problem::of(&error))?;
        Ok(Response::new(v1::PreviewPlanResponse {
            config: preview.config.to_string(),
            version: preview.version,
            clusters: preview.clusters.into_iter().map(cluster_plan).collect(),
            groups: Vec::new(),
        }))
    }

    async fn explain(
        &self,
        _: Request<v1::ExplainPlanRequest>,
    ) -> Result<Response<v1::ExplainPlanResponse>, Status> {
        Err(Status::unimplemented("not built yet"))
    }
}

fn cluster_plan(preview: ClusterPreview) -> v1::ClusterPlan {
    let ClusterPreview { cluster, platform, plan, diff, findings, probed, adoptions, deletions } = preview;
    let (platform, platform_detail) = convert::platform(platform);
    let namespaces =
        plan.iter().flat_map(|plan| &plan.document.namespaces).map(ToString::to_string).collect();
    let objects = diff.into_iter().map(|object| plan_object(object, plan.as_ref(), &adoptions)).collect();
    let (probed, not_probed) = match probed {
        Probed::Yes => (true, String::new()),
        Probed::No(why) => (false, why),
    };
    v1::ClusterPlan {
        cluster: cluster.to_string(),
        platform,
        platform_detail,
        plan_digest: plan.map(|plan| plan.digest.to_string()).unwrap_or_default(),
        objects,
        findings: findings.into_iter().map(finding).collect(),
        namespaces,
        probed,
        not_probed,
        deletions: u32::try_from(deletions).unwrap_or(u32::MAX),
        disruption: String::new(),
    }
}

fn plan_object(object: ObjectDiff, plan: Option<&Plan>, adoptions: &[Adoption]) -> v1::PlanObject {
    let ObjectDiff { id, change, phase, changes } = object;
    let change = match change {
        Change::Create => v1::Change::Create,
        Change::Update => v1::Change::Update,
        Change::Delete => v1::Change::Delete,
        Change::None => v1::Change::None,
        Change::Expect => v1::Change::Expect,
        Change::Adopt => v1::Change::Adopt,
        Change::Add => v1::Change::Add,
        Change::Template => v1::Change::Template,
    };
    let adoption = adoptions.iter().find(|adoption| adoption.id.same_object(&id));
    let change = if adoption.is_some() { v1::Change::Adopt } else { change };
    v1::PlanObject {
        change: change.into(),
        phase,
        reasons: plan.map(|plan| reasons(plan, &id)).unwrap_or_default(),
        manifest: plan.and_then(|plan| manifest(plan, &id)).unwrap_or_default(),
        changes: changes.iter().map(ToString::to_string).collect(),
        id: Some(convert::object_id(id)),
        adoption: adoption.map(|adoption| adoption.text.clone()).unwrap_or_default(),
        namespaces: Vec::new(),
    }
}

/// The rules that had a hand in an object, each with its sentence and its source.
fn reasons(plan: &Plan, id: &ObjectId) -> Vec<v1::PlanReason> {
    let rules = plan.reasons.get(id).into_iter().flatten();
    let reason = |rule: &rule::Rule| v1::PlanReason {
        rule: rule.id.to_string(),
        reason: rule.reason.to_owned(),
        source: rule.source.to_owned(),
    };
    rules.filter_map(|id| rule::find(*id)).map(reason).collect()
}

fn manifest(plan: &Plan, id: &ObjectId) -> Option<String> {
    let mut planned = plan.document.phases.iter().flat_map(|phase| &phase.objects);
    let body: Digest = planned.find(|object| object.id == *id)?.body;
    plan.bodies.get(&body).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn finding(finding: Finding) -> v1::Finding {
    let Finding { rule, severity, message, hint } = finding;
    let blocking = match severity {
        Severity::Blocks => true,
        Severity::Warns => false,
    };
    v1::Finding { rule, blocking, message, hint }
}
