//! `meshfleet status --watch`: which conditions changed between two looks, and which clusters came or went.

use jiff::Timestamp;
use proto::v1::{ClusterStatus, Condition};
use serde_json::{Value, json};

use super::{config, json as status, truth};
use crate::{
    call::{Call, now},
    cluster::reference,
    failure::Failure,
    screen::{Piece, Screen, faint, plain, strong, warning},
    time,
    watch::{HANG, clock},
};

/// Something that changed between two looks.
#[derive(Debug)]
enum Change<'a> {
    Appeared(&'a ClusterStatus),
    Vanished(&'a ClusterStatus),
    /// It is given another target.
    Target {
        before: &'a ClusterStatus,
        after: &'a ClusterStatus,
    },
    /// Conditions that hold now, or not any more, or for another reason; those with one cause together.
    Conditions {
        cluster: &'a ClusterStatus,
        before: &'a Condition,
        after: Vec<&'a Condition>,
    },
}

/// Says what changed, a line each.
pub fn tell(call: &Call, before: &[ClusterStatus], after: &[ClusterStatus]) -> Result<(), Failure> {
    for change in changes(before, after) {
        let names = || vec![reference(&change.cluster().cluster)];
        call.event(|screen| change.draw(screen, now()), || change.to_json(), names)?;
    }
    Ok(())
}

fn changes<'a>(before: &'a [ClusterStatus], after: &'a [ClusterStatus]) -> Vec<Change<'a>> {
    let find =
        |all: &'a [ClusterStatus], one: &ClusterStatus| all.iter().find(|other| other.cluster == one.cluster);
    let mut changes: Vec<Change<'_>> =
        before.iter().filter(|one| find(after, one).is_none()).map(Change::Vanished).collect();
    for cluster in after {
        match find(before, cluster) {
            None => changes.push(Change::Appeared(cluster)),
            Some(earlier) => changes.extend(between(earlier, cluster)),
        }
    }
    changes
}

fn between<'a>(before: &'a ClusterStatus, after: &'a ClusterStatus) -> Vec<Change<'a>> {
    let target = |status: &ClusterStatus| (status.config.clone(), status.version, status.generation);
    let mut changes = Vec::new();
    if target(before) != target(after) {
        changes.push(Change::Target { before, after });
    }
    for condition in &after.conditions {
        let earlier = before.conditions.iter().find(|earlier| earlier.r#type == condition.r#type);
        let Some(earlier) = earlier.filter(|earlier| *earlier != condition) else { continue };
        let joins = |before: &Condition, members: &[&Condition]| {
            let cause = |condition: &Condition| {
                (condition.status.clone(), condition.reason.clone(), condition.message.clone())
            };
            before.status == earlier.status && members.iter().all(|member| cause(member) == cause(condition))
        };
        match changes.last_mut() {
            Some(Change::Conditions { before, after, .. }) if joins(before, after) => after.push(condition),
            _ => changes.push(Change::Conditions { cluster: after, before: earlier, after: vec![condition] }),
        }
    }
    changes
}

impl Change<'_> {
    fn cluster(&self) -> &ClusterStatus {
        match self {
            Self::Appeared(cluster) | Self::Vanished(cluster) | Self::Conditions { cluster, .. } => cluster,
            Self::Target { after, .. } => after,
        }
    }

    fn draw(&self, screen: &mut Screen, now: Timestamp) {
        let mut pieces = vec![clock(now), strong(&self.cluster().cluster), plain("  ")];
        match self {
            Self::Appeared(cluster) => pieces.push(plain(format!("is new, config {}", config(cluster)))),
            Self::Vanished(_) => pieces.push(warning("is gone")),
            Self::Target { before, after } => {
                let generation = format!(", generation {}", after.generation);
                if config(before) != config(after) {
                    pieces.push(faint(format!("{} -> ", config(before))));
                }
                pieces.extend([plain(config(after)), faint(generation)]);
            }
            Self::Conditions { before, after, .. } => pieces.extend(condition_pieces(before, after, now)),
        }
        screen.line(HANG, &pieces);
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Vanished(cluster) => json!({"gone": cluster.cluster}),
            _ => json!({"cluster": status::cluster(self.cluster())}),
        }
    }
}

fn condition_pieces(before: &Condition, after: &[&Condition], now: Timestamp) -> Vec<Piece> {
    let names: Vec<&str> = after.iter().map(|condition| condition.r#type.as_str()).collect();
    let mut pieces = vec![plain(format!("{} ", names.join(", ")))];
    let Some(condition) = after.first() else { return pieces };
    if before.status != condition.status {
        pieces.extend([truth(&before.status), faint(" -> ")]);
    }
    pieces.push(truth(&condition.status));
    if condition.status != "True" {
        pieces.push(plain(format!("  {}", condition.reason)));
        if !condition.message.is_empty() {
            pieces.push(plain(format!(": {}", time::spoken(now, &condition.message))));
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        screen::golden,
        status::tests::{cluster, troubled},
    };

    fn shown(before: &[ClusterStatus], after: &[ClusterStatus]) -> String {
        let now = "2026-11-24T10:00:00Z".parse().unwrap();
        golden(80, |screen| changes(before, after).iter().for_each(|change| change.draw(screen, now)))
    }

    #[test]
    fn only_what_changed_is_said() {
        let well = [cluster("eks-eu-1"), ClusterStatus { cluster: "rosa-eu-1".to_owned(), ..cluster("") }];
        let mut ill = [cluster("eks-eu-1"), troubled()];
        let nothing = shown(&well, &well);
        let worse = shown(&well, &ill);
        let better = shown(&ill, &well);
        ill[0].version = 3;
        ill[0].generation = 5;
        for condition in &mut ill[0].conditions[2..] {
            condition.status = "Unknown".to_owned();
            condition.reason = "NotReported".to_owned();
        }
        let targeted = shown(&well[..1], &ill[..1]);
        let came_and_went = shown(&well[..1], &well[1..]);
        insta::assert_snapshot!([nothing, worse, better, targeted, came_and_went].join("---\n"));
    }
}
