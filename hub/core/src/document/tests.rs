//! Golden text of mistakes, and what must hold for any bytes.

mod golden;
mod json_schema;
mod mesh_config;
mod properties;

use super::*;

/// One document of each kind, without a mistake.
const GOOD: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata:
  name: payments
spec:
  clusters: {matchLabels: {mesh: payments}}
  base:
    mesh: {id: payments}
    istio:
      version: 1.17.8
    installer: {kind: calisti}
    dataPlane:
      namespaces:
        names: [payments, ledger]
---
apiVersion: meshfleet.dev/v1
kind: Cluster
metadata:
  name: rosa-eu-1
  labels: {mesh: payments, example.com/tier: \"1\"}
spec:
  platform: rosa
  network: eu
---
apiVersion: meshfleet.dev/v1
kind: RolloutStrategy
metadata:
  name: careful
spec:
  waves:
    - name: first
      clusters: {names: [eks-eu-1]}
    - name: rest
      clusters:
        matchExpressions:
          - {key: mesh, operator: Exists}
  deadlineSeconds: 600
---
apiVersion: meshfleet.dev/v1
kind: DriftPolicy
metadata:
  name: production
spec:
  clusters: {matchLabels: {env: production}}
  heal: [Removed, Deleted]
";

fn source(name: &str, text: impl Into<Vec<u8>>) -> Source {
    Source { name: name.to_owned(), text: text.into() }
}

fn parse_one(text: impl Into<Vec<u8>>) -> Result<Vec<Document>, Vec<Mistake>> {
    parse(&[source("mesh.yaml", text)])
}

#[test]
fn good_documents_become_typed() {
    let documents = parse_one(GOOD).unwrap();
    let said: Vec<String> =
        documents.iter().map(|one| format!("{}/{} in line {}", one.kind(), one.name, one.line)).collect();
    assert_eq!(
        said,
        [
            "MeshConfig/payments in line 1",
            "Cluster/rosa-eu-1 in line 16",
            "RolloutStrategy/careful in line 25",
            "DriftPolicy/production in line 39"
        ]
    );
    insta::assert_debug_snapshot!(documents.into_iter().map(|document| document.spec).collect::<Vec<_>>());
}

#[test]
fn stored_bytes_read_back_as_the_same() {
    for document in parse_one(GOOD).unwrap() {
        let (name, spec) = read_stored(&document.canonical).unwrap();
        assert_eq!((name, spec), (document.name, document.spec));
    }
    for bad in [
        "",
        "{}",
        r#"{"kind":"FreezeWindow"}"#,
        r#"["Cluster"]"#,
        r#"{"kind":"Cluster","metadata":{"name":"a"}}"#,
    ] {
        assert!(read_stored(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn layout_comments_and_written_defaults_change_nothing() {
    let one = &parse_one(GOOD).unwrap()[0];
    let other = "# the same\n{\"apiVersion\": meshfleet.dev/v1, kind: 'MeshConfig', metadata: {name: \"payments\"},\n\
        spec: {adopt: Never, base: {dataPlane: {namespaces: {names: [payments, ledger]}}, installer: {kind: calisti}, mesh: {id: payments},\n\
        istio: {namespace: istio-system, version: v1.17.8}}, clusters: {matchLabels: {mesh: payments}}}}\n";
    assert_eq!(parse_one(other).unwrap()[0].canonical, one.canonical);
    assert_eq!(parse_one(GOOD.replace('\n', "\r\n")).unwrap()[0].canonical, one.canonical);
    assert_eq!(parse_one(format!("\u{feff}{GOOD}")).unwrap()[0].canonical, one.canonical);
    let changed = parse_one(GOOD.replace("[payments, ledger]", "[payments]")).unwrap();
    assert_ne!(changed[0].canonical, one.canonical);
}

#[test]
fn the_field_decides_what_a_plain_scalar_is() {
    for text in ["no", "on", "y", "true", "0x1f", "017", "1e3", "12", "2026-02-30"] {
        let documents = parse_one(GOOD.replace("name: payments", &format!("name: {text}"))).unwrap();
        assert_eq!(documents[0].name.as_str(), text);
    }
}

#[test]
fn empty_documents_between_others_are_skipped() {
    assert_eq!(parse_one(format!("---\n---\n# nothing\n---\n{GOOD}---\n")).unwrap().len(), 4);
}

#[test]
fn a_cluster_needs_no_spec() {
    let documents = parse_one("apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {name: a}\n").unwrap();
    assert_eq!(documents[0].spec, Spec::Cluster(ClusterSpec::default()));
}

#[test]
fn nothing_is_read_of_no_sources() {
    assert_eq!(parse(&[]), Ok(Vec::new()));
}

#[test]
fn every_word_and_field_of_the_schema_is_taken_by_the_types() {
    let mut texts: Vec<String> = PlatformName::ALL
        .into_iter()
        .map(|platform| GOOD.replace("platform: rosa", &format!("platform: {platform}")))
        .collect();
    for adopt in ["Never", "IfNoDiff", "Always"] {
        texts.push(GOOD.replace("  base:", &format!("  adopt: {adopt}\n  base:")));
    }
    for condition in ["In, values: [a, b]", "NotIn, values: [\"\"]", "Exists", "DoesNotExist"] {
        texts.push(GOOD.replace("operator: Exists", &format!("operator: {condition}")));
    }
    texts.push(GOOD.replace("version: 1.17.8", "version: 1.17.8\n      namespace: mesh-system"));
    texts.push(GOOD.replace("{names: [eks-eu-1]}", "{names: [a], matchLabels: {a/b: c}}"));
    texts.push(GOOD.replace("{mesh: payments, example.com/tier: \"1\"}", "{}"));
    texts.push(GOOD.replace("network: eu", "variables: {ZONE: a, _b1: \"\"}"));
    texts.push(GOOD.replace("deadlineSeconds: 600", "maxUnavailable: 5"));
    for heal in ["heal: []", "heal: [Deleted, Overwritten, Removed]", "heal: [Overwritten]"] {
        texts.push(GOOD.replace("heal: [Removed, Deleted]", heal));
    }
    for (from, to) in [
        ("kind: sail", "kind: calisti"),
        ("Redirect", "TProxy"),
        ("{matchLabels: {team: payments}}", "{matchExpressions: [{key: a, operator: Exists}], names: [a]}"),
        ("mode: sidecar, interception: Redirect, ", ""),
        (", trustDomain: payments.example.com", ""),
        ("    network: {fromLabel: network}\n", ""),
        ("value: /etc/x", "value: [{a: 1}]"),
        ("set: {istio: {version: v1.29.6}}, ", ""),
    ] {
        assert!(mesh_config::EXAMPLE.contains(from), "{from}");
        texts.push(mesh_config::EXAMPLE.replace(from, to));
    }
    for text in texts {
        assert!(parse_one(text.as_str()).is_ok(), "{text}\n{:?}", parse_one(text.as_str()));
    }
}
