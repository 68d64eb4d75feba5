//! Each rule that is easily got wrong, by itself, on SCCs made for it.

use hub_admission::{
    Cluster, Decision, MayUse, Namespace, Pod, Question, Refusal, SecurityContextConstraints, Verdict,
    injection::Injection, judge, look::Became,
};
use serde_json::{Value, json};

/// SCCs that the server wants to see before it judges. Here they allow nothing that a test needs.
const STANDARD: [&str; 10] = [
    "anyuid",
    "hostaccess",
    "hostmount-anyuid",
    "hostnetwork",
    "hostnetwork-v2",
    "nonroot",
    "nonroot-v2",
    "privileged",
    "restricted",
    "restricted-v2",
];

/// An SCC that allows everything that does not reach the node, with what a test changes.
fn loose(name: &str, changes: Value) -> Value {
    let mut scc = json!({
        "metadata": {"name": name},
        "allowPrivilegeEscalation": true,
        "runAsUser": {"type": "RunAsAny"},
        "seLinuxContext": {"type": "RunAsAny"},
        "fsGroup": {"type": "RunAsAny"},
        "supplementalGroups": {"type": "RunAsAny"},
        "seccompProfiles": ["*"],
        "volumes": ["emptyDir", "projected", "secret"],
    });
    let fields = scc.as_object_mut().expect("an object");
    fields.extend(changes.as_object().expect("an object").clone());
    scc
}

fn scc(scc: Value) -> SecurityContextConstraints {
    serde_json::from_value(scc).expect("an SCC")
}

/// A cluster with these SCCs, and the standard ones, all of which the pod's service account may use if `wanted` has them.
struct Ground {
    cluster: Cluster,
    may_use: MayUse,
    namespace: Namespace,
}

impl Ground {
    fn new(sccs: &[Value]) -> Self {
        let own: Vec<_> = sccs.iter().cloned().map(scc).collect();
        let standard = STANDARD.into_iter().filter(|name| !own.iter().any(|scc| *scc.name == **name));
        let standard = standard.map(|name| scc(loose(name, json!({}))));
        let service_account = own.iter().map(|scc| scc.name.to_string()).collect();
        let cluster = Cluster::new(own.iter().cloned().chain(standard).collect());
        let namespace = json!({"name": "team-a", "annotations": {
            "openshift.io/sa.scc.uid-range": "1000/10",
            "openshift.io/sa.scc.supplemental-groups": "2000/100,5000/10",
            "openshift.io/sa.scc.mcs": "s0:c26,c5",
        }});
        let namespace = serde_json::from_value(namespace).expect("a namespace");
        Self { cluster, may_use: MayUse { service_account, ..MayUse::default() }, namespace }
    }

    fn judge(&self, pod: Value, injection: Option<Value>) -> Verdict {
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let injection: Option<Injection> =
            injection.map(|one| serde_json::from_value(one).expect("an injection"));
        judge(&Question {
            cluster: &self.cluster,
            namespace: &self.namespace,
            may_use: &self.may_use,
            pod: &pod,
            injection: injection.as_ref(),
        })
    }

    /// What is filled into a pod with one container of this context.
    fn filled(&self, context: Value) -> Value {
        let verdict = self.judge(with_context(context), None);
        assert!(admitted(&verdict).is_some(), "{:?}", verdict.looks);
        serde_json::to_value(&verdict.mutation).expect("JSON")["containers"]["app"].clone()
    }

    fn admits(&self, context: Value) -> bool {
        admitted(&self.judge(with_context(context), None)).is_some()
    }
}

fn with_context(context: Value) -> Value {
    json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "app", "securityContext": context}]}})
}

fn plain() -> Value {
    with_context(json!({}))
}

fn in_pod(context: Value) -> Value {
    json!({"metadata": {"name": "p"}, "spec": {"securityContext": context, "containers": [{"name": "app"}]}})
}

fn admitted(verdict: &Verdict) -> Option<&str> {
    match &verdict.decision {
        Decision::Admitted { scc, .. } => Some(scc),
        Decision::Unjudged(_) | Decision::Refused(_) => None,
    }
}

