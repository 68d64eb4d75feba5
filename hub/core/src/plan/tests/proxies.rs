//! Proxies that run already, and Istios of others beside the plan's own.

use super::{
    referee::{blocking, warnings},
    *,
};
use crate::fleet::{ControlPlaneFacts, InjectorFacts, ObjectSettings, ProxyGroup};

fn group(namespace: &str, revision: &str, version: &str, count: u32) -> ProxyGroup {
    let [namespace, revision, version] = [namespace, revision, version].map(str::to_owned);
    ProxyGroup { namespace, revision, version, count }
}

fn istiod(namespace: &str, revision: &str, version: &str, managed_by: &str) -> ControlPlaneFacts {
    let [namespace, revision, version] = [namespace, revision, version].map(str::to_owned);
    ControlPlaneFacts {
        namespace,
        name: "istiod".to_owned(),
        revision,
        version,
        managed_by: managed_by.to_owned(),
    }
}

fn seen(control_planes: Vec<ControlPlaneFacts>, proxies: Vec<ProxyGroup>) -> Facts {
    Facts { control_planes, proxies, ..sail_facts(PlatformName::Eks) }
}

#[test]
fn proxies_far_from_the_control_plane_keep_back_what_would_leave_them_there() {
    let running_at = |version| vec![istiod("istio-system", "default", version, "sail-operator")];
    for (case, wanted, running, proxy, blocks, warns) in [
        ("the same", "1.30.3", "1.30.3", "1.30.3", &[][..], &[][..]),
        ("a patch behind", "1.30.3", "1.30.3", "1.30.0", &[], &["proxies.old"]),
        ("a minor behind", "1.30.3", "1.29.6", "1.29.6", &[], &["proxies.old"]),
        ("a build of its own", "1.30.3", "1.30.3", "1.29.6-distroless", &[], &["proxies.old"]),
        ("two behind, upgrade", "1.30.3", "1.29.6", "1.28.2", &["proxies.skew"], &[]),
        ("two behind, nothing moves", "1.30.3", "1.30.0", "1.28.2", &[], &["proxies.skew"]),
        ("one ahead", "1.29.6", "1.30.3", "1.30.3", &[], &["proxies.old"]),
        ("two ahead", "1.29.6", "1.31.0", "1.31.0", &["proxies.skew"], &[]),
        ("by digest", "1.30.3", "1.30.3", "", &[], &[]),
        ("no version", "1.30.3", "1.30.3", "latest", &[], &[]),
    ] {
        let facts = seen(running_at(running), vec![group("shop", "default", proxy, 12)]);
        let plan = sailed(PlatformName::Eks, wanted, |_| ());
        assert_eq!(blocking(&plan, &facts), blocks, "{case}");
        assert_eq!(warnings(&plan, &facts), warns, "{case}");
    }
}

#[test]
fn a_needed_restart_is_told_with_namespace_count_and_command() {
    let groups = vec![
        group("bank", "default", "1.29.6", 1),
        group("shop", "default", "1.29.6", 12),
        group("x", "canary", "1.20.0", 3),
    ];
    let facts = Facts { proxies_untold: 4, ..seen(Vec::new(), groups) };
    let found = refereed(&sailed(PlatformName::Eks, "1.30.3", |_| ()), &facts);
    let finding = found.iter().find(|finding| finding.rule == "proxies.old").unwrap();
    assert_eq!(
        finding.message,
        "with control plane 1.30.3 these need a restart: namespace bank: 1 pod with proxy 1.29.6; namespace shop: 12 pods with proxy 1.29.6; 4 pods more have a proxy whose version is not told"
    );
    assert_eq!(
        finding.hint,
        "when the rollout has succeeded, restart them, for example: kubectl rollout restart deployment,statefulset,daemonset --namespace bank"
    );
    let many = (0..12).map(|number| group(&format!("n{number:02}"), "default", "1.29.6", 2)).collect();
    let found = refereed(&sailed(PlatformName::Eks, "1.30.3", |_| ()), &seen(Vec::new(), many));
    assert!(found[0].message.ends_with("; 4 pods elsewhere"), "{}", found[0].message);
}

