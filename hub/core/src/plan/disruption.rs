//! What a change does to a running mesh, at its worst, and which change that is.
//!
//! Told from the diff alone: the class says what the change *asks for*, not what happens to be running there.

use serde::{Deserialize, Serialize};

use super::{Change, ObjectDiff};

/// The worst that a change does to a running mesh, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Disruption {
    /// Nothing is written.
    None,
    /// Proxies get a new configuration; no pod restarts.
    ConfigPush,
    /// istiod restarts; proxies go on with what they have.
    IstiodRestart,
    /// Gateways restart.
    GatewayRestart,
    /// Workloads keep their proxies as they are until they are restarted, or need something at their next start that goes.
    WorkloadRestart,
    /// The CNI plugin of the nodes changes: pods that start meanwhile wait for it.
    NodeCni,
    /// Who trusts whom changes: proxies that were started before may not be recognised.
    Trust,
    /// Rolling back does not bring back what was there: an address is given up, or a control plane with its state.
    Irreversible,
}

impl Disruption {
    /// All classes, the mildest first.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::ConfigPush,
        Self::IstiodRestart,
        Self::GatewayRestart,
        Self::WorkloadRestart,
        Self::NodeCni,
        Self::Trust,
        Self::Irreversible,
    ];

    /// The word, on the wire and in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ConfigPush => "config-push",
            Self::IstiodRestart => "istiod-restart",
            Self::GatewayRestart => "gateway-restart",
            Self::WorkloadRestart => "workload-restart",
            Self::NodeCni => "node-cni",
            Self::Trust => "trust",
            Self::Irreversible => "irreversible",
        }
    }

    /// The class of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

impl std::fmt::Display for Disruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The class of a diff, and the change that it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Disrupting {
    /// The worst of all its changes.
    pub class: Disruption,
    /// The first change of that class, for people, for example `Istio default .spec.version`; empty where nothing changes.
    pub by: String,
}

impl Disrupting {
    /// Nothing changes.
    pub const NOTHING: Self = Self { class: Disruption::None, by: String::new() };
}

/// Of changed values of the resources that installers make a mesh from: the first row whose kinds and path fit tells the
/// class. Paths are parts of paths, from a dot to the end of a word.
///
/// Sources: istio.io, ProxyConfig (read by a proxy when it starts) and MeshConfig (read anew by istiod); the injection
/// template of istio/istio; istio-ecosystem/sail-operator api/v1 (`namespace` is immutable).
const VALUES: [(&[&str], &str, Disruption); 22] = [
    (SAIL, ".spec.namespace", Disruption::Irreversible),
    (ANY, ".trustDomain", Disruption::Trust),
    (ANY, ".caCertificates", Disruption::Trust),
    // istiod serves a proxy only if both say the same cluster, and peers tell meshes by their id.
    (ANY, ".meshID", Disruption::Trust),
    (ANY, ".clusterID", Disruption::Trust),
    (ANY, ".clusterName", Disruption::Trust),
    (&["IstioCNI"], "", Disruption::NodeCni),
    (&["IstioControlPlane"], ".proxyInit.cni", Disruption::NodeCni),
    (ANY, ".pilot.cni", Disruption::WorkloadRestart),
    (ANY, ".platform", Disruption::WorkloadRestart),
    (ANY, ".network", Disruption::WorkloadRestart),
    (ANY, ".networkName", Disruption::WorkloadRestart),
    (ANY, ".version", Disruption::WorkloadRestart),
    (ANY, ".updateStrategy.type", Disruption::WorkloadRestart),
    (ANY, ".profile", Disruption::WorkloadRestart),
    (ANY, ".containerImageConfiguration", Disruption::WorkloadRestart),
    (ANY, ".meshConfig.defaultConfig", Disruption::WorkloadRestart),
    (ANY, ".meshConfig", Disruption::ConfigPush),
    (ANY, ".proxy", Disruption::WorkloadRestart),
    (ANY, ".proxyInit", Disruption::WorkloadRestart),
    (ANY, ".sidecarInjectorWebhook", Disruption::WorkloadRestart),
    (ANY, "", Disruption::IstiodRestart),
];

const SAIL: &[&str] = &["Istio", "IstioCNI"];
const ANY: &[&str] = &["Istio", "IstioCNI", "IstioControlPlane"];

/// Of changed values of gateways, in the same form. Whether a load balancer keeps its address is up to its provider.
const GATEWAY_VALUES: [(&[&str], &str, Disruption); 8] = [
    (&["Deployment"], ".spec.template", Disruption::GatewayRestart),
    (&["Service"], ".spec.type", Disruption::Irreversible),
    (&["Service"], ".spec.loadBalancerClass", Disruption::Irreversible),
    (&["Service"], ".metadata.annotations", Disruption::Irreversible),
    (&["Gateway"], ".spec.gatewayClassName", Disruption::Irreversible),
    (&["Gateway"], ".annotations", Disruption::Irreversible),
    (&["Gateway"], "", Disruption::ConfigPush),
    (&["IstioMeshGateway"], "", Disruption::GatewayRestart),
];

