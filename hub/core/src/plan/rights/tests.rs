use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::{
    plan::{Addition, Criterion, KeepWhile, PhaseDocument, PlannedObject, Until, empty, object::Body},
    target::{Deletion, TemplateDeletion},
};

fn binding(namespace: &str) -> ObjectId {
    ObjectId::new(RBAC, "v1", "RoleBinding", namespace, "scc")
}

fn body(id: &ObjectId) -> Body {
    let role = json!({"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "nonroot"}});
    Body::seal(id.clone(), role)
}

/// A plan with one object, one addition, one template and one criterion.
fn plan() -> Plan {
    let mut plan = empty();
    let istio = ObjectId::new("example.com", "v1", "Istio", "", "default");
    let planned = Body::seal(istio.clone(), json!({}));
    let webhook =
        ObjectId::new("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "", "injector");
    let template = body(&binding(""));
    plan.document.phases.push(PhaseDocument {
        name: "one".to_owned(),
        objects: vec![PlannedObject { id: istio, body: planned.digest, keep_while: None }],
        until: Until::Applied,
        deadline_s: 1,
    });
    plan.document.additions.push(Addition { id: webhook, body: planned.digest });
    plan.document.templates.push(Template {
        template: "scc".to_owned(),
        id: binding(""),
        namespaces: Vec::new(),
        body: template.digest,
        keep_while: None,
    });
    plan.document.healthy_when.push(Criterion::on(&ObjectId::new(
        "apps",
        "v1",
        "Deployment",
        "mesh",
        "istiod",
    )));
    plan.document.namespaces.push(Name::parse("mesh").unwrap());
    plan.bodies.insert(planned.digest, planned.bytes);
    plan.bodies.insert(template.digest, template.bytes);
    plan
}

fn words(needs: &[Need]) -> Vec<String> {
    let verbs = |need: &Need| need.verbs.iter().map(|verb| verb.as_str()).collect::<Vec<_>>().join(",");
    needs.iter().map(|need| format!("{}: {}", need.id, verbs(need))).collect()
}

const NOTHING: Deletions<'_> = Deletions { objects: &[], templates: &[] };

#[test]
fn a_plan_needs_what_its_spoke_does() {
    assert_eq!(
        words(&needs(&plan(), &NOTHING)),
        [
            "Namespace : list,watch",
            "Namespace mesh: get,create",
            "MutatingWebhookConfiguration injector: get,list,watch,patch",
            "Deployment mesh/istiod: list,watch",
            "Istio default: get,list,watch,create,patch",
            "ClusterRole nonroot: bind",
            "RoleBinding scc: get,list,watch,create,patch",
        ]
    );
    assert_eq!(words(&needs(&empty(), &NOTHING)), Vec::<String>::new());
}

#[test]
fn what_goes_needs_to_be_deleted_and_perhaps_a_look_at_pods() {
    let keep_while = Some(KeepWhile::injected());
    let id = binding("shop");
    let gone = Deletion { id: id.clone(), uid: String::new(), why: String::new(), keep_while: None };
    let template =
        TemplateDeletion { template: "scc".to_owned(), id: binding(""), why: String::new(), keep_while };
    let deletions = Deletions { objects: &[gone], templates: &[template] };
    assert_eq!(
        words(&needs(&empty(), &deletions)),
        ["Pod : list", "RoleBinding scc: get,delete", "RoleBinding shop/scc: get,delete"]
    );
}

#[test]
fn many_namespaces_are_watched_as_one() {
    let of = |count: usize| {
        let mut plan = empty();
        let id = |number| ObjectId::new("apps", "v1", "Deployment", &format!("n{number}"), "x");
        plan.document.healthy_when.extend((0..count).map(|number| Criterion::on(&id(number))));
        words(&needs(&plan, &NOTHING))
    };
    assert_eq!(of(MOST_NAMESPACES).len(), MOST_NAMESPACES);
    assert_eq!(of(MOST_NAMESPACES + 1), ["Deployment x: list,watch"]);
}

fn lacks(need: &Need, resource: &str, verbs: &[Verb]) -> Right {
    let verbs = verbs.iter().copied().collect();
    Right { id: need.id.clone(), held: Held::Lacks { resource: resource.to_owned(), verbs } }
}

/// Everything is held but `create` and `bind`; a kind is not served.
fn answer(needs: &[Need]) -> Vec<Right> {
    let right = |need: &Need| match need.id.kind.as_str() {
        "Istio" => Right { id: need.id.clone(), held: Held::NotServed },
        "ClusterRole" => lacks(need, "clusterroles", &[Verb::Bind]),
        "RoleBinding" => lacks(need, "rolebindings", &[Verb::Create, Verb::Patch]),
        "Deployment" => lacks(need, "deployments", &[Verb::Watch]),
        kind => lacks(need, &format!("{}s", kind.to_lowercase()), &[]),
    };
    needs.iter().map(right).collect()
}

#[test]
fn what_is_lacked_blocks_with_the_verb_the_place_and_the_way_out() {
    let cluster = Name::parse("eks-1").unwrap();
    let needs = needs(&plan(), &NOTHING);
    let findings = judge(&cluster, &needs, &answer(&needs));
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "its spoke may not watch deployments.apps istiod in namespace mesh, which Deployment mesh/istiod needs",
            "its spoke may not bind clusterroles.rbac.authorization.k8s.io nonroot in the whole cluster, which RoleBinding scc needs",
            "its spoke may not create rolebindings.rbac.authorization.k8s.io scc in the whole cluster, which RoleBinding scc needs",
            "its spoke may not patch rolebindings.rbac.authorization.k8s.io scc in the whole cluster, which RoleBinding scc needs",
        ]
    );
    for Finding { rule, severity, hint, .. } in &findings {
        assert_eq!((rule.as_str(), severity), ("rbac.missing", &Severity::Blocks));
        assert!(hint.contains("`meshfleet cluster rbac eks-1 | kubectl apply -f -`"), "{hint}");
    }
}

#[test]
fn what_was_not_said_is_no_pass() {
    let cluster = Name::parse("eks-1").unwrap();
    let needs = needs(&plan(), &NOTHING);
    let mut rights = answer(&needs);
    rights.retain(|right| right.id.kind == "Istio");
    rights.push(Right { id: needs[0].id.clone(), held: Held::Untold("it was busy".to_owned()) });
    let findings = judge(&cluster, &needs, &rights);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((findings[0].rule.as_str(), findings[0].severity), ("rbac.unknown", Severity::Warns));
    assert!(findings[0].message.contains("of 6 of 7"), "{findings:#?}");
}

const ACCOUNT: Account<'_> = Account { namespace: "meshfleet", name: "meshfleet-spoke" };

#[test]
fn what_is_lacked_is_printed_by_name_and_without_wildcards() {
    let needs = needs(&plan(), &NOTHING);
    let rights = answer(&needs);
    let given = |extent, namespaces: &[&str]| {
        manifest(ACCOUNT, (&needs, &rights), extent, &namespaces.iter().copied().collect())
    };
    let lacked = given(Extent::Lacked, &["mesh"]).unwrap();
    insta::assert_snapshot!("lacked", lacked);
    let all = given(Extent::All, &[]).unwrap();
    insta::assert_snapshot!("all", all);
    assert!(all.contains("kind: Namespace") && !lacked.contains("kind: Namespace"), "{all}");
    for word in ["*", "escalate", "impersonate"] {
        assert!(!all.contains(word), "{all}");
    }
}

#[test]
fn where_nothing_is_lacked_nothing_is_printed() {
    let needs = needs(&plan(), &NOTHING);
    let rights: Vec<Right> = needs.iter().map(|need| lacks(need, "x", &[])).collect();
    assert_eq!(manifest(ACCOUNT, (&needs, &rights), Extent::Lacked, &BTreeSet::new()), None);
}
