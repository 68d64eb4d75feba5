//! The brake: a rollout that would delete much is begun only by whoever says how much. The hub says what each cluster
//! would lose; here the command that confirms it is put together.

use crate::{
    args::{Reconcile, Start, Unassign},
    call::{Call, Outcome, draw_refusal},
    failure::Failure,
    screen::{Screen, faint, plain},
};

/// A refusal is handed on. If it is the brake's, it is said with the command that lets it happen.
pub fn refused(
    call: &Call,
    failure: Failure,
    confirmed: impl FnOnce(u32) -> String,
    look: &str,
) -> Result<Outcome, Failure> {
    match failure.deletions_to_confirm() {
        Some(count) if call.is_for_people() => {
            call.complain(|screen| draw(screen, &failure, &confirmed(count), look));
            Ok(Outcome::Failed)
        }
        _ => Err(failure),
    }
}

fn draw(screen: &mut Screen, failure: &Failure, confirmed: &str, look: &str) {
    draw_refusal(screen, failure);
    screen.blank();
    screen.line(2, &[plain("So many deletions are confirmed by their number. If they are what you want:")]);
    screen.command(confirmed);
    screen.line(2, &[faint(format!("look closer with: {look}"))]);
}

/// The command as it was typed, with the number.
pub fn start_command(start: &Start, count: u32) -> String {
    let Start { config, strategy, version, overwrite_drift, confirm_deletions: _, wait } = start;
    let mut command = format!("meshfleet rollout start {config}");
    if let Some(strategy) = strategy {
        command.push_str(&format!(" --strategy {strategy}"));
    }
    if let Some(version) = version {
        command.push_str(&format!(" --version {version}"));
    }
    if *overwrite_drift {
        command.push_str(" --overwrite-drift");
    }
    confirm(command, count, *wait)
}

/// The command as it was typed, with the number.
pub fn unassign_command(unassign: &Unassign, count: u32) -> String {
    let Unassign { clusters, preview: _, confirm_deletions: _, wait } = unassign;
    confirm(format!("meshfleet config unassign {}", clusters.join(" ")), count, *wait)
}

/// The command as it was typed, with the number.
pub fn reconcile_command(reconcile: &Reconcile, count: u32) -> String {
    confirm(format!("meshfleet cluster reconcile {} --keep-hub", reconcile.name), count, false)
}

fn confirm(mut command: String, count: u32, wait: bool) -> String {
    command.push_str(&format!(" --confirm-deletions {count}"));
    if wait {
        command.push_str(" --wait");
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::golden;

    fn braked() -> Failure {
        Failure::Refused {
            reason: "rollout.deletions_unconfirmed".to_owned(),
            message: "28 objects would be deleted".to_owned(),
            details: vec![
                "rosa-eu-1 loses 14 objects: RoleBinding team-1/sidecars, RoleBinding team-2/sidecars, and 12 more"
                    .to_owned(),
                "rosa-eu-2 loses 14 objects: RoleBinding team-1/sidecars, RoleBinding team-2/sidecars, and 12 more"
                    .to_owned(),
            ],
            hint: "look at each; to have them deleted, run it again with --confirm-deletions 28".to_owned(),
            unavailable: false,
        }
    }

    #[test]
    fn what_would_be_deleted_is_said_with_the_command_that_confirms_it() {
        let start = Start {
            config: "payments".to_owned(),
            strategy: Some("careful".to_owned()),
            version: Some(4),
            overwrite_drift: true,
            confirm_deletions: Some(3),
            wait: true,
        };
        let failure = braked();
        assert_eq!(failure.deletions_to_confirm(), Some(28));
        let command = start_command(&start, 28);
        insta::assert_snapshot!(golden(80, |screen| draw(
            screen,
            &failure,
            &command,
            "meshfleet plan payments"
        )));
    }

    #[test]
    fn a_removal_is_confirmed_by_the_command_that_was_typed() {
        let clusters = vec!["eks-eu-1".to_owned(), "rosa-eu-1".to_owned()];
        let unassign = Unassign { clusters, preview: false, confirm_deletions: None, wait: false };
        let expected = "meshfleet config unassign eks-eu-1 rosa-eu-1 --confirm-deletions 28";
        assert_eq!(unassign_command(&unassign, 28), expected);
    }

    #[test]
    fn other_refusals_are_not_the_brake() {
        let Failure::Refused { message, details, hint, .. } = braked() else { panic!("a refusal") };
        let reason = "rollout.held".to_owned();
        let held = Failure::Refused { reason, message, details, hint, unavailable: false };
        assert_eq!(held.deletions_to_confirm(), None);
    }
}
