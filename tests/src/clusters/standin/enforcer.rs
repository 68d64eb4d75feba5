//! Stand-in for the admissions enforcer of AKS.
//!
//! It keeps webhooks away from what is Azure's own: to the namespaceSelector of
//! every webhook it adds two expressions, and it adds them again when somebody
//! takes them away. An operator that wants its selectors as they were undoes
//! that, and then the two go on without end. What is annotated or labelled
//! `admissions.enforcer/disabled: "true"` is left alone.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt;
use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Identity, Steady};
use crate::clusters::ControlPlane;

/// Its field manager, by Apply and with force.
pub const MANAGER: &str = "admissionsenforcer";

/// The user that it is, as the audit log names it.
pub const USER: &str = "system:serviceaccount:kube-system:admissions-enforcer";

/// Annotation or label by which an object opts out.
pub const DISABLED: &str = "admissions.enforcer/disabled";

const RETRY_AFTER: Duration = Duration::from_millis(200);

/// A running stand-in. Dropping it stops it.
#[derive(Debug)]
pub struct EnforcerStandIn {
    tasks: JoinSet<()>,
}

impl EnforcerStandIn {
    /// Starts playing on the cluster, under a service account of its own.
    pub async fn start(plane: &ControlPlane) -> Result<Self> {
        let identity = Identity {
            namespace: "kube-system",
            account: "admissions-enforcer",
            user_agent: MANAGER,
            rules: json!([{
                "apiGroups": ["admissionregistration.k8s.io"],
                "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
                "verbs": ["get", "list", "watch", "patch"],
            }]),
        };
        let client = identity.create(plane).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(play::<MutatingWebhookConfiguration>(client.clone()));
        tasks.spawn(play::<ValidatingWebhookConfiguration>(client));
        Ok(Self { tasks })
    }

    /// Stops it and waits until it has ended.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn play<K>(client: Client)
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
        + Send
        + Sync
        + 'static,
{
    Controller::new(Api::<K>::all(client.clone()), watcher::Config::default())
        .trigger_backoff(Steady)
        .run(enforce::<K>, |_, _, _| Action::requeue(RETRY_AFTER), Arc::new(client))
        .for_each(|_| async {})
        .await;
}

async fn enforce<K>(configuration: Arc<K>, client: Arc<Client>) -> Result<Action, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize,
{
    let live = serde_json::to_value(configuration.as_ref()).map_err(kube::Error::SerdeError)?;
    let Some(webhooks) = enforced(&live) else {
        return Ok(Action::await_change());
    };
    let configurations: Api<K> = Api::all(client.as_ref().clone());
    let name = configuration.name_any();
    let wanted = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        // Of the very object that was read: one that is gone must not come back.
        "metadata": {"name": name, "uid": live["metadata"]["uid"]},
        "webhooks": webhooks,
    });
    let parameters = PatchParams::apply(MANAGER).force();
    match configurations.patch(&name, &parameters, &Patch::Apply(&wanted)).await {
        Err(kube::Error::Api(answer)) if answer.is_not_found() || answer.is_conflict() => {}
        outcome => drop(outcome?),
    }
    Ok(Action::await_change())
}

/// The webhooks with both expressions, as far as the enforcer names them; none if there is nothing to add.
fn enforced(configuration: &Value) -> Option<Vec<Value>> {
    let metadata = &configuration["metadata"];
    let opted_out = ["annotations", "labels"].iter().any(|place| metadata[*place][DISABLED] == "true");
    if opted_out {
        return None;
    }
    let webhooks = configuration["webhooks"].as_array()?;
    let missing = |webhook: &Value| {
        let present = expressions(webhook);
        additions().into_iter().filter(|addition| !present.contains(addition)).collect::<Vec<_>>()
    };
    if webhooks.iter().all(|webhook| missing(webhook).is_empty()) {
        return None;
    }
    let with_additions = |webhook: &Value| {
        let all = [expressions(webhook), missing(webhook)].concat();
        json!({"name": webhook["name"], "namespaceSelector": {"matchExpressions": all}})
    };
    Some(webhooks.iter().map(with_additions).collect())
}

fn expressions(webhook: &Value) -> Vec<Value> {
    webhook["namespaceSelector"]["matchExpressions"].as_array().cloned().unwrap_or_default()
}

fn additions() -> [Value; 2] {
    [
        json!({"key": "control-plane", "operator": "NotIn", "values": ["true"]}),
        json!({"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]}),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_made_once_and_not_to_those_who_opted_out() {
        let bare = json!({"metadata": {}, "webhooks": [{"name": "a.b.c"}]});
        let webhooks = enforced(&bare).unwrap_or_default();
        assert_eq!(webhooks[0]["namespaceSelector"]["matchExpressions"], json!(additions()));
        assert_eq!(enforced(&json!({"metadata": {}, "webhooks": webhooks})), None);
        for place in ["labels", "annotations"] {
            let opted_out = json!({"metadata": {place: {DISABLED: "true"}}, "webhooks": bare["webhooks"]});
            assert_eq!(enforced(&opted_out), None);
        }
    }
}
