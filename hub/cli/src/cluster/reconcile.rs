//! `meshfleet cluster reconcile`: a spoke is ahead of the hub's database, and a person says who is right. Without an answer
//! both ways are shown and nothing is changed.

use proto::v1::{Keep, ReconcileClusterRequest, ReconcileClusterResponse};
use serde_json::{Value, json};

use super::reference;
use crate::{
    args::Reconcile,
    call::{Call, Outcome},
    failure::Failure,
    rollout::brake,
    screen::{Screen, bad, counted, good, plain, strong, warning},
};

/// How many objects are named.
const MOST: usize = 12;

/// How much of a digest is shown.
const SHORT: usize = 12;

/// `cluster reconcile NAME`.
pub async fn run(call: &Call, arguments: Reconcile) -> Result<Outcome, Failure> {
    let keep = keep(&arguments);
    let hub = call.hub().await?;
    let request = ReconcileClusterRequest {
        name: arguments.name.clone(),
        keep: keep.into(),
        confirm_deletions: arguments.confirm_deletions.unwrap_or(0),
    };
    let answer = match hub.clusters().reconcile(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            let confirmed = |count| brake::reconcile_command(&arguments, count);
            let look = format!("meshfleet cluster reconcile {}", arguments.name);
            return brake::refused(call, hub.refused(&status), confirmed, &look);
        }
    };
    call.answer(
        |screen| draw(screen, &answer, keep),
        || to_json(&answer, keep),
        || vec![reference(&answer.cluster)],
    )?;
    Ok(Outcome::Done)
}

fn keep(arguments: &Reconcile) -> Keep {
    match (arguments.keep_hub, arguments.keep_spoke) {
        (true, _) => Keep::Hub,
        (false, true) => Keep::Spoke,
        (false, false) => Keep::Unspecified,
    }
}

fn draw(screen: &mut Screen, answer: &ReconcileClusterResponse, keep: Keep) {
    match keep {
        Keep::Unspecified => draw_both(screen, answer),
        Keep::Hub => draw_hub_kept(screen, answer),
        Keep::Spoke => draw_spoke_kept(screen, answer),
    }
}

fn draw_both(screen: &mut Screen, answer: &ReconcileClusterResponse) {
    let name = &answer.cluster;
    let ahead = ": its spoke is ahead of this hub, and nothing was changed";
    screen.line(2, &[strong(reference(name)), plain(ahead)]);
    screen.field(0, "spoke has", &[plain(spoke_has(answer))]);
    screen.field(0, "hub has", &[plain(hub_has(answer))]);
    screen.blank();
    screen.line(2, &[strong("keep the hub"), plain(format!(": {}", hub_way(answer)))]);
    if answer.hub_can_be_kept {
        draw_deletions(screen, answer);
        // Said also where the hub would not ask for it: then exactly this is deleted, or nothing.
        let number = match answer.deletes.len() {
            0 => String::new(),
            count => format!(" --confirm-deletions {count}"),
        };
        screen.command(format!("meshfleet cluster reconcile {name} --keep-hub{number}"));
    }
    screen.blank();
    let stands =
        "nothing is written; what it runs stands, unknown to this hub, until the next rollout replaces it";
    screen.line(2, &[strong("keep the spoke"), plain(format!(": {stands}"))]);
    screen.command(format!("meshfleet cluster reconcile {name} --keep-spoke"));
    if answer.held_by > 0 {
        screen.blank();
        let text = format!("rollout {} holds the cluster: end it first", answer.held_by);
        screen.line(2, &[warning("note: "), plain(text)]);
        screen.command(format!("meshfleet rollout abort {}", answer.held_by));
    }
}

fn draw_hub_kept(screen: &mut Screen, answer: &ReconcileClusterResponse) {
    let text = format!(
        "is given what the hub has as generation {}, above its spoke's {}: ",
        answer.generation, answer.spoke_generation
    );
    screen.line(2, &[strong(reference(&answer.cluster)), plain(format!(" {text}")), good("sent")]);
    draw_deletions(screen, answer);
    screen.line(2, &[plain("follow it with:")]);
    screen.command(format!("meshfleet status {} --watch", answer.cluster));
}

fn draw_spoke_kept(screen: &mut Screen, answer: &ReconcileClusterResponse) {
    let text = format!(" goes on with generation {} of its spoke: ", answer.generation);
    screen.line(2, &[strong(reference(&answer.cluster)), plain(text), good("kept")]);
    let unknown = format!(
        "This hub does not know what that is; {} of it are known from the spoke. The next rollout replaces it.",
        counted(usize::try_from(answer.inventory).unwrap_or(usize::MAX), "object")
    );
    screen.line(2, &[plain(unknown)]);
}

