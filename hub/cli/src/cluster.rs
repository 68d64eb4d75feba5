//! `meshfleet cluster`: how clusters join and leave, which there are, and what they are.

mod check;
mod facts;
mod rbac;
mod reconcile;

use std::{collections::HashMap, net::IpAddr};

use jiff::Timestamp;
use proto::v1::{
    Cluster, DetachClusterRequest, EnrolClusterRequest, EnrolClusterResponse, ListClustersRequest,
    ShowClusterRequest, ShowClusterResponse,
};
use serde_json::{Map, Value, json};

use crate::{
    args,
    call::{Call, Outcome, now, write_out},
    failure::Failure,
    plan::json::value,
    screen::{Piece, Screen, bad, faint, good, or_dash, plain, strong, warning},
    time,
};

/// `cluster ...`.
pub async fn run(call: &Call, command: args::Cluster) -> Result<Outcome, Failure> {
    match command {
        args::Cluster::List => list(call).await,
        args::Cluster::Show { name } => show(call, name).await,
        args::Cluster::Facts { name } => facts::show(call, name).await,
        args::Cluster::Check(arguments) => check::run(call, arguments).await,
        args::Cluster::Enrol(enrol) => self::enrol(call, enrol).await,
        args::Cluster::Rbac { name, all } => rbac::print(call, name, all).await,
        args::Cluster::Detach { name } => detach(call, name).await,
        args::Cluster::Reconcile(arguments) => reconcile::run(call, arguments).await,
    }
}

/// A cluster as it is named on the command line.
pub fn reference(name: &str) -> String {
    format!("cluster/{name}")
}

async fn enrol(call: &Call, arguments: args::Enrol) -> Result<Outcome, Failure> {
    let args::Enrol { name, ttl, replace, spoke_image, hub: hub_address } = arguments;
    // Said before a token is made: it would be lost.
    if spoke_image.is_none() && call.is_for_people() {
        return Err(Failure::Usage {
            message: "the manifest needs the image of the spoke".to_owned(),
            hint: "say `--spoke-image IMAGE`, or set MESHFLEET_SPOKE_IMAGE; `-o name` gives the token alone"
                .to_owned(),
        });
    }
    let hub = call.hub().await?;
    let hub_address = match hub_address {
        Some(address) => address,
        None => call.context()?.hub,
    };
    let spoke_image = spoke_image.unwrap_or_default();
    let request = EnrolClusterRequest {
        name: name.clone(),
        token_ttl_s: ttl,
        spoke_image,
        hub_address: hub_address.clone(),
        replace,
    };
    let answer = hub.clusters().enrol(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    call.remark(|screen| draw_invitation(screen, (&name, &hub_address), &answer, now()));
    // The manifest alone goes to standard output, as it is: another program reads it. Where names are asked for, it is
    // the token, because it is shown only once.
    if call.is_for_people() {
        write_out(&answer.manifest)?;
        return Ok(Outcome::Done);
    }
    call.answer(|_| {}, || enrolment_to_json(&name, &answer), || vec![answer.token.clone()])?;
    Ok(Outcome::Done)
}

async fn list(call: &Call) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let answer = hub.clusters().list(ListClustersRequest {}).await.map_err(|status| hub.refused(&status))?;
    let clusters = answer.into_inner().clusters;
    let json = || json!({"clusters": clusters.iter().map(to_json).collect::<Vec<_>>()});
    let names = || clusters.iter().map(|cluster| reference(&cluster.name)).collect();
    call.answer(|screen| draw(screen, &clusters, now()), json, names)?;
    Ok(Outcome::Done)
}

async fn show(call: &Call, name: String) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = ShowClusterRequest { name: name.clone() };
    let answer = hub.clusters().show(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    call.answer(
        |screen| draw_one(screen, &answer, now()),
        || one_to_json(&answer),
        || vec![reference(&name)],
    )?;
    Ok(Outcome::Done)
}

async fn detach(call: &Call, name: String) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = DetachClusterRequest { name: name.clone() };
    let answer = hub.clusters().detach(request).await.map_err(|status| hub.refused(&status))?;
    let unchanged = answer.into_inner().unchanged;
    let result = if unchanged { "unchanged" } else { "detached" };
    let json = || json!({"name": name, "result": result});
    call.answer(|screen| draw_detached(screen, &name, unchanged), json, || vec![reference(&name)])?;
    Ok(Outcome::Done)
}

fn draw_detached(screen: &mut Screen, name: &str, unchanged: bool) {
    if unchanged {
        screen.line(2, &[strong(reference(name)), plain(" "), faint("unchanged: it was detached before")]);
        return;
    }
    screen.line(2, &[strong(reference(name)), plain(" "), good("detached")]);
    screen.line(2, &[plain("Its spoke is refused from now on. What runs in the cluster stays as it is.")]);
    screen.line(2, &[plain("take it in again with:")]);
    screen.command(format!("meshfleet cluster enrol {name}"));
}

/// Whether an address leads back to the machine that dials it.
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn draw_invitation(
    screen: &mut Screen,
    (name, hub): (&str, &str),
    answer: &EnrolClusterResponse,
    now: Timestamp,
) {
    let EnrolClusterResponse { cluster_id, token: _, expires_at, connected, manifest: _ } = answer;
    let until = match expires_at.parse::<Timestamp>() {
        // The second that the answer took is not lost.
        Ok(end) => format!("in {}", time::span(end.duration_since(now).as_secs() + 1)),
        Err(_) => format!("at {expires_at}"),
    };
    screen.line(2, &[strong(format!("cluster/{name}")), plain(format!(" invited, id {cluster_id}"))]);
    screen.line(
        0,
        &[plain(format!(
            "What follows is for `kubectl apply -f -` in that cluster. It holds the token of its spoke, which is shown \
             once, can be used once and ends {until}."
        ))],
    );
    if *connected {
        let now = "a spoke of this cluster is attached now: it is refused once the token is used";
        screen.line(2, &[warning("note: "), plain(now)]);
    }
    if is_loopback(hub) {
        let pod =
            format!("a pod does not reach a hub at {hub}: say --hub HOST:PORT, as the cluster reaches it");
        screen.line(2, &[warning("note: "), plain(pod)]);
    }
}

