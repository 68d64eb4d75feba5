//! The objects of the CNI plugin's installer.

use serde_json::{Value, json};

use super::plane::{Plane, REVISION_LABEL};

/// All of them, whether the CNI is on or off.
pub(super) fn objects(plane: &Plane) -> Vec<Value> {
    let name = format!("istio-cni-{}", plane.name);
    let node = format!("istio-cni-node-{}", plane.name);
    let pods = plane.text("/proxyInit/cni/resourceQuotas/pods").unwrap_or("128");
    let critical = json!([{
        "scopeName": "PriorityClass",
        "operator": "In",
        "values": ["system-node-critical", "system-cluster-critical"],
    }]);
    let quota = json!({"spec": {"hard": {"pods": pods}, "scopeSelector": {"matchExpressions": critical}}});
    let read = json!([{"apiGroups": [""], "resources": ["pods", "nodes", "namespaces"], "verbs": ["get"]}]);
    let repair = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "get", "watch", "delete", "patch", "update"]}]);
    let mut objects = vec![
        plane.in_namespace("ServiceAccount", "v1", &name),
        plane.with(
            "ConfigMap",
            "v1",
            &name,
            json!({"data": {"cni_network_config": "{\"type\": \"istio-cni\"}"}}),
        ),
        plane.with("ResourceQuota", "v1", &name, quota),
        plane.with("DaemonSet", "apps/v1", &node, daemon_set(plane, &name)),
        plane.inventory("cni"),
    ];
    objects.extend(plane.cluster_role(&format!("{name}-{}", plane.namespace), &name, read));
    let repair_role = format!("istio-cni-repair-{}-{}", plane.name, plane.namespace);
    objects.extend(plane.cluster_role(&repair_role, &name, repair));
    plane.mark_all("cni", objects)
}

/// What the custom resource says of the securityContext never arrives: v2.17
/// prints another, empty value for privileged.
fn daemon_set(plane: &Plane, name: &str) -> Value {
    let labels = json!({"k8s-app": "istio-cni-node", REVISION_LABEL: plane.revision()});
    let image = plane.image(
        "/proxyInit/cni/daemonset/image",
        "install-cni",
        "gcr.io/istio-testing/install-cni:latest",
    );
    let chained = plane.spec["proxyInit"]["cni"]["chained"].as_bool().unwrap_or(true);
    let host_path = |name: &str, path: &str| json!({"name": name, "hostPath": {"path": path}});
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    let mut env = vec![
        json!({"name": "CNI_NETWORK_CONFIG", "valueFrom": {"configMapKeyRef": {"name": name, "key": "cni_network_config"}}}),
        json!({"name": "CNI_NET_DIR", "value": plane.text("/proxyInit/cni/confDir").unwrap_or("/etc/cni/net.d")}),
        json!({"name": "CHAINED_CNI_PLUGIN", "value": chained.to_string()}),
    ];
    if let Some(file) = plane.text("/proxyInit/cni/confFileName") {
        env.push(json!({"name": "CNI_CONF_NAME", "value": file}));
    }
    json!({"spec": {
        "selector": {"matchLabels": labels},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": name,
                "priorityClassName": "system-node-critical",
                "containers": [{
                    "name": "install-cni",
                    "image": image,
                    "command": ["install-cni"],
                    "args": ["--log_output_level=info"],
                    "env": env,
                    "securityContext": {"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false},
                    "volumeMounts": [
                        mount("cni-bin-dir", "/host/opt/cni/bin"),
                        mount("cni-net-dir", "/host/etc/cni/net.d"),
                        mount("cni-log-dir", "/var/run/istio-cni"),
                    ],
                }],
                "volumes": [
                    host_path("cni-bin-dir", plane.text("/proxyInit/cni/binDir").unwrap_or("/opt/cni/bin")),
                    host_path("cni-net-dir", plane.text("/proxyInit/cni/confDir").unwrap_or("/etc/cni/net.d")),
                    host_path("cni-log-dir", "/var/run/istio-cni"),
                ],
            },
        },
    }})
}
