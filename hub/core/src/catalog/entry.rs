//! The whole catalogue in one form: a version of a product, what it goes with, and until when it is supported.

use std::fmt;

use jiff::civil::Date;

use super::{
    MinorVersion, calico, calisti, istio, kube_prometheus, kubernetes, openshift, sail, service_mesh,
};

/// Whose versions the catalogue knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Product {
    /// Istio.
    Istio,
    /// The Sail operator.
    Sail,
    /// OpenShift Service Mesh.
    ServiceMesh,
    /// Calisti's Istio operator.
    Calisti,
    /// OpenShift, also as a service.
    OpenShift,
    /// Kubernetes, also by providers.
    Kubernetes,
    /// Calico.
    Calico,
    /// kube-prometheus.
    KubePrometheus,
}

/// A word that names no product.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no product of the catalogue: it has {known}", known = Product::words())]
pub struct UnknownProduct(String);

impl Product {
    /// All of them, in the order in which people are shown them.
    pub const ALL: [Self; 8] = [
        Self::Istio,
        Self::Sail,
        Self::ServiceMesh,
        Self::Calisti,
        Self::OpenShift,
        Self::Kubernetes,
        Self::Calico,
        Self::KubePrometheus,
    ];

    /// The word by which it is asked for.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Istio => "istio",
            Self::Sail => "sail",
            Self::ServiceMesh => "service-mesh",
            Self::Calisti => "calisti",
            Self::OpenShift => "openshift",
            Self::Kubernetes => "kubernetes",
            Self::Calico => "calico",
            Self::KubePrometheus => "kube-prometheus",
        }
    }

    /// The product of a word.
    pub fn parse(word: &str) -> Result<Self, UnknownProduct> {
        let found = Self::ALL.into_iter().find(|product| product.word() == word);
        found.ok_or_else(|| UnknownProduct(word.chars().take(80).collect()))
    }

    fn words() -> String {
        Self::ALL.map(Self::word).join(", ")
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Istio => "Istio",
            Self::Sail => "Sail operator",
            Self::ServiceMesh => "OpenShift Service Mesh",
            Self::Calisti => "Calisti's operator",
            Self::OpenShift => "OpenShift",
            Self::Kubernetes => "Kubernetes",
            Self::Calico => "Calico",
            Self::KubePrometheus => "kube-prometheus",
        })
    }
}

/// Versions of another product that a version goes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// Which product.
    pub product: Product,
    /// Its versions, in words: `1.32 to 1.36`, `1.24.6, 1.26`.
    pub versions: String,
}

/// A version of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The product.
    pub product: Product,
    /// The version, as it is asked for: `1.30`, `v2.17`, `4.20`.
    pub version: String,
    /// What it goes with.
    pub goes_with: Vec<Pairing>,
    /// The last day of support; none where nobody has said, or where providers say each their own.
    pub ends: Option<Date>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// What is otherwise from this version on, with where it can be read.
    pub changes: Vec<(&'static str, &'static str)>,
    /// Where the row stands.
    pub source: &'static str,
}

/// Every version of every product, by product, the newest first.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let tables: [Vec<Entry>; 8] = [
        istio::MINORS.iter().map(of_istio).collect(),
        vec![of_sail()],
        service_mesh::RELEASES.iter().map(of_service_mesh).collect(),
        of_calisti(),
        openshift::MINORS.iter().map(of_openshift).collect(),
        kubernetes::MINORS.iter().map(of_kubernetes).collect(),
        calico::MINORS.iter().map(of_calico).collect(),
        kube_prometheus::RELEASES.iter().map(of_kube_prometheus).collect(),
    ];
    tables.into_iter().flat_map(|table| table.into_iter().rev()).collect()
}

fn entry(product: Product, version: String, source: &'static str) -> Entry {
    Entry { product, version, goes_with: vec![], ends: None, notes: vec![], changes: vec![], source }
}

fn range(product: Product, (from, to): (MinorVersion, MinorVersion)) -> Pairing {
    let versions = if from == to { from.to_string() } else { format!("{from} to {to}") };
    Pairing { product, versions }
}