fn none_fits(verdict: &Verdict) -> bool {
    matches!(verdict.decision, Decision::Refused(Refusal::NoneFits { .. }))
}

fn names(cluster: &Cluster) -> Vec<&str> {
    let names = cluster.sccs().iter().map(|scc| &*scc.name);
    names.filter(|name| !STANDARD.contains(name)).collect()
}

#[test]
fn sccs_are_ordered_by_priority_then_by_how_much_they_allow_then_by_name() {
    let ground = Ground::new(&[
        loose("b", json!({})),
        loose("a", json!({})),
        loose("tight", json!({"runAsUser": {"type": "MustRunAsRange"}})),
        loose("first", json!({"priority": 1, "allowPrivilegedContainer": true})),
    ]);
    assert_eq!(names(&ground.cluster), ["first", "tight", "a", "b"]);
}

#[test]
fn one_loose_permission_outweighs_all_tighter_ones() {
    let tight = json!({"runAsUser": {"type": "MustRunAs", "uid": 1}, "seLinuxContext": {"type": "MustRunAs"},
        "requiredDropCapabilities": ["ALL"], "volumes": ["secret"]});
    let with = |changes: Value| {
        let mut all = tight.clone();
        all.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        all
    };
    let ground = Ground::new(&[
        loose("privileged-else-tight", with(json!({"allowPrivilegedContainer": true}))),
        loose("ports-else-tight", with(json!({"allowHostPorts": true}))),
        loose("network-else-tight", with(json!({"allowHostNetwork": true}))),
        loose("folders-else-tight", with(json!({"allowHostDirVolumePlugin": true}))),
        loose("volumes-else-tight", with(json!({"volumes": ["nfs"]}))),
        loose("users-else-tight", with(json!({"runAsUser": {"type": "RunAsAny"}}))),
        loose(
            "capabilities-else-tight",
            with(json!({"requiredDropCapabilities": null, "allowedCapabilities": ["*"]})),
        ),
        loose("tight", tight.clone()),
    ]);
    let order = ["tight", "capabilities", "users", "volumes", "folders", "network", "ports", "privileged"];
    let ordered: Vec<&str> =
        names(&ground.cluster).iter().map(|name| name.trim_end_matches("-else-tight")).collect();
    assert_eq!(ordered, order);
}

#[test]
fn capabilities_weigh_by_how_many_are_given_and_taken() {
    let ground = Ground::new(&[
        loose("a-adds", json!({"defaultAddCapabilities": ["NET_RAW"]})),
        loose("b-allows", json!({"allowedCapabilities": ["NET_RAW", "NET_ADMIN"]})),
        loose("c-plain", json!({})),
        loose("d-drops-one", json!({"requiredDropCapabilities": ["MKNOD"]})),
        loose("e-drops-two", json!({"requiredDropCapabilities": ["MKNOD", "SETUID"]})),
        loose("f-drops-all", json!({"requiredDropCapabilities": ["ALL"]})),
    ]);
    let order = ["f-drops-all", "e-drops-two", "d-drops-one", "c-plain", "b-allows", "a-adds"];
    assert_eq!(names(&ground.cluster), order);
}

#[test]
fn what_of_the_node_weighs_nothing_is_ordered_by_name() {
    let ground = Ground::new(&[
        loose("b-processes", json!({"allowHostPID": true, "allowHostIPC": true})),
        loose("c-plain", json!({})),
        loose("a-groups", json!({"fsGroup": {"type": "MustRunAs"}, "readOnlyRootFilesystem": true})),
    ]);
    assert_eq!(names(&ground.cluster), ["a-groups", "b-processes", "c-plain"]);
}

#[test]
fn the_first_that_fits_is_taken_even_if_a_later_one_would_change_nothing() {
    let ground = Ground::new(&[
        loose("fills", json!({"runAsUser": {"type": "MustRunAsRange"}})),
        loose("leaves", json!({})),
    ]);
    assert_eq!(admitted(&ground.judge(plain(), None)), Some("fills"));
}

