//! What well-known objects of the cluster itself say, setting by setting. None is an object that a plan or a mesh's
//! operator makes.
//!
//! DaemonSets and Deployments are listed by name, which the right to watch workloads covers; whoever adds a ConfigMap lets
//! the spoke get it in `deploy/rbac.yaml`. Nothing but the named settings is kept.

use std::collections::BTreeMap;

use kube::{
    Api, Client,
    api::{ApiResource, ListParams},
    core::{DynamicObject, GroupVersionKind},
};
use serde_json::Value;

use crate::cluster::{self, bounded};

/// An object, and what of it is told. Without settings its existence alone is a fact.
pub(super) struct Object {
    kind: Kind,
    namespace: &'static str,
    pub(super) name: &'static str,
    settings: &'static [Setting],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    DaemonSet,
    Deployment,
    ConfigMap,
}

/// A setting; its name in the facts is `CONTAINER/KEY`, or `KEY` in a ConfigMap.
enum Setting {
    /// An environment variable of a container, or of one that runs before.
    Variable(&'static str, &'static str),
    /// An argument of a container, of the form `--KEY=VALUE`.
    Argument(&'static str, &'static str),
    /// An entry of a ConfigMap.
    Entry(&'static str),
}

/// The network plugins of providers, what decides there about a mesh, and who makes load balancers.
pub(super) const OBJECTS: [Object; 8] = [
    Object {
        kind: Kind::DaemonSet,
        namespace: "kube-system",
        name: "aws-node",
        settings: &[
            Setting::Variable("aws-node", "ENABLE_POD_ENI"),
            Setting::Variable("aws-node", "POD_SECURITY_GROUP_ENFORCING_MODE"),
            Setting::Variable("aws-node", "AWS_VPC_K8S_CNI_EXTERNALSNAT"),
            Setting::Variable("aws-node", "ANNOTATE_POD_IP"),
            Setting::Variable("aws-vpc-cni-init", "DISABLE_TCP_EARLY_DEMUX"),
            Setting::Argument("aws-eks-nodeagent", "enable-network-policy"),
        ],
    },
    object(Kind::DaemonSet, "kube-system", "anetd"),
    object(Kind::DaemonSet, "kube-system", "calico-node"),
    object(Kind::DaemonSet, "calico-system", "calico-node"),
    object(Kind::DaemonSet, "kube-system", "cilium"),
    Object {
        kind: Kind::ConfigMap,
        namespace: "kube-system",
        name: "cilium-config",
        settings: &[Setting::Entry("cni-exclusive"), Setting::Entry("enable-bpf-masquerade")],
    },
    object(Kind::Deployment, "kube-system", "aws-load-balancer-controller"),
    object(Kind::Deployment, "appmesh-system", "appmesh-controller"),
];

const fn object(kind: Kind, namespace: &'static str, name: &'static str) -> Object {
    Object { kind, namespace, name, settings: &[] }
}

/// The longest value that is told; what these settings take is shorter.
const LONGEST: usize = 100;

/// What one object says; none if it does not exist.
type Said = Result<Option<BTreeMap<String, String>>, cluster::Error>;

/// Reads all of them, in the order of the list.
pub(super) async fn read(client: &Client) -> Vec<(String, Said)> {
    let answers = OBJECTS.iter().map(async |object| {
        let found = object.find(client).await;
        (object.to_string(), found.map(|found| found.map(|value| object.said(&value))))
    });
    futures::future::join_all(answers).await
}

impl Object {
    pub(super) fn is_config_map(&self) -> bool {
        self.kind == Kind::ConfigMap
    }

    async fn find(&self, client: &Client) -> Result<Option<Value>, cluster::Error> {
        let (group, kind, plural) = self.kind.words();
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), self.namespace, &resource);
        if self.is_config_map() {
            return Ok(bounded(api.get_opt(self.name)).await?.map(|object| object.data));
        }
        let named = ListParams::default().fields(&format!("metadata.name={}", self.name)).limit(1);
        Ok(bounded(api.list(&named)).await?.items.pop().map(|object| object.data))
    }

    fn said(&self, object: &Value) -> BTreeMap<String, String> {
        let read = self.settings.iter().filter_map(|setting| {
            let value = setting.value(object)?;
            Some((setting.name(), value.chars().take(LONGEST).collect()))
        });
        read.collect()
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (group, kind, _) = self.kind.words();
        let slash = if group.is_empty() { "" } else { "/" };
        write!(f, "{group}{slash}{kind} {}/{}", self.namespace, self.name)
    }
}

impl Kind {
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::DaemonSet => ("apps", "DaemonSet", "daemonsets"),
            Self::Deployment => ("apps", "Deployment", "deployments"),
            Self::ConfigMap => ("", "ConfigMap", "configmaps"),
        }
    }
}

impl Setting {
    fn name(&self) -> String {
        match self {
            Self::Variable(container, key) | Self::Argument(container, key) => format!("{container}/{key}"),
            Self::Entry(key) => (*key).to_owned(),
        }
    }

    fn value<'a>(&self, object: &'a Value) -> Option<&'a str> {
        match self {
            Self::Variable(name, key) => {
                let variables = container(object, name)?["env"].as_array()?;
                variables.iter().find(|variable| variable["name"] == *key)?["value"].as_str()
            }
            Self::Argument(name, key) => {
                let arguments = container(object, name)?["args"].as_array()?.iter();
                let mut given = arguments.filter_map(|argument| argument.as_str()?.strip_prefix("--"));
                given.find_map(|argument| argument.strip_prefix(key)?.strip_prefix('='))
            }
            Self::Entry(key) => object["data"][*key].as_str(),
        }
    }
}

fn container<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let spec = &object["spec"]["template"]["spec"];
    let lists = ["containers", "initContainers"].into_iter().filter_map(|key| spec[key].as_array());
    lists.flatten().find(|container| container["name"] == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_settings_of_the_list_are_told() {
        let spec = json!({
            "initContainers": [{"name": "aws-vpc-cni-init",
                "env": [{"name": "DISABLE_TCP_EARLY_DEMUX", "value": "true"}]}],
            "containers": [
                {"name": "aws-node", "env": [
                    {"name": "ENABLE_POD_ENI", "value": "true"},
                    {"name": "MY_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                    {"name": "ANNOTATE_POD_IP", "valueFrom": {}},
                ]},
                {"name": "aws-eks-nodeagent", "args": ["--enable-ipv6=false", "--enable-network-policy=true"]},
            ],
        });
        let said = OBJECTS[0].said(&json!({"spec": {"template": { "spec": spec }}}));
        let expected = [
            ("aws-eks-nodeagent/enable-network-policy", "true"),
            ("aws-node/ENABLE_POD_ENI", "true"),
            ("aws-vpc-cni-init/DISABLE_TCP_EARLY_DEMUX", "true"),
        ];
        assert_eq!(said, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        assert_eq!(OBJECTS[0].said(&json!({})), BTreeMap::new());
        assert_eq!(OBJECTS[0].to_string(), "apps/DaemonSet kube-system/aws-node");
    }

    /// An object that the spoke may not get would stay unread for ever.
    #[test]
    fn every_config_map_may_be_read() {
        for object in OBJECTS.iter().filter(|object| object.is_config_map()) {
            let mut rules = crate::deploy::RBAC.split("- apiGroups:");
            let rule = rules.find(|rule| {
                rule.contains("resources: [configmaps]")
                    && rule.contains("verbs: [get]")
                    && rule.lines().any(|line| line.contains("resourceNames") && line.contains(object.name))
            });
            assert!(rule.is_some(), "{object}");
        }
    }
}