fn of_istio(minor: &istio::Minor) -> Entry {
    let kubernetes = (minor.kubernetes_from, minor.kubernetes_to);
    let hosts = openshift::MINORS.iter().filter(|host| minor.runs_on(host.kubernetes));
    let hosts: Vec<MinorVersion> = hosts.map(|host| host.version).collect();
    let openshift = hosts.first().zip(hosts.last()).map(|(from, to)| range(Product::OpenShift, (*from, *to)));
    let changes = istio::CHANGES.iter().filter(|change| change.from == minor.minor);
    Entry {
        goes_with: [range(Product::Kubernetes, kubernetes)].into_iter().chain(openshift).collect(),
        ends: Some(minor.end_of_life),
        changes: changes.map(|change| (change.what, change.source)).collect(),
        ..entry(Product::Istio, format!("1.{}", minor.minor), istio::SOURCE)
    }
}

fn of_sail() -> Entry {
    let versions =
        sail::installable_minors().iter().map(|(minor, newest)| format!("1.{minor}.0 to 1.{minor}.{newest}"));
    Entry {
        goes_with: vec![Pairing {
            product: Product::Istio,
            versions: versions.collect::<Vec<_>>().join(", "),
        }],
        notes: vec![
            "older versions that its definition still names are taken and not installed".to_owned(),
            "in a cluster, the versions that its installed definition names have the last word".to_owned(),
        ],
        ..entry(Product::Sail, sail::NEWEST.to_owned(), sail::SOURCE)
    }
}

fn of_service_mesh(release: &service_mesh::Release) -> Entry {
    let version = |(minor, patch): &(u32, Option<u32>)| match patch {
        Some(patch) => format!("1.{minor}.{patch}"),
        None => format!("1.{minor}"),
    };
    let istio = release.istio.iter().map(version).collect::<Vec<_>>().join(", ");
    let openshift = release
        .openshift_from
        .map(|from| Pairing { product: Product::OpenShift, versions: format!("{from} and newer") });
    let unsaid = release.openshift_from.is_none().then(|| "no page names the OpenShift it is for".to_owned());
    let istio = Pairing { product: Product::Istio, versions: istio };
    Entry {
        goes_with: [istio].into_iter().chain(openshift).collect(),
        notes: [format!("newest patch {}", release.newest)].into_iter().chain(unsaid).collect(),
        ..entry(Product::ServiceMesh, release.version.to_string(), service_mesh::SOURCE)
    }
}

fn of_calisti() -> Vec<Entry> {
    let (calisti, host) = calisti::DOCUMENTED;
    let documented = openshift::find(host);
    let documented = Entry {
        goes_with: vec![Pairing { product: Product::OpenShift, versions: format!("{host}, as ROSA") }],
        ends: documented.map(|minor| minor.end_of_life),
        notes: vec![
            "the one pairing that Calisti's documentation names; it never named a later one".to_owned(),
        ],
        ..entry(Product::Calisti, calisti.to_string(), calisti::DOCUMENTED_SOURCE)
    };
    let operators = calisti::RELEASES.iter().map(|release| {
        let minor = istio::find(release.istio_minor);
        let privileged = (!release.honours_privileged).then(|| {
            "proxyInit.cni.daemonset.securityContext.privileged does not reach the DaemonSet".to_owned()
        });
        let gone = "no release followed v2.17, and none takes a newer Istio".to_owned();
        Entry {
            goes_with: vec![Pairing {
                product: Product::Istio,
                versions: format!("1.{}", release.istio_minor),
            }],
            ends: minor.map(|minor| minor.end_of_life),
            notes: privileged.into_iter().chain([gone]).collect(),
            ..entry(Product::Calisti, release.operator.to_owned(), calisti::SOURCE)
        }
    });
    [documented].into_iter().chain(operators).collect()
}

fn of_openshift(minor: &openshift::Minor) -> Entry {
    let extended = minor.extended_end.map(|end| format!("extended update support until {end}"));
    let kubernetes = Pairing { product: Product::Kubernetes, versions: minor.kubernetes.to_string() };
    Entry {
        goes_with: vec![kubernetes],
        ends: minor.end_of_life.into(),
        notes: extended.into_iter().collect(),
        changes: openshift::CHANGES
            .iter()
            .filter(|change| change.from == minor.version)
            .map(|change| (change.what, change.source))
            .collect(),
        ..entry(Product::OpenShift, minor.version.to_string(), openshift::SOURCE)
    }
}

