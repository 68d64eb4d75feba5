//! Whole plans: golden documents, digests that do not move, and a referee that misses no missing rule.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;
use crate::{
    config::{
        Adopt, Base, CniPlugin, ConfigVersion, DataPlane, DataPlaneMode, Effective, Installer, InstallerKind,
        Interception, Istio, IstioVersion, Mesh, MeshConfig, NamespaceSelector, SourceMap, UpdateStrategy,
        Values, effective,
    },
    fleet::{Cluster, ClusterId, ClusterVersion, Facts, Infrastructure, NamespaceFacts, NodeGroup, Selector},
    platform::PlatformName,
};

mod article;
mod cells;
mod clouds;
mod cni;
mod comparison;
mod config_use;
mod definitions;
mod gateways;
mod golden;
mod groups;
mod labels;
mod monitoring;
mod properties;
mod proposer;
mod proxies;
mod referee;
mod referee_admission;
mod referee_sail;
mod revisions;
mod rosa;

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn base() -> Base {
    let version = IstioVersion::parse("1.17.8").unwrap();
    Base {
        mesh: Mesh { id: name("payments-mesh"), trust_domain: None },
        network: None,
        istio: Istio {
            version,
            namespace: name("istio-system"),
            update_strategy: UpdateStrategy::InPlace,
            inactive_revision_grace_seconds: None,
        },
        installer: Installer { kind: InstallerKind::Calisti },
        data_plane: DataPlane {
            mode: DataPlaneMode::Sidecar,
            interception: Interception::Redirect,
            cni: CniPlugin::Auto,
            namespaces: NamespaceSelector {
                names: vec![name("shop"), name("bank")],
                ..NamespaceSelector::default()
            },
        },
        monitoring: None,
        gateways: Vec::new(),
        values: Values::default(),
    }
}

pub(super) fn config() -> MeshConfig {
    MeshConfig {
        clusters: Selector { names: vec![name("one")], ..Selector::default() },
        adopt: Adopt::Never,
        base: base().json(),
        layers: Vec::new(),
        overrides: Vec::new(),
    }
}

/// The same mesh by Sail.
pub(super) fn sail_config(version: &str) -> MeshConfig {
    let mut base = base();
    base.installer = Installer { kind: InstallerKind::Sail };
    base.istio.version = IstioVersion::parse(version).unwrap();
    MeshConfig { base: base.json(), ..config() }
}

pub(super) fn version_of(config: MeshConfig) -> ConfigVersion {
    ConfigVersion { name: name("payments"), number: 1, config, source: SourceMap::default() }
}

/// What [`config`] means for [`cluster`].
pub(super) fn wanted() -> Effective {
    effective(&config(), &cluster(Facts::default())).unwrap()
}

/// What [`sail_config`] means for [`cluster`].
pub(super) fn sail_wanted(version: &str) -> Effective {
    effective(&sail_config(version), &cluster(Facts::default())).unwrap()
}

pub(super) fn cluster(facts: Facts) -> Cluster {
    Cluster {
        id: ClusterId(Uuid::from_u128(1)),
        name: name("one"),
        labels: BTreeMap::new(),
        declared: None,
        network: Some(name("east")),
        variables: BTreeMap::new(),
        facts: Some(facts),
        schemas: crate::fleet::Schemas::default(),
    }
}

