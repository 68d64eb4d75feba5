//! The rights that a plan needs: what a spoke lacks stops a rollout, with the way out, before anything is written.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use spoke::{
    cluster::Cluster,
    rights::{Held, Needed, look},
};
use tests::{
    clusters::{ControlPlane, Options, apply::Applier, standin::calisti},
    fleet::{Dress, SPOKE_USER},
};

use crate::rig::Rig;

const KIND: &str = "istiocontrolplanes";

/// Takes verbs on a resource from the spoke's role.
async fn take(admin: &Client, resource: &str, verbs: &[&str]) -> Result<()> {
    let roles: Api<ClusterRole> = Api::all(admin.clone());
    let mut role = roles.get("meshfleet-spoke").await?;
    let mut taken = false;
    for rule in role.rules.iter_mut().flatten() {
        if rule.resources.iter().flatten().any(|named| named == resource) {
            rule.verbs.retain(|verb| !verbs.contains(&verb.as_str()));
            taken = true;
        }
    }
    ensure!(taken, "no rule on {resource}");
    roles.replace("meshfleet-spoke", &PostParams::default(), &role).await?;
    Ok(())
}

async fn missing(rig: &Rig) -> Result<Vec<String>> {
    let plan = rig.fleet.command_line.json(&["plan", "payments", "--cluster", "eks-1"]).await?;
    let findings = plan["clusters"][0]["findings"].as_array().cloned().unwrap_or_default();
    let rbac = findings
        .iter()
        .filter(|finding| finding["rule"].as_str().is_some_and(|rule| rule.starts_with("rbac.")));
    Ok(rbac.map(|finding| format!("{}: {}", text(&finding["rule"]), text(&finding["message"]))).collect())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_lacked_stops_a_rollout_until_it_is_given() -> Result<()> {
    let rig = Rig::start().await?;
    let mut cluster = rig.cluster("eks-1", Dress::Eks, calisti::Behaviour::Normal).await?;
    rig.apply_mesh(&["eks-1"]).await?;
    rig.join(&mut [&mut cluster]).await?;
    take(&cluster.admin, KIND, &["create", "patch"]).await?;
    let lacked = rig.fleet.command_line.json(&["cluster", "rbac", "eks-1"]).await?;
    ensure!(lacked["lacks"].as_array().is_some_and(|lacks| lacks.len() == 2), "{lacked:#}");
    let found = missing(&rig).await?;
    ensure!(
        found.len() == 2
            && found.iter().all(|finding| finding.starts_with("rbac.missing: its spoke may not ")),
        "{found:#?}"
    );
    let shown = rig.fleet.command_line.done(&["plan", "payments"]).await?;
    ensure!(
        shown.contains("BLOCKED") && shown.contains("meshfleet cluster rbac eks-1 | kubectl apply -f -"),
        "{shown}"
    );
    let refused = rig.ends_with(1, &["rollout", "start", "payments"]).await?;
    ensure!(refused.contains(&format!("may not create {KIND}.")), "{refused}");

    let said = rig.fleet.command_line.run(&["cluster", "rbac", "eks-1"]).await?;
    ensure!(said.code == 0 && said.stderr.contains("lacks 2 rights"), "{said:#?}");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&said.stdout)?;
    let mut given = objects.iter().filter(|object| object["kind"] != "Namespace");
    ensure!(
        given.all(|object| text(&object["metadata"]["name"]).starts_with("meshfleet-spoke-")),
        "{said:#?}"
    );
    Applier::new(&cluster.admin, "kubectl").apply_all(objects).await?;
    ensure!(missing(&rig).await?.is_empty(), "what was given counts at once");
    let nothing = rig.fleet.command_line.run(&["cluster", "rbac", "eks-1"]).await?;
    ensure!(nothing.stdout == "# cluster/eks-1: nothing to give\n", "{nothing:#?}");
    let all = rig.fleet.command_line.done(&["cluster", "rbac", "eks-1", "--all"]).await?;
    ensure!(all.contains(KIND) && !all.contains('*'), "{all}");

    let rollout = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(rollout).await?;
    let forbidden = cluster.plane.audit().forbidden_to(SPOKE_USER)?;
    ensure!(forbidden.is_empty(), "{forbidden:#?}");

    // Nobody answers: that is no pass, and no lack.
    cluster.spoke.take().context("a spoke")?.kill().await?;
    rig.condition_is("eks-1", "Connected", "SessionGone").await?;
    let found = missing(&rig).await?;
    ensure!(
        found.len() == 1 && found[0].starts_with("rbac.unknown") && found[0].contains("not attached"),
        "{found:#?}"
    );
    let said = rig.ends_with(1, &["cluster", "rbac", "eks-1"]).await?;
    ensure!(said.contains("its spoke must be attached"), "{said}");
    rig.passed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_is_told_as_the_api_server_would_decide() -> Result<()> {
    let rig = Rig::start().await?;
    let plane = ControlPlane::start(&rig.etcd, "plain", Options::default()).await?;
    let admin = plane.admin_client().await?;
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "some"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["get", "watch"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["view"], "verbs": ["bind"]},
    ]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "some"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "some"},
        "subjects": [{"kind": "ServiceAccount", "name": "meshfleet-spoke", "namespace": "meshfleet"}]});
    Applier::new(&admin, "kubectl").apply_all([role, binding]).await?;
    let token = plane.service_account_token("meshfleet", "meshfleet-spoke").await?;
    let cluster = Cluster::new(plane.client(&token, "spoke").await?);
    let needed = |group: &str, kind: &str, namespace: &str, name: &str, verbs: &[&str]| {
        let id = json!({"group": group, "version": "v1", "kind": kind, "namespace": namespace, "name": name});
        let verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        Ok::<_, serde_json::Error>(Needed { id: serde_json::from_value(id)?, verbs })
    };
    let rights = look(
        &cluster,
        vec![
            needed("", "ConfigMap", "shop", "one", &["get", "watch", "patch"])?,
            needed("", "ConfigMap", "shop", "", &["get"])?,
            needed("rbac.authorization.k8s.io", "ClusterRole", "", "view", &["bind"])?,
            needed("rbac.authorization.k8s.io", "ClusterRole", "", "edit", &["bind"])?,
            needed("nowhere.dev", "Nothing", "", "x", &["get"])?,
        ],
    )
    .await;
    let held = |resource: &str, lacks: &[&str]| {
        let lacks = lacks.iter().map(|verb| (*verb).to_owned()).collect();
        Ok(Some(Held { resource: resource.to_owned(), lacks }))
    };
    let found: Vec<_> = rights.into_iter().map(|right| right.held).collect();
    let expected = [
        held("configmaps", &["patch"]),
        held("configmaps", &["get"]),
        held("clusterroles", &[]),
        held("clusterroles", &["bind"]),
        Ok(None),
    ];
    ensure!(found == expected, "{found:#?}");
    rig.passed().await
}
