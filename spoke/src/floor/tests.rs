use std::slice::from_ref;

use serde_json::json;

use super::*;

fn id(kind: &str, namespace: &str) -> Value {
    let group = match kind {
        "ClusterRoleBinding" => "authorization.openshift.io",
        "RoleBinding" | "ClusterRole" => "rbac.authorization.k8s.io",
        "CustomResourceDefinition" => "apiextensions.k8s.io",
        _ => "",
    };
    json!({"group": group, "version": "v1", "kind": kind, "namespace": namespace, "name": "x"})
}

fn body(id: &Value, more: &Value) -> Value {
    let id: ObjectId = serde_json::from_value(id.clone()).unwrap();
    let mut body = json!({"apiVersion": id.api_version(), "kind": id.kind, "metadata": {"name": id.name}});
    if !id.namespace.is_empty() {
        body["metadata"]["namespace"] = id.namespace.into();
    }
    for (field, value) in more.as_object().unwrap() {
        match body.get_mut(field).and_then(Value::as_object_mut) {
            Some(map) => map.extend(value.as_object().unwrap().clone()),
            None => body[field] = value.clone(),
        }
    }
    body
}

fn check_plan(planned: &[(Value, Value)], deletions: &[Value]) -> Result<(), Code> {
    let bodies: BTreeMap<Digest, Vec<u8>> = planned
        .iter()
        .map(|(_, body)| (Digest::of(body.to_string().as_bytes()), body.to_string().into()))
        .collect();
    let objects: Vec<Value> = planned
        .iter()
        .map(|(id, body)| json!({"id": id, "body": Digest::of(body.to_string().as_bytes())}))
        .collect();
    let plan = json!({"format": 1, "namespaces": [], "expectations": [], "healthy_when": [],
        "phases": [{"name": "one", "objects": objects, "until": "applied", "deadline_s": 1}]});
    let deletions: Vec<Value> = deletions.iter().map(|id| json!({"id": id, "uid": "", "why": ""})).collect();
    let target = json!({"format": 1, "cluster": "c", "epoch": 1, "generation": 1, "plan": Digest::of(b""),
        "deletions": deletions, "overwrite": [], "adopt": "Never"});
    let (target, plan) = (target.to_string(), plan.to_string());
    let (target, plan) = (Target::read(target.as_bytes()).unwrap(), Plan::read(plan.as_bytes()).unwrap());
    check(&target, &plan, &bodies, "meshfleet").map_err(|refusal| refusal.code)
}

/// A plan with these additions, templates, and a target that deletes these templates.
fn check_more(
    additions: &[(Value, Value)],
    templates: &[(Value, Value)],
    deleted: &[Value],
) -> Result<(), Code> {
    let digest = |body: &Value| Digest::of(body.to_string().as_bytes());
    let all = additions.iter().chain(templates);
    let bodies = all.map(|(_, body)| (digest(body), body.to_string().into())).collect();
    let added: Vec<Value> =
        additions.iter().map(|(id, body)| json!({"id": id, "body": digest(body)})).collect();
    let template = |(number, (id, body)): (usize, &(Value, Value))| json!({"template": format!("t{number}"), "id": id, "body": digest(body), "namespaces": [[]]});
    let templated: Vec<Value> = templates.iter().enumerate().map(template).collect();
    let plan = json!({"format": 1, "namespaces": [], "expectations": [], "healthy_when": [], "phases": [],
        "additions": added, "templates": templated});
    let deleted: Vec<Value> =
        deleted.iter().map(|id| json!({"template": "t0", "id": id, "why": ""})).collect();
    let target = json!({"format": 1, "cluster": "c", "epoch": 1, "generation": 1, "plan": Digest::of(b""),
        "deletions": [], "delete_templates": deleted, "overwrite": [], "adopt": "Never"});
    let (target, plan) = (target.to_string(), plan.to_string());
    let (target, plan) = (Target::read(target.as_bytes()).unwrap(), Plan::read(plan.as_bytes()).unwrap());
    check(&target, &plan, &bodies, "meshfleet").map_err(|refusal| refusal.code)
}

