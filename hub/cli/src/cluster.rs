//! `meshfleet cluster`: how clusters join, and which there are.

use jiff::Timestamp;
use proto::v1::{Cluster, EnrolClusterRequest, EnrolClusterResponse, ListClustersRequest};
use serde_json::{Value, json};

use crate::{
    args,
    call::{Call, Outcome, now},
    failure::Failure,
    screen::{Piece, Screen, bad, faint, good, plain, strong, warning},
    time,
};

/// `cluster ...`.
pub async fn run(call: &Call, command: args::Cluster) -> Result<Outcome, Failure> {
    match command {
        args::Cluster::Enrol { name, ttl } => enrol(call, name, ttl).await,
        args::Cluster::List => list(call).await,
    }
}

async fn enrol(call: &Call, name: String, ttl: u32) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = EnrolClusterRequest { name: name.clone(), token_ttl_s: ttl };
    let answer = hub.clusters().enrol(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    call.remark(|screen| draw_invitation(screen, &name, &answer, now()));
    // The token alone goes to standard output, so that a script can put it into a file.
    call.answer(|screen| screen.line(0, &[plain(&answer.token)]), || enrolment_to_json(&name, &answer))?;
    Ok(Outcome::Done)
}

async fn list(call: &Call) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let answer = hub.clusters().list(ListClustersRequest {}).await.map_err(|status| hub.refused(&status))?;
    let clusters = answer.into_inner().clusters;
    let json = || json!({"clusters": clusters.iter().map(to_json).collect::<Vec<_>>()});
    call.answer(|screen| draw(screen, &clusters, now()), json)?;
    Ok(Outcome::Done)
}

fn draw_invitation(screen: &mut Screen, name: &str, answer: &EnrolClusterResponse, now: Timestamp) {
    let EnrolClusterResponse { cluster_id, token: _, expires_at } = answer;
    let until = match expires_at.parse::<Timestamp>() {
        // The second that the answer took is not lost.
        Ok(end) => format!("in {}", time::span(end.duration_since(now).as_secs() + 1)),
        Err(_) => format!("at {expires_at}"),
    };
    screen.line(2, &[strong(format!("cluster/{name}")), plain(format!(" invited, id {cluster_id}"))]);
    screen.line(
        2,
        &[plain(format!(
            "Its token stands below. It is shown once, can be used once and ends {until}. Give it to the spoke in that \
             cluster, in MESHFLEET_TOKEN or with --token-file."
        ))],
    );
}

fn draw(screen: &mut Screen, clusters: &[Cluster], now: Timestamp) {
    if clusters.is_empty() {
        screen.line(2, &[plain("no clusters yet: invite one with `meshfleet cluster enrol NAME`")]);
        return;
    }
    let rows: Vec<Vec<Piece>> = clusters.iter().map(|cluster| row(cluster, now)).collect();
    screen.table(&["NAME", "PLATFORM", "KUBERNETES", "STATE", "CONNECTED", "LABELS"], &[1, 5], &rows);
}

fn row(cluster: &Cluster, now: Timestamp) -> Vec<Piece> {
    let labels: Vec<String> = sorted(&cluster.labels).map(|(key, value)| format!("{key}={value}")).collect();
    let state = match cluster.state.as_str() {
        "Active" => good(&cluster.state),
        _ => warning(&cluster.state),
    };
    vec![
        strong(&cluster.name),
        platform(cluster),
        plain(or_dash(release(&cluster.kubernetes_version))),
        state,
        connected(cluster, now),
        faint(or_dash(&labels.join(" "))),
    ]
}

fn platform(cluster: &Cluster) -> Piece {
    let Cluster { platform, platform_detail, declared_platform, kubernetes_version, .. } = cluster;
    // The version of Kubernetes has a column of its own.
    let beside = format!(", Kubernetes {kubernetes_version}");
    let detail = platform_detail.strip_suffix(&beside).unwrap_or(platform_detail);
    let detected = platform_words(platform, detail);
    if declared_platform.is_empty() || declared_platform == platform {
        plain(detected)
    } else if platform == "unknown" {
        plain(format!("{declared_platform} (declared)"))
    } else {
        bad(format!("{detected} (declared {declared_platform}!)"))
    }
}

