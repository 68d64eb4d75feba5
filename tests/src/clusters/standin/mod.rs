//! Stand-ins: programs of ours that play what a test cluster does not have.
//!
//! Each works like the real one, through the API server and under a service
//! account of its own, so the audit log tells its objects from everybody
//! else's. None knows how the cluster is dressed.

pub mod calisti;
pub mod enforcer;
mod live;
pub mod roll_out;
pub mod sail;

use std::time::Duration;

use anyhow::{Context, Result};
use kube::Client;
use kube::runtime::utils::Backoff;
use serde_json::{Value, json};

use super::ControlPlane;
use super::apply::Applier;

pub use calisti::CalistiStandIn;
pub use enforcer::EnforcerStandIn;
pub use roll_out::RollOutStandIn;
pub use sail::SailStandIn;

/// How long a stand-in waits before it watches again. The usual back-off doubles with each error of each watch: twelve of
/// them lost together, with their API server, would keep a stand-in away for minutes.
struct Steady;

impl Iterator for Steady {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(100))
    }
}

impl Backoff for Steady {
    fn reset(&mut self) {}
}

/// Who a stand-in is to the API server.
struct Identity {
    namespace: &'static str,
    account: &'static str,
    user_agent: &'static str,
    /// The rules of its ClusterRole.
    rules: Value,
}

impl Identity {
    /// Makes the account with its role and returns a client that acts as it.
    async fn create(&self, plane: &ControlPlane) -> Result<Client> {
        let token = plane.service_account_token(self.namespace, self.account).await?;
        let name = format!("{}-stand-in", self.account);
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": self.rules,
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "namespace": self.namespace, "name": self.account}],
        });
        let admin = plane.admin_client().await?;
        Applier::new(&admin, "stand-in")
            .apply_all([role, binding])
            .await
            .context("granting a stand-in its role")?;
        plane.client(&token, self.user_agent).await
    }
}
