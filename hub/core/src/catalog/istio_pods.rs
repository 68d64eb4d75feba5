//! The pods of Istio on OpenShift, in what decides about their admission, by minor of Istio.
//!
//! Of each pod only users, groups, capabilities and volumes are kept: images, arguments and limits decide nothing.

use hub_admission::{
    Namespace, Pod,
    context::{Capabilities, PodSecurityContext, SecurityContext},
    injection::Injection,
    namespace::UID_RANGE,
    pod::{Container, PodSpec},
    range,
    volume::{Source, Volume},
};

/// Where the pods are described, for people.
pub const SOURCE: &str = "istio/istio by tag, manifests/charts: istio-control/istio-discovery (deployment.yaml, injection-template.yaml), istio-cni (daemonset.yaml), gateway; pkg/kube/inject";

/// The user and group of every Istio pod before [`NAMESPACE_USERS_FROM`].
const ISTIO: i64 = 1337;

/// The first minor that takes users from the namespace's range on OpenShift.
///
/// Source: istio/istio `releasenotes/notes`, `remove-anyuid-openshift`.
pub const NAMESPACE_USERS_FROM: u32 = 20;

/// The first minor whose CNI plugin asks for single capabilities in place of everything.
///
/// Source: istio/istio `manifests/charts/istio-cni`.
const CNI_CAPABILITIES_FROM: u32 = 24;

/// Who sends a pod's traffic through its sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirection {
    /// The CNI plugin; an init container only looks whether it did.
    Plugin,
    /// An init container of the pod, as root.
    InitContainer,
}

/// How traffic gets to a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Rewritten: the sidecar needs no right.
    Redirect,
    /// Handed over: the sidecar is root and changes the network.
    TProxy,
}

/// istiod.
#[must_use]
pub fn istiod(minor: u32) -> Pod {
    server("discovery", minor)
}

/// A gateway that the installer makes.
#[must_use]
pub fn gateway(minor: u32) -> Pod {
    server("istio-proxy", minor)
}

/// The CNI plugin on a node.
#[must_use]
pub fn cni_node(minor: u32) -> Pod {
    let add: &[&str] = &["NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_ADMIN", "DAC_OVERRIDE"];
    let single = minor >= CNI_CAPABILITIES_FROM;
    let context = SecurityContext {
        privileged: Some(!single),
        capabilities: single.then(|| capabilities(add)),
        run_as_user: Some(0),
        run_as_group: Some(0),
        run_as_non_root: Some(false),
        ..SecurityContext::default()
    };
    pod(vec![container("install-cni", context)], None, &["hostPath"])
}

/// A workload that asks for nothing: whatever is refused of it, its sidecar is the reason.
#[must_use]
pub fn plain_workload() -> Pod {
    pod(vec![container("app", SecurityContext::default())], None, &["emptyDir"])
}

/// What the injector adds to a pod of `namespace`.
#[must_use]
pub fn sidecar(minor: u32, redirection: Redirection, mode: Mode, namespace: &Namespace) -> Injection {
    let user = proxy_user(minor, namespace);
    let proxy = match mode {
        Mode::Redirect => confined(user),
        Mode::TProxy => SecurityContext {
            run_as_user: Some(0),
            run_as_non_root: Some(false),
            capabilities: Some(capabilities(&["NET_ADMIN"])),
            ..confined(user)
        },
    };
    let init = match redirection {
        Redirection::Plugin => container("istio-validation", confined(user)),
        Redirection::InitContainer => container("istio-init", root_of_network(user)),
    };
    Injection {
        init: vec![init],
        containers: vec![container("istio-proxy", proxy)],
        volumes: volumes(&["emptyDir", "downwardAPI", "projected", "configMap"], "istio"),
        ..Injection::default()
    }
}

/// The last user of the namespace's range; before that came, and without a range, Istio's own.
fn proxy_user(minor: u32, namespace: &Namespace) -> i64 {
    let range = namespace.annotations.get(UID_RANGE).and_then(|text| range::block(text).ok());
    range.filter(|_| minor >= NAMESPACE_USERS_FROM).map_or(ISTIO, |range| range.max)
}

/// A pod with one container that serves: with Istio's user and group before those came from the namespace.
fn server(name: &str, minor: u32) -> Pod {
    let fixed = (minor < NAMESPACE_USERS_FROM).then_some(ISTIO);
    let context = SecurityContext { run_as_user: fixed, run_as_group: fixed, ..confined(ISTIO) };
    pod(vec![container(name, context)], fixed, &["emptyDir", "projected", "secret", "configMap"])
}

fn confined(user: i64) -> SecurityContext {
    SecurityContext {
        privileged: Some(false),
        allow_privilege_escalation: Some(false),
        capabilities: Some(capabilities(&[])),
        read_only_root_filesystem: Some(true),
        run_as_user: Some(user),
        run_as_group: Some(user),
        run_as_non_root: Some(true),
        ..SecurityContext::default()
    }
}

fn root_of_network(user: i64) -> SecurityContext {
    SecurityContext {
        capabilities: Some(capabilities(&["NET_ADMIN", "NET_RAW"])),
        read_only_root_filesystem: Some(false),
        run_as_user: Some(0),
        run_as_group: Some(0),
        run_as_non_root: Some(false),
        ..confined(user)
    }
}

/// All given up but these.
fn capabilities(add: &[&str]) -> Capabilities {
    let add = add.iter().map(|name| (*name).into()).collect();
    Capabilities { add, drop: vec!["ALL".into()] }
}

fn container(name: &str, security_context: SecurityContext) -> Container {
    Container { name: name.to_owned(), security_context, ..Container::default() }
}

fn volumes(kinds: &[&'static str], prefix: &str) -> Vec<Volume> {
    let volume = |kind: &&'static str| {
        let source = match *kind {
            "projected" => Source::Projected { like_token: false },
            other => Source::Other(other),
        };
        Volume { name: format!("{prefix}-{}", kind.to_lowercase()), source, kinds: 1 }
    };
    kinds.iter().map(volume).collect()
}

fn pod(containers: Vec<Container>, fs_group: Option<i64>, kinds: &[&'static str]) -> Pod {
    let security_context = PodSecurityContext { fs_group, ..PodSecurityContext::default() };
    let spec = PodSpec { containers, security_context, volumes: volumes(kinds, "own"), ..PodSpec::default() };
    Pod { spec, ..Pod::default() }
}