fn draw(screen: &mut Screen, clusters: &[Cluster], now: Timestamp) {
    if clusters.is_empty() {
        screen.line(2, &[plain("no clusters yet: invite one with `meshfleet cluster enrol NAME`")]);
        return;
    }
    let mut header = vec!["NAME", "PLATFORM", "KUBERNETES", "STATE", "CONNECTED", "LABELS"];
    let mut rows: Vec<Vec<Piece>> = clusters.iter().map(|cluster| row(cluster, now)).collect();
    if screen.is_wide() {
        header.extend(["SEEN", "ID"]);
        for (row, cluster) in rows.iter_mut().zip(clusters) {
            let seen = time::since(now, &cluster.last_seen_at);
            row.extend([plain(or_dash(&seen)), faint(or_dash(&cluster.id))]);
        }
    }
    screen.table(&header, &[1, 5], &rows);
}

fn row(cluster: &Cluster, now: Timestamp) -> Vec<Piece> {
    vec![
        strong(&cluster.name),
        platform(cluster),
        plain(or_dash(release(&cluster.kubernetes_version))),
        state(&cluster.state),
        connected(cluster, now),
        faint(or_dash(&pairs(&cluster.labels))),
    ]
}

fn state(state: &str) -> Piece {
    match state {
        "Active" => good(state),
        _ => warning(state),
    }
}

fn draw_one(screen: &mut Screen, answer: &ShowClusterResponse, now: Timestamp) {
    let ShowClusterResponse {
        cluster,
        document,
        spoke_version,
        enrolled_at,
        network,
        variables,
        spoke_is_ahead,
    } = answer;
    let Some(cluster) = cluster else { return };
    screen.line(2, &[strong(&cluster.name), plain("  "), platform(cluster)]);
    screen.field(0, "state", &[state(&cluster.state)]);
    screen.field(0, "connected", &[connected(cluster, now)]);
    let mut spoke = vec![plain(or_dash(spoke_version))];
    if !enrolled_at.is_empty() {
        spoke.push(faint(format!("  enrolled {}", time::since(now, enrolled_at))));
    }
    screen.field(0, "spoke", &spoke);
    screen.field(0, "kubernetes", &[plain(or_dash(&cluster.kubernetes_version))]);
    screen.field(0, "network", &[plain(or_dash(network))]);
    screen.field(0, "labels", &[plain(or_dash(&pairs(&cluster.labels)))]);
    screen.field(0, "variables", &[plain(or_dash(&pairs(variables)))]);
    screen.field(0, "id", &[faint(or_dash(&cluster.id))]);
    screen.blank();
    if document.is_empty() {
        let text =
            "it has no document yet: labels, network and variables come with `meshfleet apply -f FILE`";
        screen.line(2, &[plain(text)]);
    }
    if *spoke_is_ahead {
        let text = "its spoke accepted something newer than this hub knows of: nothing is sent to it until you decide";
        screen.line(2, &[warning("note: "), plain(text)]);
        let command = format!("meshfleet cluster reconcile {}", cluster.name);
        let ways = faint("   then with --keep-hub or --keep-spoke");
        screen.line(6, &[faint("next: "), plain(command), ways]);
    } else if cluster.state == "Active" {
        let (name, next) = (&cluster.name, faint("next: "));
        let commands = format!("meshfleet status {name}, meshfleet cluster facts {name}");
        screen.line(6, &[next, plain(commands)]);
    } else {
        let command = format!("meshfleet cluster enrol {}", cluster.name);
        screen.line(6, &[faint("next: "), plain(command)]);
    }
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

/// A map as people write it: `env=production mesh=payments`.
fn pairs(map: &HashMap<String, String>) -> String {
    let mut pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.sort_unstable();
    pairs.join(" ")
}

/// A map as JSON, with its keys in order.
fn map_to_json(map: &HashMap<String, String>) -> Map<String, Value> {
    map.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect()
}

fn enrolment_to_json(name: &str, answer: &EnrolClusterResponse) -> Value {
    let EnrolClusterResponse { cluster_id, token, expires_at, connected, manifest } = answer;
    let manifest = Some(manifest).filter(|manifest| !manifest.is_empty());
    json!({
        "name": name, "id": cluster_id, "token": token, "expiresAt": expires_at, "connected": connected,
        "manifest": manifest,
    })
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
    json!({
        "id": id, "name": name, "labels": map_to_json(labels), "platform": platform, "platformDetail": platform_detail,
        "declaredPlatform": declared_platform, "kubernetesVersion": kubernetes_version, "state": state,
        "connected": connected, "lastSeenAt": last_seen_at,
    })
}

fn one_to_json(answer: &ShowClusterResponse) -> Value {
    let ShowClusterResponse {
        cluster,
        document,
        spoke_version,
        enrolled_at,
        network,
        variables,
        spoke_is_ahead,
    } = answer;
    json!({
        "cluster": cluster.as_ref().map(to_json), "document": value(document), "spokeVersion": spoke_version,
        "enrolledAt": enrolled_at, "network": network, "spokeIsAhead": spoke_is_ahead, "variables": map_to_json(variables),
    })
}

#[cfg(test)]
mod tests;
