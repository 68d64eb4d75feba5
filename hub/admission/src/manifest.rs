//! Manifests as people have them: what a cluster prints of its SCCs, a namespace, and a pod or what makes pods.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    judgement::Cluster,
    namespace::Namespace,
    pod::Pod,
    scc::SecurityContextConstraints,
    usable::{MayUse, Subject},
};

const SCC: &str = "SecurityContextConstraints";
const DRIVER: &str = "CSIDriver";
/// On a storage driver: for which level its inline volumes are fit.
const DRIVER_LEVEL: &str = "security.openshift.io/csi-ephemeral-volume-profile";

/// What makes pods: the kind, where its template is, and the service account of the controller that creates them.
const WORKLOADS: [(&str, &str, &str); 8] = [
    ("Deployment", "/spec/template", "replicaset-controller"),
    ("ReplicaSet", "/spec/template", "replicaset-controller"),
    ("ReplicationController", "/spec/template", "replication-controller"),
    ("StatefulSet", "/spec/template", "statefulset-controller"),
    ("DaemonSet", "/spec/template", "daemon-set-controller"),
    ("Job", "/spec/template", "job-controller"),
    ("CronJob", "/spec/jobTemplate/spec/template", "job-controller"),
    ("PodTemplate", "/template", "replicaset-controller"),
];

/// Why manifests cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None of the documents is of such a kind.
    #[error("there is no {0} in it")]
    NoneOf(&'static str),
    /// Several are, and one is meant.
    #[error("there is more than one {0} in it")]
    Several(&'static str),
    /// One is not what its kind says.
    #[error("{what} is malformed")]
    Malformed {
        /// Kind and name.
        what: String,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// A workload without a template.
    #[error("{0} has no template of pods")]
    NoTemplate(String),
}

/// A pod that a manifest makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Kind and name of the manifest, as kubectl writes them.
    pub by: String,
    /// The pod.
    pub pod: Pod,
    /// Whoever creates it, where that is a controller.
    pub controller: Option<String>,
}

impl Made {
    /// The service account of the pod.
    pub fn service_account(&self) -> &str {
        let spec = &self.pod.spec;
        let named = [&spec.service_account_name, &spec.service_account];
        named.into_iter().find(|name| !name.is_empty()).map_or("default", String::as_str)
    }
}

/// The SCCs of a cluster, and its storage drivers where they are given too.
///
/// # Errors
/// There is no SCC, or one is malformed.
pub fn cluster(documents: Vec<Value>) -> Result<Cluster, Error> {
    let (mut sccs, mut drivers) = (Vec::new(), BTreeMap::new());
    for document in items(documents) {
        match kind(&document) {
            SCC => sccs.push(read::<SecurityContextConstraints>(document)?),
            DRIVER => {
                let metadata = &document["metadata"];
                let level = metadata["labels"][DRIVER_LEVEL].as_str();
                drivers.extend(
                    metadata["name"].as_str().zip(level).map(|(name, level)| (name.into(), level.into())),
                );
            }
            _ => {}
        }
    }
    if sccs.is_empty() {
        return Err(Error::NoneOf(SCC));
    }
    let mut cluster = Cluster::new(sccs);
    cluster.drivers = drivers;
    Ok(cluster)
}

/// A namespace.
///
/// # Errors
/// There is none, there are several, or it is malformed.
pub fn namespace(documents: Vec<Value>) -> Result<Namespace, Error> {
    let namespaces = items(documents).into_iter().filter(|document| kind(document) == "Namespace");
    let namespace = only("Namespace", namespaces)?;
    read_as(name(&namespace), namespace["metadata"].clone())
}

/// The pod of the only manifest that is one or makes some.
///
/// # Errors
/// There is none, there are several, or it is malformed.
pub fn made(documents: Vec<Value>) -> Result<Made, Error> {
    const WHAT: &str = "Pod or workload";
    let makes = |document: &Value| {
        kind(document) == "Pod" || WORKLOADS.iter().any(|(workload, ..)| *workload == kind(document))
    };
    let manifest = only(WHAT, items(documents).into_iter().filter(makes))?;
    let by = name(&manifest);
    let workload = WORKLOADS.iter().find(|(workload, ..)| *workload == kind(&manifest));
    let Some((_, template, controller)) = workload else {
        return Ok(Made { pod: read(manifest)?, by, controller: None });
    };
    let template = manifest.pointer(template).cloned().ok_or_else(|| Error::NoTemplate(by.clone()))?;
    let controller = Some(format!("system:serviceaccount:kube-system:{controller}"));
    Ok(Made { pod: read_as(by.clone(), template)?, by, controller })
}

/// Who may use which SCC as far as the SCCs themselves and what every cluster grants to everybody say it, beside what
/// is granted to each by RBAC.
pub fn may_use(cluster: &Cluster, account: &Subject, user: &Subject, granted: MayUse) -> MayUse {
    let mut may_use = granted;
    may_use.add_named(cluster.sccs(), account, user);
    if user.is_admin() {
        may_use.user.extend(cluster.sccs().iter().map(|scc| scc.name.to_string()));
    }
    if user.is_authenticated() {
        may_use.user.extend(crate::usable::EVERYBODY.map(str::to_owned));
    }
    may_use
}

/// The documents, with lists taken apart.
fn items(documents: Vec<Value>) -> Vec<Value> {
    let take_apart = |mut document: Value| match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => vec![document],
    };
    documents.into_iter().flat_map(take_apart).collect()
}

