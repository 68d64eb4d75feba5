//! GKE, EKS and AKS, and telling platforms apart.

use super::{
    Answer::{Code, Finding, NotServed, Open, Rule, Unseen},
    Fact,
};

const DETECTION: &[super::Answer] = &[Code("platform/detect.rs")];

pub const FACTS: [Fact; 41] = [
    // 4.1
    ("4.1/1", "a private cluster's firewall lacks port 15017", &[Finding("gke.private.webhook-port")]),
    (
        "4.1/2",
        "Autopilot runs no CNI plugin, and sidecars only where NET_ADMIN was allowed",
        &[Finding("gke.autopilot.cni"), Finding("gke.autopilot.net-admin")],
    ),
    ("4.1/3", "Dataplane V2 is Cilium, chosen at creation", &[Finding("gke.dataplane-v2.file")]),
    ("4.1/4", "Calico goes with dataplane V1 alone", &[Finding("gke.dataplane-v2.calico")]),
    (
        "4.1/5",
        "clusters of one network need a firewall rule for pods",
        &[Unseen("firewall rules are the cloud's")],
    ),
    (
        "4.1/6",
        "an internal load balancer is an annotation",
        &[Rule("gke.gateway.load-balancer"), Finding("gke.gateway.exposure")],
    ),
    (
        "4.1/7",
        "whoever installs needs to be cluster-admin",
        &[Code("plan/rights.rs"), Finding("rbac.missing")],
    ),
    ("4.1/8", "supported minors", &[Code("catalog/kubernetes.rs"), Finding("platform.end-of-life")]),
    // 4.2
    (
        "4.2/1",
        "security groups of nodes must let 15017 and 15012 in",
        &[Unseen("security groups are the cloud's, and nothing in the cluster hints at them")],
    ),
    (
        "4.2/2",
        "pod security groups keep probes off pods unless enforcement is standard",
        &[Finding("eks.pod-eni.probes")],
    ),
    ("4.2/3", "Bottlerocket forgets the CNI configuration at a reboot", &[Finding("eks.bottlerocket.cni")]),
    ("4.2/4", "Fargate runs no DaemonSets", &[Finding("eks.fargate.cni"), Finding("eks.fargate")]),
    (
        "4.2/5",
        "two network policies do not go together, and Calico's needs pod addresses annotated",
        &[Finding("eks.network-policy.two"), Finding("eks.calico.pod-ip")],
    ),
    ("4.2/6", "with Calico as CNI the control plane does not reach istiod", &[Finding("eks.calico.webhook")]),
    (
        "4.2/7",
        "kind and scheme of a load balancer are annotations, and the first port is probed",
        &[
            Rule("eks.gateway.load-balancer"),
            Finding("eks.gateway.exposure"),
            Finding("eks.gateway.controller-missing"),
            Finding("gateway.health-port"),
        ],
    ),
    (
        "4.2/8",
        "the kind of an existing load balancer must not be changed",
        &[Open("a preview classes it as irreversible and does not say why it leaks")],
    ),
    (
        "4.2/9",
        "kube-proxy in ipvs mode needs the same as pod security groups",
        &[Open("the mode of kube-proxy is not among the facts"), NotServed("ambient data planes")],
    ),
    ("4.2/10", "supported minors", &[Code("catalog/kubernetes.rs"), Finding("platform.end-of-life")]),
    // 4.3
    (
        "4.3/1",
        "the admissions enforcer and an operator undo each other without end",
        &[Rule("aks.webhook.enforcer"), Finding("aks.webhook.enforced")],
    ),
    (
        "4.3/2",
        "an internal load balancer is an annotation; probes of HTTP ports need a path and a port",
        &[
            Rule("aks.gateway.load-balancer"),
            Rule("aks.gateway.probe"),
            Finding("aks.gateway.exposure"),
            Finding("aks.gateway.unprobed"),
        ],
    ),
    ("4.3/3", "the managed mesh stands in namespaces of its own", &[Finding("mesh.foreign")]),
    (
        "4.3/4",
        "network modes, and Calico in some of them",
        &[Open("the network mode is not among the facts")],
    ),
    ("4.3/5", "supported minors", &[Code("catalog/kubernetes.rs"), Finding("platform.end-of-life")]),
    (
        "4.3/6",
        "Azure Policy spares namespaces with a label",
        &[Unseen("policies are Azure's; the label is Calico's operator's to set")],
    ),
    // 4.4
    (
        "4.4/1",
        "the ports of Istio",
        &[Unseen(
            "who may reach a port is decided outside of the cluster; a node firewall is not planned yet",
        )],
    ),
    // 6.1
    ("6.1/1", "which signal means which platform, and in which order", DETECTION),
    // 6.2, traps.
    ("6.2/1", "OpenShift stands in clouds: it is asked first", DETECTION),
    ("6.2/2", "a hash behind + is no cloud's mark", DETECTION),
    ("6.2/3", "one node does not speak for all", DETECTION),
    (
        "6.2/4",
        "without nodes or the right to see them nothing is guessed",
        &[Code("platform/detect.rs"), Finding("platform.unknown")],
    ),
    (
        "6.2/5",
        "machines of one's own carry a cloud's providerID and none of its labels",
        &[Code("platform/generic.rs")],
    ),
    ("6.2/6", "definitions of GKE can exist elsewhere", &[Code("platform/gke.rs")]),
    (
        "6.2/7",
        "EKS Anywhere, Arc and GKE on premises look like their clouds but for the providerID",
        &[Code("platform/evidence.rs")],
    ),
    ("6.2/8", "ROSA, OSD and OpenShift on AWS differ by tags alone", &[Code("platform/rosa.rs")]),
    ("6.2/9", "MicroShift has some of OpenShift's APIs and no version", DETECTION),
    ("6.2/10", "External is not ROSA", &[Code("platform/rosa.rs")]),
    ("6.2/11", "what was declared wins and must not be contradicted", &[Finding("platform.contradiction")]),
    (
        "6.2/12",
        "detection needs rights of its own",
        &[Code("platform/detect.rs"), Unseen("what could not be read is said by the spoke, with the reason")],
    ),
    // 8, Kubernetes by provider.
    ("8.5/1", "which minors each provider supports, and until when", &[Code("catalog/kubernetes.rs")]),
    ("8.5/2", "Calico by Kubernetes", &[Code("catalog/calico.rs")]),
    ("8.5/3", "kube-prometheus by Kubernetes", &[Code("catalog/kube_prometheus.rs")]),
];
