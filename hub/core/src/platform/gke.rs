//! Google Kubernetes Engine.

use serde_json::json;

use super::{Platform, PlatformName, Release, Sign, cni_plugin, cni_referee, evidence, sail_platform::SAIL};
use crate::{
    catalog::MinorVersion,
    config::InstallerKind,
    fleet::Facts,
    plan::{
        Finding, ObjectId, RuleId,
        check::{Manifest, Seen, blocks, seen_to_by, warns},
        input::{MeshInput, Projection},
        installer::sail,
        requirement::{Fields, Requirement},
        rule::Rule,
    },
};

/// Google Kubernetes Engine.
pub(super) struct Gke;

const MARK: &str = "-gke.";
const GROUP: &str = "networking.gke.io";
const LABELS: &str = "cloud.google.com/gke-";

const DATAPLANE_V2: &str = "apps/DaemonSet kube-system/anetd";

/// Begins the names of nodes that Google alone manages, and of no others.
const AUTOPILOT: &str = "gk3-";

/// What Dataplane V2 writes for pods' network; without it, it is a file of Calico's.
const DATAPLANE_V2_FILE: &str = "10-gke-ptp.conflist";

static RULES: [Rule; 4] = [PLATFORM, cni_plugin::PLUGIN, cni_plugin::NODE, QUOTA];

const PLATFORM: Rule = Rule {
    id: RuleId("gke.platform"),
    reason: "The charts know GKE by its name only; it decides the directory of CNI plugins and the quota for critical pods.",
    source: "observed with istio-ecosystem/sail-operator 328df99dc (2026-08-22); istio/istio, manifests/helm-profiles/platform-gke.yaml",
    platforms: &[PlatformName::Gke],
    installers: SAIL,
    reads: &[],
    yields: yield_platform,
};

const QUOTA: Rule = Rule {
    id: RuleId("gke.cni.resource-quota"),
    reason: "GKE admits pods of the critical classes only where a quota names them, and without the chart's quota no pod of the CNI plugin is made.",
    source: "observed with istio-ecosystem/sail-operator 328df99dc (2026-08-22); istio/istio, manifests/charts/istio-cni/templates/resourcequota.yaml",
    platforms: &[PlatformName::Gke],
    installers: SAIL,
    reads: &[],
    yields: yield_quota,
};

impl Platform for Gke {
    fn name(&self) -> PlatformName {
        PlatformName::Gke
    }

    /// The API group alone says nothing: its definitions can be installed elsewhere, so it must come with node labels.
    fn recognise(&self, facts: &Facts) -> Vec<Sign> {
        let versions = [evidence::marked_api_server(facts, MARK), evidence::marked_kubelets(facts, MARK)]
            .into_iter()
            .flatten();
        let pair = evidence::served_group(facts, GROUP).zip(evidence::labelled_nodes(facts, LABELS));
        let pair = pair.into_iter().flat_map(|(group, labels)| [group, labels]);
        versions.chain(pair).map(Sign::mark).collect()
    }

    /// On machines of one's own the versions are the same.
    fn contradicted_by(&self, facts: &Facts) -> Option<String> {
        evidence::foreign_nodes(facts, "gce")
    }

    fn detail(&self, facts: &Facts) -> String {
        format!("GKE, Kubernetes {}", facts.kubernetes_version)
    }

    fn release(&self, version: MinorVersion) -> Release {
        Release::of_kubernetes("Kubernetes on GKE", version, |minor| minor.gke)
    }

    fn rules(&self) -> &'static [Rule] {
        &RULES
    }

    fn referee(&self, plan: &Seen<'_>, facts: &Facts) -> Vec<Finding> {
        let here = !self.recognise(facts).is_empty();
        let mut findings = Vec::new();
        if plan.intent.installer == InstallerKind::Sail {
            let charts = plan.manifests.iter().filter(|manifest| manifest.id.group == "sailoperator.io");
            // A tag takes its values from the Istio that it points to.
            let read = charts.filter(|manifest| manifest.id.kind != "IstioRevisionTag");
            findings.extend(read.filter_map(|manifest| misnamed(plan, manifest, here)));
        }
        if here {
            findings.extend(
                [
                    unquoted(plan),
                    autopilot(plan, facts),
                    private(plan, facts),
                    two_policies(facts),
                    file(plan, facts),
                ]
                .into_iter()
                .flatten(),
            );
        }
        findings
    }
}

fn yield_platform(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let tree = json!({"spec": {"values": {"global": {"platform": "gke"}}}});
    let mut requirements = vec![sail::fields(sail::istio(), vec![Fields::required(tree.clone())])];
    if cni_plugin::is_asked_for(mesh) {
        requirements.push(sail::fields(sail::istio_cni(), vec![Fields::required(tree)]));
    }
    requirements
}

