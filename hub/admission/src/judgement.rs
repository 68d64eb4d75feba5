//! The whole way of a pod through the server, from its submission to its last check.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use crate::{
    arrival,
    completion::Incomplete,
    injection::{self, Injection},
    inline_volume, kubernetes,
    look::{self, CHOSEN, Look, SUBJECT_TYPE, Trial},
    mutation::Mutation,
    namespace::{Exemption, Namespace},
    pod::Pod,
    scc::SecurityContextConstraints,
    usable::{MayUse, Through},
};

/// What is known of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    sccs: Vec<SecurityContextConstraints>,
    pub(crate) standard_missing: Vec<&'static str>,
    /// Storage drivers that are labelled for inline volumes, with what the label says.
    pub drivers: BTreeMap<String, String>,
}

impl Cluster {
    /// A cluster with all its SCCs, in any order.
    pub fn new(sccs: Vec<SecurityContextConstraints>) -> Self {
        let standard_missing = look::standard_missing(&sccs);
        Self { sccs: look::ordered(sccs), standard_missing, drivers: BTreeMap::new() }
    }

    /// Its SCCs in the order in which they are tried.
    pub fn sccs(&self) -> &[SecurityContextConstraints] {
        &self.sccs
    }
}

/// A pod, and what decides about it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Where.
    pub cluster: &'a Cluster,
    /// Its namespace.
    pub namespace: &'a Namespace,
    /// Who may use which SCC in that namespace.
    pub may_use: &'a MayUse,
    /// What is submitted.
    pub pod: &'a Pod,
    /// What a webhook makes of it on the way.
    pub injection: Option<&'a Injection>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What was decided.
    pub decision: Decision,
    /// What came of each SCC: one list for each look that fills in, the last one for the final check, which is missing
    /// where it was not reached.
    pub looks: Vec<Vec<Trial>>,
    /// What was filled in; nothing where the pod is refused.
    pub mutation: Mutation,
    /// The pod as it is stored; where it is refused, as far as it came.
    pub pod: Pod,
}

impl Verdict {
    /// The look that decided: of an admitted pod the last one that could fill in, of a refused one the last of all.
    pub fn deciding_look(&self) -> &[Trial] {
        let last = match self.decision {
            Decision::Admitted { .. } => self.looks.iter().rev().nth(1),
            Decision::Unjudged(_) | Decision::Refused(_) => self.looks.last(),
        };
        last.map(Vec::as_slice).unwrap_or_default()
    }
}

/// Whether a pod is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is, unlooked at.
    Unjudged(Exemption),
    /// It is, under an SCC.
    Admitted {
        /// Its name.
        scc: Arc<str>,
        /// Through whom.
        through: Through,
    },
    /// It is not.
    Refused(Refusal),
}

/// Why a pod is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The server does not judge while any of these is missing.
    #[error("the cluster lacks SCCs that every OpenShift has: {}", .0.join(", "))]
    StandardMissing(Vec<&'static str>),
    /// The pod wishes for an SCC that is not there.
    #[error("the required SCC {0:?} does not exist")]
    RequiredMissing(String),
    /// The namespace lacks an annotation.
    #[error("the namespace lacks annotation {0}")]
    NamespaceLacks(&'static str),
    /// SCCs that cannot be completed; none of them need be usable.
    #[error("{}", listed(.0))]
    Incomplete(Vec<(Arc<str>, Incomplete)>),
    /// No SCC may be used and allows it.
    #[error("no SCC that may be used allows it{}", restricted(*.restricted_would_do))]
    NoneFits {
        /// Whether `restricted` would allow it, which everybody could use in former releases.
        restricted_would_do: bool,
    },
    /// A webhook changed the wish or the mark.
    #[error("the required SCC {required:?} is not the chosen one, {chosen:?}")]
    NotAsRequired {
        /// The wish.
        required: String,
        /// The mark.
        chosen: String,
    },
    /// Nothing may be filled in any more, and no SCC allows it as it is.
    #[error("no SCC allows it as it is after all changes")]
    NotAsAdmitted,
    /// Kubernetes finds the pod itself wrong.
    #[error("Kubernetes refuses it: {}", mistakes(.0))]
    Invalid(Vec<kubernetes::Mistake>),
    /// An inline volume.
    #[error("{0}")]
    InlineVolume(inline_volume::Refused),
}

fn listed(incomplete: &[(Arc<str>, Incomplete)]) -> String {
    let lines: Vec<String> =
        incomplete.iter().map(|(scc, why)| format!("SCC {scc} cannot be used: {why}")).collect();
    lines.join("; ")
}

fn restricted(would_do: bool) -> &'static str {
    if would_do { "; restricted would allow it, but neither account nor creator may use that" } else { "" }
}

