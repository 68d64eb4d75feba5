//! `meshfleet cluster check`: all that stands against a mesh in some clusters, before anybody rolls anything out.

use std::collections::BTreeMap;

use proto::v1::{CheckClustersRequest, CheckClustersResponse, CheckedCluster};
use serde_json::{Value, json};

use super::{platform_words, reference};
use crate::{
    args::CheckClusters,
    call::{Call, Outcome},
    failure::Failure,
    plan::{
        finding::{draw_blocking, draw_warnings},
        json::finding,
        part::Part,
    },
    screen::{Screen, bad, counted, faint, good, plain, strong, warning},
};

/// How many clusters of a kind are told one by one.
const MOST: usize = 12;

pub async fn run(call: &Call, arguments: CheckClusters) -> Result<Outcome, Failure> {
    let CheckClusters { names, all: _, strict } = arguments;
    let hub = call.hub().await?;
    let request = CheckClustersRequest { names };
    let answer = hub.clusters().check(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    let references = || answer.clusters.iter().map(|cluster| reference(&cluster.cluster)).collect();
    call.answer(|screen| draw(screen, &answer), || to_json(&answer), references)?;
    let is_found =
        |cluster: &CheckedCluster| cluster.findings.iter().any(|finding| finding.blocking || strict);
    Ok(if answer.clusters.iter().any(is_found) { Outcome::Differs } else { Outcome::Done })
}

fn draw(screen: &mut Screen, answer: &CheckClustersResponse) {
    let clusters = &answer.clusters;
    let is_blocked = |cluster: &&CheckedCluster| cluster.findings.iter().any(|finding| finding.blocking);
    let (blocked, others): (Vec<_>, Vec<_>) = clusters.iter().partition(is_blocked);
    let (warned, clean): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|cluster| !cluster.findings.is_empty());
    for of_a_kind in [&blocked, &warned, &clean] {
        let (shown, more) = screen.fold(of_a_kind, MOST);
        for cluster in shown {
            draw_cluster(screen, cluster);
        }
        if more > 0 {
            screen.line(2, &[faint(format!("… {} more like these", counted(more, "cluster")))]);
        }
    }
    let parts: Vec<Part<'_>> =
        clusters.iter().map(|checked| Part::of_findings(&checked.cluster, &checked.findings)).collect();
    draw_blocking(screen, &parts);
    draw_unprobed(screen, clusters);
    draw_warnings(screen, &parts, false);
    screen.blank();
    let mut pieces = vec![plain(format!("{} checked: ", counted(clusters.len(), "cluster")))];
    let counts = [(blocked.len(), "blocked"), (warned.len(), "with warnings"), (clean.len(), "clean")];
    for (count, words) in counts.into_iter().filter(|(count, _)| *count > 0) {
        let comma = if pieces.len() > 1 { ", " } else { "" };
        let text = format!("{count} {words}");
        pieces.push(plain(comma));
        pieces.push(match words {
            "blocked" => bad(text),
            "clean" => good(text),
            _ => warning(text),
        });
    }
    screen.line(2, &pieces);
}

fn draw_cluster(screen: &mut Screen, checked: &CheckedCluster) {
    let CheckedCluster { cluster, platform, platform_detail, config, version, findings, .. } = checked;
    let blocking = findings.iter().filter(|finding| finding.blocking).count();
    let mark = match (blocking, findings.len()) {
        (0, 0) => good("ok"),
        (0, count) => warning(counted(count, "warning")),
        (blocking, _) => bad(format!("{blocking} blocking")),
    };
    let by = match config.as_str() {
        "" => "no config selects it".to_owned(),
        config => format!("config/{config} v{version}"),
    };
    screen.line(
        4,
        &[
            strong(cluster),
            plain("  "),
            plain(platform_words(platform, platform_detail)),
            faint(format!("  {by}  ")),
            mark,
        ],
    );
}

/// Clusters that nobody could ask what exists there; those with the same cause together.
fn draw_unprobed(screen: &mut Screen, clusters: &[CheckedCluster]) {
    let mut causes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for checked in clusters.iter().filter(|checked| !checked.not_probed.is_empty()) {
        causes.entry(&checked.not_probed).or_default().push(&checked.cluster);
    }
    if causes.is_empty() {
        return;
    }
    screen.blank();
    screen.line(
        2,
        &[
            strong("not probed"),
            plain(": what exists there already, and which rights there are, is not known"),
        ],
    );
    for (cause, clusters) in causes {
        let names = screen.names(&clusters, MOST);
        screen.line(6, &[plain("  "), warning(names), plain(format!(": {cause}"))]);
    }
}

fn to_json(answer: &CheckClustersResponse) -> Value {
    let cluster = |checked: &CheckedCluster| {
        let CheckedCluster {
            cluster,
            platform,
            platform_detail,
            config,
            version,
            probed,
            not_probed,
            findings,
        } = checked;
        json!({
            "cluster": cluster, "platform": platform, "platformDetail": platform_detail, "config": config,
            "version": version, "probed": probed, "notProbed": not_probed,
            "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        })
    };
    json!({"clusters": answer.clusters.iter().map(cluster).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use proto::v1::Finding;

    use super::*;
    use crate::screen::golden;

    fn finding(rule: &str, blocking: bool, message: &str, hint: &str) -> Finding {
        let text = str::to_owned;
        Finding { rule: text(rule), blocking, message: text(message), hint: text(hint) }
    }

    fn checked(cluster: &str, detail: &str, findings: Vec<Finding>) -> CheckedCluster {
        CheckedCluster {
            cluster: cluster.to_owned(),
            platform: "eks".to_owned(),
            platform_detail: detail.to_owned(),
            config: "payments".to_owned(),
            version: 3,
            probed: true,
            not_probed: String::new(),
            findings,
        }
    }

    #[test]
    fn what_blocks_stands_first_and_each_finding_once() {
        let age = || {
            finding(
                "platform.end-of-life",
                false,
                "EKS 1.31 has support until 2026-11-26",
                "upgrade the cluster",
            )
        };
        let wrong = finding(
            "schema.unknown-field",
            true,
            "Istio default: .spec.values.pilot.autoscalemin (base, fleet.yaml:14) is no field of this cluster's definition",
            "did you mean autoscaleMin? known there: autoscaleMin, env",
        );
        let alone = CheckedCluster {
            config: String::new(),
            version: 0,
            probed: false,
            ..checked("lab-1", "EKS, Kubernetes 1.33", Vec::new())
        };
        let away = CheckedCluster {
            probed: false,
            not_probed: "its spoke is not attached".to_owned(),
            ..checked("eks-3", "EKS, Kubernetes 1.31", vec![age()])
        };
        let answer = CheckClustersResponse {
            clusters: vec![
                checked("eks-1", "EKS, Kubernetes 1.31", vec![age()]),
                checked("eks-2", "EKS, Kubernetes 1.31", vec![wrong, age()]),
                away,
                alone,
            ],
        };
        insta::assert_snapshot!(golden(100, |screen| draw(screen, &answer)));
    }
}