/// Made by the chart once it knows the platform; one of ours would block it.
fn yield_quota(mesh: &MeshInput, _: &Projection) -> Vec<Requirement> {
    if !cni_plugin::is_asked_for(mesh) {
        return Vec::new();
    }
    let id = ObjectId::new("", "v1", "ResourceQuota", sail::CNI_NAMESPACE, "istio-cni-resource-quota");
    vec![Requirement::installer(id, Vec::new())]
}

/// The name must stand in every resource here, and in none elsewhere: the plugin would go to a directory of GKE's.
fn misnamed(plan: &Seen<'_>, manifest: &Manifest<'_>, here: bool) -> Option<Finding> {
    let named = manifest.value["spec"]["values"]["global"]["platform"] == "gke";
    let finding = match (here, named) {
        (true, true) | (false, false) => return None,
        (true, false) => blocks(
            "gke.platform-missing",
            format!(
                "{} does not name the platform gke: no quota, and plugins in a directory that GKE does not read",
                manifest.id
            ),
            seen_to_by("gke.platform"),
        ),
        (false, true) => blocks(
            "gke.foreign",
            format!("the cluster shows nothing of GKE, but {} names the platform gke", manifest.id),
            "correct spec.platform of the Cluster document, or let the spoke read the nodes".to_owned(),
        ),
    };
    Some(plan.seconding(if here { "gke.platform" } else { "sail.platform" }, finding))
}

fn unquoted(plan: &Seen<'_>) -> Option<Finding> {
    let plugin = plan.find("sailoperator.io", "IstioCNI", "", "default")?;
    let namespace = plugin.value["spec"]["namespace"].as_str().unwrap_or("istio-cni");
    let quota = plan.expected("", "ResourceQuota", namespace, "istio-cni-resource-quota");
    quota.is_none().then(|| {
        blocks(
            "gke.cni.unquoted",
            format!(
                "the plan does not wait for the quota that lets pods of {} be made in namespace {namespace}",
                plugin.id
            ),
            seen_to_by("gke.cni.resource-quota"),
        )
    })
}

/// Autopilot admits no pod that writes to directories of its node, and NET_ADMIN only if told so.
fn autopilot(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let (managed, all) =
        (evidence::count_of(facts, |group| group.name_mark == AUTOPILOT), evidence::node_count(facts));
    if managed == 0 {
        return None;
    }
    let seen = format!("{managed} of {all} nodes are Autopilot's, by their names {AUTOPILOT}*");
    if cni_referee::is_planned(plan) {
        let message = format!(
            "{seen}: no pod of the CNI plugin is admitted there, nor does any pod with a sidecar start without it"
        );
        let hint = "set dataPlane.cni to auto for this cluster with a layer".to_owned();
        let judge = if managed == all { blocks } else { warns };
        return Some(judge("gke.autopilot.cni", message, hint));
    }
    (!evidence::injects(facts, plan.intent)).then(|| {
        warns(
            "gke.autopilot.net-admin",
            format!("{seen}: pods with a sidecar ask for NET_ADMIN, which is admitted only where the cluster was told to; that cannot be seen from inside"),
            "if it was not, run: gcloud container clusters update CLUSTER --workload-policies=allow-net-admin".to_owned(),
        )
    })
}

/// Nodes without addresses of their own are what a private cluster looks like from inside.
fn private(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    let inside = facts.nodes.iter().all(|group| group.external_address == Some(false));
    let likely = !facts.nodes.is_empty() && inside && !evidence::injects(facts, plan.intent);
    likely.then(|| {
        warns(
            "gke.private.webhook-port",
            "no node has an external address, as in a private cluster, whose firewall lets the control plane reach nodes on 443 and 10250 alone: injection and validation would time out".to_owned(),
            "add tcp 15017 to the rule that `gcloud compute firewall-rules list --filter name~gke-.*-master` shows, unless another rule allows it".to_owned(),
        )
    })
}

fn two_policies(facts: &Facts) -> Option<Finding> {
    let v2 = facts.object(DATAPLANE_V2)?;
    let calico = evidence::calico(facts)?;
    Some(warns(
        "gke.dataplane-v2.calico",
        format!(
            "there are {} of Dataplane V2 and {calico}: two enforce network policies, and Calico is not made for this one",
            v2.object
        ),
        "take Calico off the cluster; Dataplane V2 enforces network policies itself".to_owned(),
    ))
}

/// A file that is not there would be made, and nothing reads it.
fn file(plan: &Seen<'_>, facts: &Facts) -> Option<Finding> {
    facts.object(DATAPLANE_V2)?;
    let plugin = plan.find("sailoperator.io", "IstioCNI", "", "default")?;
    let said = plugin.value["spec"]["values"]["cni"]["cniConfFileName"].as_str()?;
    (!said.is_empty() && said != DATAPLANE_V2_FILE).then(|| {
        warns(
            "gke.dataplane-v2.file",
            format!("values.cni.cniConfFileName is {said:?}, and with Dataplane V2 pods get their network by {DATAPLANE_V2_FILE}"),
            "leave values.cni.cniConfFileName out: the first file is found by itself".to_owned(),
        )
    })
}
