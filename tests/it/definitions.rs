//! What the definitions of a cluster say decides about its plans: they are asked of one spoke for all that have the same,
//! and again when they change.

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, api::PostParams};
use serde_json::json;
use tests::{
    clusters::wait::until,
    fleet::{Cluster, Dress, PATIENCE},
};

use crate::rig::Rig;

/// The value is in no definition that Istio's operator ever had.
const MESH: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {matchLabels: {mesh: payments}}
  base:
    mesh: {id: payments, trustDomain: payments.example.com}
    network: {fromLabel: network}
    istio: {version: 1.30.3}
    installer: {kind: sail}
    dataPlane: {namespaces: {matchLabels: {team: payments}}}
    values: {istiod: {unheardOf: 1}}
";

const ISTIO: &str = "istios.sailoperator.io";

const NAMES: [&str; 2] = ["eks-1", "gke-1"];

#[tokio::test(flavor = "multi_thread")]
async fn plans_are_judged_by_what_their_clusters_define() -> Result<()> {
    let rig = Rig::start().await?;
    let (mut eks, mut gke) = tokio::try_join!(rig.sail("eks-1", Dress::Eks), rig.sail("gke-1", Dress::Gke))?;
    rig.join(&mut [&mut eks, &mut gke]).await?;
    rig.fleet.apply("clusters.yaml", &clusters()).await?;
    rig.fleet.apply("mesh.yaml", MESH).await?;

    // The fleet's own definitions have the word, no more the catalogue.
    until("plans judged by schemas", PATIENCE, || judged(&rig, NAMES, true)).await?;
    let first = told(&rig).await?;
    let facts = rig.fleet.command_line.json(&["cluster", "facts", "eks-1"]).await?;
    let named = facts["facts"]["schemas"].as_array().context("schemas")?.len();
    ensure!(named >= 3 && first == i64::try_from(named)?, "{named} are named, {first} were told: {facts:#}");
    let refused = rig.ends_with(1, &["rollout", "start", "payments"]).await?;
    ensure!(refused.contains("unheardOf"), "{refused}");

    // A newer operator knows the value: in one cluster, and only there it is taken.
    learn(&eks, "unheardOf").await?;
    until("a plan without a finding", PATIENCE, || judged(&rig, ["eks-1"], false)).await?;
    judged(&rig, ["gke-1"], true).await?.context("the other cluster's definition is as it was")?;
    ensure!(told(&rig).await? == first + 1, "one schema changed");

    // With the same definition in the other one, nothing is asked any more.
    learn(&gke, "unheardOf").await?;
    until("both plans without a finding", PATIENCE, || judged(&rig, NAMES, false)).await?;
    ensure!(told(&rig).await? == first + 1, "it was known");
    rig.passed().await
}

fn clusters() -> String {
    let of = |name: &str| {
        format!(
            "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {{name: {name}, labels: {{mesh: payments, network: net-{name}}}}}\n"
        )
    };
    NAMES.map(of).join("---\n")
}

/// Whether the value is, or is not, a finding of all these clusters' schemas; and never one of the catalogue's.
async fn judged<const N: usize>(rig: &Rig, names: [&str; N], is_found: bool) -> Result<Option<()>> {
    for name in names {
        let plan = rig.fleet.command_line.json(&["plan", "payments", "--cluster", name]).await?;
        let findings = plan["clusters"][0]["findings"].as_array().cloned().unwrap_or_default();
        let has = |rule: &str| findings.iter().any(|finding| finding["rule"] == rule);
        if has("schema.unknown-field") != is_found || has("sail.value.unknown") {
            return Ok(None);
        }
        // The plan that is kept follows, too.
        if rig.condition(name, "Planned").await?.to_string().contains("unheardOf") != is_found {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

/// How many schemas the hub has.
async fn told(rig: &Rig) -> Result<i64> {
    let count = "select count(*) from definition_schema";
    Ok(sqlx::query_scalar(count).fetch_one(&mut rig.database().await?).await?)
}

/// Gives the definition of Istio a value.
async fn learn(cluster: &Cluster, value: &str) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.admin.clone());
    let mut served = serde_json::to_value(definitions.get(ISTIO).await?)?;
    let versions = served["spec"]["versions"].as_array_mut().context("versions")?;
    let version = versions.iter_mut().find(|version| version["name"] == "v1").context("v1")?;
    let values = "/schema/openAPIV3Schema/properties/spec/properties/values/properties";
    let values = version.pointer_mut(values).context("values")?;
    values[value] = json!({"type": "integer"});
    definitions.replace(ISTIO, &PostParams::default(), &serde_json::from_value(served)?).await?;
    Ok(())
}
