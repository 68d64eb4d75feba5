//! The metrics of a running hub and spoke, and what the dashboard and the alert rules say of them.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, ensure};
use tests::{
    clusters::{standin::calisti::Behaviour, wait::until},
    fleet::{Dress, PATIENCE},
};

use super::scrape;
use crate::rig::Rig;

/// What lies beside the hub for those who watch it.
const MONITORING: [&str; 2] = ["dashboard.json", "alerts.yaml"];

#[tokio::test(flavor = "multi_thread")]
async fn hub_and_spoke_tell_what_the_dashboard_and_the_alerts_ask_for() -> Result<()> {
    let rig = Rig::start_with(&[("HUB_METRICS_LISTEN", "127.0.0.1:0")]).await?;
    let mut cluster = rig.cluster("eks-1", Dress::Eks, Behaviour::Normal).await?;
    rig.fleet.enrol(&mut cluster, &[("MESHFLEET_METRICS_LISTEN", "127.0.0.1:0")]).await?;
    rig.fleet.connected("eks-1").await?;
    rig.apply_mesh(&["eks-1"]).await?;
    let number = rig.fleet.roll_out(&["payments"]).await?;
    rig.fleet.succeeded(number).await?;

    let (hub_log, spoke_log) = (rig.path().join("hub.log"), rig.path().join("spoke-eks-1.log"));
    let hub = until("the hub to tell of a healthy cluster", PATIENCE, || async {
        let page = scrape(&hub_log).await?;
        let healthy = r#"meshfleet_clusters{condition="Healthy",status="True"} 1"#;
        Ok(page.contains(healthy).then_some(page))
    })
    .await?;
    for expected in [
        r#"meshfleet_clusters{condition="Connected",status="False"} 0"#,
        "meshfleet_sessions 1\n",
        "meshfleet_offers_total 1\n",
        "meshfleet_accept_duration_seconds_count 1\n",
        r#"meshfleet_rollout_target_duration_seconds_count{outcome="Succeeded"} 1"#,
        r#"meshfleet_rollouts_ended_total{state="Succeeded"} 1"#,
        r#"meshfleet_rollouts_live{state="Running"} 0"#,
        r#"meshfleet_rollout_targets_blocked{reason="Offline"} 0"#,
        r#"meshfleet_task_failures_total{task="rollout"} 0"#,
        "meshfleet_fleet_readable 1\n",
        r#"meshfleet_certificate_expiry_timestamp_seconds{certificate="authority"}"#,
    ] {
        ensure!(hub.contains(expected), "{expected} is not in:\n{hub}");
    }
    // The cluster is not named: a label of that kind would be worth ten thousand.
    ensure!(!hub.contains("eks-1"), "{hub}");
    let spoke = scrape(&spoke_log).await?;
    for expected in [
        "meshfleet_spoke_connected 1\n",
        "meshfleet_spoke_lease_held 1\n",
        "meshfleet_spoke_accepted_generation 1\n",
        "meshfleet_spoke_completed_generation 1\n",
        "meshfleet_spoke_applies_total 1\n",
        r#"meshfleet_spoke_object_outcomes_total{outcome="Created"}"#,
        r#"meshfleet_spoke_object_outcomes_total{outcome="Conflict"} 0"#,
        "meshfleet_spoke_drift_items 0\n",
    ] {
        ensure!(spoke.contains(expected), "{expected} is not in:\n{spoke}");
    }
    ensure!(!spoke.contains("meshfleet_spoke_certificate_expiry_timestamp_seconds 0\n"), "{spoke}");

    let exported: BTreeSet<&str> = samples(&hub).chain(samples(&spoke)).collect();
    ensure!(exported.len() > 30, "{exported:?}");
    for name in MONITORING {
        let text = monitoring(name)?;
        let asked: BTreeSet<&str> = names(&text).collect();
        ensure!(!asked.is_empty(), "{name} asks for nothing");
        let unknown: Vec<_> = asked.difference(&exported).collect();
        ensure!(unknown.is_empty(), "{name} asks for what nobody exports: {unknown:?}");
    }
    for page in [&hub, &spoke] {
        let undocumented: Vec<&str> = samples(page).filter(|sample| !is_documented(page, sample)).collect();
        ensure!(undocumented.is_empty(), "nothing says what these are: {undocumented:?}");
    }
    rig.passed().await
}

#[test]
fn dashboard_and_alerts_are_what_they_should_be() -> Result<()> {
    let dashboard: serde_json::Value = serde_json::from_str(&monitoring("dashboard.json")?)?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().context("targets")?;
        let asks = targets.iter().all(|target| target["expr"].as_str().is_some_and(|expr| !expr.is_empty()));
        let described = panel["description"].as_str().is_some_and(|text| !text.is_empty());
        ensure!(asks && !targets.is_empty() && described, "{panel:#}");
    }
    let alerts: serde_json::Value = serde_saphyr::from_str(&monitoring("alerts.yaml")?)?;
    let rules = alerts["spec"]["groups"].as_array().context("groups")?;
    let rules: Vec<_> =
        rules.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten()).collect();
    ensure!(rules.len() >= 8, "{rules:#?}");
    for rule in rules {
        let says = |field: &str| {
            rule.pointer(field).and_then(|text| text.as_str()).is_some_and(|text| !text.is_empty())
        };
        let complete =
            ["/alert", "/expr", "/labels/severity", "/annotations/summary", "/annotations/description"];
        ensure!(complete.iter().all(|field| says(field)), "{rule:#}");
    }
    Ok(())
}

fn monitoring(name: &str) -> Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/deploy/monitoring");
    std::fs::read_to_string(folder.join(name)).with_context(|| name.to_owned())
}

/// Names of everything that a page has a value of.
fn samples(page: &str) -> impl Iterator<Item = &str> {
    let values = page.lines().filter(|line| !line.starts_with('#'));
    values.filter_map(|line| line.split(['{', ' ']).next()).filter(|name| !name.is_empty())
}

/// Names of ours in any text.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("meshfleet_").filter_map(|(start, _)| {
        let name = &text[start..];
        let end = name.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        // A part of a longer word is none.
        let begins = text[..start].chars().next_back().is_none_or(|letter| !letter.is_ascii_alphanumeric());
        begins.then(|| &name[..end.unwrap_or(name.len())])
    })
}

fn is_documented(page: &str, sample: &str) -> bool {
    let endings = ["", "_total", "_info", "_bucket", "_count", "_sum", "_created"];
    endings.iter().filter_map(|ending| sample.strip_suffix(ending)).any(|family| {
        let help = format!("# HELP {family} ");
        page.lines().any(|line| line.strip_prefix(&help).is_some_and(|text| text.len() > 10))
    })
}
