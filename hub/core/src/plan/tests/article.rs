//! Calisti's article on OpenShift, sentence by sentence: every object and setting that it names comes out of fifteen lines,
//! and what is outdated is marked with today's form. Beside it stands what the same mesh is by Sail.

use std::fmt::Write;

use serde_json::Value;

use super::{referee::blocking, *};
use crate::document::{self, Spec};

/// The whole config.
const CONFIG: &str = "\
apiVersion: meshfleet.dev/v1
kind: MeshConfig
metadata: {name: payments}
spec:
  clusters: {names: [one]}
  base:
    mesh: {id: payments}
    istio: {version: 1.17.8}
    installer: {kind: calisti}
    dataPlane: {namespaces: {names: [bank, shop]}}
    monitoring:
      namespace: monitoring
      nodeExporter: {port: 9200}
      resources:
        - {deployment: prometheus-operator, container: k8sproxy, limits: {cpu: 100m, memory: 1000Mi}, requests: {cpu: 50m, memory: 500Mi}, reason: needs vary on this platform}
";

/// What the article says, in our words, and what answers it.
struct Sentence {
    says: &'static str,
    /// Object and path; none where nothing of the plan answers.
    at: Option<(&'static str, &'static str)>,
    /// The value there as JSON; empty where it is shown by the rest.
    value: &'static str,
    /// What is right today, where the article is outdated or was never right.
    today: &'static str,
}

const fn said(
    says: &'static str,
    (object, path): (&'static str, &'static str),
    value: &'static str,
    today: &'static str,
) -> Sentence {
    Sentence { says, at: Some((object, path)), value, today }
}

const fn unanswered(says: &'static str, today: &'static str) -> Sentence {
    Sentence { says, at: None, value: "", today }
}

/// What the plan has beyond the article, without which the article's setup does not work.
const BEYOND: &str = "(not in the article)";

const CONTROL_PLANE: &str = "IstioControlPlane istio-system/payments";
const CNI_NODE: &str = "DaemonSet istio-system/istio-cni-node-payments";
const SIDECARS: &str = "RoleBinding meshfleet-sidecars-nonroot-v2";
const ISTIOD: &str = "RoleBinding istio-system/meshfleet-istiod-payments-nonroot-v2";
const GATEWAY: &str =
    "RoleBinding istio-system/meshfleet-istio-meshexpansion-payments-service-account-nonroot-v2";
const CNI: &str = "RoleBinding istio-system/meshfleet-istio-cni-payments-privileged";
const EXPORTER: &str = "RoleBinding monitoring/meshfleet-node-exporter-node-exporter";
const PROXY: &str = "Deployment monitoring/prometheus-operator";

const TO_NONROOT: &str = r#"{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"system:openshift:scc:nonroot-v2"}"#;
const TO_PRIVILEGED: &str = r#"{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"system:openshift:scc:privileged"}"#;
const CLUSTERROLE_RULE: &str = r#".rules[resources=["securitycontextconstraints"]]"#;

const FIXED_USER: &str =
    "from Istio 1.20 on user and group come from the namespace's ranges and nothing is bound";

