//! The referee on definitions: what a cluster's own schemas say of a plan, with whose fault it is and what to do.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    fleet::{SchemaFact, Schemas},
    schema::Schema,
};

/// What an operator of another release could have installed: it knows less, and other versions.
fn definition(versions: &[&str]) -> Value {
    let text = || json!({"type": "string"});
    let open = || json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let pilot = json!({"type": "object", "properties": {"autoscaleMin": {"type": "integer", "minimum": 1}, "env": open()}});
    let values = json!({"type": "object", "properties": {"global": open(), "meshConfig": open(), "pilot": pilot,
        "revision": text(), "defaultRevision": text()}});
    let spec = json!({"type": "object", "required": ["version"], "properties": {
        "version": {"type": "string", "enum": versions}, "namespace": text(), "profile": text(),
        "updateStrategy": open(), "values": values}});
    json!({"type": "object", "properties": {"spec": spec}})
}

fn proposed(values: Value, version: &str, tree: &Value, served: &str) -> Proposal {
    let schema = Schema::parse(&serde_json::to_vec(tree).unwrap()).unwrap();
    let mut config = sail_config(version);
    config.base["values"] = values;
    let mut config = version_of(config);
    config.source.file = "fleet.yaml".to_owned();
    config.source.lines.insert("base.values.istiod.pilot.autoscalemin".to_owned(), 14);
    let mut cluster = cluster(sail_facts(PlatformName::Eks));
    let facts = cluster.facts.as_mut().unwrap();
    let kind = "sailoperator.io/Istio".to_owned();
    facts.schemas = vec![SchemaFact { kind, version: served.to_owned(), digest: schema.digest() }];
    cluster.schemas = Schemas::from_iter([Arc::new(schema)]);
    propose(&config, &cluster).unwrap()
}

fn said(proposal: &Proposal) -> Vec<String> {
    let blocking = proposal.findings.iter().filter(|finding| finding.severity == Severity::Blocks);
    blocking.map(|finding| format!("{}: {}\n  {}", finding.rule, finding.message, finding.hint)).collect()
}

#[test]
fn what_this_cluster_would_refuse_is_told_with_its_line() {
    let tree = definition(&["v1.30.3", "v1.30-latest"]);
    let judged = |values: Value| said(&proposed(values, "1.30.3", &tree, "v1"));
    assert_eq!(judged(json!({"istiod": {"pilot": {"autoscaleMin": 3}}})), [""; 0]);
    insta::assert_snapshot!(
        [
            json!({"istiod": {"pilot": {"autoscalemin": 3}}}),
            json!({"istiod": {"pilot": {"autoscaleMin": 0, "traceSampling": 1.0}}}),
            // The catalogue knows better why; it is said once.
            json!({"istiod": {"pilot": {"initContainers": [{"name": "a"}]}}}),
            // The catalogue's own list of values does not count here.
            json!({"istiod": {"unheardOf": {"x": 1, "y": 2}}}),
        ]
        .map(|values| format!("{values}\n{}\n\n", judged(values.clone()).join("\n")))
        .concat()
    );
}

#[test]
fn a_version_that_is_not_served_blocks() {
    let tree = definition(&["v1.30.3"]);
    let said = said(&proposed(json!({}), "1.30.3", &tree, "v1alpha1"));
    assert!(said.len() == 1 && said[0].starts_with("schema.version: Istio "), "{said:?}");
}

#[test]
fn the_versions_of_the_installed_definition_have_the_last_word() {
    let judged = |version: &str, named: &[&str]| {
        let proposal = proposed(json!({}), version, &definition(named), "v1");
        let found = proposal.findings.iter().find(|finding| finding.rule == "sail.version");
        found.map(|finding| format!("{}\n{}\n", finding.message, finding.hint))
    };
    let older = ["v1.24.3", "v1.24.6", "v1.24-latest", "v1.26.2"];
    // A newer operator has what the catalogue never heard of; an older one has what is past its end by now.
    assert_eq!(judged("1.30.4", &["v1.30.3", "v1.30.4", "master"]), None);
    assert_eq!(judged("1.24.6", &older), None);
    // As new as the catalogue, it names versions that it no longer installs.
    let past = judged("1.24.6", &["v1.24.6", "v1.29.6", "v1.30.3"]).unwrap();
    assert!(past.starts_with("Istio 1.24.6 is past its end"), "{past}");
    insta::assert_snapshot!(judged("1.30.3", &older).unwrap());
}

#[test]
fn without_a_schema_the_catalogue_answers() {
    let tree = definition(&["v1.30.3"]);
    let mut config = sail_config("1.30.3");
    config.base["values"] = json!({"istiod": {"unheardOf": 1}});
    let mut cluster = cluster(sail_facts(PlatformName::Eks));
    let digest = Schema::parse(&serde_json::to_vec(&tree).unwrap()).unwrap().digest();
    let kind = "sailoperator.io/Istio".to_owned();
    // Named by the facts, and not read yet.
    cluster.facts.as_mut().unwrap().schemas = vec![SchemaFact { kind, version: "v1".to_owned(), digest }];
    let rules: Vec<String> = propose(&version_of(config), &cluster)
        .unwrap()
        .findings
        .into_iter()
        .map(|finding| finding.rule)
        .collect();
    assert!(rules.contains(&"sail.value.unknown".to_owned()), "{rules:?}");
}
