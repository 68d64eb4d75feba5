//! Bad inputs and the words for them. Review a changed snapshot as a person who made that mistake.

use super::{
    super::{Document, MAX_SOURCE_BYTES, Mistake, Source, parse},
    GOOD, parse_one, source,
};

pub(super) fn said(result: Result<Vec<Document>, Vec<Mistake>>) -> String {
    let Err(mistakes) = result else { return "  NO MISTAKE\n".to_owned() };
    mistakes
        .iter()
        .map(|mistake| {
            let hint =
                if mistake.hint.is_empty() { String::new() } else { format!("    hint: {}\n", mistake.hint) };
            format!("  {mistake}\n{hint}")
        })
        .collect()
}

/// Makes each edit in the good documents and shows what is said of it.
fn edited(cases: &[(&str, &str)]) -> String {
    let one = |(from, to): &(&str, &str)| {
        assert!(GOOD.contains(from), "{from}");
        let shown = if to.is_empty() { format!("without {from:?}") } else { format!("{to:?}") };
        format!("{shown}\n{}\n", said(parse_one(GOOD.replacen(from, to, 1))))
    };
    cases.iter().map(one).collect()
}

fn whole(cases: &[&str]) -> String {
    cases.iter().map(|text| format!("{text:?}\n{}\n", said(parse_one(*text)))).collect()
}

#[test]
fn fields() {
    insta::assert_snapshot!(edited(&[
        ("version: 1.17.8", "verison: 1.17.8"),
        ("version: 1.17.8", "Version: 1.17.8"),
        ("version: 1.17.8", "version: 1.17.8\n      replicas: 3"),
        ("  base:\n", "  istio: {version: 1.17.8}\n  base:\n"),
        ("kind: calisti}", "kind: calisti, pullPolicy: Always}"),
        ("      version: 1.17.8\n", "      namespace: istio-system\n"),
        ("    installer: {kind: calisti}\n", ""),
        ("  name: payments\n", "  namespace: x\n"),
        ("platform: rosa", "labels: {a: b}"),
        ("  clusters: {matchLabels: {mesh: payments}}\n", ""),
        ("version: 1.17.8", "version: 1.17.8\n      version: 1.17.9"),
        ("  name: careful\n", "  name: careful\n  \"a\\eb\": 1\n"),
    ]));
}

#[test]
fn what_is_not_served() {
    insta::assert_snapshot!(edited(&[
        ("    installer:", "    values: {istiod: {}, ztunnel: {}}\n    installer:"),
        ("    installer:", "    gatways: []\n    installer:"),
        ("    installer:", "    values: {ztunnel: {}}\n    installer:"),
        ("    dataPlane:\n", "    dataPlane:\n      mode: ambient\n"),
        ("version: 1.17.8", "version: 1.17.8\n      updateStrategy: RevisonBased"),
        ("version: 1.17.8", "version: 1.17.8\n      inactiveRevisionGraceSeconds: 8d"),
        ("kind: MeshConfig", "kind: Migration"),
        ("kind: MeshConfig", "kind: FreezeWindow"),
        ("kind: MeshConfig", "kind: DriftPolcy"),
        ("  name: careful\n", "  name: careful\n  labels: {a: b}\n"),
        ("  deadlineSeconds: 600", "  soak: 600"),
        ("    - name: first\n", "    - name: first\n      maxUnavailable: 1\n"),
        ("  network: eu", "  protection: {}"),
        ("  heal: [Removed, Deleted]", "  ignore: []"),
        ("  heal: [Removed, Deleted]", "  hold: [Removed]"),
    ]));
}

