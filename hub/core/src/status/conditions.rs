//! The six conditions, each a function of what is known.

use super::{Condition, ConditionKind, DriftSeen, Known, Planned, Reason, Session, Truth};
use crate::{
    fleet::SPOKE_NAMESPACE,
    plan,
    report::{Phase, Refusal, RefusalCode},
    rollout::{SeenReport, TargetPlan},
};

/// The six conditions.
#[must_use]
pub fn conditions(known: &Known) -> [Condition; 6] {
    [connected(known), planned(known), delivered(known), applied(known), healthy(known), in_sync(known)]
}

fn connected(known: &Known) -> Condition {
    let say = |status, reason, message: String, hint: String| Condition {
        kind: ConditionKind::Connected,
        status,
        reason,
        message,
        hint,
    };
    match known.session {
        Session::Open => {
            say(Truth::True, Reason::Attached, "its spoke is attached".to_owned(), String::new())
        }
        Session::Never => say(
            Truth::Unknown,
            Reason::NeverAttached,
            "its spoke was never attached".to_owned(),
            format!(
                "apply in it what `meshfleet cluster enrol {} --spoke-image IMAGE` prints",
                known.cluster
            ),
        ),
        // What to do about a detached cluster is said once, where it is said that it is detached.
        Session::Gone { last_seen_at } if matches!(known.planned, Planned::Detached) => say(
            Truth::False,
            Reason::SessionGone,
            format!("its session ended when it was detached; heard last at {last_seen_at:.0}"),
            String::new(),
        ),
        Session::Gone { last_seen_at } => say(
            Truth::False,
            Reason::SessionGone,
            format!("its spoke was heard last at {last_seen_at:.0}"),
            "look at the Deployment of the spoke, and whether it reaches the hub".to_owned(),
        ),
    }
}

fn planned(known: &Known) -> Condition {
    let say = |status, reason, message: String, hint: &str| Condition {
        kind: ConditionKind::Planned,
        status,
        reason,
        message,
        hint: hint.to_owned(),
    };
    match &known.planned {
        Planned::NotYet => say(Truth::Unknown, Reason::NotPlannedYet, "no plan was made yet".to_owned(), ""),
        Planned::Detached => say(
            Truth::False,
            Reason::Detached,
            "it was detached from the fleet; what runs in it stays as it is".to_owned(),
            &format!(
                "take it back with `meshfleet cluster enrol {0}`, or forget it with `meshfleet delete cluster {0}`",
                known.cluster
            ),
        ),
        Planned::Unassigned => {
            let (message, hint) = unassigned(known);
            say(Truth::False, Reason::Unassigned, message.to_owned(), &hint)
        }
        Planned::TwoConfigs(one, other) => say(
            Truth::False,
            Reason::TwoConfigs,
            format!("the mesh configs {one} and {other} both select it"),
            "let only one of them select it",
        ),
        Planned::NoFacts => {
            let message = "nothing is known of it: its spoke was never attached".to_owned();
            say(Truth::Unknown, Reason::NoFacts, message, "enrol it and start its spoke")
        }
        Planned::Failed { message } => say(Truth::False, Reason::PlanFailed, message.clone(), ""),
        Planned::Blocked { findings } => {
            let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
            let hint = findings.first().map_or("", |finding| finding.hint.as_str());
            say(Truth::False, Reason::PlanBlocked, messages.join("; "), hint)
        }
        Planned::Plan { digest, config, version } => {
            let message = format!("plan {} from {config} version {version}", digest.short());
            say(Truth::True, Reason::PlanMade, message, "")
        }
    }
}

/// A cluster that no config selects keeps its mesh until a person has it removed.
fn unassigned(known: &Known) -> (&'static str, String) {
    let select = "apply a MeshConfig whose `spec.clusters` selects it";
    match known.target {
        None => ("no mesh config selects it", select.to_owned()),
        Some(target) if target.plan.is(plan::empty().digest) => {
            ("no mesh config selects it, and its mesh was removed", select.to_owned())
        }
        Some(_) => (
            "no mesh config selects it any more; it keeps its mesh",
            format!("{select}, or remove the mesh: `meshfleet config unassign {}`", known.cluster),
        ),
    }
}

