//! Plans: the preview, and why each value is there.

mod explain;

use std::collections::{BTreeMap, BTreeSet};

use hub_core::plan::{Change, Group, ObjectDiff, ObjectId, Plan, rule};
use proto::v1::{self, plans_server};
use tonic::{Request, Response, Status};

use super::convert;
use crate::{
    app::{
        App,
        plans::{self as use_case, ClusterPreview, Preview, PreviewGroup, Probed, Wanted},
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
        let Preview { config, version, clusters, groups } = preview;
        let detail = if groups.is_empty() { Detail::Objects } else { Detail::Thin };
        Ok(Response::new(v1::PreviewPlanResponse {
            config: config.to_string(),
            version,
            clusters: clusters.into_iter().map(|cluster| cluster_plan(cluster, detail)).collect(),
            groups: groups.into_iter().map(plan_group).collect(),
        }))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainPlanRequest>,
    ) -> Result<Response<v1::ExplainPlanResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ExplainPlanRequest { cluster, version, object, path } = request.into_inner();
        let cluster = super::name("cluster", &cluster)?;
        let wanted = Wanted { version: super::optional_number(version), object, path };
        let explained = use_case::explain(&self.0, &cluster, &wanted).await;
        Ok(Response::new(explain::response(explained.map_err(|error| problem::of(&error))?)))
    }

    async fn diff(
        &self,
        request: Request<v1::DiffPlansRequest>,
    ) -> Result<Response<v1::DiffPlansResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::DiffPlansRequest { one, other } = request.into_inner();
        let (one, other) = (super::name("one", &one)?, super::name("other", &other)?);
        let explained = use_case::explain_two(&self.0, &one, &other).await;
        let (one, other) = explained.map_err(|error| problem::of(&error))?;
        Ok(Response::new(explain::compared(&one, &other)))
    }
}

/// How much is said of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Its objects too.
    Objects,
    /// What tells it from the others of its group.
    Thin,
}

fn cluster_plan(preview: ClusterPreview, detail: Detail) -> v1::ClusterPlan {
    let ClusterPreview {
        cluster,
        platform,
        plan,
        diff,
        findings,
        probed,
        adoptions,
        selected,
        deletions,
        unreached,
        disruption,
        rights: _,
        heal,
        heal_changes,
    } = preview;
    let (platform, platform_detail) = convert::platform(platform);
    let namespaces =
        plan.iter().flat_map(|plan| &plan.document.namespaces).map(ToString::to_string).collect();
    let shown = Shown { plan: plan.as_ref(), adoptions: &adoptions, selected: &selected };
    let objects = match detail {
        Detail::Objects => diff
            .into_iter()
            .map(|object| {
                let manifest = plan.as_ref().and_then(|plan| manifest(plan, &object.id));
                shown.object(object, manifest)
            })
            .collect(),
        Detail::Thin => Vec::new(),
    };
    let (probed, not_probed) = match probed {
        Probed::Yes => (true, String::new()),
        Probed::No(why) => (false, why),
    };
    v1::ClusterPlan {
        cluster: cluster.to_string(),
        platform,
        platform_detail,
        objects,
        findings: findings.into_iter().map(convert::finding).collect(),
        namespaces,
        probed,
        not_probed,
        deletions: u32::try_from(deletions).unwrap_or(u32::MAX),
        disruption: disruption.class.to_string(),
        disruption_by: disruption.by,
        plan_digest: plan.map(|plan| plan.digest.to_string()).unwrap_or_default(),
        unreached,
        heals: heal.iter().map(|class| class.as_str().to_owned()).collect(),
        heal_changes,
    }
}

fn plan_group(preview: PreviewGroup) -> v1::PlanGroup {
    let PreviewGroup { group, adoptions, selected, plan } = preview;
    let Group { clusters, platforms, why, objects, manifests, findings, namespaces, disruption } = group;
    let shown = Shown { plan: plan.as_ref(), adoptions: &adoptions, selected: &selected };
    let objects = objects.into_iter().map(|object| {
        let manifest = manifests.get(&object.id).map(ToString::to_string);
        shown.object(object, manifest)
    });
    v1::PlanGroup {
        clusters: clusters.iter().map(ToString::to_string).collect(),
        platforms,
        why,
        objects: objects.collect(),
        findings: findings.into_iter().map(convert::finding).collect(),
        namespaces: namespaces.iter().map(ToString::to_string).collect(),
        disruption: disruption.class.to_string(),
        disruption_by: disruption.by,
    }
}

/// What is shown beside a diff.
struct Shown<'a> {
    plan: Option<&'a Plan>,
    adoptions: &'a BTreeMap<ObjectId, Vec<String>>,
    selected: &'a BTreeMap<ObjectId, BTreeSet<String>>,
}

impl Shown<'_> {
    fn object(&self, object: ObjectDiff, manifest: Option<String>) -> v1::PlanObject {
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
        v1::PlanObject {
            change: change.into(),
            phase,
            reasons: self.plan.map(|plan| reasons(plan, &id)).unwrap_or_default(),
            manifest: manifest.unwrap_or_default(),
            changes: changes.iter().map(ToString::to_string).collect(),
            adoption: self.adoptions.get(&id).map(|texts| texts.join("; ")).unwrap_or_default(),
            namespaces: self.selected.get(&id).into_iter().flatten().cloned().collect(),
            id: Some(convert::object_id(id)),
        }
    }
}

/// The rules that had a hand in an object, each with its sentence and its source.
fn reasons(plan: &Plan, id: &ObjectId) -> Vec<v1::PlanReason> {
    let rules = plan.reasons.get(id).into_iter().flatten();
    rules.filter_map(|id| rule::find(*id)).map(reason).collect()
}

fn reason(rule: &rule::Rule) -> v1::PlanReason {
    v1::PlanReason {
        rule: rule.id.to_string(),
        reason: rule.reason.to_owned(),
        source: rule.source.to_owned(),
    }
}

fn manifest(plan: &Plan, id: &ObjectId) -> Option<String> {
    let document = &plan.document;
    let objects = document.phases.iter().flat_map(|phase| &phase.objects);
    let additions = document.additions.iter().map(|addition| (&addition.id, addition.body));
    let templates = document.templates.iter().map(|template| (&template.id, template.body));
    let mut bodies = objects.map(|object| (&object.id, object.body)).chain(additions).chain(templates);
    let (_, body) = bodies.find(|(known, _)| *known == id)?;
    plan.bodies.get(&body).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}