fn only(what: &'static str, mut found: impl Iterator<Item = Value>) -> Result<Value, Error> {
    let first = found.next().ok_or(Error::NoneOf(what))?;
    if found.next().is_some() { Err(Error::Several(what)) } else { Ok(first) }
}

fn kind(document: &Value) -> &str {
    document["kind"].as_str().unwrap_or_default()
}

fn name(document: &Value) -> String {
    let name = document["metadata"]["name"].as_str().unwrap_or("without a name");
    format!("{}/{name}", kind(document).to_ascii_lowercase())
}

fn read<T: DeserializeOwned>(document: Value) -> Result<T, Error> {
    read_as(name(&document), document)
}

fn read_as<T: DeserializeOwned>(what: String, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|source| Error::Malformed { what, source })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_workload_makes_pods_through_its_controller() {
        let template = json!({"spec": {"serviceAccountName": "shop", "containers": [{"name": "app"}]}});
        let deployment = json!({"kind": "Deployment", "metadata": {"name": "shop"}, "spec": {"template": template.clone()}});
        let shop = made(vec![deployment]).expect("a workload");
        assert_eq!((shop.by.as_str(), shop.service_account()), ("deployment/shop", "shop"));
        let controller = "system:serviceaccount:kube-system:replicaset-controller";
        assert_eq!(shop.controller.as_deref(), Some(controller));
        let job = json!({"spec": {"template": template}});
        let cron = json!({"kind": "CronJob", "metadata": {"name": "n"}, "spec": {"jobTemplate": job}});
        let cron = made(vec![cron]).expect("a workload");
        assert_eq!(cron.service_account(), "shop");
    }

    #[test]
    fn one_pod_or_workload_is_meant() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}});
        let list = json!({"kind": "List", "items": [{"kind": "Service"}, pod.clone()]});
        assert_eq!(made(vec![list]).expect("a pod").service_account(), "default");
        assert!(matches!(made(vec![pod.clone(), pod]), Err(Error::Several(_))));
        assert!(matches!(made(vec![json!({"kind": "Service"})]), Err(Error::NoneOf(_))));
    }

    #[test]
    fn what_is_malformed_is_named() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": 7}});
        assert_eq!(made(vec![pod]).unwrap_err().to_string(), "pod/p is malformed");
    }

    #[test]
    fn a_cluster_is_read_from_a_list_with_its_drivers() {
        let driver = json!({"kind": "CSIDriver",
            "metadata": {"name": "d.example", "labels": {DRIVER_LEVEL: "restricted"}}});
        let scc = json!({"kind": SCC, "metadata": {"name": "own"}, "users": ["alice"]});
        let read = cluster(vec![json!({"items": [scc, driver]})]).expect("a cluster");
        assert_eq!(read.drivers["d.example"], "restricted");
        let (account, alice) = (Subject::service_account("n", "default"), Subject::user("alice", []));
        let both = may_use(&read, &account, &alice, MayUse::default());
        assert!(both.through("own").is_some() && both.through("restricted-v2").is_some());
        assert!(matches!(cluster(Vec::new()), Err(Error::NoneOf(SCC))));
    }
}
