//! `meshfleet drift report`: what differs from what was applied, and who made it so.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proto::v1::{
    ClusterDriftItem, ClusterStatus, DriftClass, DriftItem, ReportDriftRequest, ShowStatusRequest,
};
use serde_json::{Value, json};

use crate::{
    args::Report,
    call::{Call, Outcome, now},
    cluster::reference,
    failure::Failure,
    plan::{
        json::{id, value},
        named,
    },
    screen::{Piece, Screen, bad, counted, cut, faint, good, plain, strong, warning},
    time,
};

/// How many differences are shown.
const MOST_ITEMS: usize = 40;

/// Longest value that is shown, in characters: `--output json` has all of it.
const LONGEST_VALUE: usize = 300;

/// A cluster of which nobody can say whether it drifted.
#[derive(Debug)]
struct Unseen {
    cluster: String,
    reason: String,
    message: String,
}

/// What the status of the clusters adds to a report of their drift.
#[derive(Debug, Default)]
struct Around {
    unseen: Vec<Unseen>,
    /// Which config each cluster runs.
    configs: BTreeMap<String, String>,
}

/// `drift report [CLUSTER]`. Silence is no proof: clusters whose spokes did not look are named, and fail a check.
pub async fn report(call: &Call, arguments: Report) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let cluster = arguments.cluster.unwrap_or_default();
    let request = ReportDriftRequest { cluster: cluster.clone() };
    let answer = hub.drift().report(request).await.map_err(|status| hub.refused(&status))?;
    let items = answer.into_inner().items;
    let answer = hub.status().show(ShowStatusRequest { cluster }).await;
    let around = Around::of(answer.map_err(|status| hub.refused(&status))?.into_inner().clusters);
    let json = || report_to_json(&items, &around.unseen);
    call.answer(|screen| draw(screen, &items, &around, now()), json, || names(&items))?;
    Ok(match (arguments.exit_code, items.is_empty(), around.unseen.is_empty()) {
        (false, _, _) | (true, true, true) => Outcome::Done,
        (true, false, _) => Outcome::Differs,
        (true, true, false) => Outcome::Failed,
    })
}

