//! The charts of istiod and, for the default revision, of the base.
//!
//! Plays section 3: names with "-REV" unless the revision is the default one, no
//! base chart for others, webhooks that are Ignore only at the first run.

use serde_json::{Value, json};

use super::{Chart, RBAC};
use crate::clusters::standin::sail::values::Spec;

/// What there is to install.
pub(in super::super) struct Revision<'a> {
    /// The IstioRevision's name.
    pub(in super::super) name: &'a str,
    /// What it says.
    pub(in super::super) spec: &'a Spec<'a>,
    /// The platform to render for.
    pub(in super::super) platform: &'a str,
}

impl Revision<'_> {
    /// Whether `istio-injection: enabled` means this one.
    pub(in super::super) fn is_default(&self) -> bool {
        self.name == "default"
    }

    fn suffixed(&self, name: &str) -> String {
        if self.is_default() { name.to_owned() } else { format!("{name}-{}", self.name) }
    }
}

/// The Deployment's name.
pub(in super::super) fn name(revision: &str) -> String {
    if revision == "default" { "istiod".to_owned() } else { format!("istiod-{revision}") }
}

/// Only the default revision has these.
pub(in super::super) fn base(revision: &Revision<'_>) -> Vec<Value> {
    let chart = Chart { name: "base", app: "istio-base", spec: revision.spec };
    vec![
        chart.namespaced("ServiceAccount", "v1", "istio-reader-service-account", json!({})),
        validator(&chart, revision, "istiod-default-validator", "validation.istio.io"),
    ]
}

/// istiod, its roles and its webhooks.
pub(in super::super) fn objects(revision: &Revision<'_>) -> Vec<Value> {
    let spec = revision.spec;
    let chart = Chart { name: "istiod", app: "istiod", spec };
    let istiod = name(revision.name);
    let secrets =
        json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get", "watch", "list"]}]);
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": istiod});
    let subjects = json!([{"kind": "ServiceAccount", "name": istiod, "namespace": spec.namespace}]);
    let text = |key: &str, value: &Value| json!({"data": {key: value.to_string()}});
    let mesh = spec.part("/meshConfig");
    let mesh = if mesh.is_null() { &json!({}) } else { mesh };
    let mut objects = vec![
        chart.namespaced("ServiceAccount", "v1", &istiod, json!({})),
        chart.namespaced("Role", RBAC, &istiod, json!({"rules": secrets})),
        chart.namespaced("RoleBinding", RBAC, &istiod, json!({"roleRef": role, "subjects": subjects})),
        chart.namespaced("ConfigMap", "v1", &revision.suffixed("istio"), text("mesh", mesh)),
        chart.namespaced(
            "ConfigMap",
            "v1",
            &revision.suffixed("istio-sidecar-injector"),
            text("values", &json!({"global": spec.part("/global")})),
        ),
        chart.namespaced(
            "ConfigMap",
            "v1",
            &revision.suffixed("values"),
            text("merged-values", spec.part("")),
        ),
        chart.namespaced("Service", "v1", &istiod, service(revision)),
        chart.namespaced("Deployment", "apps/v1", &istiod, deployment(revision, &chart, &istiod)),
        chart.namespaced("HorizontalPodAutoscaler", "autoscaling/v2", &istiod, autoscaler(&istiod)),
    ];
    objects.extend(cluster_roles(&chart, revision, &istiod));
    objects.push(injector(&chart, revision, &istiod));
    let validator_name = revision.suffixed("istio-validator");
    let validator_name = format!("{validator_name}-{}", spec.namespace);
    objects.push(validator(&chart, revision, &validator_name, "rev.validation.istio.io"));
    objects
}

fn cluster_roles(chart: &Chart<'_>, revision: &Revision<'_>, istiod: &str) -> Vec<Value> {
    let read = |groups: &[&str], resources: &[&str]| json!([{"apiGroups": groups, "resources": resources, "verbs": ["get", "list", "watch"]}]);
    let roles = [
        ("istiod-clusterrole", istiod, read(&[""], &["pods", "services", "nodes", "namespaces"])),
        ("istiod-gateway-controller", istiod, read(&["apps"], &["deployments"])),
        (
            "istio-reader-clusterrole",
            "istio-reader-service-account",
            read(&[""], &["pods", "services", "secrets"]),
        ),
    ];
    roles
        .into_iter()
        .flat_map(|(role, account, rules)| {
            let role = format!("{}-{}", revision.suffixed(role), revision.spec.namespace);
            chart.cluster_role(&role, &role, account, rules)
        })
        .collect()
}

fn service(revision: &Revision<'_>) -> Value {
    let ports =
        [("grpc-xds", 15010), ("https-dns", 15012), ("https-webhook", 443), ("http-monitoring", 15014)];
    let ports: Vec<Value> =
        ports.map(|(name, port)| json!({"name": name, "port": port, "protocol": "TCP"})).into();
    json!({"spec": {"selector": {"app": "istiod", "istio.io/rev": revision.name}, "ports": ports}})
}

