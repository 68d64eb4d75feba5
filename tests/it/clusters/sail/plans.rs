//! Plans of our own with a rule broken, each before the stand-in: what the operator refuses, the referee has said
//! beforehand.

use anyhow::{Context, Result, bail, ensure};
use hub_core::{
    config::{Effective, InstallerKind, effective},
    document::{self, Source, Spec},
    fleet::{self, ClusterId, Facts, Name},
    plan::{
        self, ObjectId, Plan, PlanInput, RuleId, Severity,
        check::{self, Definitions},
        input::{MeshInput, Projection},
        installer::sail as objects,
        requirement::{Fields, Requirement},
        rule::{self, Phase, Rule},
    },
    platform::PlatformName,
};
use kube::Client;
use serde_json::{Value, json};
use tests::{
    clusters::{Etcd, standin::sail},
    fleet::{Cluster, Dress},
};

use super::{apply, namespace, refused, state_is};

const MESH: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {names: [one]}
  base:
    mesh: {id: payments}
    istio: {version: 1.30.3}
    installer: {kind: sail}
    dataPlane: {namespaces: {names: [shop]}}
";

#[tokio::test]
async fn a_plan_with_a_broken_rule_is_refused_by_the_referee_and_by_the_operator() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let etcd = Etcd::start(directory.path()).await?;
    let (eks, rosa) = tokio::try_join!(
        Cluster::start(&etcd, "eks", Dress::Eks, sail::Options::default()),
        Cluster::start(&etcd, "rosa", Dress::RosaHcp, sail::Options::default()),
    )?;

    let homeless = Broken::new(PlatformName::Eks, without("sail.namespace"))?;
    homeless.is_blocked_by("sail.namespace-missing")?;
    homeless.apply(&eks.admin).await?;
    refused(&eks.admin, &sail::istios(), "namespace \"istio-system\" doesn't exist").await?;

    let mut named = without("sail.platform");
    named.push(rule("broken.platform", yield_platform));
    let named = Broken::new(PlatformName::Eks, named)?;
    named.is_blocked_by("sail.platform-unknown")?;
    named.apply(&eks.admin).await?;
    refused(&eks.admin, &sail::istios(), "unknown platform eks").await?;

    let mut attached = rule::registry().to_vec();
    attached.push(rule("broken.attachment", yield_attachment));
    let attached = Broken::new(PlatformName::Rosa, attached)?;
    attached.is_blocked_by("helm.owned")?;
    attached.apply(&rosa.admin).await?;
    refused(&rosa.admin, &sail::istio_cnis(), "invalid ownership metadata").await?;

    // With no rule broken, the same way leads to a mesh.
    let sound = Broken::new(PlatformName::Eks, rule::registry().to_vec())?;
    ensure!(sound.blocking().is_empty(), "{:?}", sound.blocking());
    sound.apply(&eks.admin).await?;
    state_is(&eks.admin, &sail::istio_revisions(), "Healthy").await?;
    Ok(())
}

fn without(id: &str) -> Vec<Rule> {
    rule::registry().iter().filter(|rule| rule.id.0 != id).copied().collect()
}

fn rule(id: &'static str, yields: fn(&MeshInput, &Projection) -> Vec<Requirement>) -> Rule {
    Rule {
        id: RuleId(id),
        reason: "Somebody thought so.",
        source: "nowhere",
        platforms: &[],
        installers: &[InstallerKind::Sail],
        reads: &[],
        yields,
    }
}

fn yield_platform(_: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let tree = json!({"spec": {"values": {"global": {"platform": "eks"}}}});
    vec![objects::fields(objects::istio(), vec![Fields::required(tree)])]
}

fn yield_attachment(_: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let group = "k8s.cni.cncf.io";
    let id = ObjectId::new(group, "v1", "NetworkAttachmentDefinition", "default", "istio-cni");
    let fields = vec![Fields::required(json!({"spec": {}}))];
    vec![Requirement::plan(id, Phase::Prerequisites, fields)]
}

/// A plan by rules that are not ours, and what it was made from.
struct Broken {
    plan: Plan,
    facts: Facts,
}

impl Broken {
    fn new(platform: PlatformName, rules: Vec<Rule>) -> Result<Self> {
        let facts = facts(platform);
        let cluster = fleet::Cluster {
            id: ClusterId(uuid::Uuid::nil()),
            name: Name::parse("one")?,
            labels: fleet::Labels::default(),
            declared: Some(platform),
            network: None,
            variables: std::collections::BTreeMap::new(),
            facts: Some(facts.clone()),
            schemas: fleet::Schemas::default(),
        };
        let name = Name::parse("payments")?;
        let config = config(&cluster)?;
        let input = PlanInput::new((&name, &config), &cluster, (&facts, platform), &rules);
        let plan = plan::plan(&input, &rules)?;
        Ok(Self { plan, facts })
    }

    /// What the referee says against it.
    fn blocking(&self) -> Vec<String> {
        let findings =
            check::check(&self.plan, &self.facts, Definitions::new(&self.facts, &fleet::Schemas::default()))
                .into_iter();
        findings.filter(|one| one.severity == Severity::Blocks).map(|one| one.rule).collect()
    }

    fn is_blocked_by(&self, finding: &str) -> Result<()> {
        let blocking = self.blocking();
        ensure!(blocking.iter().any(|one| one == finding), "no {finding} in {blocking:?}");
        Ok(())
    }

    /// Applies namespaces and bodies in their order, whatever the referee says.
    async fn apply(&self, client: &Client) -> Result<()> {
        apply(client, self.plan.document.namespaces.iter().map(|name| namespace(name.as_str()))).await?;
        for planned in self.plan.document.phases.iter().flat_map(|phase| &phase.objects) {
            let body = self.plan.bodies.get(&planned.body).context("a body")?;
            let body: Value = serde_json::from_slice(body)?;
            apply(client, [body]).await?;
        }
        Ok(())
    }
}

fn config(cluster: &fleet::Cluster) -> Result<Effective> {
    let source = Source { name: "mesh.yaml".to_owned(), text: MESH.as_bytes().to_vec() };
    let documents = document::parse(&[source]).map_err(|mistakes| anyhow::anyhow!("{mistakes:?}"))?;
    let Some(Spec::MeshConfig(config)) = documents.into_iter().next().map(|document| document.spec) else {
        bail!("a mesh config was written");
    };
    effective(&config, cluster).map_err(|problems| anyhow::anyhow!("{problems:?}"))
}

/// As far as the planner and the referee look.
fn facts(platform: PlatformName) -> Facts {
    let mut kinds =
        ["Istio", "IstioCNI", "IstioRevision"].map(|kind| format!("sailoperator.io/{kind}")).to_vec();
    if platform == PlatformName::Rosa {
        kinds.insert(0, "k8s.cni.cncf.io/NetworkAttachmentDefinition".to_owned());
    }
    Facts { kubernetes_version: "v1.34.3".to_owned(), kinds, ..Facts::default() }
}