/// The class of a diff.
#[must_use]
pub fn disruption(diff: &[ObjectDiff]) -> Disrupting {
    let kept = |object: &ObjectDiff| matches!(object.change, Change::Update | Change::None);
    let runs = diff.iter().any(kept);
    let mut worst = Disrupting::NOTHING;
    for (class, object, path) in diff.iter().flat_map(|object| of_object(object, runs)) {
        // Text is made for the one that counts.
        if class > worst.class {
            let path = if path.is_empty() { String::new() } else { format!(" {path}") };
            worst = Disrupting { class, by: format!("{}{path}", object.id) };
        }
    }
    worst
}

fn of_object(diff: &ObjectDiff, runs: bool) -> Vec<(Disruption, &ObjectDiff, &str)> {
    let kind = diff.id.kind.as_str();
    let whole = |class| vec![(class, diff, "")];
    match diff.change {
        Change::None | Change::Expect => Vec::new(),
        // Pods start otherwise from then on; where nothing ran there are none.
        Change::Create | Change::Adopt if runs && kind == "IstioCNI" => whole(Disruption::NodeCni),
        Change::Create | Change::Adopt | Change::Add | Change::Template => whole(Disruption::ConfigPush),
        Change::Delete => whole(gone(kind)),
        Change::Update if diff.changes.is_empty() => whole(Disruption::ConfigPush),
        Change::Update => {
            diff.changes.iter().map(|leaf| (of_value(kind, &leaf.path), diff, leaf.path.as_str())).collect()
        }
    }
}

/// What goes with an object of a kind.
fn gone(kind: &str) -> Disruption {
    match kind {
        // The control plane, and what it had written; the address of a load balancer.
        "Istio" | "IstioControlPlane" | "Service" | "Gateway" | "IstioMeshGateway" => {
            Disruption::Irreversible
        }
        "IstioCNI" | "NetworkAttachmentDefinition" => Disruption::NodeCni,
        "Deployment" => Disruption::GatewayRestart,
        // Pods that were let in by it run on, and are not let in again.
        _ => Disruption::WorkloadRestart,
    }
}

fn of_value(kind: &str, path: &str) -> Disruption {
    let fits = |(kinds, part, _): &&(&[&str], &str, Disruption)| {
        kinds.contains(&kind) && (part.is_empty() || has_part(path, part))
    };
    let row = VALUES.iter().chain(&GATEWAY_VALUES).find(fits);
    row.map_or(Disruption::ConfigPush, |(.., class)| *class)
}

/// Whether a path has a part that ends where one of its words ends.
fn has_part(path: &str, part: &str) -> bool {
    path.match_indices(part).any(|(at, _)| {
        let rest = &path[at + part.len()..];
        rest.is_empty() || rest.starts_with(['.', '['])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        assert!(Disruption::ALL.is_sorted());
        assert!(Disruption::ALL.iter().all(|class| Disruption::parse(class.as_str()) == Some(*class)));
        assert_eq!(Disruption::parse("restart"), None);
    }

    /// From Istio's documentation of each value, not from the table.
    #[test]
    fn values_have_the_class_of_what_reads_them() {
        for (kind, path, expected) in [
            ("Istio", ".spec.version", Disruption::WorkloadRestart),
            ("Istio", ".spec.namespace", Disruption::Irreversible),
            ("IstioCNI", ".spec.namespace", Disruption::Irreversible),
            ("IstioCNI", ".spec.version", Disruption::NodeCni),
            ("IstioCNI", ".spec.values.cni.logging.level", Disruption::NodeCni),
            ("IstioControlPlane", ".spec.proxyInit.cni.binDir", Disruption::NodeCni),
            ("IstioControlPlane", ".spec.version", Disruption::WorkloadRestart),
            ("IstioControlPlane", ".spec.networkName", Disruption::WorkloadRestart),
            ("IstioControlPlane", ".spec.istiod.deployment.replicas.min", Disruption::IstiodRestart),
            ("Istio", ".spec.values.meshConfig.accessLogFile", Disruption::ConfigPush),
            ("Istio", ".spec.values.meshConfig.trustDomain", Disruption::Trust),
            ("Istio", ".spec.values.meshConfig.defaultConfig.concurrency", Disruption::WorkloadRestart),
            ("Istio", ".spec.values.global.multiCluster.clusterName", Disruption::Trust),
            ("Istio", ".spec.values.global.network", Disruption::WorkloadRestart),
            ("Istio", ".spec.values.global.proxy.resources.limits.cpu", Disruption::WorkloadRestart),
            ("Istio", ".spec.values.pilot.cni.enabled", Disruption::WorkloadRestart),
            ("Istio", ".spec.values.pilot.autoscaleMin", Disruption::IstiodRestart),
            ("Istio", ".spec.values.global.networkPolicy.enabled", Disruption::IstiodRestart),
            (
                "Deployment",
                ".spec.template.spec.containers[name=\"istio-proxy\"].image",
                Disruption::GatewayRestart,
            ),
            ("Deployment", ".spec.replicas", Disruption::ConfigPush),
            ("Service", ".spec.ports[name=\"https\"].port", Disruption::ConfigPush),
            ("RoleBinding", ".subjects", Disruption::ConfigPush),
        ] {
            assert_eq!(of_value(kind, path), expected, "{kind} {path}");
        }
    }
}
