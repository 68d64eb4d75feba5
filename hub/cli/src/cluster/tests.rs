use super::*;
use crate::screen::{golden, golden_wide};

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
fn everything_of_the_clusters_is_shown_where_asked_for() {
    insta::assert_snapshot!(
        "clusters_with_all_columns",
        golden_wide(180, |screen| draw(screen, &clusters(), now()))
    );
}

fn one() -> ShowClusterResponse {
    ShowClusterResponse {
        cluster: Some(clusters().remove(1)),
        document: r#"{"kind":"Cluster"}"#.to_owned(),
        spoke_version: "0.1.0".to_owned(),
        enrolled_at: "2026-11-20T10:00:00Z".to_owned(),
        network: "eu-1".to_owned(),
        variables: [("region", "eu-west-1"), ("az", "3")]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
        spoke_is_ahead: false,
    }
}

#[test]
fn one_cluster_that_is_ahead_says_how_that_is_decided() {
    let ahead = ShowClusterResponse { spoke_is_ahead: true, ..one() };
    insta::assert_snapshot!("one_cluster_ahead", golden(80, |screen| draw_one(screen, &ahead, now())));
}

#[test]
fn one_cluster_is_shown() {
    insta::assert_snapshot!("one_cluster", golden(120, |screen| draw_one(screen, &one(), now())));
    let invited =
        ShowClusterResponse { cluster: Some(clusters().remove(2)), ..ShowClusterResponse::default() };
    insta::assert_snapshot!("one_cluster_invited", golden(80, |screen| draw_one(screen, &invited, now())));
    insta::assert_snapshot!("one_cluster_json", format!("{:#}", one_to_json(&one())));
}

#[test]
fn detaching_says_what_stays_and_how_to_go_back() {
    insta::assert_snapshot!(golden(80, |screen| draw_detached(screen, "eks-eu-1", false)));
    insta::assert_snapshot!(golden(80, |screen| draw_detached(screen, "eks-eu-1", true)));
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
        connected: false,
        manifest: "kind: Namespace".to_owned(),
    };
    insta::assert_snapshot!(golden(80, |screen| draw_invitation(
        screen,
        ("eks-eu-1", "127.0.0.1:7443"),
        &answer,
        now()
    )));
}

#[test]
fn json_has_stable_names() {
    insta::assert_snapshot!(format!("{:#}", to_json(&clusters()[0])));
}

#[test]
fn an_address_that_leads_nowhere_else_is_known() {
    for (address, expected) in [
        ("127.0.0.1:7443", true),
        ("[::1]:7443", true),
        ("localhost:7443", true),
        ("10.0.0.1:7443", false),
        ("hub.example.com:7443", false),
    ] {
        assert_eq!(is_loopback(address), expected, "{address}");
    }
}