const SENTENCES: &[Sentence] = &[
    unanswered(
        "a flag or field tells the installation that the platform is OpenShift",
        "the platform is detected from the facts; charts take it as global.platform, which the operator sets itself",
    ),
    said(
        "Calisti is supported on ROSA with OpenShift 4.11",
        (CONTROL_PLANE, ".spec.version"),
        r#""1.17.8""#,
        "OpenShift 4.11 and this Istio are past their end; the preview warns of both",
    ),
    said(
        "CNI is off by default and is switched on",
        (CONTROL_PLANE, ".spec.proxyInit.cni.enabled"),
        "true",
        "",
    ),
    said(
        "directory of the CNI binaries",
        (CONTROL_PLANE, ".spec.proxyInit.cni.binDir"),
        r#""/var/lib/cni/bin""#,
        "",
    ),
    said("standalone instead of chained", (CONTROL_PLANE, ".spec.proxyInit.cni.chained"), "false", ""),
    said(
        "directory where Multus finds configuration",
        (CONTROL_PLANE, ".spec.proxyInit.cni.confDir"),
        r#""/etc/cni/multus/net.d""#,
        "",
    ),
    said(
        "name of the configuration file",
        (CONTROL_PLANE, ".spec.proxyInit.cni.confFileName"),
        r#""istio-cni.conf""#,
        "",
    ),
    said(
        "the plugin's container is privileged",
        (CONTROL_PLANE, ".spec.proxyInit.cni.daemonset.securityContext.privileged"),
        "true",
        "the printed block lost the parent keys; from Istio 1.24 on capabilities and SELinux type spc_t take its place",
    ),
    said(
        "a DaemonSet puts a pod of the plugin on every node",
        (CNI_NODE, r#".spec.template.spec.containers[name="install-cni"].image"#),
        r#""docker.io/istio/install-cni:1.17.8""#,
        "",
    ),
    said(
        "an attachment definition in every data-plane namespace with sidecars",
        ("NetworkAttachmentDefinition istio-cni", ".spec"),
        "{}",
        "from Istio 1.19 on one in namespace default, which the chart makes",
    ),
    said(
        "accounts of workloads with sidecars are added to nonroot-v2, for user 1337",
        (SIDECARS, ".roleRef"),
        TO_NONROOT,
        FIXED_USER,
    ),
    said(
        "each workload's account in its namespace",
        (SIDECARS, ".subjects"),
        r#"[{"apiGroup":"rbac.authorization.k8s.io","kind":"Group","name":"system:serviceaccounts:$(NAMESPACE)"}]"#,
        FIXED_USER,
    ),
    said("istiod is bound to nonroot-v2", (ISTIOD, ".roleRef"), TO_NONROOT, FIXED_USER),
    said(
        "istiod's account",
        (ISTIOD, ".subjects"),
        r#"[{"kind":"ServiceAccount","name":"istiod-payments","namespace":"istio-system"}]"#,
        FIXED_USER,
    ),
    said("the mesh gateway is bound to nonroot-v2", (GATEWAY, ".roleRef"), TO_NONROOT, FIXED_USER),
    said(
        "the mesh gateway's account",
        (GATEWAY, ".subjects"),
        r#"[{"kind":"ServiceAccount","name":"istio-meshexpansion-payments-service-account","namespace":"istio-system"}]"#,
        FIXED_USER,
    ),
    said(
        "the plugin is bound to privileged, to write rules of pods' networks",
        (CNI, ".roleRef"),
        TO_PRIVILEGED,
        "from Istio 1.22 on the chart gives the right",
    ),
    said(
        "the plugin's account",
        (CNI, ".subjects"),
        r#"[{"kind":"ServiceAccount","name":"istio-cni-payments","namespace":"istio-system"}]"#,
        "from Istio 1.22 on the chart gives the right",
    ),
    unanswered(
        "the plugin is bound to hostnetwork too",
        "superfluous: it does not use the host's network, and privileged admits that too",
    ),
    said(
        "the node exporter is bound to the constraint node-exporter",
        (EXPORTER, ".roleRef"),
        r#"{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"node-exporter"}"#,
        "enough only if it adds no capability (capabilities: Added gives privileged); and its port 9100 is taken by OpenShift's own",
    ),
    said(
        "the node exporter's account",
        (EXPORTER, ".subjects"),
        r#"[{"kind":"ServiceAccount","name":"node-exporter","namespace":"monitoring"}]"#,
        "",
    ),
    unanswered(
        "the node exporter is bound to hostnetwork too (misspelt hostwork)",
        "superfluous: node-exporter admits the host's network, and hostnetwork has no host paths",
    ),
    said(
        "the k8sproxy container of the Prometheus operator gets more: limits and requests",
        (PROXY, ".spec.template.spec.containers"),
        r#"[{"name":"k8sproxy","resources":{"limits":{"cpu":"100m","memory":"1000Mi"},"requests":{"cpu":"50m","memory":"500Mi"}}}]"#,
        "the printed amounts lost their parent keys; proxies of kube-prometheus have 40Mi, so this stays a wish of the config",
    ),
    said(
        "because needs of memory vary on OpenShift",
        (PROXY, ".metadata.annotations"),
        r#"{"resources.meshfleet.dev/k8sproxy":"needs vary on this platform"}"#,
        "",
    ),
    said(
        BEYOND,
        (CONTROL_PLANE, ".spec.proxyInit.cni.excludeNamespaces"),
        r#"["istio-system","kube-system"]"#,
        "the operator's own default, written out so that it holds for every istio.namespace",
    ),
    said(
        BEYOND,
        (CONTROL_PLANE, ".spec.k8sResourceOverlays"),
        "",
        "operators from v2.16 on take privileged and lose it; the overlay writes it",
    ),
    said(
        BEYOND,
        (CNI_NODE, r#".spec.template.spec.containers[name="install-cni"].securityContext.privileged"#),
        "true",
        "watched, because the operator says Available without it",
    ),
    said(
        BEYOND,
        ("ClusterRole node-exporter", CLUSTERROLE_RULE),
        "",
        "watched, because a binding to a role that is not there gives nothing",
    ),
];

fn config() -> ConfigVersion {
    let source = document::Source { name: "article.yaml".to_owned(), text: CONFIG.into() };
    let document = document::parse(&[source]).unwrap().remove(0);
    let Spec::MeshConfig(config) = document.spec else { panic!("{:?}", document.spec) };
    ConfigVersion { name: document.name, number: 1, config, source: document.source }
}

/// The article's cluster, and the plan for it as an operator would be shown it.
fn proposed() -> (Proposal, Facts) {
    let facts = facts(PlatformName::Rosa);
    (propose(&config(), &cluster(facts.clone())).unwrap(), facts)
}

/// The same mesh by Sail on a ROSA of today.
fn by_sail() -> (Proposal, Facts) {
    let mut config = config();
    config.config.base["istio"]["version"] = "1.30.3".into();
    config.config.base["installer"]["kind"] = "sail".into();
    let facts = sail_facts(PlatformName::Rosa);
    (propose(&config, &cluster(facts.clone())).unwrap(), facts)
}

/// What stands at a path of an object, and the rules behind it.
fn found(plan: &Plan, object: &str, path: &str) -> Option<(Value, Vec<RuleId>)> {
    let id = plan.reasons.keys().find(|id| id.to_string() == object)?;
    let rules = plan.provenance[id].iter().filter(|(leaf, _)| crate::config::path::is_within(leaf, path));
    let mut rules: Vec<RuleId> = rules.filter_map(|(_, origin)| rule_of(origin)).collect();
    rules.sort();
    rules.dedup();
    let expected = plan.document.expectations.iter().filter(|expected| expected.id == *id);
    let watched = expected.flat_map(|expected| &expected.requires).find(|value| value.path.starts_with(path));
    if let Some(watched) = watched {
        return Some((watched.value.clone(), rules));
    }
    let document = &plan.document;
    let objects = document.phases.iter().flat_map(|phase| &phase.objects);
    let bodies = objects.map(|object| (&object.id, object.body));
    let bodies = bodies.chain(document.templates.iter().map(|template| (&template.id, template.body)));
    let mut bodies = bodies.chain(document.additions.iter().map(|addition| (&addition.id, addition.body)));
    let body = bodies.find(|(known, _)| *known == id)?.1;
    let manifest: Value = serde_json::from_slice(&plan.bodies[&body]).unwrap();
    Some((manifest.pointer(&path.replace('.', "/"))?.clone(), rules))
}

fn rule_of(origin: &Origin) -> Option<RuleId> {
    match origin {
        Origin::Config { rule, .. } | Origin::Cluster { rule, .. } | Origin::Rule { rule, .. } => Some(*rule),
        Origin::Override(_) | Origin::Structural => None,
    }
}

#[test]
fn the_config_has_at_most_fifteen_lines_and_nothing_stands_against_it() {
    assert!(CONFIG.lines().count() <= 15);
    for (proposal, facts) in [proposed(), by_sail()] {
        assert_eq!(blocking(proposal.plan.as_ref().unwrap(), &facts), [""; 0]);
        assert!(!proposal.is_blocked(), "{:?}", proposal.findings);
    }
}

#[test]
fn each_sentence_has_its_answer() {
    let plan = proposed().0.plan.unwrap();
    for sentence in SENTENCES {
        let Some((object, path)) = sentence.at else {
            assert!(!sentence.today.is_empty(), "{}", sentence.says);
            continue;
        };
        let (value, rules) =
            found(&plan, object, path).unwrap_or_else(|| panic!("{}: {object} {path}", sentence.says));
        assert!(!rules.is_empty(), "{}", sentence.says);
        if !sentence.value.is_empty() {
            let wanted: Value = serde_json::from_str(sentence.value).unwrap();
            assert_eq!(value, wanted, "{}", sentence.says);
        }
    }
}

/// Whatever a rule of OpenShift put into the plan answers a sentence, or is said to go beyond them.
#[test]
fn the_table_of_sentences_has_no_hole() {
    let plan = proposed().0.plan.unwrap();
    for (id, origins) in &plan.provenance {
        for (leaf, origin) in origins {
            if !rule_of(origin).is_some_and(|rule| rule.0.starts_with("openshift.")) {
                continue;
            }
            let answers = |sentence: &&Sentence| {
                sentence.at.is_some_and(|(object, path)| {
                    object == id.to_string() && crate::config::path::is_within(leaf, path)
                })
            };
            assert!(SENTENCES.iter().any(|sentence| answers(&sentence)), "{id} {leaf}");
        }
    }
}

/// For review: each sentence with its answer, then what is left of all this with today's installer.
#[test]
fn the_article_and_today() {
    let plan = proposed().0.plan.unwrap();
    let mut told = format!("{CONFIG}\n");
    for sentence in SENTENCES {
        writeln!(told, "* {}", sentence.says).unwrap();
        match sentence.at {
            None => writeln!(told, "    nothing is written").unwrap(),
            Some((object, path)) => {
                let (value, rules) = found(&plan, object, path).unwrap();
                let rules: Vec<String> = rules.iter().map(RuleId::to_string).collect();
                writeln!(told, "    {object}\n    {path} = {value}\n    by {}", rules.join(", ")).unwrap();
            }
        }
        if !sentence.today.is_empty() {
            writeln!(told, "    today: {}", sentence.today).unwrap();
        }
    }
    told.push_str("\nThe same mesh by Sail with Istio 1.30.3 on a ROSA of today:\n");
    let sailed = by_sail().0.plan.unwrap();
    let forms = explain(&sailed, &SourceMap::default());
    for ExplainedObject { id, form, leaves } in forms {
        let rules: Vec<String> = sailed.reasons[&id].iter().map(RuleId::to_string).collect();
        writeln!(told, "* {form} {id} ({})", rules.join(", ")).unwrap();
        for leaf in leaves.iter().filter(|leaf| leaf.origin != Origin::Structural) {
            writeln!(told, "    {} = {}", leaf.path, leaf.value).unwrap();
        }
    }
    insta::assert_snapshot!("article", told);
}

/// The reasons that explanations show say why what the article binds beyond need is not bound.
#[test]
fn explanations_say_what_is_superfluous() {
    for id in ["openshift.scc.istio-cni", "openshift.scc.node-exporter"] {
        assert!(rule::find(RuleId(id)).unwrap().reason.contains("hostnetwork"), "{id}");
    }
}
