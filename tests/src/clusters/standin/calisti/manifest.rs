//! The objects that the operator makes for one IstioControlPlane, but for the CNI's.
//!
//! Names, owners, marks, service accounts and what a planner or a gate looks at
//! are as observed; the rest of Istio's charts is left out.

use serde_json::{Value, json};

use super::plane::{Plane, RBAC, REVISION_LABEL, merged};

/// What peers read this cluster with.
pub(super) fn base(plane: &Plane) -> Vec<Value> {
    let account = format!("istio-reader-{}", plane.name);
    let reader = format!("{}-{}", plane.cluster_id().to_lowercase(), plane.name);
    let rules = json!([{
        "apiGroups": [""],
        "resources": ["services", "endpoints", "pods"],
        "verbs": ["get", "list", "watch"],
    }]);
    let mut objects = vec![
        plane.in_namespace("ServiceAccount", "v1", &account),
        plane.with("Secret", "v1", &reader, json!({"type": "k8s.cisco.com/istio-reader-secret"})),
        plane.inventory("base"),
    ];
    objects.extend(plane.cluster_role(&format!("{account}-{}", plane.namespace), &account, rules));
    let mut objects = plane.mark_all("base", objects);
    // Alone among all it bears no mark and has no owner.
    objects.push(plane.with("Secret", "v1", &format!("{account}-token"), json!({"type": "Opaque"})));
    objects
}

/// istiod and its webhooks.
pub(super) fn discovery(plane: &Plane) -> Vec<Value> {
    let istiod = format!("istiod-{}", plane.name);
    let (namespace, revision) = (&plane.namespace, plane.revision());
    let role = json!({"apiGroup": RBAC, "kind": "Role", "name": istiod});
    let secrets =
        json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get", "watch", "list"]}]);
    let watch = json!([{"apiGroups": [""], "resources": ["pods", "services", "nodes"], "verbs": ["get", "list", "watch"]}]);
    let gateways =
        json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "watch", "list"]}]);
    let labels = json!({"app": "istiod", "istio": "istiod"});
    let mut objects = vec![
        plane.in_namespace("ServiceAccount", "v1", &istiod),
        plane.with("Role", "rbac.authorization.k8s.io/v1", &istiod, json!({"rules": secrets})),
        plane.with(
            "RoleBinding",
            "rbac.authorization.k8s.io/v1",
            &istiod,
            json!({"roleRef": role, "subjects": plane.subject(&istiod)}),
        ),
        plane.with("ConfigMap", "v1", &format!("istio-{revision}"), json!({"data": {"mesh": mesh(plane)}})),
        plane.with(
            "ConfigMap",
            "v1",
            &format!("istio-sidecar-injector-{revision}"),
            json!({"data": {"config": "stand-in", "values": "{}"}}),
        ),
        plane.with("Service", "v1", &istiod, service(&revision)),
        plane.with(
            "PodDisruptionBudget",
            "policy/v1",
            &istiod,
            json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": labels}}}),
        ),
        plane.with("Deployment", "apps/v1", &istiod, deployment(plane, &istiod)),
        plane.inventory("discovery"),
        injector(plane, &istiod),
        validator(plane, &istiod),
    ];
    objects.extend(plane.cluster_role(&format!("{istiod}-{namespace}"), &istiod, watch));
    let gateway_role = format!("istiod-gateway-controller-{}-{namespace}", plane.name);
    objects.extend(plane.cluster_role(&gateway_role, &istiod, gateways));
    objects.extend(autoscaler(plane, &istiod));
    plane.mark_all("discovery", objects)
}

/// The mesh configuration, which is JSON as well as YAML.
fn mesh(plane: &Plane) -> String {
    plane.spec["meshConfig"].to_string()
}

fn service(revision: &str) -> Value {
    let ports =
        [("grpc-xds", 15010), ("https-dns", 15012), ("https-webhook", 443), ("http-monitoring", 15014)];
    let ports: Vec<Value> =
        ports.map(|(name, port)| json!({"name": name, "port": port, "protocol": "TCP"})).into();
    json!({"spec": {"selector": {"app": "istiod", REVISION_LABEL: revision}, "ports": ports}})
}

