//! OpenShift, and ROSA classic and with a hosted control plane.

use super::{
    Answer::{Code, Finding, NotServed, Open, Rule, Unseen},
    Fact,
};

pub const FACTS: [Fact; 48] = [
    // 2.1
    (
        "2.1/1",
        "the -v2 constraints came with 4.11",
        &[Code("catalog/openshift.rs"), Rule("openshift.scc.istiod")],
    ),
    (
        "2.1/2",
        "the default constraints, what each allows, and who may use them",
        &[Code("catalog/constraints.rs"), Finding("openshift.admission.refused")],
    ),
    // 2.2
    (
        "2.2/1",
        "a constraint is bound by a RoleBinding in the namespace, to the ClusterRole that OpenShift has for it",
        &[Rule("openshift.scc.istiod"), Finding("openshift.scc.unbound-istiod")],
    ),
    ("2.2/2", "there is no such ClusterRole for node-exporter", &[Rule("openshift.scc.node-exporter")]),
    (
        "2.2/3",
        "whoever binds must hold the right, or the verb bind",
        &[Code("plan/rights.rs"), Finding("rbac.missing")],
    ),
    (
        "2.2/4",
        "a whole namespace is bound as a group",
        &[Rule("openshift.scc.sidecar-1337"), Finding("openshift.scc.sidecars")],
    ),
    (
        "2.2/5",
        "a pod says which constraint let it in",
        &[Open("nothing reads the annotation of running pods back")],
    ),
    (
        "2.2/6",
        "the ranges of a namespace stand in its annotations",
        &[Code("platform/openshift/referee_admission.rs")],
    ),
    // 2.3
    (
        "2.3/1",
        "istiod: nonroot-v2 up to 1.19, then what everybody may use",
        &[Rule("openshift.scc.istiod"), Code("catalog/scc.rs")],
    ),
    (
        "2.3/2",
        "gateways of the charts and of Gateway API, by version",
        &[Rule("openshift.scc.gateway"), Code("catalog/scc.rs")],
    ),
    (
        "2.3/3",
        "sidecars up to 1.19 need nonroot-v2 for the workload's own account",
        &[Rule("openshift.scc.sidecar-1337"), Finding("openshift.scc.sidecars")],
    ),
    (
        "2.3/4",
        "under TPROXY no default constraint but privileged lets a sidecar in",
        &[Finding("openshift.tproxy")],
    ),
    (
        "2.3/5",
        "the CNI plugin needs privileged, and nothing else",
        &[Rule("openshift.scc.istio-cni"), Rule("openshift.sail.scc")],
    ),
    ("2.3/6", "ztunnel needs privileged; its chart brings it", &[NotServed("ambient data planes")]),
    (
        "2.3/7",
        "an application of its own must fit the constraint of its sidecar",
        &[Open(
            "pod templates of workloads are not read; meshfleet admission simulate judges one from a file",
        )],
    ),
    (
        "2.3/8",
        "an own node-exporter needs privileged where it adds a capability; hostnetwork does not do",
        &[Rule("openshift.scc.node-exporter"), Finding("openshift.scc.unbound-node-exporter")],
    ),
    (
        "2.3/9",
        "an application with the proxy's user changes the proxy's",
        &[Open("pod templates of workloads are not read")],
    ),
    (
        "2.3/10",
        "Prometheus needs nonroot-v2",
        &[Rule("openshift.scc.prometheus"), Finding("openshift.scc.unbound-prometheus")],
    ),
    ("2.3/11", "some namespaces are not judged", &[Finding("openshift.scc.not-judged")]),
    (
        "2.3/12",
        "a pod with an injected sidecar is judged twice, so that nonroot does not replace nonroot-v2",
        &[Code("platform/openshift/referee_admission.rs"), Finding("openshift.admission.refused")],
    ),
    // 2.4
    ("2.4/1", "the definition's group and kind", &[Finding("openshift.nad.not-served")]),
    (
        "2.4/2",
        "a definition without the key spec is refused from 4.20 on",
        &[Rule("openshift.nad.data-plane"), Finding("openshift.nad.missing")],
    ),
    (
        "2.4/3",
        "with Sail it is Helm's: one made beforehand blocks the release",
        &[Rule("openshift.sail.attachment"), Finding("helm.owned")],
    ),
    (
        "2.4/4",
        "Multus looks for plugins in directories of its own",
        &[Rule("openshift.cni.multus"), Finding("openshift.cni.settings")],
    ),
    (
        "2.4/5",
        "a pod that names networks already has Istio's appended",
        &[Open("pod templates of workloads are not read")],
    ),
    // 2.6
    (
        "2.6/1",
        "from 4.19 the definitions of Gateway API are the ingress operator's",
        &[Finding("openshift.gateway-api.definitions")],
    ),
    (
        "2.6/2",
        "the ingress operator may make an Istio of its own: it is nobody's mesh",
        &[Finding("mesh.foreign"), Code("platform/foreign.rs")],
    ),
    ("2.6/3", "ambient needs the local gateway of OVN-Kubernetes", &[NotServed("ambient data planes")]),
    ("2.6/4", "Sail tells OpenShift by one kind alone", &[Code("platform/openshift/mod.rs")]),
    // 3.1
    (
        "3.1/1",
        "a hosted control plane shows as External; that alone is not ROSA",
        &[Code("platform/rosa.rs")],
    ),
    (
        "3.1/2",
        "ROSA's webhook tags load balancers: that annotation is not ours",
        &[
            Finding("rosa.gateway.tags"),
            Open("a difference that it makes is reported as drift of an unknown writer"),
        ],
    ),
    (
        "3.1/3",
        "another CNI can be chosen at creation only",
        &[
            Finding("rosa.webhook.network-operator-validation"),
            Unseen("what was chosen at creation is known to Red Hat's side"),
        ],
    ),
    ("3.1/4", "MachineConfig is Red Hat's", &[Finding("rosa.webhook.regular-user-validation")]),
    // 3.2
    ("3.2/1", "default constraints may not be edited", &[Finding("rosa.webhook.scc-validation")]),
    (
        "3.2/2",
        "people may not write webhook configurations; service accounts may",
        &[
            Finding("rosa.webhook.regular-user-validation"),
            Unseen("the spoke writes as a service account, always"),
        ],
    ),
    ("3.2/3", "the network may not be migrated", &[Finding("rosa.webhook.network-operator-validation")]),
    (
        "3.2/4",
        "some namespaces may not be made or labelled on classic",
        &[Finding("rosa.webhook.namespace-validation")],
    ),
    ("3.2/5", "no NetworkPolicy there on classic", &[Finding("rosa.webhook.networkpolicies-validation")]),
    ("3.2/6", "no PrometheusRule there on classic", &[Finding("rosa.webhook.prometheusrule-validation")]),
    (
        "3.2/7",
        "the definitions of monitoring may not be written on classic",
        &[
            Finding("rosa.webhook.customresourcedefinitions-validation"),
            Finding("rosa.monitoring.definitions"),
        ],
    ),
    (
        "3.2/8",
        "some bindings, roles and accounts may not be deleted",
        &[Open(
            "deletions are not held against the webhooks; the spoke's account passes the one on bindings",
        )],
    ),
    ("3.2/9", "nodes may not be changed on classic", &[Finding("rosa.webhook.node-validation-osd")]),
    // 3.3
    (
        "3.3/1",
        "which Kubernetes an OpenShift has, until when it is supported, and that 5 follows 4",
        &[Code("catalog/openshift.rs"), Finding("platform.end-of-life")],
    ),
    (
        "3.3/2",
        "Calisti 1.12 on 4.11 is the one documented pair, and past its end",
        &[Code("catalog/calisti.rs")],
    ),
    // 9
    (
        "9/1",
        "limits of a container beside the mesh are an exception with a reason, not a default",
        &[Rule("openshift.monitoring.limits"), Finding("openshift.monitoring.limits-missing")],
    ),
    (
        "9/2",
        "OpenShift's own node-exporter holds port 9100 on every node",
        &[Finding("openshift.node-exporter.port")],
    ),
    ("9/3", "the definitions of monitoring are there already", &[Finding("rosa.monitoring.definitions")]),
    (
        "9/4",
        "two operators of Prometheus fight unless each keeps to its namespaces",
        &[Finding("openshift.monitoring.two-operators")],
    ),
];
