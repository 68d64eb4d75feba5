//! Every cell of provider, topology, version of the platform, installer, Istio and interception: what must come out, or
//! why nothing may. Written from the documentation of Istio, OpenShift and the operators; nothing here asks the catalogue
//! or a rule.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

/// Where a cluster stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ground {
    platform: PlatformName,
    /// Of OpenShift, as people say it.
    openshift: Option<&'static str>,
    /// `External` is a hosted control plane.
    topology: &'static str,
    /// Minor of Kubernetes.
    kubernetes: u32,
}

const fn cloud(platform: PlatformName, kubernetes: u32) -> Ground {
    Ground { platform, openshift: None, topology: "", kubernetes }
}

const fn openshift(
    platform: PlatformName,
    version: &'static str,
    topology: &'static str,
    kubernetes: u32,
) -> Ground {
    Ground { platform, openshift: Some(version), topology, kubernetes }
}

const GROUNDS: [Ground; 17] = [
    cloud(PlatformName::Gke, 24),
    cloud(PlatformName::Gke, 34),
    cloud(PlatformName::Eks, 23),
    cloud(PlatformName::Eks, 34),
    cloud(PlatformName::Eks, 36),
    cloud(PlatformName::Aks, 25),
    cloud(PlatformName::Aks, 35),
    cloud(PlatformName::Generic, 22),
    cloud(PlatformName::Generic, 33),
    openshift(PlatformName::Rosa, "4.10.67", "HighlyAvailable", 23),
    openshift(PlatformName::Rosa, "4.11.59", "HighlyAvailable", 24),
    openshift(PlatformName::Rosa, "4.12.30", "External", 25),
    openshift(PlatformName::Rosa, "4.18.3", "HighlyAvailable", 31),
    openshift(PlatformName::Rosa, "4.20.5", "External", 33),
    openshift(PlatformName::Openshift, "4.19.1", "HighlyAvailable", 32),
    openshift(PlatformName::Openshift, "4.22.0", "SingleReplica", 35),
    openshift(PlatformName::Openshift, "5.0.1", "HighlyAvailable", 36),
];

/// Which Kubernetes an Istio was released for, by minors: istio.io, supported releases.
const RELEASED_FOR: [(u32, u32, u32); 18] = [
    (13, 20, 23),
    (14, 21, 24),
    (15, 22, 25),
    (16, 22, 25),
    (17, 23, 26),
    (18, 24, 27),
    (19, 25, 28),
    (20, 25, 29),
    (21, 26, 29),
    (22, 27, 30),
    (23, 27, 30),
    (24, 28, 31),
    (25, 29, 32),
    (26, 29, 33),
    (27, 29, 33),
    (28, 30, 34),
    (29, 31, 35),
    (30, 32, 36),
];

/// Versions with the installers that install them.
const VERSIONS: [(&str, &[InstallerKind]); 17] = [
    ("1.10.6", &[]),
    ("1.12.9", &[]),
    ("1.13.9", &[InstallerKind::Calisti]),
    ("1.14.6", &[]),
    ("1.15.7", &[InstallerKind::Calisti]),
    ("1.16.7", &[InstallerKind::Calisti]),
    ("1.17.8", &[InstallerKind::Calisti]),
    ("1.18.7", &[]),
    ("1.20.8", &[]),
    ("1.22.8", &[]),
    ("1.24.6", &[]),
    ("1.28.10", &[]),
    ("1.29.0", &[InstallerKind::Sail]),
    ("1.29.6", &[InstallerKind::Sail]),
    ("1.30.3", &[InstallerKind::Sail]),
    ("1.30.4", &[]),
    ("1.31.0", &[]),
];

struct Cell {
    ground: Ground,
    installer: InstallerKind,
    version: IstioVersion,
    interception: Interception,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ground, installer, version, interception } = self;
        write!(f, "{} {version} by {installer:?}, {interception:?}", ground.platform)?;
        write!(
            f,
            " on {} {}, Kubernetes 1.{}",
            ground.openshift.unwrap_or_default(),
            ground.topology,
            ground.kubernetes
        )
    }
}

fn cells() -> impl Iterator<Item = (Cell, bool)> {
    let installers = [InstallerKind::Sail, InstallerKind::Calisti];
    let interceptions = [Interception::Redirect, Interception::TProxy];
    GROUNDS.into_iter().flat_map(move |ground| {
        VERSIONS.into_iter().flat_map(move |(version, by)| {
            installers.into_iter().flat_map(move |installer| {
                interceptions.into_iter().map(move |interception| {
                    let version = IstioVersion::parse(version).unwrap();
                    (Cell { ground, installer, version, interception }, by.contains(&installer))
                })
            })
        })
    })
}

