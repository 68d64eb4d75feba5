//! One look at a pod: all SCCs in their order, each that may be used tried, the first that fits taken.

use crate::{
    assignment::Security,
    completion::{Incomplete, Policy},
    judgement::{Cluster, Refusal},
    namespace::Namespace,
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
    pub scc: String,
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

/// Who looks at what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) namespace: &'a Namespace,
    pub(crate) may_use: &'a MayUse,
}

/// What a look finds: each trial in order, and the SCC that was taken with what it filled in.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) trials: Vec<Trial>,
    pub(crate) taken: Option<(String, Through, Security)>,
}

impl Look<'_> {
    /// The look that fills in. The SCC that is taken is written on the pod.
    pub(crate) fn admit(&self, pod: &mut Pod) -> Result<Vec<Trial>, (Refusal, Vec<Trial>)> {
        let policies = self.policies(required(pod)).map_err(|refusal| (refusal, Vec::new()))?;
        let Seen { trials, taken } = self.take_first(&policies, pod, |_| true);
        let Some((scc, through, mut security)) = taken else {
            let restricted_would_do = restricted_would_do(&policies, &trials, pod);
            return Err((Refusal::NoneFits { restricted_would_do }, trials));
        };
        security.annotations.insert(CHOSEN.to_owned(), scc);
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
        let mut policies = self.policies(required).map_err(|refusal| (refusal, Vec::new()))?;
        policies.sort_by_key(|policy| policy.scc.name != chosen);
        let as_it_is = Security::of(pod);
        let seen = self.take_first(&policies, pod, |filled| *filled == as_it_is);
        match seen.taken {
            Some(_) => Ok(seen.trials),
            None => Err((Refusal::NotAsAdmitted, seen.trials)),
        }
    }

    fn take_first(&self, policies: &[Policy<'_>], pod: &Pod, may_be: impl Fn(&Security) -> bool) -> Seen {
        let mut seen = Seen::default();
        for policy in policies {
            let scc = policy.scc.name.clone();
            let became = match self.may_use.through(&scc) {
                None => Became::NotUsable,
                Some(through) => match policy.assign(pod) {
                    Err(violations) => Became::TooRestrictive(violations),
                    Ok(filled) if !may_be(&filled) => Became::WouldChange,
                    Ok(filled) => {
                        seen.taken = Some((scc.clone(), through, filled));
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

    /// The SCCs to be tried, in order and complete, usable or not: one that cannot be completed refuses every pod, unless
    /// the pod wishes for another.
    fn policies(&self, required: Option<&str>) -> Result<Vec<Policy<'_>>, Refusal> {
        let candidates = self.cluster.candidates(required)?;
        if let Some(annotation) = self.namespace.lacks() {
            return Err(Refusal::NamespaceLacks(annotation));
        }
        let mut policies = Vec::with_capacity(candidates.len());
        let mut incomplete: Vec<(String, Incomplete)> = Vec::new();
        for scc in candidates {
            match Policy::complete(scc, self.namespace) {
                Ok(policy) => policies.push(policy),
                Err(why) => incomplete.push((scc.name.clone(), why)),
            }
        }
        if incomplete.is_empty() { Ok(policies) } else { Err(Refusal::Incomplete(incomplete)) }
    }
}

impl Cluster {
    /// The SCCs that a pod with this wish may get, in their order.
    fn candidates(&self, required: Option<&str>) -> Result<&[SecurityContextConstraints], Refusal> {
        let sccs = self.sccs();
        let missing = STANDARD.iter().filter(|name| !sccs.iter().any(|scc| scc.name == **name));
        let missing: Vec<&'static str> = missing.copied().collect();
        if !missing.is_empty() {
            return Err(Refusal::StandardMissing(missing));
        }
        let Some(required) = required else { return Ok(sccs) };
        let found = sccs.iter().position(|scc| scc.name == required);
        match found {
            Some(index) => Ok(&sccs[index..=index]),
            None => Err(Refusal::RequiredMissing(required.to_owned())),
        }
    }
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
fn restricted_would_do(policies: &[Policy<'_>], trials: &[Trial], pod: &Pod) -> bool {
    let tried = |name: &str| trials.iter().find(|trial| trial.scc == name);
    let denied = tried("restricted").is_some_and(|trial| trial.became == Became::NotUsable);
    let restricted = policies.iter().find(|policy| policy.scc.name == "restricted");
    denied && tried("restricted-v2").is_some() && restricted.is_some_and(|policy| policy.assign(pod).is_ok())
}
