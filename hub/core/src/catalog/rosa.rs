//! What Red Hat's admission webhooks refuse on ROSA, whoever asks: classic and hosted control planes have not the same.

/// Where a webhook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// On every ROSA cluster.
    Both,
    /// Where the control plane is in the customer's account.
    ClassicOnly,
}

/// A webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Webhook {
    /// As Red Hat calls it.
    pub name: &'static str,
    /// On which clusters.
    pub on: Topology,
    /// Of what the writing is refused.
    pub refuses: &'static [Refused],
    /// The same, in words.
    pub what: &'static str,
}

/// Objects that a webhook refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// API group.
    pub group: &'static str,
    /// Kind; any if empty.
    pub kind: &'static str,
    /// Which of the kind.
    pub which: Which,
}

/// Which objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those of these names.
    Named(&'static [&'static str]),
    /// Those whose own name is a guarded one.
    NamedLikeGuarded,
    /// Those in guarded namespaces.
    InGuarded,
}

/// Where the table stands, for people.
pub const SOURCE: &str = "openshift/managed-cluster-validating-webhooks, pkg/webhooks";

/// OpenShift's own constraints. New ones may be made.
const CONSTRAINTS: [&str; 11] = [
    "anyuid",
    "hostaccess",
    "hostmount-anyuid",
    "hostnetwork",
    "hostnetwork-v2",
    "node-exporter",
    "nonroot",
    "nonroot-v2",
    "privileged",
    "restricted",
    "restricted-v2",
];

/// The definitions of the Prometheus operator that OpenShift brings.
const MONITORING_DEFINITIONS: [&str; 10] = [
    "alertmanagerconfigs.monitoring.coreos.com",
    "alertmanagers.monitoring.coreos.com",
    "podmonitors.monitoring.coreos.com",
    "probes.monitoring.coreos.com",
    "prometheusagents.monitoring.coreos.com",
    "prometheuses.monitoring.coreos.com",
    "prometheusrules.monitoring.coreos.com",
    "scrapeconfigs.monitoring.coreos.com",
    "servicemonitors.monitoring.coreos.com",
    "thanosrulers.monitoring.coreos.com",
];

/// Namespaces that only Red Hat writes, and those that nobody may have.
const GUARDED: [&str; 2] = ["default", "openshift"];
const GUARDED_BEGINNINGS: [&str; 4] = ["kube-", "openshift-", "redhat-", "dedicated-admin"];
const FORBIDDEN_NAMES: [&str; 3] = ["com", "in", "io"];

const fn refused(group: &'static str, kind: &'static str, which: Which) -> Refused {
    Refused { group, kind, which }
}

/// The webhooks that can concern a mesh.
///
/// Source: [`SOURCE`].
pub const WEBHOOKS: [Webhook; 8] = [
    Webhook {
        name: "scc-validation",
        on: Topology::Both,
        refuses: &[refused(
            "security.openshift.io",
            "SecurityContextConstraints",
            Which::Named(&CONSTRAINTS),
        )],
        what: "changes of OpenShift's own constraints",
    },
    Webhook {
        name: "regular-user-validation",
        on: Topology::Both,
        refuses: &[
            refused("config.openshift.io", "ClusterVersion", Which::All),
            refused("config.openshift.io", "Ingress", Which::All),
            refused("machineconfiguration.openshift.io", "", Which::All),
            refused("machine.openshift.io", "", Which::All),
            refused("cloudcredential.openshift.io", "", Which::All),
        ],
        what: "changes of what Red Hat runs the cluster by",
    },
    Webhook {
        name: "network-operator-validation",
        on: Topology::Both,
        refuses: &[
            refused("operator.openshift.io", "Network", Which::All),
            refused("config.openshift.io", "Network", Which::All),
        ],
        what: "changes of the cluster's network",
    },
    Webhook {
        name: "namespace-validation",
        on: Topology::ClassicOnly,
        refuses: &[refused("", "Namespace", Which::NamedLikeGuarded)],
        what: "Namespaces that Red Hat guards, and the names com, in and io",
    },
    Webhook {
        name: "networkpolicies-validation",
        on: Topology::ClassicOnly,
        refuses: &[refused("networking.k8s.io", "NetworkPolicy", Which::InGuarded)],
        what: "NetworkPolicies in guarded namespaces",
    },
    Webhook {
        name: "prometheusrule-validation",
        on: Topology::ClassicOnly,
        refuses: &[refused("monitoring.coreos.com", "PrometheusRule", Which::InGuarded)],
        what: "PrometheusRules in guarded namespaces",
    },
    Webhook {
        name: "customresourcedefinitions-validation",
        on: Topology::ClassicOnly,
        refuses: &[refused(
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            Which::Named(&MONITORING_DEFINITIONS),
        )],
        what: "the ten definitions of the Prometheus operator",
    },
    Webhook {
        name: "node-validation-osd",
        on: Topology::ClassicOnly,
        refuses: &[refused("", "Node", Which::All)],
        what: "changes of nodes",
    },
];