#[test]
fn capabilities_are_the_sorted_union_and_stay_as_they_are_where_nothing_is_new() {
    let changes = json!({"requiredDropCapabilities": ["MKNOD"], "defaultAddCapabilities": ["CHOWN"],
        "allowedCapabilities": ["SETUID"]});
    let ground = Ground::new(&[loose("own", changes)]);
    let filled = ground.filled(json!({"capabilities": {"add": ["SETUID"], "drop": ["KILL"]}}));
    assert_eq!(filled["capabilities"], json!({"add": ["CHOWN", "SETUID"], "drop": ["KILL", "MKNOD"]}));
    let whole = json!({"capabilities": {"add": ["SETUID", "CHOWN", "CHOWN"], "drop": ["MKNOD", "KILL"]}});
    assert_eq!(ground.filled(whole)["capabilities"], Value::Null);
}

#[test]
fn a_default_capability_that_the_container_drops_is_not_added() {
    let ground = Ground::new(&[loose("own", json!({"defaultAddCapabilities": ["CHOWN"]}))]);
    assert_eq!(ground.filled(json!({"capabilities": {"drop": ["CHOWN"]}})), Value::Null);
}

#[test]
fn to_drop_all_is_not_to_drop_each() {
    let ground = Ground::new(&[loose("own", json!({"requiredDropCapabilities": ["MKNOD"]}))]);
    let filled = ground.filled(json!({"capabilities": {"drop": ["ALL"]}}));
    assert_eq!(filled["capabilities"], json!({"drop": ["ALL", "MKNOD"]}));
}

#[test]
fn all_allows_to_ask_for_all_and_a_star_allows_everything() {
    let asks = |name: &str| json!({"capabilities": {"add": [name]}});
    let all = Ground::new(&[loose("own", json!({"allowedCapabilities": ["ALL"]}))]);
    assert!(all.admits(asks("ALL")));
    assert!(!all.admits(asks("NET_ADMIN")));
    let star = Ground::new(&[loose("own", json!({"allowedCapabilities": ["*"]}))]);
    assert!(star.admits(asks("NET_ADMIN")));
    let one = Ground::new(&[loose("own", json!({"allowedCapabilities": ["NET_ADMIN"]}))]);
    assert!(one.admits(asks("NET_ADMIN")));
    assert!(!one.admits(asks("CAP_NET_ADMIN")));
    assert!(!one.admits(asks("net_admin")));
}

#[test]
fn users_come_from_the_namespaces_block_and_no_others_are_allowed() {
    let ground = Ground::new(&[loose("own", json!({"runAsUser": {"type": "MustRunAsRange"}}))]);
    assert_eq!(ground.filled(json!({})), json!({"runAsUser": 1000, "runAsNonRoot": true}));
    assert!(ground.admits(json!({"runAsUser": 1009})));
    assert!(!ground.admits(json!({"runAsUser": 1010})));
    assert!(!ground.admits(json!({"runAsUser": 0})));
}

#[test]
fn the_group_of_volumes_is_the_first_of_the_first_block_alone() {
    let ground = Ground::new(&[loose("own", json!({"fsGroup": {"type": "MustRunAs"}}))]);
    let admits = |group: i64| admitted(&ground.judge(in_pod(json!({"fsGroup": group})), None)).is_some();
    assert!(admits(2000));
    assert!(!admits(2001));
    assert!(!admits(5000));
}

#[test]
fn further_groups_may_be_of_any_block_and_an_empty_list_is_refused() {
    let ground = Ground::new(&[loose("own", json!({"supplementalGroups": {"type": "MustRunAs"}}))]);
    let admits = |groups: Value| {
        admitted(&ground.judge(in_pod(json!({"supplementalGroups": groups})), None)).is_some()
    };
    assert!(admits(json!([2099, 5009])));
    assert!(!admits(json!([2000, 5010])));
    assert!(!admits(json!([])));
    assert!(admits(Value::Null));
}