fn delivered(known: &Known) -> Condition {
    let say = |status, reason, message: String, hint: &str| Condition {
        kind: ConditionKind::Delivered,
        status,
        reason,
        message,
        hint: hint.to_owned(),
    };
    if is_ahead(known) {
        let message =
            "its spoke accepted something newer than this hub knows of: was the hub restored from a backup?";
        return say(
            Truth::False,
            Reason::SpokeAhead,
            message.to_owned(),
            &format!(
                "nothing is sent to it until you decide: look at `meshfleet cluster reconcile {0}`, then \
                 `meshfleet cluster reconcile {0} --keep-hub` or `meshfleet cluster reconcile {0} --keep-spoke`",
                known.cluster
            ),
        );
    }
    let Some(target) = known.target else {
        return say(Truth::Unknown, Reason::NoTarget, "it has no target yet".to_owned(), "start a rollout");
    };
    let generation = target.generation;
    let accepted =
        known.fence.is_some_and(|fence| fence.generation == generation && fence.target == target.target);
    match (target.plan, accepted) {
        (TargetPlan::Known(_), true) => {
            let message = format!("its spoke accepted generation {generation}");
            return say(Truth::True, Reason::Accepted, message, "");
        }
        (TargetPlan::Unknown, true) => {
            let message = format!(
                "it runs generation {generation}, which this hub does not know: it was kept by \
                 `cluster reconcile --keep-spoke`, and the next rollout replaces it"
            );
            return say(Truth::True, Reason::Accepted, message, "");
        }
        (TargetPlan::Unknown, false) => {
            let message = format!(
                "generation {generation} was kept as its spoke had it, and its spoke has it no longer: this hub \
                 cannot send what it does not know"
            );
            return say(Truth::False, Reason::AwaitingAcceptance, message, "start a rollout");
        }
        (TargetPlan::Known(_), false) => {}
    }
    match known.refusal.as_ref().filter(|refusal| refusal.generation == generation) {
        Some(Refusal { code: RefusalCode::Unavailable, message, .. }) => {
            let message = format!("its spoke cannot take generation {generation} now: {message}");
            say(Truth::False, Reason::AwaitingAcceptance, message, "it is offered again by itself")
        }
        Some(refusal @ Refusal { code: RefusalCode::StaleEpoch, .. }) => {
            let message = format!("its spoke takes this for a hub of a former life: {}", refusal.message);
            let hint =
                "if this hub is the right one, run `meshfleet hub epoch new`, then start the rollout again";
            say(Truth::False, Reason::Refused, message, hint)
        }
        Some(refusal) => {
            let message = format!("its spoke refused generation {generation}: {}", refusal.message);
            say(Truth::False, Reason::Refused, message, "")
        }
        None => {
            let message = format!("its spoke has not accepted generation {generation} yet");
            say(Truth::False, Reason::AwaitingAcceptance, message, "")
        }
    }
}

fn is_ahead(known: &Known) -> bool {
    let Some(fence) = known.fence else { return false };
    let (generation, target) =
        known.target.map_or((0, None), |target| (target.generation, Some(target.target)));
    fence.generation > generation
        || (fence.generation == generation && target.is_some_and(|one| one != fence.target))
}

/// The report, if it is of the present target.
fn report(known: &Known) -> Result<&SeenReport, (Reason, &'static str)> {
    let Some(target) = known.target else { return Err((Reason::NoTarget, "it has no target yet")) };
    let report = known.report.as_ref();
    let report =
        report.filter(|report| report.generation == target.generation && report.target == target.target);
    report.ok_or((Reason::NoReport, "its spoke has not reported on its target yet"))
}

fn applied(known: &Known) -> Condition {
    let say = |status, reason, message: String, hint: &str| Condition {
        kind: ConditionKind::Applied,
        status,
        reason,
        message,
        hint: hint.to_owned(),
    };
    let report = match report(known) {
        Ok(report) => report,
        Err((reason, message)) => return say(Truth::Unknown, reason, message.to_owned(), ""),
    };
    if let Some(why) = &report.frozen {
        return frozen(report, why, say);
    }
    match report.phase {
        Phase::Applying => {
            say(Truth::False, Reason::Applying, or(&report.message, "objects are being written"), "")
        }
        Phase::Failed => {
            let hint = format!("`meshfleet status {}` lists what became of each object", known.cluster);
            say(Truth::False, Reason::ApplyFailed, or(&report.message, "it cannot be applied"), &hint)
        }
        Phase::Converging | Phase::Healthy | Phase::Unhealthy => {
            say(Truth::True, Reason::Applied, format!("generation {} is written", report.generation), "")
        }
    }
}

