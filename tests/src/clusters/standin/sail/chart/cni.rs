//! The chart of the CNI plugin.
//!
//! Plays section 2 (what the platform fills in) and section 3: the attachment
//! definition where the provider is multus, the quota where the platform is gke,
//! and the rule for SecurityContextConstraints everywhere, twice on OpenShift.

use serde_json::{Value, json};

use super::Chart;
use crate::clusters::standin::sail::values::Spec;

/// The DaemonSet's name.
pub(in super::super) const DAEMON_SET: &str = "istio-cni-node";

const ACCOUNT: &str = "istio-cni";

/// What there is to install.
pub(in super::super) struct Plugin<'a> {
    /// What the IstioCNI says.
    pub(in super::super) spec: &'a Spec<'a>,
    /// The platform to render for.
    pub(in super::super) platform: &'a str,
    /// Whether the API server's version says that this is GKE.
    pub(in super::super) gke_version: bool,
}

/// Where the plugin is put and how it is called.
struct Paths {
    bin: &'static str,
    conf: &'static str,
    file: &'static str,
    chained: bool,
    provider: &'static str,
}

impl Plugin<'_> {
    /// Whether pods are attached to the plugin by an object.
    pub(in super::super) fn is_attached(&self) -> bool {
        self.spec.text("/cni/provider").unwrap_or(self.paths().provider) == "multus"
    }

    fn paths(&self) -> Paths {
        match self.platform {
            "openshift" => Paths {
                bin: "/var/lib/cni/bin",
                conf: "/etc/cni/multus/net.d",
                file: "istio-cni.conf",
                chained: false,
                provider: "multus",
            },
            // The profile empties the directory, and the template asks the version.
            "gke" if self.gke_version => Paths { bin: "/home/kubernetes/bin", ..Self::usual() },
            _ => Self::usual(),
        }
    }

    fn usual() -> Paths {
        Paths { bin: "/opt/cni/bin", conf: "/etc/cni/net.d", file: "", chained: true, provider: "default" }
    }
}

/// All of the chart's objects.
pub(in super::super) fn objects(plugin: &Plugin<'_>) -> Vec<Value> {
    let chart = Chart { name: "cni", app: "istio-cni", spec: plugin.spec };
    let (namespace, critical) = (plugin.spec.namespace, "system-node-critical");
    let read = json!([{"apiGroups": [""], "resources": ["pods", "nodes", "namespaces"], "verbs": ["get", "list", "watch"]}]);
    let repair = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["watch", "get", "list", "delete", "patch", "update"]}]);
    let mut objects = vec![
        chart.namespaced("ServiceAccount", "v1", ACCOUNT, json!({})),
        chart.namespaced("ConfigMap", "v1", "istio-cni-config", json!({"data": configuration(plugin)})),
        chart.namespaced("DaemonSet", "apps/v1", DAEMON_SET, daemon_set(plugin, &chart)),
    ];
    objects.extend(chart.cluster_role("istio-cni", "istio-cni", ACCOUNT, with_scc(plugin, read)));
    objects.extend(chart.cluster_role(
        "istio-cni-repair-role",
        "istio-cni-repair-rolebinding",
        ACCOUNT,
        repair,
    ));
    if plugin.is_attached() {
        let mut attachment =
            chart.cluster("NetworkAttachmentDefinition", "k8s.cni.cncf.io/v1", "istio-cni", json!({}));
        attachment["metadata"]["namespace"] = "default".into();
        objects.push(attachment);
    }
    if plugin.platform == "gke" && namespace != "kube-system" {
        let scope = json!({"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": [critical]}]});
        let quota = json!({"spec": {"hard": {"pods": "5000"}, "scopeSelector": scope}});
        objects.push(chart.namespaced("ResourceQuota", "v1", "istio-cni-resource-quota", quota));
    }
    objects
}

fn with_scc(plugin: &Plugin<'_>, mut rules: Value) -> Value {
    let rule = json!({
        "apiGroups": ["security.openshift.io"],
        "resources": ["securitycontextconstraints"],
        "resourceNames": ["privileged"],
        "verbs": ["use"],
    });
    let times = if plugin.platform == "openshift" { 2 } else { 1 };
    if let Some(rules) = rules.as_array_mut() {
        rules.extend(std::iter::repeat_n(rule, times));
    }
    rules
}

fn configuration(plugin: &Plugin<'_>) -> Value {
    let paths = plugin.paths();
    let excluded = plugin.spec.part("/cni/excludeNamespaces").as_array();
    let excluded: Vec<&str> =
        excluded.map_or_else(|| vec!["kube-system"], |all| all.iter().filter_map(Value::as_str).collect());
    json!({
        "CURRENT_AGENT_VERSION": plugin.spec.chart_version(),
        "AMBIENT_ENABLED": "false",
        "CHAINED_CNI_PLUGIN": plugin.spec.flag("/cni/chained").unwrap_or(paths.chained).to_string(),
        "CNI_CONF_NAME": plugin.spec.text("/cni/cniConfFileName").unwrap_or(paths.file),
        "EXCLUDE_NAMESPACES": excluded.join(","),
        "REPAIR_ENABLED": "true",
    })
}

fn daemon_set(plugin: &Plugin<'_>, chart: &Chart<'_>) -> Value {
    let (spec, paths) = (plugin.spec, plugin.paths());
    let selector = json!({"k8s-app": "istio-cni-node"});
    let mut labels = chart.labels();
    labels.insert("k8s-app".to_owned(), "istio-cni-node".into());
    let host_path = |name: &str, path: &str| json!({"name": name, "hostPath": {"path": path}});
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    let mut security = json!({
        "privileged": false,
        "runAsUser": 0,
        "runAsGroup": 0,
        "runAsNonRoot": false,
        "capabilities": {
            "drop": ["ALL"],
            "add": ["NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_ADMIN", "DAC_OVERRIDE"],
        },
    });
    if plugin.platform == "openshift" {
        security["seLinuxOptions"] = json!({"type": "spc_t"});
    }
    json!({"spec": {
        "selector": {"matchLabels": selector},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": ACCOUNT,
                "priorityClassName": "system-node-critical",
                "containers": [{
                    "name": "install-cni",
                    "image": spec.image("install-cni"),
                    "command": ["install-cni"],
                    "envFrom": [{"configMapRef": {"name": "istio-cni-config"}}],
                    "securityContext": security,
                    "volumeMounts": [
                        mount("cni-bin-dir", "/host/opt/cni/bin"),
                        mount("cni-net-dir", "/host/etc/cni/net.d"),
                        mount("cni-netns-dir", "/host/var/run/netns"),
                    ],
                }],
                "volumes": [
                    host_path("cni-bin-dir", spec.text("/cni/cniBinDir").unwrap_or(paths.bin)),
                    host_path("cni-net-dir", spec.text("/cni/cniConfDir").unwrap_or(paths.conf)),
                    host_path("cni-netns-dir", spec.text("/cni/cniNetnsDir").unwrap_or("/var/run/netns")),
                ],
            },
        },
    }})
}
