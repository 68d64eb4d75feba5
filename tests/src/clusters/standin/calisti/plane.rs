//! One IstioControlPlane as the operator reads it, and the dress code of its objects.

use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::RELATED_TO;

/// Marks the objects and the namespaces of one control plane.
pub(super) const REVISION_LABEL: &str = "istio.io/rev";

pub(super) const RBAC: &str = "rbac.authorization.k8s.io";

/// An IstioControlPlane of a version that the operator serves.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) spec: Value,
}

impl Plane {
    /// None for a version of another operator.
    pub(super) fn served(object: &DynamicObject) -> Option<Self> {
        let spec = object.data["spec"].clone();
        serves(spec["version"].as_str()?).then_some(())?;
        Some(Self { name: object.name_any(), namespace: object.namespace()?, uid: object.uid()?, spec })
    }

    /// The name in Istio's sense: `NAME.NAMESPACE`.
    pub(super) fn revision(&self) -> String {
        format!("{}.{}", self.name.replace('.', "-"), self.namespace)
    }

    pub(super) fn cni_enabled(&self) -> bool {
        self.spec["proxyInit"]["cni"]["enabled"] == true
    }

    pub(super) fn cluster_id(&self) -> &str {
        self.spec["clusterID"].as_str().unwrap_or("Kubernetes")
    }

    /// A text in the spec.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.spec.pointer(path).and_then(Value::as_str)
    }

    /// An image: the one named at `path`, else hub and tag, else the operator's default.
    pub(super) fn image(&self, path: &str, name: &str, default: &str) -> String {
        let hub = self.text("/containerImageConfiguration/hub");
        let tag = self.text("/containerImageConfiguration/tag");
        match (self.text(path), hub, tag) {
            (Some(image), _, _) => image.to_owned(),
            (None, Some(hub), Some(tag)) => format!("{hub}/{name}:{tag}"),
            (None, _, _) => default.to_owned(),
        }
    }

    /// Adds to a bare object what all objects of the operator carry.
    fn mark(&self, component: &str, mut object: Value) -> Value {
        object["metadata"]["labels"][REVISION_LABEL] = self.revision().into();
        object["metadata"]["annotations"] = json!({
            RELATED_TO: format!("{}/{}", self.namespace, self.name),
            "banzaicloud.io/managed-component": component,
            "banzaicloud.com/last-applied": "stand-in",
        });
        if object["metadata"].get("namespace").is_some() {
            object["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "servicemesh.cisco.com/v1alpha1",
                "kind": "IstioControlPlane",
                "name": self.name,
                "uid": self.uid,
                "controller": true,
                "blockOwnerDeletion": true,
            }]);
        }
        object
    }

    /// Marks all objects of one component.
    pub(super) fn mark_all(&self, component: &str, objects: Vec<Value>) -> Vec<Value> {
        objects.into_iter().map(|object| self.mark(component, object)).collect()
    }

    /// A bare object beside the control plane.
    pub(super) fn in_namespace(&self, kind: &str, api_version: &str, name: &str) -> Value {
        json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
        })
    }

    /// A bare object beside the control plane, with further fields.
    pub(super) fn with(&self, kind: &str, api_version: &str, name: &str, fields: Value) -> Value {
        merged(self.in_namespace(kind, api_version, name), fields)
    }

    /// The operator's book-keeping.
    pub(super) fn inventory(&self, component: &str) -> Value {
        let name = format!("{}-{}-{component}-object-inventory", self.name, self.namespace);
        self.with("ConfigMap", "v1", &name, json!({"data": {"inventory": component}}))
    }

    /// An account as the subject of a binding.
    pub(super) fn subject(&self, account: &str) -> Value {
        json!([{"kind": "ServiceAccount", "name": account, "namespace": self.namespace}])
    }

    /// A ClusterRole and its binding, both of that name, for an account.
    pub(super) fn cluster_role(&self, name: &str, account: &str, rules: Value) -> [Value; 2] {
        let version = format!("{RBAC}/v1");
        let object = |kind: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
        let reference = json!({"apiGroup": RBAC, "kind": "ClusterRole", "name": name});
        [
            merged(object("ClusterRole"), json!({"rules": rules})),
            merged(
                object("ClusterRoleBinding"),
                json!({"roleRef": reference, "subjects": self.subject(account)}),
            ),
        ]
    }
}

/// Whether v2.17 serves the version: `^1\.17(\.[0-9]+)?(-.+)?$`.
fn serves(version: &str) -> bool {
    let Some(rest) = version.strip_prefix("1.17") else {
        return false;
    };
    let (patch, suffix) = match rest.split_once('-') {
        Some((patch, suffix)) => (patch, Some(suffix)),
        None => (rest, None),
    };
    let patch_fits = match patch.strip_prefix('.') {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => patch.is_empty(),
    };
    patch_fits && suffix != Some("")
}

/// The object with further fields.
pub(super) fn merged(mut object: Value, fields: Value) -> Value {
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::serves;

    #[test]
    fn only_one_minor_is_served() {
        for served in ["1.17", "1.17.8", "1.17.1-distroless"] {
            assert!(serves(served), "{served}");
        }
        for other in ["1.18.0", "1.170", "1.17.", "1.17.x", "1.17-", "1.16.1"] {
            assert!(!serves(other), "{other}");
        }
    }
}