/// Somebody in the cluster stopped all writes of the plan. Where everything was written before, nobody can say whether
/// what came to be needed since is: an instance in a new namespace is not.
fn frozen(
    report: &SeenReport,
    why: &str,
    say: impl Fn(Truth, Reason, String, &str) -> Condition,
) -> Condition {
    let generation = report.generation;
    let (status, message) = match report.phase {
        Phase::Applying | Phase::Failed => (
            Truth::False,
            format!("generation {generation} waits, because somebody froze the cluster: {why}"),
        ),
        Phase::Converging | Phase::Healthy | Phase::Unhealthy => (
            Truth::Unknown,
            format!(
                "generation {generation} was written, and nothing is since somebody froze the cluster: {why}"
            ),
        ),
    };
    let hint = format!(
        "in that cluster, `kubectl annotate namespace {SPOKE_NAMESPACE} meshfleet.dev/freeze-` lets it go on"
    );
    say(status, Reason::Frozen, message, &hint)
}

fn healthy(known: &Known) -> Condition {
    let say = |status, reason, message: String, hint: &str| Condition {
        kind: ConditionKind::Healthy,
        status,
        reason,
        message,
        hint: hint.to_owned(),
    };
    let report = match report(known) {
        Ok(report) => report,
        Err((reason, message)) => return say(Truth::Unknown, reason, message.to_owned(), ""),
    };
    match report.phase {
        // What was true when the spoke was last heard may have ended since.
        _ if known.session != Session::Open => {
            say(Truth::Unknown, Reason::SessionGone, "its spoke is away, so nobody can say".to_owned(), "")
        }
        Phase::Healthy => {
            say(Truth::True, Reason::Healthy, or(&report.message, "everything is as planned"), "")
        }
        Phase::Converging | Phase::Applying => {
            say(Truth::False, Reason::Converging, or(&report.message, "it is being changed"), "")
        }
        Phase::Unhealthy | Phase::Failed => {
            let hint = format!("`meshfleet status {}` lists what is not healthy", known.cluster);
            say(Truth::False, Reason::Unhealthy, or(&report.message, "it is not healthy"), &hint)
        }
    }
}

fn in_sync(known: &Known) -> Condition {
    let say = |status, reason, message: String, hint: &str| Condition {
        kind: ConditionKind::InSync,
        status,
        reason,
        message,
        hint: hint.to_owned(),
    };
    let Some(target) = known.target else {
        return say(Truth::Unknown, Reason::NoTarget, "it has no target yet".to_owned(), "");
    };
    match known.drift.filter(|drift| drift.generation == target.generation) {
        _ if known.session != Session::Open => {
            say(Truth::Unknown, Reason::SessionGone, "its spoke is away, so nobody can say".to_owned(), "")
        }
        None => {
            say(Truth::Unknown, Reason::NoReport, "its spoke has not looked for drift yet".to_owned(), "")
        }
        Some(DriftSeen { open: 0, .. }) => {
            say(Truth::True, Reason::InSync, "everything is as it was applied".to_owned(), "")
        }
        Some(drift) => {
            let (reason, message) = differs(drift);
            let shows = match reason {
                Reason::Fighting => "shows what, and who the two are",
                _ => "shows what, and who wrote it",
            };
            let hint = format!("`meshfleet drift report {}` {shows}", known.cluster);
            say(Truth::False, reason, message, &hint)
        }
    }
}

/// What is said of open differences: the worst that becomes of one is the reason.
fn differs(DriftSeen { open, healing, fighting, .. }: DriftSeen) -> (Reason, String) {
    let differences =
        |count: u64| if count == 1 { "1 difference".to_owned() } else { format!("{count} differences") };
    let all = format!("{} from what was applied", differences(open));
    if fighting > 0 {
        let come = if fighting == 1 { "comes" } else { "come" };
        let message = format!("{all}: {fighting} {come} back after each heal, so it is not healed any more");
        return (Reason::Fighting, message);
    }
    match healing {
        0 => (Reason::Drifted, all),
        _ if healing == open => (Reason::Healing, format!("{all}, being healed")),
        _ => (Reason::Drifted, format!("{all}, {healing} of them being healed")),
    }
}

fn or(message: &str, otherwise: &str) -> String {
    if message.is_empty() { otherwise.to_owned() } else { message.to_owned() }
}
