//! A rule that were wrong would be seen twice: the referee blocks its plan, and the operator's stand-in refuses what it says.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use hub_core::{
    config::{self, MeshConfig},
    document::{self, Source, Spec},
    fleet::{Cluster as Member, ClusterId, ClusterVersion, Facts, Infrastructure, Name},
    plan::{
        self, ObjectId, Plan, PlanInput, Severity,
        input::{MeshInput, Projection},
        installer::sail as installer,
        requirement::{Fields, Requirement},
        rule::{self, Phase, Rule},
    },
    platform::PlatformName,
};
use kube::api::{Api, ApiResource, DynamicObject};
use serde_json::{Value, json};
use tests::{
    clusters::{Etcd, apply::Applier, standin::sail, wait::until},
    fleet::{Cluster, Dress},
};
use uuid::Uuid;

const WITHIN: Duration = Duration::from_secs(60);

const MESH: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {names: [one]}
  base:
    mesh: {id: payments}
    istio: {version: 1.30.2}
    installer: {kind: sail}
    dataPlane: {namespaces: {names: [shop]}}
";

#[tokio::test]
async fn a_platform_that_no_chart_knows() -> Result<()> {
    let rules = with("sail.platform", |_, _| {
        let platform = json!({"spec": {"values": {"global": {"platform": "eks"}}}});
        vec![Requirement::plan(installer::istio(), Phase::ControlPlane, vec![Fields::required(platform)])]
    });
    let facts = Facts { kubernetes_version: "v1.33.1-eks-1".to_owned(), ..served(&[]) };
    let plan = blocked(&rules, PlatformName::Eks, &facts, "sail.platform-unknown")?;
    refused(Dress::Eks, &plan, (&sail::istios(), "unknown platform eks")).await
}

#[tokio::test]
async fn an_attachment_definition_that_is_helms() -> Result<()> {
    let rules = with("openshift.sail.attachment", |_, _| {
        let attachment =
            ObjectId::new("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition", "default", "istio-cni");
        vec![Requirement::plan(attachment, Phase::Prerequisites, vec![Fields::required(json!({"spec": {}}))])]
    });
    let plan = blocked(&rules, PlatformName::Rosa, &openshift(), "helm.owned")?;
    refused(Dress::RosaHcp, &plan, (&sail::istio_cnis(), "invalid ownership metadata")).await
}

#[tokio::test]
async fn a_namespace_that_is_forgotten() -> Result<()> {
    let rules = with("sail.namespace", |_, _| Vec::new());
    let facts = Facts { kubernetes_version: "v1.33.1-eks-1".to_owned(), ..served(&[]) };
    let plan = blocked(&rules, PlatformName::Eks, &facts, "sail.namespace-missing")?;
    refused(Dress::Eks, &plan, (&sail::istios(), "namespace \"istio-system\" doesn't exist")).await
}

/// All rules, one of them broken.
fn with(id: &str, yields: fn(&MeshInput, &Projection) -> Vec<Requirement>) -> Vec<Rule> {
    let broken = |rule: &Rule| if rule.id.0 == id { Rule { yields, ..*rule } } else { *rule };
    rule::registry().iter().map(broken).collect()
}

fn served(kinds: &[&str]) -> Facts {
    let operator = ["sailoperator.io/Istio", "sailoperator.io/IstioCNI", "sailoperator.io/IstioRevision"];
    let kinds = operator.iter().chain(kinds).map(|kind| (*kind).to_owned()).collect();
    Facts { kinds, ..Facts::default() }
}

fn openshift() -> Facts {
    let kinds = [
        "config.openshift.io/ClusterVersion",
        "k8s.cni.cncf.io/NetworkAttachmentDefinition",
        "operator.openshift.io/OpenShiftAPIServer",
        "security.openshift.io/SecurityContextConstraints",
    ];
    let version = "4.20.5".to_owned();
    Facts {
        kubernetes_version: "v1.33.1".to_owned(),
        cluster_version: Some(ClusterVersion { current: version.clone(), desired: version }),
        infrastructure: Some(Infrastructure {
            platform_type: "AWS".to_owned(),
            control_plane_topology: "External".to_owned(),
            resource_tags: BTreeMap::from([("red-hat-clustertype".to_owned(), "rosa".to_owned())]),
        }),
        ..served(&kinds)
    }
}

fn mesh() -> Result<MeshConfig> {
    let source = Source { name: "mesh.yaml".to_owned(), text: MESH.as_bytes().to_vec() };
    let documents = document::parse(&[source]).map_err(|mistakes| anyhow::anyhow!("{mistakes:#?}"))?;
    match documents.into_iter().next().map(|document| document.spec) {
        Some(Spec::MeshConfig(config)) => Ok(config),
        _ => anyhow::bail!("no mesh config"),
    }
}

/// The plan of the broken rules, which the referee must block, while it finds nothing in the plan of the true ones.
fn blocked(rules: &[Rule], platform: PlatformName, facts: &Facts, finding: &str) -> Result<Plan> {
    let config = mesh()?;
    let one = Name::parse("one")?;
    let member = Member {
        id: ClusterId(Uuid::from_u128(1)),
        name: one.clone(),
        labels: BTreeMap::new(),
        declared: None,
        network: None,
        variables: BTreeMap::new(),
        facts: Some(facts.clone()),
    };
    let wanted = config::effective(&config, &member).map_err(|problems| anyhow::anyhow!("{problems:#?}"))?;
    let planned = |rules: &[Rule]| {
        plan::plan(&PlanInput::new((&one, &wanted), &member, (facts, platform), rules), rules)
    };
    let blocks = |plan: &Plan| -> Vec<String> {
        let findings = plan::check(plan, facts).into_iter();
        findings.filter(|one| one.severity == Severity::Blocks).map(|one| one.rule).collect()
    };
    let sound = blocks(&planned(rule::registry())?);
    ensure!(sound.is_empty(), "the true rules are blocked: {sound:?}");
    let broken = planned(rules)?;
    let found = blocks(&broken);
    ensure!(found.iter().any(|rule| rule == finding), "the referee says {found:?}");
    Ok(broken)
}

/// Applies a plan as a spoke would, and waits for the operator to refuse it in these words.
async fn refused(dress: Dress, plan: &Plan, (kind, words): (&ApiResource, &str)) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let etcd = Etcd::start(folder.path()).await?;
    let cluster = Cluster::start(&etcd, "one", dress, sail::Options::default()).await?;
    let mut applier = Applier::new(&cluster.admin, "meshfleet");
    for name in &plan.document.namespaces {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        applier.apply(namespace).await?;
    }
    for object in plan.document.phases.iter().flat_map(|phase| &phase.objects) {
        let body = plan.bodies.get(&object.body).context("a body of the plan")?;
        applier.apply(serde_json::from_slice(body)?).await?;
    }
    let api: Api<DynamicObject> = Api::all_with(cluster.admin.clone(), kind);
    until(&format!("{} to be refused", kind.kind), WITHIN, || async {
        let status = api.get("default").await?.data["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let said = |one: &Value| one["message"].as_str().is_some_and(|message| message.contains(words));
        Ok((status["state"] == "ReconcileError" && conditions.iter().any(said)).then_some(()))
    })
    .await
}
