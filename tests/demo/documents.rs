//! What the demo's operator writes, and what somebody else wrote before.

use serde_json::{Value, json};

/// The mesh of today, for four providers. It names none of them.
pub const PAYMENTS: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {matchLabels: {mesh: payments}}
  base:
    mesh: {id: payments, trustDomain: payments.example.com}
    network: {fromLabel: network}
    istio: {version: v1.30.2}
    installer: {kind: sail}
    dataPlane: {namespaces: {matchLabels: {team: payments}}}
    values: {istiod: {pilot: {autoscaleMin: 2}}}
  layers:
    - name: staging
      clusters: {matchLabels: {env: staging}}
      set: {istio: {version: v1.30.3}, values: {istiod: {pilot: {autoscaleMin: 1}}}}
";

/// The mesh of the article: Calisti on OpenShift 4.11.
pub const LEDGER: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: ledger}
spec:
  clusters: {matchLabels: {mesh: ledger}}
  base:
    mesh: {id: ledger}
    istio: {version: 1.17.8}
    installer: {kind: calisti}
    dataPlane: {namespaces: {names: [shop, billing]}}
";

/// The clusters and the order in which they are changed.
pub const FLEET: &str = "\
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: eks-eu-1, labels: {mesh: payments, env: staging, network: eks-eu}}
---
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: gke-us-1, labels: {mesh: payments, env: production, network: gke-us}}
---
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: aks-eu-1, labels: {mesh: payments, env: production, network: aks-eu}}
---
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: rosa-eu-1, labels: {mesh: payments, env: production, network: rosa-eu}}
---
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: rosa-old-1, labels: {mesh: ledger}}
---
apiVersion: meshfleet.dev/v1
kind: RolloutStrategy
metadata: {name: careful}
spec:
  maxUnavailable: 2
  waves:
    - {name: staging, clusters: {matchLabels: {env: staging}}}
    - {name: clouds, clusters: {names: [gke-us-1, aks-eu-1]}}
    - {name: openshift, clusters: {names: [rosa-eu-1]}}
";

/// The mesh of today, once it may take over what is exactly as planned already.
pub fn payments_adopting() -> String {
    PAYMENTS.replace("  base:\n", "  adopt: IfNoDiff\n  base:\n")
}

/// The Istio that somebody made on aks-eu-1 before meshfleet came: field by field what the plan says.
pub fn made_by_hand() -> Value {
    json!({
        "apiVersion": "sailoperator.io/v1",
        "kind": "Istio",
        "metadata": {"name": "default"},
        "spec": {
            "version": "v1.30.2",
            "namespace": "istio-system",
            "updateStrategy": {"type": "InPlace"},
            "values": {
                "global": {
                    "meshID": "payments",
                    "network": "aks-eu",
                    "multiCluster": {"clusterName": "aks-eu-1"},
                },
                "meshConfig": {"trustDomain": "payments.example.com"},
                "pilot": {"autoscaleMin": 2},
            },
        },
    })
}