/// A platform as people say it: the detail names it too, where there is one.
pub fn platform_words<'a>(name: &'a str, detail: &'a str) -> &'a str {
    if detail.is_empty() { name } else { detail }
}

fn connected(cluster: &Cluster, now: Timestamp) -> Piece {
    match (cluster.connected, cluster.last_seen_at.as_str()) {
        (true, _) => good("yes"),
        (false, "") => faint("never"),
        (false, seen) => bad(format!("no, since {}", time::ago(now, seen))),
    }
}

/// A version without the marks of whoever built it: `v1.29.4-eks-036c24b` is `v1.29.4`.
fn release(version: &str) -> &str {
    version.split(['-', '+']).next().unwrap_or_default()
}

/// A text, or a dash where there is none.
pub fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn sorted<V>(map: &std::collections::HashMap<String, V>) -> impl Iterator<Item = (&String, &V)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries.into_iter()
}

fn enrolment_to_json(name: &str, answer: &EnrolClusterResponse) -> Value {
    let EnrolClusterResponse { cluster_id, token, expires_at } = answer;
    json!({"name": name, "id": cluster_id, "token": token, "expiresAt": expires_at})
}

fn to_json(cluster: &Cluster) -> Value {
    let Cluster {
        id,
        name,
        labels,
        platform,
        platform_detail,
        declared_platform,
        kubernetes_version,
        state,
        connected,
        last_seen_at,
    } = cluster;
    let labels: serde_json::Map<String, Value> =
        sorted(labels).map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    json!({
        "id": id, "name": name, "labels": labels, "platform": platform, "platformDetail": platform_detail,
        "declaredPlatform": declared_platform, "kubernetesVersion": kubernetes_version, "state": state,
        "connected": connected, "lastSeenAt": last_seen_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::golden;

    fn now() -> Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }

    fn clusters() -> Vec<Cluster> {
        let eks = Cluster {
            id: "0190b5a0-0000-7000-8000-000000000001".to_owned(),
            name: "eks-eu-1".to_owned(),
            labels: [("mesh", "payments"), ("env", "production")]
                .map(|(key, value)| (key.into(), value.into()))
                .into(),
            platform: "eks".to_owned(),
            platform_detail: "EKS, Kubernetes v1.29.4-eks-036c24b".to_owned(),
            kubernetes_version: "v1.29.4-eks-036c24b".to_owned(),
            state: "Active".to_owned(),
            connected: true,
            last_seen_at: "2026-11-24T09:59:58Z".to_owned(),
            ..Cluster::default()
        };
        let rosa = Cluster {
            name: "rosa-eu-1".to_owned(),
            platform: "rosa".to_owned(),
            platform_detail: "ROSA classic, OpenShift 4.11.59".to_owned(),
            declared_platform: "eks".to_owned(),
            kubernetes_version: "v1.24.6".to_owned(),
            connected: false,
            last_seen_at: "2026-11-24T09:40:00Z".to_owned(),
            ..eks.clone()
        };
        let invited = Cluster {
            name: "aks-us-1".to_owned(),
            platform: "unknown".to_owned(),
            declared_platform: "aks".to_owned(),
            state: "Invited".to_owned(),
            ..Cluster::default()
        };
        vec![eks, rosa, invited]
    }

    #[test]
    fn clusters_fit_a_wide_and_a_narrow_terminal() {
        insta::assert_snapshot!("clusters_wide", golden(140, |screen| draw(screen, &clusters(), now())));
        insta::assert_snapshot!("clusters_narrow", golden(80, |screen| draw(screen, &clusters(), now())));
    }

    #[test]
    fn no_clusters_say_how_to_get_one() {
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &[], now())));
    }

    #[test]
    fn an_invitation_says_what_to_do_with_its_token() {
        let answer = EnrolClusterResponse {
            cluster_id: "0190b5a0-0000-7000-8000-000000000001".to_owned(),
            token: "mf1.secret".to_owned(),
            expires_at: "2026-11-24T10:10:00Z".to_owned(),
        };
        insta::assert_snapshot!(golden(80, |screen| draw_invitation(screen, "eks-eu-1", &answer, now())));
    }

    #[test]
    fn json_has_stable_names() {
        insta::assert_snapshot!(format!("{:#}", to_json(&clusters()[0])));
    }
}
