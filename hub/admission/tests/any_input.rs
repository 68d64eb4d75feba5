//! Whatever is asked, there is an answer; and what was let in is let in again as it is.

use std::collections::BTreeMap;

use hub_admission::{
    Cluster, Decision, MayUse, Mutation, Namespace, Pod, Question, SecurityContextConstraints, judge,
    look::Became, range,
};
use proptest::{option, prelude::*, sample::select, test_runner::Config};
use serde_json::{Map, Value, json};

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

/// An object of which every field is there or not.
fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) =
        fields.into_iter().map(|(name, value)| (name, option::weighted(0.4, value))).unzip();
    let collect = move |values: Vec<Option<Value>>| {
        let present = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Value::Object(present.collect::<Map<_, _>>())
    };
    values.prop_map(collect).boxed()
}

fn one_of(values: Vec<Value>) -> BoxedStrategy<Value> {
    select(values).boxed()
}

fn flag() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::Bool).boxed()
}

fn id() -> BoxedStrategy<Value> {
    one_of(vec![json!(0), json!(-1), json!(1000), json!(1009), json!(1337), json!(i64::MAX), Value::Null])
}

fn list(values: Vec<Value>) -> BoxedStrategy<Value> {
    proptest::collection::vec(select(values), 0..3).prop_map(Value::Array).boxed()
}

fn label() -> BoxedStrategy<Value> {
    one_of(vec![
        json!({}),
        json!({"level": "s0:c26,c5"}),
        json!({"level": "s0:c5,c26", "type": "spc_t"}),
        Value::Null,
    ])
}

fn profile() -> BoxedStrategy<Value> {
    let local = json!({"type": "Localhost", "localhostProfile": "a.json"});
    one_of(vec![
        json!({"type": "RuntimeDefault"}),
        json!({"type": "Unconfined"}),
        local,
        json!({"type": "odd"}),
    ])
}

fn capabilities() -> BoxedStrategy<Value> {
    let names =
        || list(vec![json!("ALL"), json!("CHOWN"), json!("KILL"), json!("CAP_SYS_ADMIN"), json!("*")]);
    object(vec![("add", names()), ("drop", names())])
}

fn container(name: &'static str) -> BoxedStrategy<Value> {
    let context = object(vec![
        ("capabilities", capabilities()),
        ("privileged", flag()),
        ("seLinuxOptions", label()),
        ("runAsUser", id()),
        ("runAsGroup", id()),
        ("runAsNonRoot", flag()),
        ("readOnlyRootFilesystem", flag()),
        ("allowPrivilegeEscalation", flag()),
        ("procMount", one_of(vec![json!("Default"), json!("Unmasked"), json!("odd")])),
        ("seccompProfile", profile()),
    ]);
    let port = object(vec![("containerPort", id()), ("hostPort", id())]);
    let fields =
        object(vec![("securityContext", context), ("ports", port.prop_map(|port| json!([port])).boxed())]);
    fields
        .prop_map(move |mut fields| {
            fields["name"] = json!(name);
            fields
        })
        .boxed()
}

fn pod() -> BoxedStrategy<Value> {
    let context = object(vec![
        ("seLinuxOptions", label()),
        ("runAsUser", id()),
        ("runAsNonRoot", flag()),
        ("supplementalGroups", list(vec![json!(2000), json!(5009), json!(0), json!(-7)])),
        ("fsGroup", id()),
        ("seccompProfile", profile()),
        (
            "sysctls",
            list(vec![json!({"name": "net.core.somaxconn"}), json!({"name": "kernel/shm_rmid_forced"})]),
        ),
    ]);
    let seccomp = || one_of(vec![json!(""), json!("runtime/default"), json!("localhost/"), json!("odd")]);
    let annotations = object(vec![
        ("seccomp.security.alpha.kubernetes.io/pod", seccomp()),
        ("container.seccomp.security.alpha.kubernetes.io/app", seccomp()),
        ("openshift.io/required-scc", one_of(vec![json!(""), json!("privileged"), json!("odd")])),
    ]);
    let volume = one_of(vec![
        json!({"name": "v"}),
        json!({"name": "v", "hostPath": {}, "emptyDir": {}}),
        json!({"name": "v", "projected": {"sources": [{"secret": {}}]}}),
        json!({"name": "v", "flexVolume": {"driver": 7}}),
        json!({"name": "v", "csi": {}}),
    ]);
    let spec = object(vec![
        ("securityContext", context),
        ("hostNetwork", flag()),
        ("hostPID", flag()),
        ("hostUsers", flag()),
        ("os", one_of(vec![json!({"name": "linux"}), json!({"name": "windows"})])),
        ("initContainers", container("init").prop_map(|one| json!([one])).boxed()),
        ("ephemeralContainers", container("debug").prop_map(|one| json!([one])).boxed()),
        ("volumes", volume.prop_map(|volume| json!([volume])).boxed()),
    ]);
    (spec, annotations, container("app"))
        .prop_map(|(mut spec, annotations, container)| {
            spec["containers"] = json!([container]);
            json!({"metadata": {"annotations": annotations}, "spec": spec})
        })
        .boxed()
}

