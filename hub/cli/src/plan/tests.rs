use super::*;
use crate::screen::golden;

fn id(kind: &str, namespace: &str, name: &str) -> ObjectId {
    ObjectId {
        group: "example.dev".to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn reason(rule: &str) -> PlanReason {
    let text = match rule {
        "calisti.control-plane" => {
            "the operator installs Istio from an IstioControlPlane and from nothing else"
        }
        "openshift.cni.multus" => {
            "OpenShift's pods get their networks from Multus: a chained plugin is never called"
        }
        _ => "sidecars run as user 1337, which restricted-v2 does not admit",
    };
    PlanReason { rule: rule.to_owned(), reason: text.to_owned(), source: "platform-facts 2.2".to_owned() }
}

fn object(id: ObjectId, change: Change, phase: &str, rules: &[&str]) -> PlanObject {
    let manifest = match change {
        Change::Create | Change::Update | Change::None => r#"{"kind":"Kind","spec":{"a":[1]}}"#.to_owned(),
        Change::Expect | Change::Delete | Change::Unspecified => String::new(),
    };
    PlanObject {
        id: Some(id),
        change: change.into(),
        phase: phase.to_owned(),
        reasons: rules.iter().map(|rule| reason(rule)).collect(),
        manifest,
        changes: Vec::new(),
    }
}

fn finding(rule: &str, blocking: bool) -> Finding {
    Finding {
        rule: rule.to_owned(),
        blocking,
        message: "namespace payments has no attachment definition istio-cni, so its pods would start without the redirect \
                  and bypass the mesh"
            .to_owned(),
        hint: "let the plan make it: remove the override of openshift.nad.data-plane".to_owned(),
    }
}

fn plan() -> PreviewPlanResponse {
    let control_plane = |change| {
        let rules = ["calisti.control-plane", "openshift.cni.multus"];
        object(id("IstioControlPlane", "istio-system", "payments"), change, "control-plane", &rules)
    };
    let mut eks_control_plane = control_plane(Change::Update);
    eks_control_plane.reasons.truncate(1);
    eks_control_plane.changes = vec![
        ".spec.version: \"1.17.7\" -> \"1.17.8\"".to_owned(),
        ".spec.mode: absent -> \"ACTIVE\"".to_owned(),
    ];
    let deployment = || {
        object(
            id("Deployment", "istio-system", "istiod-payments"),
            Change::Expect,
            "",
            &["calisti.control-plane"],
        )
    };
    let eks = ClusterPlan {
        cluster: "eks-eu-1".to_owned(),
        platform: "eks".to_owned(),
        plan_digest: "8d3f0a1b2c3d4e5f".to_owned(),
        objects: vec![
            eks_control_plane,
            deployment(),
            object(id("ConfigMap", "istio-system", "old"), Change::Delete, "", &[]),
        ],
        namespaces: vec!["istio-system".to_owned(), "payments".to_owned()],
        ..ClusterPlan::default()
    };
    let binding = |namespace: &str, change| {
        let rules = ["openshift.scc.sidecar-1337"];
        object(id("RoleBinding", namespace, "meshfleet-sidecars-nonroot-v2"), change, "prerequisites", &rules)
    };
    let rosa = ClusterPlan {
        cluster: "rosa-eu-1".to_owned(),
        platform: "rosa".to_owned(),
        platform_detail: "ROSA classic, OpenShift 4.11.59".to_owned(),
        plan_digest: "0123456789abcdef".to_owned(),
        objects: vec![
            binding("payments", Change::Create),
            binding("ledger", Change::None),
            control_plane(Change::Create),
            deployment(),
        ],
        findings: vec![finding("namespace.label", false)],
        ..ClusterPlan::default()
    };
    PreviewPlanResponse { config: "payments".to_owned(), version: 2, clusters: vec![eks, rosa] }
}

#[test]
fn a_plan_reads_well() {
    insta::assert_snapshot!("plan", golden(100, |screen| draw(screen, &plan(), false)));
    insta::assert_snapshot!("plan_at_80_columns", golden(80, |screen| draw(screen, &plan(), false)));
}

#[test]
fn what_blocks_stands_first() {
    let mut plan = plan();
    plan.clusters[1].findings.push(finding("openshift.nad.missing", true));
    plan.clusters[0].plan_digest = String::new();
    plan.clusters[0].objects.clear();
    plan.clusters[0]
        .findings
        .push(Finding { hint: String::new(), ..finding("platform.contradiction", true) });
    insta::assert_snapshot!(golden(80, |screen| draw(screen, &plan, false)));
}

#[test]
fn manifests_are_shown_where_asked_for() {
    let mut plan = plan();
    plan.clusters.truncate(1);
    insta::assert_snapshot!(golden(80, |screen| draw(screen, &plan, true)));
}

#[test]
fn nothing_to_do_and_nobody_to_do_it_for_are_said() {
    let mut plan = plan();
    plan.clusters.truncate(1);
    plan.clusters[0].objects.retain(|object| object.change() == Change::Expect);
    let nothing = golden(80, |screen| draw(screen, &plan, false));
    plan.clusters.clear();
    let nobody = golden(80, |screen| draw(screen, &plan, false));
    insta::assert_snapshot!(format!("{nothing}\n======\n{nobody}"));
}

#[test]
fn json_has_stable_names() {
    let mut plan = plan();
    plan.clusters[1].objects.truncate(1);
    plan.clusters.remove(0);
    insta::assert_snapshot!(format!("{:#}", json::preview(&plan)));
}
