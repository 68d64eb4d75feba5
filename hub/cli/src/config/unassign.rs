//! `meshfleet config unassign`: removes the mesh from clusters that no config selects any more, by a rollout with
//! deletions. What would be deleted and what stays is said before anything is begun.

use proto::v1::{ClusterUnassignment, UnassignRequest, UnassignResponse};
use serde_json::{Value, json};

use crate::{
    args::Unassign,
    call::{Call, Outcome},
    cluster,
    failure::Failure,
    rollout::{self, brake},
    screen::{Screen, bad, counted, faint, good, plain, strong},
};

/// How many objects of a cluster are named.
const MOST: usize = 12;

/// `config unassign CLUSTER..`.
pub async fn unassign(call: &Call, arguments: Unassign) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = UnassignRequest {
        clusters: arguments.clusters.clone(),
        confirm_deletions: arguments.confirm_deletions.unwrap_or(0),
        preview: arguments.preview,
    };
    let answer = match hub.configs().unassign(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            let confirmed = |count| brake::unassign_command(&arguments, count);
            let look = format!("meshfleet config unassign {} --preview", arguments.clusters.join(" "));
            return brake::refused(call, hub.refused(&status), confirmed, &look);
        }
    };
    if arguments.preview {
        let names = || answer.clusters.iter().map(|cluster| cluster::reference(&cluster.cluster)).collect();
        call.answer(|screen| draw_preview(screen, &answer), || to_json(&answer), names)?;
        return Ok(Outcome::Done);
    }
    let names = || vec![rollout::reference(answer.rollout)];
    call.event(|screen| draw_started(screen, &answer), || to_json(&answer), names)?;
    rollout::begun(call, answer.rollout, arguments.wait).await
}

fn draw_preview(screen: &mut Screen, answer: &UnassignResponse) {
    draw_clusters(screen, &answer.clusters);
    screen.blank();
    let count = counted(answer.deletions as usize, "object");
    let clusters = counted(answer.clusters.len(), "cluster");
    screen
        .line(2, &[strong(format!("{count} would be deleted in {clusters}")), plain(": nothing was begun")]);
    screen.line(2, &[plain("remove the mesh with:")]);
    let names: Vec<&str> = answer.clusters.iter().map(|cluster| cluster.cluster.as_str()).collect();
    // Said also where the hub would not ask for it: then exactly this is deleted, or nothing.
    let number = match answer.deletions {
        0 => String::new(),
        count => format!(" --confirm-deletions {count}"),
    };
    screen.command(format!("meshfleet config unassign {}{number} --wait", names.join(" ")));
}

fn draw_started(screen: &mut Screen, answer: &UnassignResponse) {
    let names: Vec<&str> = answer.clusters.iter().map(|cluster| cluster.cluster.as_str()).collect();
    let names = screen.names(&names, MOST);
    let count = counted(answer.deletions as usize, "object");
    screen.line(
        2,
        &[
            strong(rollout::reference(answer.rollout)),
            plain(format!(" removes the mesh from {names}, {count}: ")),
            good("started"),
        ],
    );
}

fn draw_clusters(screen: &mut Screen, clusters: &[ClusterUnassignment]) {
    for ClusterUnassignment { cluster, deletes, stays } in clusters {
        screen.blank();
        screen.line(2, &[strong(cluster)]);
        match deletes.len() {
            0 => screen.line(4, &[plain("  nothing to delete")]),
            count => {
                screen.line(4, &[bad(format!("  deletes {}", counted(count, "object")))]);
                screen.list(4, deletes, MOST);
            }
        }
        if !stays.is_empty() {
            screen.line(4, &[faint(format!("  leaves {}", counted(stays.len(), "object")))]);
            screen.list(4, stays, MOST);
        }
    }
}

fn to_json(answer: &UnassignResponse) -> Value {
    let UnassignResponse { rollout, clusters, deletions } = answer;
    let cluster = |ClusterUnassignment { cluster, deletes, stays }: &ClusterUnassignment| json!({"cluster": cluster, "deletes": deletes, "stays": stays});
    let clusters: Vec<Value> = clusters.iter().map(cluster).collect();
    json!({"rollout": rollout, "clusters": clusters, "deletions": deletions})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::golden;

    fn answer() -> UnassignResponse {
        let cluster = |name: &str, count: usize| ClusterUnassignment {
            cluster: name.to_owned(),
            deletes: (1..=count).map(|number| format!("RoleBinding team-{number}/sidecars")).collect(),
            stays: vec![
                "Namespace istio-system: namespaces are never deleted".to_owned(),
                "ConfigMap istio-system/extra: made by ana with kubectl, which no plan of ours names"
                    .to_owned(),
            ],
        };
        UnassignResponse {
            rollout: 0,
            clusters: vec![cluster("rosa-eu-1", 20), cluster("eks-eu-1", 2)],
            deletions: 22,
        }
    }

    #[test]
    fn what_is_deleted_and_what_stays_is_said_beforehand() {
        insta::assert_snapshot!("unassign", golden(120, |screen| draw_preview(screen, &answer())));
        insta::assert_snapshot!(
            "unassign_at_80_columns",
            golden(80, |screen| draw_preview(screen, &answer()))
        );
    }

    #[test]
    fn a_beginning_is_one_line() {
        let answer = UnassignResponse { rollout: 7, ..answer() };
        insta::assert_snapshot!(golden(80, |screen| draw_started(screen, &answer)));
    }

    #[test]
    fn json_has_stable_names() {
        let mut answer = answer();
        answer.clusters.remove(0);
        insta::assert_snapshot!(format!("{:#}", to_json(&answer)));
    }
}
