//! The Sail operator's kinds, with small schemas of our own.
//!
//! Not open ones: an applier that names a field which the true schema does not
//! have, or a version that is not in its list, must be refused here too. The
//! fields are those that a mesh may want to say; what has a schema of its own in
//! Istio (the mesh configuration) is open.

use serde_json::{Map, Value, json};

use super::{Definition, Scope};
use crate::clusters::standin::sail::versions;

const fn sail(
    kind: &'static str,
    plural: &'static str,
    file: &'static str,
    small: Option<fn() -> Value>,
) -> Definition {
    Definition {
        group: "sailoperator.io",
        version: "v1",
        kind,
        plural,
        scope: Scope::Cluster,
        file: Some(file),
        small,
    }
}

/// What the Sail operator brings.
pub const SAIL: [Definition; 5] = [
    sail("Istio", "istios", "sailoperator.io_istios.yaml", Some(istio)),
    sail("IstioCNI", "istiocnis", "sailoperator.io_istiocnis.yaml", Some(istio_cni)),
    sail("IstioRevision", "istiorevisions", "sailoperator.io_istiorevisions.yaml", Some(istio_revision)),
    sail("IstioRevisionTag", "istiorevisiontags", "sailoperator.io_istiorevisiontags.yaml", None),
    sail("ZTunnel", "ztunnels", "sailoperator.io_ztunnels.yaml", None),
];

/// The CNI's one and only name.
fn istio_cni() -> Value {
    let cni = object(&[
        ("chained", json!({"type": "boolean"})),
        ("cniBinDir", text()),
        ("cniConfDir", text()),
        ("cniConfFileName", text()),
        ("cniNetnsDir", text()),
        ("excludeNamespaces", json!({"type": "array", "items": {"type": "string"}})),
        ("provider", text()),
        ("hub", text()),
        ("tag", text()),
        ("image", text()),
        ("logging", open()),
        ("ambient", open()),
        ("repair", open()),
        ("resources", open()),
        ("podLabels", open()),
        ("podAnnotations", open()),
    ]);
    let global = object(&[
        ("platform", text()),
        ("hub", text()),
        ("tag", text()),
        ("variant", text()),
        ("logging", open()),
        ("imagePullSecrets", json!({"type": "array", "items": {"type": "string"}})),
    ]);
    let mut schema = resource(spec("istio-cni", object(&[("cni", cni), ("global", global)])));
    schema["x-kubernetes-validations"] =
        json!([{"rule": "self.metadata.name == 'default'", "message": "metadata.name must be 'default'"}]);
    schema
}

fn istio() -> Value {
    let mut spec = spec("istio-system", istio_values());
    spec["properties"]["updateStrategy"] = object(&[
        ("type", json!({"type": "string", "enum": ["InPlace", "RevisionBased"], "default": "InPlace"})),
        ("inactiveRevisionDeletionGracePeriodSeconds", json!({"type": "integer"})),
        ("updateWorkloads", json!({"type": "boolean"})),
    ]);
    spec["properties"]["updateStrategy"]["default"] = json!({"type": "InPlace"});
    spec["x-kubernetes-validations"] = json!([{
        "rule": "!has(self.values) || !has(self.values.global) || !has(self.values.global.istioNamespace) \
                 || self.values.global.istioNamespace == self.__namespace__",
        "message": "spec.values.global.istioNamespace must match spec.namespace",
    }]);
    resource(spec)
}

/// Without the aliases of versions.
fn istio_revision() -> Value {
    let mut spec = spec("istio-system", istio_values());
    spec["properties"]["version"] = json!({"type": "string", "enum": versions::numbered()});
    resource(spec)
}

fn istio_values() -> Value {
    let flag = || json!({"type": "boolean"});
    let multi_cluster = object(&[("clusterName", text()), ("enabled", flag())]);
    let global = object(&[
        ("platform", text()),
        ("istioNamespace", text()),
        ("meshID", text()),
        ("network", text()),
        ("multiCluster", multi_cluster),
        ("meshNetworks", open()),
        ("hub", text()),
        ("tag", text()),
        ("variant", text()),
        ("logging", open()),
        ("proxy", open()),
        ("waypoint", open()),
        ("externalIstiod", flag()),
        ("remotePilotAddress", text()),
        ("imagePullSecrets", json!({"type": "array", "items": {"type": "string"}})),
    ]);
    let pilot = object(&[
        ("cni", object(&[("enabled", flag()), ("provider", text())])),
        ("trustedZtunnelNamespace", text()),
        ("env", open()),
        ("replicaCount", json!({"type": "integer"})),
        ("autoscaleEnabled", flag()),
        ("autoscaleMin", json!({"type": "integer"})),
        ("autoscaleMax", json!({"type": "integer"})),
        ("resources", open()),
        ("tolerations", json!({"type": "array", "items": open()})),
        ("nodeSelector", open()),
        ("affinity", open()),
        ("podLabels", open()),
        ("podAnnotations", open()),
    ]);
    object(&[
        ("global", global),
        ("pilot", pilot),
        ("meshConfig", open()),
        ("base", open()),
        ("sidecarInjectorWebhook", open()),
        ("telemetry", open()),
        ("istiodRemote", open()),
        ("experimental", open()),
        ("compatibilityVersion", text()),
        ("defaultRevision", text()),
        ("profile", text()),
        ("revision", text()),
    ])
}

fn spec(namespace: &str, values: Value) -> Value {
    let profiles = [
        "ambient",
        "default",
        "demo",
        "empty",
        "external",
        "openshift",
        "openshift-ambient",
        "preview",
        "remote",
        "stable",
    ];
    let immutable = json!([{"rule": "self == oldSelf", "message": "Value is immutable"}]);
    let namespace = json!({"type": "string", "default": namespace, "x-kubernetes-validations": immutable});
    let mut spec = object(&[
        ("namespace", namespace),
        ("version", json!({"type": "string", "enum": versions::listed(), "default": versions::NEWEST})),
        ("profile", json!({"type": "string", "enum": profiles})),
        ("values", values),
    ]);
    spec["required"] = json!(["namespace", "version"]);
    spec
}

fn resource(spec: Value) -> Value {
    object(&[
        ("apiVersion", text()),
        ("kind", text()),
        ("metadata", json!({"type": "object"})),
        ("spec", spec),
        ("status", open()),
    ])
}

fn object(fields: &[(&str, Value)]) -> Value {
    let fields: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "properties": fields})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn open() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