fn scc() -> BoxedStrategy<Value> {
    let strategy = |kinds: &[&str]| one_of(kinds.iter().map(|kind| json!({"type": kind})).collect());
    let names = || list(vec![json!("ALL"), json!("CHOWN"), json!("KILL"), json!("*")]);
    object(vec![
        ("priority", one_of(vec![json!(1), json!(10), Value::Null])),
        ("allowPrivilegedContainer", flag()),
        ("allowPrivilegeEscalation", flag()),
        // True beside a forbidden escalation contradicts itself: such an SCC cannot be stored.
        ("defaultAllowPrivilegeEscalation", one_of(vec![json!(false)])),
        ("allowHostNetwork", flag()),
        ("allowHostPorts", flag()),
        ("allowHostDirVolumePlugin", flag()),
        ("readOnlyRootFilesystem", flag()),
        ("userNamespaceLevel", one_of(vec![json!("RequirePodLevel"), json!("AllowHostLevel")])),
        ("runAsUser", strategy(&["RunAsAny", "MustRunAsRange", "MustRunAsNonRoot", "RunAsAny"])),
        ("seLinuxContext", strategy(&["RunAsAny", "MustRunAs", "RunAsAny"])),
        ("fsGroup", strategy(&["RunAsAny", "MustRunAs"])),
        ("supplementalGroups", strategy(&["RunAsAny", "MustRunAs"])),
        (
            "seccompProfiles",
            list(vec![json!("*"), json!("runtime/default"), json!("odd"), json!("localhost/*")]),
        ),
        ("allowedCapabilities", names()),
        ("defaultAddCapabilities", names()),
        ("requiredDropCapabilities", names()),
        (
            "volumes",
            list(vec![json!("*"), json!("none"), json!("secret"), json!("projected"), json!("emptyDir")]),
        ),
        ("forbiddenSysctls", list(vec![json!("*"), json!("net.*")])),
        ("allowedUnsafeSysctls", list(vec![json!("*"), json!("net.*")])),
    ])
}

/// Ten SCCs, as different as they come; a strategy that is left out is any, so that most can be completed.
fn cluster() -> BoxedStrategy<Cluster> {
    let named = |sccs: Vec<Value>| {
        let sccs = STANDARD.into_iter().zip(sccs).map(|(name, mut scc)| {
            scc["metadata"] = json!({"name": name});
            for field in ["runAsUser", "seLinuxContext"] {
                if scc[field].is_null() {
                    scc[field] = json!({"type": "RunAsAny"});
                }
            }
            serde_json::from_value::<SecurityContextConstraints>(scc).expect("an SCC")
        });
        Cluster::new(sccs.collect())
    };
    proptest::collection::vec(scc(), STANDARD.len()).prop_map(named).boxed()
}

fn namespace() -> BoxedStrategy<Namespace> {
    let block = || {
        let texts = ["1000/10", "2000/100,5000/10", "1000-1009", "0/0", "", "odd", "4294967295/2"];
        option::weighted(0.9, prop_oneof![4 => Just("1000/10"), 1 => select(texts.to_vec())])
    };
    (block(), block(), option::weighted(0.9, select(vec!["s0:c26,c5", "s0:c26,c5", ""])))
        .prop_map(|(users, groups, level)| {
            let keys =
                ["uid-range", "supplemental-groups", "mcs"].map(|key| format!("openshift.io/sa.scc.{key}"));
            let values = [users, groups, level];
            let present =
                keys.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?.to_owned())));
            let annotations: BTreeMap<String, String> = present.collect();
            Namespace { name: "team-a".to_owned(), annotations, ..Namespace::default() }
        })
        .boxed()
}

fn may_use_all() -> MayUse {
    MayUse { service_account: STANDARD.into_iter().map(str::to_owned).collect(), ..MayUse::default() }
}

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn there_is_an_answer_and_what_was_let_in_is_let_in_again_as_it_is(
        cluster in cluster(), namespace in namespace(), pod in pod(),
    ) {
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let may_use = may_use_all();
        let ask = |pod: &Pod| {
            judge(&Question { cluster: &cluster, namespace: &namespace, may_use: &may_use, pod, injection: None })
        };
        let first = ask(&pod);
        if let Decision::Admitted { .. } = first.decision {
            let again = ask(&first.pod);
            prop_assert_eq!(&again.decision, &first.decision);
            prop_assert_eq!(again.mutation, Mutation::default());
        } else if let Decision::Refused(refusal) = &first.decision {
            prop_assert!(!refusal.to_string().is_empty());
        }
        let restrictive = first.looks.iter().flatten().filter_map(|trial| match &trial.became {
            Became::TooRestrictive(violations) => Some(violations),
            Became::NotUsable | Became::WouldChange | Became::Taken(_) => None,
        });
        for violation in restrictive.flatten() {
            let said = violation.to_string();
            prop_assert!(said.starts_with("spec."), "{}", said);
        }
    }

    #[test]
    fn any_text_is_a_block_or_it_is_not(text in ".*") {
        let _ = range::blocks(&text);
    }
}
