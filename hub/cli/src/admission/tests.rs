use super::*;
use crate::screen::golden;

/// SCCs of a cluster: the ten that must be there, two of them with rules.
fn sccs() -> Vec<Value> {
    let any = json!({"type": "RunAsAny"});
    let names = [
        "hostaccess",
        "hostmount-anyuid",
        "hostnetwork",
        "hostnetwork-v2",
        "nonroot",
        "nonroot-v2",
        "restricted",
    ];
    let loose = |name: &str| {
        json!({"kind": "SecurityContextConstraints", "metadata": {"name": name}, "runAsUser": any, "seLinuxContext": any,
            "allowPrivilegedContainer": true, "seccompProfiles": ["*"]})
    };
    let mut sccs: Vec<Value> = names.iter().chain(&["privileged"]).map(|name| loose(name)).collect();
    let mut first = loose("anyuid");
    first["priority"] = json!(10);
    sccs.push(first);
    sccs.push(json!({"kind": "SecurityContextConstraints", "metadata": {"name": "restricted-v2"},
        "runAsUser": {"type": "MustRunAsRange"}, "seLinuxContext": {"type": "MustRunAs"},
        "fsGroup": {"type": "MustRunAs"}, "requiredDropCapabilities": ["ALL"], "allowPrivilegeEscalation": false,
        "allowPrivilegedContainer": false, "seccompProfiles": ["runtime/default"], "volumes": ["projected"]}));
    sccs
}

fn asked(containers: Value) -> Asked {
    let template = json!({"spec": {"serviceAccountName": "shop", "containers": containers}});
    let deployment =
        json!({"kind": "Deployment", "metadata": {"name": "shop"}, "spec": {"template": template}});
    let namespace = json!({"kind": "Namespace", "metadata": {"name": "team-a", "annotations": {
        "openshift.io/sa.scc.uid-range": "1000650000/10000", "openshift.io/sa.scc.mcs": "s0:c26,c5"}}});
    let made = manifest::made(vec![deployment]).unwrap();
    let cluster = manifest::cluster(sccs()).unwrap();
    let namespace = manifest::namespace(vec![namespace]).unwrap();
    let account = Subject::service_account("team-a", made.service_account());
    let user = Subject::user(made.controller.as_deref().unwrap(), []);
    let may_use = manifest::may_use(&cluster, &account, &user, MayUse::default());
    Asked { made, cluster, namespace, account, user, may_use }
}

fn shown(asked: &Asked) -> String {
    golden(80, |screen| draw(screen, asked, &asked.judge()))
}

#[test]
fn a_pod_that_is_let_in_is_shown_with_what_is_filled_in() {
    insta::assert_snapshot!(shown(&asked(json!([{"name": "app"}]))));
}

#[test]
fn a_pod_that_is_refused_is_shown_with_what_each_scc_has_against_it() {
    let containers = json!([{"name": "app", "securityContext": {"runAsUser": 0, "privileged": true}}]);
    insta::assert_snapshot!(shown(&asked(containers)));
}

#[test]
fn json_has_stable_names() {
    let asked = asked(json!([{"name": "app"}]));
    insta::assert_snapshot!(crate::call::pretty(&to_json(&asked, &asked.judge())));
}