#[test]
fn additions_and_templates_obey_the_same_limits() {
    let of =
        |kind: &str, namespace: &str, more: Value| (id(kind, namespace), body(&id(kind, namespace), &more));
    let bound = |role: &str| json!({"roleRef": {"name": role}});
    let cases = [
        (of("ConfigMap", "shop", json!({})), Ok(()), "an addition"),
        (of("ConfigMap", "kube-system", json!({})), Err(Code::Floor), "in the cluster's own namespace"),
        (of("ClusterRole", "", json!({"rules": [{"verbs": ["*"]}]})), Err(Code::Floor), "a power"),
        (of("ConfigMap", "shop", json!({"metadata": {"name": "y"}})), Err(Code::Malformed), "another object"),
    ];
    for (addition, expected, case) in cases {
        assert_eq!(check_more(&[addition], &[], &[]), expected, "{case}");
    }
    let cases = [
        (of("ConfigMap", "", json!({})), Ok(()), "a template"),
        (of("ConfigMap", "shop", json!({})), Err(Code::Malformed), "a template with a namespace"),
        (of("Secret", "", json!({})), Err(Code::Floor), "a secret"),
        (of("RoleBinding", "", bound("cluster-admin")), Err(Code::Floor), "a power"),
    ];
    for (template, expected, case) in cases {
        assert_eq!(check_more(&[], &[template], &[]), expected, "{case}");
    }
    let one = of("ConfigMap", "", json!({}));
    assert_eq!(check_more(&[], &[one.clone(), one.clone()], &[]), Err(Code::Malformed), "one object twice");
    assert_eq!(check_more(&[], from_ref(&one), from_ref(&one.0)), Err(Code::Floor), "kept and deleted");
    assert_eq!(check_more(&[], &[], &[one.0]), Ok(()));
    assert_eq!(check_more(&[], &[], &[id("CustomResourceDefinition", "")]), Err(Code::Floor));
}

#[test]
fn the_name_of_a_namespace_gives_no_power() {
    let id: ObjectId = serde_json::from_value(id("RoleBinding", "cluster-admin")).unwrap();
    let template = json!({"apiVersion": id.api_version(), "kind": "RoleBinding", "metadata": {"name": "x"},
        "roleRef": {"name": "$(NAMESPACE)"}});
    assert!(breach(&id, &crate::document::instance(template, "cluster-admin"), "meshfleet").is_some());
}

#[test]
fn an_instance_is_not_larger_than_an_object_may_be() {
    let id: ObjectId = serde_json::from_value(id("ConfigMap", "a-namespace-with-a-long-name")).unwrap();
    let template = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},
        "data": {"x": "$(NAMESPACE)".repeat(MAX_OBJECT_BYTES / 24)}});
    let breached = breach(&id, &crate::document::instance(template, &id.namespace), "meshfleet");
    assert!(breached.is_some_and(|what| what.contains("larger than")), "it grew by the namespace's name");
}

#[test]
fn never_the_clusters_own_namespaces() {
    for namespace in ["kube-system", "kube-public", "kube-node-lease"] {
        assert_eq!(check_one("ConfigMap", namespace, &json!({})), Err(Code::Floor), "written: {namespace}");
        let gone = id("ConfigMap", namespace);
        assert_eq!(check_plan(&[], &[gone]), Err(Code::Floor), "deleted: {namespace}");
        let plan = json!({"format": 1, "namespaces": [namespace], "phases": [], "expectations": [], "healthy_when": []});
        let target = json!({"format": 1, "cluster": "c", "epoch": 1, "generation": 1, "plan": Digest::of(b""),
            "deletions": [], "overwrite": [], "adopt": "Never"});
        let target = Target::read(target.to_string().as_bytes()).unwrap();
        let plan = Plan::read(plan.to_string().as_bytes()).unwrap();
        let refused = check(&target, &plan, &BTreeMap::new(), "meshfleet").map_err(|refusal| refusal.code);
        assert_eq!(refused, Err(Code::Floor), "made: {namespace}");
    }
}

