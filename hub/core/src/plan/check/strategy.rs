//! The referee on how one version of the control plane follows another.

use super::{Finding, Seen, blocks, warns};
use crate::config::{InstallerKind, UpdateStrategy};

pub(super) fn judge(plan: &Seen<'_>) -> Vec<Finding> {
    let intent = plan.intent;
    let beside = intent.update_strategy == UpdateStrategy::RevisionBased;
    let refused = (beside && intent.installer == InstallerKind::Calisti).then(|| {
        blocks(
            "calisti.update-strategy",
            "istio.updateStrategy is RevisionBased, and Calisti's operator changes a control plane only in place"
                .to_owned(),
            "leave istio.updateStrategy out; or have Istio installed by Sail, which keeps revisions: installer.kind: sail"
                .to_owned(),
        )
    });
    let idle = intent.inactive_revision_grace_s.filter(|_| !beside).map(|seconds| {
        warns(
            "istio.grace-idle",
            format!("istio.inactiveRevisionGraceSeconds is {seconds} and changes nothing: InPlace leaves no revision behind"),
            "set istio.updateStrategy: RevisionBased, or take the value out".to_owned(),
        )
    });
    refused.into_iter().chain(idle).collect()
}