#[test]
fn values() {
    insta::assert_snapshot!(edited(&[
        ("platform: rosa", "platform: rosa-hcp"),
        ("platform: rosa", "platform: EKS"),
        ("platform: rosa", "platform: digitalocean"),
        ("platform: rosa", "platform: [rosa]"),
        ("platform: rosa", "platform:"),
        ("network: eu", "network: ~"),
        ("network: eu", "network: \"\""),
        ("name: payments", "name: Payments_EU"),
        ("name: payments", "name: \"pay\\nments\\u202e\""),
        ("name: payments", "name: 1.0"),
        ("version: 1.17.8", "version: 1.17"),
        ("version: 1.17.8", "version: 1.29.1-rc.0"),
        ("version: 1.17.8", "version: latest"),
        ("version: 1.17.8", "version: {major: 1}"),
        ("names: [payments, ledger]", "names: payments"),
        ("names: [payments, ledger]", "names: []"),
        ("names: [payments, ledger]", "names: [payments, kube-system, payments, {a: b}]"),
        ("clusters: {matchLabels: {mesh: payments}}", "clusters: {}"),
        ("clusters: {matchLabels: {mesh: payments}}", "clusters: all"),
        ("{matchLabels: {mesh: payments}}", "{matchLabels: {}}"),
        ("{matchLabels: {mesh: payments}}", "{matchLabels: {mesh: true, \"a b\": c, x: \"-\", y: [1]}}"),
        ("{mesh: payments, example.com/tier", "{mesh: payments, tier: , example.com/tier"),
        ("operator: Exists", "operator: exists"),
        ("operator: Exists", "operator: Exists, values: [a]"),
        ("operator: Exists", "operator: In"),
        ("deadlineSeconds: 600", "deadlineSeconds: \"600\""),
        ("deadlineSeconds: 600", "deadlineSeconds: 10m"),
        ("deadlineSeconds: 600", "deadlineSeconds: 0600"),
        ("deadlineSeconds: 600", "deadlineSeconds: 600.0"),
        ("deadlineSeconds: 600", "deadlineSeconds: 0"),
        ("deadlineSeconds: 600", "deadlineSeconds: 99999999999999999999"),
        ("name: rest", "name: first"),
        ("  base:", "  adopt: never\n  base:"),
        ("  network: eu", "  variables: {ZONE: eu-west-1a, cluster: x, 1a: y, B: \"a\\nb\", C: [d]}"),
        ("  deadlineSeconds: 600", "  maxUnavailable: 25%"),
        ("  deadlineSeconds: 600", "  maxUnavailable: 0"),
        ("heal: [Removed, Deleted]", "heal: [Removed, removed, Recreated, Unfulfilled]"),
        ("heal: [Removed, Deleted]", "heal: Removed"),
        ("heal: [Removed, Deleted]", "heal: [Removed, Removed]"),
        ("mesh: {id: payments}", "mesh: {id: payments, trustDomain: https://payments}"),
        ("kind: calisti}", "kind: istioctl}"),
        ("    dataPlane:\n", "    dataPlane:\n      interception: TPROXY\n"),
        ("    dataPlane:\n", "    dataPlane:\n      cni: always\n"),
        ("        names: [payments, ledger]", "        matchLabel: {team: payments}"),
        ("      namespaces:\n        names: [payments, ledger]", "      namespaces: {}"),
    ]));
}

#[test]
fn kinds_and_versions() {
    insta::assert_snapshot!(edited(&[
        ("apiVersion: meshfleet.dev/v1", "apiVersion: meshfleet.dev/v2"),
        ("apiVersion: meshfleet.dev/v1", "apiVersion: v1"),
        ("apiVersion: meshfleet.dev/v1\n", ""),
        ("apiVersion: meshfleet.dev/v1", "apiVerison: meshfleet.dev/v1"),
        ("kind: MeshConfig\n", ""),
        ("kind: MeshConfig", "Kind: MeshConfig"),
        ("kind: MeshConfig", "kind: Meshconfig"),
        ("kind: MeshConfig", "kind: ConfigMap"),
        ("kind: MeshConfig", "kind: [MeshConfig]"),
        ("kind: MeshConfig", "kind: Cluster"),
        ("apiVersion: meshfleet.dev/v1\nkind: MeshConfig", "apiVersion: v1\nkind: Secret"),
    ]));
}

#[test]
fn what_yaml_offers_beyond() {
    insta::assert_snapshot!(edited(&[
        ("mesh: {id: payments}", "mesh: &mesh {id: payments}"),
        ("name: payments", "name: &name payments"),
        ("names: [payments, ledger]", "names: [*name, ledger]"),
        ("kind: calisti", "<<: {kind: calisti}"),
        ("version: 1.17.8", "version: !!str 1.17.8"),
        ("version: 1.17.8", "version: !include secrets.yaml"),
        ("mesh: {id: payments}", "mesh: !!python/object {id: payments}"),
        ("version: 1.17.8", "? {a: b}\n      : c\n      version: 1.17.8"),
        ("version: 1.17.8", "? [a, {b: c}]\n      : [c]\n      version: 1.17.8"),
        ("version: 1.17.8", ": x\n      version: 1.17.8"),
        ("version: 1.17.8", "*a : x\n      version: 1.17.8"),
    ]));
}

