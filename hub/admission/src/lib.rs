//! Would this pod be let in: OpenShift's admission by SecurityContextConstraints, as a pure function.
//!
//! Given the SCCs of a cluster, which of them the pod's service account and whoever creates the pod may use, the
//! namespace and a pod, [`judge`] says whether it is admitted, through whom, under which SCC and with which values filled
//! in, or why not; also for a pod that an injecting webhook changes on the way. It never asks anybody: what it needs,
//! it is given, and what it does not know of the server is written where it is assumed.
//!
//! The modules stand in the order in which the server does its work: a pod [arrives](arrival), its namespace may be
//! [exempt](namespace), SCCs are [ordered](order) and [completed](completion) from the namespace, each that may be
//! [used](usable) is [tried](assignment), rule by rule ([user], [group], [selinux], [seccomp], [capability], [sysctl],
//! [volume]); one such pass is a [look]. A [webhook](injection) may change the pod, which is then looked at again;
//! [Kubernetes](kubernetes) and the plugin for [inline volumes](inline_volume) have the last word.
//!
//! # Design notes
//! Everything here was compared with the verdicts of a real API server, which `tests/verdicts.rs` repeats. Where a rule
//! reads odd (a single group from a whole block, a profile that is refused because none is listed), the server is so.
//! What is not modelled: changes of pods that exist already, PodSecurity, other webhooks' refusals, and of Kubernetes' own
//! validation everything that has nothing to do with security contexts, ports and volumes.

pub mod context;
pub mod pod;
pub mod scc;

pub mod arrival;
pub mod namespace;
pub mod order;
pub mod range;

pub mod completion;
pub mod usable;

pub mod capability;
pub mod group;
pub mod seccomp;
pub mod selinux;
pub mod sysctl;
pub mod user;
pub mod volume;

pub mod assignment;
pub mod look;

pub mod injection;
pub mod inline_volume;
pub mod kubernetes;

pub mod judgement;
pub mod mutation;
pub mod violation;

pub mod case;
pub mod manifest;

mod nullable;

pub use self::{
    judgement::{Cluster, Decision, Question, Refusal, Verdict, judge},
    mutation::Mutation,
    namespace::Namespace,
    pod::Pod,
    scc::SecurityContextConstraints,
    usable::{MayUse, Through},
    violation::Violation,
};