fn draw_deletions(screen: &mut Screen, answer: &ReconcileClusterResponse) {
    match answer.deletes.len() {
        0 => screen.line(4, &[plain("  nothing is deleted")]),
        count => {
            screen.line(4, &[bad(format!("  deletes {}", counted(count, "object")))]);
            screen.list(4, &answer.deletes, MOST);
        }
    }
}

fn spoke_has(answer: &ReconcileClusterResponse) -> String {
    let objects = counted(usize::try_from(answer.inventory).unwrap_or(usize::MAX), "object");
    format!(
        "generation {} of epoch {}, target {}, {objects}",
        answer.spoke_generation,
        answer.spoke_epoch,
        short(&answer.spoke_target)
    )
}

fn hub_has(answer: &ReconcileClusterResponse) -> String {
    if answer.hub_generation == 0 {
        return "nothing: it was never given a target by this database".to_owned();
    }
    let of = match answer.config.as_str() {
        "" => String::new(),
        config => format!(", {config} version {}", answer.version),
    };
    format!("generation {}, target {}{of}", answer.hub_generation, short(&answer.hub_target))
}

fn hub_way(answer: &ReconcileClusterResponse) -> String {
    if answer.hub_can_be_kept {
        format!("what the hub has is sent again, as generation {}", answer.spoke_generation + 1)
    } else {
        "cannot be, the hub knows no plan that it could send".to_owned()
    }
}

/// A digest as people compare it: its first digits.
fn short(digest: &str) -> &str {
    let hex = digest.rsplit(':').next().unwrap_or_default();
    hex.get(..SHORT).unwrap_or(hex)
}

fn to_json(answer: &ReconcileClusterResponse, keep: Keep) -> Value {
    let ReconcileClusterResponse {
        cluster,
        spoke_epoch,
        spoke_generation,
        spoke_target,
        spoke_completed,
        inventory,
        hub_generation,
        hub_target,
        config,
        version,
        hub_can_be_kept,
        deletes,
        held_by,
        generation,
    } = answer;
    let kept = match keep {
        Keep::Unspecified => None,
        Keep::Hub => Some("hub"),
        Keep::Spoke => Some("spoke"),
    };
    let there = |number: &u64| (*number > 0).then_some(*number);
    json!({
        "cluster": cluster, "kept": kept, "generation": there(generation), "heldBy": there(held_by),
        "spoke": {"epoch": spoke_epoch, "generation": spoke_generation, "target": spoke_target,
                  "completed": spoke_completed, "objects": inventory},
        "hub": {"generation": hub_generation, "target": hub_target, "config": config, "version": version,
                "canBeKept": hub_can_be_kept, "deletes": deletes},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::golden;

    fn answer() -> ReconcileClusterResponse {
        ReconcileClusterResponse {
            cluster: "rosa-eu-1".to_owned(),
            spoke_epoch: 1,
            spoke_generation: 9,
            spoke_target: format!("sha256:{}", "c".repeat(64)),
            spoke_completed: 9,
            inventory: 31,
            hub_generation: 7,
            hub_target: format!("sha256:{}", "a".repeat(64)),
            config: "payments".to_owned(),
            version: 4,
            hub_can_be_kept: true,
            deletes: (1..=14).map(|number| format!("RoleBinding team-{number}/sidecars")).collect(),
            held_by: 0,
            generation: 0,
        }
    }

    #[test]
    fn both_ways_are_shown_before_anything_is_decided() {
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &answer(), Keep::Unspecified)));
        let held = ReconcileClusterResponse { held_by: 3, deletes: Vec::new(), ..answer() };
        insta::assert_snapshot!(golden(100, |screen| draw(screen, &held, Keep::Unspecified)));
    }

    #[test]
    fn a_hub_that_knows_nothing_cannot_be_kept() {
        let nothing = ReconcileClusterResponse {
            hub_generation: 0,
            hub_target: String::new(),
            config: String::new(),
            version: 0,
            hub_can_be_kept: false,
            deletes: Vec::new(),
            ..answer()
        };
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &nothing, Keep::Unspecified)));
    }

    #[test]
    fn what_was_kept_is_said_with_what_comes_next() {
        let sent = ReconcileClusterResponse { generation: 10, ..answer() };
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &sent, Keep::Hub)));
        let kept = ReconcileClusterResponse { generation: 9, ..answer() };
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &kept, Keep::Spoke)));
    }

    #[test]
    fn json_has_stable_names() {
        let sent = ReconcileClusterResponse { generation: 10, deletes: vec!["A a/b".to_owned()], ..answer() };
        insta::assert_snapshot!(format!("{:#}", to_json(&sent, Keep::Hub)));
    }
}