/// Whether a namespace is guarded, or has a name that none may have.
#[must_use]
pub fn is_guarded(namespace: &str) -> bool {
    GUARDED.contains(&namespace)
        || FORBIDDEN_NAMES.contains(&namespace)
        || GUARDED_BEGINNINGS.iter().any(|beginning| namespace.starts_with(beginning))
}

impl Webhook {
    /// Whether it stands on a cluster: on one whose topology was not seen, all of them.
    #[must_use]
    pub fn stands(&self, hosted: Option<bool>) -> bool {
        self.on == Topology::Both || hosted != Some(true)
    }

    /// Whether it refuses that an object is written.
    #[must_use]
    pub fn refuses(&self, (group, kind): (&str, &str), namespace: &str, name: &str) -> bool {
        let mut of_kind = self
            .refuses
            .iter()
            .filter(|refused| refused.group == group && (refused.kind.is_empty() || refused.kind == kind));
        of_kind.any(|refused| match refused.which {
            Which::All => true,
            Which::Named(names) => names.contains(&name),
            Which::NamedLikeGuarded => is_guarded(name),
            Which::InGuarded => is_guarded(namespace),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who refuses an object on a classic cluster, and on a hosted one.
    fn refusing(object: (&str, &str), namespace: &str, name: &str) -> [Vec<&'static str>; 2] {
        [Some(false), Some(true)].map(|hosted| {
            let standing = WEBHOOKS.iter().filter(|webhook| webhook.stands(hosted));
            let refusing = standing.filter(|webhook| webhook.refuses(object, namespace, name));
            refusing.map(|webhook| webhook.name).collect()
        })
    }

    #[test]
    fn classic_and_hosted_refuse_what_the_webhooks_say() {
        let scc = ("security.openshift.io", "SecurityContextConstraints");
        let definition = ("apiextensions.k8s.io", "CustomResourceDefinition");
        let policy = ("networking.k8s.io", "NetworkPolicy");
        let both = |name| [vec![name], vec![name]];
        let classic = |name| [vec![name], Vec::new()];
        let neither = || [Vec::new(), Vec::new()];
        for (object, namespace, name, expected) in [
            (scc, "", "nonroot-v2", both("scc-validation")),
            (scc, "", "meshfleet-proxy", neither()),
            (("", "Namespace"), "", "kube-system", classic("namespace-validation")),
            (("", "Namespace"), "", "default", classic("namespace-validation")),
            (("", "Namespace"), "", "io", classic("namespace-validation")),
            (("", "Namespace"), "", "istio-system", neither()),
            (policy, "openshift-ingress", "istiod", classic("networkpolicies-validation")),
            (policy, "istio-cni", "istio-cni", neither()),
            (
                ("monitoring.coreos.com", "PrometheusRule"),
                "default",
                "x",
                classic("prometheusrule-validation"),
            ),
            (
                definition,
                "",
                "prometheuses.monitoring.coreos.com",
                classic("customresourcedefinitions-validation"),
            ),
            (definition, "", "istios.sailoperator.io", neither()),
            (("", "Node"), "", "one", classic("node-validation-osd")),
            (("operator.openshift.io", "Network"), "", "cluster", both("network-operator-validation")),
            (
                ("machineconfiguration.openshift.io", "MachineConfig"),
                "",
                "x",
                both("regular-user-validation"),
            ),
            (("k8s.cni.cncf.io", "NetworkAttachmentDefinition"), "default", "istio-cni", neither()),
        ] {
            assert_eq!(refusing(object, namespace, name), expected, "{object:?} {namespace}/{name}");
        }
        let unseen = WEBHOOKS.iter().filter(|webhook| webhook.stands(None)).count();
        assert_eq!(unseen, WEBHOOKS.len(), "what was not seen counts as classic");
    }
}