#[test]
fn what_runs_changes_no_plan() {
    let facts = seen(
        vec![istiod("istio-system", "default", "1.29.6", "sail-operator")],
        vec![group("shop", "default", "1.29.6", 12)],
    );
    for platform in PlatformName::ALL {
        let bare = Facts { control_planes: Vec::new(), proxies: Vec::new(), ..facts.clone() };
        let digest = |facts: &Facts| {
            plan(&input_of(&sail_wanted("1.30.3"), facts, platform), rule::registry()).unwrap().digest
        };
        assert_eq!(digest(&facts), digest(&bare), "{platform}");
    }
}

#[test]
fn other_istios_are_seen() {
    let injector = |revision: &str| InjectorFacts { name: "x".to_owned(), revision: revision.to_owned() };
    let ours = || istiod("istio-system", "default", "1.30.3", "sail-operator");
    let plain = |control_planes, injectors| Facts { injectors, ..seen(control_planes, Vec::new()) };
    for (case, facts, blocks, warns) in [
        ("none", plain(vec![], vec![]), &[][..], &[][..]),
        ("ours", plain(vec![ours()], vec![injector("default")]), &[], &[]),
        (
            "by istioctl",
            plain(vec![istiod("istio-system", "default", "1.29.6", "")], vec![]),
            &["mesh.former-installer"],
            &[],
        ),
        (
            "by Helm",
            plain(vec![istiod("istio-system", "", "1.29.6", "Helm")], vec![]),
            &["mesh.former-installer"],
            &[],
        ),
        (
            "the same elsewhere",
            plain(vec![istiod("mesh", "default", "1.29.6", "Helm")], vec![]),
            &["mesh.foreign"],
            &[],
        ),
        (
            "another revision",
            plain(vec![ours(), istiod("mesh", "canary", "1.29.6", "Helm")], vec![]),
            &[],
            &["mesh.foreign"],
        ),
        ("an injector alone", plain(vec![], vec![injector("asm-managed")]), &[], &["mesh.foreign"]),
        (
            "the Ingress Operator's",
            plain(
                vec![istiod("openshift-ingress", "openshift-gateway", "1.26.2", "")],
                vec![injector("openshift-gateway")],
            ),
            &[],
            &[],
        ),
    ] {
        let plan = sailed(PlatformName::Eks, "1.30.3", |_| ());
        assert_eq!(blocking(&plan, &facts), blocks, "{case}");
        assert_eq!(warnings(&plan, &facts), warns, "{case}");
    }
    let calisti = plain(vec![istiod("istio-system", "default", "1.30.3", "sail-operator")], vec![]);
    assert_eq!(
        blocking(
            &planned(PlatformName::Eks, |_| ()),
            &Facts { control_planes: calisti.control_planes, ..facts(PlatformName::Eks) }
        ),
        [""; 0]
    );
}

/// The label alone is a leftover; with the controller there are two proxies in a pod.
#[test]
fn two_proxies_in_a_pod_are_seen() {
    let mut facts = sail_facts(PlatformName::Eks);
    let label = ("appmesh.k8s.aws/sidecarInjectorWebhook".to_owned(), "enabled".to_owned());
    facts.namespaces[0].labels.extend([label]);
    let plan = sailed(PlatformName::Eks, "1.30.3", |_| ());
    assert_eq!(warnings(&plan, &facts), [""; 0]);
    let object = "apps/Deployment appmesh-system/appmesh-controller".to_owned();
    facts.settings.push(ObjectSettings { object, values: BTreeMap::new() });
    assert_eq!(warnings(&plan, &facts), ["mesh.foreign"]);
}
