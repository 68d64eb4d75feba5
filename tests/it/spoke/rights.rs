//! The spoke's own rights suffice for what it does beside the objects of a plan, and for no more.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use serde_json::{Value, json};
use spoke::report::{Outcome, Phase};
use tests::{clusters::apply::Applier, fleet::SPOKE_USER};

use super::{
    Place,
    draft::{Draft, id_of},
    object,
};

/// The webhooks that the operator of the mesh makes, with a label of its own or an annotation of ours.
fn webhooks(kind: &str, entry: (&str, &str)) -> Value {
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istio-sidecar-injector", kind: {entry.0: entry.1}}})
}

fn binding() -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "mesh-scc"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:openshift:scc:nonroot-v2"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts:$(NAMESPACE)"}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn additions_templates_and_expectations_need_no_more_than_the_listed_rights() -> Result<()> {
    let place = Place::start().await?;
    let rights: Vec<Value> = serde_saphyr::from_multiple(spoke::deploy::RBAC).context("YAML")?;
    let mut operator = Applier::new(&place.client, "operator");
    operator.apply_all(rights).await?;
    let token = place.plane.service_account_token("meshfleet", "meshfleet-spoke").await?;
    let client = place.plane.client(&token, "spoke").await?;
    let scc = json!({"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"],
        "resourceNames": ["privileged"], "verbs": ["use"]});
    let pods = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "istio-cni"}, "rules": [pods, scc]});
    let shop = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"injected": "yes"}}});
    operator.apply_all([role.clone(), shop, webhooks("labels", ("owner", "operator"))]).await?;

    let mut spoke = Place::spoke_as(&client, 1).await?;
    let draft = Draft::new(1)
        .addition(&webhooks("annotations", ("enforcer/disabled", "true")))
        .template("scc", &binding(), "injected")
        .expectation(&role, r#".rules[resources=["securitycontextconstraints"]].verbs"#, &json!(["use"]));
    let report = spoke.reach(draft.content()?, Phase::Healthy).await?;
    ensure!(object(&report, "istio-cni")?.outcome == Outcome::Fulfilled, "{report:#?}");
    let bindings: Api<RoleBinding> = Api::namespaced(place.client.clone(), "shop");
    let made = bindings.get("mesh-scc").await?.subjects.unwrap_or_default();
    ensure!(made.iter().any(|subject| subject.name == "system:serviceaccounts:shop"), "{made:#?}");

    // What is expected and goes is not well, and says why.
    operator
        .apply(
            json!({"apiVersion": role["apiVersion"], "kind": "ClusterRole", "metadata": {"name": "istio-cni"},
        "rules": [role["rules"][0]]}),
        )
        .await?;
    let report = spoke.reported(|report| report.phase == Phase::Unhealthy).await?;
    let state = object(&report, "istio-cni")?;
    ensure!(state.outcome == Outcome::Unfulfilled && !state.healthy, "{report:#?}");
    ensure!(report.message.contains("securitycontextconstraints"), "{report:#?}");

    let deletion = json!([{"template": "scc", "id": id_of(&binding()), "why": "left the plan",
        "keep_while": {"pods_annotated": "sidecar.istio.io/status"}}]);
    let draft = Draft::new(2).more(json!({"delete_templates": deletion}));
    let report = spoke.reach(draft.content()?, Phase::Healthy).await?;
    ensure!(object(&report, "mesh-scc")?.outcome == Outcome::Deleted, "{report:#?}");
    spoke.stop().await;
    let forbidden = place.plane.audit().forbidden_to(SPOKE_USER)?;
    ensure!(forbidden.is_empty(), "{forbidden:#?}");
    Ok(())
}