fn mistakes(mistakes: &[kubernetes::Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Says what the server would.
pub fn judge(question: &Question<'_>) -> Verdict {
    let mut pod = question.pod.clone();
    let mut looks = Vec::new();
    let decision = match pass(question, &mut pod, &mut looks) {
        Ok(decision) => decision,
        Err(refusal) => Decision::Refused(refusal),
    };
    let mutation = match decision {
        Decision::Refused(_) => Mutation::default(),
        Decision::Unjudged(_) | Decision::Admitted { .. } => Mutation::between(&before(question), &pod),
    };
    Verdict { decision, looks, mutation, pod }
}

/// The pod as everybody but the admission wrote it.
fn before<'a>(question: &Question<'a>) -> Cow<'a, Pod> {
    let Some(injection) = question.injection else { return Cow::Borrowed(question.pod) };
    let mut pod = question.pod.clone();
    injection::travel(&mut pod);
    injection.apply(&mut pod);
    Cow::Owned(pod)
}

fn pass(question: &Question<'_>, pod: &mut Pod, looks: &mut Vec<Vec<Trial>>) -> Result<Decision, Refusal> {
    let Question { cluster, namespace, may_use, injection, .. } = *question;
    let given = namespace.gives();
    let look = Look::new(cluster, (namespace, &given), may_use);
    let exemption = exemption(namespace, pod);
    arrival::arrive(pod);
    if exemption.is_none() {
        note(looks, look.admit(pod))?;
    }
    if let Some(injection) = injection {
        injection::travel(pod);
        injection.apply(pod);
        arrival::arrive(pod);
        if exemption.is_none() {
            note(looks, look.admit(pod))?;
        }
    }
    let mistakes = kubernetes::check(pod);
    if !mistakes.is_empty() {
        return Err(Refusal::Invalid(mistakes));
    }
    if exemption.is_none() {
        note(looks, look.validate(pod))?;
    }
    inline_volume::check(cluster, namespace, pod).map_err(Refusal::InlineVolume)?;
    Ok(exemption.map_or_else(|| marked(pod), Decision::Unjudged))
}

fn exemption(namespace: &Namespace, pod: &Pod) -> Option<Exemption> {
    namespace.exemption().or((pod.spec.os.name == "windows").then_some(Exemption::Windows))
}

fn note(
    looks: &mut Vec<Vec<Trial>>,
    looked: Result<Vec<Trial>, (Refusal, Vec<Trial>)>,
) -> Result<(), Refusal> {
    let (trials, refusal) = match looked {
        Ok(trials) => (trials, None),
        Err((refusal, trials)) => (trials, Some(refusal)),
    };
    looks.push(trials);
    refusal.map_or(Ok(()), Err)
}

/// What the admission wrote on the pod: a later look may have corrected an earlier one.
fn marked(pod: &Pod) -> Decision {
    let through = match pod.annotation(SUBJECT_TYPE) {
        Some("serviceaccount") => Through::ServiceAccount,
        _ => Through::User,
    };
    Decision::Admitted { scc: pod.annotation(CHOSEN).unwrap_or_default().into(), through }
}