fn deployment(plane: &Plane, istiod: &str) -> Value {
    let labels = json!({"app": "istiod", REVISION_LABEL: plane.revision()});
    let replicas = match &plane.spec["istiod"]["deployment"]["replicas"] {
        // An autoscaler decides; it starts with one.
        bounds if bounds["min"].is_number() => json!(1),
        count if count["count"].is_number() => count["count"].clone(),
        _ => json!(1),
    };
    json!({"spec": {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": istiod,
                "securityContext": {"fsGroup": 1337},
                "containers": [{
                    "name": "discovery",
                    "image": plane.image("/istiod/deployment/image", "pilot", "istio/pilot:1.17.8"),
                    "env": [
                        {"name": "REVISION", "value": plane.revision()},
                        {"name": "CLUSTER_ID", "value": plane.cluster_id()},
                    ],
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "capabilities": {"drop": ["ALL"]},
                        "runAsGroup": 1337,
                        "runAsNonRoot": true,
                        "runAsUser": 1337,
                    },
                }],
            },
        },
    }})
}

fn autoscaler(plane: &Plane, istiod: &str) -> Option<Value> {
    let bounds = &plane.spec["istiod"]["deployment"]["replicas"];
    let (min, max) = (bounds["min"].as_i64()?, bounds["max"].as_i64()?);
    let spec = json!({
        "minReplicas": min,
        "maxReplicas": max,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": istiod},
    });
    Some(plane.with("HorizontalPodAutoscaler", "autoscaling/v2", istiod, json!({"spec": spec})))
}

/// Matches only `istio.io/rev: NAME.NAMESPACE`: there is no default revision.
/// It fails closed at once, before istiod is there.
fn injector(plane: &Plane, istiod: &str) -> Value {
    let revision = plane.revision();
    let is = |key: &str, values: Value| json!({"key": key, "operator": "In", "values": values});
    let absent = |key: &str| json!({"key": key, "operator": "DoesNotExist"});
    let not_off = json!({"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]});
    let by_namespace = json!({
        "namespaceSelector": {"matchExpressions": [is(REVISION_LABEL, json!([revision])), absent("istio-injection")]},
        "objectSelector": {"matchExpressions": [not_off]},
    });
    let by_pod = json!({
        "namespaceSelector": {"matchExpressions": [absent(REVISION_LABEL), absent("istio-injection")]},
        "objectSelector": {"matchExpressions": [not_off, is(REVISION_LABEL, json!([revision]))]},
    });
    let webhook = |name: &str, selectors: Value| {
        let webhook = json!({
            "name": format!("{name}.sidecar-injector.istio.io"),
            "admissionReviewVersions": ["v1beta1", "v1"],
            "clientConfig": client_config(plane, istiod, "/inject"),
            "failurePolicy": "Fail",
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "sideEffects": "None",
        });
        merged(webhook, selectors)
    };
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": format!("istio-sidecar-injector-{revision}"),
            "labels": {"app": "sidecar-injector"},
        },
        "webhooks": [webhook("rev.namespace", by_namespace), webhook("rev.object", by_pod)],
    })
}

fn validator(plane: &Plane, istiod: &str) -> Value {
    let revision = plane.revision();
    let selector = json!([{"key": REVISION_LABEL, "operator": "In", "values": [revision]}]);
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": format!("istio-validator-{revision}-{}", plane.namespace)},
        "webhooks": [{
            "name": "rev.validation.istio.io",
            "admissionReviewVersions": ["v1beta1", "v1"],
            "clientConfig": client_config(plane, istiod, "/validate"),
            "failurePolicy": "Ignore",
            "objectSelector": {"matchExpressions": selector},
            "rules": [{
                "apiGroups": ["security.istio.io", "networking.istio.io", "telemetry.istio.io", "extensions.istio.io"],
                "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["*"],
            }],
            "sideEffects": "None",
        }],
    })
}

fn client_config(plane: &Plane, istiod: &str, path: &str) -> Value {
    json!({"service": {"name": istiod, "namespace": plane.namespace, "path": path, "port": 443}})
}