#[test]
fn what_is_not_yaml() {
    insta::assert_snapshot!(edited(&[
        ("      version: 1.17.8", "\t\tversion: 1.17.8"),
        ("      version: 1.17.8", "      version:\t1.17.8\n\t  a: b"),
        ("      version: 1.17.8", "    version: 1.17.8\n      namespace: a"),
        ("version: 1.17.8", "version: 1.17.8: beta"),
        ("version: 1.17.8", "version 1.17.8"),
        ("version: 1.17.8", "version: \"1.17.8"),
        ("version: 1.17.8", "version: '1.17.8"),
        ("version: 1.17.8", "version: \"1.17.8\" beta"),
        ("version: 1.17.8", "version: @latest"),
        ("version: 1.17.8", "version: \"\\q\""),
        ("version: 1.17.8", "- version: 1.17.8"),
        ("mesh: {id: payments}", "mesh: {id: payments"),
        ("mesh: {id: payments}", "mesh: {id: payments]"),
        ("names: [payments, ledger]", "names: [payments, ledger"),
        ("names: [payments, ledger]", "names: [payments; ledger]]"),
        ("names: [payments, ledger]", "names: - payments"),
        ("kind: MeshConfig", "%YAML 1.2\nkind: MeshConfig"),
        ("  name: payments", "  name: payments\n name: x"),
        ("  name: payments", "  {{ .Values.name }}"),
        ("  name: payments", "  name: {{ .Values.name }}"),
        ("  name: payments", "  name: pay\u{7}ments"),
        ("  name: payments", "\u{feff}  name: payments"),
    ]));
}

#[test]
fn whole_files() {
    insta::assert_snapshot!(whole(&[
        "",
        "\n# only a comment\n",
        "---\n---\n",
        "hello",
        "- a\n- b\n",
        "%YAML 1.2\n---\na: b\n",
        "{",
        "\0",
        "*a",
        "a: b"
    ]));
}

#[test]
fn bytes_that_are_no_text() {
    let utf16: Vec<u8> = "kind: x".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [&[u8]; 4] = [b"kind: \xff", b"a: b\nc: \"\xc3\x28\"", b"\xff\xfek\0i\0", &utf16];
    insta::assert_snapshot!(
        cases.map(|bytes| format!("{}\n{}\n", bytes.escape_ascii(), said(parse_one(bytes)))).concat()
    );
}

#[test]
fn sizes() {
    let cases = [
        format!("# {}\n{GOOD}", "x".repeat(MAX_SOURCE_BYTES)),
        "[".repeat(MAX_SOURCE_BYTES),
        "- ".repeat(MAX_SOURCE_BYTES / 2),
        "a: {".repeat(500),
        "? ".repeat(1000),
        format!("a: [{}]", "1,".repeat(100_000)),
        GOOD.replace("spec:\n  clusters", &format!("{}spec:\n  clusters", "x: 1\n".repeat(300))),
        GOOD.replace("name: payments", &format!("name: {}", "x".repeat(200_000))),
    ];
    let show = |text: &String| {
        let mistakes = said(parse_one(text.as_str()));
        let lines: Vec<&str> = mistakes.lines().collect();
        let shown = if lines.len() > 8 {
            format!(
                "{}\n  ... {} lines\n{}",
                lines[..4].join("\n"),
                lines.len(),
                lines[lines.len() - 2..].join("\n")
            )
        } else {
            lines.join("\n")
        };
        format!("{:.20}... ({} bytes)\n{shown}\n\n", text.escape_debug().to_string(), text.len())
    };
    insta::assert_snapshot!(cases.iter().map(show).collect::<String>());
}

#[test]
fn every_mistake_of_every_file_is_said_at_once() {
    let bad = GOOD
        .replace("version", "verison")
        .replace("rosa\n", "rose\n")
        .replace("operator: Exists", "operator: In");
    let clusters = "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {name: rosa-eu-1}\n";
    let again = "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {name: a}\n---\n".repeat(2);
    let sources = [
        source("mesh.yaml", bad),
        source("clusters.yaml", clusters),
        source("-", again),
        source("broken.yaml", "{"),
    ];
    insta::assert_snapshot!(said(parse(&sources)));
}

#[test]
fn many_bad_files_are_cut_short() {
    let bad = "a: 1\n".repeat(200);
    let sources: Vec<Source> =
        (0..20).map(|n| source(&format!("{n}\u{1b}{}", "x".repeat(500)), bad.as_str())).collect();
    let mistakes = parse(&sources).unwrap_err();
    assert_eq!(mistakes.len(), 501);
    insta::assert_snapshot!(said(Err(mistakes[499..].to_vec())));
}

#[test]
fn the_same_name_twice_is_refused_across_files() {
    insta::assert_snapshot!(said(parse(&[source("a.yaml", GOOD), source("b.yaml", GOOD)])));
}
