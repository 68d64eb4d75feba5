//! What the demo's operator writes.

/// The clusters and the order in which they are changed.
pub const FLEET: &str = "\
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: eks-eu-1, labels: {mesh: payments, env: staging}}
---
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata: {name: rosa-eu-1, labels: {mesh: payments, env: production}}
---
apiVersion: meshfleet.dev/v1
kind: RolloutStrategy
metadata: {name: careful}
spec:
  waves:
    - {name: staging, clusters: {names: [eks-eu-1]}}
    - {name: production, clusters: {names: [rosa-eu-1]}}
";
