//! Files of cases: questions, and the verdicts that a real server gave, where somebody asked one.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    injection::Injection,
    inline_volume::Profile,
    judgement::{Cluster, Decision, Question, Verdict, judge},
    namespace::Namespace,
    nullable::nullable,
    pod::Pod,
    scc::SecurityContextConstraints,
    usable::MayUse,
    volume::{Source, Volume},
};

/// A file of cases.
#[derive(Debug, Deserialize)]
pub struct File {
    /// What several cases share.
    #[serde(default)]
    pub meta: Meta,
    /// The cases.
    pub cases: Vec<Case>,
}

/// What several cases share.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// SCCs that every cluster has.
    pub default_sccs: Vec<SecurityContextConstraints>,
    /// Further ones, by the name of a set; one of the same name replaces the default.
    pub custom_sccs: BTreeMap<String, Vec<SecurityContextConstraints>>,
    /// What webhooks do, by name.
    pub injections: BTreeMap<String, Injection>,
    /// The order in which each set is tried; only `default` and names of sets are looked at.
    pub scc_order: BTreeMap<String, Vec<String>>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// What it is called.
    pub id: String,
    /// The namespace.
    pub namespace: Namespace,
    /// Who may use what.
    #[serde(default)]
    pub bindings: Bindings,
    /// The name of a set of SCCs.
    pub custom_sccs: Option<String>,
    /// What is submitted.
    pub pod: Pod,
    /// The name of what a webhook does.
    pub webhook: Option<String>,
    /// What a server said.
    pub verdict: Option<Expected>,
}

/// Who may use what in a case.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bindings {
    /// All sources together.
    pub may_use: MayUse,
}

/// What a server said.
#[derive(Debug, Deserialize)]
pub struct Expected {
    /// Whether the pod was let in.
    pub admitted: bool,
    /// Under which SCC.
    pub scc: Option<String>,
    /// Through whom.
    pub subject: Option<String>,
    /// What was filled in.
    #[serde(default, deserialize_with = "nullable")]
    pub mutated: Value,
}

/// The answer to a case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The case.
    pub id: String,
    /// Whether the pod is let in.
    pub admitted: bool,
    /// Under which SCC; none where it is refused, or not judged.
    pub scc: Option<String>,
    /// Through whom: `serviceaccount` or `user`.
    pub subject: Option<&'static str>,
    /// What is filled in.
    pub mutated: Value,
}

/// Why a case cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file has no such set.
    #[error("case {id} names the SCCs {set:?}, which meta.customSccs does not have")]
    NoSuchSet {
        /// The case.
        id: String,
        /// The set.
        set: String,
    },
    /// The file has no such webhook.
    #[error("case {id} names the webhook {webhook:?}, which meta.injections does not have")]
    NoSuchWebhook {
        /// The case.
        id: String,
        /// The webhook.
        webhook: String,
    },
}

impl Meta {
    /// The cluster of a case: the SCCs that every one has, and those of the set.
    pub fn cluster(&self, set: Option<&str>) -> Option<Cluster> {
        let custom = match set {
            None => &[],
            Some(set) => self.custom_sccs.get(set)?.as_slice(),
        };
        let mut sccs: BTreeMap<&str, &SecurityContextConstraints> = BTreeMap::new();
        sccs.extend(self.default_sccs.iter().chain(custom).map(|scc| (&*scc.name, scc)));
        Some(Cluster::new(sccs.into_values().cloned().collect()))
    }
}

impl File {
    /// Judges every case in its order.
    ///
    /// # Errors
    /// The first case that names something that the file does not have.
    pub fn judge(&self) -> Result<Vec<(&Case, Verdict)>, Error> {
        let mut clusters: BTreeMap<Option<&str>, Cluster> = BTreeMap::new();
        let mut verdicts = Vec::with_capacity(self.cases.len());
        for case in &self.cases {
            let set = case.custom_sccs.as_deref();
            let known = match clusters.entry(set) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => free.insert(self.meta.cluster(set).ok_or_else(|| case.no_such_set())?),
            };
            let mut cluster = known.clone();
            let injection = case.injection(&self.meta)?;
            let injected = injection.map(|injection| injection.volumes.as_slice()).unwrap_or_default();
            cluster.drivers = case.pod.spec.volumes.iter().chain(injected).filter_map(labelled).collect();
            verdicts.push((case, case.judge(&cluster, injection)));
        }
        Ok(verdicts)
    }
}

/// A file of cases says nothing of storage drivers, so a driver's own name says for which level it is fit: what is called
/// `restricted.csi.example` is labelled so, and one whose name begins with no level has no label.
fn labelled(volume: &Volume) -> Option<(String, String)> {
    let Source::Csi { driver } = &volume.source else { return None };
    let level = driver.split('.').next()?;
    Profile::parse(level).map(|_| (driver.clone(), level.to_owned()))
}

impl Case {
    fn injection<'a>(&self, meta: &'a Meta) -> Result<Option<&'a Injection>, Error> {
        let Some(webhook) = &self.webhook else { return Ok(None) };
        let found = meta.injections.get(webhook);
        let missing = || Error::NoSuchWebhook { id: self.id.clone(), webhook: webhook.clone() };
        found.map(Some).ok_or_else(missing)
    }

    fn judge(&self, cluster: &Cluster, injection: Option<&Injection>) -> Verdict {
        let (namespace, may_use, pod) = (&self.namespace, &self.bindings.may_use, &self.pod);
        judge(&Question { cluster, namespace, may_use, pod, injection })
    }

    fn no_such_set(&self) -> Error {
        Error::NoSuchSet { id: self.id.clone(), set: self.custom_sccs.clone().unwrap_or_default() }
    }
}

impl Answer {
    /// A verdict in the words of a case.
    pub fn new(id: &str, verdict: &Verdict) -> Self {
        let (admitted, scc, subject) = match &verdict.decision {
            Decision::Unjudged(_) => (true, None, None),
            Decision::Admitted { scc, through } => (true, Some(scc.to_string()), Some(through.word())),
            Decision::Refused(_) => (false, None, None),
        };
        let mutated = serde_json::to_value(&verdict.mutation).unwrap_or_default();
        Self { id: id.to_owned(), admitted, scc, subject, mutated }
    }

    /// What of it differs from what the server said.
    pub fn differs_in(&self, expected: &Expected) -> Vec<&'static str> {
        let nothing =
            |value: &Value| value.is_null() || value.as_object().is_some_and(|fields| fields.is_empty());
        let filled = self.mutated == expected.mutated || nothing(&self.mutated) && nothing(&expected.mutated);
        let same = [
            ("admitted", self.admitted == expected.admitted),
            ("scc", self.scc == expected.scc),
            ("subject", self.subject == expected.subject.as_deref()),
            ("mutated", filled),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect()
    }
}