#[test]
fn never_a_binding_to_cluster_admin() {
    for kind in ["RoleBinding", "ClusterRoleBinding"] {
        let namespace = if kind == "RoleBinding" { "shop" } else { "" };
        let bound = json!({"roleRef": {"name": "cluster-admin"}});
        assert_eq!(check_one(kind, namespace, &bound), Err(Code::Floor), "{kind}");
    }
}

#[test]
fn never_escalate_and_never_a_wildcard_of_verbs() {
    for verbs in [json!(["escalate"]), json!(["*"]), json!(["get", "*"])] {
        assert_eq!(
            check_one("ClusterRole", "", &json!({"rules": [{"verbs": verbs}]})),
            Err(Code::Floor),
            "{verbs}"
        );
    }
}

#[test]
fn to_bind_roles_is_given_only_by_their_names() {
    let rules = |names: Value| json!({"rules": [{"verbs": ["get", "bind"], "resourceNames": names}]});
    for names in [json!([]), Value::Null, json!(["view", "cluster-admin"])] {
        assert_eq!(check_one("ClusterRole", "", &rules(names.clone())), Err(Code::Floor), "{names}");
    }
    assert_eq!(check_one("ClusterRole", "", &rules(json!(["view"]))), Ok(()));
}

/// Fields of ours on a namespace `x`.
fn on_namespace(more: &Value) -> Result<(), Code> {
    let id = id("Namespace", "");
    check_more(&[(id.clone(), body(&id, more))], &[], &[])
}

#[test]
fn of_a_namespace_only_labels_for_a_mesh_are_written() {
    assert_eq!(
        on_namespace(&json!({"metadata": {"labels": {"istio-injection": "enabled", "istio.io/rev": "a"}}})),
        Ok(())
    );
    for more in [
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}),
        json!({"metadata": {"labels": {"kubernetes.io/metadata.name": "y"}}}),
        json!({"metadata": {"annotations": {"a": "b"}}}),
        json!({"spec": {"finalizers": []}}),
    ] {
        assert_eq!(on_namespace(&more), Err(Code::Floor), "{more}");
    }
    let mut kube = id("Namespace", "");
    for name in ["kube-system", "kube-flannel", "meshfleet"] {
        kube["name"] = name.into();
        let written = body(&kube, &json!({"metadata": {"labels": {"a": "b"}}}));
        assert_eq!(check_more(&[(kube.clone(), written)], &[], &[]), Err(Code::Floor), "{name}");
    }
    let whole = id("Namespace", "");
    assert_eq!(
        check_plan(&[(whole.clone(), body(&whole, &json!({})))], &[]),
        Err(Code::Floor),
        "not as an object"
    );
}

#[test]
fn a_plan_is_not_larger_than_the_fence_is_made_for() {
    let large = |name: usize| {
        let mut id = id("ConfigMap", "shop");
        id["name"] = format!("x{name}").into();
        (id.clone(), body(&id, &json!({"data": {"x": "y".repeat(MAX_OBJECT_BYTES - 1024), "n": name}})))
    };
    let plan = |count| (0..count).map(large).collect::<Vec<_>>();
    assert_eq!(check_plan(&plan(MAX_PLAN_BYTES / MAX_OBJECT_BYTES), &[]), Ok(()));
    assert_eq!(check_plan(&plan(MAX_PLAN_BYTES / MAX_OBJECT_BYTES + 1), &[]), Err(Code::Floor));
}

#[test]
fn templates_do_not_fill_a_cluster() {
    assert_eq!(crowded(MAX_INSTANCES - 1), None);
    assert!(crowded(MAX_INSTANCES).is_some_and(|why| why.contains("select fewer namespaces")));
}

fn check_one(kind: &str, namespace: &str, more: &Value) -> Result<(), Code> {
    let id = id(kind, namespace);
    check_plan(&[(id.clone(), body(&id, more))], &[])
}

