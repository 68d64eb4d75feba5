//! Mesh configs with layers, overrides and values: what is read, and the words for what is not.

use serde_json::{Value, json};

use super::{super::*, golden::said, parse_one};

/// The example of the design, without what this release does not serve.
pub(super) const EXAMPLE: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {matchLabels: {mesh: payments}}
  adopt: IfNoDiff
  base:
    mesh: {id: payments, trustDomain: payments.example.com}
    network: {fromLabel: network}
    istio: {version: v1.30.2, namespace: istio-system, updateStrategy: InPlace}
    installer: {kind: sail}
    dataPlane: {mode: sidecar, interception: Redirect, namespaces: {matchLabels: {team: payments}}}
    values:
      istiod:
        pilot: {env: {X: \"1\"}, replicaCount: 2}
      cni: {}
  layers:
    - {name: production, clusters: {matchLabels: {env: production}}, set: {values: {istiod: {pilot: {autoscaleMin: 3}}}}}
    - {name: rosa-eu-1, clusters: {names: [rosa-eu-1]}, set: {istio: {version: v1.29.6}}, unset: [values.istiod.pilot.env.X]}
  overrides:
    - {rule: openshift.cni.multus, path: values.cni.cniConfDir, value: /etc/x, clusters: {names: [rosa-eu-1]}, owner: ana, reason: \"a reason\", expires: 2027-01-31}
";

pub(super) fn config_of(text: &str) -> MeshConfig {
    let documents = parse_one(text).unwrap_or_else(|_| panic!("{}", said(parse_one(text))));
    match documents.into_iter().next().map(|document| document.spec) {
        Some(Spec::MeshConfig(config)) => config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_example_of_the_design_is_read() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&config_of(EXAMPLE)).unwrap());
}

#[test]
fn lines_of_all_leaves_are_kept() {
    let source = &parse_one(EXAMPLE).unwrap()[0].source;
    assert_eq!(source.file, "mesh.yaml");
    for (path, line) in [
        ("clusters.matchLabels.mesh", 5),
        ("adopt", 6),
        ("base.istio.version", 10),
        ("base.values.istiod.pilot.env.X", 15),
        ("base.values.cni", 16),
        ("layers[production].set.values.istiod.pilot.autoscaleMin", 18),
        ("layers[rosa-eu-1].unset[0]", 19),
        ("overrides[0].value", 21),
        ("metadata.name", 3),
    ] {
        assert_eq!(source.lines.get(path), Some(&line), "{path}: {:?}", source.lines);
    }
}

#[test]
fn the_spelling_of_a_version_is_no_change() {
    let one = &parse_one(EXAMPLE).unwrap()[0];
    let other = &parse_one(EXAMPLE.replace("version: v", "version: ")).unwrap()[0];
    assert_eq!(other.canonical, one.canonical);
    assert_eq!(read_stored(&one.canonical).unwrap().1, one.spec);
}

#[test]
fn values_are_what_json_reads() {
    let text = EXAMPLE.replace(
        "      cni: {}\n",
        "      cni: {a: true, b: 3, c: -1.5, d: 100m, e: \"1.10\", f: \"yes\", g: [1, {h: x}], i: {}, j: [], \"a.b/c\": 1.17.8}\n",
    );
    let expected = json!({
        "a": true, "b": 3, "c": -1.5, "d": "100m", "e": "1.10", "f": "yes", "g": [1, {"h": "x"}], "i": {}, "j": [],
        "a.b/c": "1.17.8"
    });
    assert_eq!(config_of(&text).base["values"]["cni"], expected);
}

#[test]
fn long_keys_over_many_leaves_are_refused() {
    let text = |length: usize| {
        let key = "k".repeat(length);
        EXAMPLE.replace("      cni: {}\n", &format!("      cni: {{{key}: {{a: 1, b: 2}}}}\n"))
    };
    assert!(parse_one(text(400)).is_ok());
    assert!(said(parse_one(text(600))).contains("the keys down to here have more than 500 characters"));
}

/// Twelve mistakes, each of another sort.
const TWELVE: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: Payments}
spec:
  clusters: {}
  adopt: IfNodiff
  base:
    mesh: {trustDomain: payments.example.com}
    istio: {version: 1.30, namespce: istio-system}
    installer: {kind: sail}
    dataPlane: {mode: ambient, namespaces: {names: [payments]}}
    gateways: {}
    values: {istiod: {pilot: {env: {X: a}}}}
  layers:
    - {name: production, clusters: {names: [a]}, set: {istio: {version: ~}}, unset: [values.istiod.pilot.env.Y]}
    - {name: production, clusters: {names: [b]}, unset: [istio.version]}
";

#[test]
fn a_document_with_twelve_mistakes_gets_twelve_messages() {
    let mistakes = parse_one(TWELVE).unwrap_err();
    insta::assert_snapshot!(said(Err(mistakes.clone())));
    assert_eq!(mistakes.len(), 12);
}

/// What is said of the example with an edit.
fn edited(cases: &[(&str, &str)]) -> String {
    let one = |(from, to): &(&str, &str)| {
        assert!(EXAMPLE.contains(from), "{from}");
        format!("{to}\n{}\n", said(parse_one(EXAMPLE.replacen(from, to, 1))))
    };
    cases.iter().map(one).collect()
}

#[test]
fn layers() {
    const SET: &str = "set: {values: {istiod: {pilot: {autoscaleMin: 3}}}}";
    const UNSET: &str = "unset: [values.istiod.pilot.env.X]";
    insta::assert_snapshot!(edited(&[
        ("name: rosa-eu-1, ", "name: base, "),
        ("name: rosa-eu-1, ", "name: production, "),
        ("{name: production, ", "{nmae: production, "),
        ("clusters: {matchLabels: {env: production}}, ", ""),
        (SET, "sets: {}"),
        (SET, "set: [a]"),
        (SET, "set: {values: {istiod: {pilot: {autoscaleMin: null}}}}"),
        (SET, "set: {istio: {version: latest, replicas: 3}}"),
        (SET, "set: {gateways: [{name: edge, exposure: public, kind: helm}]}"),
        (SET, "set: {dataPlane: {namespaces: {matchExpressions: [{key: a}]}}}"),
        (UNSET, "unset: []"),
        (UNSET, "unset: values.istiod"),
        (UNSET, "unset: [values..istiod, \"a b\", \"layers[0]\"]"),
        (UNSET, "unset: [value.istiod, istio.verison, values.ztunnel.x, istio.version.major]"),
        (UNSET, "unset: [values.istiod.pilot.env.Y, values.istio.pilot, values.istiod.pilot.image]"),
        (UNSET, "unset: [istio.version]"),
        ("set: {istio: {version: v1.29.6}}, unset: [values.istiod.pilot.env.X]", "unset: [istio.version]"),
        (UNSET, "unset: [mesh, dataPlane.namespaces.matchLabels, installer.kind]"),
        (UNSET, "unset: [network.fromLabel, mesh.trustDomain, values.istiod.pilot.autoscaleMin]"),
        (
            "set: {istio: {version: v1.29.6}}",
            "set: {values: {cni: {logLevel: debug}}}, unset: [values.cni.logLevel]"
        ),
    ]));
}

#[test]
fn overrides() {
    insta::assert_snapshot!(edited(&[
        ("rule: openshift.cni.multus, ", ""),
        ("rule: openshift.cni.multus", "rule: Multus"),
        ("path: values.cni.cniConfDir", "path: istio.version"),
        ("path: values.cni.cniConfDir", "path: values.cni"),
        ("value: /etc/x, ", ""),
        ("value: /etc/x", "value: ~"),
        ("value: /etc/x", "value: {a: [1.10]}"),
        ("owner: ana", "owner: \" \""),
        ("reason: \"a reason\"", "reason: \"a\\nb\""),
        ("expires: 2027-01-31", "expires: 2027-02-30"),
        ("expires: 2027-01-31", "expires: never"),
        (", expires: 2027-01-31", ""),
        ("clusters: {names: [rosa-eu-1]}, owner", "owner"),
    ]));
}

#[test]
fn values() {
    let value = |value: &str| EXAMPLE.replace("      cni: {}\n", &format!("      cni: {{v: {value}}}\n"));
    let said = |text: &&str| format!("{text}\n{}\n", said(parse_one(value(text))));
    let cases = [
        "yes",
        "0x1F",
        "017",
        "1.10",
        "1e3",
        "1.0",
        "-0",
        "99999999999999999999",
        "~",
        "[a, null]",
        "\"${cluster}-$${x}\"",
        "\"${cluster\"",
        "\"${a-b}\"",
        "!!str a",
        "{kind: Secret, data: {password: aHVudGVyMg==}}",
        "\"-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEIB\"",
        "\"-----BEGIN CERTIFICATE-----\\nMIIB\"",
    ];
    insta::assert_snapshot!(cases.iter().map(said).collect::<String>());
}

#[test]
fn private_keys_are_refused_wherever_they_stand_and_never_quoted() {
    let key = "\"-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIGh1bnRlcjI\"";
    let config = [
        ("X: \"1\"", format!("X: {key}")),
        ("autoscaleMin: 3", format!("autoscaleMin: {key}")),
        ("value: /etc/x", format!("value: {{a: [{key}]}}")),
        ("owner: ana", format!("owner: {key}")),
        ("name: payments", format!("name: {key}")),
        ("version: v1.30.2", format!("version: {key}")),
        ("adopt: IfNoDiff", format!("adopt: {key}")),
    ];
    let cluster = format!(
        "apiVersion: meshfleet.dev/v1\nkind: Cluster\nmetadata: {{name: a}}\nspec: {{variables: {{A: {key}}}}}\n"
    );
    let texts = config.map(|(from, to)| EXAMPLE.replacen(from, &to, 1));
    for text in texts.into_iter().chain([cluster]) {
        let said = said(parse_one(text.as_str()));
        assert!(said.contains("secret.inline") && !said.contains("MC4CAQ"), "{text}\n{said}");
    }
}

#[test]
fn changes_name_the_leaves_that_differ() {
    let canonical =
        |text: &str| -> Value { serde_json::from_slice(&parse_one(text).unwrap()[0].canonical).unwrap() };
    let new = EXAMPLE
        .replace("v1.30.2", "v1.30.3")
        .replace("autoscaleMin: 3", "autoscaleMin: 5, extra: [a, b]")
        .replace(", replicaCount: 2", "")
        .replace("adopt: IfNoDiff\n", "adopt: Never\n");
    let said: Vec<String> = changes(&canonical(EXAMPLE), &canonical(&new))
        .into_iter()
        .map(|(path, old, new)| {
            let show = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
            format!("{path}: {} -> {}", show(old), show(new))
        })
        .collect();
    assert_eq!(
        said,
        [
            r#"spec.adopt: "IfNoDiff" -> "Never""#,
            r#"spec.base.istio.version: "1.30.2" -> "1.30.3""#,
            "spec.base.values.istiod.pilot.replicaCount: 2 -> -",
            "spec.layers[production].set.values.istiod.pilot.autoscaleMin: 3 -> 5",
            r#"spec.layers[production].set.values.istiod.pilot.extra[0]: - -> "a""#,
            r#"spec.layers[production].set.values.istiod.pilot.extra[1]: - -> "b""#,
        ]
    );
}

/// Charts have lists of named maps too, and what a cluster gets from them must lead back to the line.
#[test]
fn values_in_lists_lead_back_to_their_lines() {
    let text = EXAMPLE.replace(
        "      cni: {}",
        "        meshConfig:\n          extensionProviders:\n            - name: one\n              zipkin:\n                port: 9411\n            - {name: two}",
    );
    let document = parse_one(text).unwrap().remove(0);
    let Spec::MeshConfig(config) = document.spec else { panic!() };
    let id = crate::fleet::ClusterId(uuid::Uuid::nil());
    let cluster = crate::fleet::Cluster {
        id,
        name: Name::parse("c").unwrap(),
        labels: Labels::default(),
        declared: None,
        network: None,
        variables: BTreeMap::new(),
        facts: None,
        schemas: crate::fleet::Schemas::default(),
    };
    let effective = crate::config::effective(&config, &cluster).unwrap();
    let lines: Vec<(&str, Option<u32>)> = effective
        .origins
        .iter()
        .filter(|(path, _)| path.contains("extensionProviders"))
        .map(|(path, origin)| (path.as_str(), document.source.place(origin).line.map(|(_, line)| line)))
        .collect();
    let below = "values.istiod.meshConfig.extensionProviders";
    assert_eq!(
        lines,
        [
            (format!("{below}[0].name").as_str(), Some(18)),
            (format!("{below}[0].zipkin.port").as_str(), Some(20)),
            (format!("{below}[1].name").as_str(), Some(21)),
        ]
    );
}

/// A long name over many values must not take memory for each of them.
#[test]
fn paths_of_lines_do_not_grow_with_names_in_values() {
    let long = "n".repeat(100_000);
    let many = vec!["1"; 2_000].join(", ");
    let text = EXAMPLE.replace("cni: {}", &format!("cni: {{list: [{{name: {long}, l: [{many}]}}]}}"));
    let document = parse_one(text).unwrap().remove(0);
    let bytes: usize = document.source.lines.keys().map(String::len).sum();
    assert!(bytes < 1_000_000, "{bytes}");
}

/// Keys and names are quoted in mistakes, and keys are stored: a private key must get through neither.
#[test]
fn a_private_key_is_neither_taken_nor_quoted_wherever_it_stands() {
    const PEM: &str = "\"-----BEGIN KEY-----MIIEpAIB\"";
    let pem = PEM.replace("KEY", "RSA PRIVATE KEY");
    for (from, to) in [
        ("cni: {}", format!("cni: {{{pem}: 1}}")),
        ("cni: {}", format!("{pem}: 1")),
        ("name: payments", format!("name: {pem}")),
        ("meshfleet.dev/v1", pem.clone()),
        ("kind: MeshConfig", format!("kind: {pem}")),
        ("mesh: payments", format!("{pem}: payments")),
        ("values.istiod.pilot.env.X", pem.clone()),
    ] {
        let said = said(parse_one(EXAMPLE.replacen(from, &to, 1)));
        assert!(!said.contains("MIIE") && said.contains("hint"), "{to}: {said}");
    }
}

#[test]
fn a_layer_says_of_a_gateway_only_what_differs() {
    let base = "    values:";
    let gateway = "    gateways: [{name: edge, namespace: edge, exposure: internal}]\n    values:";
    let set = "set: {values: {istiod: {pilot: {autoscaleMin: 3}}}}";
    let with = |layer: &str| {
        let text =
            EXAMPLE.replacen(base, gateway, 1).replacen(set, &format!("set: {{gateways: {layer}}}"), 1);
        assert!(text.contains("exposure: internal") && text.contains(layer), "{text}");
        said(parse_one(text))
    };
    assert_eq!(with("[{name: edge, exposure: external}]"), "  NO MISTAKE\n");
    insta::assert_snapshot!(
        [
            "[{exposure: external}]",
            "[{name: egde, exposure: external}]",
            "[{name: edge, ports: [{name: http}]}]"
        ]
        .map(|layer| format!("{layer}\n{}\n", with(layer)))
        .concat()
    );
}