fn autoscaler(istiod: &str) -> Value {
    json!({"spec": {
        "minReplicas": 1,
        "maxReplicas": 5,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": istiod},
    }})
}

fn deployment(revision: &Revision<'_>, chart: &Chart<'_>, istiod: &str) -> Value {
    let spec = revision.spec;
    let selector = json!({"app": "istiod", "istio.io/rev": revision.name});
    let mut labels = chart.labels();
    labels.insert("app".to_owned(), "istiod".into());
    labels.insert("istio.io/rev".to_owned(), revision.name.into());
    let cluster = spec.text("/global/multiCluster/clusterName").unwrap_or("Kubernetes");
    let mut env = vec![
        json!({"name": "REVISION", "value": revision.name}),
        json!({"name": "CLUSTER_ID", "value": cluster}),
    ];
    if !revision.platform.is_empty() {
        env.push(json!({"name": "PLATFORM", "value": revision.platform}));
    }
    if let Some(namespace) = spec.text("/pilot/trustedZtunnelNamespace") {
        let account = format!("{namespace}/ztunnel");
        env.push(json!({"name": "CA_TRUSTED_NODE_ACCOUNTS", "value": account}));
    }
    for (name, value) in spec.part("/pilot/env").as_object().into_iter().flatten() {
        env.push(json!({"name": name, "value": value.as_str().unwrap_or_default()}));
    }
    json!({"spec": {
        "replicas": 1,
        "selector": {"matchLabels": selector},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": istiod,
                "containers": [{
                    "name": "discovery",
                    "image": spec.image("pilot"),
                    "args": ["discovery", "--domain", "cluster.local"],
                    "env": env,
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "readOnlyRootFilesystem": true,
                        "runAsNonRoot": true,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }],
            },
        },
    }})
}

fn injector(chart: &Chart<'_>, revision: &Revision<'_>, istiod: &str) -> Value {
    let is = |key: &str, values: Value| json!({"key": key, "operator": "In", "values": values});
    let absent = |key: &str| json!({"key": key, "operator": "DoesNotExist"});
    let by_revision = json!([is("istio.io/rev", json!([revision.name])), absent("istio-injection")]);
    let neither = json!([absent("istio.io/rev"), absent("istio-injection")]);
    let enabled = json!([is("istio-injection", json!(["enabled"]))]);
    let mut selectors = vec![("rev.namespace", by_revision), ("rev.object", neither.clone())];
    if revision.is_default() {
        selectors.extend([("namespace", enabled), ("object", neither)]);
    }
    let rules = json!([{
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
        "scope": "*",
    }]);
    let webhooks: Vec<Value> = selectors
        .into_iter()
        .map(|(name, namespaces)| {
            let mut webhook = webhook(&format!("{name}.sidecar-injector.istio.io"), &rules);
            webhook["clientConfig"] = client_config(chart, istiod, "/inject");
            webhook["failurePolicy"] = "Fail".into();
            webhook["namespaceSelector"] = json!({"matchExpressions": namespaces});
            webhook
        })
        .collect();
    let name = revision.suffixed("istio-sidecar-injector");
    let name = if chart.spec.namespace == "istio-system" {
        name
    } else {
        format!("{name}-{}", chart.spec.namespace)
    };
    chart.cluster("MutatingWebhookConfiguration", ADMISSION, &name, json!({"webhooks": webhooks}))
}

fn validator(chart: &Chart<'_>, revision: &Revision<'_>, name: &str, webhook_name: &str) -> Value {
    let rules = json!([{
        "apiGroups": ["security.istio.io", "networking.istio.io", "telemetry.istio.io", "extensions.istio.io"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["*"],
        "scope": "*",
    }]);
    let mut webhook = webhook(webhook_name, &rules);
    webhook["clientConfig"] = client_config(chart, &self::name(revision.name), "/validate");
    webhook["failurePolicy"] = "Ignore".into();
    chart.cluster("ValidatingWebhookConfiguration", ADMISSION, name, json!({"webhooks": [webhook]}))
}

/// One that is called for nothing: no istiod would answer.
fn webhook(name: &str, rules: &Value) -> Value {
    json!({
        "name": name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "rules": rules,
        "objectSelector": {"matchLabels": {"stand-in.meshfleet.dev/called-for": "nothing"}},
    })
}

fn client_config(chart: &Chart<'_>, istiod: &str, path: &str) -> Value {
    json!({"service": {"name": istiod, "namespace": chart.spec.namespace, "path": path, "port": 443}})
}

const ADMISSION: &str = "admissionregistration.k8s.io/v1";