fn of_kubernetes(minor: &kubernetes::Minor) -> Entry {
    let ends = [("on GKE", minor.gke), ("on EKS", minor.eks), ("on AKS", minor.aks)];
    let istio: Vec<u32> =
        istio::MINORS.iter().filter(|known| known.runs_on(minor.version)).map(|known| known.minor).collect();
    let istio = istio
        .first()
        .zip(istio.last())
        .map(|(from, to)| range(Product::Istio, (MinorVersion::new(1, *from), MinorVersion::new(1, *to))));
    Entry {
        goes_with: istio.into_iter().collect(),
        ends: minor.upstream,
        notes: ends.into_iter().filter_map(|(place, end)| Some(format!("{place} until {}", end?))).collect(),
        ..entry(Product::Kubernetes, minor.version.to_string(), kubernetes::SOURCE)
    }
}

fn of_calico(minor: &calico::Minor) -> Entry {
    let openshift = minor.openshift.map(|openshift| range(Product::OpenShift, openshift));
    Entry {
        goes_with: [range(Product::Kubernetes, minor.kubernetes)].into_iter().chain(openshift).collect(),
        ends: minor.end_of_life,
        notes: minor
            .operator
            .map(|operator| format!("installed by Tigera's operator {operator}"))
            .into_iter()
            .collect(),
        ..entry(Product::Calico, minor.version.to_string(), calico::SOURCE)
    }
}

fn of_kube_prometheus(release: &kube_prometheus::Release) -> Entry {
    Entry {
        goes_with: vec![range(Product::Kubernetes, release.kubernetes)],
        ..entry(Product::KubePrometheus, release.version.to_string(), kube_prometheus::SOURCE)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_product_has_entries_and_each_version_stands_once() {
        let all = entries();
        let keys: BTreeSet<(Product, &str)> =
            all.iter().map(|entry| (entry.product, entry.version.as_str())).collect();
        assert_eq!(keys.len(), all.len());
        for product in Product::ALL {
            assert!(all.iter().any(|entry| entry.product == product), "{product}");
            assert_eq!(Product::parse(product.word()), Ok(product));
        }
        assert!(all.iter().all(|entry| !entry.source.is_empty() && !entry.version.is_empty()));
    }

    /// Written down from the published matrices, not from the tables.
    #[test]
    fn what_goes_with_what_is_as_published() {
        let all = entries();
        let of = |product, version: &str| {
            let entry =
                all.iter().find(|entry| (entry.product, entry.version.as_str()) == (product, version));
            let entry = entry.unwrap_or_else(|| panic!("{product} {version}"));
            let pairs = entry.goes_with.iter().map(|pair| format!("{} {}", pair.product, pair.versions));
            let ends = entry.ends.map_or_else(|| "-".to_owned(), |end| end.to_string());
            format!("{}; {ends}", pairs.collect::<Vec<_>>().join(", "))
        };
        let rows = [
            (Product::Istio, "1.30", "Kubernetes 1.32 to 1.36, OpenShift 4.19 to 4.22; 2026-11-30"),
            (Product::Istio, "1.28", "Kubernetes 1.30 to 1.34, OpenShift 4.17 to 4.21; 2026-07-01"),
            (Product::Istio, "1.17", "Kubernetes 1.23 to 1.26, OpenShift 4.10 to 4.13; 2023-10-27"),
            (Product::ServiceMesh, "3.3", "Istio 1.28.10, 1.27, 1.26, OpenShift 4.18 and newer; -"),
            (Product::Calisti, "v2.17", "Istio 1.17; 2023-10-27"),
            (Product::Calisti, "1.12", "OpenShift 4.11, as ROSA; 2024-02-10"),
            (Product::OpenShift, "4.19", "Kubernetes 1.32; 2026-12-17"),
            (Product::Kubernetes, "1.34", "Istio 1.28 to 1.30; 2026-10-27"),
            (Product::Calico, "3.31", "Kubernetes 1.32 to 1.35, OpenShift 4.18 to 4.20; -"),
            (Product::KubePrometheus, "0.18", "Kubernetes 1.33 to 1.36; -"),
        ];
        for (product, version, expected) in rows {
            assert_eq!(of(product, version), expected, "{product} {version}");
        }
    }
}
