use proto::v1::DocumentChange;

use super::*;
use crate::screen::{golden, golden_wide};

fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn configs() -> Vec<Config> {
    let payments = Config {
        name: "payments".to_owned(),
        newest_version: 4,
        selects: (1..=9).map(|number| format!("eks-eu-{number}")).collect(),
        running_newest: 7,
        published_by: "ana".to_owned(),
        published_at: "2026-11-24T09:00:00Z".to_owned(),
    };
    let ledger =
        Config { name: "ledger".to_owned(), selects: Vec::new(), running_newest: 0, ..payments.clone() };
    vec![payments, ledger]
}

fn shown() -> ShowConfigResponse {
    let leaf = |path: &str, value: &str, layer: &str, line| EffectiveLeaf {
        path: path.to_owned(),
        value: value.to_owned(),
        layer: layer.to_owned(),
        file: if line > 0 { "mesh.yaml".to_owned() } else { String::new() },
        line,
    };
    ShowConfigResponse {
        name: "payments".to_owned(),
        version: 4,
        document: r#"{"apiVersion":"meshfleet.dev/v1","kind":"MeshConfig","metadata":{"name":"payments"},"spec":{"adopt":"Never","layers":[{"name":"production","set":{"values":{}}}]}}"#.to_owned(),
        leaves: vec![
            leaf("dataPlane.interception", r#""Redirect""#, "default", 0),
            leaf("istio.version", r#""v1.29.6""#, "rosa-eu-1", 22),
            leaf("values.istiod.pilot.autoscaleMin", "3", "production", 18),
            leaf("dataPlane.namespaces.matchExpressions", r#"[{"key":"team","operator":"In","values":["payments","ledger","accounts"]}]"#, "base", 12),
        ],
        published_by: "ana".to_owned(),
        published_at: "2026-11-24T09:00:00Z".to_owned(),
    }
}

fn versions() -> Vec<ConfigVersion> {
    let version = |version, changes, clusters: &[&str]| ConfigVersion {
        version,
        published_by: "ana".to_owned(),
        published_at: "2026-11-24T09:00:00Z".to_owned(),
        changes,
        clusters: clusters.iter().map(|name| (*name).to_owned()).collect(),
    };
    vec![version(3, 1, &["eks-eu-1"]), version(2, 12, &["eks-eu-2", "rosa-eu-1"]), version(1, 0, &[])]
}

#[test]
fn configs_are_listed() {
    insta::assert_snapshot!("configs", golden(120, |screen| draw_list(screen, &configs(), now())));
    insta::assert_snapshot!(
        "configs_at_80_columns",
        golden(80, |screen| draw_list(screen, &configs(), now()))
    );
    insta::assert_snapshot!("configs_wide", golden_wide(160, |screen| draw_list(screen, &configs(), now())));
    insta::assert_snapshot!("no_configs", golden(80, |screen| draw_list(screen, &[], now())));
}

#[test]
fn a_version_is_shown_as_its_document() {
    let shown = shown();
    let document = serde_json::from_str(&shown.document).unwrap();
    insta::assert_snapshot!(golden(80, |screen| draw_version(screen, &shown, &document, now())));
}

#[test]
fn what_holds_for_a_cluster_is_shown_with_its_layers() {
    let draw = |screen: &mut Screen| draw_effective(screen, &shown(), "rosa-eu-1", now());
    insta::assert_snapshot!("effective", golden(120, draw));
    insta::assert_snapshot!("effective_at_80_columns", golden(80, draw));
}

#[test]
fn versions_are_listed_and_folded() {
    insta::assert_snapshot!(
        "history",
        golden(80, |screen| draw_history(screen, "payments", &versions(), now()))
    );
    let mut many = Vec::new();
    for number in (1..=30).rev() {
        many.push(ConfigVersion { version: number, ..versions()[0].clone() });
    }
    let folded = golden(80, |screen| draw_history(screen, "payments", &many, now()));
    assert!(folded.contains("… 10 more, back to v1") && folded.contains("-o wide"), "{folded}");
}

#[test]
fn two_versions_are_compared() {
    let change = |path: &str, old: &str, new: &str| DocumentChange {
        path: path.to_owned(),
        old: old.to_owned(),
        new: new.to_owned(),
    };
    let mut answer = DiffConfigResponse {
        from: 3,
        to: 4,
        changes: vec![change("spec.base.istio.version", r#""v1.29.6""#, r#""v1.30.2""#)],
    };
    let different = golden(80, |screen| draw_diff(screen, "payments", &answer));
    answer.changes.clear();
    let same = golden(80, |screen| draw_diff(screen, "payments", &answer));
    insta::assert_snapshot!(format!("{different}---\n{same}"));
}

#[test]
fn json_has_stable_names() {
    let mut shown = shown();
    shown.leaves.truncate(2);
    let json = json!([
        to_json(&configs()[1]),
        version_to_json(&versions()[1]),
        effective_to_json(&shown, "rosa-eu-1")
    ]);
    insta::assert_snapshot!(format!("{json:#}"));
}
