//! One look at a pod: all SCCs in their order, each that may be used tried, the first that fits taken.

use std::sync::Arc;

use crate::{
    assignment::Security,
    completion::{Incomplete, Policy},
    judgement::{Cluster, Refusal},
    namespace::{Given, Namespace},
    order,
    pod::Pod,
    scc::SecurityContextConstraints,
    usable::{MayUse, Through},
    violation::Violation,
};

/// The wish for one SCC and no other. An empty value is no wish; blanks and case count.
pub const REQUIRED: &str = "openshift.io/required-scc";
/// Which SCC a pod was admitted under.
pub const CHOSEN: &str = "openshift.io/scc";
/// Through whom.
pub const SUBJECT_TYPE: &str = "security.openshift.io/validated-scc-subject-type";

/// SCCs without which the server does not judge: it waits for them and then refuses.
const STANDARD: [&str; 10] = [
    "anyuid",
    "hostaccess",
    "hostmount-anyuid",
    "hostnetwork",
    "hostnetwork-v2",
    "nonroot",
    "nonroot-v2",
    "privileged",
    "restricted",
    "restricted-v2",
];

/// What came of one SCC in a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Its name.
    pub scc: Arc<str>,
    /// What came of it.
    pub became: Became,
}

/// What came of trying an SCC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// Neither the service account nor the creator may use it.
    NotUsable,
    /// It does not allow the pod.
    TooRestrictive(Vec<Violation>),
    /// It allows the pod only with values that it can no longer fill in.
    WouldChange,
    /// It was taken.
    Taken(Through),
}

/// Who looks at what: all SCCs in their order, completed as far as the namespace lets them.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    cluster: &'a Cluster,
    namespace: &'a Namespace,
    may_use: &'a MayUse,
    policies: Vec<Result<Policy<'a>, (Arc<str>, Incomplete)>>,
}

/// What a look finds: each trial in order, and the SCC that was taken with what it filled in.
#[derive(Debug, Default)]
struct Seen {
    trials: Vec<Trial>,
    taken: Option<(Arc<str>, Through, Security)>,
}

impl<'a> Look<'a> {
    pub(crate) fn new(
        cluster: &'a Cluster,
        (namespace, given): (&'a Namespace, &'a Given<'a>),
        may_use: &'a MayUse,
    ) -> Self {
        let complete = |scc: &'a SecurityContextConstraints| {
            Policy::complete(scc, given).map_err(|why| (Arc::clone(&scc.name), why))
        };
        Self { cluster, namespace, may_use, policies: cluster.sccs().iter().map(complete).collect() }
    }

    /// The look that fills in. The SCC that is taken is written on the pod.
    pub(crate) fn admit(&self, pod: &mut Pod) -> Result<Vec<Trial>, (Refusal, Vec<Trial>)> {
        let policies = self.candidates(required(pod)).map_err(|refusal| (refusal, Vec::new()))?;
        let Seen { trials, taken } = self.take_first(&policies, pod, |_| true);
        let Some((scc, through, mut security)) = taken else {
            let restricted_would_do = restricted_would_do(&policies, &trials, pod);
            return Err((Refusal::NoneFits { restricted_would_do }, trials));
        };
        security.annotations.insert(CHOSEN.to_owned(), scc.to_string());
        security.annotations.insert(SUBJECT_TYPE.to_owned(), through.word().to_owned());
        security.write_to(pod);
        Ok(trials)
    }

    /// The last look, when nothing may change any more: some SCC must allow the pod as it is, the one on the pod first.
    pub(crate) fn validate(&self, pod: &Pod) -> Result<Vec<Trial>, (Refusal, Vec<Trial>)> {
        let (required, chosen) = (required(pod), pod.annotation(CHOSEN).unwrap_or_default());
        if let Some(required) = required.filter(|required| *required != chosen) {
            let refusal = Refusal::NotAsRequired { required: required.to_owned(), chosen: chosen.to_owned() };
            return Err((refusal, Vec::new()));
        }
        let mut policies = self.candidates(required).map_err(|refusal| (refusal, Vec::new()))?;
        policies.sort_by_key(|policy| *policy.scc.name != *chosen);
        let as_it_is = Security::of(pod);
        let seen = self.take_first(&policies, pod, |filled| *filled == as_it_is);
        match seen.taken {
            Some(_) => Ok(seen.trials),
            None => Err((Refusal::NotAsAdmitted, seen.trials)),
        }
    }

    fn take_first(&self, policies: &[&Policy<'_>], pod: &Pod, may_be: impl Fn(&Security) -> bool) -> Seen {
        let mut seen = Seen::default();
        for policy in policies {
            let scc = Arc::clone(&policy.scc.name);
            let became = match self.may_use.through(&scc) {
                None => Became::NotUsable,
                Some(through) => match policy.assign(pod) {
                    Err(violations) => Became::TooRestrictive(violations),
                    Ok(filled) if !may_be(&filled) => Became::WouldChange,
                    Ok(filled) => {
                        seen.taken = Some((Arc::clone(&scc), through, filled));
                        Became::Taken(through)
                    }
                },
            };
            seen.trials.push(Trial { scc, became });
            if seen.taken.is_some() {
                break;
            }
        }
        seen
    }

    /// The SCCs to be tried: all, or the one that the pod wishes for. Each must be complete, usable or not: one that is
    /// not refuses every pod, unless the pod wishes for another.
    fn candidates(&self, required: Option<&str>) -> Result<Vec<&Policy<'a>>, Refusal> {
        if !self.cluster.standard_missing.is_empty() {
            return Err(Refusal::StandardMissing(self.cluster.standard_missing.clone()));
        }
        let candidates = match required {
            None => self.policies.as_slice(),
            Some(required) => {
                let found = self.cluster.sccs().iter().position(|scc| *scc.name == *required);
                let index = found.ok_or_else(|| Refusal::RequiredMissing(required.to_owned()))?;
                &self.policies[index..=index]
            }
        };
        if let Some(annotation) = self.namespace.lacks() {
            return Err(Refusal::NamespaceLacks(annotation));
        }
        let incomplete: Vec<_> =
            candidates.iter().filter_map(|policy| policy.as_ref().err().cloned()).collect();
        if incomplete.is_empty() {
            return Ok(candidates.iter().filter_map(|policy| policy.as_ref().ok()).collect());
        }
        Err(Refusal::Incomplete(incomplete))
    }
}

/// The SCCs without which the server does not judge that are not there.
pub(crate) fn standard_missing(sccs: &[SecurityContextConstraints]) -> Vec<&'static str> {
    STANDARD.into_iter().filter(|name| !sccs.iter().any(|scc| *scc.name == **name)).collect()
}

/// SCCs in the order in which they are tried.
pub(crate) fn ordered(mut sccs: Vec<SecurityContextConstraints>) -> Vec<SecurityContextConstraints> {
    sccs.sort_by(order::compare);
    sccs
}

fn required(pod: &Pod) -> Option<&str> {
    pod.annotation(REQUIRED).filter(|name| !name.is_empty())
}

/// Whether the pod was refused only because nobody may use `restricted`, which everybody once could.
fn restricted_would_do(policies: &[&Policy<'_>], trials: &[Trial], pod: &Pod) -> bool {
    let tried = |name: &str| trials.iter().find(|trial| *trial.scc == *name);
    let denied = tried("restricted").is_some_and(|trial| trial.became == Became::NotUsable);
    let restricted = policies.iter().find(|policy| *policy.scc.name == *"restricted");
    denied && tried("restricted-v2").is_some() && restricted.is_some_and(|policy| policy.assign(pod).is_ok())
}
