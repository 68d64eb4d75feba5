//! An SCC with everything that it leaves open taken from the namespace: a policy, ready to be tried on a pod.

use crate::{
    group::GroupRule,
    namespace::{Given, Lack},
    scc::SecurityContextConstraints,
    seccomp::SeccompRule,
    selinux::SeLinuxRule,
    user::UserRule,
};

/// A complete SCC.
#[derive(Debug, Clone)]
pub struct Policy<'a> {
    /// What it was made of.
    pub scc: &'a SecurityContextConstraints,
    pub(crate) user: UserRule,
    pub(crate) se_linux: SeLinuxRule<'a>,
    pub(crate) fs_group: GroupRule<'a>,
    pub(crate) supplemental_groups: GroupRule<'a>,
    pub(crate) seccomp: SeccompRule<'a>,
}

/// Why an SCC cannot be completed. It may be stored, yet while it is tried at all, no pod is let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// The namespace does not give its users.
    #[error("no users from the namespace: {0}")]
    Users(Lack),
    /// The namespace does not give its level.
    #[error("no SELinux level from the namespace: {0}")]
    Level(Lack),
    /// The namespace does not give its groups.
    #[error("no groups from the namespace: {0}")]
    Groups(Lack),
    /// `MustRunAs` does not say which user.
    #[error("runAsUser is MustRunAs without uid")]
    NoUser,
    /// Half a range does not count as none: the namespace's is not taken.
    #[error("runAsUser is MustRunAsRange without {0}")]
    HalfARange(&'static str),
    /// A strategy that OpenShift does not know.
    #[error("{field} has the unknown strategy {kind:?}")]
    Unknown {
        /// Of which field.
        field: &'static str,
        /// What stands there.
        kind: String,
    },
}

impl<'a> Policy<'a> {
    /// Completes `scc` from what the namespace gives. What is not given matters only where something is left open.
    ///
    /// # Errors
    /// The first thing that cannot be completed.
    pub(crate) fn complete(
        scc: &'a SecurityContextConstraints,
        given: &'a Given<'a>,
    ) -> Result<Self, Incomplete> {
        let (fs_group, further) = (&scc.fs_group, &scc.supplemental_groups);
        Ok(Self {
            scc,
            user: UserRule::complete(&scc.run_as_user, given)?,
            se_linux: SeLinuxRule::complete(&scc.se_linux_context, given)?,
            fs_group: GroupRule::complete("fsGroup", fs_group, &given.volume_group)?,
            supplemental_groups: GroupRule::complete("supplementalGroups", further, &given.groups)?,
            seccomp: SeccompRule::new(&scc.seccomp_profiles),
        })
    }
}