#[test]
fn what_a_mesh_needs_is_allowed() {
    let subjects = json!([{"kind": "Group", "name": "system:serviceaccounts:shop"}]);
    let binding = json!({"roleRef": {"name": "view"}, "subjects": subjects});
    assert_eq!(check_one("RoleBinding", "shop", &binding), Ok(()));
    assert_eq!(check_one("ConfigMap", "shop", &json!({"data": {}})), Ok(()));
    assert_eq!(check_plan(&[], &[id("RoleBinding", "shop")]), Ok(()));
}

#[test]
fn the_clusters_own_things_are_not_written() {
    for (kind, namespace) in [
        ("ConfigMap", "kube-system"),
        ("ConfigMap", "meshfleet"),
        ("Secret", "shop"),
        ("Namespace", ""),
        ("Node", ""),
        ("ConfigMapList", "shop"),
    ] {
        assert_eq!(check_one(kind, namespace, &json!({})), Err(Code::Floor), "{kind} {namespace}");
    }
}

#[test]
fn what_cannot_be_made_again_is_not_deleted() {
    for kind in ["Namespace", "Node", "PersistentVolume", "CustomResourceDefinition"] {
        assert_eq!(check_plan(&[], &[id(kind, "")]), Err(Code::Floor), "{kind}");
    }
    let planned = id("ConfigMap", "shop");
    assert_eq!(check_plan(&[(planned.clone(), body(&planned, &json!({})))], &[planned]), Err(Code::Floor));
}

#[test]
fn powers_over_the_cluster_are_not_given() {
    let cases = [
        ("RoleBinding", json!({"roleRef": {"name": "cluster-admin"}})),
        (
            "RoleBinding",
            json!({"roleRef": {"name": "view"}, "subjects": [{"kind": "Group", "name": "system:masters"}]}),
        ),
        ("ClusterRoleBinding", json!({"roleRef": {"name": "cluster-admin"}})),
        ("ClusterRole", json!({"rules": [{"verbs": ["get", "*"]}]})),
        ("ClusterRole", json!({"rules": [{"verbs": ["escalate"]}]})),
        ("ClusterRole", json!({"aggregationRule": {}})),
    ];
    for (kind, more) in cases {
        let namespace = if kind == "RoleBinding" { "shop" } else { "" };
        assert_eq!(check_one(kind, namespace, &more), Err(Code::Floor), "{more}");
    }
}

#[test]
fn a_body_that_is_not_what_the_plan_says_is_malformed() {
    let cases = [
        json!({"metadata": {"name": "y"}}),
        json!({"kind": "Secret"}),
        json!({"status": {}}),
        json!({"metadata": {"uid": "1"}}),
        json!({"metadata": {"ownerReferences": []}}),
        json!({"metadata": {"finalizers": ["a/b"]}}),
    ];
    for more in cases {
        let (id, mut wrong) = (id("ConfigMap", "shop"), body(&id("ConfigMap", "shop"), &json!({})));
        for (field, value) in more.as_object().unwrap() {
            match (wrong.get_mut(field).and_then(Value::as_object_mut), value.as_object()) {
                (Some(map), Some(value)) => map.extend(value.clone()),
                _ => wrong[field] = value.clone(),
            }
        }
        assert_eq!(check_plan(&[(id, wrong)], &[]), Err(Code::Malformed), "{more}");
    }
}

#[test]
fn an_object_planned_twice_is_malformed() {
    let id = id("ConfigMap", "shop");
    let twice = ["1", "2"].map(|value| (id.clone(), body(&id, &json!({"data": {"x": value}}))));
    assert_eq!(check_plan(&twice, &[]), Err(Code::Malformed), "it would be written back and forth");
}

#[test]
fn limits_hold() {
    let id = id("ConfigMap", "shop");
    let large = body(&id, &json!({"data": {"x": "y".repeat(MAX_OBJECT_BYTES)}}));
    assert_eq!(check_plan(&[(id.clone(), large)], &[]), Err(Code::Floor));
    let small = body(&id, &json!({}));
    let many: Vec<_> = (0..=MAX_OBJECTS).map(|_| (id.clone(), small.clone())).collect();
    assert_eq!(check_plan(&many, &[]), Err(Code::Floor));
}