/// The clusters that have a target and of which it is not known whether they are in sync with it.
fn unseen(clusters: Vec<ClusterStatus>) -> Vec<Unseen> {
    let unseen = |status: ClusterStatus| {
        let condition = status.conditions.into_iter().find(|condition| condition.r#type == "InSync")?;
        let unknown = status.generation > 0 && condition.status == "Unknown";
        unknown.then_some(Unseen {
            cluster: status.cluster,
            reason: condition.reason,
            message: condition.message,
        })
    };
    clusters.into_iter().filter_map(unseen).collect()
}

impl Around {
    fn of(clusters: Vec<ClusterStatus>) -> Self {
        let config = |status: &ClusterStatus| (status.cluster.clone(), status.config.clone());
        Self { configs: clusters.iter().map(config).collect(), unseen: unseen(clusters) }
    }

    /// The configs of the clusters that drifted; where one is not known, the word that stands for it.
    fn configs(&self, items: &[ClusterDriftItem]) -> BTreeSet<&str> {
        let config = |item: &ClusterDriftItem| {
            let known = self.configs.get(&item.cluster).filter(|config| !config.is_empty());
            known.map_or("CONFIG", String::as_str)
        };
        items.iter().map(config).collect()
    }
}

/// The clusters that drifted.
fn names(items: &[ClusterDriftItem]) -> Vec<String> {
    let clusters: BTreeSet<&str> = items.iter().map(|item| item.cluster.as_str()).collect();
    clusters.into_iter().map(reference).collect()
}

fn draw(screen: &mut Screen, items: &[ClusterDriftItem], around: &Around, now: Timestamp) {
    let unseen = &around.unseen;
    draw_items(screen, items, now);
    for Unseen { cluster, message, .. } in unseen {
        screen.blank();
        let message = time::spoken(now, message);
        let pieces = [warning("not known  "), strong(cluster), plain(format!("  {message}"))];
        screen.line(11, &pieces);
    }
    if !items.is_empty() {
        draw_sum(screen, items, &around.configs(items));
    } else if unseen.is_empty() {
        screen.line(2, &[good("no drift"), plain(" in what was applied")]);
    }
}

fn draw_items(screen: &mut Screen, items: &[ClusterDriftItem], now: Timestamp) {
    let mut last = None;
    let (shown, more) = screen.fold(items, MOST_ITEMS);
    for entry in shown {
        let ClusterDriftItem { cluster, item, first_seen_at, number: _ } = entry;
        let Some(item) = item else { continue };
        let place = (cluster, named(item.id.as_ref()));
        if last.as_ref() != Some(&place) {
            screen.blank();
            screen.line(2, &[strong(cluster), plain("  "), strong(&place.1)]);
        }
        last = Some(place);
        draw_item(screen, item, first_seen_at, now);
    }
    if more > 0 {
        screen.line(2, &[faint(format!("… {more} more"))]);
    }
}

fn draw_item(screen: &mut Screen, item: &DriftItem, first_seen_at: &str, now: Timestamp) {
    let what = match item.path.as_str() {
        "" => plain("the object"),
        path => plain(path),
    };
    let seen = match item.written_at.as_str() {
        "" => format!(", seen {}", time::since(now, first_seen_at)),
        _ => String::new(),
    };
    screen
        .line(6, &[plain("  "), what, plain("  "), class(item.class()), plain(who(item, now)), plain(seen)]);
    let mut value = |title: &str, json: &str, tone: fn(String) -> Piece| {
        if !json.is_empty() {
            screen.line(15, &[faint(format!("    {title:<9}")), tone(cut(json, LONGEST_VALUE))]);
        }
    };
    value("applied", &item.baseline, good);
    value("found", &item.found, bad);
    if leaves_no_trace(item) {
        screen.line(4, &[plain("    "), faint("by whom, only the API server's audit log can say")]);
    }
}

/// Nothing in a cluster says who deleted what is gone.
fn leaves_no_trace(item: &DriftItem) -> bool {
    item.manager.is_empty() && matches!(item.class(), DriftClass::Deleted | DriftClass::Removed)
}

/// What became of an object or a field.
pub fn class(class: DriftClass) -> Piece {
    match class {
        DriftClass::Overwritten => bad("overwritten"),
        DriftClass::Removed => bad("removed"),
        DriftClass::Deleted => bad("deleted"),
        DriftClass::Recreated => bad("deleted and made anew"),
        DriftClass::Unfulfilled => warning("not as the plan expects it"),
        DriftClass::Unspecified => warning("changed"),
    }
}

/// Who wrote it, as far as the API server tells.
fn who(item: &DriftItem, now: Timestamp) -> String {
    if item.manager.is_empty() {
        return String::new();
    }
    let how = match (item.operation.as_str(), item.subresource.as_str()) {
        ("", _) => String::new(),
        (operation, "") => format!(" ({operation})"),
        (operation, subresource) => format!(" ({operation}/{subresource})"),
    };
    let when = match time::since(now, &item.written_at).as_str() {
        "" => String::new(),
        when => format!(" {when}"),
    };
    format!(" by {}{how}{when}", item.manager)
}

fn draw_sum(screen: &mut Screen, items: &[ClusterDriftItem], configs: &BTreeSet<&str>) {
    let mut clusters: Vec<&str> = items.iter().map(|item| item.cluster.as_str()).collect();
    clusters.sort_unstable();
    clusters.dedup();
    screen.blank();
    let sum = format!("{} in {}", counted(items.len(), "difference"), counted(clusters.len(), "cluster"));
    screen.line(2, &[strong(sum)]);
    screen.line(2, &[plain("put exactly these right with:")]);
    for config in configs {
        screen.command(format!("meshfleet rollout start {config} --overwrite-drift --wait"));
    }
}

fn report_to_json(items: &[ClusterDriftItem], unseen: &[Unseen]) -> Value {
    let unseen = unseen.iter().map(|Unseen { cluster, reason, message }| {
        json!({"cluster": cluster, "reason": reason, "message": message})
    });
    json!({"items": items.iter().map(to_json).collect::<Vec<_>>(), "unknown": unseen.collect::<Vec<_>>()})
}

fn to_json(entry: &ClusterDriftItem) -> Value {
    let ClusterDriftItem { cluster, item, first_seen_at, number: _ } = entry;
    json!({"cluster": cluster, "firstSeenAt": first_seen_at, "item": item.as_ref().map(item_to_json)})
}

fn item_to_json(item: &DriftItem) -> Value {
    let DriftItem {
        id: object,
        uid,
        path,
        class: _,
        baseline,
        found,
        found_digest,
        manager,
        operation,
        subresource,
        written_at,
        state: _,
        heals: _,
    } = item;
    let class = match item.class() {
        DriftClass::Unspecified => "unspecified",
        DriftClass::Overwritten => "overwritten",
        DriftClass::Removed => "removed",
        DriftClass::Deleted => "deleted",
        DriftClass::Recreated => "recreated",
        DriftClass::Unfulfilled => "unfulfilled",
    };
    let digest: String = found_digest.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "id": id(object.as_ref()), "uid": uid, "path": path, "class": class, "baseline": value(baseline),
        "found": value(found), "foundDigest": digest, "manager": manager, "operation": operation,
        "subresource": subresource, "writtenAt": written_at,
    })
}

