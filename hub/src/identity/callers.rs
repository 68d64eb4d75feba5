//! Who may call what: one table. What is not in it is refused.
//!
//! Viewers look. Authors write documents, which change nothing in a cluster. Approvers let them loose: they start, hold and
//! end rollouts. Admins say who belongs to the fleet: clusters and operators.

use hub_core::{
    digest::Digest,
    fleet::{ClusterId, Name},
};
use jiff::Timestamp;

use crate::app::operators::{Operator, Role};

/// Who a method answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Everybody, also without a certificate.
    Anybody,
    /// Spokes of the fleet.
    Spokes,
    /// Operators of this role, and of those that may more.
    Operators(Role),
}

/// Every method of this hub.
pub const METHODS: &[(&str, Answers)] = &[
    ("/grpc.health.v1.Health/Check", Answers::Anybody),
    ("/grpc.health.v1.Health/Watch", Answers::Anybody),
    ("/meshfleet.v1.Delivery/Enrol", Answers::Anybody),
    ("/meshfleet.v1.Delivery/Renew", Answers::Anybody),
    ("/meshfleet.v1.Delivery/Attach", Answers::Spokes),
    ("/meshfleet.v1.Documents/Apply", Answers::Operators(Role::Author)),
    ("/meshfleet.v1.Documents/Diff", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Documents/Get", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Documents/Delete", Answers::Operators(Role::Author)),
    ("/meshfleet.v1.Documents/Schema", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Clusters/Enrol", Answers::Operators(Role::Admin)),
    ("/meshfleet.v1.Clusters/List", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Clusters/Show", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Clusters/Facts", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Clusters/Detach", Answers::Operators(Role::Admin)),
    ("/meshfleet.v1.Clusters/Reconcile", Answers::Operators(Role::Approver)),
    ("/meshfleet.v1.Clusters/Rights", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Clusters/Check", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Plans/Preview", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Plans/Explain", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Plans/Diff", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Configs/List", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Configs/Show", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Configs/History", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Configs/Diff", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Configs/Unassign", Answers::Operators(Role::Approver)),
    ("/meshfleet.v1.Rollouts/Start", Answers::Operators(Role::Approver)),
    ("/meshfleet.v1.Rollouts/Show", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Rollouts/List", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Rollouts/Pause", Answers::Operators(Role::Approver)),
    ("/meshfleet.v1.Rollouts/Resume", Answers::Operators(Role::Approver)),
    ("/meshfleet.v1.Rollouts/Abort", Answers::Operators(Role::Approver)),
    ("/meshfleet.v1.Drift/Report", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Drift/Heal", Answers::Operators(Role::Approver)),
    ("/meshfleet.v1.Operators/Add", Answers::Operators(Role::Admin)),
    ("/meshfleet.v1.Operators/List", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Operators/Revoke", Answers::Operators(Role::Admin)),
    ("/meshfleet.v1.Status/Show", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Catalog/List", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Catalog/Check", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Hub/Epoch", Answers::Operators(Role::Viewer)),
    ("/meshfleet.v1.Hub/NewEpoch", Answers::Operators(Role::Admin)),
];

/// Who a method answers; none if there is no such method.
#[must_use]
pub fn answers(path: &str) -> Option<Answers> {
    METHODS.iter().find(|(method, _)| *method == path).map(|(_, answers)| *answers)
}

/// Who calls, once the gate let him through. In the extensions of every request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Somebody. Only methods for anybody see one.
    Anybody,
    /// A spoke.
    Spoke(Spoke),
    /// An operator.
    Operator(Operator),
}

/// The spoke of a cluster.
#[derive(Debug, Clone)]
pub struct Spoke {
    /// Its cluster.
    pub cluster: ClusterId,
    /// The cluster's name.
    pub name: Name,
    /// sha-256 of its key.
    pub public_key: Digest,
    /// When its certificate stops being good: no session outlives it.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_table_has_no_answer() {
        for path in ["", "/", "/meshfleet.v1.Delivery/Attach/", "/meshfleet.v1.delivery/Attach", "/x.Y/Z"] {
            assert_eq!(answers(path), None, "{path}");
        }
    }

    #[test]
    fn viewers_change_nothing() {
        let changes = [
            "Apply", "Delete", "Enrol", "Detach", "Unassign", "Start", "Pause", "Resume", "Abort", "Add",
            "Revoke", "Heal",
        ];
        for (method, who) in METHODS {
            let changing = changes.iter().any(|verb| method.ends_with(&format!("/{verb}")));
            assert!(*who != Answers::Operators(Role::Viewer) || !changing, "{method}");
        }
    }

    #[test]
    fn only_enrolment_renewal_and_health_answer_anybody() {
        let open: Vec<&str> =
            METHODS.iter().filter(|(_, who)| *who == Answers::Anybody).map(|(method, _)| *method).collect();
        assert_eq!(
            open,
            [
                "/grpc.health.v1.Health/Check",
                "/grpc.health.v1.Health/Watch",
                "/meshfleet.v1.Delivery/Enrol",
                "/meshfleet.v1.Delivery/Renew"
            ]
        );
    }
}