fn facts_of(ground: Ground) -> Facts {
    let mut facts = sail_facts(ground.platform);
    facts.kubernetes_version = format!("v1.{}.4", ground.kubernetes);
    if ground.platform == PlatformName::Gke {
        facts.kubernetes_version.push_str("-gke.1");
    }
    if let (Some(version), Some(known)) = (ground.openshift, &mut facts.cluster_version) {
        *known = ClusterVersion { current: version.to_owned(), desired: version.to_owned() };
    }
    if let Some(infrastructure) = &mut facts.infrastructure {
        ground.topology.clone_into(&mut infrastructure.control_plane_topology);
    }
    for namespace in &mut facts.namespaces {
        namespace.labels.insert("istio.io/rev".to_owned(), "payments.istio-system".to_owned());
    }
    facts
}

fn proposed(cell: &Cell) -> Proposal {
    let mut base = base();
    base.installer = Installer { kind: cell.installer };
    base.istio.version = cell.version;
    base.data_plane.interception = cell.interception;
    let mut facts = facts_of(cell.ground);
    if cell.installer == InstallerKind::Sail {
        for namespace in &mut facts.namespaces {
            namespace.labels.remove("istio.io/rev");
        }
    }
    let config = MeshConfig { base: base.json(), ..config() };
    let cluster = Cluster { declared: Some(cell.ground.platform), ..cluster(facts) };
    propose(&version_of(config), &cluster).unwrap()
}

fn refusals(cell: &Cell, installed: bool) -> BTreeSet<&'static str> {
    let mut refusals = BTreeSet::new();
    if !installed {
        refusals.insert(match cell.installer {
            InstallerKind::Sail => "sail.version",
            InstallerKind::Calisti => "calisti.version",
        });
    }
    let released = RELEASED_FOR.iter().find(|(minor, ..)| *minor == cell.version.minor);
    if released.is_some_and(|(_, from, to)| !(*from..=*to).contains(&cell.ground.kubernetes)) {
        refusals.insert("istio.kubernetes");
    }
    // A proxy that is root with NET_ADMIN is let in by the constraint privileged alone.
    if cell.interception == Interception::TProxy && cell.ground.openshift.is_some() {
        refusals.insert("openshift.tproxy");
    }
    refusals
}

#[test]
fn every_cell_is_refused_for_its_reasons_or_not_at_all() {
    let (mut good, mut refused) = (0, 0);
    for (cell, installed) in cells() {
        let proposal = proposed(&cell);
        let blocking = proposal.findings.iter().filter(|finding| finding.severity == Severity::Blocks);
        let found: BTreeSet<&str> = blocking.clone().map(|finding| finding.rule.as_str()).collect();
        let expected = refusals(&cell, installed);
        assert_eq!(found, expected, "{cell}: {:#?}", proposal.findings);
        assert!(blocking.clone().all(|finding| !finding.hint.is_empty()), "{cell}");
        if expected.is_empty() { good += 1 } else { refused += 1 }
    }
    assert_eq!((good, refused), (74, 1082));
}

/// Everything that a plan writes: id and value.
fn written(plan: &Plan) -> Vec<(ObjectId, Value)> {
    let document = &plan.document;
    let objects =
        document.phases.iter().flat_map(|phase| &phase.objects).map(|object| (&object.id, object.body));
    let additions = document.additions.iter().map(|addition| (&addition.id, addition.body));
    let templates = document.templates.iter().map(|template| (&template.id, template.body));
    let all = objects.chain(additions).chain(templates);
    all.map(|(id, body)| (id.clone(), serde_json::from_slice(&plan.bodies[&body]).unwrap())).collect()
}

fn of_kind<'a>(written: &'a [(ObjectId, Value)], kind: &str) -> Vec<&'a (ObjectId, Value)> {
    written.iter().filter(|(id, _)| id.kind == kind).collect()
}