#[cfg(test)]
mod tests {
    use proto::v1::{Condition, ObjectId};

    use super::*;
    use crate::screen::golden;

    fn now() -> Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    fn items() -> Vec<ClusterDriftItem> {
        let control_plane = ObjectId {
            group: "servicemesh.cisco.com".to_owned(),
            version: "v1alpha1".to_owned(),
            kind: "IstioControlPlane".to_owned(),
            namespace: "istio-system".to_owned(),
            name: "payments".to_owned(),
        };
        let overwritten = DriftItem {
            id: Some(control_plane.clone()),
            uid: "6f0e".to_owned(),
            path: ".spec.proxyInit.cni.confDir".to_owned(),
            class: DriftClass::Overwritten.into(),
            baseline: "\"/etc/cni/multus/net.d\"".to_owned(),
            found: "\"/etc/cni/net.d\"".to_owned(),
            found_digest: vec![1, 2],
            manager: "kubectl-edit".to_owned(),
            operation: "Update".to_owned(),
            subresource: String::new(),
            written_at: "2026-11-24T09:57:00Z".to_owned(),
            ..DriftItem::default()
        };
        let removed = DriftItem {
            path: ".spec.mode".to_owned(),
            class: DriftClass::Removed.into(),
            baseline: "\"ACTIVE\"".to_owned(),
            found: String::new(),
            manager: String::new(),
            written_at: String::new(),
            ..overwritten.clone()
        };
        let deleted = DriftItem {
            id: Some(ObjectId {
                kind: "RoleBinding".to_owned(),
                namespace: "ledger".to_owned(),
                ..control_plane
            }),
            path: String::new(),
            class: DriftClass::Deleted.into(),
            baseline: String::new(),
            ..removed.clone()
        };
        let at = |cluster: &str, item| ClusterDriftItem {
            cluster: cluster.to_owned(),
            item: Some(item),
            first_seen_at: "2026-11-24T09:57:01Z".to_owned(),
            number: 12,
        };
        vec![at("rosa-eu-1", overwritten), at("rosa-eu-1", removed), at("rosa-eu-2", deleted)]
    }

    fn running(config: &str) -> Around {
        let configs = ["rosa-eu-1", "rosa-eu-2"].map(|cluster| (cluster.to_owned(), config.to_owned()));
        Around { configs: configs.into(), ..Around::default() }
    }

    #[test]
    fn drift_says_who_changed_what() {
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &items(), &running("payments"), now())));
    }

    #[test]
    fn no_drift_is_said() {
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &[], &Around::default(), now())));
    }

    #[test]
    fn a_cluster_that_nobody_looked_at_is_no_cluster_without_drift() {
        let status = |cluster: &str, generation, status: &str| ClusterStatus {
            cluster: cluster.to_owned(),
            generation,
            conditions: vec![Condition {
                r#type: "InSync".to_owned(),
                status: status.to_owned(),
                message: "its spoke is away since 3 minutes".to_owned(),
                ..Condition::default()
            }],
            ..ClusterStatus::default()
        };
        let clusters = vec![
            status("eks-eu-1", 4, "True"),
            status("rosa-eu-1", 2, "Unknown"),
            status("new", 0, "Unknown"),
        ];
        let around = Around::of(clusters);
        let alone = golden(80, |screen| draw(screen, &[], &around, now()));
        let with_items = golden(80, |screen| draw(screen, &items()[2..], &around, now()));
        insta::assert_snapshot!(format!("{alone}======\n{with_items}"));
    }

    #[test]
    fn json_has_stable_names() {
        insta::assert_snapshot!(format!("{:#}", to_json(&items()[0])));
    }
}
