//! Azure Kubernetes Service with one system pool.
//!
//! Its admissions enforcer is no object but a program that writes: see
//! [`crate::clusters::standin::EnforcerStandIn`].

use anyhow::Result;
use kube::Client;
use serde_json::Value;

use super::{MANAGER, Node};
use crate::clusters::apply::Applier;

const NODES: [(&str, &str); 3] = [
    ("aks-nodepool1-12345678-vmss000000", "westeurope-1"),
    ("aks-nodepool1-12345678-vmss000001", "westeurope-2"),
    ("aks-nodepool1-12345678-vmss000002", "westeurope-3"),
];

/// The resource group that Azure makes for the nodes.
const GROUP: &str = "MC_payments_payments_westeurope";

/// Dresses the cluster as AKS with three nodes. Its versions bear no suffix.
pub async fn aks(client: &Client) -> Result<()> {
    let mut applier = Applier::new(client, MANAGER);
    for (index, machine) in NODES.into_iter().enumerate() {
        applier.apply(node(machine, index)).await?;
    }
    Ok(())
}

fn node((name, zone): (&str, &str), index: usize) -> Value {
    let provider_id = format!(
        "azure:///subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/{}/providers/\
         Microsoft.Compute/virtualMachineScaleSets/aks-nodepool1-12345678-vmss/virtualMachines/{index}",
        GROUP.to_lowercase()
    );
    Node {
        name,
        region: "westeurope",
        zone,
        external_ip: "",
        machine: "Standard_D4s_v5",
        provider_id: &provider_id,
        labels: vec![
            ("kubernetes.azure.com/cluster", GROUP),
            ("kubernetes.azure.com/role", "agent"),
            ("kubernetes.azure.com/mode", "system"),
            ("kubernetes.azure.com/agentpool", "nodepool1"),
            ("agentpool", "nodepool1"),
        ],
        kubelet_version: "v1.36.3",
        os_image: "Ubuntu 24.04.3 LTS",
        container_runtime: "containerd://2.1.5",
    }
    .object()
}
