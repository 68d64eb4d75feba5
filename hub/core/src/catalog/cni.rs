//! Where Istio's CNI plugin must be put, by what the cluster runs on, and from which Istio on its charts do so by themselves.

use super::MinorVersion;

/// What decides where a node looks for CNI plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Home {
    /// OpenShift of any kind: Multus looks for plugins of pods that ask for one.
    Multus,
    /// Google's nodes keep plugins in a directory of their own.
    Google,
    /// The directories that Kubernetes' own documentation names; EKS and AKS keep to them.
    Plain,
    /// k3s keeps everything below a directory of its own.
    K3s,
}

/// How the charts come to the right settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// Somebody must write each of them.
    ByHand,
    /// From the mark that the provider puts into the version of its API server, as long as no directory is written.
    ByServerVersion,
    /// From `global.platform`, or a profile of that name.
    ByPlatform(&'static str),
    /// They are the defaults.
    ByDefault,
}

/// What must hold of the plugin with some minors of Istio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Where.
    pub home: Home,
    /// The first minor of Istio 1 for which the row holds.
    pub from: u32,
    /// The last; none if it holds for the newest that is known.
    pub to: Option<u32>,
    /// `cniBinDir`.
    pub bin: &'static str,
    /// `cniConfDir`.
    pub conf: &'static str,
    /// `cniConfFileName`; empty for the first file found, which the plugin is chained into.
    pub file: &'static str,
    /// `chained`.
    pub chained: bool,
    /// `provider`; empty where the charts have no such value.
    pub provider: &'static str,
    /// How the charts come to it.
    pub filled: Filled,
}

/// Where the table stands, for people.
pub const SOURCE: &str = "istio/istio at the tags 1.13 to 1.31.0-rc.0, manifests/charts/istio-cni and manifests/helm-profiles/platform-*.yaml";

const MULTUS: Settings = Settings {
    home: Home::Multus,
    from: 13,
    to: Some(18),
    bin: "/var/lib/cni/bin",
    conf: "/etc/cni/multus/net.d",
    file: "istio-cni.conf",
    chained: false,
    provider: "",
    filled: Filled::ByHand,
};

const PLAIN: Settings = Settings {
    home: Home::Plain,
    from: 13,
    to: Some(18),
    bin: "/opt/cni/bin",
    conf: "/etc/cni/net.d",
    file: "",
    chained: true,
    provider: "",
    filled: Filled::ByDefault,
};

const GOOGLE: Settings = Settings { home: Home::Google, bin: "/home/kubernetes/bin", ..PLAIN };

const K3S: Settings = Settings {
    home: Home::K3s,
    bin: "/var/lib/rancher/k3s/data/cni",
    conf: "/var/lib/rancher/k3s/agent/etc/cni/net.d",
    provider: "default",
    ..PLAIN
};

/// All rows, by home and then by version. Minors below 1.13 are installed by nothing that is served.
///
/// Source: [`SOURCE`].
pub const SETTINGS: [Settings; 12] = [
    MULTUS,
    Settings {
        from: 19,
        to: Some(23),
        provider: "multus",
        filled: Filled::ByPlatform("openshift"),
        ..MULTUS
    },
    Settings { from: 24, to: None, provider: "multus", filled: Filled::ByPlatform("openshift"), ..MULTUS },
    Settings { to: Some(15), filled: Filled::ByHand, ..GOOGLE },
    Settings { from: 16, to: Some(18), filled: Filled::ByServerVersion, ..GOOGLE },
    Settings { from: 19, to: Some(24), provider: "default", filled: Filled::ByServerVersion, ..GOOGLE },
    // From 1.25 on the default is a directory that Google's nodes do not read, so nothing is told by the version.
    Settings { from: 25, to: None, provider: "default", filled: Filled::ByPlatform("gke"), ..GOOGLE },
    PLAIN,
    Settings { from: 19, to: None, provider: "default", ..PLAIN },
    Settings { to: Some(18), filled: Filled::ByHand, provider: "", ..K3S },
    Settings { from: 19, to: Some(23), filled: Filled::ByHand, ..K3S },
    Settings { from: 24, to: None, filled: Filled::ByPlatform("k3s"), ..K3S },
];

/// What must hold with a minor of Istio; the newest row for minors that are not known yet.
#[must_use]
pub fn settings(home: Home, istio: MinorVersion) -> Option<&'static Settings> {
    let known = |row: &&Settings| {
        let below = row.to.is_none_or(|to| istio.minor <= to);
        row.home == home && istio.major == 1 && istio.minor >= row.from && below
    };
    SETTINGS.iter().find(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minor_has_one_row_in_every_home() {
        for home in [Home::Multus, Home::Google, Home::Plain, Home::K3s] {
            for minor in 13..=40 {
                let rows = SETTINGS.iter().filter(|row| {
                    row.home == home && row.from <= minor && row.to.is_none_or(|to| minor <= to)
                });
                assert_eq!(rows.count(), 1, "{home:?} 1.{minor}");
            }
            assert_eq!(settings(home, MinorVersion::new(1, 12)), None);
        }
    }

    #[test]
    fn google_s_directory_is_written_found_and_named_in_turn() {
        let filled = |minor| settings(Home::Google, MinorVersion::new(1, minor)).map(|row| row.filled);
        assert_eq!(filled(15), Some(Filled::ByHand));
        assert_eq!(filled(16), Some(Filled::ByServerVersion));
        assert_eq!(filled(24), Some(Filled::ByServerVersion));
        assert_eq!(filled(25), Some(Filled::ByPlatform("gke")));
        assert_eq!(filled(31), Some(Filled::ByPlatform("gke")));
    }
}