#[test]
fn every_good_cell_has_what_its_platform_needs_and_nothing_of_another() {
    for (cell, installed) in cells().filter(|(cell, installed)| refusals(cell, *installed).is_empty()) {
        assert!(installed);
        let proposal = proposed(&cell);
        let plan = proposal.plan.as_ref().unwrap();
        let all = written(plan);
        let text = serde_json::to_string(&all.iter().map(|(_, value)| value).collect::<Vec<_>>()).unwrap();
        let on_openshift = cell.ground.openshift.is_some();
        if !on_openshift {
            for word in ["openshift", "multus", "k8s.cni.cncf.io", "/var/lib/cni/bin"] {
                assert!(!text.contains(word), "{cell} writes {word}");
            }
        }
        assert_eq!(
            text.contains("admissions.enforcer/disabled"),
            cell.ground.platform == PlatformName::Aks && cell.installer == InstallerKind::Sail,
            "{cell}"
        );
        match cell.installer {
            InstallerKind::Sail => sail_cell(&cell, &all),
            InstallerKind::Calisti => calisti_cell(&cell, &all),
        }
    }
}

fn sail_cell(cell: &Cell, all: &[(ObjectId, Value)]) {
    let [(_, istio)] = of_kind(all, "Istio")[..] else { panic!("{cell}: one Istio") };
    assert_eq!(istio["spec"]["version"], format!("v{}", cell.version), "{cell}");
    // The only platform that has to be named; a name that the charts do not know fails them, as does an empty one.
    let platform = &istio["spec"]["values"]["global"]["platform"];
    let expected = if cell.ground.platform == PlatformName::Gke { json!("gke") } else { Value::Null };
    assert_eq!(*platform, expected, "{cell}");
    // OpenShift's pods may not change their own network rules.
    let cni = of_kind(all, "IstioCNI");
    assert_eq!(cni.len(), usize::from(cell.ground.openshift.is_some()), "{cell}");
    assert!(
        cni.iter()
            .all(|(id, value)| id.name == "default" && value["spec"]["version"] == istio["spec"]["version"]),
        "{cell}"
    );
    // The chart makes the attachment definition and the right to the constraint; ours beforehand would block it.
    for kind in ["NetworkAttachmentDefinition", "RoleBinding", "ClusterRole"] {
        assert!(of_kind(all, kind).is_empty(), "{cell}: {kind}");
    }
}

fn calisti_cell(cell: &Cell, all: &[(ObjectId, Value)]) {
    let [(_, control_plane)] = of_kind(all, "IstioControlPlane")[..] else {
        panic!("{cell}: one control plane")
    };
    let spec = &control_plane["spec"];
    assert_eq!(spec["mode"], "ACTIVE", "{cell}");
    assert_eq!(spec["containerImageConfiguration"]["tag"], cell.version.to_string(), "{cell}");
    let cni = &spec["proxyInit"]["cni"];
    let bindings = of_kind(all, "RoleBinding");
    let attachments = of_kind(all, "NetworkAttachmentDefinition");
    if cell.ground.openshift.is_none() {
        assert_eq!(*cni, Value::Null, "{cell}");
        assert!(bindings.is_empty() && attachments.is_empty(), "{cell}");
        return;
    }
    for (key, value) in [
        ("enabled", json!(true)),
        ("chained", json!(false)),
        ("binDir", json!("/var/lib/cni/bin")),
        ("confDir", json!("/etc/cni/multus/net.d")),
        ("confFileName", json!("istio-cni.conf")),
    ] {
        assert_eq!(cni[key], value, "{cell}: {key}");
    }
    assert_eq!(cni["daemonset"]["securityContext"]["privileged"], true, "{cell}");
    // The operator loses that field from its releases for 1.16 on.
    assert_eq!(spec["k8sResourceOverlays"].is_array(), cell.version.minor >= 16, "{cell}");
    // One in each injected namespace, named as the injector names it.
    assert!(
        matches!(attachments[..], [(id, value)] if id.name == "istio-cni" && id.namespace.is_empty() && value["spec"] == json!({})),
        "{cell}"
    );
    let nonroot = if cell.ground.openshift == Some("4.10.67") { "nonroot" } else { "nonroot-v2" };
    let mut roles: Vec<&str> =
        bindings.iter().filter_map(|(_, value)| value["roleRef"]["name"].as_str()).collect();
    roles.sort_unstable();
    let nonroot = format!("system:openshift:scc:{nonroot}");
    // istiod, its gateway and the sidecars; and the CNI plugin.
    assert_eq!(roles, [&nonroot, &nonroot, &nonroot, "system:openshift:scc:privileged"], "{cell}");
}
