use proto::v1::{Finding, PlanGroup, PlanObject};

use super::*;
use crate::screen::{golden, golden_wide};

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
        Change::Create | Change::Update | Change::None | Change::Adopt | Change::Add | Change::Template => {
            r#"{"kind":"Kind","spec":{"a":[1]}}"#.to_owned()
        }
        Change::Expect | Change::Delete | Change::Unspecified => String::new(),
    };
    PlanObject {
        id: Some(id),
        change: change.into(),
        phase: phase.to_owned(),
        reasons: rules.iter().map(|rule| reason(rule)).collect(),
        manifest,
        ..PlanObject::default()
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
    PreviewPlanResponse {
        config: "payments".to_owned(),
        version: 2,
        clusters: vec![eks, rosa],
        groups: Vec::new(),
    }
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
fn what_has_one_way_out_is_drawn_as_one() {
    let mut plan = plan();
    let lacked = (1..=9).map(|number| Finding {
        message: format!("its spoke may not get services gateway-{number} in namespace edge"),
        hint: "give it the rights: `meshfleet cluster rbac rosa-eu-1 | kubectl apply -f -`".to_owned(),
        ..finding("rbac.missing", true)
    });
    plan.clusters[1].findings.extend(lacked);
    let folded = golden(100, |screen| finding::draw_blocking(screen, &part::parts(&plan)));
    insta::assert_snapshot!("one_way_out", folded);
    let all = golden_wide(100, |screen| finding::draw_blocking(screen, &part::parts(&plan)));
    assert!(all.contains("gateway-9") && all.matches("hint:").count() == 1, "{all}");
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
    plan.clusters[0].unreached = true;
    let again = golden(80, |screen| draw(screen, &plan, false));
    plan.clusters.clear();
    let nobody = golden(80, |screen| draw(screen, &plan, false));
    insta::assert_snapshot!(format!("{nothing}\n======\n{again}\n======\n{nobody}"));
}

#[test]
fn json_has_stable_names() {
    let mut plan = plan();
    plan.clusters[1].objects.truncate(1);
    plan.clusters.remove(0);
    insta::assert_snapshot!(format!("{:#}", json::preview(&plan)));
}

fn group(clusters: &[String], why: &[&str], objects: Vec<PlanObject>) -> PlanGroup {
    PlanGroup {
        clusters: clusters.to_vec(),
        why: why.iter().map(|why| (*why).to_owned()).collect(),
        objects,
        namespaces: vec!["istio-system".to_owned()],
        ..PlanGroup::default()
    }
}

/// A fleet of two groups: many that are alike, and one apart.
fn fleet() -> PreviewPlanResponse {
    let names: Vec<String> = (1..=12).map(|number| format!("eks-eu-{number}")).collect();
    let rosa = "rosa-eu-1".to_owned();
    let istio = |change, changes: &[&str]| PlanObject {
        changes: changes.iter().map(|change| (*change).to_owned()).collect(),
        ..object(id("Istio", "", "payments"), change, "control-plane", &["calisti.control-plane"])
    };
    let mut taken =
        object(id("IstioCNI", "", "default"), Change::Adopt, "control-plane", &["openshift.cni.multus"]);
    taken.adoption = "exists, held by helm: taken over without a change (IfNoDiff)".to_owned();
    let mut template = object(
        id("NetworkAttachmentDefinition", "", "istio-cni"),
        Change::Template,
        "prerequisites",
        &["openshift.cni.multus"],
    );
    template.namespaces = (1..=11).map(|number| format!("team-{number}")).collect();
    let added = object(
        id("MutatingWebhookConfiguration", "", "istio-sidecar-injector"),
        Change::Add,
        "",
        &["calisti.control-plane"],
    );
    let expected =
        object(id("Deployment", "istio-system", "istiod"), Change::Expect, "", &["calisti.control-plane"]);
    let changes = [
        ".spec.version: \"v1.29.6\" -> \"v1.30.2\"",
        ".spec.values.global.network: absent -> \"${network}\"",
    ];
    let mut alone = group(
        std::slice::from_ref(&rosa),
        &["platform rosa, the others are eks", "layer rosa-eu-1 selects it"],
        vec![istio(Change::Create, &[]), taken, template, added, expected.clone()],
    );
    alone.platforms = vec!["ROSA classic, OpenShift 4.11.59".to_owned()];
    alone.disruption = "node-cni".to_owned();
    alone.findings = vec![finding("namespace.label", false)];
    let mut many = group(&names, &[], vec![istio(Change::Update, &changes), expected]);
    many.platforms = vec!["EKS, Kubernetes v1.29.4".to_owned(), "EKS, Kubernetes v1.30.1".to_owned()];
    many.disruption_by = "Istio default .spec.version".to_owned();
    many.disruption = "workload-restart".to_owned();
    let cluster = |name: &String| ClusterPlan {
        cluster: name.clone(),
        plan_digest: "8d3f0a1b2c3d4e5f".to_owned(),
        probed: true,
        ..ClusterPlan::default()
    };
    let mut clusters: Vec<ClusterPlan> = names.iter().chain([&rosa]).map(cluster).collect();
    clusters[3].probed = false;
    clusters[3].not_probed = "its spoke is away".to_owned();
    clusters[12].deletions = 3;
    // The hub orders them; whoever draws them does not rely on it.
    PreviewPlanResponse { config: "payments".to_owned(), version: 4, clusters, groups: vec![many, alone] }
}

#[test]
fn a_fleet_is_shown_in_groups_with_the_outlier_first() {
    insta::assert_snapshot!("groups", golden(120, |screen| draw(screen, &fleet(), false)));
    insta::assert_snapshot!("groups_at_80_columns", golden(80, |screen| draw(screen, &fleet(), false)));
    insta::assert_snapshot!("groups_wide", golden_wide(120, |screen| draw(screen, &fleet(), false)));
}

/// Ten thousand clusters in twelve groups stand on one screen.
#[test]
fn a_large_fleet_is_one_screen() {
    let mut plan = fleet();
    let many = plan.groups.remove(0);
    plan.groups.clear();
    plan.clusters.clear();
    for index in 0..12 {
        let size = [1, 1, 2, 3, 5, 8, 30, 90, 260, 600, 1_400, 7_600][index];
        let names: Vec<String> = (1..=size).map(|number| format!("g{index}-{number}")).collect();
        let classes = ["irreversible", "node-cni", "config-push", "workload-restart"];
        let why: &[&str] = if index == 11 {
            &[]
        } else {
            &["runs on AKS, Kubernetes v1.33.4", "has layer canary", "has finding x.y"]
        };
        let mut group = PlanGroup {
            disruption: classes[index % 4].to_owned(),
            ..group(&names, why, many.objects.clone())
        };
        group.findings = vec![
            finding("namespace.label", false),
            Finding { message: format!("of group {index}"), ..finding("istio.end-of-life", false) },
        ];
        group.platforms = vec!["EKS, Kubernetes v1.34.1".to_owned()];
        plan.clusters.extend(names.iter().map(|name| ClusterPlan {
            cluster: name.clone(),
            plan_digest: "8d3f".to_owned(),
            probed: true,
            ..ClusterPlan::default()
        }));
        plan.groups.push(group);
    }
    let told = golden(120, |screen| draw(screen, &plan, false));
    assert!(told.lines().count() <= 60, "{} lines", told.lines().count());
    insta::assert_snapshot!("large_fleet", told);
}

#[test]
fn the_sum_counts_every_cluster_of_a_group() {
    let fleet = fleet();
    let sum = Sum::of(&fleet, &part::parts(&fleet));
    assert_eq!((sum.creates, sum.updates, sum.expected, sum.deletes, sum.warnings), (1, 12, 13, 3, 1));
    assert_eq!(sum.changes(), 1 + 1 + 1 + 1 + 12 + 3);
}

#[test]
fn what_blocks_many_is_said_once() {
    let mut fleet = fleet();
    for group in &mut fleet.groups {
        group.findings = vec![finding("sail.operator.missing", true)];
        group.objects.clear();
    }
    fleet.clusters.iter_mut().for_each(|cluster| cluster.plan_digest.clear());
    insta::assert_snapshot!(golden(80, |screen| draw(screen, &fleet, false)));
}

#[test]
fn one_group_of_all_needs_no_share() {
    let mut fleet = fleet();
    fleet.groups.remove(1);
    fleet.clusters.truncate(12);
    insta::assert_snapshot!(golden(80, |screen| draw(screen, &fleet, false)));
}

#[test]
fn long_lists_are_folded() {
    let mut plan = plan();
    plan.clusters.truncate(1);
    plan.clusters[0].objects = (1..=40)
        .map(|number| {
            object(id("RoleBinding", &format!("team-{number}"), "sidecars"), Change::Create, "first", &[])
        })
        .collect();
    let folded = golden(80, |screen| draw(screen, &plan, false));
    assert!(folded.contains("… 10 more") && folded.contains("-o wide"), "{folded}");
    let all = golden_wide(80, |screen| draw(screen, &plan, false));
    assert!(all.contains("team-40/sidecars") && !all.contains("folded"), "{all}");
}
