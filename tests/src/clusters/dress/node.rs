//! Nodes as kubelets of a provider report them.

use serde_json::{Map, Value, json};

/// What differs between the nodes of providers.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    /// Name, as the provider builds it.
    pub name: &'a str,
    /// Region.
    pub region: &'a str,
    /// Availability zone in that region.
    pub zone: &'a str,
    /// The provider's name for the size of the machine.
    pub machine: &'a str,
    /// Its address outside of the cluster's network; empty in a network that is closed to the outside.
    pub external_ip: &'a str,
    /// `spec.providerID`.
    pub provider_id: &'a str,
    /// The provider's own labels.
    pub labels: Vec<(&'a str, &'a str)>,
    /// With the provider's suffix.
    pub kubelet_version: &'a str,
    /// Operating system, as a person reads it.
    pub os_image: &'a str,
    /// `containerd://…` or `cri-o://…`.
    pub container_runtime: &'a str,
}

impl Node<'_> {
    /// The object, ready, and tainted where it takes pods of one kind only.
    pub(super) fn object(&self) -> Value {
        let common = [
            ("kubernetes.io/hostname", self.name),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("node.kubernetes.io/instance-type", self.machine),
            ("topology.kubernetes.io/region", self.region),
            ("topology.kubernetes.io/zone", self.zone),
        ];
        let labels: Map<String, Value> = common
            .into_iter()
            .chain(self.labels.iter().copied())
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect();
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": labels},
            "spec": self.spec(),
            "status": self.status(),
        })
    }

    fn spec(&self) -> Value {
        let fargate = ("eks.amazonaws.com/compute-type", "fargate");
        let (key, value) = fargate;
        match self.labels.contains(&fargate) {
            true => json!({
                "providerID": self.provider_id,
                "taints": [{"key": key, "value": value, "effect": "NoSchedule"}],
            }),
            false => json!({"providerID": self.provider_id}),
        }
    }

    fn addresses(&self) -> Vec<Value> {
        let addresses = [("Hostname", self.name), ("ExternalIP", self.external_ip)].into_iter();
        let given = addresses.filter(|(_, address)| !address.is_empty());
        given.map(|(kind, address)| json!({"type": kind, "address": address})).collect()
    }

    fn status(&self) -> Value {
        let resources = json!({"cpu": "4", "memory": "16Gi", "pods": "110"});
        json!({
            "addresses": self.addresses(),
            "capacity": resources,
            "allocatable": resources,
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "kubelet is posting ready status",
                "lastHeartbeatTime": "2024-01-01T00:00:00Z",
                "lastTransitionTime": "2024-01-01T00:00:00Z",
            }],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": self.os_image,
                "kubeletVersion": self.kubelet_version,
                "kubeProxyVersion": self.kubelet_version,
                "containerRuntimeVersion": self.container_runtime,
                "kernelVersion": "6.1.0",
                "machineID": self.name,
                "systemUUID": self.name,
                "bootID": self.name,
            },
        })
    }
}
