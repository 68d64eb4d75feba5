//! The objects of the charts: names, marks, labels and what a planner or a gate
//! looks at, as observed (section 3). The rest of Istio's charts is left out.

pub(super) mod cni;
pub(super) mod istiod;

use serde_json::{Map, Value, json};

use super::values::Spec;

/// One chart, which gives all of its objects their labels.
pub(super) struct Chart<'a> {
    /// `istiod`, `base` or `cni`.
    pub(super) name: &'static str,
    /// What `app.kubernetes.io/name` says.
    pub(super) app: &'static str,
    /// What is installed, and where.
    pub(super) spec: &'a Spec<'a>,
}

impl Chart<'_> {
    /// Labels of every object; the version among them is the one to trust.
    pub(super) fn labels(&self) -> Map<String, Value> {
        let version = self.spec.chart_version();
        let labels = [
            ("app.kubernetes.io/name", self.app.to_owned()),
            ("app.kubernetes.io/part-of", "istio".to_owned()),
            ("app.kubernetes.io/version", version.to_owned()),
            ("helm.sh/chart", format!("{}-{version}", self.name)),
        ];
        labels.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
    }

    /// An object of the whole cluster.
    pub(super) fn cluster(&self, kind: &str, api_version: &str, name: &str, fields: Value) -> Value {
        let metadata = json!({"name": name, "labels": self.labels()});
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
        if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
            object.extend(fields);
        }
        object
    }

    /// An object in the namespace that the custom resource names.
    pub(super) fn namespaced(&self, kind: &str, api_version: &str, name: &str, fields: Value) -> Value {
        let mut object = self.cluster(kind, api_version, name, fields);
        object["metadata"]["namespace"] = self.spec.namespace.into();
        object
    }

    /// A ClusterRole and the binding that gives it to a service account.
    pub(super) fn cluster_role(&self, role: &str, binding: &str, account: &str, rules: Value) -> [Value; 2] {
        let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
        let subjects = json!([{"kind": "ServiceAccount", "name": account, "namespace": self.spec.namespace}]);
        [
            self.cluster("ClusterRole", RBAC, role, json!({"rules": rules})),
            self.cluster(
                "ClusterRoleBinding",
                RBAC,
                binding,
                json!({"roleRef": reference, "subjects": subjects}),
            ),
        ]
    }
}

/// The API of roles and bindings.
pub(super) const RBAC: &str = "rbac.authorization.k8s.io/v1";
