//! Which part of a mesh, or of the monitoring beside it, OpenShift admits under which SecurityContextConstraints, by minor
//! of Istio.
//!
//! The table is whole, also where no installer of today reaches: it says why nothing is bound for a newer Istio.

use super::openshift::Constraint;

/// What runs pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The control plane.
    Istiod,
    /// Gateways of the charts istio-ingress and istio-egress, and those of operators that render them.
    Gateway,
    /// Gateways of Helm's chart `gateway`.
    HelmGateway,
    /// Gateways that istiod makes from a Gateway of Gateway API.
    ApiGateway,
    /// Waypoints of ambient mode.
    Waypoint,
    /// Workloads with a sidecar that rewrites addresses.
    Sidecar,
    /// Workloads with a sidecar that keeps addresses (TPROXY).
    TransparentSidecar,
    /// The CNI plugin on each node.
    Cni,
    /// The proxy on each node in ambient mode.
    Ztunnel,
    /// A node exporter of one's own that adds no capability.
    NodeExporter,
    /// A node exporter that adds capabilities, as that of kube-prometheus adds `SYS_TIME`.
    NodeExporterWithCapabilities,
    /// A Prometheus with user 1000 and group 2000, as that of kube-prometheus.
    Prometheus,
}

/// What it takes to be admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: what everybody may use admits it.
    Nothing,
    /// Its service account must be bound to a constraint.
    Binding(Constraint),
    /// The same, and the installer's chart sees to it.
    ByChart(Constraint),
    /// No constraint of OpenShift's own admits it but privileged, which nobody should give to workloads.
    NoDefault,
}

/// A row: what a component needs from one minor of Istio to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Of which component.
    pub component: Component,
    /// The first minor of Istio 1.
    pub from: u32,
    /// The last one; none if it is the same today.
    pub to: Option<u32>,
    /// What it needs.
    pub need: Need,
    /// Where it can be read, or was seen.
    pub source: &'static str,
}

/// The oldest minor of Istio that the table speaks of.
pub const OLDEST: u32 = 10;

const FIXED_USER: &str = "istio/istio 1.10 to 1.19, manifests/charts: runAsUser 1337 in deployment.yaml and injection-template.yaml";
const OWN_USER: &str =
    "istio/istio 1.20 on, pkg/kube/inject/openshift.go: user and group of the namespace's ranges";
const HELM_GATEWAY: &str =
    "istio/istio, manifests/charts/gateway/templates/deployment.yaml at 1.19, 1.21 and 1.22";
const WAYPOINT: &str = "istio/istio 1.20 to 1.23, waypoint.yaml: user 0, group 1337; 1.24 on without";
const CNI: &str = "istio/istio, manifests/charts/istio-cni/templates: directories of the node as root; clusterrole.yaml from 1.22 on";
const ZTUNNEL: &str = "istio/istio 1.22 on, manifests/charts/ztunnel/templates/rbac.yaml";
const TRANSPARENT: &str = "seen on an OpenShift API server: root with NET_ADMIN is refused by every default constraint but privileged, nonroot-v2 too";
const NODE_EXPORTER: &str = "seen on an OpenShift API server: host network, process ids and paths fit node-exporter; hostnetwork has no host paths";
const NODE_EXPORTER_CAPABILITIES: &str =
    "seen on an OpenShift API server: the pod of kube-prometheus adds SYS_TIME, which node-exporter refuses";
const PROMETHEUS: &str = "openshift/cluster-monitoring-operator, assets: nonroot-v2 for user-workload Prometheus; kube-prometheus: user 1000, group 2000";

const fn row(component: Component, (from, to): (u32, Option<u32>), need: Need, source: &'static str) -> Row {
    Row { component, from, to, need, source }
}

const NONROOT: Need = Need::Binding(Constraint::Nonroot);
const PRIVILEGED: Need = Need::Binding(Constraint::Privileged);

/// All rows, by component, the oldest Istio first.
pub const ROWS: [Row; 19] = [
    row(Component::Istiod, (OLDEST, Some(19)), NONROOT, FIXED_USER),
    row(Component::Istiod, (20, None), Need::Nothing, OWN_USER),
    row(Component::Gateway, (OLDEST, Some(19)), NONROOT, FIXED_USER),
    row(Component::Gateway, (20, None), Need::Nothing, OWN_USER),
    row(Component::HelmGateway, (OLDEST, Some(21)), NONROOT, HELM_GATEWAY),
    row(Component::HelmGateway, (22, None), Need::Nothing, HELM_GATEWAY),
    row(Component::ApiGateway, (OLDEST, Some(19)), NONROOT, FIXED_USER),
    row(Component::ApiGateway, (20, None), Need::Nothing, OWN_USER),
    row(Component::Waypoint, (OLDEST, Some(19)), NONROOT, FIXED_USER),
    row(Component::Waypoint, (20, Some(23)), Need::Binding(Constraint::Anyuid), WAYPOINT),
    row(Component::Waypoint, (24, None), Need::Nothing, WAYPOINT),
    row(Component::Sidecar, (OLDEST, Some(19)), NONROOT, FIXED_USER),
    row(Component::Sidecar, (20, None), Need::Nothing, OWN_USER),
    row(Component::TransparentSidecar, (OLDEST, None), Need::NoDefault, TRANSPARENT),
    row(Component::Cni, (OLDEST, Some(21)), PRIVILEGED, CNI),
    row(Component::Cni, (22, None), Need::ByChart(Constraint::Privileged), CNI),
    row(Component::Ztunnel, (22, None), Need::ByChart(Constraint::Privileged), ZTUNNEL),
    row(Component::NodeExporter, (OLDEST, None), Need::Binding(Constraint::NodeExporter), NODE_EXPORTER),
    row(Component::NodeExporterWithCapabilities, (OLDEST, None), PRIVILEGED, NODE_EXPORTER_CAPABILITIES),
];