fn nodes(provider: &str, kubelet_version: &str, labels: &[&str]) -> NodeGroup {
    NodeGroup {
        count: 3,
        provider: provider.to_owned(),
        kubelet_version: kubelet_version.to_owned(),
        os_image: String::new(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        ..NodeGroup::default()
    }
}

fn labelled(namespace: &str) -> NamespaceFacts {
    let labels = BTreeMap::from([
        ("istio.io/rev".to_owned(), "payments.istio-system".to_owned()),
        ("kubernetes.io/metadata.name".to_owned(), namespace.to_owned()),
    ]);
    NamespaceFacts { name: namespace.to_owned(), labels }
}

/// Facts of a sound cluster of a platform, with the operator installed.
pub(super) fn facts(platform: PlatformName) -> Facts {
    let sound = Facts {
        kubernetes_version: "v1.24.6".to_owned(),
        kinds: vec!["servicemesh.cisco.com/IstioControlPlane".to_owned()],
        namespaces: vec![labelled("bank"), labelled("shop")],
        ..Facts::default()
    };
    match platform {
        PlatformName::Rosa | PlatformName::Openshift => {
            openshift_facts(sound, platform == PlatformName::Rosa)
        }
        PlatformName::Gke => Facts {
            nodes: vec![nodes("gce", "v1.24.6-gke.100", &["cloud.google.com/gke-nodepool"])],
            ..sound
        },
        PlatformName::Eks => Facts {
            nodes: vec![nodes("aws", "v1.24.6-eks-3abbec1", &["eks.amazonaws.com/nodegroup"])],
            ..sound
        },
        PlatformName::Aks => {
            Facts { nodes: vec![nodes("azure", "v1.24.6", &["kubernetes.azure.com/cluster"])], ..sound }
        }
        PlatformName::Generic => Facts { nodes: vec![nodes("aws", "v1.24.6", &[])], ..sound },
    }
}

fn openshift_facts(sound: Facts, rosa: bool) -> Facts {
    let kinds = [
        "config.openshift.io/ClusterVersion",
        "config.openshift.io/Infrastructure",
        "k8s.cni.cncf.io/NetworkAttachmentDefinition",
        "operator.openshift.io/OpenShiftAPIServer",
        "security.openshift.io/SecurityContextConstraints",
    ];
    let tags = if rosa { vec![("red-hat-clustertype".to_owned(), "rosa".to_owned())] } else { Vec::new() };
    Facts {
        kinds: kinds.map(str::to_owned).into_iter().chain(sound.kinds).collect(),
        nodes: vec![nodes("aws", "v1.24.6+5658434", &["node.openshift.io/os_id=rhcos"])],
        cluster_version: Some(ClusterVersion {
            current: "4.11.59".to_owned(),
            desired: "4.11.59".to_owned(),
        }),
        infrastructure: Some(Infrastructure {
            platform_type: "AWS".to_owned(),
            control_plane_topology: "HighlyAvailable".to_owned(),
            resource_tags: tags.into_iter().collect(),
        }),
        ..sound
    }
}

/// Facts of a sound cluster of a platform as it is today, with the Sail operator.
pub(super) fn sail_facts(platform: PlatformName) -> Facts {
    let mut facts = facts(platform);
    let kinds = ["Istio", "IstioCNI", "IstioRevision", "IstioRevisionTag", "ZTunnel"];
    facts.kinds.extend(kinds.map(|kind| format!("sailoperator.io/{kind}")));
    facts.kubernetes_version = match platform {
        PlatformName::Gke => "v1.34.3-gke.1",
        _ => "v1.34.3",
    }
    .to_owned();
    for namespace in &mut facts.namespaces {
        namespace.labels.remove("istio.io/rev");
        namespace.labels.insert("istio-injection".to_owned(), "enabled".to_owned());
    }
    if let Some(version) = &mut facts.cluster_version {
        *version = ClusterVersion { current: "4.21.4".to_owned(), desired: "4.21.4".to_owned() };
    }
    if let Some(infrastructure) = &mut facts.infrastructure {
        infrastructure.control_plane_topology = "External".to_owned();
    }
    facts
}

pub(super) fn input_of(config: &Effective, facts: &Facts, platform: PlatformName) -> PlanInput {
    let cluster = cluster(facts.clone());
    PlanInput::new((&name("payments"), config), &cluster, (facts, platform), rule::registry())
}

pub(super) fn input(platform: PlatformName) -> PlanInput {
    input_of(&wanted(), &facts(platform), platform)
}

/// The plan for a sound cluster of a platform, of a config that `change` changed.
pub(super) fn planned(platform: PlatformName, change: impl FnOnce(&mut Effective)) -> Plan {
    let mut config = wanted();
    change(&mut config);
    plan(&input_of(&config, &facts(platform), platform), rule::registry()).unwrap()
}

/// The plan by Sail for a sound cluster of a platform, of a config that `change` changed.
pub(super) fn sailed(platform: PlatformName, version: &str, change: impl FnOnce(&mut Effective)) -> Plan {
    let mut config = sail_wanted(version);
    change(&mut config);
    plan(&input_of(&config, &sail_facts(platform), platform), rule::registry()).unwrap()
}

/// What the referee says of a plan where no schema is known.
pub(super) fn refereed(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    check(plan, facts, check::Definitions::new(facts, &crate::fleet::Schemas::default()))
}

/// The manifest of a kind.
pub(super) fn manifest(plan: &Plan, kind: &str) -> serde_json::Value {
    let document = &plan.document;
    let objects =
        document.phases.iter().flat_map(|phase| &phase.objects).map(|object| (&object.id, object.body));
    let templates = document.templates.iter().map(|template| (&template.id, template.body));
    let (_, body) = objects.chain(templates).find(|(id, _)| id.kind == kind).unwrap();
    serde_json::from_slice(&plan.bodies[&body]).unwrap()
}
