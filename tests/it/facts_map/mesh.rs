//! Istio and its installers: values of the CNI plugin, versions, what clusters have in common.

use super::{
    Answer::{Code, Finding, NotServed, Rule, Unseen},
    Fact,
};

pub const FACTS: [Fact; 37] = [
    // 1.1, facts that bite.
    (
        "1.1/1",
        "a platform that the charts do not know, or an empty one, fails their rendering",
        &[Rule("sail.platform"), Finding("sail.platform-unknown")],
    ),
    (
        "1.1/2",
        "on GKE the platform or the directory of plugins must be given",
        &[Rule("gke.platform"), Finding("gke.platform-missing")],
    ),
    ("1.1/3", "istioctl finds GKE out by itself; Helm and Sail do not", &[Rule("gke.platform")]),
    (
        "1.1/4",
        "Sail names OpenShift by itself and no other platform",
        &[Rule("openshift.cni.multus"), Finding("rule.contradicted"), Rule("gke.platform")],
    ),
    (
        "1.1/5",
        "istiod is told the platform, and takes users from the namespace's range only on OpenShift",
        &[Rule("openshift.sail.user")],
    ),
    (
        "1.1/6",
        "sidecars need the CNI plugin on OpenShift alone",
        &[Rule("openshift.sail.cni"), Rule("openshift.cni.multus"), Rule("cni.plugin")],
    ),
    (
        "1.1/7",
        "AppArmor keeps the CNI plugin off unless it is unconfined, which its chart asks for",
        &[Unseen("the chart does it by itself; whether a node enforces AppArmor is not in its API object")],
    ),
    (
        "1.1/8",
        "Calico must let ambient pods answer probes from another source",
        &[NotServed("ambient data planes")],
    ),
    (
        "1.1/9",
        "Cilium must not be the only plugin, and a default-deny needs an exception under ambient",
        &[Finding("cni.cilium-exclusive"), NotServed("ambient data planes")],
    ),
    // 1.1, the table of values.
    (
        "1.1/10",
        "directories and file of the CNI plugin, chained or not, by platform and version",
        &[Code("catalog/cni.rs"), Finding("cni.directories"), Finding("openshift.cni.settings")],
    ),
    (
        "1.1/11",
        "critical pods need a quota on GKE outside of kube-system",
        &[Rule("gke.cni.resource-quota"), Finding("gke.cni.unquoted")],
    ),
    ("1.1/12", "the trusted namespace is that in which ztunnel runs", &[NotServed("ambient data planes")]),
    // 1.2
    ("1.2/1", "what changed by minor of Istio", &[Code("catalog/istio.rs")]),
    (
        "1.2/2",
        "up to 1.18 each injected namespace needs the attachment definition, from 1.19 one in default does",
        &[
            Rule("openshift.nad.data-plane"),
            Rule("openshift.sail.attachment"),
            Finding("openshift.nad.missing"),
        ],
    ),
    (
        "1.2/3",
        "up to 1.19 everything of Istio runs as user 1337",
        &[Code("catalog/scc.rs"), Rule("openshift.scc.sidecar-1337"), Rule("openshift.scc.istiod")],
    ),
    (
        "1.2/4",
        "from 1.22 the chart brings the right to the constraint of the CNI plugin",
        &[Rule("openshift.sail.scc")],
    ),
    // 1.3
    (
        "1.3/1",
        "Calisti's operator takes one minor of Istio per release and ignores others without a word",
        &[Code("catalog/calisti.rs"), Finding("calisti.version")],
    ),
    ("1.3/2", "its version chooses no image", &[Rule("calisti.images"), Finding("control-plane.images")]),
    (
        "1.3/3",
        "privileged is lost in its releases for 1.16 and 1.17",
        &[Rule("openshift.cni.privileged"), Finding("openshift.cni.unprivileged")],
    ),
    (
        "1.3/4",
        "a namespace is put under it by its revision, name and namespace",
        &[Rule("calisti.namespace-label"), Finding("calisti.namespace-label")],
    ),
    ("1.3/5", "its quota holds 128 critical pods", &[Finding("calisti.cni.quota")]),
    // 2.5
    (
        "2.5/1",
        "the labels of namespaces decide about injection, not the config",
        &[Rule("sail.namespace-label"), Finding("sail.namespace-label"), Finding("data-plane.not-selected")],
    ),
    (
        "2.5/2",
        "istio-injection beside the label of a revision switches injection off",
        &[Finding("calisti.namespace-label")],
    ),
    ("2.5/3", "ambient goes by a label of its own", &[NotServed("ambient data planes")]),
    (
        "2.5/4",
        "a tag gives a namespace its revision",
        &[Rule("sail.revision-tag"), Finding("sail.revision-tag.missing")],
    ),
    // 7.2
    (
        "7.2/1",
        "load balancers show names on AWS and addresses elsewhere",
        &[NotServed("meshes of several clusters")],
    ),
    ("7.2/2", "regions are named by each provider in its own way", &[Finding("locality.elsewhere")]),
    (
        "7.2/3",
        "the addresses from which a cluster speaks must be let in by its peers",
        &[Unseen("addresses of NAT are known to the cloud's network, not to the cluster")],
    ),
    (
        "7.2/4",
        "API servers must reach one another",
        &[Unseen("a cluster does not see who reaches it; istiod tells of its peers once there are some")],
    ),
    (
        "7.2/5",
        "the same namespace and name are the same service, and accounts are part of identities",
        &[NotServed("meshes of several clusters")],
    ),
    (
        "7.2/6",
        "images with a fixed user do not run in a namespace's range",
        &[
            Code("platform/openshift/referee_admission.rs"),
            Unseen("images are not read; a pod template is judged by meshfleet admission simulate"),
        ],
    ),
    // 8
    (
        "8/1",
        "which Istio was released for which Kubernetes",
        &[Code("catalog/istio.rs"), Finding("istio.kubernetes")],
    ),
    ("8/2", "support ends", &[Finding("istio.end-of-life"), Finding("platform.end-of-life")]),
    (
        "8/3",
        "what Sail installs and what it takes and does not install",
        &[Code("catalog/sail.rs"), Finding("sail.version")],
    ),
    (
        "8/4",
        "OpenShift Service Mesh installs other versions than Sail upstream",
        &[
            Code("catalog/service_mesh.rs"),
            // The definition that either of them installed has the last word.
            Code("plan/check/versions.rs"),
            Finding("sail.version"),
        ],
    ),
    (
        "8/5",
        "proxies work beside a control plane one minor away",
        &[Finding("proxies.skew"), Finding("proxies.old")],
    ),
    (
        "8/6",
        "an active revision that nothing references is deleted as soon as the version changes",
        &[Rule("sail.revision-tag"), Finding("sail.strategy-move")],
    ),
];