/// What Prometheus needs, whatever the Istio.
pub const OF_PROMETHEUS: Row = row(Component::Prometheus, (OLDEST, None), NONROOT, PROMETHEUS);

/// Namespaces whose pods no constraint judges: nothing need be bound there, and pods carry no annotation that names the
/// constraint that admitted them. Those with run-level 0 or 1 are not judged either.
///
/// Seen on an OpenShift API server; other namespaces of the platform are judged.
pub const NOT_JUDGED: [&str; 6] =
    ["default", "kube-public", "kube-system", "openshift", "openshift-infra", "openshift-node"];

/// The row of a component for a minor of Istio 1; none where there is no such component yet.
#[must_use]
pub fn row_of(component: Component, istio_minor: u32) -> Option<&'static Row> {
    static PROMETHEUS_ROW: Row = OF_PROMETHEUS;
    static ALL: [Row; 19] = ROWS;
    let minor = istio_minor.max(OLDEST);
    let mut rows = ALL.iter().chain([&PROMETHEUS_ROW]);
    rows.find(|row| row.component == component && row.from <= minor && row.to.is_none_or(|to| minor <= to))
}

/// The constraint that a plan must bind a component to: none where nothing is needed, the chart sees to it, or no default
/// constraint would do.
#[must_use]
pub fn to_bind(component: Component, istio_minor: u32) -> Option<Constraint> {
    match row_of(component, istio_minor)?.need {
        Need::Binding(constraint) => Some(constraint),
        Need::Nothing | Need::ByChart(_) | Need::NoDefault => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by hand from the published charts, minor by minor: 1.10 to 1.19, 1.20 and 1.21, 1.22 and 1.23, 1.24 on.
    const BY_HAND: [(Component, [&str; 4]); 12] = [
        (Component::Istiod, ["bind nonroot-v2", "-", "-", "-"]),
        (Component::Gateway, ["bind nonroot-v2", "-", "-", "-"]),
        (Component::HelmGateway, ["bind nonroot-v2", "bind nonroot-v2", "-", "-"]),
        (Component::ApiGateway, ["bind nonroot-v2", "-", "-", "-"]),
        (Component::Waypoint, ["bind nonroot-v2", "bind anyuid", "bind anyuid", "-"]),
        (Component::Sidecar, ["bind nonroot-v2", "-", "-", "-"]),
        (Component::TransparentSidecar, ["no default", "no default", "no default", "no default"]),
        (Component::Cni, ["bind privileged", "bind privileged", "chart privileged", "chart privileged"]),
        (Component::Ztunnel, ["absent", "absent", "chart privileged", "chart privileged"]),
        (
            Component::NodeExporter,
            ["bind node-exporter", "bind node-exporter", "bind node-exporter", "bind node-exporter"],
        ),
        (
            Component::NodeExporterWithCapabilities,
            ["bind privileged", "bind privileged", "bind privileged", "bind privileged"],
        ),
        (Component::Prometheus, ["bind nonroot-v2", "bind nonroot-v2", "bind nonroot-v2", "bind nonroot-v2"]),
    ];

    #[test]
    fn who_needs_what_is_as_the_charts_say_for_every_minor() {
        for (component, spans) in BY_HAND {
            for minor in 10..=31 {
                let span = match minor {
                    10..=19 => 0,
                    20 | 21 => 1,
                    22 | 23 => 2,
                    _ => 3,
                };
                let said = match row_of(component, minor).map(|row| row.need) {
                    None => "absent".to_owned(),
                    Some(Need::Nothing) => "-".to_owned(),
                    Some(Need::Binding(constraint)) => format!("bind {}", constraint.name_in(None)),
                    Some(Need::ByChart(constraint)) => format!("chart {}", constraint.name_in(None)),
                    Some(Need::NoDefault) => "no default".to_owned(),
                };
                assert_eq!(said, spans[span], "{component:?} 1.{minor}");
            }
        }
    }

    #[test]
    fn no_minor_has_two_rows_and_every_row_says_whence() {
        for minor in 10..=31 {
            for (component, _) in BY_HAND {
                let holds = |row: &&Row| {
                    row.component == component && row.from <= minor && row.to.is_none_or(|to| minor <= to)
                };
                assert!(ROWS.iter().filter(holds).count() <= 1, "{component:?} 1.{minor}");
            }
        }
        assert!(ROWS.iter().chain([&OF_PROMETHEUS]).all(|row| row.source.len() > 30));
    }
}