#[test]
fn what_the_pod_says_is_said_for_its_containers() {
    let ground = Ground::new(&[loose("own", json!({"runAsUser": {"type": "MustRunAsRange"}}))]);
    let verdict = ground.judge(in_pod(json!({"runAsUser": 1005, "runAsNonRoot": false})), None);
    assert_eq!(admitted(&verdict), Some("own"));
    assert!(verdict.mutation.containers.is_empty(), "{:?}", verdict.mutation);
}

#[test]
fn an_init_container_is_judged_like_any() {
    let ground = Ground::new(&[loose("own", json!({"runAsUser": {"type": "MustRunAsRange"}}))]);
    let pod = json!({"spec": {"containers": [{"name": "app"}],
        "initContainers": [{"name": "init", "securityContext": {"runAsUser": 0}}]}});
    let verdict = ground.judge(pod, None);
    assert!(none_fits(&verdict), "{:?}", verdict.decision);
}

#[test]
fn restricted_is_named_where_it_alone_would_have_done() {
    let users = json!({"runAsUser": {"type": "MustRunAsRange"}});
    let would_do = |context: Value| match Ground::new(&[loose("own", users.clone())])
        .judge(with_context(context), None)
        .decision
    {
        Decision::Refused(Refusal::NoneFits { restricted_would_do }) => restricted_would_do,
        other => panic!("{other:?}"),
    };
    assert!(would_do(json!({"runAsUser": 0})));
    assert!(!would_do(json!({"runAsUser": 0, "privileged": true})));
}

#[test]
fn escalation_is_defaulted_but_not_for_who_may_do_everything() {
    let default = Ground::new(&[loose(
        "own",
        json!({"defaultAllowPrivilegeEscalation": false, "allowPrivilegedContainer": true, "allowedCapabilities": ["*"]}),
    )]);
    let denied = json!({"allowPrivilegeEscalation": false});
    assert_eq!(default.filled(json!({})), denied);
    assert_eq!(default.filled(json!({"privileged": true})), Value::Null);
    assert_eq!(default.filled(json!({"capabilities": {"add": ["CAP_SYS_ADMIN"]}})), Value::Null);
    assert_eq!(default.filled(json!({"capabilities": {"add": ["SYS_ADMIN"]}})), denied);
    let forbidden = Ground::new(&[loose("own", json!({"allowPrivilegeEscalation": false}))]);
    assert_eq!(forbidden.filled(json!({})), denied);
    assert!(!forbidden.admits(json!({"allowPrivilegeEscalation": true})));
}

#[test]
fn what_is_filled_in_may_be_what_kubernetes_refuses() {
    let changes = json!({"allowPrivilegeEscalation": false, "allowPrivilegedContainer": true});
    let ground = Ground::new(&[loose("own", changes)]);
    let verdict = ground.judge(with_context(json!({"privileged": true})), None);
    assert!(matches!(verdict.decision, Decision::Refused(Refusal::Invalid(_))), "{:?}", verdict.decision);
}

