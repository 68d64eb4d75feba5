//! Google Kubernetes Engine.

use serde_json::json;

use super::{Platform, PlatformName, Release, Sign, evidence, sail_platform::SAIL};
use crate::{
    catalog::MinorVersion,
    config::InstallerKind,
    fleet::Facts,
    plan::{
        Finding, RuleId,
        check::{Manifest, Seen, blocks, seen_to_by},
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

static RULES: [Rule; 1] = [Rule {
    id: RuleId("gke.platform"),
    reason: "The charts know GKE by its name only; it decides the directory of CNI plugins and the quota for critical pods.",
    source: "observed with istio-ecosystem/sail-operator 328df99dc (2026-08-22); istio/istio, manifests/helm-profiles/platform-gke.yaml",
    platforms: &[PlatformName::Gke],
    installers: SAIL,
    reads: &[],
    yields: yield_platform,
}];

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
        if plan.intent.installer != InstallerKind::Sail {
            return Vec::new();
        }
        let here = !self.recognise(facts).is_empty();
        let charts = plan.manifests.iter().filter(|manifest| manifest.id.group == "sailoperator.io");
        // A tag takes its values from the Istio that it points to.
        let read = charts.filter(|manifest| manifest.id.kind != "IstioRevisionTag");
        read.filter_map(|manifest| misnamed(plan, manifest, here)).collect()
    }
}

fn yield_platform(_: &MeshInput, _: &Projection) -> Vec<Requirement> {
    let tree = json!({"spec": {"values": {"global": {"platform": "gke"}}}});
    vec![sail::fields(sail::istio(), vec![Fields::required(tree)])]
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