#[test]
fn an_annotation_overwrites_the_field_beside_it() {
    let ground = Ground::new(&[loose("own", json!({}))]);
    let pod = json!({"metadata": {"annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined",
            "container.seccomp.security.alpha.kubernetes.io/app": "runtime/default"}},
        "spec": {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "app", "securityContext": {"seccompProfile": {"type": "Unconfined"}}}]}});
    let filled = serde_json::to_value(ground.judge(pod, None).mutation).expect("JSON");
    assert_eq!(filled["pod"]["seccompProfile"], json!({"type": "Unconfined"}));
    assert_eq!(filled["containers"]["app"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
}

#[test]
fn a_wish_leaves_one_candidate_and_an_empty_one_is_none() {
    let ground = Ground::new(&[
        loose("tight", json!({"runAsUser": {"type": "MustRunAsRange"}})),
        loose("wide", json!({})),
    ]);
    let wishing = |name: &str| {
        let mut pod = plain();
        pod["metadata"]["annotations"] = json!({"openshift.io/required-scc": name});
        ground.judge(pod, None)
    };
    assert_eq!(admitted(&wishing("wide")), Some("wide"));
    assert_eq!(admitted(&wishing("")), Some("tight"));
    let missing = |name: &str| Decision::Refused(Refusal::RequiredMissing(name.to_owned()));
    assert_eq!(wishing(" wide").decision, missing(" wide"));
    assert_eq!(wishing("Wide").decision, missing("Wide"));
}

#[test]
fn one_scc_that_cannot_be_completed_refuses_every_pod_but_those_that_wish_for_another() {
    let broken = loose("broken", json!({"runAsUser": {"type": "MustRunAs"}}));
    let mut ground = Ground::new(&[loose("sound", json!({})), broken]);
    ground.may_use.service_account.remove("broken");
    let verdict = ground.judge(plain(), None);
    assert!(matches!(verdict.decision, Decision::Refused(Refusal::Incomplete(_))), "{:?}", verdict.decision);
    let mut pod = plain();
    pod["metadata"]["annotations"] = json!({"openshift.io/required-scc": "sound"});
    assert_eq!(admitted(&ground.judge(pod, None)), Some("sound"));
}

#[test]
fn a_namespace_without_its_annotations_lets_nothing_in_whatever_the_scc_needs() {
    let mut ground = Ground::new(&[loose("own", json!({}))]);
    ground.namespace.annotations.remove("openshift.io/sa.scc.supplemental-groups");
    assert_eq!(admitted(&ground.judge(plain(), None)), Some("own"));
    ground.namespace.annotations.remove("openshift.io/sa.scc.mcs");
    let lacks = Refusal::NamespaceLacks("openshift.io/sa.scc.mcs");
    assert_eq!(ground.judge(plain(), None).decision, Decision::Refused(lacks));
}

#[test]
fn in_an_exempt_namespace_nothing_is_filled_in_and_no_wish_is_noticed() {
    let mut ground = Ground::new(&[]);
    ground.namespace = Namespace { name: "kube-system".to_owned(), ..Namespace::default() };
    let mut pod = with_context(json!({"privileged": true}));
    pod["metadata"]["annotations"] = json!({"openshift.io/required-scc": "no-such-scc"});
    let verdict = ground.judge(pod, None);
    assert!(matches!(verdict.decision, Decision::Unjudged(_)));
    assert_eq!(verdict.mutation, hub_admission::Mutation::default());
}

/// A tight SCC that takes the bare pod and writes a seccomp profile, and one for the sidecar's user.
fn sidecar_ground(profiles_of_the_second: Value) -> Ground {
    let tight = json!({"runAsUser": {"type": "MustRunAsRange"}, "seccompProfiles": ["runtime/default"]});
    let second =
        json!({"runAsUser": {"type": "MustRunAsNonRoot"}, "seccompProfiles": profiles_of_the_second});
    Ground::new(&[loose("tight", tight), loose("second", second)])
}

fn sidecar() -> Value {
    json!({"containers": [{"name": "proxy", "securityContext": {"runAsUser": 1337}}]})
}

#[test]
fn a_pod_that_a_webhook_changed_is_looked_at_again_and_may_get_another_scc() {
    let verdict = sidecar_ground(json!(["*"])).judge(plain(), Some(sidecar()));
    assert_eq!(admitted(&verdict), Some("second"));
    assert_eq!(verdict.looks.len(), 3, "two that fill in, and the last");
    // What the first look filled in stays.
    let filled = serde_json::to_value(&verdict.mutation).expect("JSON");
    assert_eq!(filled["containers"]["app"]["runAsUser"], json!(1000));
    assert_eq!(filled["pod"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
}

#[test]
fn the_second_look_may_refuse_what_would_have_been_let_in_with_the_sidecar_from_the_start() {
    let ground = sidecar_ground(json!([]));
    let verdict = ground.judge(plain(), Some(sidecar()));
    assert!(none_fits(&verdict), "{:?}", verdict.decision);
    let mut whole = plain();
    let containers = whole["spec"]["containers"].as_array_mut().expect("containers");
    containers.push(json!({"name": "proxy", "securityContext": {"runAsUser": 1337}}));
    assert_eq!(admitted(&ground.judge(whole, None)), Some("second"));
}

#[test]
fn a_bare_pod_that_is_refused_never_reaches_the_webhook() {
    let verdict = sidecar_ground(json!(["*"])).judge(with_context(json!({"runAsUser": 0})), Some(sidecar()));
    assert_eq!(verdict.looks.len(), 1);
}

#[test]
fn a_webhook_that_changes_the_wish_is_found_out_at_the_end() {
    let mut ground = sidecar_ground(json!(["*"]));
    let injection = json!({"annotations": {"openshift.io/required-scc": "second"}});
    assert_eq!(admitted(&ground.judge(plain(), Some(injection.clone()))), Some("second"));
    ground.may_use.service_account.remove("second");
    assert_eq!(admitted(&ground.judge(plain(), Some(injection))), None);
}

#[test]
fn the_token_counts_as_a_volume_and_passes_where_secrets_do() {
    let ground = |volumes: Value| Ground::new(&[loose("own", json!({"volumes": volumes}))]);
    assert!(ground(json!(["projected"])).admits(json!({})));
    assert!(ground(json!(["secret"])).admits(json!({})));
    assert!(!ground(json!(["emptyDir"])).admits(json!({})));
    let mut pod = plain();
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    assert_eq!(admitted(&ground(json!(["emptyDir"])).judge(pod, None)), Some("own"));
}

#[test]
fn on_the_nodes_network_ports_are_the_nodes() {
    let pod = json!({"spec": {"hostNetwork": true,
        "containers": [{"name": "app", "ports": [{"containerPort": 9100}]}]}});
    let without = Ground::new(&[loose("own", json!({"allowHostNetwork": true}))]);
    assert_eq!(admitted(&without.judge(pod.clone(), None)), None);
    let with = Ground::new(&[loose("own", json!({"allowHostNetwork": true, "allowHostPorts": true}))]);
    assert_eq!(admitted(&with.judge(pod, None)), Some("own"));
}

#[test]
fn users_of_the_pods_own_are_required_where_the_scc_says_so_and_do_not_go_with_the_nodes_namespaces() {
    let own =
        json!({"userNamespaceLevel": "RequirePodLevel", "allowHostNetwork": true, "allowHostPID": true});
    let ground = Ground::new(&[loose("own", own)]);
    let with = |spec: Value| {
        let mut pod = plain();
        pod["spec"].as_object_mut().expect("an object").extend(spec.as_object().expect("an object").clone());
        ground.judge(pod, None)
    };
    assert!(none_fits(&with(json!({}))));
    assert!(none_fits(&with(json!({"hostUsers": true}))));
    assert_eq!(admitted(&with(json!({"hostUsers": false}))), Some("own"));
    for shared in ["hostNetwork", "hostPID"] {
        let verdict = with(json!({"hostUsers": false, shared: true}));
        assert!(matches!(verdict.decision, Decision::Refused(Refusal::Invalid(_))), "{:?}", verdict.decision);
    }
}

#[test]
fn safe_sysctls_need_no_grant_and_forbidden_ones_are_refused_even_if_safe() {
    let sysctl = |name: &str| in_pod(json!({"sysctls": [{"name": name, "value": "0"}]}));
    let admits = |changes: Value, name: &str| {
        admitted(&Ground::new(&[loose("own", changes)]).judge(sysctl(name), None)).is_some()
    };
    assert!(admits(json!({}), "net.ipv4.ip_unprivileged_port_start"));
    assert!(!admits(json!({}), "net/ipv4/ip_unprivileged_port_start"));
    assert!(!admits(json!({}), "net.core.somaxconn"));
    assert!(admits(json!({"allowedUnsafeSysctls": ["net.core.*"]}), "net.core.somaxconn"));
    assert!(!admits(json!({"forbiddenSysctls": ["net.*"]}), "net.ipv4.ip_unprivileged_port_start"));
}

#[test]
fn an_inline_volume_needs_a_driver_that_is_fit_for_the_namespaces_level() {
    let mut ground = Ground::new(&[loose("own", json!({"volumes": ["csi", "projected"]}))]);
    ground.cluster.drivers = [("fit.example".to_owned(), "baseline".to_owned())].into();
    let ask = |ground: &Ground, driver: &str| {
        let mut pod = plain();
        pod["spec"]["volumes"] = json!([{"name": "v", "csi": {"driver": driver}}]);
        admitted(&ground.judge(pod, None)).is_some()
    };
    // Without a label the namespace is restricted, and a driver without one is fit for privileged ones only.
    assert!(!ask(&ground, "fit.example") && !ask(&ground, "other.example"));
    let mut enforce = |level: &str| {
        ground.namespace.labels =
            [("pod-security.kubernetes.io/enforce".to_owned(), level.to_owned())].into();
        (ask(&ground, "fit.example"), ask(&ground, "other.example"))
    };
    assert_eq!(enforce("baseline"), (true, false));
    assert_eq!(enforce("privileged"), (true, true));
    assert_eq!(enforce("odd"), (false, false));
}

#[test]
fn a_pod_for_windows_is_not_judged() {
    let ground = Ground::new(&[]);
    let pod = json!({"spec": {"os": {"name": "windows"}, "containers": [{"name": "app"}]}});
    let verdict = ground.judge(pod, None);
    assert!(matches!(verdict.decision, Decision::Unjudged(_)), "{:?}", verdict.decision);
}

#[test]
fn the_node_is_not_reached_by_mounts_of_containers_without_privilege() {
    let ground = Ground::new(&[loose("own", json!({"allowPrivilegedContainer": true}))]);
    let ask = |privileged: bool| {
        let mut pod = with_context(json!({"privileged": privileged}));
        let mount = json!({"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"});
        pod["spec"]["containers"][0]["volumeMounts"] = json!([mount]);
        admitted(&ground.judge(pod, None)).is_some()
    };
    assert!(ask(true) && !ask(false));
}

#[test]
fn a_port_of_the_node_is_taken_once() {
    let ground = Ground::new(&[loose("own", json!({"allowHostPorts": true}))]);
    let ask = |other: Value| {
        let ports = json!([{"containerPort": 80, "hostPort": 8080}, other]);
        let pod = json!({"spec": {"containers": [{"name": "app", "ports": ports}]}});
        admitted(&ground.judge(pod, None)).is_some()
    };
    assert!(ask(json!({"containerPort": 81, "hostPort": 8081})));
    assert!(ask(json!({"containerPort": 81, "hostPort": 8080, "protocol": "UDP"})));
    assert!(!ask(json!({"containerPort": 81, "hostPort": 8080, "protocol": "TCP"})));
}

#[test]
fn without_the_sccs_that_every_cluster_has_nothing_is_judged() {
    let mut ground = Ground::new(&[loose("own", json!({}))]);
    ground.cluster = Cluster::new(vec![scc(loose("own", json!({})))]);
    let verdict = ground.judge(plain(), None);
    assert!(
        matches!(verdict.decision, Decision::Refused(Refusal::StandardMissing(_))),
        "{:?}",
        verdict.decision
    );
}

#[test]
fn what_was_tried_is_told_with_what_was_wrong() {
    let ground = Ground::new(&[loose("own", json!({"runAsUser": {"type": "MustRunAsRange"}}))]);
    let verdict = ground.judge(with_context(json!({"runAsUser": 0})), None);
    let own = verdict.looks[0].iter().find(|trial| *trial.scc == *"own").expect("it was tried");
    let Became::TooRestrictive(violations) = &own.became else { panic!("{own:?}") };
    let said: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["spec.containers[0].securityContext.runAsUser: 0 is not within 1000-1009"]);
    assert!(verdict.looks[0].iter().any(|trial| trial.became == Became::NotUsable));
}
